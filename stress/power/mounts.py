"""Mounts and loop devices that cannot outlive the process that made them.

`apart` puts this process and those it starts into a mount namespace of their own: its mounts are seen by nobody else
and gone with the last of them, however they end. Loop devices let go of their file when they are unmounted.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS = 0x00020000
_MS_REC_PRIVATE = 0x4000 | 1 << 18
_PR_SET_PDEATHSIG = 1
_LOOP_CTL_GET_FREE, _LOOP_CLR_FD, _LOOP_CONFIGURE = 0x4C82, 0x4C01, 0x4C0A
_LO_FLAGS_AUTOCLEAR = 4
_GOING_DOWN = 0x8004587D
"""XFS_IOC_GOINGDOWN, which ext4 knows too: _IOR('X', 125, __u32)."""

SHUTDOWNS = {"flush": 0, "log": 1, "nothing": 2}
"""What is still written when a filesystem is shut down: all, only the journal, not even that."""

MAKE = {
    "ext4": (32 << 20, ["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"]),
    "xfs": (64 << 20, ["mkfs.xfs", "-q", "-f", "--unsupported"]),  # smaller than xfs likes, since images are copied
}


def _check(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def die_with_parent() -> None:
    """Be killed when the process that started this one ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)


def apart() -> str:
    """From here on mounts are this process's own, and the folder that is returned, in memory, goes with it too."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    mount("none", "/", None, flags=_MS_REC_PRIVATE)
    mount("tmpfs", "/dev/shm", "tmpfs", "mode=700")
    return "/dev/shm"


def mount(source: str, folder: str, filesystem: str | None, options: str = "", *, flags: int = 0) -> None:
    kind = filesystem.encode() if filesystem else None
    _check(_libc.mount(source.encode(), folder.encode(), kind, flags, options.encode()), f"mount {folder}")


def unmount(folder: str, seconds: float = 10.0) -> None:
    """Waits for what is still open, a while."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _check(_libc.umount2(folder.encode(), 0), f"umount {folder}")
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def loop(file: int) -> tuple[str, int]:
    """(path, descriptor) of a loop device over an open file; it lets go of it with its last user."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        while True:
            path = f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
            device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            info = struct.pack("<5Q4I64s64s32s2Q", 0, 0, 0, 0, 0, 0, 0, 0, _LO_FLAGS_AUTOCLEAR, b"", b"", b"", 0, 0)
            try:
                fcntl.ioctl(device, _LOOP_CONFIGURE, struct.pack("<II", file, 512) + info + bytes(64))
                return path, device
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:  # somebody else took it
                    raise
    finally:
        os.close(control)


@contextlib.contextmanager
def mounted(file: int, folder: str, filesystem: str) -> Iterator[None]:
    """The filesystem in this open file, with the kernel's own recovery, for the length of a `with`."""
    path, device = loop(file)
    try:
        mount(path, folder, filesystem)
    finally:
        os.close(device)
    try:
        yield
    finally:
        unmount(folder)


def shut_down(folder: str, how: str) -> None:
    """Stop a mounted filesystem at once, as when its disk is pulled."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(held, _GOING_DOWN, struct.pack("<I", SHUTDOWNS[how]))
    finally:
        os.close(held)


def sync(folder: Path) -> None:
    """Write all of one filesystem to its disk."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _check(_libc.syncfs(held), f"syncfs {folder}")
    finally:
        os.close(held)


def make(path: Path, filesystem: str) -> None:
    """A small new filesystem in a file."""
    size, command = MAKE[filesystem]
    with open(path, "wb") as file:
        file.truncate(size)
    subprocess.run([*command, str(path)], check=True, capture_output=True)
