"""One file per piece of ambient state or per library; LIBRARIES says which library each file is about.

A file is imported only when its library is in `sys.modules`, and may then import that library freely. It defines
`ADAPTER`, an object with the methods of `model.Adapter`. Functions that its reducers name are public, module-level
and never renamed: their names are stored in restore points.

Adding an adapter is adding a file and its line below. The order is the order of restoring: settings first,
warning filters once nothing touches them any more (each change empties the record of what was shown), random states
after all that may draw from them, then signals and timers, child processes (which inherit all this), threads last.
"""

from __future__ import annotations

from typing import Final

LIBRARIES: Final[dict[str, str]] = {
    "torch_compile": "torch._dynamo.eval_frame",  # before what looks at libraries: takes out of them what is no state
    "clocks": "time",
    "module_classes": "builtins",
    "library_changes": "builtins",
    "library_counters": "itertools",
    "library_locals": "_thread",
    "working_directory": "os",
    "standard_registries": "builtins",
    "virtual_subclasses": "abc",
    "codec_functions": "codecs",
    "environment": "os",
    "file_mode": "os",
    "directory_entries": "os",
    "interpreter": "sys",
    "standard_input": "sys",
    "standard_streams": "sys",
    "tracing": "sys",
    "garbage": "gc",
    "locale_settings": "locale",
    "log_handlers": "logging",
    "loguru_handlers": "loguru",
    "context_values": "contextvars",
    "decimal_context": "decimal",
    "numpy_arrays": "numpy",
    "numpy_archives": "numpy",
    "numpy_functions": "numpy",
    "numpy_settings": "numpy",
    "torch_tensors": "torch",
    "torch_training": "torch",
    "torch_archives": "torch",
    "safetensors_files": "safetensors._safetensors_rust",
    "torch_script": "torch",
    "torch_settings": "torch",
    "torch_switches": "torch",
    "torch_custom_operators": "torch._library.custom_ops",
    "torch_operators": "torch._library.custom_ops",
    "torch_parametrizations": "torch.nn.utils.parametrize",
    "torch_distributed": "torch.distributed.distributed_c10d",
    "pandas_blocks": "pandas",
    "pandas_accessors": "pandas",
    "tqdm_pandas": "pandas",
    "pandas_readers": "pandas.io.parsers.readers",
    "sklearn_settings": "sklearn",
    "library_tables": "builtins",
    "joblib_settings": "joblib.parallel",
    "jax_settings": "jax._src.config",
    "loky_executors": "joblib.executor",
    "scipy_special_errors": "scipy.special",
    "mpmath_precision": "mpmath",
    "thread_limits": "threadpoolctl",
    "tqdm_bars": "tqdm.std",
    "tensorboard_writers": "tensorboard.summary.writer.event_file_writer",
    "polars_frames": "polars",
    "polars_namespaces": "polars",
    "pyarrow_iterators": "pyarrow.lib",
    "numexpr_expressions": "numexpr.interpreter",
    "hdf5_files": "h5py",
    "numba_code": "numba.core.registry",
    "numba_containers": "numba.typed",
    "lightgbm_boosters": "lightgbm.basic",
    "asyncio_loops": "asyncio.events",
    "asyncio_tasks": "asyncio.tasks",
    "sqlite_connections": "sqlite3",
    "ctypes_data": "ctypes",
    "ctypes_functions": "ctypes",
    "json_scanners": "json.scanner",
    "wrapt_proxies": "wrapt",
    "sqlalchemy_elements": "sqlalchemy.sql.annotation",
    "rdkit_molecules": "rdkit.Chem.rdchem",
    "statsmodels_statespaces": "statsmodels.tsa.statespace.representation",
    "sqlalchemy_pools": "sqlalchemy.pool.base",
    "sqlalchemy_sessions": "sqlalchemy.orm.session",
    "sqlalchemy_listeners": "sqlalchemy.event.base",
    "xgboost_boosters": "xgboost.core",
    "matplotlib_figures": "matplotlib.figure",
    "pillow_fonts": "PIL.ImageFont",
    "pillow_images": "PIL.Image",
    "gymnasium_registry": "gymnasium.envs.registration",
    "networkx_decorators": "networkx.utils.decorators",
    "argument_parsers": "argparse",
    "absl_flags": "absl.flags",
    "psutil_processes": "psutil",
    "shared_memory": "multiprocessing.shared_memory",
    "process_objects": "multiprocessing.process",
    "thread_pools": "concurrent.futures.thread",
    "raw_descriptors": "posix",  # file objects have theirs by now
    "shared_descriptors": "posix",
    "warning_filters": "warnings",
    "torch_random": "torch",
    "numpy_random": "numpy.random",
    "python_random": "random",
    "numba_random": "numba._helperlib",
    "opencv_random": "cv2",
    "polars_random": "polars",
    "exit_functions": "atexit",
    "finalizers": "weakref",
    "signals": "signal",
    "resource_limits": "resource",
    "torch_workers": "torch.utils.data.dataloader",
    "process_starts": "builtins",
    "process_connections": "multiprocessing.connection",
    "process_pools": "multiprocessing.pool",
    "process_executors": "concurrent.futures.process",
    "rich_displays": "rich.live",
}
"""File (and adapter name) -> the module that must be loaded for it to matter."""

EARLY: Final = ("environment", "resource_limits", "raw_descriptors")
"""Adapters whose facts are made true before the libraries are imported."""

FORKING: Final = ("torch_workers", "process_pools", "process_executors")
"""Adapters of libraries whose child processes come back: they also have `before_program_forks` and `children`
(`capture.ambient`)."""
