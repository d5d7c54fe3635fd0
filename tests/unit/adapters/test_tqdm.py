"""Progress bars go on counting where they were, on the stream they were on."""

from __future__ import annotations

import io
import sys

import pytest
from in_memory import again, dumps, loads

from forkpoint.capture import ambient

tqdm = pytest.importorskip("tqdm")


def test_a_bar_goes_on_counting_and_closes() -> None:
    out = io.StringIO()
    bar = tqdm.tqdm(total=10, file=out, mininterval=0, ncols=60)
    bar.update(4)
    bar.start_t -= 100
    data = dumps((bar, out))
    bar.close()
    back, text = loads(data)
    assert back in tqdm.tqdm._instances and back.n == 4
    assert 99 < back._time() - back.start_t < 102
    back.update(6)
    back.close()
    assert "10/10" in text.getvalue() and back not in tqdm.tqdm._instances


def test_a_bar_on_stderr_stays_on_stderr_and_survives_its_breaking() -> None:
    bar = tqdm.tqdm(total=2, file=sys.stderr)
    back = again(bar)
    assert back.fp._wrapped is sys.stderr
    back.update(1)
    back.close(), bar.close()
    quiet = again(tqdm.tqdm([1, 2, 3], disable=True))
    assert list(quiet) == [1, 2, 3]


def test_the_monitor_of_the_bars_comes_back_at_work_also_when_there_is_no_bar_left() -> None:
    list(tqdm.tqdm([1], disable=True))
    monitor = tqdm.tqdm.monitor
    data = dumps([monitor, monitor._atexit_signal])
    monitor.exit()  # a restored process has none
    back, at_exit = loads(data)
    assert back is not monitor and back.is_alive() and back is tqdm.tqdm.monitor and at_exit.__self__ is back
    assert again(back) is back


def test_the_lock_of_the_bars_is_held_again_where_it_was() -> None:
    lock = tqdm.tqdm.get_lock()
    with lock:
        state = ambient.before_fork()["tqdm_bars"]
    assert state == {"thread": 1, "process": 1}
    ambient.restore({"tqdm_bars": state})
    lock.release()
    with pytest.raises((AssertionError, RuntimeError)):
        lock.release()
