"""Which chunks the content of written files had at the last commit: `leases/<run>.contents`.

A tag (64 hex digits, keyed BLAKE3 over "contents", the run and the rest), JSON: {path: [state..., chunks in base64]},
which is hidden in an encrypted store (cipher.py).
A cache and no more, as `known` is: a file in the state noted here has these chunks, if live packs have them. What is
missing or damaged makes the next child read every file again.
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Mapping
from json import dumps, loads  # by name: the program may put something else into `json`

from forkpoint.errors import IntegrityError
from forkpoint.journal import disk, durable, seal
from forkpoint.journal.home import Home
from forkpoint.model import FileState

_BYTES_MAX = 256 << 20
"""It is read whole before its tag can be checked."""

Contents = Mapping[str, tuple[FileState, tuple[bytes, ...]]]


def write(home: Home, run: str, contents: Contents) -> None:
    """Put the file in place; not durably. Raises OSError."""
    rows = {path: [*state, base64.b64encode(b"".join(chunks)).decode()] for path, (state, chunks) in contents.items()}
    body = home.seal.hide("contents", dumps(rows, separators=(",", ":")))
    name = f"{run}.contents"
    with home.held("leases") as directory:
        temporary = f"{name}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            disk.unlink(temporary, dir_fd=directory)
        fd = durable.create_file(directory, temporary)
        try:
            durable.write_all(fd, f"{home.seal.tag('contents', run, body).hex()} {body}".encode())
        finally:
            disk.close(fd)
        disk.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)


def read(home: Home, run: str) -> Contents:
    """What the last child noted; empty when nothing sound is there."""
    try:
        with home.held("leases") as directory:
            data = durable.read_file(directory, f"{run}.contents", _BYTES_MAX)
        tag, _, body = data.decode("ascii").partition(" ")
        if not seal.same(home.seal.tag("contents", run, body).hex().encode(), tag.encode()):
            return {}
        return {
            path: (FileState(*state), _split(base64.b64decode(chunks)))
            for path, (*state, chunks) in loads(home.seal.show("contents", body)).items()
        }
    except (OSError, IntegrityError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _split(blob: bytes) -> tuple[bytes, ...]:
    return tuple(blob[at : at + seal.ID_BYTES] for at in range(0, len(blob), seal.ID_BYTES))
