"""All cases of a library, tried: made and saved in one process, brought back in others, and judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from forkpoint.cli.objects import catalogue

_SECONDS_MAX: Final = 600.0
"""For all cases of one library: a process that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one object. `note` says why where one of the four is False; None: not tried.

    `expected`: it is as its case says, be that saved or lost for a known reason.
    """

    library: str
    name: str
    captured: bool | None
    equal: bool | None
    aliased: bool | None
    stable: bool | None
    expected: bool
    note: str

    def fields(self) -> dict[str, Any]:
        """As `doctor --objects --json` publishes it."""
        return asdict(self)


def try_library(library: str) -> list[Row]:
    """One row per case. Starts processes, which write into a temporary folder only."""
    cases = catalogue.cases(library)
    absent = catalogue.missing(library)
    if absent:
        return [_untried(case, f"{', '.join(absent)} is not installed") for case in cases]
    with tempfile.TemporaryDirectory(prefix="forkpoint-objects-") as scratch:
        folder = Path(scratch)
        done = _run("saver", library, scratch, folder=folder)
        if not (folder / "saved.json").exists():
            return [_untried(case, f"the process that makes them died: {_last_line(done)}") for case in cases]
        saved = json.loads((folder / "saved.json").read_text())
        loaded = list(_load_all(library, folder, len(cases)))
    return [_judge(*entry) for entry in zip(cases, saved, loaded, strict=True)]


def _run(module: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"forkpoint.cli.objects.{module}", *arguments]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            timeout=_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode()
        return subprocess.CompletedProcess(command, -9, output, "it hung")


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]


def _load_all(library: str, folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Results of the loader, which is started again after each case it dies of."""
    number = 0
    while number < count:
        done = _run("loader", library, str(folder), str(number), folder=folder)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        yield from map(json.loads, lines)
        number += len(lines)
        if number < count:
            yield {"failed": f"the process that brings it back died: {_last_line(done)}"}
            number += 1


def _untried(case: catalogue.Case, why: str) -> Row:
    return Row(case.library, case.name, None, None, None, None, True, why)


def _judge(case: catalogue.Case, saved: dict[str, Any], loaded: dict[str, Any]) -> Row:
    if "unbuilt" in saved:
        return _untried(case, f"it cannot be made here: {saved['unbuilt'].strip().splitlines()[-1]}")
    if "failed" in saved:
        return Row(case.library, case.name, False, None, None, None, bool(case.lost), f"saving: {saved['failed']}")
    stable = saved["stable"]
    if saved["lost"]:
        reason = "; ".join(sorted({f"{path.partition('.')[2]}: {why}" for path, why in saved["lost"]}))
        return Row(case.library, case.name, False, None, None, stable, bool(case.lost), case.lost or reason)
    if "failed" in loaded:
        return Row(case.library, case.name, True, False, None, stable, False, loaded["failed"].strip())
    moments = ("after",) if case.differs else ("before", "after")
    note = next((_difference(saved[at], loaded[at], at) for at in moments if saved[at] != loaded[at]), case.differs)
    equal, aliased = not note, loaded["aliased"]
    expected = (equal or note == case.differs) and aliased and (stable or bool(case.changes)) and not case.lost
    return Row(
        case.library, case.name, True, equal, aliased, stable, expected, note or (case.changes if not stable else "")
    )


def _difference(before: str, after: str, at: str) -> str:
    """The first line that differs, with what it is part of."""
    left, right = before.splitlines(), after.splitlines()
    number = next((n for n, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), -1)
    if number < 0:
        return f"{at} its use: {len(left)} lines became {len(right)}"
    where = " / ".join(line.strip() for line in left[max(number - 2, 0) : number])
    return f"{at} its use: {where}: {left[number].strip()} became {right[number].strip()}"
