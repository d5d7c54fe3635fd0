"""Every bound and default: its unit in its name, and one sentence of why."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` itself would cost the committer a tenth of its time
if TYPE_CHECKING:
    from typing import Final

CHILD_DEADLINE_SECONDS: Final = 600.0
"""A child that has not reported by then hangs on a lock it inherited; it is killed and the point is missing."""

KEEP_LAST_POINTS: Final = 5
"""Restore points kept while running: enough to step over damaged or incomplete ones."""

KEEP_LAST_POINTS_SHORT: Final = 2
"""Kept where the disk is nearly full: one, and one to step back to."""

FREE_BYTES_MIN: Final = 5 << 30
"""Free space that retention leaves to others, at least."""

FREE_SHARE_MIN: Final = 0.10
"""The same as a share of the filesystem: above it, filesystems grow slow and people nervous."""

KEEP_HOURS: Final = 24
"""Hours of which one restore point each is kept: a mistake noticed the next morning can still be gone back behind."""

MAX_FILE_BYTES: Final = 64 << 20
"""Content of a written file kept inside a restore point; larger ones are known by size and hash only."""

REPLAY_PROVED_BYTES_MAX: Final = 64 << 20
"""Up to here a compressed file is read again when it is saved too, to prove that this leads to the same place: within
half a second. Beyond, only the restore proves it."""

TAIL_BYTES: Final = 1 << 20
"""Of a file whose content is not kept, the end that is hashed: enough to tell an appended file from a rewritten one."""

FILE_TIME_STEP_NS: Final = 20_000_000
"""Longer than the step of the kernel's file times: two changes closer together can leave the same time."""

KEPT_BYTES_MAX: Final = 1 << 30
"""Of files a program changes or removes that no restore point holds, what is kept at most: disk space that the program
may be freeing. What is beyond cannot be put back for older restore points."""

RENAMED_BYTES_MAX: Final = 16 << 20
"""Of the files in a renamed directory, what is copied to keep it; larger ones are kept by a link, at no cost."""

SHARED_BYTES_MAX: Final = 512 << 20
"""The same for torch's shared memory, where a batch of a DataLoader's workers lies: some 0.3 s for each GiB."""

MAPPED_BYTES_MAX: Final = 64 << 20
"""Of files that the program has mapped for writing, what is copied while it is stopped, some 30 ms at most; while more
is mapped, commits are refused."""

READ_AT_COMMIT_BYTES_MAX: Final = 8 << 20
"""Of files that may change in place, what is read while the program is stopped: some milliseconds at most."""

FILES_MAX: Final = 100_000
"""Paths one program may change before no more are noted: a bound on memory and manifests, said when it is reached."""

SCANNED_DIRECTORIES_MAX: Final = 8
SCANNED_FILES_MAX: Final = 256
"""What is looked through after a commit for files that C code or another process has changed, some microseconds a file
of the program's time. Larger directories hold data sets, not results."""

SCANNING_SHARE_MAX: Final = 0.002
"""Of the program's time, for that."""

BUFFER_BYTES_MIN: Final = 64 << 10
"""Buffers from here on are pods of their own; below, a copy in the stream is cheaper than an index entry."""

CHUNK_BYTES: Final = 128 << 10
"""Fixed chunk size of buffers: small enough that 8 kB changed writes little more, large enough to index a terabyte."""

REPORT_MESSAGE_BYTES: Final = 400
"""A child's report must fit one atomic pipe write (PIPE_BUF is 4096)."""

ARMED_MILLISECONDS: Final = 20
"""On 3.11 an armed trace function slows all code; it is disarmed after this long and the stack walked again."""

COMPARED_BYTES_MAX: Final = 1 << 30
"""Arrays of a DataLoader's dataset that are hashed when its workers start, and again at each commit: some tenths of a
second. Larger tensors are known by torch's own count of writes."""

REPLAYED_BATCHES_SAID: Final = 1000
"""When workers of a DataLoader have to go over more batches than this to be where they were, it is said: the program
waits for them."""

AUTO_SECONDS_MIN: Final = 1.0
"""The shortest automatic interval: below, the child's work would never pause."""

AUTO_SECONDS_MAX: Final = 300.0
"""The longest automatic interval: five minutes is what a person accepts to lose."""

