"""Questions a program may ask about its store without opening the journal itself: a helper process answers in JSON.

The program calls `ask`; `main` runs in the helper, started as a committer is (same search path, no public package).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from forkpoint import errors
from forkpoint.journal import committer, handover
from forkpoint.journal.home import Home

_SECONDS_MAX = 120.0


def ask(home: Home, question: str, **arguments: Any) -> Any:
    """`begin-run` (run=RunInfo.fields()), `runs`, `has` (point=id), `plan` (reference=REF) -> what JSON can say.

    Errors of the helper are raised here as the same class. Raises `ForkpointError` if it cannot be started.
    """
    request = {"home": handover.home_fields(home), "question": question, "arguments": arguments}
    fd = handover.offer(request)
    try:
        done = subprocess.run(
            committer.command("helper", fd, encrypted=home.encrypted),
            pass_fds=(fd,),
            env=committer.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS_MAX,
            check=False,
        )
        answer = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise errors.ForkpointError(f"the store could not be asked: {error}") from error
    finally:
        os.close(fd)
    if "error" in answer:
        raise _error(answer)
    return answer["value"]


def _error(answer: Mapping[str, Any]) -> errors.ForkpointError:
    made = getattr(errors, answer["error"], errors.ForkpointError)
    if made is errors.UnknownReference:
        return errors.UnknownReference(answer["message"], candidates=tuple(answer["candidates"]), hint=answer["hint"])
    error: errors.ForkpointError = made(answer["message"], hint=answer["hint"])
    return error


def _answer(home: Home, question: str, arguments: Mapping[str, Any]) -> Any:
    from forkpoint.journal import listing, writer
    from forkpoint.journal.reader import Reader
    from forkpoint.journal.runs import RunInfo

    if question == "begin-run":
        return writer.begin_run(home, RunInfo.from_fields(arguments["run"]))
    with Reader(home) as reader:
        if question == "has":
            return reader.has(arguments["point"])
        if question == "runs":
            return [listing.run_fields(run) for run in reader.runs()]
        if question == "plan":
            return reader.plan(reader.resolve(arguments["reference"])).to_bytes().decode("utf-8", "surrogatepass")
    raise errors.UsageError(f"no such question: {question}")


def main(fd: int) -> None:
    """Answer the question in the memfd on stdout."""
    request = handover.accept(fd)
    try:
        answer = {"value": _answer(handover.home_from(request["home"]), request["question"], request["arguments"])}
    except errors.ForkpointError as error:
        answer = {
            "error": type(error).__name__,
            "message": str(error),
            "hint": error.hint,
            "candidates": getattr(error, "candidates", ()),
        }
    json.dump(answer, sys.stdout, default=lambda value: value.hex() if isinstance(value, bytes) else str(value))
