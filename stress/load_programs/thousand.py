"""Commits over and over, and does between them what programs do with processes; says what it saw of its commits."""

import ctypes
import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import forkpoint

COMMITS, WARM = int(sys.argv[1]), int(sys.argv[2])


class Mallinfo2(ctypes.Structure):
    """mallinfo(3): ten numbers of type size_t."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    )


signals, strays, broken = [], [], []


def on_sigchld(number, frame):
    signals.append(number)


def square(n):
    return n * n


def held():
    """Mappings, threads, descriptors, children, once the newest child is collected, as the next commit would do."""
    patience = time.monotonic() + 30
    reaper = sys.modules.get("forkpoint.snapshot.reaper")
    while reaper and reaper._living and time.monotonic() < patience:
        time.sleep(0.05)
        reaper.collect()
    with open("/proc/self/maps") as maps:
        count = sum(1 for _ in maps)
    children = ""
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as listed:
            children += listed.read()
    return {
        "maps": count,
        "threads": threading.active_count(),
        "tasks": len(os.listdir("/proc/self/task")),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "children": len(children.split()),
    }


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def in_use():
    """What is given out, which no page or arena rounds: bytes by malloc, blocks by pymalloc.

    CPython's cache of attributes holds the names it was asked with, of which C code makes a new copy each time.
    """
    gc.collect()
    with warnings.catch_warnings(action="ignore"):
        sys._clear_type_cache()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Mallinfo2
    given = mallinfo2()
    return given.hblkhd + given.uordblks, sys.getallocatedblocks()


def in_a_fork(n):
    """A fork of the program's own: prints nothing, works on, ends as told."""
    pid = os.fork()
    if pid == 0:
        total = 0
        for k in range(20000):
            total += square(k)
        os._exit(n % 7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def processes(n):
    """Everything a program does with processes; each must work as ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if in_a_fork(n) != n % 7:
        broken.append(f"fork {n}")
    done = subprocess.run([sys.executable, "-c", f"print({n})"], capture_output=True, text=True, check=False)
    if done.stdout != f"{n}\n":
        broken.append(f"subprocess {n}: {done}")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        if pool.map(square, range(5)) != [0, 1, 4, 9, 16]:
            broken.append(f"pool {n}")
    signal.signal(signal.SIGCHLD, on_sigchld)


def main():
    signal.signal(signal.SIGCHLD, on_sigchld)
    state, sizes, before, failed = list(range(2000)), [], None, []
    processes(0)
    for n in range(COMMITS):
        print("commit", n)  # not flushed: it lies in the buffer when the program is forked
        state[n % 2000] = n
        point = forkpoint.checkpoint()
        try:
            strays.append(os.wait())
        except ChildProcessError:
            pass
        if not point.wait() and point.id:
            failed.append(point.reason)
        if n % 50 == 25:
            processes(n)
        if n == WARM:
            before = held()
        if n >= WARM and n % 10 == 0:
            sizes.append((n, resident(), *in_use()))
    print("end", flush=True)
    found = {
        "signals": len(signals),
        "strays": strays,
        "broken": broken,
        "failed": failed[:3],
        "sizes": sizes,
        "before": before,
        "after": held(),
    }
    with open(os.environ["FOUND"], "w") as file:
        json.dump(found, file)


main()
