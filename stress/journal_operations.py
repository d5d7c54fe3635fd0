"""What is done to a store while system calls fail, each in a process of its own, and how it is judged afterwards.

    python stress/journal_operations.py NAME STORE FACTS

Each operation begins with `made` (a store with a history, what must be in it told in FACTS), happens in this program as
a command of its own, and ends with `judged`: what was acknowledged is there, what is there is right, the store is sound
or is once the operation is done again, and the next commit works.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "journal")]

import journal_program  # noqa: E402
from journal_program import Program, State, content  # noqa: E402

from forkpoint import errors, report  # noqa: E402
from forkpoint.journal import home as homes  # noqa: E402
from forkpoint.journal import rekey  # noqa: E402
from forkpoint.journal.reader import Reader  # noqa: E402
from forkpoint.journal.repair import repair  # noqa: E402
from forkpoint.journal.retention import Policy, forget  # noqa: E402
from forkpoint.journal.verify import verify  # noqa: E402

SHARED = bytes(range(256)) * 2
NEW = [SHARED, b"the new one"]
REFUSED = 3
"""Exit status of an operation that said what hindered it."""

Facts = dict[str, Any]


def made(name: str, folder: Path) -> Facts:
    """A store under `folder` for this operation, and what is in it; XDG_CONFIG_HOME and XDG_STATE_HOME lie there."""
    home = homes.create(str(folder / "store"), encrypt="encrypted" in name)
    if "first" in name:
        return {"states": {}, "run": homes.new_id(), "parent": None, "point": homes.new_id()}
    program = Program(home)
    states = {program.commit(state): state for state in ([SHARED, bytes([n]) * 300] for n in range(3))}
    program.die()
    if name.startswith("repair"):
        for lost in ("journal.db", "journal.db-wal", "journal.db-shm"):
            (folder / "store" / lost).unlink(missing_ok=True)
    told = {id: [data.hex() for data in state] for id, state in states.items()}
    return {"states": told, "run": program.run.id, "parent": program.parent, "point": homes.new_id()}


def _commit(path: str, facts: Facts) -> None:
    """As a child commits, with retention; reports to descriptor 1."""
    program = Program(homes.open_home(path), facts["run"], facts["parent"])
    assert program.lease is not None
    task = {
        "path": path, "run": program.run.fields(), "parent": facts["parent"], "point": facts["point"], "keep_last": 1,
        "state": [data.hex() for data in NEW], "report_fd": 1, "lease_fd": program.lease.fd, "beside": False,
    }  # fmt: skip
    sys.argv[1:] = [json.dumps(task)]
    journal_program.main()


def _restore(path: str, facts: Facts) -> None:
    """Prints the newest sound restore point's id and content, as a restore reads them, and what it passed over."""
    home = homes.open_home(path)
    with Reader(home) as reader:
        sound = reader.newest_sound(facts["run"])
        skipped = [str(damage) for damage in sound.skipped]
        state = [data.hex() for data in content(home, sound.plan)]
        print(json.dumps([sound.point.id, state, skipped]), flush=True)


def _repair(path: str, facts: Facts) -> None:
    """Prints which restore points it says are lost, and which packs were put aside, as `forkpoint repair` does."""
    done = repair(homes.open_home(path))
    print(json.dumps([*(lost.id for lost in done.lost), *done.packs]))


def _rotate(path: str, facts: Facts) -> None:
    print(json.dumps(list(rekey.rekey(path, homes.open_home(path)).lost)))


ACTS: dict[str, Callable[[str, Facts], object]] = {
    "commit": _commit,
    "commit, encrypted": _commit,
    "first commit": _commit,
    "forget": lambda path, facts: forget(homes.open_home(path), Policy(keep_last=1)),
    "repair": _repair,
    "repair, encrypted": _repair,
    "rotate": _rotate,
    "rotate, encrypted": _rotate,
    "restore": _restore,
    "restore, encrypted": _restore,
}


def _there(home: homes.Home) -> dict[str, State]:
    """All restore points, each byte read as a restore does."""
    with Reader(home, accept_rollback=True) as reader:
        return {point.id: content(home, reader.plan(point)) for point in reader.points()}


def judged(name: str, path: str, facts: Facts, status: int, said: bytes) -> tuple[str, list[str]]:
    """How it ended, in a word, and what does not hold."""
    before = {id: [bytes.fromhex(data) for data in state] for id, state in facts["states"].items()}
    newest = facts["parent"]
    home = homes.open_home(path)
    if name.startswith("repair"):
        repair(home)  # what died half-way is finished by the next
    if name.startswith("rotate"):
        home = rekey.rekey(path, home).home
    problems = [str(damage) for damage in verify(home).damages]
    there = _there(home)
    allowed = dict(before)
    ended = "ended" if status == 0 else "said" if status == REFUSED else "killed" if status < 0 else "failed"
    if "commit" in name:
        answer = report.decode(said)
        allowed[facts["point"]] = NEW
        ended = {"K": "durable", "F": "failed, said", "?": "unknown"}.get(answer.status, answer.status)
        if (facts["point"] in there) != (answer.status == "K") and answer.status != "?":
            problems.append(f"reported {answer.status}, but {'there' if facts['point'] in there else 'absent'}")
        if facts["point"] in there:
            newest = facts["point"]
    elif status not in (0, REFUSED) and status > 0:
        problems.append(f"exit status {status}: {said.decode(errors='replace')[-600:]}")
    if name.startswith("restore") and status == 0:
        point, state, skipped = json.loads(said)
        if facts["states"].get(point) != state or (point != newest and not skipped):
            problems.append(f"restored something else: {said[:200]!r}")
    told = bool(name.startswith(("repair", "rotate")) and status == 0 and json.loads(said))
    if newest is not None and newest not in there and not told:
        problems.append("the newest restore point is lost")
    if name.startswith(("repair", "rotate", "restore")) and set(there) != set(before) and not told:
        problems.append(f"{len(before)} restore points were there, {len(there)} are")
    if newest not in there:
        newest = next(iter(there), None)
    problems += [f"{id} is another" for id, state in there.items() if allowed.get(id) != state]
    return ended, problems + _goes_on(home, facts, newest)


def _goes_on(home: homes.Home, facts: Facts, newest: str | None) -> list[str]:
    """The next commit works, and forgetting leaves it alone and the store sound."""
    try:
        program = Program(home, facts["run"], newest)
        last = program.commit([SHARED, b"next"])
        program.die()
        forget(home, Policy(keep_last=1))
        problems = [] if _there(home) == {last: [SHARED, b"next"]} else ["the next commit is not there alone"]
        return problems + [str(damage) for damage in verify(home).damages]
    except (errors.ForkpointError, OSError) as error:
        return [f"the next commit failed: {error!r}"]


def main() -> None:
    name, path, facts = sys.argv[1:]
    try:
        ACTS[name](path, json.loads(facts))
    except (errors.ForkpointError, OSError, MemoryError) as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        os._exit(REFUSED)


if __name__ == "__main__":
    main()
