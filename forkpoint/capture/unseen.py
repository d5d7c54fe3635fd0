"""Files that changed though nobody was seen to change them: by C code, or by another process.

Looked for when a commit is over, in the directories the program writes to and its working directory, and only told of:
what another process writes (the `tee` behind a pipe) must not be put back, and the two cannot be told apart.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection

from forkpoint import limits

_Stamp = tuple[int, int, int]

_DATABASES = ("-wal", "-shm", "-journal", ".db", ".sqlite", ".sqlite3")
"""SQLite's files, which a restore leaves alone anyway."""


class Unseen:
    """What the directories of one program looked like at the last look."""

    def __init__(self, began_ns: int, ignored: Callable[[str], bool]) -> None:
        """`began_ns`: files older than that were there before the program. `ignored(path)`: never told of."""
        self._began_ns = began_ns
        self._ignored = ignored
        self._before: dict[str, dict[str, _Stamp]] = {}
        self._crowded: set[str] = set()

    def look(self, written: Collection[str]) -> list[str]:
        """The files changed since the last look, or since the program began, that are none of `written`.

        Some microseconds a file; directories of more than `limits.SCANNED_FILES_MAX` entries are left out from then on.
        """
        directories = set(map(os.path.dirname, written))
        with contextlib.suppress(OSError):  # the working directory was removed
            directories.add(os.getcwd())
        directories -= self._crowded
        found: list[str] = []
        for directory in sorted(directories)[: limits.SCANNED_DIRECTORIES_MAX]:
            with contextlib.suppress(OSError):
                found += self._changed(os.path.realpath(directory), written)
        return found

    def _changed(self, directory: str, written: Collection[str]) -> list[str]:
        now = self._stamps(directory)
        before, self._before[directory] = self._before.get(directory, {}), now
        found = []
        for path, stamp in now.items():
            is_new = stamp != before.get(path) and (path in before or stamp[0] >= self._began_ns)
            if is_new and path not in written and not self._ignored(path):
                found.append(path)
        return found

    def _stamps(self, directory: str) -> dict[str, _Stamp]:
        """Time, size and inode of each regular file, but for what this process's standard streams go to."""
        stamps: dict[str, _Stamp] = {}
        streams = _standard_streams()
        with os.scandir(directory) as entries:
            for count, entry in enumerate(entries):
                if count >= limits.SCANNED_FILES_MAX:
                    self._crowded.add(directory)
                    return {}
                if entry.is_file(follow_symlinks=False) and not entry.name.endswith(_DATABASES):
                    facts = entry.stat(follow_symlinks=False)
                    if (facts.st_dev, facts.st_ino) not in streams:
                        stamps[entry.path] = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        return stamps


def _standard_streams() -> set[tuple[int, int]]:
    found = set()
    for fd in range(3):
        with contextlib.suppress(OSError):
            facts = os.fstat(fd)
            found.add((facts.st_dev, facts.st_ino))
    return found
