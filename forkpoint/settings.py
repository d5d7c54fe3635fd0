"""One frozen Settings: argument > FORKPOINT_<OPTION> environment > [tool.forkpoint] in pyproject.toml > default."""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from forkpoint import limits
from forkpoint.errors import UsageError

STORE_NAME: Final = ".forkpoint"

_SECONDS: Final = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})


class Settings(NamedTuple):
    """Every choice of one run. Durations are seconds; sizes are bytes; None means "no such bound".

    `store` is absolute. It need not exist: `run` makes it, the other verbs say that there is none.
    """

    store: Path
    encrypt: bool = False
    every: float | Literal["auto"] = "auto"
    max_overhead: float = limits.MAX_OVERHEAD_PERCENT
    resume: str = "auto"
    run_key: str = ""
    restarts: int = 0
    require_within: float | None = None
    grace: float = limits.GRACE_SECONDS
    keep_last: int = limits.KEEP_LAST_POINTS
    keep_within: float | None = None
    max_file_bytes: int = limits.MAX_FILE_BYTES
    max_staging_bytes: int | None = None
    ignore_threads: tuple[str, ...] = ()
    on_error: Literal["warn", "raise"] = "warn"
    dry_run: bool = False
    quiet: bool = False
    disable: bool = False


def load(
    arguments: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> Settings:
    """The settings that hold in `directory` (default: the working directory).

    `arguments` maps option names (`every`, `max_overhead`, ...) to text or ready values; None and () stand for
    "not given". Raises UsageError naming the source of a value that makes no sense. Reads files, writes nothing.
    """
    arguments = arguments or {}
    for name in arguments:
        if name not in _PARSERS:
            raise UsageError(f"there is no setting named {name!r}", hint=_nearest(name))
    return Settings(**_choose(_PARSERS, arguments, environ, directory))


def load_store(argument: str | os.PathLike[str] | None = None) -> Path:
    """The store of a verb that needs no other setting, so that nonsense in those cannot stop `log`."""
    store = _choose(("store",), {"store": argument}, None, None)["store"]
    assert isinstance(store, Path)
    return store


def _choose(
    names: Iterable[str],
    arguments: Mapping[str, Any],
    environ: Mapping[str, str] | None,
    directory: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    """The values that were chosen anywhere, by name, parsed; always with a store if one is asked for."""
    environ = os.environ if environ is None else environ
    here = Path(os.path.abspath(directory if directory is not None else os.getcwd()))
    project, table = _project_table(here, environ)
    chosen: dict[str, Any] = {}
    for name in names:
        parse = _PARSERS[name]
        variable = f"FORKPOINT_{name.upper()}"
        given = arguments.get(name)
        # A flag that click left at False was not given: nobody can say --no-dry-run.
        if given is not None and given != () and not (given is False and name in _FLAGS):
            chosen[name] = _parsed(parse, given, "--" + name.replace("_", "-"), here)
        elif environ.get(variable, "") != "":
            chosen[name] = _parsed(parse, environ[variable], variable, here)
        elif name in table:
            chosen[name] = _parsed(parse, table[name], f"{project}: [tool.forkpoint] {name}", project.parent)
        elif name == "store":
            chosen[name] = find_store(here, environ=environ)
    return chosen


def as_plain(settings: Settings) -> dict[str, Any]:
    """`settings` as JSON can say them, for a process that is about to be exec'd."""
    return {**settings._asdict(), "store": str(settings.store)}


def from_plain(values: Mapping[str, Any]) -> Settings:
    """What `as_plain` gave, after JSON; unknown names (of another version) are passed over."""
    kept = {name: value for name, value in values.items() if name in Settings._fields}
    return Settings(**{**kept, "store": Path(values["store"]), "ignore_threads": tuple(kept.get("ignore_threads", ()))})


def find_store(directory: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None) -> Path:
    """The nearest `.forkpoint` directory upward that belongs to this user, else `directory`/.forkpoint.

    The search ends after HOME, and at a filesystem boundary: a store that another user or another disk holds
    above a working directory is never picked up by accident.
    """
    here = Path(os.path.abspath(directory))
    for parent in _upward(here, os.environ if environ is None else environ):
        candidate = parent / STORE_NAME
        try:
            found = os.stat(candidate)
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            return candidate
    return here / STORE_NAME


def duration(text: str | float) -> float:
    """Seconds: `1.5`, `90s`, `10m`, `2h`, `3d`, `1w`, `250ms`, also put together as `1h30m`. Raises ValueError."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        seconds = float(text)
    else:
        squeezed = str(text).replace(" ", "").lower()
        if not re.fullmatch(r"{0}|(?:{0}(?:ms|[smhdw]))+".format(r"(?:\d+\.?\d*|\.\d+)"), squeezed):
            raise ValueError("is not a duration: write seconds (1.5) or a number with s, m, h, d or w (2h, 1h30m)")
        parts = re.findall(r"([\d.]+)(ms|[smhdw]?)", squeezed)
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("is not a duration: it must be finite and not negative")
    return seconds


def size(text: str | int) -> int:
    """Bytes: `1048576`, `64M`, `64MiB`, `2GB` (all powers of 1024). Raises ValueError."""
    if isinstance(text, int) and not isinstance(text, bool):
        number, unit = float(text), ""
    else:
        match = re.fullmatch(r"(\d+(?:\.\d*)?) *([kmgt]?)(?:i?b)?", str(text).strip().lower())
        if match is None:
            raise ValueError("is not a size: write bytes (1048576) or a number with K, M, G or T (64M, 2GiB)")
        number, unit = float(match[1]), match[2]
    if number < 0:
        raise ValueError("is not a size: it must not be negative")
    return int(number * _BYTES[unit])


def _every(value: Any) -> float | str:
    if value == "auto":
        return "auto"
    seconds = duration(value)
    if seconds <= 0:
        raise ValueError("must be more than zero seconds, or auto")
    return seconds


def _percent(value: Any) -> float:
    try:
        number = float(str(value).removesuffix("%"))
    except ValueError:
        raise ValueError("is not a percentage: write a number such as 1 or 0.5") from None
    if not 0 < number <= 100:
        raise ValueError("is not a percentage between 0 and 100")
    return number


def _count(value: Any) -> int:
    try:
        number = int(value) if not isinstance(value, (bool, float)) else -1
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError("must be a whole number, zero or more")
    return number


def _count_from_one(value: Any) -> int:
    number = _count(value)
    if number < 1:
        raise ValueError("must be one or more: a run without a restore point cannot be restored")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _resume(value: Any) -> str:
    if not _text(value).strip():
        raise ValueError("must be auto, never, always or the name of a restore point")
    return str(value)


def _globs(value: Any) -> tuple[str, ...]:
    # Commas, not blanks: thread names such as `Thread-1 (worker)` hold blanks.
    parts = value.split(",") if isinstance(value, str) else list(value)
    return tuple(stripped for part in parts if (stripped := _text(part).strip()))


def _on_error(value: Any) -> str:
    if value not in ("warn", "raise"):
        raise ValueError("must be warn or raise")
    return str(value)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be 1 or 0")
    return word in _TRUE


def _path(value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ValueError("must be a directory")
    return os.path.expanduser(os.fspath(value))


_PARSERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "store": _path,
    "encrypt": _flag,
    "every": _every,
    "max_overhead": _percent,
    "resume": _resume,
    "run_key": _text,
    "restarts": _count,
    "require_within": duration,
    "grace": duration,
    "keep_last": _count_from_one,
    "keep_within": duration,
    "max_file_bytes": size,
    "max_staging_bytes": size,
    "ignore_threads": _globs,
    "on_error": _on_error,
    "dry_run": _flag,
    "quiet": _flag,
    "disable": _flag,
}
_FLAGS: Final = frozenset(name for name, default in Settings._field_defaults.items() if default is False)
assert set(_PARSERS) == {*Settings._fields}
assert {*Settings._field_defaults} == {*Settings._fields} - {"store"}


def _parsed(parse: Callable[[Any], Any], value: Any, source: str, base: Path) -> Any:
    """One value, or a UsageError that names where it came from. Relative stores are relative to `base`."""
    try:
        result = parse(value)
    except (ValueError, TypeError) as problem:
        raise UsageError(f"{source}: {value!r} {problem}") from None
    if parse is _path:
        return Path(os.path.abspath(base / result))
    return result


def _project_table(here: Path, environ: Mapping[str, str]) -> tuple[Path, Mapping[str, Any]]:
    """[tool.forkpoint] of the nearest pyproject.toml, its keys with underscores; empty when there is none."""
    for parent in _upward(here, environ):
        path = parent / "pyproject.toml"
        try:
            raw = path.read_bytes()
        except OSError:
            continue
        # tomllib costs milliseconds of every start; most projects say nothing to forkpoint.
        return (path, _read_table(path, raw)) if b"forkpoint" in raw else (path, {})
    return here / "pyproject.toml", {}


def _read_table(path: Path, raw: bytes) -> Mapping[str, Any]:
    import tomllib

    try:
        tool = tomllib.loads(raw.decode()).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UsageError(f"{path}: cannot be read: {problem}") from None
    table = tool.get("forkpoint", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.forkpoint is not a table")
    named = {key.replace("-", "_"): value for key, value in table.items()}
    for name in named:
        if name not in _PARSERS:
            raise UsageError(f"{path}: [tool.forkpoint] has no setting named {name!r}", hint=_nearest(name))
    return named


def _nearest(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name.replace("-", "_"), _PARSERS, n=1)
    return f"did you mean {close[0]}?" if close else "settings are: " + ", ".join(_PARSERS)


def _upward(here: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """`here` and its parents, up to and including HOME, never across a filesystem boundary."""
    home = environ.get("HOME")
    try:
        last = os.path.realpath(home) if home else None
        device = os.stat(here).st_dev
        for parent in (here, *here.parents):
            if os.stat(parent).st_dev != device:
                return
            yield parent
            if last is not None and os.path.realpath(parent) == last:
                return
    except OSError:
        return
