"""XGBoost: boosters that go on training to the very same trees, and their data, from XGBoost's own bytes.

A booster's bytes hold its trees and configuration. What they lack is put beside them: the random generators of
versions before 3.3 (`_xgboost_random`), an updater that was named by hand, and the number of threads, which must be one
while a forked child saves (it does not have the others). What XGBoost remembers of predictions is made again: adding up
the same trees in the same order gives the same numbers.
"""

from __future__ import annotations

import ctypes  # noqa: TID251 - to call functions of the library
import json
import mmap
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np
import xgboost as xgb
from xgboost import core

from forkpoint import _native
from forkpoint.capture.adapters import _xgboost_bins as bins
from forkpoint.capture.adapters import _xgboost_random as generators
from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.model import ReduceContext, Reducer

_HANDLE: Final = frozenset({"handle"})
_SAVED_BY_XGBOOST: Final = (3, 3)
"""From this version on a booster's generator is in its bytes, and there is no other."""


class _Generators:
    """The generators of this process, as they were before anything of ours used XGBoost. Raises NotFoundHere."""

    def __init__(self) -> None:
        self.picture = generators.Picture()
        self.layout = generators.look()
        self.rows = generators.read(self.layout.rows, self.picture)

    def now(self) -> bytes:
        """This thread's generator as it is now."""
        return ctypes.string_at(self.layout.rows, 8)


@cache
def _generators(pid: int) -> _Generators | None:
    """Of this process, if its XGBoost has such; a child must not believe what its parent found."""
    version = tuple(int(part) for part in xgb.__version__.split(".")[:2])
    return None if version >= _SAVED_BY_XGBOOST else _Generators()


def _call(function: Any, *arguments: Any) -> None:
    core._check_call(function(*arguments))


def _set(handle: Any, name: str, value: str) -> None:
    _call(core._LIB.XGBoosterSetParam, handle, name.encode(), value.encode())


# ---- boosters


def reduce_booster(booster: Any, context: ReduceContext) -> Any:
    """By its bytes and what they lack. Raises errors.Refused before its first training, which seeds generators."""
    if booster.handle is None:
        return make_booster, (type(booster),), (None, attributes(booster, _HANDLE)), None, None, fill_booster
    try:
        found = _generators(os.getpid())
    except (generators.NotFoundHere, OSError, core.XGBoostError) as error:
        return context.tombstone(booster, f"the random generators of XGBoost {xgb.__version__} are not saved: {error}")
    own = None
    if found is not None:
        place = generators.of_booster(booster.handle.value, found.layout, found.picture)
        own = generators.read(place, found.picture) if place is not None else None
        ctypes.memset(found.layout.rows, 0, 8)  # in the child: seeding overwrites it
    config = json.loads(booster.save_config())["learner"]
    if found is not None and found.now() != bytes(8):
        raise Refused("an XGBoost booster has not begun to train")
    if config["gradient_booster"]["name"] == "gblinear":
        return context.tombstone(booster, "a linear booster that is saved does not go on as it would have")
    grower = _grower(config)
    updaters = [one["name"] for one in grower["updater"]]
    if not any(name.startswith("grow") for name in updaters):
        return context.tombstone(booster, "it is replacing its trees one by one (process_type=update)")
    problem = (
        _why_not(config, grower, updaters) if own is not None or found is None or "grow_colmaker" in updaters else ""
    )
    if problem:
        raise Refused(f"an XGBoost booster that is training cannot be saved: {problem}")
    parameters = {"nthread": config["generic_param"]["nthread"]}
    _work_alone()
    if grower.get("specified_updater"):
        parameters["updater"] = ",".join(updaters)
    _set(booster.handle, "nthread", "1")
    content = bytes(booster.__getstate__()["handle"])
    if own is not None and not _comes_back(content, own):
        return context.tombstone(booster, "its random generator cannot be put back")
    state = ((content, parameters, own), attributes(booster, _HANDLE))
    return make_booster, (type(booster),), state, None, None, fill_booster


def _work_alone() -> None:
    """In the child: no parallel region, also where no number of threads was said (a booster that is being loaded). The
    OpenMP library would wait for its pool, which is not here; it may be one that torch brought for everybody.
    """
    for library in (ctypes.CDLL(None), core._LIB):
        if (set_threads := getattr(library, "omp_set_num_threads", None)) is not None:
            set_threads(1)


def _grower(config: Mapping[str, Any]) -> Any:
    """What of a learner's configuration is about growing trees; dart has it one level down."""
    booster = config["gradient_booster"]
    return booster.get("gbtree", booster)


def _why_not(config: Mapping[str, Any], grower: Mapping[str, Any], updaters: list[str]) -> str:
    """What of a training booster no bytes hold; once it has been trained, and reset, it is no longer needed."""
    if int(grower["gbtree_model_param"]["num_parallel_tree"]) > 1:
        return "with num_parallel_tree it remembers predictions that are not added up again in the same order"
    if config["objective"].get("lambdarank_param", {}).get("lambdarank_unbiased") in ("1", "true"):
        return "with lambdarank_unbiased it estimates biases that it does not show"
    if "grow_histmaker" in updaters and float(grower["tree_train_param"]["subsample"]) < 1.0:
        return "with tree_method=approx it keeps bins of the rows it sampled first, and does not show them"
    return ""


