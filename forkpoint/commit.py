"""One commit in the forked child: encode -> journal; it ends as its committer does.

Nothing here runs in the program. If the child dies inside, there is no new restore point, and what it wrote is swept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from time import monotonic_ns
from typing import Any, NamedTuple

from forkpoint import _native, faultpoints, registry
from forkpoint import settings as choices
from forkpoint.capture import ambient, descriptors, libraries, liveness, mappings, preview, provenance, roots
from forkpoint.encode import mapped, pickler, preamble
from forkpoint.errors import Refused
from forkpoint.files import AtCommit, Files
from forkpoint.journal import columns, committer, known, pack
from forkpoint.journal.home import Home
from forkpoint.journal.runs import RunInfo
from forkpoint.losses import Losses
from forkpoint.model import EXCLUDED, CapturedStack, Encoded, Manifest, Pod, ProgramImage, Refusal, Trigger
from forkpoint.order import interpreter_flags
from forkpoint.places import Places
from forkpoint.report import Report
from forkpoint.snapshot import forker
from forkpoint.snapshot.hotness import Found
from forkpoint.snapshot.staging import Staging


class Writing(NamedTuple):
    """Where and for whom a commit is written; `rehearsed` are the commit points that a rehearsal has seen."""

    home: Home
    run: RunInfo
    parent: str | None
    settings: choices.Settings
    refusals: tuple[Refusal, ...]
    rehearsed: tuple[str, ...]
    lease_fd: int
    files: Files
    losses: Losses
    places: Places
    staging: Staging


class Moment(NamedTuple):
    """What the program read of itself at the commit point; the fork hands it to the child."""

    point: str
    trigger: Trigger
    label: str | None
    stack: CapturedStack
    found: roots.Roots
    before: Mapping[str, Any]
    opened: tuple[descriptors.OpenFile, ...]
    mappings: mappings.Mappings
    files: AtCommit
    stdout_bytes: int
    created_at: str
    started_ns: int


def write(side: forker.ChildSide, at: Writing, moment: Moment) -> Report:
    """The child's whole work; ends with the committer, or in the answer that a better place is near."""
    descriptors.open_again(moment.opened)  # first: nothing else may take their numbers
    at.staging.begin()
    roots.hold(moment.found)
    libraries.begin()
    mappings.hold_still(moment.mappings)
    mapped.remember(moment.mappings.text)
    faultpoints.reach("child.started")
    began = monotonic_ns()
    image = ProgramImage(
        modules=moment.found.by_value,
        imports=moment.found.imports,
        stack=moment.stack,
        ambient={**ambient.capture(moment.before), "forkpoint": registry.capture()},
        facts=ambient.facts(),
    )
    before = known.load(at.home, at.run.id, at.parent)
    packing = pack.PackWriter(at.home, at.run, moment.point, before)
    kept = at.files.store(packing, moment.files, moment.mappings.paths)  # first: the program goes on changing them
    reducers = {**ambient.reducers(), **registry.adapters}
    encoded = _encode(
        image,
        moment.stack,
        named=libraries.named(moment.found),
        reducers=reducers,
        sink=packing,
        opened={file.fd: (file.path, file.offset) for file in moment.opened},
        excluded=registry.excluded(moment.stack),
        preview=preview.preview,
    )
    pods = (*encoded.pods, *kept.pods)
    tombstones = (*encoded.tombstones, *kept.lost)
    held = at.places.holder(moment.stack, tombstones) if moment.trigger == "timer" else None
    if held is not None:
        reason = f"{held[1].path} ({held[1].type}) cannot be saved, and its function soon returns"
        packing.abandon()
        return Report("N", seq=held[0], message=reason)
    faultpoints.reach("child.encoded")
    split = side.split()
    manifest = Manifest(
        point=moment.point,
        run=at.run.id,
        parent=at.parent,
        label=moment.label,
        trigger=moment.trigger,
        created_at=moment.created_at,
        location=str(moment.stack.location),
        complete=all(stone.reason == EXCLUDED for stone in tombstones),
        stdout_bytes=moment.stdout_bytes,
        split_ms={
            "wait": split.wait_ms,
            "capture": split.capture_ms,
            "stage": split.stage_ms,
            "fork": split.fork_ms,
        },
        stop_ms=split.stop_ms,
        bytes_total=sum(pod.length for pod in pods),
        pods=pods,
        variables=encoded.variables,
        tombstones=tombstones,
        refusals=at.refusals,
        files=tuple(kept.files),
        provenance=_provenance(at, moment),
        saved=encoded.saved,
    )
    found = _changes(encoded.buffers, before) if before else None
    ready = committer.Committer(side.report_fd, at.lease_fd, encrypted=at.home.encrypted)

    def meanwhile() -> None:
        ready.start()
        at.staging.tell(found)

    written = packing.finish(manifest, meanwhile)
    side.nearly_done()
    ready.commit(
        at.home,
        columns.of_run(at.home, at.run),
        written,
        columns.of_point(at.home, manifest),
        started_ns=moment.started_ns,
        encode_ms=(monotonic_ns() - began) / 1e6,
        keep_last=at.settings.keep_last,
        keep_within=at.settings.keep_within or 0.0,
        message=at.losses.message(tombstones),
    )
    raise AssertionError("this process has ended with its committer")


def _encode(image: ProgramImage, captured: CapturedStack, **how: Any) -> Encoded:
    """The image's pods. What makes the commit wait may be held for nothing, by a variable that nobody reads again: then
    all is saved once more, with such variables last. Finding them costs too much to be done each time.
    """
    try:
        return pickler.encode(image, **how)
    except Refused:
        unread = liveness.unread(captured)
        if not unread:
            raise
    return pickler.encode(image, unread=unread, **how)


def _changes(buffers: Sequence[tuple[int, Pod]], before: Mapping[bytes, str]) -> list[Found]:
    """What changed of each large buffer since the commit whose chunks were `before`."""
    return [
        Found(address, pod.length, sum(chunk not in before for chunk in pod.chunks) / len(pod.chunks))
        for address, pod in buffers
    ]


def _provenance(at: Writing, moment: Moment) -> dict[str, Any]:
    """What it takes to start this program again, and what it ran on."""
    start = {
        "python": list(sys.version_info[:3]),
        "flags": interpreter_flags(),
        "hash_seed": os.environ.get("PYTHONHASHSEED", ""),
        "hash_secret": _native.hash_secret().hex(),
        "cwd": preamble.cwd(),
        "frames": len(moment.stack.frames),
        "settings": choices.as_plain(at.settings),
    }
    places = {"places": list(at.rehearsed)} if at.rehearsed else {}
    return {"start": start, **places, **provenance.collect(moment.found.by_value)}
