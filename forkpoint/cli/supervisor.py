"""`--restarts N`: a parent that starts the program again from its last restore point when a signal has killed it.

To whoever started it this process is the program: signals go through, exit status and killing signal come back. The
program dies with it (PR_SET_PDEATHSIG), so that killing the process one knows kills the program.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Final, NoReturn

from forkpoint.order import Order, command_line, flush_streams
from forkpoint.say import say

Start = tuple[Order, dict[str, str]]
Mask = set[int | signal.Signals]

_PASSED_ON: Final = frozenset(
    {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM}
    | {signal.SIGWINCH}
)
_ASKS_TO_STOP: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
_BY_THE_KERNEL: Final = 0x80
"""SI_KERNEL (sigaction(2)): a terminal's signal, which the whole foreground group has got already."""


def supervise(first: Start, again: Callable[[Order], Start], restarts: int) -> NoReturn:
    """Run `first`; after each death by a signal that nobody asked for run `again(the dead)`, at most `restarts` times.

    Does not return: ends as the program ended, by its status or by its signal (as PID 1, which no signal ends, with
    128 + n). What `again` raises comes through.
    """
    waited_for = _PASSED_ON | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
    start, used = first, 0
    while True:
        status, stopping = _live(start, waited_for, before)
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
        number = os.WTERMSIG(status)
        if stopping or used >= restarts:
            if used and not stopping:
                say(f"killed by {_name(number)}, after {used} of {restarts} restarts: giving up")
            _die_of(number)
        used += 1
        say(f"killed by {_name(number)}: restart {used} of {restarts}")
        start = again(start[0])


def _live(start: Start, waited_for: frozenset[signal.Signals], mask: Mask) -> tuple[int, bool]:
    """One life of the program: its wait status, and whether it had been asked to stop."""
    child = _spawn(start, mask)
    stopping = False
    while True:
        told = signal.sigwaitinfo(waited_for)
        number = signal.Signals(told.si_signo)
        if number is signal.SIGCHLD:
            status = _reap(child)
            if status is not None:
                return status, stopping
            continue
        stopping = stopping or number in _ASKS_TO_STOP
        if told.si_code != _BY_THE_KERNEL:
            os.kill(child, number)  # it is not reaped yet, so the number is its own


def _spawn(start: Start, mask: Mask) -> int:
    """Start the program, and let go of what is its own from now on: lease, order and plan."""
    order, environment = start
    order = order.supervised(os.getpid())
    argv = command_line(order)
    flush_streams()
    child = os.posix_spawn(argv[0], argv, environment, setsigmask=mask)
    for fd in order.descriptors(argv):
        os.close(fd)
    return child


def _reap(child: int) -> int | None:
    """The child's wait status once it has ended. As PID 1 this also collects orphans."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = status


def _die_of(number: int) -> NoReturn:
    """End as the program did; without a core of our own beside the program's."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    sys.exit(128 + number)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
