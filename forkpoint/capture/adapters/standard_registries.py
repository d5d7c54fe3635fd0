"""What a program told the standard library through its functions: dialects, types, namespaces, timeouts, codecs.

No assignment of the program's shows these (`library_changes`): the library's own code keeps them, in a table that a
fresh import fills anew, or in C. One line here for each.
"""

from __future__ import annotations

from typing import Any, Final

from forkpoint.capture.adapters import _tables

_TABLES: Final = (
    ("calendar", "c.__dict__"),
    ("encodings.aliases", "aliases"),
    ("email.charset", "CHARSETS"),
    ("email.charset", "ALIASES"),
    ("email.charset", "CODEC_MAP"),
    ("reprlib", "aRepr.__dict__"),
    ("shutil", "_ARCHIVE_FORMATS"),
    ("shutil", "_UNPACK_FORMATS"),
    ("urllib.parse", "uses_netloc"),
    ("urllib.parse", "uses_params"),
    ("urllib.parse", "uses_relative"),
    ("xml.etree.ElementTree", "register_namespace._namespace_map"),
)
"""Dicts and lists of plain values and functions, changed in place."""

_DIALECT: Final = (
    *("delimiter", "doublequote", "escapechar", "lineterminator"),
    *("quotechar", "quoting", "skipinitialspace", "strict"),
)
_DECIMAL: Final = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
_TEMPLATES: Final = ("DefaultContext", "BasicContext", "ExtendedContext")


def _dialects(csv: Any) -> dict[str, dict[str, Any]]:
    dialects = {name: csv.get_dialect(name) for name in csv.list_dialects()}
    return {name: {part: getattr(dialect, part) for part in _DIALECT} for name, dialect in dialects.items()}


def _set_dialects(csv: Any, dialects: dict[str, dict[str, Any]]) -> None:
    for name, parts in dialects.items():
        csv.register_dialect(name, **parts)
    for name in set(csv.list_dialects()) - set(dialects):
        csv.unregister_dialect(name)


def _mime_types(mimetypes: Any) -> list[Any] | None:
    return [table.copy() for table in _mime_tables(mimetypes)] if mimetypes.inited else None


def _mime_tables(mimetypes: Any) -> list[dict[str, Any]]:
    database = mimetypes._db
    return [database.encodings_map, database.suffix_map, *database.types_map, *database.types_map_inv]


def _set_mime_types(mimetypes: Any, tables: list[Any] | None) -> None:
    if tables is not None:
        mimetypes.init()
        for table, content in zip(_mime_tables(mimetypes), tables, strict=True):
            table.clear()
            table.update(content)


def _contexts(decimal: Any) -> list[tuple[dict[str, Any], dict[Any, bool]]]:
    contexts = [getattr(decimal, name) for name in _TEMPLATES]
    return [({part: getattr(each, part) for part in _DECIMAL}, dict(each.traps)) for each in contexts]


def _set_contexts(decimal: Any, states: list[tuple[dict[str, Any], dict[Any, bool]]]) -> None:
    for name, (parts, traps) in zip(_TEMPLATES, states, strict=True):
        context = getattr(decimal, name)
        for part, value in parts.items():
            setattr(context, part, value)
        context.traps.update(traps)


def _set_start_method(multiprocessing: Any, method: str | None) -> None:
    multiprocessing.set_start_method(method, force=True)


_SETTINGS: Final[tuple[_tables.Setting, ...]] = (
    ("csv", "dialects", _dialects, _set_dialects),
    ("csv", "field size", lambda m: m.field_size_limit(), lambda m, value: m.field_size_limit(value)),
    ("decimal", "templates", _contexts, _set_contexts),
    ("gettext", "domain", lambda m: m.textdomain(), lambda m, value: m.textdomain(value)),
    ("mimetypes", "types", _mime_types, _set_mime_types),
    ("multiprocessing", "start", lambda m: m.get_start_method(allow_none=True), _set_start_method),
    ("socket", "timeout", lambda m: m.getdefaulttimeout(), lambda m, value: m.setdefaulttimeout(value)),
    ("threading", "stack", lambda m: m.stack_size(), lambda m, value: m.stack_size(value)),
    ("urllib.request", "opener", lambda m: m._opener, lambda m, opener: m.install_opener(opener)),
    ("zoneinfo", "paths", lambda m: m.TZPATH, lambda m, value: m.reset_tzpath(value)),
)
"""Module, what it is, how to read it, how to set it: what has functions for that, or lies in C."""


ADAPTER = _tables.Tables("standard_registries", _TABLES, _SETTINGS)
