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

CODE_MAPS_KEPT: Final = 4096
"""Bytecode maps kept for the next capture; a program that makes code objects in a loop must not grow by them."""
