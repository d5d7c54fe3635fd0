"""scikit-learn, scipy, pandas, tqdm, TensorBoard and thread pools go on as if nothing had happened."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import again, dumps, loads

from forkpoint.capture import ambient, threads
from forkpoint.errors import Refused

sklearn = pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")
tqdm = pytest.importorskip("tqdm")


# --- scikit-learn ---------------------------------------------------------------------------------------------


def digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


@pytest.mark.parametrize("name", ["SGDClassifier", "MLPClassifier", "MiniBatchKMeans", "GaussianNB", "IncrementalPCA"])
def test_partial_fit_goes_on_to_the_very_same_parameters(name: str) -> None:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import IncrementalPCA
    from sklearn.linear_model import SGDClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier

    make: dict[str, Any] = {
        "SGDClassifier": lambda: SGDClassifier(random_state=np.random.RandomState(3)),
        "MLPClassifier": lambda: MLPClassifier((8,), random_state=3),
        "MiniBatchKMeans": lambda: MiniBatchKMeans(10, random_state=np.random.RandomState(3), n_init=1),
        "GaussianNB": GaussianNB,
        "IncrementalPCA": lambda: IncrementalPCA(5),
    }
    x, y = digits()

    def run(stop_at: int | None) -> Any:
        model, random = make[name](), np.random.RandomState(5)
        for step in range(6):
            if step == stop_at:
                model, random = again((model, random))
            rows = random.permutation(len(x))[:200]
            given = (
                {"classes": np.arange(10)}
                if step == 0 and name in ("SGDClassifier", "MLPClassifier", "GaussianNB")
                else {}
            )
            model.partial_fit(x[rows], y[rows], **given)
        return model

    whole, restored = run(None), run(3)
    for key, value in vars(whole).items():
        same = np.testing.assert_array_equal
        if isinstance(value, np.ndarray):
            same(getattr(restored, key), value)
        elif key == "coefs_":
            [same(a, b) for a, b in zip(value, restored.coefs_, strict=True)]


def test_forests_trees_neighbours_and_grid_search_predict_the_same() -> None:
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    x, y = digits()
    x, y = x[:150], y[:150]
    models = [
        RandomForestClassifier(5, random_state=0),
        GradientBoostingClassifier(n_estimators=2, random_state=0, warm_start=True),
        KNeighborsClassifier(),
        SVC(),
        GridSearchCV(SVC(), {"C": [0.1, 1]}, cv=2),
    ]
    for model in models:
        model.fit(x, y)
        back = again(model)
        assert (back.predict(x) == model.predict(x)).all()
    boosted, model = again(models[1]), models[1]
    for m in (boosted, model):
        m.set_params(n_estimators=4).fit(x, y)
    assert (boosted.predict_proba(x) == model.predict_proba(x)).all()


def test_configuration_of_the_thread() -> None:
    old = sklearn.get_config()
    with sklearn.config_context(working_memory=77):
        state = ambient.before_fork()["sklearn_settings"]
    ambient.restore({"sklearn_settings": state})
    assert sklearn.get_config()["working_memory"] == 77
    sklearn.set_config(**old)


def test_sparse_matrices_share_their_arrays() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    m = sparse.random(50, 50, 0.1, format="csr", random_state=0)
    data, back, transposed = again((m.data, m, m.T))
    data[0] = 99
    assert back.data[0] == 99 and transposed.data[0] == 99 and (back.indices == m.indices).all()


# --- pandas ---------------------------------------------------------------------------------------------------


def test_copy_on_write_still_knows_who_shares() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4.0, 5.0, 6.0]})
    f, column, part, copy = again((frame, frame["a"], frame.iloc[1:], frame.copy(deep=False)))
    assert np.shares_memory(column.values, f["a"].values)
    column.iloc[0] = 100
    part.iloc[0, 1] = -5.0
    assert f.a.tolist() == [1, 2, 3] and f.b.tolist() == [4.0, 5.0, 6.0]
    f.loc[2, "a"] = 7
    assert copy.a.tolist() == [1, 2, 3]


def test_a_frame_that_shares_with_nobody_is_written_in_place() -> None:
    frame = again(pd.DataFrame({"a": np.arange(5)}))
    before = frame["a"].values.__array_interface__["data"]
    frame.iloc[0, 0] = 9
    assert frame["a"].values.__array_interface__["data"] == before


def test_an_index_made_of_a_series_is_safe_from_writes_into_it() -> None:
    series = pd.Series([1, 2, 3])
    s, index = again((series, pd.Index(series)))
    s.iloc[0] = 50
    assert index.tolist() == [1, 2, 3]


@pytest.mark.parametrize("options", [{}, {"low_memory": False}, {"skiprows": [3], "comment": "#"}, {"index_col": 0}])
def test_a_file_read_in_chunks_goes_on_behind_the_rows_that_were_read(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    rows = pd.DataFrame({"a": range(5000), "b": [f"{i}é" for i in range(5000)], "c": np.linspace(0, 1, 5000)})
    rows.to_csv(path, index=False)
    with pd.read_csv(path, chunksize=700, **options) as reader:
        before = [next(reader) for _ in range(3)]
        other = again(reader)
        expected, found = list(reader), list(other)
    assert len(found) == 5 and len(before) == 3
    for one, two in zip(expected, found, strict=True):
        pd.testing.assert_frame_equal(one, two)
    assert other.handles.handle.closed


def test_a_reader_is_not_saved_while_it_reads(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n2\n")
    said = []

    def convert(text: str) -> str:
        try:
            again(reader)
        except Refused as refused:
            said.append(refused.reason)
        return text

    with pd.read_csv(tmp_path / "rows.csv", chunksize=1, converters={"a": convert}) as reader:
        next(reader)
    assert said and "reading a chunk" in said[0]


def test_an_array_that_cython_code_lent_is_a_view_of_its_owner() -> None:
    """pandas steps through groups with arrays over typed memoryviews."""
    from pandas._libs import lib

    starts, ends = lib.generate_slices(np.array([0, 0, 1, 2]), 3)
    assert type(ends.base.obj).__name__ == "_memoryviewslice", "pandas lends in another way now"
    owner = ends.base.obj.base
    back, shown, first = again((owner, ends, starts))
    assert np.shares_memory(back, shown) and shown.tolist() == [2, 3, 4] and first.tolist() == [0, 2, 3]


def test_kinds_of_columns_indexes_options_and_attributes() -> None:
    frame = pd.DataFrame(
        {
            "text": ["x", None, "z"],
            "when": pd.date_range("2026-01-01", periods=3, tz="UTC"),
            "kind": pd.Categorical(["u", "v", "u"]),
            "maybe": pd.array([1, None, 3], dtype="Int64"),
            "objects": [[1], {2: 3}, None],
        },
        index=pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")], names=["n", "l"]),
    )
    frame.attrs["note"] = "kept"
    frame.index.names = ["n", "l"]
    object.__setattr__(frame, "mine", [1])
    indexes = [
        pd.RangeIndex(3),
        pd.date_range("2026", periods=3, freq="D"),
        pd.period_range("2026", periods=3, freq="M"),
        pd.interval_range(0, 3),
        pd.CategoricalIndex(["a", "b"]),
        pd.Index([3, 1], name="i"),
        pd.TimedeltaIndex(["1D", "2D"]),
    ]
    with pd.option_context("display.precision", 3, "display.max_rows", 7):
        data = dumps((frame, indexes, ambient.before_fork()["pandas_blocks"]))
    back, others, options = loads(data)
    pd.testing.assert_frame_equal(back, frame)
    assert back.attrs == {"note": "kept"} and back.mine == [1]
    for one, other in zip(indexes, others, strict=True):
        pd.testing.assert_index_equal(one, other, check_freq=True)
    ambient.restore({"pandas_blocks": options})
    assert pd.get_option("display.precision") == 3 and pd.get_option("display.max_rows") == 7
    pd.reset_option("display")
    grouped = again(frame.groupby("kind", observed=True)["maybe"])
    assert grouped.sum().to_dict() == {"u": 4, "v": 0}


# --- tqdm -----------------------------------------------------------------------------------------------------


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


# --- TensorBoard ----------------------------------------------------------------------------------------------


def test_event_files_go_on_where_they_were(tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    writer = tensorboard.SummaryWriter(str(tmp_path))
    for step in range(5):
        writer.add_scalar("loss", step, step)
    data = dumps((writer, ambient.before_fork()["tensorboard_writers"]))
    writer.add_scalar("lost", 1, 99)
    writer.flush()
    del writer
    back, state = loads(data)
    ambient.restore({"tensorboard_writers": state})
    for step in range(5, 8):
        back.add_scalar("loss", step, step)
    back.close()
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    (path,) = tmp_path.iterdir()
    steps = [event.step for event in EventFileLoader(str(path)).Load() if event.summary.value]
    assert steps == [0, 1, 2, 3, 4, 5, 6, 7]


# --- threads --------------------------------------------------------------------------------------------------


def test_nothing_stands_in_the_way_of_a_plain_program() -> None:
    assert threads.blockers() == ()


def test_a_thread_stands_in_the_way_by_name_unless_ignored_and_until_it_ends() -> None:
    go, seen = threading.Event(), threading.Event()

    def work() -> None:
        seen.set()
        go.wait()

    thread = threading.Thread(target=work, name="loader-1")
    thread.start()
    seen.wait()
    assert threads.blockers() == ("loader-1",)
    assert threads.blockers(("loader-*",)) == ()
    go.set()
    thread.join()
    assert threads.blockers() == ()


def test_a_thread_started_below_threading_is_seen() -> None:
    import _thread

    lock, seen = _thread.allocate_lock(), threading.Event()
    lock.acquire()

    def raw() -> None:
        seen.set()
        lock.acquire()

    _thread.start_new_thread(raw, ())
    seen.wait()
    assert threads.blockers() == ("a thread in raw",)
    lock.release()


def test_an_idle_pool_is_harmless_and_made_again_a_busy_one_is_not() -> None:
    go, seen = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2, thread_name_prefix="pool") as pool:
        assert pool.submit(pow, 2, 3).result() == 8
        _until(lambda: threads.blockers() == ())
        back = again(pool)
        assert back.submit(pow, 2, 4).result() == 16 and back._max_workers == 2
        back.shutdown()
        pool.submit(lambda: (seen.set(), go.wait()))
        seen.wait()
        assert threads.blockers() == ("pool_0",)
        pool.submit(go.wait), pool.submit(go.wait)
        with pytest.raises(Refused):
            dumps(pool)
        go.set()


def _until(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_child_processes_stand_in_the_way_until_they_end() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (name,) = threads.blockers()
    assert f"child process {child.pid}" in name and "input()" in name
    assert threads.blockers(own_pids={child.pid}) == ()
    child.communicate(b"\n")
    assert threads.blockers() == () and child.returncode == 0


def test_looking_at_children_reaps_none_of_them() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert threads.blockers() == ()
    assert os.waitpid(child.pid, 0)[0] == child.pid
    child.returncode = 0


def test_idle_process_pools_are_harmless_busy_ones_are_not() -> None:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(pow, (2, 3)) == 8
        _until(lambda: threads.blockers() == ())
        result = pool.apply_async(time.sleep, (0.3,))
        assert any("_handle_results" in name for name in threads.blockers())
        result.get()
        _until(lambda: threads.blockers() == ())


def test_asking_costs_little() -> None:
    times = []
    for _ in range(20):
        start = time.perf_counter()
        threads.blockers()
        times.append(time.perf_counter() - start)
    assert min(times) < 0.002


def test_a_pool_that_has_ended_comes_back_as_ended() -> None:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(abs, [-1]) == [1]
    for ended in (pool, again(pool)):
        ended.join()
        with pytest.raises(ValueError, match="Pool not running"):
            ended.map(abs, [-1])


def test_idle_workers_of_joblib_do_not_stand_in_the_way_and_busy_ones_are_named() -> None:
    source = (
        "import time\n"
        "from joblib import Parallel, delayed\n"
        "from forkpoint.capture import threads\n"
        "busy = Parallel(n_jobs=2, return_as='generator')(delayed(time.sleep)(0.2) for _ in range(4))\n"
        "next(busy)\n"
        "print(bool(threads.blockers()))\n"
        "list(busy)\n"
        "until = time.monotonic() + 10\n"
        "while threads.blockers() and time.monotonic() < until:\n"
        "    time.sleep(0.01)\n"
        "print(threads.blockers())\n"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split("\n")[:2] == ["True", "()"], done.stdout + done.stderr


class Drawn:
    """Stands for a live display: says when it is drawn, which lasts until it may end."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()

    def refresh(self) -> None:
        self.begun.set()
        self.may_end.wait()


