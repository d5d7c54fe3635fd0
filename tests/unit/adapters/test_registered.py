"""What a program tells a library, it still knows when it has been imported anew."""

from __future__ import annotations

import abc
import json
import sqlite3
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from in_memory import again

from forkpoint.capture import ambient, roots
from forkpoint.encode import library


class Own:
    """Of the program, as far as `capture.roots` knows."""

    def __init__(self, data: Any = None) -> None:
        self.data = data


@pytest.fixture(autouse=True)
def _program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Own, "__module__", "__main__")
    monkeypatch.setattr(roots, "find", lambda: roots.Roots((), ()))


def test_an_environment() -> None:
    registration = pytest.importorskip("gymnasium.envs.registration")
    from forkpoint.capture.adapters.gymnasium_registry import ADAPTER

    registration.register("Own-v0", entry_point=Own)
    state = ADAPTER.capture(None)
    spec = registration.registry.pop("Own-v0")
    assert "CartPole-v1" in registration.registry and "CartPole-v1" not in state
    ADAPTER.restore(state)
    assert registration.registry.pop("Own-v0") is spec


def test_a_namespace_of_polars() -> None:
    pl = pytest.importorskip("polars")
    from forkpoint.capture.adapters.polars_namespaces import ADAPTER

    for register in (pl.api.register_expr_namespace, pl.api.register_series_namespace):
        register("own")(Own)
    state = ADAPTER.capture(None)
    assert [name for _, name, _ in state] == ["own", "own"]
    for cls in (pl.Expr, pl.Series):
        del cls.own
        cls._accessors.remove("own")
    ADAPTER.restore(state)
    ADAPTER.restore(state)  # nothing is said of one that is there already
    assert isinstance(pl.Series([1]).own, Own) and pl.Expr.own is Own
    for cls in (pl.Expr, pl.Series):
        del cls.own
        cls._accessors.remove("own")


def test_progress_on_the_classes_of_pandas() -> None:
    pd = pytest.importorskip("pandas")
    tqdm = pytest.importorskip("tqdm")
    from forkpoint.capture.adapters.tqdm_pandas import ADAPTER

    tqdm.tqdm.pandas(disable=True)
    state = again(ADAPTER.capture(None))
    places = [(cls, name) for cls, name, _ in state]
    assert ("Series", "progress_apply") in places and ("DataFrameGroupBy", "progress_apply") in places
    del pd.Series.progress_apply
    ADAPTER.restore(state)
    assert pd.Series([1, 2]).progress_apply(lambda value: value + 1).tolist() == [2, 3]


def test_an_accessor() -> None:
    pd = pytest.importorskip("pandas")
    from forkpoint.capture.adapters.pandas_accessors import ADAPTER

    pd.api.extensions.register_dataframe_accessor("own")(Own)
    state = ADAPTER.capture(None)
    assert [name for _, name, _ in state] == ["own"]
    del pd.DataFrame.own
    pd.DataFrame._accessors.remove("own")
    ADAPTER.restore(state)
    assert type(pd.DataFrame({"a": [1]}).own) is Own
    del pd.DataFrame.own
    pd.DataFrame._accessors.remove("own")


def test_a_virtual_subclass(monkeypatch: pytest.MonkeyPatch) -> None:
    from forkpoint.capture.adapters.virtual_subclasses import ADAPTER

    def imported() -> Any:
        library: Any = types.ModuleType("a_library")
        library.Shape = abc.ABCMeta("Shape", (), {"__module__": "a_library"})
        monkeypatch.setitem(sys.modules, "a_library", library)
        return library

    imported().Shape.register(Own)
    state = ADAPTER.capture(None)
    fresh = imported().Shape
    assert not issubclass(Own, fresh) and [own for cls, own in state if cls.__name__ == "Shape"] == [Own]
    ADAPTER.restore([(fresh, own) for _, own in state])
    assert issubclass(Own, fresh)


_logged: list[str] = []


def _log(message: str) -> None:
    _logged.append(message)


def test_where_loguru_writes_to() -> None:
    loguru = pytest.importorskip("loguru")
    adapter = ambient._load("loguru_handlers")
    fresh = adapter.capture(None)
    number = loguru.logger.add(_log, format="{level} {message}", level="WARNING")
    loguru.logger.warning("one")
    state = again(adapter.capture(None))
    loguru.logger.remove(number)
    loguru.logger.warning("not in it")
    adapter.restore(state)
    loguru.logger.warning("two")
    loguru.logger.info("not in it")
    loguru.logger.remove(number)
    adapter.restore(fresh)
    assert _logged == ["WARNING one\n", "WARNING two\n"]


def test_tables_of_options() -> None:
    xarray = pytest.importorskip("xarray")
    adapter = ambient._load("library_tables")
    with xarray.set_options(keep_attrs=True):
        state = adapter.capture(None)
    adapter.restore(state)
    assert xarray.get_options()["keep_attrs"] is True
    xarray.set_options(keep_attrs="default")


def test_a_pool_of_connections(tmp_path: Path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'data.db'}")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table t (x)"))
        connection.execute(sqlalchemy.text("insert into t values (3)"))
    (record,) = engine.pool._pool.queue
    back = again(record)
    assert back.dbapi_connection is None and record.dbapi_connection is not None
    assert back.get_connection().execute("select x from t").fetchall() == [(3,)]
    back.close()
    engine.dispose()


def test_a_connection_that_sqlalchemy_opened_gets_the_functions_of_sqlalchemy(tmp_path: Path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'data.db'}")
    with engine.connect() as connection:
        back = again(connection.connection.dbapi_connection)
        assert back.execute("select 'abc' regexp 'b', floor(1.5)").fetchall() == [(1, 1)]
        back.close()
        lone = sqlite3.connect(tmp_path / "data.db")
        lone.create_function("regexp", 2, lambda one, other: None)
        assert "functions of the program: regexp/2" in again(lone).reason
        lone.close()
    engine.dispose()


def test_molecules_of_rdkit_keep_their_properties_and_exact_coordinates() -> None:
    pytest.importorskip("rdkit")
    from rdkit import Chem

    molecule = Chem.AddHs(Chem.MolFromSmiles("CO"))
    molecule.SetDoubleProp("score", 1.5)
    molecule.note = ["mine"]
    conformer = Chem.Conformer(molecule.GetNumAtoms())
    conformer.SetAtomPosition(1, (0.1, 1 / 3, 2.0))
    molecule.AddConformer(conformer)
    back = again(molecule)
    assert back.GetDoubleProp("score") == 1.5 and back.note == ["mine"]
    assert list(back.GetConformer().GetAtomPosition(1)) == [0.1, 1 / 3, 2.0]


def test_the_tree_of_beautiful_soup_is_one_again() -> None:
    bs4 = pytest.importorskip("bs4")
    assert library.is_taken_apart(bs4.BeautifulSoup) and library.is_taken_apart(bs4.Tag)


def test_a_decoder_of_json_goes_on_with_its_hooks() -> None:
    decoder = again(json.JSONDecoder(object_pairs_hook=tuple, parse_float=str, strict=False))
    assert decoder.raw_decode('{"a": [1.50, "\\t\t"]} rest') == ((("a", ["1.50", "\t\t"]),), 20)
