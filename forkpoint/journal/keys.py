"""Where a store's key lives: the user's configuration directory, never the store.

`$XDG_CONFIG_HOME/forkpoint/keys/<key id>` (0600), or the file that FORKPOINT_KEY_FILE names. A key file is one line:
`forkpoint-key-1 <64 hex digits>`.
"""

from __future__ import annotations

import os

from forkpoint import errors
from forkpoint.journal import disk, durable, seal

_WORD = "forkpoint-key-1"


def directory() -> str:
    """The directory that holds this user's keys."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "forkpoint", "keys")


def _override() -> str | None:
    return os.environ.get("FORKPOINT_KEY_FILE") or None


def location(key_id: str) -> str:
    """The file a key is looked for in."""
    return _override() or os.path.join(directory(), key_id)


def device(key_id: str) -> int:
    """The filesystem that a key lies on, as stat(2) numbers it."""
    return disk.stat(location(key_id)).st_dev


def parse(text: bytes, path: str) -> bytes:
    """The key in a key file's bytes."""
    words = text.decode("ascii", "replace").split()
    try:
        if len(words) == 2 and words[0] == _WORD and len(key := bytes.fromhex(words[1])) == seal.KEY_BYTES:
            return key
    except ValueError:
        pass
    raise errors.KeyMissing(f"{path} is not a forkpoint key file", hint="export the key again where the store was made")


def _read(path: str) -> bytes:
    fd = disk.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return parse(disk.read(fd, 4096), path)
    finally:
        disk.close(fd)


def load(key_id: str) -> bytes:
    """The key of this name. Raises `KeyMissing` when it is not on this machine, or is another one."""
    path = location(key_id)
    try:
        key = _read(path)
    except OSError as error:
        raise errors.KeyMissing(
            f"the key of this store is not here: {path}: {error.strerror}",
            hint="`forkpoint key export` where the store was made, `forkpoint key import` here, or FORKPOINT_KEY_FILE",
        ) from None
    if seal.key_id(key) != key_id:
        raise errors.KeyMissing(f"{path} holds another store's key, {seal.key_id(key)}; this store needs {key_id}")
    return key


def save(key: bytes, path: str) -> None:
    """Write a key file, durably, 0600; a file that is there already is left alone if it holds the same key."""
    folder, name = os.path.split(os.path.abspath(path))
    disk.makedirs(folder, mode=0o700, exist_ok=True)
    parent = disk.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = durable.create_file(parent, name)
        try:
            durable.write_all(fd, f"{_WORD} {key.hex()}\n".encode())
            disk.fdatasync(fd)
        finally:
            disk.close(fd)
        disk.fsync(parent)
    except FileExistsError:
        if _read(path) != key:
            raise errors.UsageError(f"{path} holds another key; it is not overwritten") from None
    finally:
        disk.close(parent)


def create() -> bytes:
    """A key for a new store, saved where it will be looked for. With FORKPOINT_KEY_FILE naming a key: that one."""
    path = _override()
    if path is not None and disk.exists(path):
        return _read(path)
    key = disk.urandom(seal.KEY_BYTES)
    path = path or os.path.join(directory(), seal.key_id(key))
    try:
        save(key, path)
    except OSError as error:
        raise errors.StartFailed(
            f"the store's key cannot be kept: {path}: {error.strerror}",
            hint="set XDG_CONFIG_HOME or FORKPOINT_KEY_FILE to a place that can be written",
        ) from error
    return key


def export(key_id: str, path: str) -> None:
    """Copy a key to a file (0600) for another machine."""
    save(load(key_id), path)


def adopt(path: str) -> str:
    """Take over an exported key file into this user's keys; returns the key's name."""
    try:
        key = _read(path)
    except OSError as error:
        raise errors.KeyMissing(f"no key file: {path}: {error.strerror}") from None
    name = seal.key_id(key)
    save(key, os.path.join(directory(), name))
    return name
