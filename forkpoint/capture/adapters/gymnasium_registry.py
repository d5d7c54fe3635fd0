"""Environments that the program has registered with gymnasium, and are not there when it is imported again."""

from __future__ import annotations

from typing import Any

from gymnasium.envs.registration import registry

from forkpoint.capture.adapters._quiet import Quiet

_AS_IMPORTED = "gymnasium."


class _Registry(Quiet):
    name = "gymnasium_registry"
    module = "gymnasium.envs.registration"

    def capture(self, before: None) -> dict[str, Any]:
        return {name: spec for name, spec in registry.items() if not _is_imported(spec.entry_point)}

    def restore(self, state: dict[str, Any]) -> None:
        registry.update(state)


def _is_imported(entry_point: Any) -> bool:
    place = entry_point if isinstance(entry_point, str) else f"{getattr(entry_point, '__module__', '')}."
    return place.startswith(_AS_IMPORTED)


ADAPTER = _Registry()
