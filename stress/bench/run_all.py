"""All questions of this folder, one page of answers.

    python stress/bench/run_all.py [--short | --tiny] [--only cost restore ...] [--workload W1 ...] [--into FOLDER]

Writes into FOLDER (default: bench-results) `results.json`, `RESULTS.md` (a table per question, and the bars with met or
missed) and a plot per question where matplotlib is installed. What FOLDER has from earlier runs is kept, question by
question and workload by workload, so that the whole, which takes an hour, can be run in pieces. `--short` takes five
minutes, `--tiny` tries the measuring itself. What is not installed is left out by name.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import blocks
import cost
import overhead
import page
import restore
from question import Question
from workloads import WORKLOADS

Asked = tuple[str, Question, list[str]]
"""Its heading, the question, and the words of its command line."""

FEW = ["none", "memcpy", "forkpoint", "fork", "dcp-thread", "moonclip"]
LARGE, SMALL = ["--seconds", "12", "--workload", "W1", "W3"], ["--seconds", "12", "--workload", "small", "W8"]
FULL: list[Asked] = [
    ("cost", cost.QUESTION, []),
    ("many points", cost.QUESTION, ["--workload", "W1", "--points", "24", "--method", *FEW]),
    ("blocks", blocks.QUESTION, []),
    ("overhead every 10 steps", overhead.QUESTION, ["--every", "10it", *LARGE]),
    ("overhead with defaults", overhead.QUESTION, ["--every", "auto", *LARGE]),
    ("overhead every second", overhead.QUESTION, ["--every", "1", *SMALL]),
    ("overhead every second, two threads", overhead.QUESTION, ["--every", "1", "--threads", "2", *SMALL]),
    ("restore", restore.QUESTION, []),
]
SHORT: list[Asked] = [
    ("cost", cost.QUESTION, ["--points", "4", "--workload", "small", "W8", "W10"]),
    ("blocks", blocks.QUESTION, ["--pairs", "6", "--workload", "small"]),
    ("overhead every second", overhead.QUESTION, ["--pairs", "1", "--seconds", "10", "--workload", "W8"]),
    ("restore", restore.QUESTION, ["--pairs", "2", "--workload", "small", "W8"]),
]
TRIED = ["--workload", "tiny"]
TINY: list[Asked] = [
    (
        "cost",
        cost.QUESTION,
        [*TRIED, "--points", "2", "--method", "none", "forkpoint", "pickle", "torch.save", "talo"],
    ),
    ("blocks", blocks.QUESTION, [*TRIED, "--pairs", "2", "--seconds", "0.1"]),
    (
        "overhead every second",
        overhead.QUESTION,
        [*TRIED, "--pairs", "1", "--every", "0.2", "--seconds", "0.6"],
    ),
    ("restore", restore.QUESTION, [*TRIED, "--pairs", "1"]),
]


def run(asked: Sequence[Asked], only: Sequence[str] | None, workloads: Sequence[str] | None, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    kept = into / "results.json"
    results: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for heading, question, words in asked:
        if only and not heading.startswith(tuple(only)):
            continue
        options = question.parse(words)
        options.workload = [name for name in options.workload if not workloads or name in workloads]
        print(f"\n{heading}: {question.title}\n")
        for name in options.workload:
            found = question.measure(name, options)
            question.show(name, found)
            results.setdefault(heading, {})[name] = {**found, "on": machine()}
            kept.write_text(json.dumps(results, indent=1))
    page.write(into, {heading: question for heading, question, _ in FULL}, results)


def machine() -> dict[str, Any]:
    """Where and when a figure was measured."""
    with open("/proc/cpuinfo") as cpus:
        model = next((line.partition(": ")[2].strip() for line in cpus if line.startswith("model name")), "unknown")
    about = f"{os.cpu_count()} cores ({model}), Linux {platform.release()}, CPython {platform.python_version()}"
    return {"machine": about, "date": time.strftime("%Y-%m-%d"), "load": round(os.getloadavg()[0], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_const", dest="asked", const=SHORT, default=FULL)
    size.add_argument("--tiny", action="store_const", dest="asked", const=TINY)
    parser.add_argument("--only", nargs="+", help="questions, by what their headings begin with")
    parser.add_argument("--workload", nargs="+", choices=WORKLOADS)
    parser.add_argument("--into", type=Path, default=Path("bench-results"))
    options = parser.parse_args()
    run(options.asked, options.only, options.workload, options.into)
    print(f"written: {options.into / 'RESULTS.md'}")


if __name__ == "__main__":
    main()