def _comes_back(content: bytes, own: bytes) -> bool:
    """Whether a restore will be able to do what it has to do: tried here, where there is time for another answer."""
    trial = object.__new__(xgb.Booster)
    trial.handle = None
    try:
        fill_booster(trial, ((content, {"nthread": "1"}, own), None))
    except (generators.NotFoundHere, core.XGBoostError):
        return False
    return True


def make_booster(cls: Any) -> Any:
    """A booster without content."""
    booster = object.__new__(cls)
    booster.handle = None
    return booster


def fill_booster(booster: Any, state: tuple[tuple[bytes, Mapping[str, str], bytes | None] | None, Any]) -> None:
    """Its trees, configuration and generator."""
    held, named = state
    fill(booster, named)
    if held is None:
        return
    content, parameters, own = held
    handle = ctypes.c_void_p()
    _call(core._LIB.XGBoosterCreate, None, ctypes.c_uint64(0), ctypes.byref(handle))
    booster.handle = handle
    _call(core._LIB.XGBoosterUnserializeFromBuffer, handle, content, ctypes.c_uint64(len(content)))
    if own is not None:
        _set(handle, "nthread", "1")
        _begin_to_train(booster)
        found = _generators(os.getpid())
        place = (
            generators.of_booster(handle.value or 0, found.layout, generators.Picture()) if found is not None else None
        )
        if place is None:
            raise generators.NotFoundHere("a booster made no generator")
        generators.write(place, own)
    for name, value in parameters.items():
        _set(handle, name, value)


def _begin_to_train(booster: Any) -> None:
    """Have it make its generator, without a new tree: data in other bins than it uses is refused only after that
    (QuantileHistMaker::Update in src/tree/updater_quantile_hist.cc, CheckParam in src/data/batch_utils.cc).
    """
    config = json.loads(booster.save_config())["learner"]
    others = int(_grower(config)["tree_train_param"]["max_bin"]) + 1
    model = config["learner_model_param"]
    outputs = max(int(model["num_class"]), int(model["num_target"]), 1)
    data = xgb.QuantileDMatrix(np.zeros((2, int(model["num_feature"])), np.float32), max_bin=others, nthread=1)
    flat = np.ones((2, outputs), np.float32)
    interface = core.array_interface(flat)
    rounds = booster.num_boosted_rounds()
    core._LIB.XGBoosterTrainOneIter(booster.handle, data.handle, 0, interface, interface)
    if booster.num_boosted_rounds() != rounds:
        raise generators.NotFoundHere("a booster that only had to make its generator has grown a tree")


# ---- data


def reduce_data(data: Any, context: ReduceContext) -> Any:
    """A QuantileDMatrix by its bins; a DMatrix as the bytes of its file: values, labels, weights, groups, names."""
    _work_alone()
    if type(data) is xgb.QuantileDMatrix:
        parts = bins.take_apart(data)
        if parts is None:
            return context.tombstone(data, "XGBoost shows too little of its bins; make it again from its arrays")
        return bins.put_together, (parts,), attributes(data, _HANDLE), None, None, fill
    if type(data) is not xgb.DMatrix:
        return context.tombstone(data, "XGBoost does not show it; make it again from its arrays")
    place = os.memfd_create("forkpoint-dmatrix")
    try:
        data.save_binary(f"/proc/self/fd/{place}")
        held = mmap.mmap(place, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(place)
    content = context.buffer(memoryview(held))
    return make_data, (content,), attributes(data, _HANDLE), None, None, fill


def make_data(content: Any) -> Any:
    """The data again, through a file in memory."""
    place = os.memfd_create("forkpoint-dmatrix")
    try:
        os.ftruncate(place, content.nbytes)
        with mmap.mmap(place, content.nbytes) as target, memoryview(target) as view:
            content.readinto(view)
        handle = ctypes.c_void_p()
        config = json.dumps({"uri": f"/proc/self/fd/{place}", "silent": 1, "data_split_mode": 0}).encode()
        _call(core._LIB.XGDMatrixCreateFromURI, config, ctypes.byref(handle))
    finally:
        os.close(place)
    made = object.__new__(xgb.DMatrix)
    made.handle = handle
    return made


class _Boosters(Quiet):
    name = "xgboost_boosters"
    module = "xgboost.core"

    def reducers(self) -> Mapping[type, Reducer]:
        return {xgb.Booster: reduce_booster, xgb.DMatrix: reduce_data}

    def capture(self, before: Any) -> dict[str, Any]:
        """This thread's generator, where any booster may draw from it, and the settings."""
        state: dict[str, Any] = {"settings": xgb.get_config(), "rows": None}
        core._LIB.omp_set_num_threads(1)  # in the child, which has no others: waiting for them would never end
        if _native.living(xgb.Booster):
            try:
                found = _generators(os.getpid())
            except (generators.NotFoundHere, OSError, core.XGBoostError):
                return state  # the boosters are not saved either, and say why
            state["rows"] = found.rows if found is not None else None
        return state

    def restore(self, state: dict[str, Any]) -> None:
        xgb.set_config(**state["settings"])
        found = _generators(os.getpid()) if state["rows"] is not None else None
        if found is not None:
            generators.write(found.layout.rows, state["rows"])


ADAPTER = _Boosters()
