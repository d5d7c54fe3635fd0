"""Kernels and sandboxes that offer less: children are as invisible and as clean there."""

from __future__ import annotations

import os

import pytest
from forks import DEADLINE, run

from forkpoint.errors import CommitFailed
from forkpoint.snapshot import forker

SANDBOX = """
import ctypes, errno, struct
libc = ctypes.CDLL(None, use_errno=True)
def refuse(number, error, flag=0):
    # seccomp: return `error` from system call `number` (where its first argument has `flag`).
    load = lambda offset: struct.pack("HBBI", 0x20, 0, 0, offset)
    code = [load(0), struct.pack("HBBI", 0x15, 0, 3 if flag else 1, number)]
    if flag:
        code += [load(16), struct.pack("HBBI", 0x45, 0, 1, flag)]
    code += [struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | error), struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)]
    filter = ctypes.create_string_buffer(b"".join(code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filter))
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0
"""

POOR = """
import os, sys
from forkpoint.snapshot import forker
from forkpoint.report import Report
before = sorted(os.listdir("/proc/self/fd"))
other = os.open("/dev/null", os.O_RDONLY)
def body(side):
    open_ones = [fd for fd in range(3, 1000) if os.path.exists(f"/proc/self/fd/{fd}")]
    return Report("K", message=str(len(open_ones)))
handle = forker.fork(body, deadline_seconds=20)
has_pidfd = handle._pidfd >= 0
try:
    os.wait()
except ChildProcessError:
    print(handle.wait(20).message, has_pidfd)
os.close(other)
while not handle.gone:
    handle.poll()
slow = forker.fork(lambda side: __import__("signal").pause(), deadline_seconds=20)
slow.kill()
print(slow.wait(20).status, sorted(os.listdir("/proc/self/fd")) == before)
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers of x86-64")
@pytest.mark.parametrize(
    ("refused", "pidfd"),
    [
        ("refuse(435, errno.ENOSYS)", True),
        ("refuse(435, errno.EPERM)", True),
        ("refuse(435, errno.ENOSYS); refuse(56, errno.EINVAL, 0x1000)", False),
        ("refuse(436, errno.ENOSYS)", True),
    ],
    ids=["no clone3", "clone3 forbidden", "no pidfd", "no close_range"],
)
def test_where_the_kernel_offers_less_children_are_as_invisible_and_as_clean(refused: str, pidfd: bool) -> None:
    assert run(SANDBOX + refused + POOR) == f"1 {pidfd}\n? True\n"


def test_without_descriptors_left_a_commit_fails_and_nothing_is_open() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = sorted(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        with pytest.raises(CommitFailed):
            forker.fork(lambda side: None, deadline_seconds=DEADLINE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert sorted(os.listdir("/proc/self/fd")) == files
