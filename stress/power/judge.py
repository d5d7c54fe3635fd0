"""What a store that came back must be: everything acknowledged, exactly; clean; and good for the next commit."""

from __future__ import annotations

import dataclasses
import os
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "stress"), str(ROOT / "tests" / "unit" / "journal"), str(ROOT)]

from journal_program import Program, content  # noqa: E402
from power.ledger import Ledger, digest  # noqa: E402

from forkpoint import errors  # noqa: E402
from forkpoint.journal import home as homes  # noqa: E402
from forkpoint.journal.home import Home  # noqa: E402
from forkpoint.journal.reader import Reader  # noqa: E402
from forkpoint.journal.retention import Policy, forget  # noqa: E402
from forkpoint.journal.verify import verify  # noqa: E402

PASS, HARD_FAIL, SILENT, LOST, REFUSED = "PASS", "HARD_FAIL", "SILENT_DIVERGENCE", "LOST_WORK", "REFUSED"


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    kind: str
    words: str = ""
    found: tuple[str, ...] = ()
    """The restore points that came back, oldest first."""


class _Wrong(Exception):
    """A promise that does not hold."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(kind, words)
        self.verdict = Verdict(kind, words)


def _trace(error: Exception) -> str:
    """An exception that is not one of ours, and the places it came through."""
    places = [
        f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
    ]
    return f"{type(error).__name__}: {error} at {' '.join(places)}"


def use(config: str, state: str) -> None:
    """Where this process looks for keys and anchors from now on."""
    os.environ |= {"XDG_CONFIG_HOME": config, "XDG_STATE_HOME": state}


def judge(path: str, ledger: Ledger) -> Verdict:
    """After a power cut with an honest disk: everything holds."""
    try:
        home = homes.open_home(path) if ledger.made else homes.create(path)
        _clean(home, "after the cut")
        found = _points(home, ledger)
        if missing := ledger.must(set(found)).difference(found):
            raise _Wrong(LOST, f"{len(missing)} acknowledged restore points are gone: {sorted(missing)}")
        _goes_on(home, ledger, found)
        return Verdict(PASS, "", found)
    except _Wrong as wrong:
        return wrong.verdict
    except Exception as error:
        return Verdict(HARD_FAIL, _trace(error))


def _clean(home: Home, when: str) -> None:
    checked = verify(home)
    if checked.damages:
        raise _Wrong(HARD_FAIL, f"verify {when}: " + "; ".join(map(str, checked.damages[:4])))


def _points(home: Home, ledger: Ledger) -> tuple[str, ...]:
    """Every restore point there is, each with the content it was given."""
    with Reader(home) as reader:
        points = reader.points()[::-1]
        for point in points:
            if point.id not in ledger.may():
                raise _Wrong(SILENT, f"restore point {point.id} is there, which never was or was gone before")
            if digest(content(home, reader.plan(point))) != ledger.begun[point.id]["state"]:
                raise _Wrong(SILENT, f"restore point {point.id} has another content than was committed")
        for run in reader.runs():
            if run.points and (sound := reader.newest_sound(run.id)).point.id != run.points[0].id:
                raise _Wrong(LOST, f"run {run.id} restores {sound.point.id}, not its newest: {sound.skipped}")
        if ledger.made and not reader.anchored:
            raise _Wrong(HARD_FAIL, "the anchor is gone")
        return tuple(point.id for point in points)


def _goes_on(home: Home, ledger: Ledger, found: tuple[str, ...]) -> None:
    """A restored program commits, and forgetting sweeps what the cut left; everything else stays as it was."""
    newest = found[-1] if found else None
    program = Program(home, ledger.begun[newest]["run"] if newest else None, newest)
    try:
        state = [os.urandom(100), b"after the cut"]
        made = program.commit(state)
        _clean(home, "after the next commit")
        with Reader(home) as reader:
            there = {point.id: point for point in reader.points()}
            if set(there) != {*found, made} or content(home, reader.plan(there[made])) != state:
                raise _Wrong(SILENT, f"after the next commit there are {sorted(there)}, not {sorted({*found, made})}")
    finally:
        program.die()
    forget(home, Policy(1))
    _clean(home, "after forgetting")


def judge_of_lies(path: str, ledger: Ledger) -> Verdict:
    """After a power cut with fsyncs that did nothing: work may be lost, but never in silence, and nothing is wrong.

    REFUSED: said, by an error of forkpoint's or by damages that are named. Then a pack may also have been found whose
    commit never came to be; its content has to be right all the same.
    """
    try:
        home = homes.open_home(path)
        with Reader(home) as reader:
            said = [str(damage) for damage in reader.damages]
            for run in reader.runs():
                if run.points:
                    sound = reader.newest_sound(run.id)
                    said += map(str, sound.skipped)
                    if digest(content(home, sound.plan)) != ledger.begun[sound.point.id]["state"]:
                        return Verdict(SILENT, f"{sound.point.id} is restored with a content nobody committed")
            found = {point.id for point in reader.points()}
        said += map(str, verify(home).damages)
        if said:
            return Verdict(REFUSED, said[0])
        if missing := ledger.must(found).difference(found):
            return Verdict(SILENT, f"{len(missing)} restore points are gone and nothing says so")
        if strange := found.difference(ledger.may()):
            return Verdict(SILENT, f"{len(strange)} restore points are there that never were")
        return Verdict(PASS)
    except errors.ForkpointError as error:
        return Verdict(REFUSED, f"{type(error).__name__}: {error}")
    except Exception as error:
        return Verdict(HARD_FAIL, _trace(error))
