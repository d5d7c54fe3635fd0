"""Runs and restore points under their published names: what `log --json` and `forkpoint.log()` say."""

from __future__ import annotations

from typing import Any

from forkpoint.journal.points import Point, Run


def run_fields(run: Run) -> dict[str, Any]:
    """A run as `log --json` publishes it."""
    return {
        "id": run.id,
        "program": run.program,
        "argv": list(run.argv),
        "cwd": run.cwd,
        "created_at": run.created_at,
        "state": run.state,
        "exit": run.exit,
        "points": [point_fields(point) for point in run.points],
    }


def point_fields(point: Point) -> dict[str, Any]:
    """A restore point as `log --json` publishes it. What the journal lists is durable."""
    return {
        "id": point.id,
        "run": point.run,
        "seq": point.seq,
        "label": point.label,
        "created_at": point.created_at,
        "trigger": point.trigger,
        "durable": True,
        "complete": point.complete,
        "location": point.location,
        "bytes_new": point.bytes_new,
        "bytes_total": point.bytes_total,
        "stop_ms": point.stop_ms,
        "commit_ms": point.commit_ms,
    }
