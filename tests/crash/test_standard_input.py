"""`prog < data`: what is read on after a restore is the rest of that file, whatever standard input is by then."""

from __future__ import annotations

import signal

READING = """
    import os, signal, sys
    import forkpoint
    for line in sys.stdin:
        print(line.strip(), sys.stdin.fileno(), flush=True)
        if line in ("zwei\\n", "vier\\n"):
            point = forkpoint.checkpoint(wait=True)
            if not point.restored:
                os.kill(os.getpid(), signal.SIGKILL)
    print(sys.stdin is sys.__stdin__, os.lseek(0, 0, os.SEEK_CUR), flush=True)
"""
FROM_DATA = "import os, sys; os.dup2(os.open('data', 0), 0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
LINES = "eins", "zwei", "drei", "vier", "fünf"


def test_a_file_is_read_on_from_where_it_was(make):
    here = make(READING)
    text = "".join(f"{line}\n" for line in LINES)
    (here.work / "data").write_text(text)
    killed = here.call(["-c", FROM_DATA, *here.run_argv()])
    assert (killed.status, killed.out) == (-signal.SIGKILL, b"eins 0\nzwei 0\n"), killed.err
    again = here.restore()
    assert (again.status, again.out) == (-signal.SIGKILL, b"drei 0\nvier 0\n"), again.err
    restored = here.restore()
    end = f"fünf 0\nTrue {len(text.encode())}\n"
    assert (restored.status, restored.out.decode()) == (0, end), restored.err
