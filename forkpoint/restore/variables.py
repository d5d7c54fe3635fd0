"""A restore point's variables in a program that goes on: any version, beside the program's own."""

from __future__ import annotations

import sys
from typing import Any

from forkpoint.capture import ambient
from forkpoint.encode import foreign, unpickler
from forkpoint.journal import packfile
from forkpoint.journal.home import Home
from forkpoint.journal.plan import RestorePlan
from forkpoint.restore import install


def read(home: Home, plan_bytes: bytes) -> dict[str, Any]:
    """The namespace of `__main__` as it was, built anew from verified bytes; no journal is opened.

    Of a restore point by another minor version of Python, functions raise when they are called.
    """
    plan = RestorePlan.from_bytes(plan_bytes)
    same = plan.manifest.provenance["start"]["python"][:2] == list(sys.version_info[:2])
    source = packfile.PackReader(home, plan)
    try:
        preamble = unpickler.decode_preamble(plan.manifest.pods, source)
        with install.beside(preamble):
            ambient.prepare(preamble.facts)
            kind = unpickler.Unpickler if same else foreign.ForeignUnpickler
            image = unpickler.decode(plan.manifest.pods, source, kind)
        main = next(module for module in image.modules if module.__name__ == "__main__")
        return {name: value for name, value in vars(main).items() if not name.startswith("__")}
    finally:
        source.close()
