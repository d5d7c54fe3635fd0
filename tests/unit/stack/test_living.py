"""All objects of a class: its own and those of derived ones, by their true types, in whatever generation they are."""

from __future__ import annotations

import gc

import pytest

from forkpoint import _native


class Base:
    pass


class Derived(Base):
    pass


class Pretending:
    @property
    def __class__(self) -> type:
        raise AssertionError("an object was asked what it is")


def test_instances_of_a_class_and_of_derived_ones_are_found_and_nothing_else() -> None:
    made = [Base(), Derived(), Derived()]
    pretending = Pretending()
    assert {*map(id, _native.living(Base))} == {*map(id, made)}
    assert {*map(id, _native.living(Derived))} == {*map(id, made[1:])}
    gc.collect()
    gc.freeze()
    try:
        made.append(Base())
        assert {*map(id, _native.living(Base))} == {*map(id, made)}
    finally:
        gc.unfreeze()
    made.clear()
    assert _native.living(Base) == []
    del pretending


def test_only_a_class_has_instances() -> None:
    with pytest.raises(TypeError, match="a class is needed"):
        _native.living(Base())  # type: ignore[arg-type]
