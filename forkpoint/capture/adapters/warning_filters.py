"""Which warnings are shown: filters, and what was shown once already."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet

_warnings: Any = warnings
_shown: Any = _warnings._showwarning_orig
_formatted: Any = _warnings._formatwarning_orig
"""The module's own; what the program put in their place may be there before this file is loaded."""


def _recorder() -> Any:
    """Where `catch_warnings(record=True)` sends warnings while it is open (Lib/warnings.py), or None."""
    last = _warnings._showwarnmsg_impl
    return None if getattr(last, "__module__", None) == "warnings" else last


class _Nobody(Warning):
    """A category nobody filters."""


def _version() -> object:
    """The interpreter's count of filter changes, which a registry must carry or it is emptied (_warnings.c).

    Nothing tells it but a registry that was just used; the warning made for that is not shown.
    """
    registry: dict[Any, Any] = {}
    show, warnings.showwarning = warnings.showwarning, lambda *_, **__: None
    try:
        warnings.warn_explicit("", _Nobody, "", 0, registry=registry)
    except _Nobody:  # a filter turns everything into errors
        pass
    finally:
        warnings.showwarning = show
    return registry["version"]


class _WarningFilters(Quiet):
    name = "warning_filters"
    module = "warnings"

    def capture(self, before: None) -> dict[str, Any]:
        registries = {
            name: {key: value for key, value in registry.items() if key != "version"}
            for name, registry in _native.held_under(sys.modules, "__warningregistry__")
            if isinstance(registry, dict)
        }
        return {
            "filters": list(warnings.filters),
            "once": dict(_warnings.onceregistry),
            "default": _warnings.defaultaction,
            "show": None if warnings.showwarning is _shown else warnings.showwarning,
            "format": None if warnings.formatwarning is _formatted else warnings.formatwarning,
            "recorder": _recorder(),
            "registries": registries,
        }

    def restore(self, state: dict[str, Any]) -> None:
        filters: Any = warnings.filters
        filters[:] = state["filters"]
        _warnings.onceregistry.clear()
        _warnings.onceregistry.update(state["once"])
        _warnings.defaultaction = state["default"]
        _warnings._filters_mutated()
        if state["show"] is not None:
            warnings.showwarning = state["show"]
        if state["format"] is not None:
            warnings.formatwarning = state["format"]
        if state["recorder"] is not None:
            _warnings._showwarnmsg_impl = state["recorder"]
        version = _version()
        for name, shown in state["registries"].items():
            module = sys.modules.get(name)
            if module is not None:
                registry = module.__dict__.setdefault("__warningregistry__", {})
                registry.clear()
                registry.update(shown, version=version)


ADAPTER = _WarningFilters()
