"""jax: what `jax.config.update` has set is set before any array is made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

jax = pytest.importorskip("jax")

from forkpoint.capture import ambient  # noqa: E402


@pytest.fixture
def _as_before() -> Iterator[None]:
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.usefixtures("_as_before")
def test_settings_are_facts() -> None:
    jax.config.update("jax_enable_x64", True)
    facts = ambient.facts()
    jax.config.update("jax_enable_x64", False)
    ambient.prepare({"jax_settings": facts["jax_settings"] | {"of another version": 1}})
    assert jax.numpy.arange(3.0).dtype == "float64"
