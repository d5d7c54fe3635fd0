"""Descriptors that are only numbers: a log, a lock, input, a folder, a pipe, and one with a file object over it."""

import fcntl
import os

from points import point

log = os.open("numbered.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
held = os.open("numbered.lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(held, fcntl.LOCK_EX)
ranged = os.open("numbered.ranges", os.O_RDWR | os.O_CREAT)
fcntl.lockf(ranged, fcntl.LOCK_EX, 10, 5)
source = os.open(__file__, os.O_RDONLY)
folder = os.open(".", os.O_RDONLY)
reader, writer = os.pipe()
over = os.fdopen(os.open("numbered.txt", os.O_WRONLY | os.O_CREAT), "w")
passed_on = os.open(os.devnull, os.O_WRONLY)
os.set_inheritable(passed_on, True)


def step(number):
    os.write(log, b"%d\n" % number)
    os.write(writer, b"%d" % number)
    over.write(f"{number}\n")
    return os.read(reader, 10), os.read(source, 7), "numbered.log" in os.listdir(folder)


def is_locked(path, range=()):
    pid = os.fork()
    if pid == 0:
        own = os.open(path, os.O_RDWR)
        try:
            if range:
                fcntl.lockf(own, fcntl.LOCK_EX | fcntl.LOCK_NB, *range)
            else:
                fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os._exit(7)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


for number in range(5):
    found = step(number)
    point()
    print(number, found, is_locked("numbered.lock"), is_locked("numbered.ranges", (1, 7)), os.get_inheritable(passed_on))
over.close()
for fd in (log, held, ranged, source, folder, reader, writer, passed_on):
    os.close(fd)
print(open("numbered.log").read().split(), open("numbered.txt").read().split())