def test_the_thread_that_draws_a_live_display_is_in_the_way_while_it_draws_and_is_started_again() -> None:
    live = pytest.importorskip("rich.live")
    threads_before = threads.blockers()
    thread = live._RefreshThread(Drawn(), 0.01)
    thread.start()
    adapter = ambient._load("rich_displays")
    state = adapter.before_fork()
    assert state == [thread] and threads.blockers() == threads_before  # it waits for its first turn
    (back,) = loads(dumps(state))
    thread.stop()
    assert not back.is_alive() and back.daemon and back.name == thread.name and back.refresh_per_second == 0.01
    back.refresh_per_second = 1000
    back.live.may_end.clear()
    adapter.restore((adapter.capture([])[0], [back]))
    assert back.live.begun.wait(10)
    assert back.name in threads.blockers()
    back.live.may_end.set()
    back.stop()
    back.join(10)
    thread.join(0)


def test_looking_at_threads_leaves_nothing_that_the_collector_crashes_on() -> None:
    """CPython 3.12.1 does on a cycle through the frames of running threads, within a few rounds."""
    program = """
import gc, multiprocessing
from forkpoint.capture import threads
for _ in range(8):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply(pow, (2, 3))
        threads.blockers()
        result = pool.apply_async(pow, (2, 3))
        threads.blockers()
        result.get()
    gc.collect()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, (done.returncode, done.stderr)
