"""LightGBM: constructed data from its binary form; boosters that are training go through their rounds again.

What a training booster holds besides trees (scores, bags, the states of its samplers) no call of LightGBM shows, and
a booster made of its trees goes on to other ones. But the same rounds on the same data give the same trees: a restore
repeats them, and compares every tree with what was saved. So restoring takes as long as training took so far; what
cannot be repeated (gradients the program computes, parameters changed on the way) is refused when saving.
"""

from __future__ import annotations

import ctypes  # noqa: TID251 - to call functions of the library, not to touch memory
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import lightgbm as lgb
from lightgbm import basic

from forkpoint import _native
from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused, RestoreFailed
from forkpoint.model import ReduceContext, Reducer

_HANDLE: Final = frozenset({"_handle"})
_MANAGED: Final = "_InnerPredictor__is_manage_handle"
"""Whether a predictor frees its model."""
_MEMORY: Final = "/dev/shm"  # noqa: S108 - in a folder of its own
_FIELDS: Final = ("label", "weight", "init_score", "position")
"""Some of which the file does not hold."""
_PARAMETERS: Final = "\nparameters:"
_LAYOUTS: Final[tuple[dict[str, Any], ...]] = ({}, {"force_col_wise": True}, {"force_row_wise": True})
"""LightGBM chooses how it adds up histograms by what is faster at the moment, unless it is told."""
_LINEAR: Final = ("linear_tree", "linear_trees")
_OBJECTIVE_NAMES: Final = ("objective", "objective_type", "app", "application", "loss")


def _call(function: Any, *arguments: Any) -> None:
    basic._safe_call(function(*arguments))


def _threads() -> Any:
    """How many threads share the next sums, on which their last digits depend; every new Dataset or Booster sets it."""
    return ctypes.c_int.in_dll(basic._LIB, "LGBM_DEFAULT_NUM_THREADS")


# ---- data


@contextmanager
def _scratch() -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        yield os.path.join(folder, "data.bin")  # LightGBM writes no file that is there already


def reduce_data(data: Any, context: ReduceContext) -> Any:
    """Constructed data as LightGBM would write it to a file; before that its attributes are all it has."""
    if data._handle is None:
        return NotImplemented
    if any(_is_set((data.params or {}).get(name)) for name in _LINEAR):
        return context.tombstone(data, "its binary form lacks what linear trees need; make it again from its arrays")
    with _scratch() as path:
        _call(basic._LIB.LGBM_DatasetSaveBinary, data._handle, path.encode())
        with open(path, "rb") as file:
            content = context.buffer(memoryview(file.read()))
    fields = {name: data.get_field(name) for name in _FIELDS}
    state = (content, data.reference, fields, attributes(data, _HANDLE))
    return make_data, (type(data),), state, None, None, fill_data


def make_data(cls: Any) -> Any:
    """Data without content."""
    data = object.__new__(cls)
    data._handle = None
    return data


def fill_data(data: Any, state: tuple[Any, Any, Mapping[str, Any], Any]) -> None:
    """The content again, and then the attributes."""
    content, reference, fields, named = state
    whole = bytearray(content.nbytes)
    content.readinto(memoryview(whole))
    handle = ctypes.c_void_p()
    with _scratch() as path:
        with open(path, "wb") as file:
            file.write(whole)
        aligned = reference._handle if reference is not None else None
        _call(basic._LIB.LGBM_DatasetCreateFromFile, path.encode(), b"verbosity=-1", aligned, ctypes.byref(handle))
    data._handle = handle
    data.version = 0
    for name, value in fields.items():
        if value is not None:
            data.set_field(name, value)
    fill(data, named)


# ---- boosters


def reduce_booster(booster: Any, context: ReduceContext) -> Any:
    """A training booster as the rounds it takes. Raises errors.Refused where those cannot be repeated."""
    train = vars(booster).get("train_set")
    if train is None or booster._handle is None:
        return NotImplemented
    trees = booster.model_to_string(num_iteration=-1)
    problem = _why_not(booster, trees)
    if problem:
        raise Refused(f"a LightGBM booster cannot be trained again as it was: {problem}")
    first = booster._Booster__init_predictor
    if first is not None and not _is_there(first):
        raise Refused("a LightGBM booster began from a model that is gone, and cannot be trained again")
    begun = _text(first._handle) if first is not None else None
    rounds = booster.current_iteration() - (_rounds(first._handle) if first is not None else 0)
    state = (rounds, trees, begun, _threads().value, attributes(booster, _HANDLE))
    return make_booster, (type(booster),), state, None, None, fill_booster


def _is_set(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "+")


def _rounds(handle: Any) -> int:
    rounds = ctypes.c_int(0)
    _call(basic._LIB.LGBM_BoosterGetCurrentIteration, handle, ctypes.byref(rounds))
    return rounds.value


