"""Where a pack lies in the store, for those who need not read it."""

from __future__ import annotations

from forkpoint import errors
from forkpoint.journal import disk
from forkpoint.journal.home import Home, is_id


def parts(pack: str) -> tuple[str, str, str]:
    """The path of a pack beneath the store, as `durable.open_beneath` takes it."""
    if not is_id(pack):
        raise errors.IntegrityError(f"not a pack id: {pack!r}")
    return "packs", pack[:2], pack


def relative_path(pack: str) -> str:
    """A pack's path relative to the store, for people."""
    return "/".join(parts(pack))


def size(home: Home, pack: str) -> int | None:
    """The bytes of a pack's file, or None when there is none."""
    *directories, name = parts(pack)
    try:
        with home.held(*directories) as directory:
            return disk.stat(name, dir_fd=directory, follow_symlinks=False).st_size
    except OSError:
        return None
