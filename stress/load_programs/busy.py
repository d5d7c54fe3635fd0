"""Every native library that is here computes in threads, and in worker processes, while the main thread commits."""

import importlib.util
import itertools
import json
import logging
import statistics
import sys
import threading
import time

import forkpoint

FORKS, HANGS = map(int, sys.argv[1:])


def openblas():
    import numpy as np

    a = np.random.default_rng(1).random((300, 300))
    return lambda: float((a @ a).sum())


def openmp():
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingRegressor

    x = np.random.default_rng(2).random((2000, 6))
    model = HistGradientBoostingRegressor(max_iter=5).fit(x, x[:, 0])
    return lambda: float(model.predict(x).sum())


def arrow():
    import pyarrow as pa
    import pyarrow.compute as pc

    pa.set_cpu_count(2)
    rows = pa.table({"k": [n % 7 for n in range(60000)], "v": list(range(60000))})
    return lambda: pc.sum(rows.group_by("k").aggregate([("v", "mean")]).column("v_mean")).as_py()


def polars():
    import polars as pl

    rows = pl.DataFrame({"k": [n % 7 for n in range(60000)], "v": list(range(60000))})
    return lambda: float(rows.lazy().group_by("k").agg(pl.col("v").mean()).collect()["v"].sum())


def torch():
    import torch

    torch.set_num_threads(2)
    a = torch.rand(300, 300, generator=torch.Generator().manual_seed(3))
    return lambda: float((a @ a).relu().sum())


class Nowhere:
    """Takes its time with a lock of logging held, as a slow disk does. (A file has a lock of its own, which no child
    can free: commits fail while another thread is writing to one.)
    """

    def write(self, text):
        time.sleep(0.0002)

    def flush(self):
        pass


def locks():
    """Those of logging and of imports, which a fork may find held."""
    logger = logging.getLogger("load")
    logger.addHandler(logging.StreamHandler(Nowhere()))
    logger.propagate = False

    def one():
        for n in range(5):
            logger.warning("round %d", n)
        sys.modules.pop("colorsys", None)
        import colorsys

        return colorsys.rgb_to_hls(0.5, 0.25, 0.125)[0]

    return one


LOADS = {
    "openblas": (openblas, "numpy"),
    "openmp": (openmp, "sklearn"),
    "arrow": (arrow, "pyarrow"),
    "polars": (polars, "polars"),
    "torch": (torch, "torch"),
    "locks": (locks, "logging"),
}
here = {name: make for name, (make, module) in LOADS.items() if importlib.util.find_spec(module)}
rounds, wrong, stop = dict.fromkeys(here, 0), [], threading.Event()
turn = set(here)
"""Who computes now. Two at a time, all pairs in turn: with all of them nothing else gets a core."""


def work(name, one):
    expected = one()
    while not stop.is_set():
        if name not in turn:
            stop.wait(0.05)
            continue
        got = one()
        if got != expected and abs(got - expected) > 1e-6 * abs(expected):
            wrong.append(f"{name}: {got}, not {expected}")
        rounds[name] += 1
        stop.wait(0.005)


batches = None
if "torch" in here:
    import torch as torch_
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch_.arange(4000.0)), batch_size=4, num_workers=2, persistent_workers=True)
    batches = iter(loader)

threads = [
    threading.Thread(target=work, args=(name, make()), name=f"load-{name}", daemon=True) for name, make in here.items()
]
for thread in threads:
    thread.start()
while not all(rounds.values()):
    time.sleep(0.01)

held = threading.Lock()


def hold():
    with held:
        stop.wait()


threading.Thread(target=hold, name="load-holder", daemon=True).start()
while not held.locked():
    time.sleep(0.01)


class Waits:
    """Cannot be saved while another thread holds the lock."""


def save(waits, context):
    held.acquire()
    return Waits, ()


class Logged:
    """Says in the child, by the logger of a load, that it is saved."""


def save_logged(logged, context):
    logging.getLogger("load").warning("saved")
    return Logged, ()


forkpoint.register(Waits, save)
forkpoint.register(Logged, save_logged)
logged = Logged()


def main():
    global turn
    pairs = list(itertools.combinations(here, 2))
    taken, refused, stops, stuck, drawn = {"durable": 0, "hung": 0}, [], [], set(), 0.0
    state, before = list(range(1000)), dict(rounds)
    hanging = {FORKS * (n + 1) // (HANGS + 1) for n in range(HANGS)}
    for n in range(FORKS):
        turn = pairs[n % len(pairs)]
        state[n % 999 + 1] += n
        if batches is not None:
            drawn += float(next(batches)[0].sum())
        state[0] = Waits() if n in hanging else 0
        began = time.perf_counter()
        point = forkpoint.checkpoint()
        stops.append(time.perf_counter() - began)
        point.wait()
        if point.durable:
            taken["durable"] += 1
        elif "hung on a lock" in point.reason:
            taken["hung"] += 1
        else:
            refused.append(point.reason)
        if n % 25 == 24 or n == FORKS - 1:
            turn = set(here)
            patience = time.monotonic() + 60
            while (still := {name for name in here if rounds[name] == before[name]}) and time.monotonic() < patience:
                time.sleep(0.01)
            stuck |= still
            before = dict(rounds)
    if batches is not None and drawn != sum(range(4 * FORKS)):
        wrong.append(f"the loader gave {drawn}")
    stop.set()
    for thread in threads:
        thread.join(60)
        if thread.is_alive():
            stuck.add(thread.name)
    loads = [*here, *(["loader"] if batches is not None else [])]
    print(
        json.dumps(
            {
                **taken,
                "refused": refused,
                "wrong": wrong[:5],
                "stuck": sorted(stuck),
                "worst": max(stops),
                "median": statistics.median(stops),
                "rounds": sum(rounds.values()),
                "loads": loads,
                "missing": sorted(set(LOADS) - set(here)),
                "python": sys.version.split()[0],
            }
        )
    )


main()
