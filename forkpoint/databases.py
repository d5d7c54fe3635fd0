"""Which files are SQLite's: they recover by themselves, and put back under another journal they would be destroyed."""

from __future__ import annotations

from typing import Final

_HEADER: Final = b"SQLite format 3\0"
_BESIDE: Final = ("-wal", "-shm", "-journal")


def is_database(path: str) -> bool:
    """By its first bytes. False for what cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(len(_HEADER)) == _HEADER
    except OSError:
        return False


def belongs_to_one(path: str) -> bool:
    """Whether this is what SQLite keeps beside a database."""
    return any(path.endswith(suffix) and is_database(path.removesuffix(suffix)) for suffix in _BESIDE)
