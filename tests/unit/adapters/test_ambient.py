"""Ambient state: read, disturbed, put back. Each test would fail if its adapter were left out."""

from __future__ import annotations

import contextvars
import decimal
import gc
import io
import json
import logging
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import dumps, loads

from forkpoint import secrecy
from forkpoint.capture import adapters as adapter_files
from forkpoint.capture import ambient, libraries, provenance
from forkpoint.capture.adapters import environment, tracing, warning_filters
from forkpoint.errors import Refused, RestoreFailed


@pytest.fixture(autouse=True)
def _same_process_afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Tests restore ambient state into this process; what pytest itself set up must survive them, unsaved.
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, f"__{name}__"))
    # What all test modules together do to libraries is no program's; test_library_changes runs programs of its own.
    monkeypatch.setattr(libraries, "_ELSEWHERE", {name.partition(".")[0] for name in sys.modules})
    named = list(logging.Logger.manager.loggerDict.values())
    loggers = [logging.root, *(logger for logger in named if isinstance(logger, logging.Logger))]
    handlers = [list(logger.handlers) for logger in loggers]
    for logger in loggers:
        logger.handlers.clear()
    show, warnings.showwarning = warnings.showwarning, warning_filters._shown
    before = ambient.capture(ambient.before_fork())
    yield
    environment._started_with = None
    ambient.restore(before)
    environment._started_with = None
    warnings.showwarning = show
    for logger, given in zip(loggers, handlers, strict=True):
        logger.handlers[:] = given


def commit() -> bytes:
    return dumps(ambient.capture(ambient.before_fork()))


