"""The process of one method: a line on stdin asks for one point, a line of JSON answers.

Its first line says that it is ready, or why the method is left out.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
from method import Unfit
from methods import METHODS
from workloads import WORKLOADS

PLAIN_STEPS = 3


def main() -> None:
    workload, method = WORKLOADS[sys.argv[1]], METHODS[sys.argv[2]]
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries may print

    def say(**said: Any) -> None:
        print(json.dumps(said), file=answer, flush=True)

    def loop() -> None:
        usual = plain(work)
        say(ready=True, fsynced=way.fsynced, memory_before=before)
        while sys.stdin.readline():
            if not work.sparse:
                usual = plain(work)
            say(**turn(work, way, usual))

    try:
        method.fit(workload)
        work = method.prepare(workload)
        work.step()
        before = memory_bytes(os.getpid())
        way = method(work)
        way.around(loop)
    except Unfit as reason:
        say(left_out=str(reason))
    except ImportError as missing:
        say(left_out=f"not installed ({missing.name})")
    except Exception as failure:
        say(left_out=f"{type(failure).__name__}: {failure}"[:300])
        raise


def plain(work: Any) -> tuple[float, float, float]:
    """What a step takes without a checkpoint: ms, CPU ms of this thread, CPU ms of all processes of the method."""
    before = cpu_ms()
    steps = [spent(work.step) for _ in range(PLAIN_STEPS)]
    in_all = (cpu_ms() - before) / PLAIN_STEPS
    usual, usual_cpu = (statistics.median(column) for column in zip(*steps, strict=True))
    return usual, usual_cpu, in_all


def turn(work: Any, way: Any, usual: tuple[float, float, float]) -> dict[str, float]:
    """One point and the step after it; `usual` are steps without a checkpoint, taken just before where they do not
    change how much a point has to write.
    """
    cpu_before = cpu_ms()
    began = time.perf_counter()
    stop, stop_cpu = spent(way.take)
    step, step_cpu = spent(work.step)
    way.wait()
    done = time.perf_counter()
    cpu = cpu_ms() - cpu_before
    way.tidy()
    return {
        "stop": stop,
        "slowed": step - usual[0],
        "stop_cpu": stop_cpu,
        "slowed_cpu": step_cpu - usual[1],
        "step": usual[0],
        "durable": 1e3 * (done - began),
        "cpu": cpu - usual[2],
        "bytes": way.written,
    }


def spent(action: Callable[[], object]) -> tuple[float, float]:
    """Time and CPU time of the main thread, in ms: the second hardly depends on what else the machine does."""
    began, began_cpu = time.perf_counter(), time.thread_time()
    action()
    return 1e3 * (time.perf_counter() - began), 1e3 * (time.thread_time() - began_cpu)


def cpu_ms() -> float:
    """CPU time of this process, of those it has waited for, and of the ones that live below it."""
    own = time.process_time()
    gone = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (own + gone.ru_utime + gone.ru_stime + sum(map(_cpu_of, psutil.Process().children(recursive=True))))


def _cpu_of(process: psutil.Process) -> float:
    try:
        own = time.clock_gettime((~process.pid << 3) | 2)  # the kernel's MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)
        times = process.cpu_times()
    except (OSError, psutil.Error):
        return 0.0
    return own + times.children_user + times.children_system


def memory_bytes(pid: int) -> int:
    """Memory of a process and all below it, shared pages shared out among them (PSS)."""
    try:
        return sum(map(_pss, [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]))
    except psutil.Error:
        return 0


def _pss(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            return next(1024 * int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


if __name__ == "__main__":
    main()
