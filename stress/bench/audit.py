"""What the audit hook costs a program: nothing measurable on events it does not tell of.

    python stress/bench/audit.py

Each figure is the fastest of several rounds, with no hook at all and with ours, in processes of their own, interleaved.
CPython itself builds the arguments of every event once any hook exists; an empty C hook costs the same.
"""

from __future__ import annotations

import subprocess
import sys

ROUNDS = 7
WORK = {
    "1,000,000 object.__getattr__ events (f.__code__)": """
def f(): ...
def work():
    for _ in range(1_000_000): f.__code__
""",
    "imports of the standard library": """
def work():
    import asyncio, argparse, csv, decimal, email.message, http.client, json, logging.config, multiprocessing
    import sqlite3, tarfile, unittest.mock, urllib.request, xml.dom.minidom, zipfile, pydoc, doctest
""",
    "20,000 opens for reading": """
def work():
    for _ in range(20_000): open("/dev/null").close()
""",
    "20,000 opens for writing (told)": """
def work():
    for _ in range(20_000): open("/dev/null", "w").close()
""",
}
TIMER = """
import time
{start}
{work}
began = time.perf_counter(); work(); print(time.perf_counter() - began)
"""
STARTS = ("", "from forkpoint import _native; _native.audit_start(lambda event, args: None)")


def seconds(work: str, start: str) -> float:
    """One round in a new process."""
    program = TIMER.format(work=work, start=start)
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print each workload without and with the hook."""
    for name, work in WORK.items():
        rounds = [[seconds(work, start) for start in STARTS] for _ in range(ROUNDS)]
        without, with_hook = (1000 * min(column) for column in zip(*rounds, strict=True))
        print(f"{name}: {without:.1f} ms without, {with_hook:.1f} ms with, {with_hook / without:.2f}x")


if __name__ == "__main__":
    main()