def test_every_adapter_file_is_listed_and_answers_to_its_name() -> None:
    folder = Path(adapter_files.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert files == set(adapter_files.LIBRARIES)
    for adapter in ambient.adapters():
        assert adapter.module == adapter_files.LIBRARIES[adapter.name]


def test_no_library_is_imported_unasked() -> None:
    code = "import sys; from forkpoint.capture import ambient; ambient.capture(ambient.before_fork());"
    code += "print(sorted(sys.modules.keys() & {'numpy', 'torch', 'pandas', 'sklearn', 'tqdm', 'logging', 'decimal'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_python_random_goes_on_through_methods_bound_before() -> None:
    shuffle = random.shuffle
    random.seed(3)
    random.gauss(0, 1)
    saved = commit()
    expected = [random.gauss(0, 1), random.random()]
    random.seed(99)
    ambient.restore(loads(saved))
    assert [random.gauss(0, 1), random.random()] == expected
    assert shuffle.__self__ is random._inst  # type: ignore[attr-defined]


def test_numpy_random_goes_on_with_its_spare_gaussian() -> None:
    rand = np.random.rand
    np.random.seed(3)
    np.random.randn()
    saved = commit()
    expected = [np.random.standard_normal(), float(rand())]
    np.random.seed(99)
    ambient.restore(loads(saved))
    assert [np.random.standard_normal(), float(rand())] == expected


def test_numpy_error_state_and_print_options() -> None:
    with np.errstate(divide="raise", over="ignore"):
        np.set_printoptions(precision=2, suppress=True)
        saved = commit()
    np.set_printoptions(precision=9, suppress=False)
    ambient.restore(loads(saved))
    with pytest.raises(FloatingPointError):
        np.ones(1) / 0
    assert str(np.array([1.23456])) == "[1.23]"


def test_an_entered_errstate_block_puts_back_the_settings_from_outside_it() -> None:
    np.seterr(divide="raise")
    block = np.errstate(divide="ignore")
    with block:
        data = dumps((block, ambient.capture(ambient.before_fork())))
    np.seterr(divide="warn")
    restored, state = loads(data)
    ambient.restore(state)
    assert np.geterr()["divide"] == "ignore"
    restored.__exit__(None, None, None)
    assert np.geterr()["divide"] == "raise"


def test_the_working_directory_unless_the_user_named_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved = commit()
    os.chdir("/")
    ambient.restore(loads(saved), skip={"working_directory"})
    assert os.getcwd() == "/"
    ambient.restore(loads(saved))
    assert os.getcwd() == str(tmp_path)


class Loud(logging.Logger):
    def loud(self, text: str) -> str:
        return text.upper()


def test_a_logger_of_a_class_of_the_program_s_is_of_it_again() -> None:
    logger: Any = logging.getLogger("one.of.its.own")
    logger.__class__ = Loud
    state = loads(commit())
    logger.__class__ = logging.Logger
    ambient.restore(state)
    assert type(logger) is Loud and logger.loud("x") == "X"
    logger.__class__ = logging.Logger


def test_a_working_directory_or_locale_that_is_gone_is_told_and_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    warnings.simplefilter("error")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    state = loads(commit())
    os.chdir(tmp_path)
    gone.rmdir()
    ambient.restore({**state, "locale_settings": "xx_XX.NOWHERE"})
    directory, locale = capfd.readouterr().err.splitlines()
    assert "gone" in directory and "--cwd" in directory and "xx_XX.NOWHERE" in locale
    assert all(line.startswith("forkpoint: ") for line in (directory, locale))


@pytest.mark.parametrize("told", [True, False])
def test_the_time_zone_a_program_has_chosen_is_in_force_again_if_it_was(
    monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    monkeypatch.setenv("TZ", "UTC0")
    time.tzset()
    monkeypatch.setenv("TZ", "XYZ-9")
    if told:
        time.tzset()
    state = environment.ADAPTER.capture(None)
    monkeypatch.setenv("TZ", "UTC0")
    time.tzset()
    environment.ADAPTER.restore(state)
    assert time.localtime(0).tm_hour == (9 if told else 0) and os.environ["TZ"] == "XYZ-9"
    monkeypatch.undo()
    time.tzset()


def test_the_programs_own_changes_to_the_environment_win(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "_started_with", {"KEPT": "1", "CHANGED": "1", "REMOVED": "1", "OTHER": "1"})
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {"KEPT": "1", "CHANGED": "2", "ADDED": "3", "OTHER": "1"}.items():
        monkeypatch.setenv(name, value)
    found = ambient.facts()
    for name, value in {"KEPT": "1", "CHANGED": "9", "REMOVED": "9", "OTHER": "9"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ADDED")
    ambient.prepare(found, early=True)
    assert capfd.readouterr().err.endswith(" differ from those the program was started with: OTHER\n")
    assert dict(os.environ) == {"KEPT": "1", "CHANGED": "2", "ADDED": "3", "OTHER": "9"}


def test_what_is_saved_is_nothing_an_adapters_module_holds() -> None:
    ambient.restore(loads(commit()))
    held = {
        id(value)
        for adapter in ambient.adapters()
        for value in vars(sys.modules[type(adapter).__module__]).values()
        if isinstance(value, (dict, list, set))
    }
    state = ambient.capture(ambient.before_fork())
    assert not [name for name, value in state["environment"].items() if id(value) in held]


def test_a_variable_the_new_machine_lacks_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_started_with", dict(os.environ) | {"DATA_DIR": "/data"})
    monkeypatch.setenv("DATA_DIR", "/data")
    found = ambient.facts()
    monkeypatch.delenv("DATA_DIR")
    ambient.prepare(found, early=True)
    assert os.environ["DATA_DIR"] == "/data"


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "PGPASSWORD", "WANDB_API_KEY", "db_passwd"])
def test_secret_named_variables_are_never_saved(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "hunter2-hunter2")
    found = ambient.facts()
    assert b"hunter2" not in commit() and "hunter2" not in json.dumps(found)
    monkeypatch.delenv(name)
    ambient.prepare(found, early=True)
    assert name in capfd.readouterr().err


@pytest.mark.parametrize("name", ["PWD", "PATH", "HOME", "OMP_NUM_THREADS", "MONKEY", "KEYBOARD", "PASSES", "LANG"])
def test_ordinary_names_are_no_secrets(name: str) -> None:
    assert not secrecy.is_secret(name)


def test_umask_recursion_limit_lists_and_collector_settings() -> None:
    os.umask(0o027)
    sys.setrecursionlimit(4321)
    sys.argv.append("--extra")
    sys.path.insert(0, "/nowhere")
    gc.set_threshold(123, 4, 5)
    gc.disable()
    path, argv = sys.path, sys.argv
    saved = commit()
    gc.enable()
    os.umask(0o022)
    sys.setrecursionlimit(1000)
    sys.argv.pop()
    sys.path.pop(0)
    gc.set_threshold(700, 10, 10)
    ambient.restore(loads(saved))
    assert os.umask(0o022) == 0o027
    assert sys.getrecursionlimit() == 4321
    assert sys.argv is argv and argv.pop() == "--extra" and sys.path is path and path.pop(0) == "/nowhere"
    assert gc.get_threshold()[:2] == (123, 4) and not gc.isenabled()


def test_a_replaced_stdout_stays_the_programs_object_and_the_own_one_the_new_processs() -> None:
    buffer = io.StringIO()
    buffer.write("before ")
    old, sys.stdout = sys.stdout, buffer
    try:
        data = dumps((buffer, ambient.capture(ambient.before_fork())))
    finally:
        sys.stdout = old
    back, state = loads(data)
    ambient.restore(state)
    print("after", end="")
    sys.stdout = old
    assert back.getvalue() == "before after"


def test_decimal_context_is_the_very_object_the_program_holds() -> None:
    context = decimal.getcontext()
    context.prec = 7
    data = dumps((context, ambient.capture(ambient.before_fork())))
    context.prec = 28
    held, state = loads(data)
    ambient.restore(state)
    assert str(decimal.Decimal(1) / 3) == "0.3333333"
    held.prec = 3
    assert str(decimal.Decimal(1) / 3) == "0.333"


def test_signal_handlers_mask_and_timers() -> None:
    calls: list[int] = []
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, _handler)
    signal.setitimer(signal.ITIMER_VIRTUAL, 1000, 7)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
    saved = commit()
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGWINCH})
    ambient.restore(loads(saved))
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN and callable(signal.getsignal(signal.SIGUSR2))
    delay, interval = signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    assert 900 < delay < 1001 and interval == 7
    assert signal.SIGWINCH in signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGWINCH})
    assert not calls


