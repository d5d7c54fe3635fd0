"""The program's own encodings and error handlers: what it gave `codecs.register` and `codecs.register_error`."""

from __future__ import annotations

import codecs
from typing import Any

from forkpoint import _native
from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet


class _Codecs(Quiet):
    name = "codec_functions"
    module = "codecs"

    def capture(self, before: None) -> dict[str, Any]:
        program = {module.__name__ for module in roots.find().by_value} | {"__main__"}
        searches, handlers = _native.codecs_registered()
        return {
            "searches": [each for each in searches if _native.is_programs(each, program)],
            "handlers": {name: each for name, each in handlers.items() if _native.is_programs(each, program)},
        }

    def restore(self, state: dict[str, Any]) -> None:
        for search in state["searches"]:
            codecs.register(search)
        for name, handler in state["handlers"].items():
            codecs.register_error(name, handler)


ADAPTER = _Codecs()