CHILD_LOOK_SECONDS: Final = 0.2
"""How often a child at work is looked at between commits: its failure is told that soon."""

RETRY_SECONDS_MIN: Final = 0.005
"""Once a commit is due and the place was not right, look again this soon."""

RETRY_SECONDS_MAX: Final = 0.1
"""The longest pause between two looks: short against any interval, cheap against any program."""

RETRY_GROWTH: Final = 1.5
"""How the pause between two looks grows: a program that is long in one C call is not asked in vain."""

OUTWARD_MAX: Final = 3
"""How many frames that ended without beginning a line are passed by, before the innermost one is tried again."""

RETRIES_COUNTED_MAX: Final = 20
"""After so many children in a row that came to nothing the pause before the next grows no more."""

REFUSED_SECONDS_MAX: Final = 5.0
"""After a SIGTERM, a program with a handler of its own is kept waiting no longer while every look is refused."""
COMPLETE_WAIT_SECONDS: Final = 10.0
"""How long automatic commits wait for a function to return that holds what cannot be saved."""

UNPROTECTED_SECONDS: Final = 300.0
"""No durable point for this long (or 10 intervals) is told on stderr, then again with doubling gaps."""

END_WAIT_SECONDS: Final = 5.0
"""How long a finished program waits for a commit still under way, so that its outcome can be told."""

REFUSALS_NEWEST: Final = 30
"""So many refusals tell why no commit is taken now; older ones are of a program that was doing something else."""

REFUSALS_LISTED: Final = 50
"""Distinct reasons for refused commits kept in a restore point; the rest are counted together."""

COPIED_SHARE: Final = 0.5
"""Share of private memory taken to be copied while a child lives. All of it would leave every program larger than half
the machine unprotected; should half prove too little, the child is the one the OOM killer takes."""

MEMORY_RESERVE_BYTES: Final = 64 << 20
"""Left over beside the copies, for the committer and for others."""

HOT_SHARE: Final = 0.15
"""Share of a buffer that changed between two commits from which on copying it beforehand costs the program less than
the page faults of sharing it would."""

STAGED_BYTES_MIN: Final = 256 << 10
"""Smaller runs of pages are not staged: two system calls and a mapping each. The child's own writes, which it cannot
tell from the program's, are hardly ever that long: on a heap of 10^6 objects 44 MB of them lie in 560 runs."""

STAGING_SHARE_MAX: Final = 0.25
"""Of the memory that is available, what the arena of hot buffers takes at most: a program's own memory comes first."""

ARENA_SHARE_MAX: Final = 2
ARENA_PATIENCE: Final = 8
"""An arena more than so many times as large as what is hot is given back, once it was so for so many commits."""

UNSTAGED_COMMITS: Final = 16
"""After a child that ended without a word so many are made without staging, after the second two times as many."""

COLD_COMMITS: Final = 16
"""For so many commits a block that did not change while it was staged is left to copy-on-write: it is the child that
writes to it."""

MAX_OVERHEAD_PERCENT: Final = 1.0
"""The budget of `--every auto`: small enough that nobody switches forkpoint off for speed."""

GRACE_SECONDS: Final = 25.0
"""For the last checkpoint after SIGTERM: Kubernetes and SLURM kill after 30 by default."""

RECORD_BYTES_MAX: Final = 64 << 20
"""Longest chunk, stored or decoded: what a damaged or hostile length may make us allocate at most."""

MANIFEST_BYTES_MAX: Final = 1 << 30
"""Longest manifest or index, decoded: room for a terabyte of chunks, and no more."""

WAL_FOLD_BYTES: Final = 4 << 20
"""The journal's WAL is folded once it is longer: seldom enough to be free, often enough to stay small."""

WRITER_LOCK_SECONDS: Final = 60.0
"""How long a writer waits for the others; each holds the lock for milliseconds, forgetting for seconds at most."""

RESERVE_BYTES: Final = 256 << 10
"""Kept in the store to be given back on a full disk, so that forgetting can still write its rows."""

HANG_SECONDS: Final = 20.0
"""A child whose every thread has waited for a lock for so long, without any CPU time used, will wait for ever."""

CODE_MAPS_KEPT: Final = 4096
"""Bytecode maps kept for the next capture; a program that makes code objects in a loop must not grow by them."""