def _handler(number: int, frame: Any) -> None:
    raise AssertionError("no signal was sent")


def test_warning_filters_and_what_was_shown_once_already() -> None:
    filters = warnings.filters
    registry: dict[Any, Any] = globals().setdefault("__warningregistry__", {})
    shown: list[str] = []
    warnings.simplefilter("default")

    def show(line: int) -> None:
        old, warnings.showwarning = warnings.showwarning, lambda message, *_, **__: shown.append(str(message))
        warnings.warn_explicit(f"on line {line}", UserWarning, __file__, line, registry=registry)
        warnings.showwarning = old

    show(1)
    saved = commit()
    warnings.resetwarnings()
    registry.clear()
    ambient.restore(loads(saved))
    show(1), show(2)
    assert shown == ["on line 1", "on line 2"]
    assert warnings.filters is filters


def test_a_filter_that_makes_errors_still_does() -> None:
    warnings.filterwarnings("error", message="planted", category=RuntimeWarning)
    saved = commit()
    warnings.resetwarnings()
    ambient.restore(loads(saved))
    with pytest.raises(RuntimeWarning, match="planted"):
        warnings.warn("planted", RuntimeWarning, stacklevel=1)


def test_logging_as_configured_with_the_programs_own_handler_and_stderr() -> None:
    logger = logging.getLogger("tests.adapters.program")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s|%(message)s"))
    to_stderr = logging.StreamHandler(sys.stderr)
    logger.handlers[:] = [handler, to_stderr]
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logging.addLevelName(25, "NOTICE")
    data = dumps((handler, logger, ambient.capture(ambient.before_fork())))
    logger.handlers.clear()
    logger.setLevel(logging.CRITICAL)
    logger.propagate = True
    logging.addLevelName(25, "other")
    held, again_logger, state = loads(data)
    ambient.restore(state)
    assert again_logger is logger and logger.handlers[0] is held and logger.handlers[1].stream is sys.stderr
    logger.handlers.pop()
    logger.log(25, "hello")
    assert held.stream.getvalue() == "NOTICE|hello\n" and not logger.propagate
    logger.handlers.clear()


def test_logging_of_libraries_is_left_as_their_import_made_it() -> None:
    logging.getLogger("tests.adapters.library").addHandler(logging.NullHandler())
    assert "tests.adapters.library" not in loads(commit())["log_handlers"]["loggers"]


def test_a_failure_names_its_adapter() -> None:
    state = loads(commit())
    state["python_random"] = "not a state"
    with pytest.raises(RestoreFailed, match="python_random"):
        ambient.restore(state)


def test_provenance_is_plain_and_names_the_versions() -> None:
    facts = provenance.collect([sys.modules["__main__"]])
    import json

    assert json.loads(json.dumps(facts))["packages"]["numpy"] == np.__version__
    assert facts["python"] == sys.version and facts["cpu"]["usable"] >= 1
    main = getattr(sys.modules["__main__"], "__file__", None)  # a worker of pytest-xdist has none
    assert set(facts["sources"]) <= {os.path.realpath(main or "")}


if sys.version_info >= (3, 12):

    def test_a_tool_of_sys_monitoring_keeps_its_number_and_its_events_are_named_as_lost() -> None:
        sys.monitoring.use_tool_id(3, "mine")
        state = tracing.ADAPTER.before_fork()
        sys.monitoring.free_tool_id(3)
        with pytest.raises(TypeError, match="'mine'"):
            pickle.dumps(state["events"][0])
        tracing.ADAPTER.restore(state)
        assert sys.monitoring.get_tool(3) == "mine"
        sys.monitoring.free_tool_id(3)


def test_context_variables_have_the_values_they_had() -> None:
    variable = contextvars.ContextVar[str]("variable")
    variable.set("then")
    stream = commit()
    variable.set("later")
    ambient.restore(loads(stream))
    assert variable.get() == "then"


def test_in_a_directory_that_has_been_removed_commits_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    before = ambient.before_fork()
    gone.rmdir()
    with pytest.raises(Refused, match="the working directory has been removed"):
        ambient.before_fork()
    with pytest.raises(Refused, match="the working directory has been removed"):
        ambient.capture(before)
