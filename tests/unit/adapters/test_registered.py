"""What a program registers with gymnasium and pandas is there when they have been imported anew."""

from __future__ import annotations

from typing import Any

import pytest

from forkpoint.capture import roots


class Own:
    """Of the program, as far as `capture.roots` knows."""

    def __init__(self, data: Any = None) -> None:
        self.data = data


@pytest.fixture(autouse=True)
def _program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Own, "__module__", "__main__")
    monkeypatch.setattr(roots, "find", lambda: roots.Roots((), ()))


def test_an_environment() -> None:
    registration = pytest.importorskip("gymnasium.envs.registration")
    from forkpoint.capture.adapters.gymnasium_registry import ADAPTER

    registration.register("Own-v0", entry_point=Own)
    state = ADAPTER.capture(None)
    spec = registration.registry.pop("Own-v0")
    assert "CartPole-v1" in registration.registry and "CartPole-v1" not in state
    ADAPTER.restore(state)
    assert registration.registry.pop("Own-v0") is spec


def test_an_accessor() -> None:
    pd = pytest.importorskip("pandas")
    from forkpoint.capture.adapters.pandas_accessors import ADAPTER

    pd.api.extensions.register_dataframe_accessor("own")(Own)
    state = ADAPTER.capture(None)
    assert [name for _, name, _ in state] == ["own"]
    del pd.DataFrame.own
    pd.DataFrame._accessors.remove("own")
    ADAPTER.restore(state)
    assert type(pd.DataFrame({"a": [1]}).own) is Own
    del pd.DataFrame.own
    pd.DataFrame._accessors.remove("own")
