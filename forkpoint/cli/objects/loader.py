"""Run as a program, `loader LIBRARY FOLDER FIRST`: brings the saved objects back in this new process and uses them.

One line of JSON per case from number FIRST on, so that whoever reads knows at which case this process died.
"""

from __future__ import annotations

import json
import pickle
import sys
import traceback
from pathlib import Path
from typing import Any

from forkpoint.capture import ambient
from forkpoint.cli.objects import catalogue, picture
from forkpoint.cli.objects.saver import Chunks, module_of, use
from forkpoint.encode.unpickler import decode, decode_preamble
from forkpoint.restore import install


def main(library: str, folder: Path, first: int) -> None:
    """All cases from the `first` on whose objects were saved."""
    for number, case in enumerate(catalogue.cases(library)):
        path = folder / f"{number}.point"
        if number >= first:
            print(json.dumps(_load(case, number, path) if path.exists() else {}), flush=True)


def _load(case: catalogue.Case, number: int, path: Path) -> dict[str, Any]:
    result: dict[str, Any] = {}
    try:
        saved = pickle.loads(path.read_bytes())
        chunks = Chunks(saved["chunks"])
        preamble = decode_preamble(saved["pods"], chunks)
        install.prepare(preamble, None)
        ambient.prepare(preamble.facts)
        decode(saved["pods"], chunks)
        module = sys.modules[module_of(number)]
        obj, alias = module.__dict__["obj"], module.__dict__["alias"][0]
        result["aliased"] = alias is obj or (isinstance(obj, int | float) and alias == obj)  # which have no identity
        result["before"] = picture.of(module.__dict__["obj"])
    except Exception:  # noqa: BLE001 - whatever a library raises is the answer
        result["failed"] = traceback.format_exc(limit=-2)
        return result
    use(case.use, module, result)
    return result


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
