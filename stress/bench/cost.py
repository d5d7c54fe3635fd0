"""What a checkpoint costs: each method beside the others, on each workload.

    python stress/bench/cost.py [--workload W1 ...] [--method forkpoint ...] [--points 9] [--json FILE]

One process per method, all alive at once and taking turns, so that whatever the machine does meets all of them. The
first points of each warm up. Times in ms, medians: `stop` is the call (p99 is its worst where there are fewer than a
hundred), `slowed` what the next step takes more than one without a checkpoint, `durable` counts from the beginning of
the call, `cpu` is CPU time of all processes of the method beyond that of the step, `memory` the most (PSS) they had
beyond that of the program before it, seen in points of their own, whose times do not count. `fsync` says whether the
method's `durable` outlives a power cut.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import select
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from methods import METHODS
from question import HERE, Found, Question, scratch
from serve import memory_bytes
from workloads import WORKLOADS

WARMING = 4
MEMORY_POINTS = 2
MEMORY_LOOK_SECONDS = 0.005
TOO_LARGE = "no memory for one more program of 2 GB"
NOT_TRIED = {
    "W2": {
        method: TOO_LARGE for method in METHODS if method not in {"none", "forkpoint", "forkpoint-256M", "torch.save"}
    },
    "W7": {"dill": "minutes a point", "joblib": "minutes a point"},
}
"""Which methods are left out where, by reason, to have a run end."""


class Server:
    """The process of one method."""

    def __init__(self, directory: Path, workload: str, method: str) -> None:
        self.directory = directory
        directory.mkdir()
        command = [sys.executable, str(HERE / "serve.py"), workload, method]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        with open(directory / "said", "wb") as said:
            self.process = subprocess.Popen(
                command, cwd=directory, env=environment, stdin=pipe, stdout=pipe, stderr=said, text=True
            )
        self.points: list[dict[str, float]] = []
        self.left_out = ""
        self.about: dict[str, Any] = {}

    def begin(self) -> None:
        """Wait until it is ready."""
        self.about = self._answer()

    def take(self, *, look: bool) -> None:
        """One point; with `look`, the memory it takes."""
        if self.left_out:
            return
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        most = 0
        while look and not select.select([self.process.stdout], [], [], MEMORY_LOOK_SECONDS)[0]:
            most = max(most, memory_bytes(self.process.pid))
        point = self._answer()
        if not self.left_out:
            self.points.append({**point, "memory": most - self.about["memory_before"]} if look else point)

    def end(self) -> None:
        self.process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(said) if said else {"left_out": self._last_words()}
        self.left_out = answer.get("left_out", "")
        return answer

    def _last_words(self) -> str:
        said = (self.directory / "said").read_text(errors="replace").split("\n")
        return f"died: {' '.join(said[-3:])[-200:]}"


def measure(workload: str, options: argparse.Namespace) -> Found:
    """The points of each method, taken in turns."""
    left_out = dict(NOT_TRIED.get(workload, {}))
    points = options.points or WORKLOADS[workload].points
    with scratch("cost") as place:
        servers = {}
        for method in options.method or METHODS:
            if method not in left_out:
                servers[method] = server = Server(Path(place) / method, workload, method)
                server.begin()  # one after the other: the machine is not tried by a dozen imports at once
        try:
            for turn in range(points + MEMORY_POINTS):
                for server in servers.values():
                    server.take(look=turn >= points)
        finally:
            for server in servers.values():
                server.end()
        left_out |= {method: server.left_out for method, server in servers.items() if server.left_out}
        kept = {method: server for method, server in servers.items() if not server.left_out}
        for method, server in kept.items():
            if method.startswith("forkpoint"):
                split(server.directory, server.points)
    return {
        "points": {method: server.points for method, server in kept.items()},
        "medians": {method: summary(server.points) for method, server in kept.items()},
        "fsynced": {method: server.about["fsynced"] for method, server in kept.items()},
        "left out": left_out,
    }


def split(directory: Path, points: list[dict[str, float]]) -> None:
    """Where the stop went, as the restore points that were kept say."""
    shown = [sys.executable, "-m", "forkpoint", "log", "--json"]
    log = json.loads(subprocess.run(shown, cwd=directory, capture_output=True, text=True, check=True).stdout)
    for point, kept in zip(reversed(points), log["runs"][0]["points"], strict=False):
        shown = [sys.executable, "-m", "forkpoint", "show", kept["id"], "--json"]
        whole = json.loads(subprocess.run(shown, cwd=directory, capture_output=True, text=True, check=True).stdout)
        point.update({f"stop.{part}": ms for part, ms in whole["split_ms"].items()})


def summary(points: list[dict[str, float]]) -> dict[str, float]:
    """Medians over the points after the warming ones, and the worst of some."""
    used = [point for point in points if "memory" not in point]
    used = used[min(WARMING, len(used) // 2) :]
    names = {name for point in used for name in point}
    found = {name: statistics.median([point[name] for point in used if name in point]) for name in names}
    stops = sorted(point["stop"] for point in used)
    found["stop_p99"] = stops[math.ceil(0.99 * len(stops)) - 1]
    found["first_durable"] = points[0]["durable"]
    found["bytes_in_all"] = sum(point["bytes"] for point in points)
    found["memory"] = max(point["memory"] for point in points if "memory" in point)
    return found


HEADS = (
    "method",
    "stop",
    "p99",
    "slowed",
    "durable",
    "fsync",
    "cpu",
    "memory, MB",
    "bytes a point",
    "the stop's parts",
)


def rows(found: Found) -> list[list[str]]:
    table = []
    for method, figures in found["medians"].items():
        times = [f"{figures[name]:,.1f}" for name in ("stop", "stop_p99", "slowed")]
        durable = f"{figures['durable']:,.0f}", "yes" if found["fsynced"][method] else "no", f"{figures['cpu']:,.0f}"
        sizes = f"{figures['memory'] / 1e6:,.0f}", f"{figures['bytes']:,.0f}"
        parts = sorted((name[5:], ms) for name, ms in figures.items() if name.startswith("stop."))
        table.append([method, *times, *durable, *sizes, ", ".join(f"{name} {ms:.1f}" for name, ms in parts)])
    return table


def notes(found: Found) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for method, reason in found["left out"].items():
        reasons.setdefault(reason, []).append(method)
    return [f"left out: {', '.join(methods)}: {reason}" for reason, methods in reasons.items()]


def bars(found: Found) -> dict[str, float]:
    medians = {name: figures for name, figures in found["medians"].items() if name != "none"}
    return {name: figures["stop"] + max(0.0, figures["slowed"]) for name, figures in medians.items()}


QUESTION = Question(
    name="cost",
    about=__doc__,
    heads=HEADS,
    measure=measure,
    rows=rows,
    notes=notes,
    bars=bars,
    unit="stop and slowed next step, ms",
    workloads=[name for name in WORKLOADS if name != "tiny"],
    options={
        "method": {"nargs": "+", "choices": METHODS},
        "points": {"type": int, "help": "of each method, warming ones included; default: as many as the workload says"},
    },
)

if __name__ == "__main__":
    QUESTION.main()
