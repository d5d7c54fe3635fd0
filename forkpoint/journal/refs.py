"""REF: how people name a restore point.

    latest          the newest restore point of the store
    RUN             a run's id or a prefix of it (4 digits or more): its newest complete restore point
    RUN@SEQ         by its number within the run
    ID              a restore point's id or a prefix of it (4 digits or more)
    LABEL           the label given to checkpoint()
    any of these~N  N parents back

A label or an id in full wins over prefixes. What names nothing, or more than one restore point, raises
`UnknownReference` with the candidates.
"""

from __future__ import annotations

from forkpoint import errors
from forkpoint.journal.points import Point

PREFIX_MIN = 4


def _shown(points: list[Point] | tuple[Point, ...]) -> tuple[str, ...]:
    return tuple(f"{point.id[:12]} {point.reference}{f' {point.label!r}' if point.label else ''}" for point in points)


def _newest(points: list[Point]) -> Point:
    """The newest complete one, or the newest."""
    return next((point for point in points if point.complete), points[0])


def _runs(runs: tuple[str, ...], text: str) -> list[str]:
    return [run for run in runs if run == text or (len(text) >= PREFIX_MIN and run.startswith(text))]


def _candidates(points: tuple[Point, ...], runs: tuple[str, ...], text: str) -> list[Point]:
    """All restore points `text` (without ~N) may mean; `points` are newest first."""
    if text == "latest":
        return list(points[:1])
    exact = [point for point in points if text in (point.id, point.label)]
    if exact:
        return exact
    run, at, seq = text.rpartition("@")
    if at and seq.isdigit():
        return [point for point in points if point.seq == int(seq) and point.run in _runs(runs, run)]
    if len(text) < PREFIX_MIN:
        return []
    found = [point for point in points if point.id.startswith(text)]
    for named in _runs(runs, text):
        inside = [point for point in points if point.run == named]
        if inside:
            found.append(_newest(inside))
    return list(dict.fromkeys(found))


def _parent(points: tuple[Point, ...], point: Point, reference: str) -> Point:
    for candidate in points:
        if candidate.id == point.parent:
            return candidate
    raise errors.UnknownReference(
        f"{reference} names nothing: {point.reference} has no parent that is still kept",
        candidates=_shown([p for p in points if p.run == point.run]),
    )


def resolve(points: tuple[Point, ...], runs: tuple[str, ...], reference: str) -> Point:
    """The one restore point `reference` means; `points` are newest first."""
    found = _candidates(points, runs, reference)
    steps = 0
    if not found:
        base, tilde, count = reference.rpartition("~")
        if tilde and (count.isdigit() or not count):
            steps = int(count or 1)
            found = _candidates(points, runs, base)
    if not found:
        raise errors.UnknownReference(f"nothing is called {reference!r}", candidates=_shown(points[:10]))
    if len(found) > 1:
        raise errors.UnknownReference(f"{reference!r} is ambiguous", candidates=_shown(found))
    point = found[0]
    for _ in range(steps):
        point = _parent(points, point, reference)
    return point
