"""scikit-learn's configuration, which is per thread. Estimators keep their own protocol; nothing of them is lost."""

from __future__ import annotations

from typing import Any

from sklearn import get_config, set_config

from forkpoint.capture.adapters._quiet import Quiet


class _Settings(Quiet):
    name = "sklearn_settings"
    module = "sklearn"

    def before_fork(self) -> Any:
        return get_config()

    def restore(self, state: Any) -> None:
        set_config(**state)


ADAPTER = _Settings()
