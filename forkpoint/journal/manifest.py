"""A restore point's manifest as bytes: JSON, so that reading it never unpickles, whoever wrote it.

    {"schema": 1, "pack": id, "packs": [ids], "run": {...}, "manifest": {...}}

`packs` are all packs the point's chunks lie in, `pack` the one that holds this manifest: with them a journal can be
rebuilt from packs alone. Chunk ids of a pod are one base64 text.
"""

from __future__ import annotations

import base64
import dataclasses
from json import dumps, loads  # by name: the program may put something else into `json`
from typing import Any

from forkpoint import errors, model
from forkpoint.journal.runs import RunInfo

_SCHEMA = 1
_ID_BYTES = 32


@dataclasses.dataclass(frozen=True, slots=True)
class Envelope:
    """A manifest, and where the bytes it names lie."""

    pack: str
    packs: tuple[str, ...]
    run: RunInfo
    manifest: model.Manifest


def _pod(pod: model.Pod) -> dict[str, Any]:
    chunks = base64.b64encode(b"".join(pod.chunks)).decode()
    return {"name": pod.name, "kind": pod.kind, "length": pod.length, "chunks": chunks}


def to_bytes(envelope: Envelope) -> bytes:
    """The envelope as authenticated JSON goes into a pack (the tag is the record's)."""
    manifest = envelope.manifest
    fields: dict[str, Any] = {
        field.name: getattr(manifest, field.name)
        for field in dataclasses.fields(manifest)
        if field.name not in ("pods", "variables", "tombstones", "refusals", "files")
    }
    fields["pods"] = [_pod(pod) for pod in manifest.pods]
    for name in ("variables", "tombstones", "refusals", "files"):
        fields[name] = [dataclasses.asdict(value) for value in getattr(manifest, name)]
    whole = {
        "schema": _SCHEMA,
        "pack": envelope.pack,
        "packs": envelope.packs,
        "run": envelope.run.fields(),
        "manifest": fields,
    }
    return dumps(whole, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _read_pod(fields: dict[str, Any]) -> model.Pod:
    blob = base64.b64decode(fields["chunks"], validate=True)
    chunks = tuple(blob[at : at + _ID_BYTES] for at in range(0, len(blob), _ID_BYTES))
    return model.Pod(fields["name"], fields["kind"], fields["length"], chunks)


def from_bytes(data: bytes) -> Envelope:
    """The envelope in authenticated bytes. A later schema than this raises `IntegrityError` naming it."""
    try:
        whole = loads(data.decode("utf-8", "surrogatepass"))
        if whole["schema"] != _SCHEMA:
            raise errors.IntegrityError(f"a manifest of schema {whole['schema']}; this forkpoint reads {_SCHEMA}")
        fields = dict(whole["manifest"])
        fields["pods"] = tuple(_read_pod(pod) for pod in fields["pods"])
        fields["variables"] = tuple(model.Variable(**value) for value in fields["variables"])
        fields["tombstones"] = tuple(model.Tombstone(**value) for value in fields["tombstones"])
        fields["refusals"] = tuple(model.Refusal(**value) for value in fields["refusals"])
        fields["files"] = tuple(model.WrittenFile(**value) for value in fields["files"])
        return Envelope(
            whole["pack"], tuple(whole["packs"]), RunInfo.from_fields(whole["run"]), model.Manifest(**fields)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise errors.IntegrityError(f"a manifest cannot be read: {error!r}") from None
