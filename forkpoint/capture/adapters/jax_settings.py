"""jax: `jax.config.update(...)`, which says what an array may be (`jax_enable_x64`): made again before any array is."""

from __future__ import annotations

from typing import Any

from jax._src import config

from forkpoint.capture.adapters._quiet import Quiet


class _Settings(Quiet):
    name = "jax_settings"
    module = "jax._src.config"

    def facts(self) -> dict[str, Any]:
        """All settings whose values are plain."""
        values: dict[str, Any] = config.config.values
        return {name: value for name, value in values.items() if isinstance(value, str | int | float | None)}

    def prepare(self, settings: dict[str, Any]) -> None:
        """Make those that this process has not; one that its version of jax does not know is left out."""
        for name, value in settings.items():
            if name in config.config.values and config.config.values[name] != value:
                config.config.update(name, value)


ADAPTER = _Settings()
