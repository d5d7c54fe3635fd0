"""`forkpoint verify`: every invariant and every byte of a store, or of one restore point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forkpoint.cli import options
from forkpoint.cli.outcome import Outcome
from forkpoint.errors import IntegrityError
from forkpoint.journal.points import Damage, Point

if TYPE_CHECKING:
    from forkpoint.journal.home import Home

LOAD = "import sys, forkpoint; forkpoint.load(sys.argv[1], store=sys.argv[2])"


@click.command("verify")
@click.argument("ref", required=False)
@click.option("--deep", is_flag=True, help="Also load each restore point in a scratch process. This runs its code.")
@options.store_option
@options.json_option
def verify(ref: str | None, deep: bool, store: Path | None, as_json: bool) -> Outcome:
    """Check every invariant and checksum of the store, or of the restore point REF. Exit 13 if anything is damaged.

    Without --deep nothing is unpickled.
    """
    from forkpoint.cli import store as questions
    from forkpoint.journal import verify as invariants

    home = questions.home(store)
    checked = invariants.verify(home, ref)
    damages, notes = list(checked.damages), list(checked.notes)
    if deep:
        for point in checked.sound_points:
            if (note := made_elsewhere(point, home)) is not None:
                notes.append(note)
            else:
                damages += load_in_scratch_process(point, home.path)
    hurt = {point for damage in damages for point in damage.points}
    value = {
        "ok": not damages,
        "deep": deep,
        "points": [{"id": point.id, "ref": point.reference, "sound": point.id not in hurt} for point in checked.points],
        "packs": len(checked.packs),
        "bytes": checked.bytes,
        "damages": [questions.damage_fields(damage) for damage in damages],
        "notes": notes,
    }
    return Outcome("verify", value, as_json, IntegrityError.exit_status if damages else 0)


def made_elsewhere(point: Point, home: Home) -> str | None:
    """Why a restore point cannot be loaded whole by this Python, in words; None where it can be."""
    from forkpoint.journal.reader import Reader

    with Reader(home) as reader:
        wanted = reader.plan(point).manifest.provenance["start"]["python"][:2]
    if wanted == list(sys.version_info[:2]):
        return None
    version = ".".join(map(str, wanted))
    return f"restore point {point.id[:12]} was not loaded: it was made by Python {version}, and only that runs its code"


def load_in_scratch_process(point: Point, store: str) -> list[Damage]:
    """What goes wrong when a restore point's objects are rebuilt in a new interpreter; nothing of ours runs here."""
    # -P: a file of the working directory must not stand in for a library.
    command = [sys.executable, "-P", "-c", LOAD, point.id, store]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    said = [line for line in done.stderr.splitlines() if line.strip()]
    detail = said[-1] if said else f"the scratch process ended with status {done.returncode}"
    return [Damage("a restore point loads in a new process", detail, None, (point.id,))]
