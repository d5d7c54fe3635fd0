"""joblib's parallel_config() and parallel_backend(), which are kept per thread."""

from __future__ import annotations

from typing import Any

from joblib import parallel

from forkpoint.capture.adapters._quiet import Quiet


class _Settings(Quiet):
    name = "joblib_settings"
    module = "joblib.parallel"

    def before_fork(self) -> dict[str, Any]:
        # The child saves in another thread.
        config = vars(parallel._backend).get("config", {})
        return {key: value for key, value in config.items() if value is not parallel.default_parallel_config[key]}

    def restore(self, state: dict[str, Any]) -> None:
        if state:
            parallel._backend.config = parallel.default_parallel_config | state


ADAPTER = _Settings()
