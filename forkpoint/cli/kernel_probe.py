"""What this kernel lets an ordinary process do, found by doing it. Run as a script in a process of its own.

A seccomp profile may answer with a signal instead of an error, so nobody but this script makes these calls. It
prints one JSON object: name -> {"works": bool, "detail": str}. Nothing here is taken from a version number, and no
return code is believed where the effect can be looked at (soft-dirty may be compiled out though "clearing" succeeds).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import struct
from collections.abc import Callable

# Numbers of the kernel's ABI (include/uapi/linux/userfaultfd.h, fs.h); Debian 12's headers lack PAGEMAP_SCAN.
_SYSCALLS = {"x86_64": {"userfaultfd": 323}, "aarch64": {"userfaultfd": 282}}
_CLONE3 = 435
_PIDFD_OPEN = 434
_CLOSE_RANGE = 436
_UFFD_USER_MODE_ONLY = 1
_UFFDIO_API = 0xC018AA3F
_UFFDIO_REGISTER = 0xC020AA00
_UFFDIO_WRITEPROTECT = 0xC018AA06
_UFFD_API = 0xAA
_WP_UNPOPULATED = 1 << 13
_WP_ASYNC = 1 << 15
_PAGEMAP_SCAN = 0xC0606610
_PAGE_IS_WRITTEN = 1 << 1

_libc = ctypes.CDLL(None, use_errno=True)


def _syscall(number: int, *arguments: int) -> int:
    """The raw call; raises OSError as the kernel said it."""
    result: int = _libc.syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _clone3() -> str:
    # A size of zero is refused as EINVAL by a kernel that has the call; profiles that hide it say ENOSYS or EPERM.
    try:
        _syscall(_CLONE3, 0, 0)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return "forks are invisible to os.wait() and SIGCHLD"


def _pidfd() -> str:
    os.close(_syscall(_PIDFD_OPEN, os.getpid(), 0))
    return "children are watched without signals"


def _close_range() -> str:
    # An empty tail of the descriptor table: the call is made and closes nothing.
    _syscall(_CLOSE_RANGE, 1 << 30, (1 << 30) + 1, 0)
    return "the child drops inherited descriptors at once"


def _oom_score() -> str:
    # Raising needs no privilege; this process is about to end anyway.
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    with open("/proc/self/oom_score_adj") as file:
        if file.read().strip() != "1000":
            raise OSError(errno.EPERM, "oom_score_adj did not change")
    return "the child dies before the program when memory runs out"


def _userfaultfd() -> int:
    number = _SYSCALLS.get(platform.machine(), {}).get("userfaultfd")
    if number is None:
        raise OSError(errno.ENOSYS, f"not known on {platform.machine()}")
    return _syscall(number, os.O_CLOEXEC | os.O_NONBLOCK | _UFFD_USER_MODE_ONLY)


def _page_tracking() -> str:
    """Write one of sixteen protected pages; exactly that one must be reported."""
    uffd = _userfaultfd()
    fcntl.ioctl(uffd, _UFFDIO_API, struct.pack("QQQ", _UFFD_API, _WP_ASYNC | _WP_UNPOPULATED, 0))
    page, count, written = mmap.PAGESIZE, 16, 3
    memory = mmap.mmap(-1, page * count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for index in range(count):
        memory[index * page] = 1
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(uffd, _UFFDIO_REGISTER, struct.pack("QQQQ", start, page * count, 2, 0))
    fcntl.ioctl(uffd, _UFFDIO_WRITEPROTECT, struct.pack("QQQ", start, page * count, 1))
    memory[written * page] = 2
    regions = (ctypes.c_uint64 * (3 * count))()
    question = struct.pack(
        "12Q", 96, 0, start, start + page * count, 0, ctypes.addressof(regions), count, 0, 0, _PAGE_IS_WRITTEN, 0,
        _PAGE_IS_WRITTEN,
    )  # fmt: skip
    with open("/proc/self/pagemap", "rb") as pagemap:
        found = fcntl.ioctl(pagemap, _PAGEMAP_SCAN, bytearray(question))
    at = start + written * page
    if found != 1 or (regions[0], regions[1]) != (at, at + page):
        raise OSError(errno.EIO, f"one page was written, {found} regions were reported")
    return "unchanged memory need not be read at a checkpoint"


_PROBES: dict[str, Callable[[], str]] = {
    "clone3": _clone3,
    "pidfd": _pidfd,
    "close_range": _close_range,
    "oom_score": _oom_score,
    "page_tracking": _page_tracking,
}


def main() -> None:
    """Print each answer as soon as it is known, one JSON line each: a call that kills us spoils only itself."""
    for name, probe in _PROBES.items():
        try:
            answer = {"name": name, "works": True, "detail": probe()}
        except OSError as error:
            answer = {"name": name, "works": False, "detail": error.strerror or str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
