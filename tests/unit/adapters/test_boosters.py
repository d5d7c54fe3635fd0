"""XGBoost and LightGBM boosters that are saved in a forked child in mid-training go on to the very same trees."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import Lost, dumps, loads

from forkpoint.errors import ForkpointError, Refused, RestoreFailed

RNG = np.random.default_rng(8)
X = RNG.normal(size=(900, 8)).astype(np.float32)
Y = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2])
ROUNDS = 12
SWAPS = (0, 4, 9)


def again(adapter: Any, value: Any) -> Any:
    """`value` and the ambient state as a forked child saves them, brought back here; what it raised is raised here."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            saved = dumps((adapter.capture(None), value))
        except ForkpointError as refused:
            saved = pickle.dumps(refused)
        with os.fdopen(writing, "wb") as stream:
            stream.write(saved)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        saved = stream.read()
    os.waitpid(child, 0)
    found = loads(saved)
    if isinstance(found, ForkpointError):
        raise found
    adapter.restore(found[0])
    return found[1]


# --- XGBoost ------------------------------------------------------------------------------------------------------


def boosted(swaps: tuple[int, ...], **extra: Any) -> Any:
    xgb = pytest.importorskip("xgboost")
    from forkpoint.capture.adapters import xgboost_boosters

    train, valid = xgb.DMatrix(X[:600], Y[:600], weight=np.linspace(1, 2, 600)), xgb.DMatrix(X[600:], Y[600:])
    base = {"max_depth": 4, "eta": 0.1, "seed": 3, "nthread": 1, "verbosity": 0}
    booster = xgb.Booster({**base, **extra}, [train, valid])
    seen = []
    for step in range(ROUNDS):
        if step in swaps:
            booster, train, valid = again(xgboost_boosters.ADAPTER, (booster, train, valid))
            if isinstance(booster, Lost):
                return booster
        if step == 6:
            booster.set_param("eta", 0.05)
        booster.update(train, step)
        seen.append(booster.eval(valid))
    return bytes(booster.save_raw()), seen


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"subsample": 0.7},
        {"subsample": 0.7, "colsample_bytree": 0.8, "colsample_bylevel": 0.8, "colsample_bynode": 0.8},
        {"colsample_bynode": 0.5, "seed_per_iteration": True},
        {"tree_method": "exact", "subsample": 0.7, "colsample_bytree": 0.6},
        {"tree_method": "approx", "colsample_bytree": 0.6},
        {"booster": "dart", "rate_drop": 0.2},
    ],
    ids=str,
)
def test_xgboost_goes_on_to_the_same_trees(extra: dict[str, Any]) -> None:
    assert boosted(SWAPS[1:], **extra) == boosted((), **extra)


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        ({"num_parallel_tree": 3}, "num_parallel_tree"),
        ({"tree_method": "approx", "subsample": 0.5}, "approx"),
    ],
    ids=str,
)
def test_xgboost_training_that_would_go_on_otherwise_is_refused(extra: dict[str, Any], word: str) -> None:
    with pytest.raises(ForkpointError, match=word):
        boosted(SWAPS[1:], **extra)


