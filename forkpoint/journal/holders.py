"""Whose bytes a chunk holds, in the user's words: a variable's, a file's, or what else a restore point is made of."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from forkpoint import model
from forkpoint.journal import manifest, packfile
from forkpoint.journal.points import Point
from forkpoint.journal.reader import Reader

Surveys = Mapping[str, packfile.Survey]


def holders(reader: Reader, point: Point, surveys: Surveys) -> dict[bytes, tuple[str, ...]]:
    """Every chunk the restore point needs, and what lies in it; `surveys` are at least those of its packs.

    Raises `IntegrityError` when its manifest cannot be read: then nothing of it can.
    """
    envelope = reader.envelope(point)
    lengths = {id: size for name in point.packs for id, size in surveys[name].lengths.items()}
    files = {file.pod: file.path for file in envelope.manifest.files if file.pod is not None}
    found: dict[bytes, list[str]] = {}
    for pod in envelope.manifest.pods:
        saved = [(item.start, item.name) for item in envelope.manifest.saved if item.pod == pod.name]
        saved = saved or [(0, f"the file {files[pod.name]}" if pod.name in files else pod.name)]
        if pod.name in envelope.listed:
            pod = _listed(reader, pod, surveys, found, saved)  # noqa: PLW2901
        for chunk, names in zip(pod.chunks, _names(pod, lengths, saved), strict=True):
            found.setdefault(chunk, []).extend(names)
    return {chunk: tuple(dict.fromkeys(names)) for chunk, names in found.items()}


def _names(pod: model.Pod, lengths: Mapping[bytes, int], saved: list[tuple[int, str]]) -> Iterator[list[str]]:
    """For each chunk, whose bytes may lie in it: exactly, but where the length of one that is damaged is not known."""
    sizes = [lengths.get(chunk, 0) for chunk in pod.chunks]
    low, rest = 0, sum(sizes)
    ends = [start for start, _ in saved[1:]] + [pod.length]
    for size in sizes:
        high = pod.length - rest + size
        yield [name for (start, name), end in zip(saved, ends, strict=True) if start < high and end > low]
        low, rest = low + size, rest - size


def _listed(
    reader: Reader,
    pod: model.Pod,
    surveys: Surveys,
    found: dict[bytes, list[str]],
    saved: list[tuple[int, str]],
) -> model.Pod:
    """The pod with the chunks of those of its lists that are whole; the lists are chunks as well."""
    chunks: list[bytes] = []
    for id in pod.chunks:
        found.setdefault(id, []).extend(name for _, name in saved)
        for name, survey in surveys.items():
            if id in survey.whole:
                with packfile.PackFile(reader.home, name) as file:
                    chunks += manifest.split(file.read(survey.whole[id][0], id)[1])
                break
    return model.Pod(pod.name, pod.kind, pod.length, tuple(chunks))


def missing(
    needed: Mapping[bytes, tuple[str, ...]], point: Point, whole: Mapping[str, Container[bytes]]
) -> dict[bytes, tuple[str, ...]]:
    """Of what the restore point needs, that which no pack of its has; `whole` says which have what."""
    return {chunk: names for chunk, names in needed.items() if not any(chunk in whole[name] for name in point.packs)}
