"""Under `forkpoint run` a program prints, fails and exits as under plain python."""

from __future__ import annotations

import os
import re
import signal
import textwrap
from pathlib import Path

import pytest
from catalogue import pointed
from harness import Bench, Program, Ran, tail

CASES: dict[str, str] = {
    "uncaught exception": """
        def f(n):
            return 1 / n
        def g(n):
            return f(n) + 1
        print("before", flush=True)
        g(0)
    """,
    "chained exception": """
        try:
            {}["a"]
        except KeyError as error:
            raise ValueError("wrapped") from error
    """,
    "exception group": """
        raise ExceptionGroup("g", [ValueError(1), TypeError("t")])
    """,
    "syntax error": "def f(:\n    pass\n",
    "recursion error": """
        def f(n):
            return f(n + 1)
        f(0)
    """,
    "sys.exit 0": "import sys; print('x'); sys.exit(0)",
    "sys.exit 3": "import sys; print('x'); sys.exit(3)",
    "sys.exit 300": "import sys; sys.exit(300)",
    "sys.exit text": "import sys; sys.exit('a message')",
    "sys.exit none": "import sys; sys.exit(None)",
    "raise SystemExit in a function": "def f():\n    raise SystemExit(7)\nf()",
    "os._exit": "import os, sys; sys.stdout.write('lost?'); sys.stdout.flush(); os._exit(9)",
    "killed by SIGKILL": "import os; print('x', flush=True); os.kill(os.getpid(), 9)",
    "killed by SIGABRT": "import os; print('x', flush=True); os.abort()",
    "killed by SIGALRM": "import signal; print('x', flush=True); signal.raise_signal(signal.SIGALRM)",
    "KeyboardInterrupt": """
        def f():
            raise KeyboardInterrupt
        f()
    """,
    "SIGINT": "import signal\nprint('x')\nsignal.raise_signal(signal.SIGINT)",
    "exception in atexit": "import atexit\natexit.register(lambda: 1 / 0)\nprint('x')",
    "unraisable in __del__": """
        class D:
            def __del__(self):
                raise ValueError("in del")
        D()
        print("on")
    """,
    "exception at exit of a thread": """
        import threading
        t = threading.Thread(target=lambda: 1 / 0, name="w")
        t.start()
        t.join()
        print("on")
    """,
    "what main looks like": """
        import sys
        m = sys.modules["__main__"]
        print(__name__, __spec__, __package__, __doc__, __file__, sys.argv, m.__dict__ is globals())
        print(sorted(k for k in globals() if k != "m"), type(__loader__).__name__, __builtins__.__name__)
        print(sys.path, sys.flags, sys.warnoptions, sys._xoptions, sys.gettrace(), sys.getprofile())
    """,
    "the stack below the program": """
        import sys, traceback, inspect
        print(sys._getframe().f_back, len(inspect.stack()), len(traceback.extract_stack()))
        def f():
            return [x.name for x in traceback.extract_stack()]
        print(f(), sys.getrecursionlimit())
        def depth(n):
            try:
                return depth(n + 1)
            except RecursionError:
                return n
        print(depth(0))
    """,
    "recursion through C": """
        class Nested:
            def __init__(self, depth):
                depth[0] += 1
                Nested(depth)
        def depth():
            counted = [0]
            try:
                Nested(counted)
            except RecursionError:
                return counted
        print(depth(), depth())
    """,
    "standard streams": """
        import sys, os
        for s in (sys.stdin, sys.stdout, sys.stderr, sys.__stdout__):
            print(type(s).__name__, type(s.buffer).__name__, type(s.buffer.raw).__name__, s.name, s.fileno(), s.mode,
                  s.encoding, s.errors, s.line_buffering, s.write_through, s.isatty(), s.newlines, s.buffer.raw.mode)
        print(sys.stdout is sys.__stdout__, repr(sys.stdout))
        sys.stdout.buffer.write(b"bytes first\\n")
        sys.stdout.flush()
        os.write(1, b"straight\\n")
        sys.stdout.reconfigure(line_buffering=True)
        print("reconfigured")
        print("to stderr", file=sys.stderr)
    """,
    "stdin is read": "import sys\nprint(input('prompt '), sys.stdin.readline(), sys.stdin.read())",
    "stdout detached": "import sys\nraw = sys.stdout.detach()\nraw.write(b'raw\\n')\nraw.flush()",
    "stdout closed": "import sys\nprint('x')\nsys.stdout.close()",
    "modules and threads": """
        import sys, threading, gc, signal, os
        print([m for m in ("numpy", "torch", "sqlite3", "pysqlite3", "click") if m in sys.modules])
        print(threading.enumerate(), threading.active_count(), gc.get_threshold(), gc.isenabled())
        print([signal.getsignal(s) for s in (signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM)])
        print(sorted(k for k in os.environ if k not in ("PYTHONHASHSEED",) and not k.startswith("FORKPOINT")))
        print([os.readlink(f"/proc/self/fd/{n}").partition(":")[0] for n in range(3)])
    """,
    "pickle of a main class": """
        import pickle, copy
        class C:
            def __init__(self): self.x = 1
        print(type(pickle.loads(pickle.dumps(C()))) is C, C.__module__, copy.deepcopy(C()).x, pickle.dumps(C())[:40])
    """,
    "children and forks": """
        import os, subprocess, sys
        print(subprocess.run([sys.executable, "-c", "import sys; print(sys.argv, sys.modules.get('forkpoint'))"],
              capture_output=True, text=True).stdout)
        pid = os.fork()
        if pid == 0:
            print("child", flush=True)
            os._exit(4)
        print(os.waitpid(pid, 0)[1])
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("no children")
    """,
    "multiprocessing spawn": """
        import multiprocessing as mp
        def double(n):
            return n * 2
        if __name__ == "__main__":
            with mp.get_context("spawn").Pool(1) as pool:
                print(pool.map(double, [1, 2]))
    """,
    "warnings": """
        import warnings, sys
        def f():
            warnings.warn("careful", stacklevel=2)
        f()
        f()
        print(sys.warnoptions)
    """,
    "relative file and cwd": "import os, sys\nprint(__file__, os.path.basename(os.getcwd()), os.path.exists(__file__))",
    "timers and clocks": """
        import time, signal
        a = time.monotonic(); signal.setitimer(signal.ITIMER_REAL, 0.05)
        signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
        signal.pause()
        print(time.monotonic() - a < 5)
    """,
}


