"""The seam to the disk: every operation of a store on its files goes by one of these names.

They are the system's own, bound when forkpoint is imported: `disk.fsync(fd)` costs what `os.fsync(fd)` does, and what a
program puts into `os` does not reach its store. Callers name the module, never a name out of it, so that tests can put
a disk in its place that forgets, tears and refuses by a seed (tests/unit/journal/seeded_disk.py).
`tests/test_architecture.py` holds that nothing in journal/ goes past it.

What does not come through here: SQLite, which writes journal.db and its WAL itself; tests register a VFS with it whose
operations end in the same seeded disk. What is no file of a store: pipes, memfds, /proc, a private copy of the journal.
Native code writes to no file of a store: beside.c starts processes and waits, and the committer it waits for runs this.
"""

from __future__ import annotations

import fcntl as _fcntl
import os
import posix as _posix

# What changes a file, or where it can be found.
open = os.open
write = os.write
pwrite = os.pwrite
ftruncate = os.ftruncate
posix_fallocate = os.posix_fallocate
rename = os.rename
link = os.link
unlink = os.unlink
mkdir = os.mkdir
makedirs = os.makedirs
chmod = os.chmod
fchmod = os.fchmod

# What makes that durable: the bytes of a file, the names in a directory.
fsync = os.fsync
fdatasync = os.fdatasync
posix_fadvise = os.posix_fadvise

# What only looks.
close = os.close
read = os.read
pread = os.pread
sendfile = os.sendfile
fstat = os.fstat
stat = os.stat
lstat = os.lstat
statvfs = os.statvfs
listdir = os.listdir
access = os.access
exists = os.path.exists
lexists = os.path.lexists

# Locks, and descriptors that keep them.
flock = _fcntl.flock
fcntl = _fcntl.fcntl
LOCK_SH = _fcntl.LOCK_SH
LOCK_EX = _fcntl.LOCK_EX
LOCK_NB = _fcntl.LOCK_NB
F_DUPFD_CLOEXEC = _fcntl.F_DUPFD_CLOEXEC

# No file: names of new ones. Not from `os`, where a program that is to be reproducible may have put another before.
urandom = _posix.urandom
