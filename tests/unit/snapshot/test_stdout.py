"""`count` is what the program wrote to its standard output, and counting changes nothing it can see."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from forkpoint.snapshot import stdout

MANY = """
import os, sys
from forkpoint.snapshot import stdout
stdout.install()
print("printed")
sys.stdout.write("ümlaut\\n" * 2000)
sys.stdout.buffer.write(b"through the buffer\\n")
sys.__stdout__.write("the original\\n")
stdout.flush()
os.write(1, b"descriptor\\n")
os.writev(1, [b"one ", b"two\\n"])
with open(1, "w", closefd=False) as again:
    again.write("opened again\\n")
print("to stderr", file=sys.stderr)
with open("/dev/null", "w") as other:
    other.write("elsewhere")
stdout.flush()
print(stdout.count(), file=sys.stderr)
"""
EXPECTED = (
    len("printed\n") + 2000 * len("ümlaut\n".encode()) + len("through the buffer\nthe original\ndescriptor\none two\n")
) + len("opened again\n")

SHAPE = """
import os, sys
{install}
for stream in (sys.stdout, sys.__stdout__, sys.stderr):
    raw = getattr(stream.buffer, "raw", stream.buffer)
    print(type(stream), type(stream.buffer), type(raw), raw.name, raw.mode, raw.closefd, stream.encoding, stream.errors,
          stream.newlines, stream.line_buffering, stream.write_through, stream.isatty(), stream.name, stream.mode,
          raw.write, os.write, type(raw).write)
print(sys.stdout is sys.__stdout__, hasattr(sys.stdout, "__dict__") and sorted(vars(sys.stdout)))
"""


def run(program: str, *options: str, **arguments: object) -> tuple[bytes, str]:
    """What a program wrote to a pipe, and its standard error."""
    done = subprocess.run([sys.executable, *options, "-c", program], capture_output=True, check=False, **arguments)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout, done.stderr.decode()


@pytest.fixture(autouse=True)
def buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.mark.parametrize("options", [(), ("-u",)], ids=["buffered", "unbuffered"])
def test_a_pipe_is_counted_however_python_writes_to_it(options: tuple[str, ...]) -> None:
    written, errors = run(MANY, *options)
    assert len(written) == EXPECTED
    assert errors == f"to stderr\n{EXPECTED}\n"


def test_a_terminal_is_counted_before_it_turns_lines() -> None:
    leader, follower = pty.openpty()
    program = "from forkpoint.snapshot import stdout; import sys; stdout.install(); print('ab'); print('cd');"
    program += "print(stdout.count(), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], stdout=follower, stderr=subprocess.PIPE, check=True)
    os.close(follower)
    assert done.stderr == b"6\n"
    assert os.read(leader, 100) == b"ab\r\ncd\r\n"
    os.close(leader)


@pytest.mark.parametrize("append", [False, True], ids=["from its start", "appending"])
def test_a_file_is_counted_by_its_offset_also_what_others_wrote(tmp_path: Path, append: bool) -> None:
    file = tmp_path / "out"
    file.write_bytes(b"from before")
    program = MANY + "\nos.system('echo from a child'); print(stdout.count(), file=sys.stderr)"
    with file.open("ab" if append else "r+b") as out:
        if not append:
            out.seek(4)
        done = subprocess.run([sys.executable, "-c", program], stdout=out, stderr=subprocess.PIPE, check=True)
    first, second = map(int, done.stderr.split()[2:])
    assert (first, second) == (EXPECTED, EXPECTED + len("from a child\n"))
    assert len(file.read_bytes()) == (11 if append else 4) + second


def test_c_output_reaches_a_pipe_at_a_flush_and_is_counted() -> None:
    program = """
import ctypes, sys
from forkpoint.snapshot import stdout
stdout.install()
ctypes.CDLL(None).puts(b"from C")
assert stdout.count() == 0
stdout.flush()
print(stdout.count(), file=sys.stderr)
"""
    assert run(program) == (b"from C\n", "7\n")


@pytest.mark.parametrize(
    ("options", "environment"),
    [((), {}), (("-u",), {}), ((), {"PYTHONUNBUFFERED": "1"}), ((), {"PYTHONIOENCODING": "latin-1:replace"})],
)
def test_nothing_the_program_can_see_of_its_streams_changes(
    options: tuple[str, ...], environment: dict[str, str]
) -> None:
    def shape(install: str) -> bytes:
        import re

        out, _ = run(SHAPE.format(install=install), *options, env={**os.environ, **environment})
        return re.sub(rb" at 0x[0-9a-f]+", b"", out)

    assert shape("from forkpoint.snapshot import stdout; stdout.install()") == shape("import forkpoint.snapshot")


def test_a_program_without_standard_output_counts_nothing() -> None:
    program = "from forkpoint.snapshot import stdout; import sys; stdout.install(); stdout.flush();"
    program += "sys.stderr.write(str(stdout.count()))"
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, program], capture_output=True, check=True
    )
    assert done.stderr == b"0"


def test_a_stream_that_cannot_be_flushed_is_left_to_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    stdout.flush()
    monkeypatch.setattr(sys, "stdout", None)
    stdout.flush()


def test_a_replaced_stdout_is_flushed_into_the_original() -> None:
    program = """
import sys
from forkpoint.snapshot import stdout
stdout.install()
class Tee:
    def __init__(self, to): self.to, self.held = to, ""
    def write(self, text): self.held += text
    def flush(self): self.to.write(self.held); self.held = ""
sys.stdout = Tee(sys.stdout)
print("held")
stdout.flush()
print(stdout.count(), file=sys.stderr)
"""
    assert run(program) == (b"held\n", "5\n")
