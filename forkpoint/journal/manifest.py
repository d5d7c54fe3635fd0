"""A restore point's manifest as bytes: JSON, so that reading it never unpickles, whoever wrote it.

    {"schema": 1, "pack": id, "packs": [ids], "run": {...}, "manifest": {...}}

`packs` are all packs the point's chunks lie in, `pack` the one that holds this manifest: with them a journal can be
rebuilt from packs alone. Chunk ids of a pod are one base64 text, `chunks`. Those of a long pod are cut into lists that
are chunks themselves, so that a manifest does not grow with what did not change: it has their ids, `lists`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from json import dumps, loads  # by name: the program may put something else into `json`
from typing import Any, NamedTuple

from forkpoint import errors, model
from forkpoint.journal.home import is_id
from forkpoint.journal.runs import RunInfo

_SCHEMA = 1
_ID_BYTES = 32

_LIST_IDS = 256
"""Chunk ids in one list: 8 KiB, of which one has to be written where one chunk changed."""


class Envelope(NamedTuple):
    """A manifest, and where the bytes it names lie. The pods named in `listed` have ids of lists as their chunks."""

    pack: str
    packs: tuple[str, ...]
    run: RunInfo
    manifest: model.Manifest
    listed: frozenset[str] = frozenset()


def with_lists(
    manifest: model.Manifest, put: Callable[[bytes], bytes]
) -> tuple[model.Manifest, frozenset[str], list[bytes]]:
    """The manifest with the chunks of long pods in lists, which `put` stores; the names of those pods; all lists."""
    pods, listed = [], set()
    lists: list[bytes] = []
    for pod in manifest.pods:
        if len(pod.chunks) >= 2 * _LIST_IDS:
            cuts = range(0, len(pod.chunks), _LIST_IDS)
            ids = tuple(put(b"".join(pod.chunks[at : at + _LIST_IDS])) for at in cuts)
            listed.add(pod.name)
            lists += ids
            pod = pod._replace(chunks=ids)  # noqa: PLW2901
        pods.append(pod)
    return manifest._replace(pods=tuple(pods)), frozenset(listed), lists


def list_ids(envelope: Envelope) -> set[bytes]:
    """What `without_lists` will ask for."""
    return {id for pod in envelope.manifest.pods if pod.name in envelope.listed for id in pod.chunks}


def without_lists(envelope: Envelope, get: Callable[[bytes], bytes]) -> Envelope:
    """The envelope with all chunk ids in their pods; `get` reads a list."""
    pods = tuple(
        pod._replace(chunks=split(b"".join(map(get, pod.chunks)))) if pod.name in envelope.listed else pod
        for pod in envelope.manifest.pods
    )
    whole = envelope.manifest._replace(pods=pods)
    return envelope._replace(manifest=whole, listed=frozenset())


def _pod(pod: model.Pod, how: str) -> dict[str, Any]:
    return {
        "name": pod.name,
        "kind": pod.kind,
        "length": pod.length,
        how: base64.b64encode(b"".join(pod.chunks)).decode(),
    }


def to_bytes(envelope: Envelope) -> bytes:
    """The envelope as authenticated JSON goes into a pack (the tag is the record's)."""
    manifest = envelope.manifest
    fields: dict[str, Any] = {
        name: value
        for name, value in manifest._asdict().items()
        if name not in ("pods", "variables", "tombstones", "refusals", "files", "saved")
    }
    fields["pods"] = [_pod(pod, "lists" if pod.name in envelope.listed else "chunks") for pod in manifest.pods]
    for name in ("variables", "tombstones", "refusals", "files"):
        fields[name] = [value._asdict() for value in getattr(manifest, name)]
    fields["saved"] = [(saved.name, saved.pod, saved.start) for saved in manifest.saved]
    whole = {
        "schema": _SCHEMA,
        "pack": envelope.pack,
        "packs": envelope.packs,
        "run": envelope.run.fields(),
        "manifest": fields,
    }
    return dumps(whole, separators=(",", ":")).encode("utf-8", "surrogatepass")


def split(blob: bytes) -> tuple[bytes, ...]:
    """The ids in a list of chunks."""
    return tuple(blob[at : at + _ID_BYTES] for at in range(0, len(blob), _ID_BYTES))


def _read_pod(fields: dict[str, Any]) -> model.Pod:
    blob = base64.b64decode(fields["lists" if "lists" in fields else "chunks"], validate=True)
    if len(blob) % _ID_BYTES or fields["kind"] not in ("objects", "buffer") or type(fields["length"]) is not int:
        raise ValueError("a pod is none")
    return model.Pod(fields["name"], fields["kind"], fields["length"], split(blob))


def from_bytes(data: bytes) -> Envelope:
    """The envelope in authenticated bytes. A later schema than this raises `IntegrityError` naming it."""
    try:
        whole = loads(data.decode("utf-8", "surrogatepass"))
        if whole["schema"] != _SCHEMA:
            raise errors.IntegrityError(f"a manifest of schema {whole['schema']}; this forkpoint reads {_SCHEMA}")
        fields = dict(whole["manifest"])
        listed = frozenset(pod["name"] for pod in fields["pods"] if "lists" in pod)
        fields["pods"] = tuple(_read_pod(pod) for pod in fields["pods"])
        fields["variables"] = tuple(model.Variable(**value) for value in fields["variables"])
        fields["tombstones"] = tuple(model.Tombstone(**value) for value in fields["tombstones"])
        fields["refusals"] = tuple(model.Refusal(**value) for value in fields["refusals"])
        fields["files"] = tuple(model.WrittenFile(**value) for value in fields["files"])
        fields["saved"] = tuple(model.Saved(*value) for value in fields.get("saved", ()))
        run = RunInfo.from_fields(whole["run"])
        return _checked(Envelope(whole["pack"], tuple(whole["packs"]), run, model.Manifest(**fields), listed))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise errors.IntegrityError(f"a manifest cannot be read: {error!r}") from None


def _checked(envelope: Envelope) -> Envelope:
    """Ids are ids, since they become names of files: `restore --trust` reads manifests that nobody vouches for."""
    point = envelope.manifest
    ids = (envelope.pack, *envelope.packs, envelope.run.id, point.run, point.point, point.parent or envelope.pack)
    texts = (point.created_at, point.location, point.trigger, point.label or "", *(pod.name for pod in point.pods))
    if not all(type(value) is str for value in (*ids, *texts)) or not all(map(is_id, ids)):
        raise ValueError("its ids are none")
    return envelope
