"""What libraries were told by a call comes back; what they do not have, or did not load, is left."""

from __future__ import annotations

import sys
import types
import urllib.request
import warnings
from typing import Any

import pytest
from in_memory import again

from forkpoint.capture import ambient
from forkpoint.capture.adapters import _tables
from forkpoint.encode import library


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = types.ModuleType("library_of_tables")
    module.table, module.names, module.count = {"a": 1}, ["x"], 3  # type: ignore[attr-defined]
    module.holder = types.SimpleNamespace(inner={"b": 2}, text="no table")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


PLACES = tuple(("library_of_tables", path) for path in ("table", "names", "holder.inner", "holder.text", "gone"))


def test_tables_are_filled_in_place(filled: Any) -> None:
    saved = again(_tables.read_tables((*PLACES, ("library_not_loaded", "table"))))
    assert set(saved) == set(PLACES[:3])
    table, names = filled.table, filled.names
    table["b"] = names[:] = filled.holder.inner["c"] = ["changed"]
    _tables.fill_tables(saved)
    assert filled.table is table == {"a": 1} and filled.names is names == ["x"] and filled.holder.inner == {"b": 2}


def test_settings_are_made_only_where_they_differ(filled: Any) -> None:
    puts: list[int] = []
    settings: tuple[_tables.Setting, ...] = (
        ("library_of_tables", "count", lambda m: m.count, lambda m, value: puts.append(value)),
        ("library_not_loaded", "count", lambda m: m.count, lambda m, value: puts.append(value)),
    )
    missing: _tables.Setting = (
        "library_of_tables",
        "gone",
        lambda m: m.no_such_thing,
        lambda m, value: puts.append(value),
    )
    saved = _tables.read_settings((missing, *settings))
    _tables.put_settings((missing, *settings), saved)
    assert puts == [] and list(saved) == [("library_of_tables", "count")]
    filled.count = 4
    _tables.put_settings(settings, saved)
    assert puts == [3]


def test_an_opener_and_an_alias_of_the_standard_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import encodings.aliases

    registries = ambient._load("standard_registries")
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setattr(encodings.aliases, "aliases", dict(encodings.aliases.aliases))
    urllib.request.install_opener(opener := urllib.request.OpenerDirector())
    encodings.aliases.aliases["mine"] = "utf_8"
    state = registries.capture(None)
    urllib.request.install_opener(None)  # type: ignore[arg-type]
    del encodings.aliases.aliases["mine"]
    registries.restore(state)
    assert urllib.request._opener is opener and encodings.aliases.aliases["mine"] == "utf_8"  # type: ignore[attr-defined]


def test_resolvers_of_omegaconf() -> None:
    omegaconf = pytest.importorskip("omegaconf")
    tables = ambient._load("library_tables")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from 2.4 on it has another name, which meant something else before
        omegaconf.OmegaConf.register_new_resolver("tripled", lambda number: 3 * number)
    state = tables.capture(None)
    omegaconf.OmegaConf.clear_resolvers()
    assert not omegaconf.OmegaConf.has_resolver("tripled")
    tables.restore(state)
    assert omegaconf.OmegaConf.create({"a": "${tripled:2}"}).a == 6


def test_expressions_of_numexpr() -> None:
    numexpr = pytest.importorskip("numexpr")
    np = pytest.importorskip("numpy")
    expression = numexpr.NumExpr("where(a > 1, 2 * a + 0.5, b)")
    back = again(expression)
    a, b = np.arange(5.0), np.ones(5)
    assert back.program == expression.program and (back(a, b) == expression(a, b)).all()


def test_elements_of_sqlalchemy_whose_class_is_made_when_it_is_needed() -> None:
    pytest.importorskip("sqlalchemy")
    from sqlalchemy import Column, Integer, MetaData, Table, insert
    from sqlalchemy.sql import annotation

    metadata = MetaData()
    statement = insert(Table("t", metadata, Column("i", Integer)))
    annotated = statement._annotate({"mine": 1})
    adapter = ambient._load("sqlalchemy_elements")
    facts = [list(pair) for pair in adapter.facts()]
    made = annotation.annotated_classes.pop(type(statement))
    adapter.prepare(facts)
    assert annotation.annotated_classes[type(statement)].__name__ == made.__name__ == type(annotated).__name__


def test_what_says_too_little_of_itself_is_taken_apart_unless_c_code_makes_it() -> None:
    tenacity = pytest.importorskip("tenacity")
    sqlalchemy = pytest.importorskip("sqlalchemy")
    assert library.is_taken_apart(tenacity.Retrying), "it leaves out how often it has tried"
    assert library.is_taken_apart(sqlalchemy.MetaData)
    assert not library.is_taken_apart(type(sqlalchemy.MetaData().tables)), "whose items only its own protocol sets"


def test_who_listens_to_a_class_of_sqlalchemy_is_told_again() -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    told: list[str] = []

    def connected(connection: Any, record: Any) -> None:
        told.append("connected")

    adapter = ambient._load("sqlalchemy_listeners")
    connected.__module__ = "__main__"
    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", connected)
    state = adapter.capture(None)
    sqlalchemy.event.remove(sqlalchemy.engine.Engine, "connect", connected)
    sqlalchemy.create_engine("sqlite://").connect().close()
    assert told == []
    adapter.restore(state)
    adapter.restore(state)
    sqlalchemy.create_engine("sqlite://").connect().close()
    assert told == ["connected"]