@pytest.fixture
def pair(tmp_path, python):
    """Run something under plain python and under `forkpoint run`, in the same place, with the same input."""

    def both(
        code: str, command: tuple[str, ...] = ("program.py", "an arg", "--flag"), flags: tuple[str, ...] = (), site=""
    ):
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        (source / "program.py").write_text(textwrap.dedent(code))
        (source / "pkg").mkdir(exist_ok=True)
        (source / "pkg" / "__init__.py").write_text("print('init', __name__)\n")
        (source / "pkg" / "__main__.py").write_text(textwrap.dedent(code))
        (source / "pkg" / "tool.py").write_text(textwrap.dedent(code))
        here = Bench(Program("program", command, source), tmp_path / "bench", python)
        here.env["PYTHONHASHSEED"] = "5"
        here.env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(site), here.env.get("PYTHONPATH"))))
        plain = here.call([*flags, *command], stdin=b"first\nsecond\nthird\n")
        under = here.call(
            [*flags, "-m", "forkpoint", "run", "--store", str(here.store), *command], stdin=b"first\nsecond\nthird\n"
        )
        return plain, under

    return both


def same(plain: Ran, under: Ran) -> None:
    """Equal output, status and stderr, forkpoint's own lines aside."""
    said = b"".join(x for x in under.err.splitlines(keepends=True) if not x.startswith(b"forkpoint: "))
    assert (under.status, neutral(under.out)) == (plain.status, neutral(plain.out)), f"{plain}\n{under}"
    assert neutral(said) == neutral(plain.err), f"plain:\n{plain.err.decode()}\nunder run:\n{said.decode()}"


def neutral(text: bytes) -> bytes:
    """Without what differs between any two processes: addresses, thread ids, and runpy's own two frames under -m."""
    text = re.sub(rb'  File "<frozen runpy>", line \d+, in \w+\n', b"", text)
    return re.sub(rb"0x[0-9a-f]+|started \d+", b"...", text)


@pytest.mark.parametrize("case", CASES)
def test_a_script_cannot_tell(case, pair):
    plain, under = pair(CASES[case])
    same(plain, under)


def test_main_is_the_programs_under_the_name_that_multiprocessing_gave_it_too(pair, tmp_path):
    """`site` may have imported that before there was a program: two modules named `__main__` would be mistaken."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import multiprocessing\n")
    code = """
        import sys
        print([name for name, module in sys.modules.items() if vars(module).get("__name__") == "__main__"])
        print(sys.modules["__mp_main__"] is sys.modules["__main__"], vars(sys.modules["__mp_main__"]) is globals())
    """
    plain, under = pair(code, site=tmp_path / "site")
    assert b"True True" in plain.out
    same(plain, under)


MAIN_FACTS = """
    import sys
    print(__name__, __package__, __spec__ and __spec__.name, __file__ if "__file__" in globals() else None)
    print(sys.argv, sys.path[0], sys.modules["__main__"].__dict__ is globals())
    def fails():
        raise ValueError("here")
    fails()
