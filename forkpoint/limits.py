"""Every bound and default: its unit in its name, and one sentence of why."""

from __future__ import annotations

from typing import Final

CHILD_DEADLINE_SECONDS: Final = 600.0
"""A child that has not reported by then hangs on a lock it inherited; it is killed and the point is missing."""

KEEP_LAST_POINTS: Final = 5
"""Restore points kept while running: enough to step over damaged or incomplete ones."""

MAX_FILE_BYTES: Final = 64 << 20
"""Content of a written file kept inside a restore point; larger ones are known by size and hash only."""

BUFFER_BYTES_MIN: Final = 64 << 10
"""Buffers from here on are pods of their own; below, a copy in the stream is cheaper than an index entry."""

CHUNK_BYTES: Final = 256 << 10
"""Fixed chunk size of buffers: small enough that 8 kB changed writes kilobytes, large enough to index a terabyte."""

REPORT_MESSAGE_BYTES: Final = 400
"""A child's report must fit one atomic pipe write (PIPE_BUF is 4096)."""

ARMED_MILLISECONDS: Final = 20
"""On 3.11 an armed trace function slows all code; it is disarmed after this long and the stack walked again."""

COPIED_SHARE: Final = 0.5
"""Share of private memory taken to be copied while a child lives. All of it would leave every program larger than half
the machine unprotected; should half prove too little, the child is the one the OOM killer takes."""

MEMORY_RESERVE_BYTES: Final = 64 << 20
"""Left over beside the copies, for the committer and for others."""

HANG_SECONDS: Final = 20.0
"""A child whose every thread has waited for a lock for so long, without any CPU time used, will wait for ever."""