def _why_not(booster: Any, trees: str) -> str:
    if booster._Booster__set_objective_to_none or any(
        booster.params.get(name) in ("none", "null", "custom", "na") for name in _OBJECTIVE_NAMES
    ):
        return "its gradients come from the program"
    if any(_is_set(booster.params.get(name)) for name in _LINEAR):
        return "its data in binary form lacks what linear trees need"
    if booster.train_set_version != booster.train_set.version:
        return "its data has changed since its last round"
    if _native.living(lgb.callback._ResetParameterCallback):
        return "a callback changes its parameters"
    if " dart" not in trees and len(set(re.findall(r"^shrinkage=(.*)$", trees, re.MULTILINE)) - {"1"}) > 1:
        return "its learning rate was changed"
    return ""


def make_booster(cls: Any) -> Any:
    """A booster without content."""
    booster = object.__new__(cls)
    booster._handle = None
    booster._network = False
    return booster


def fill_booster(booster: Any, state: tuple[int, str, str | None, int, Any]) -> None:
    """Train it again. Raises RestoreFailed if other trees come out."""
    rounds, trees, begun, threads, named = state
    fill(booster, named)
    for layout in _LAYOUTS:
        handle = _begin(booster, layout, begun, threads)
        ended = ctypes.c_int(0)
        for _ in range(rounds):
            _call(basic._LIB.LGBM_BoosterUpdateOneIter, handle, ctypes.byref(ended))
        if _text(handle).partition(_PARAMETERS)[0] == trees.partition(_PARAMETERS)[0]:
            booster._handle = handle
            return
        _call(basic._LIB.LGBM_BoosterFree, handle)
    raise RestoreFailed(
        f"training a LightGBM booster again gave other trees than its {rounds} rounds had given",
        hint="set deterministic=True and num_threads; or restore a point from before the training",
    )


def _begin(booster: Any, layout: Mapping[str, Any], begun: str | None, threads: int) -> Any:
    """A booster before its first round, on all its data."""
    handle = ctypes.c_void_p()
    parameters = basic._param_dict_to_str({**booster.params, **layout}).encode()
    _call(basic._LIB.LGBM_BoosterCreate, booster.train_set._handle, parameters, ctypes.byref(handle))
    if begun is not None:
        first = _from_text(begun)
        _call(basic._LIB.LGBM_BoosterMerge, handle, first)
        _call(basic._LIB.LGBM_BoosterFree, first)
    _threads().value = threads
    for valid in booster.valid_sets:
        _call(basic._LIB.LGBM_BoosterAddValidData, handle, valid._handle)
    return handle


def _from_text(text: str) -> Any:
    handle, rounds = ctypes.c_void_p(), ctypes.c_int(0)
    _call(basic._LIB.LGBM_BoosterLoadModelFromString, text.encode(), ctypes.byref(rounds), ctypes.byref(handle))
    return handle


def _text(handle: Any) -> str:
    """The trees and parameters behind a handle."""
    size, needed = 1 << 20, ctypes.c_int64(0)
    while True:
        held = ctypes.create_string_buffer(size)
        _call(
            basic._LIB.LGBM_BoosterSaveModelToString,
            handle,
            ctypes.c_int(0),
            ctypes.c_int(-1),
            ctypes.c_int(0),
            ctypes.c_int64(size),
            ctypes.byref(needed),
            held,
        )
        if needed.value <= size:
            return held.value.decode()
        size = needed.value


# ---- what a booster is begun from


def reduce_predictor(predictor: Any, context: ReduceContext) -> Any:
    """The model that training began from, by its text; none, where the booster it belonged to is gone: then nobody may
    use it any more.
    """
    text = _text(predictor._handle) if _is_there(predictor) else None
    state = attributes(predictor, frozenset({*_HANDLE, _MANAGED}))
    return make_predictor, (type(predictor), text), state, None, None, fill


def _is_there(predictor: Any) -> bool:
    """Whether its model still is: that of a booster is freed with it (`_InnerPredictor.from_booster`)."""
    handle = predictor._handle.value
    return handle is not None and (
        getattr(predictor, _MANAGED)
        or any(getattr(booster._handle, "value", None) == handle for booster in _native.living(basic.Booster))
    )


def make_predictor(cls: Any, text: str | None) -> Any:
    """A model of its own, even where the old one was a booster's: neither changes any more."""
    predictor = object.__new__(cls)
    predictor._handle = ctypes.c_void_p() if text is None else _from_text(text)
    setattr(predictor, _MANAGED, text is not None)
    return predictor


class _Boosters(Quiet):
    name = "lightgbm_boosters"
    module = "lightgbm.basic"

    def reducers(self) -> Mapping[type, Reducer]:
        return {
            basic.Booster: reduce_booster,
            basic.Dataset: reduce_data,
            basic._InnerPredictor: reduce_predictor,
        }

    def capture(self, before: Any) -> int:
        # In the child only: one thread needs no pool.
        threads = int(_threads().value)
        basic._LIB.LGBM_SetMaxThreads(ctypes.c_int(1))
        return threads

    def restore(self, state: int) -> None:
        _threads().value = state


ADAPTER = _Boosters()
