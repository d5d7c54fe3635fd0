"""Facts about where a program runs: who promises bit-identity must say for which machine and versions."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from forkpoint.secrecy import redacted

_VECTOR_FLAGS: Final = (
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512bw",
    "avx512_bf16",
    "amx_tile",
    "asimd",
    "sve",
)
_THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_SOURCE_BYTES_MAX: Final = 16 << 20
"""A module's source larger than this is not hashed: it is data."""


def collect(modules: Sequence[ModuleType]) -> dict[str, Any]:
    """Plain values for the manifest; `modules` are the program's own. Some file reading: called in the child."""
    look(modules)
    machine = os.uname()  # not through `platform`: every child would load it anew
    return {
        "argv": redacted(sys.orig_argv),
        "python": sys.version,
        "implementation": sys.implementation.cache_tag,
        "flags": {
            name: getattr(sys.flags, name) for name in ("optimize", "utf8_mode", "hash_randomization", "dev_mode")
        },
        "hash_seed": os.environ.get("PYTHONHASHSEED"),
        "packages": packages(),
        "package_files": package_files(),
        "host": machine.nodename,
        "system": f"{machine.sysname} {machine.release}",
        "libc": os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else "",
        "cpu": _cpu(machine.machine),
        "threads": _threads(),
        "sources": dict(_seen),
        "git": _git_commit(Path(_main_file()).resolve().parent),
    }


def _main_file() -> str:
    return str(getattr(sys.modules.get("__main__"), "__file__", None) or ".")


def packages() -> dict[str, str]:
    """Versions of the distributions whose modules are loaded."""
    found: dict[str, str] = {}
    top_level = {name.partition(".")[0] for name in list(sys.modules)} - sys.stdlib_module_names
    for name in sorted(top_level):
        # Not getattr: a module may answer with a warning, or with work.
        namespace = getattr(sys.modules.get(name), "__dict__", {})
        version, file = namespace.get("__version__"), namespace.get("__file__")
        if not isinstance(version, str) and isinstance(file, str):
            version = installed(file, name)
        if isinstance(version, str):
            found[name] = version
    return found


def installed(file: str, name: str) -> str | None:
    """The version of the distribution of module `name`, loaded from `file`, as its installer tells; None if unknown."""
    folder = os.path.dirname(file)
    return _installed(os.path.dirname(folder) if "/__init__." in file else folder).get(name.lower())


@functools.cache
def _installed(folder: str) -> dict[str, str]:
    """Versions by module name, from the names of what installers leave beside the modules (PEP 376): importing
    importlib.metadata, which reads them, would take half of a small program's commit.
    """
    with contextlib.suppress(OSError):
        entries = [os.path.splitext(entry) for entry in os.listdir(folder)]
        pairs = [name.split("-", 2) for name, end in entries if end in (".dist-info", ".egg-info") and "-" in name]
        return {name.lower().replace(".", "_"): version for name, version, *_ in pairs}
    return {}


def package_files() -> dict[str, list[Any]]:
    """Path, size and modification time (ns) of what was loaded for each of `packages`: unchanged, so is the version."""
    found: dict[str, list[Any]] = {}
    for name in {name.partition(".")[0] for name in list(sys.modules)} - sys.stdlib_module_names:
        path = getattr(sys.modules.get(name), "__dict__", {}).get("__file__")
        if isinstance(path, str) and (facts := file_facts(path)) is not None:
            found[name] = [path, *facts]
    return found


def file_facts(path: str) -> tuple[int, int] | None:
    """(size, modification time in ns), or None where there is no such file."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


def _cpu(machine: str) -> dict[str, Any]:
    model, flags = machine, ""
    try:
        with Path("/proc/cpuinfo").open(errors="replace") as lines:
            for line in lines:  # one core's are enough
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    model = value.strip()
                elif key.strip() in ("flags", "Features"):
                    flags = value
                    break
    except OSError:
        pass
    present = set(flags.split())
    return {
        "machine": machine,
        "model": model,
        "vector": [flag for flag in _VECTOR_FLAGS if flag in present],
        "count": os.cpu_count(),
        "usable": len(os.sched_getaffinity(0)),
    }


def _threads() -> dict[str, Any]:
    counts: dict[str, Any] = {name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ}
    torch = sys.modules.get("torch")
    if torch is not None:
        counts["torch"] = torch.get_num_threads()
    return counts


_seen: dict[str, str] = {}
"""sha256 of source files by path, as they were when their module was first seen: what runs is what was read then, not
what an editor put there since."""


_looked: set[str] = set()
"""The `__file__` of modules seen before."""


def look(modules: Sequence[ModuleType]) -> None:
    """Note the sources of modules not seen before. Called in the program at each commit; reads each file once."""
    for module in modules:
        filename = getattr(module, "__file__", None)
        if not isinstance(filename, str) or filename in _looked:
            continue
        _looked.add(filename)
        path = os.path.realpath(filename)
        while path not in _seen and not os.path.exists(path) and path != os.path.dirname(path):
            path = os.path.dirname(path)  # inside of an archive: that is the file
        if path not in _seen and (digest := source_digest(path)) is not None:
            _seen[path] = digest


def remember(sources: Mapping[str, str]) -> None:
    """A restored program runs the sources its restore point names, whatever the files hold by now."""
    _seen.update(sources)


def source_digest(path: str) -> str | None:
    """sha256 of a source file; None when it is not there, no regular file, or too large to be source."""
    try:
        if os.path.isfile(path) and os.path.getsize(path) <= _SOURCE_BYTES_MAX:
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        pass
    return None


def _git_commit(folder: Path) -> str | None:
    """The commit that is checked out around `folder`, read from the files: no process is started in the child."""
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        try:
            if git.is_file():
                git = (parent / git.read_text().removeprefix("gitdir:").strip()).resolve()
            if not git.is_dir():
                continue
            head = (git / "HEAD").read_text().strip()
            if not head.startswith("ref:"):
                return head
            name = head.removeprefix("ref:").strip()
            common = git / "commondir"
            roots = [git] + ([(git / common.read_text().strip()).resolve()] if common.exists() else [])
            for root in roots:
                if (root / name).exists():
                    return (root / name).read_text().strip()
                packed = root / "packed-refs"
                for line in packed.read_text().splitlines() if packed.exists() else ():
                    if line.endswith(f" {name}"):
                        return line.split()[0]
            return None
        except OSError:
            return None
    return None
