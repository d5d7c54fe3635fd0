"""What a program told other libraries by a call: options, registrations, parameters. One line here for each.

As `standard_registries`: no assignment of the program's shows these.
"""

from __future__ import annotations

from typing import Any, Final

from forkpoint.capture.adapters import _tables

_TABLES: Final = (
    ("PIL.Image", "EXTENSION"),
    ("PIL.Image", "MIME"),
    ("PIL.Image", "OPEN"),
    ("PIL.Image", "SAVE"),
    ("cvxpy.lin_ops.lin_utils", "ID_COUNTER.__dict__"),
    ("dask.config", "config"),
    ("hydra.core.singleton", "Singleton._instances"),
    ("matplotlib.units", "registry"),
    ("nltk.data", "path"),
    ("omegaconf.basecontainer", "BaseContainer._resolvers"),
    ("pyro.poutine.runtime", "_PYRO_STACK"),
    ("pyro.poutine.runtime", "_DIM_ALLOCATOR.__dict__"),
    ("pyro.primitives", "_PYRO_PARAM_STORE.__dict__"),
    ("xarray.core.options", "OPTIONS"),
)


def _set_validated(attr: Any, on: bool) -> None:
    attr._config.set_run_validators(on)


def _set_caching(fingerprint: Any, on: bool) -> None:
    fingerprint._CACHING_ENABLED = on


def _set_bars_disabled(tqdm: Any, off: bool) -> None:
    tqdm._hf_datasets_progress_bars_disabled = off


def _set_track_order(h5py: Any, on: bool) -> None:
    h5py.get_config().track_order = on


def _set_repository(config_store: Any, repository: dict[str, Any]) -> None:
    config_store.ConfigStore.instance().repo = repository


def _dummies(symbol: Any) -> tuple[int, int]:
    return symbol.Dummy._base_dummy_index, symbol.Dummy._count


def _set_dummies(symbol: Any, indexes: tuple[int, int]) -> None:
    symbol.Dummy._base_dummy_index, symbol.Dummy._count = indexes


def _numba_threads(parallel: Any) -> int:
    """0 where none are running yet: asking would start them."""
    return int(parallel.get_num_threads()) if parallel._is_initialized else 0


def _set_numba_threads(parallel: Any, count: int) -> None:
    if count:
        parallel.set_num_threads(count)


_SETTINGS: Final[tuple[_tables.Setting, ...]] = (
    ("attr", "validators run", lambda m: m._config.get_run_validators(), _set_validated),
    ("datasets.fingerprint", "caching", lambda m: m._CACHING_ENABLED, _set_caching),
    ("datasets.utils.tqdm", "bars", lambda m: m._hf_datasets_progress_bars_disabled, _set_bars_disabled),
    ("h5py", "order", lambda m: m.get_config().track_order, _set_track_order),
    ("hydra.core.config_store", "repository", lambda m: m.ConfigStore.instance().repo, _set_repository),
    ("numba.np.ufunc.parallel", "threads", _numba_threads, _set_numba_threads),
    ("pyarrow", "threads", lambda m: m.cpu_count(), lambda m, count: m.set_cpu_count(count)),
    ("sympy.core.symbol", "dummies", _dummies, _set_dummies),
    ("sympy.core.random", "state", lambda m: m.rng.getstate(), lambda m, state: m.rng.setstate(state)),
)


ADAPTER = _tables.Tables("library_tables", _TABLES, _SETTINGS)
