"""`run --dry-run`: the program runs up to its first restore point; what that holds is told, and nothing is kept."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from forkpoint.cli.reporters.text import size
from forkpoint.obstacles import advice
from forkpoint.order import Order, command_line
from forkpoint.say import say

if TYPE_CHECKING:
    from forkpoint import settings as choices
    from forkpoint.journal.home import Home
    from forkpoint.journal.points import Point
    from forkpoint.journal.runs import RunInfo
    from forkpoint.model import Manifest

_VARIABLES_SHOWN: Final = 10


def rehearse(settings: choices.Settings, info: RunInfo, order: Order, environment: dict[str, str]) -> int:
    """Run `order` on a scratch store and tell what it captured. Returns 0, or 1 (or the program's own status) when
    nothing could be captured.
    """
    from forkpoint import settings as choosing
    from forkpoint.journal import home, lineage
    from forkpoint.journal.reader import Reader

    say("dry run: the program runs up to its first restore point, and nothing is kept")
    with _scratch(encrypt=settings.encrypt or home.is_encrypted(str(settings.store))) as store:
        held = lineage.begin(store, info)
        scratch = settings._replace(store=Path(store.path))
        order = order._replace(settings=choosing.as_plain(scratch), lease_fd=held.pass_on())
        argv = command_line(order)
        fds = tuple(order.descriptors(argv))
        done = subprocess.run(
            argv, env=environment | {"FORKPOINT_KEY_FILE": os.environ["FORKPOINT_KEY_FILE"]}, pass_fds=fds, check=False
        )
        for fd in fds:
            os.close(fd)
        with Reader(store) as reader:
            points = reader.points()
            if not points:
                say(f"nothing was captured: the program ended first, with status {done.returncode}")
                return done.returncode if 0 < done.returncode < 128 else 1
            _tell(points[0], reader.plan(points[0]).manifest)
    return 0


@contextlib.contextmanager
def _scratch(*, encrypt: bool) -> Iterator[Home]:
    """A store, key and anchor that are gone afterwards; on the disk, so encrypted where the run's own would be."""
    from forkpoint.journal import home

    folder = tempfile.mkdtemp(prefix="forkpoint-dry-run-")
    before = os.environ.get("FORKPOINT_KEY_FILE")
    os.environ["FORKPOINT_KEY_FILE"] = os.path.join(folder, "key")
    try:
        store = home.create(os.path.join(folder, "store"), encrypt=encrypt)
        try:
            yield store
        finally:
            shutil.rmtree(os.path.dirname(store.anchor_path), ignore_errors=True)
    finally:
        if before is None:
            del os.environ["FORKPOINT_KEY_FILE"]
        else:
            os.environ["FORKPOINT_KEY_FILE"] = before
        shutil.rmtree(folder, ignore_errors=True)


def _tell(point: Point, manifest: Manifest) -> None:
    say(
        f"would be saved: {size(point.bytes_total)}, {size(point.bytes_new)} on disk; the program stopped for "
        f"{point.stop_ms:.1f} ms, writing took {point.commit_ms:.0f} ms beside it"
    )
    for variable in sorted(manifest.variables, key=lambda item: -item.bytes)[:_VARIABLES_SHOWN]:
        say(f"    {variable.name}: {variable.type}, {variable.summary}, {size(variable.bytes)}")
    if len(manifest.variables) > _VARIABLES_SHOWN:
        say(f"    and {len(manifest.variables) - _VARIABLES_SHOWN} smaller variables")
    say("would not be saved:" if manifest.tombstones else "everything would be saved")
    for stone in manifest.tombstones:
        say(f"    {stone.path} ({stone.type}): {stone.reason}")
    say("the first commit points are:")
    for place in manifest.provenance.get("places") or [manifest.location]:
        say(f"    {place}")
    for refusal in manifest.refusals:
        say(f"no commit: {refusal.reason}, at {refusal.location} ({refusal.count} times)\n    {advice(refusal.reason)}")
