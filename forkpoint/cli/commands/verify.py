"""`forkpoint verify`: every invariant and every byte of a store, or of one restore point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from forkpoint.cli import options
from forkpoint.cli.outcome import Outcome
from forkpoint.errors import IntegrityError
from forkpoint.journal.points import Damage, Point

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
    damages = list(checked.damages)
    if deep:
        for point in checked.sound_points:
            damages += load_in_scratch_process(point, home.path)
    hurt = {point for damage in damages for point in damage.points}
    value = {
        "ok": not damages,
        "deep": deep,
        "points": [{"id": point.id, "ref": point.reference, "sound": point.id not in hurt} for point in checked.points],
        "packs": len(checked.packs),
        "bytes": checked.bytes,
        "damages": [questions.damage_fields(damage) for damage in damages],
        "notes": list(checked.notes),
    }
    return Outcome("verify", value, as_json, IntegrityError.exit_status if damages else 0)


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
