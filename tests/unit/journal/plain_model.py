"""What a store should hold, said in the plainest way: restore points as they were given, and what a policy leaves."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from forkpoint.journal.retention import Policy


@dataclasses.dataclass(frozen=True)
class Made:
    """A restore point as it was given to the store."""

    run: str
    parent: str | None
    state: list[bytes]
    label: str | None
    created: float

    @property
    def created_at(self) -> str:
        return datetime.datetime.fromtimestamp(self.created, datetime.UTC).isoformat()


def left(
    points: list[str], made: Mapping[str, Made], policy: Policy, now: float, runs: set[str], pins: set[str]
) -> list[str]:
    """Of these restore points, oldest first, those that are there when the policy was applied to these runs."""
    staying = set(points)
    for run in runs:
        hours: set[float] = set()
        for place, id in enumerate(id for id in reversed(points) if made[id].run == run):
            point = made[id]
            age, hour = now - point.created, point.created // 3600
            keep = place < policy.keep_last or id in pins
            keep |= policy.keep_labelled and point.label is not None
            keep |= 0 < policy.keep_within_seconds and age <= policy.keep_within_seconds
            keep |= 0 < policy.keep_hours and hour not in hours and age <= 3600 * policy.keep_hours
            hours.add(hour)
            if not keep:
                staying.discard(id)
    return [id for id in points if id in staying]
