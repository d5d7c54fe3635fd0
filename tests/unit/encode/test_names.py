"""What modules hold under which names, found without a reference: as looking in Python finds it."""

from __future__ import annotations

import functools
import sys
import types
from typing import Any

import pytest

from forkpoint import _native
from forkpoint.encode.names import Names

LIBRARY = """
class Sender:
    @classmethod
    def send(cls): pass
    @staticmethod
    def post(): pass
def hidden():
    def inner(): self_made = 1
    return inner
found = hidden()
unnamed = [hidden()]
__warningregistry__ = {"version": 3}
"""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = types.ModuleType("named_library")
    exec(compile(LIBRARY, "<named library>", "exec", dont_inherit=True), vars(module))
    monkeypatch.setitem(sys.modules, "named_library", module)
    monkeypatch.setitem(sys.modules, "also_named", module)
    monkeypatch.setitem(sys.modules, "no_module", object())  # type: ignore[arg-type]
    return module


def names(*own: types.ModuleType) -> Names:
    return Names(own, {})


def test_namespaces_have_owners_and_other_dicts_have_none(library: Any) -> None:
    table = names()
    assert table.owner_of(id(vars(library))) == "also_named" and table.owner_of(id(vars(sys))) == "sys"
    assert table.owner_of(id({})) is None
    assert table.namespaces == {
        id(vars(module)) for module in sys.modules.values() if isinstance(module, types.ModuleType)
    }


def test_what_has_another_name_than_its_own_is_found_where_it_lies(library: Any) -> None:
    table = names()
    assert table.path_of(library.found) == ("named_library", "found")
    assert table.path_of(library.unnamed[0]) is None
    assert names(library).path_of(library.found) is None, "the program's own is no library's"


def test_the_function_of_a_class_method_is_named_through_it(library: Any) -> None:
    assert names().path_of(library.Sender.send.__func__) == ("named_library", "Sender.send.__func__")
    assert names().path_of(library.Sender.post) == ("named_library", "Sender.post")


def test_names_of_modules_and_what_they_hold(library: Any) -> None:
    assert _native.names_of(sys.modules, (sys, library)) == [
        (name, (sys, library).index(module))
        for name, module in sys.modules.items()
        if module is sys or module is library
    ]
    held = dict(_native.held_under(sys.modules, "__warningregistry__"))
    assert held["named_library"] is held["also_named"] is library.__warningregistry__ and "no_module" not in held


def test_the_codes_that_use_a_name_are_those_of_functions_and_of_what_wraps_them() -> None:
    class Holder:
        def method(self) -> Any:
            return self.wanted  # type: ignore[attr-defined]

        made = property(lambda self: self.wanted)
        static = staticmethod(lambda value: value.wanted)
        of_class = classmethod(lambda cls: cls.wanted)
        other = property(lambda self: self.unwanted)
        partial = functools.partial(print)

    def code(name: str) -> types.CodeType:
        member = vars(Holder)[name]
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        return function.__code__  # type: ignore[no-any-return]

    expected = [code(name) for name in ("method", "made", "static", "of_class")]
    assert _native.codes_naming(Holder, "wanted") == expected
    assert _native.codes_naming(dict(vars(Holder)), "wanted") == expected
    assert _native.codes_naming(object(), "wanted") == []