"""


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "pkg", "a", "-b"),
        ("-m", "pkg.tool", "a"),
        ("-m", "json.tool", "--indent", "1"),
        ("-c", "import sys; print(sys.argv, __name__, repr(sys.path[0])); 1 / 0", "x", "-y"),
        ("./program.py",),
        ("pkg",),
        ("pkg/tool.py", "--every", "--store"),
        ("-m", "no_such_module"),
    ],
    ids=lambda c: " ".join(c)[:24],
)
def test_modules_code_and_directories_start_as_with_python(command, pair):
    plain, under = pair(MAIN_FACTS, command)
    if command == ("-m", "no_such_module"):
        assert under.status in (1, 127) and b"no_such_module" in under.err
        return
    same(plain, under)


@pytest.mark.parametrize(
    "flags", [("-W", "error"), ("-X", "dev"), ("-u",), ("-O",), ("-B",), ("-I",), ("-s",)], ids=" ".join
)
def test_interpreter_flags_reach_the_program(flags, pair, python):
    code = """
        import sys, warnings
        print(sys.flags.optimize, sys.flags.dev_mode, sys.warnoptions, sys.dont_write_bytecode)
        print(sys.stdout.write_through)
        print(sys.flags.isolated, sys.flags.no_user_site, sorted(sys._xoptions))
        assert False, "only without -O"
    """
    if flags == ("-I",):
        pytest.skip("needs forkpoint installed in the interpreter")
    plain, under = pair(code, flags=flags)
    same(plain, under)


def test_a_script_that_is_not_there_is_127(tmp_path, python):
    here = Bench(Program("none", ("absent.py",), Path(__file__).parent / "refusals"), tmp_path / "b", python)
    ran = here.run()
    assert ran.status == 127 and b"absent.py" in ran.err and b"Traceback" not in ran.err


def test_usage_errors_are_125_as_with_env_and_timeout_and_write_nothing(tmp_path, python):
    here = Bench(Program("none", ("absent.py",), Path(__file__).parent / "refusals"), tmp_path / "b", python)
    assert here.run("--every", "soon").status == 125
    assert here.run("--no-such-option").status == 125
    assert not here.store.exists()


def test_every_line_of_forkpoint_on_stderr_says_so_and_quiet_is_quiet(tmp_path, python):
    source = tmp_path / "source"
    source.mkdir()
    (source / "program.py").write_text("print('only this')\n")
    here = Bench(Program("program", ("program.py",), source), tmp_path / "b", python)
    loud, quiet = here.run(), here.run("-q")
    assert loud.out == quiet.out == b"only this\n"
    assert all(line.startswith(b"forkpoint: ") for line in loud.err.splitlines()), loud.err
    assert len(loud.err.splitlines()) >= 2 and quiet.err == b"", (loud.err, quiet.err)


@pytest.mark.parametrize(
    "name", ["uncaught", "exit_status", "command_line", "warnings_after", "logging_stdout", "recursion"]
)
def test_a_program_with_points_prints_the_same_when_nothing_kills_it(name, bench):
    here = bench({p.name: p for p in pointed()}[name])
    oracle = here.call(here.program.command, {"FORKPOINT_DISABLE": "1", "CRASH_POINTS": "only:0"})
    here.fresh()
    ran = here.run()
    assert (ran.status, ran.out) == (oracle.status, oracle.out), tail(ran.err)
    said = [x for x in ran.err.decode().splitlines() if not x.startswith(("forkpoint: ", "REFUSED"))]
    assert said == oracle.err.decode().splitlines()


def test_ctrl_c_from_outside_ends_it_as_python_does(tmp_path, python):
    source = tmp_path / "source"
    source.mkdir()
    (source / "program.py").write_text(
        "import time\nprint('up', flush=True)\ntry:\n    time.sleep(60)\nfinally:\n    print('cleanup')\n"
    )
    here = Bench(Program("program", ("program.py",), source), tmp_path / "b", python)
    started = here.start(here.run_argv(), {}, tmp_path / "out")
    while b"up" not in started.out_path.read_bytes():
        assert not started.wait(0.02), started.ran()
    started.process.send_signal(signal.SIGINT)
    assert started.wait(20)
    ran = started.ran()
    assert (ran.status, ran.out) == (-signal.SIGINT, b"up\ncleanup\n"), ran
    assert b"KeyboardInterrupt" in ran.err


CLOSED = """
    import os, sys
    with open("seen", "w") as seen:
        print([s is None for s in (sys.stdin, sys.stdout, sys.stderr)], seen.fileno(), file=seen)
    print("to stdout")
"""
WITHOUT = "import os, sys; os.close(int(sys.argv[1])); os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"


@pytest.mark.parametrize("closed", ["0", "1", "2"])
def test_a_standard_stream_that_is_closed_is_closed_for_the_program_too(closed, tmp_path, python):
    source = tmp_path / "source"
    source.mkdir()
    (source / "program.py").write_text(textwrap.dedent(CLOSED))
    here = Bench(Program("program", ("program.py",), source), tmp_path / "bench", python)
    plain = here.call(["-c", WITHOUT, closed, *here.program.command])
    under = here.call(["-c", WITHOUT, closed, *here.run_argv()])
    assert (under.status, under.out, under.files) == (plain.status, plain.out, plain.files), tail(under.err)