@pytest.mark.parametrize("extra", [{"num_parallel_tree": 3}, {"tree_method": "approx", "subsample": 0.5}], ids=str)
def test_the_refusals_of_xgboost_training_are_true(extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xgboost")
    from forkpoint.capture.adapters import xgboost_boosters

    monkeypatch.setattr(xgboost_boosters, "_why_not", lambda *arguments: "")
    assert boosted(SWAPS[1:], **extra) != boosted((), **extra)


def test_a_booster_that_has_not_begun_waits() -> None:
    with pytest.raises(ForkpointError, match="not begun"):
        boosted((0,))


def test_without_its_generators_xgboost_samples_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xgboost")
    from forkpoint.capture.adapters import xgboost_boosters

    monkeypatch.setattr(xgboost_boosters.generators, "write", lambda *arguments: None)
    assert boosted((4,), subsample=0.7) != boosted((), subsample=0.7)


def test_where_its_generators_are_not_found_a_booster_is_lost_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xgboost")
    from forkpoint.capture.adapters import xgboost_boosters

    monkeypatch.setattr(xgboost_boosters.generators, "_heaps", lambda: iter(()))
    assert "random generators" in boosted((4,)).reason


def test_xgboost_data_keeps_all_it_was_given() -> None:
    xgb = pytest.importorskip("xgboost")
    from forkpoint.capture.adapters import xgboost_boosters

    holes = X.copy()
    holes[::7, 2] = np.nan
    data = xgb.DMatrix(holes, Y, weight=abs(Y), feature_names=list("abcdefgh"), base_margin=Y)
    back = again(xgboost_boosters.ADAPTER, data)
    assert back.feature_names == data.feature_names and back.num_nonmissing() == data.num_nonmissing()
    for ask in ("get_label", "get_weight", "get_base_margin"):
        assert (getattr(back, ask)() == getattr(data, ask)()).all()
    assert (back.get_data() != data.get_data()).nnz == 0


@pytest.mark.parametrize("bins", [16, 256, None])
def test_quantile_data_comes_back_in_the_same_bins(bins: int | None) -> None:
    xgb = pytest.importorskip("xgboost")
    from forkpoint.capture.adapters import xgboost_boosters

    odd = X.copy()
    odd[:, 0], odd[:, 1], odd[:, 2] = 3, -abs(odd[:, 1]), RNG.integers(0, 5, len(odd))
    odd[:, 3] = abs(odd[:, 3]) + 1
    odd[RNG.random(odd.shape) < 0.1] = np.nan
    data = xgb.QuantileDMatrix(odd, Y, weight=abs(Y), max_bin=bins)
    back = again(xgboost_boosters.ADAPTER, data)

    def trained(rows: Any) -> Any:
        return xgb.train({"nthread": 1, "max_bin": bins or 256, "seed": 1, "subsample": 0.5}, rows, 8).save_raw()

    assert trained(back) == trained(data)
    assert (back.get_label() == data.get_label()).all() and (back.get_weight() == data.get_weight()).all()


# --- LightGBM -----------------------------------------------------------------------------------------------------


def lightened(swaps: tuple[int, ...], *, begun: bool = False, change: Any = None, **extra: Any) -> Any:
    lgb = pytest.importorskip("lightgbm")
    from forkpoint.capture.adapters import lightgbm_boosters

    base = {"learning_rate": 0.1, "seed": 3, "num_threads": 1, "verbosity": -1, "num_leaves": 7}
    train = lgb.Dataset(X[:600], Y[:600], weight=np.linspace(1, 2, 600))
    valid = lgb.Dataset(X[600:], Y[600:], reference=train)
    if begun:
        model = lgb.train({**base, **extra}, lgb.Dataset(X[:600], Y[:600]), 3)
        for data in (train, valid):
            data._set_predictor(lgb.basic._InnerPredictor.from_booster(model, {}))
        valid._predictor = train._predictor
    booster = lgb.Booster({**base, **extra}, train)
    booster.add_valid(valid, "valid")
    seen = []
    for step in range(ROUNDS):
        if step in swaps:
            booster, train, valid = again(lightgbm_boosters.ADAPTER, (booster, train, valid))
        if change is not None:
            change(booster, step)
        booster.update()
        seen.append((booster.eval_train(), booster.eval_valid()))
    return booster.model_to_string(), seen


@pytest.mark.parametrize(
    "extra",
    [
        {"bagging_fraction": 0.7, "bagging_freq": 3, "feature_fraction": 0.6, "feature_fraction_bynode": 0.6},
        {"data_sample_strategy": "goss"},
        {"boosting": "dart"},
        {"extra_trees": True},
        {"begun": True},
    ],
    ids=str,
)
def test_lightgbm_goes_on_to_the_same_trees_and_measures(extra: dict[str, Any]) -> None:
    assert lightened(SWAPS, **extra) == lightened((), **extra)


def slower(booster: Any, step: int) -> None:
    if step == 2:
        booster.reset_parameter({"learning_rate": 0.02})


def test_lightgbm_training_that_cannot_be_repeated_is_refused_and_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightgbm")
    from forkpoint.capture.adapters import lightgbm_boosters

    with pytest.raises(ForkpointError, match="learning rate"):
        lightened((9,), change=slower)
    monkeypatch.setattr(lightgbm_boosters, "_why_not", lambda *arguments: "")
    with pytest.raises(RestoreFailed, match="other trees"):
        lightened((9,), change=slower)


def test_lightgbm_objectives_of_the_program_are_refused() -> None:
    lgb = pytest.importorskip("lightgbm")
    from forkpoint.capture.adapters import lightgbm_boosters

    booster = lgb.Booster({"verbosity": -1, "num_threads": 1, "objective": "none"}, lgb.Dataset(X, Y))
    booster.update(fobj=lambda predicted, data: (predicted - data.get_label(), np.ones(len(Y))))
    with pytest.raises(ForkpointError, match="gradients"):
        again(lightgbm_boosters.ADAPTER, booster)


THREADED = """
import sys
import numpy as np
try:
    import torch  # its OpenMP library then serves everybody
    torch.set_num_threads(2)
    torch.ones(600, 600) @ torch.ones(600, 600)
except ImportError:
    pass
import xgboost as xgb
import forkpoint

X = np.random.default_rng(0).normal(size=(2000, 10))
data, bins = xgb.DMatrix(X, X[:, 0]), xgb.QuantileDMatrix(X, X[:, 0])
booster = xgb.Booster({"nthread": 2, "verbosity": 0}, [data])
booster.update(data, 0)
taken = forkpoint.checkpoint()
sys.exit(0 if taken.wait() else taken.reason)
"""


def test_an_xgboost_that_trains_with_threads_is_saved_in_a_child_that_has_none(tmp_path: Path) -> None:
    pytest.importorskip("xgboost")
    ran = subprocess.run([sys.executable, "-c", THREADED], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_a_model_that_training_began_from_and_that_is_gone_is_not_read() -> None:
    lgb = pytest.importorskip("lightgbm")
    from forkpoint.capture.adapters import lightgbm_boosters

    settings = {"seed": 3, "num_threads": 1, "verbosity": -1}
    model = lgb.train(settings, lgb.Dataset(X[:600], Y[:600]), 2)
    data = lgb.Dataset(X[:600], Y[:600])
    predictor = lgb.basic._InnerPredictor.from_booster(model, {})
    data._set_predictor(predictor)
    booster = lgb.Booster(settings, data)
    booster.update()
    back = again(lightgbm_boosters.ADAPTER, predictor)
    assert back._handle.value != predictor._handle.value and back.current_iteration() == 2
    del model
    assert again(lightgbm_boosters.ADAPTER, predictor)._handle.value is None
    with pytest.raises(Refused, match="from a model that is gone"):
        again(lightgbm_boosters.ADAPTER, booster)
