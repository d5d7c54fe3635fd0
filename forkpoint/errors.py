"""One exception tree, grouped by what a catcher would do, each with a stable `kind` and an exit status.

Exit statuses are those of the command line (see `forkpoint.cli`): 1 failed, 2 usage, 3 partial, 10 no store,
11 locked or the run is alive, 12 wrong or no key, 13 integrity, 14 reference, 125 failed before start.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` itself would cost the committer a tenth of its time
if TYPE_CHECKING:
    from typing import ClassVar


class ForkpointError(Exception):
    """Anything forkpoint raises on purpose. `kind` never changes for a class once released.

    `hint` says what to do next, in words for the person at the terminal.
    """

    kind: ClassVar[str] = "failed"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ForkpointError):
    """The caller asked for something that makes no sense; asking differently helps."""

    kind = "usage"
    exit_status = 2


class Refused(ForkpointError):
    """Here is no commit point, and `reason` says why. Another place or a later moment may do."""

    kind = "refused"

    def __init__(self, reason: str, *, location: str = "", hint: str = "") -> None:
        super().__init__(f"{reason} ({location})" if location else reason, hint=hint)
        self.reason = reason
        self.location = location


class CommitFailed(ForkpointError):
    """A commit did not become durable. Everything committed before still stands."""

    kind = "commit-failed"


class NoStore(ForkpointError):
    """There is no store where one was looked for."""

    kind = "no-store"
    exit_status = 10


class Locked(ForkpointError):
    """Another process holds what is needed: the run is alive, or a writer is at work. Waiting helps."""

    kind = "locked"
    exit_status = 11


class KeyMissing(ForkpointError):
    """The store's key is missing or is another one. Nothing of the store was parsed."""

    kind = "key"
    exit_status = 12


class IntegrityError(ForkpointError):
    """Stored bytes are not what was written. Nothing was rebuilt from them."""

    kind = "integrity"
    exit_status = 13


class UnknownReference(ForkpointError):
    """A REF names nothing, or more than one thing; `candidates` lists what it could have meant."""

    kind = "reference"
    exit_status = 14

    def __init__(self, message: str, *, candidates: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


class RestoreFailed(ForkpointError):
    """A restore point could not be brought back. The store is unchanged."""

    kind = "restore-failed"


class StartFailed(ForkpointError):
    """Forkpoint could not start the program at all."""

    kind = "start-failed"
    exit_status = 125


class TombstoneError(ForkpointError):
    """The restored program touched something that could not be saved."""

    kind = "tombstone"


class ForkpointWarning(UserWarning):
    """Base of every warning forkpoint issues in a program."""


class NotCapturedWarning(ForkpointWarning):
    """An object could not be saved and became a tombstone; the message names its path."""


class NotResumableWarning(ForkpointWarning):
    """`checkpoint()` was called where the call stack cannot be resumed."""


class NotDurableWarning(ForkpointWarning):
    """A commit failed or was skipped; the program goes on without it."""
