"""scikit-learn, joblib, scipy, mpmath and polars go on as if nothing had happened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from in_memory import again

from forkpoint.capture import ambient

sklearn = pytest.importorskip("sklearn")
joblib = pytest.importorskip("joblib")
special = pytest.importorskip("scipy.special")


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


def test_joblibs_configuration_of_the_thread() -> None:
    assert not ambient.before_fork()["joblib_settings"]
    with joblib.parallel_config(backend="threading", n_jobs=3):
        state = again(ambient.before_fork()["joblib_settings"])
    ambient.restore({"joblib_settings": state})
    chosen = joblib.Parallel()
    assert (type(chosen._backend).__name__, chosen.n_jobs) == ("ThreadingBackend", 3)
    del joblib.parallel._backend.config


def test_what_special_functions_do_about_errors() -> None:
    with special.errstate(singular="raise"):
        state = ambient._load("scipy_special_errors").capture(None)
    ambient.restore({"scipy_special_errors": state})
    assert special.geterr()["singular"] == "raise"
    special.seterr(singular="ignore")


def test_the_working_precision_in_bits_and_in_digits() -> None:
    mpmath = pytest.importorskip("mpmath")
    for name in ("dps", "prec"):
        with mpmath.workdps(30):
            setattr(mpmath.mp, name, 41)
            expected = (mpmath.mp.dps, mpmath.mp.prec)
            state = ambient._load("mpmath_precision").capture(None)
        ambient.restore({"mpmath_precision": state})
        assert (mpmath.mp.dps, mpmath.mp.prec) == expected
        mpmath.mp.dps = 15


def test_a_column_of_polars_keeps_its_chunks() -> None:
    pl = pytest.importorskip("polars")
    column = pl.concat([pl.Series("a", [1, None]), pl.Series("a", [3])], rechunk=False)
    back = again({"column": column, "frame": column.to_frame()})
    assert [chunk.to_list() for chunk in back["column"].get_chunks()] == [[1, None], [3]]
    assert back["column"].name == "a" and back["frame"]["a"].n_chunks() == 2


def test_polars_configuration() -> None:
    pl = pytest.importorskip("polars")
    with pl.Config(fmt_float="full", tbl_rows=3):
        state = ambient._load("polars_frames").capture(None)
        shown = str(pl.DataFrame({"a": [1.0, 2.0]}))
    with pl.Config():
        ambient.restore({"polars_frames": state})
        assert str(pl.DataFrame({"a": [1.0, 2.0]})) == shown


def test_sparse_matrices_share_their_arrays() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    m = sparse.random(50, 50, 0.1, format="csr", random_state=0)
    data, back, transposed = again((m.data, m, m.T))
    data[0] = 99
    assert back.data[0] == 99 and transposed.data[0] == 99 and (back.indices == m.indices).all()
