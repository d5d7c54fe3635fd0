"""Run as a program, `saver LIBRARY FOLDER`: makes each object, saves it twice in children as a commit does, uses it.

Writes `<n>.point` per case and `saved.json`: for each case what went wrong or was lost, whether both children saved
the same, and pictures of the object before and after its use.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
import traceback
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from forkpoint.capture import ambient, descriptors, libraries, roots
from forkpoint.capture.adapters import _memory
from forkpoint.cli.objects import catalogue, picture
from forkpoint.encode.pickler import encode
from forkpoint.model import ProgramImage
from forkpoint.report import Report
from forkpoint.snapshot import forker

CHILD_SECONDS: Final = 30.0
"""Saving one object takes milliseconds; a child that needs longer hangs."""


class Chunks(dict[bytes, bytes]):
    """Implements `model.ChunkSink` and `model.ChunkSource`."""

    def put(self, data: bytes | bytearray | memoryview, kind: Literal["objects", "buffer"], itemsize: int = 1) -> bytes:
        """See `model.ChunkSink`."""
        content = bytes(data)
        name = hashlib.blake2b(content, digest_size=32).digest()
        self[name] = content
        return name

    def holds(self, chunks: Sequence[bytes]) -> bool:
        """See `model.ChunkSink`."""
        return all(chunk in self for chunk in chunks)

    def get(self, chunk: bytes) -> bytes:  # type: ignore[override]  # a source, not a mapping's get
        """See `model.ChunkSource`."""
        return self[chunk]


def module_of(number: int) -> str:
    """The name of the module that a case's code runs in, which is the whole program as far as saving goes."""
    return f"forkpoint_case_{number}"


def main(library: str, folder: Path) -> None:
    """All cases of one library, in one process, as they would be in a program."""
    # Arrays that a library makes for being saved lie elsewhere each time: where is not part of the comparison.
    _memory.ALIGNMENT = 1  # type: ignore[misc]
    cases = catalogue.cases(library)
    results: list[dict[str, Any]] = [{} for _ in cases]
    modules = [types.ModuleType(module_of(number)) for number in range(len(cases))]
    for case, module, result in zip(cases, modules, results, strict=True):
        sys.modules[module.__name__] = module
        try:
            exec(compile(case.build, f"<{case.name}>", "exec", dont_inherit=True), module.__dict__)
            module.__dict__["alias"] = [module.__dict__["obj"]]
            result["before"] = picture.of(module.__dict__["obj"])
        except Exception:  # noqa: BLE001 - whatever a library raises is the answer
            result["unbuilt"] = traceback.format_exc(limit=-1)
    _save_twice(modules[0], folder / "first")  # the first imports what it needs, and so differs from the others
    for number, (module, result) in enumerate(zip(modules, results, strict=True)):
        if "unbuilt" not in result:
            result.update(_save_twice(module, folder / f"{number}.point"))
    for case, module, result in zip(cases, modules, results, strict=True):
        if "unbuilt" not in result:
            use(case.use, module, result)
    (folder / "saved.json").write_text(json.dumps(results))


def use(code: str, module: types.ModuleType, result: dict[str, Any]) -> None:
    """Use the object, and take a picture of what came of it."""
    try:
        exec(compile(code, "<use>", "exec", dont_inherit=True), module.__dict__)
        result["after"] = picture.of(module.__dict__.get("result"))
    except Exception:  # noqa: BLE001 - whatever a library raises is the answer
        result["after"] = traceback.format_exc(limit=-1)


def _save_twice(module: Any, path: Path) -> dict[str, Any]:
    first = _in_a_child(module, path)
    if first.status != "K":
        return {"failed": first.message}
    saved = pickle.loads(path.read_bytes())
    again = path.with_suffix(".again")
    second = _in_a_child(module, again)
    same = second.status == "K" and pickle.loads(again.read_bytes())["pods"] == saved["pods"]
    return {"lost": [[stone.path, stone.reason] for stone in saved["tombstones"]], "stable": same}


def _in_a_child(module: Any, path: Path) -> Report:
    opened = descriptors.opened(set())
    before = ambient.before_fork()
    child = forker.fork(lambda side: _write(module, path, opened, before), deadline_seconds=CHILD_SECONDS)
    report = child.wait(CHILD_SECONDS)
    return report or Report("?", message="the child hangs")


def _write(module: Any, path: Path, opened: tuple[descriptors.OpenFile, ...], before: Any) -> Report:
    descriptors.open_again(opened)
    found = roots.find()
    own = roots.Roots((module,), found.imports)
    ambient.capture(before)
    image = ProgramImage((module,), found.imports, None, {}, ambient.facts())
    chunks = Chunks()
    encoded = encode(
        image,
        named=libraries.named(own),
        reducers=ambient.reducers(),
        sink=chunks,
        opened={file.fd: (file.path, file.offset) for file in opened},
    )
    content = {"pods": encoded.pods, "tombstones": encoded.tombstones, "chunks": dict(chunks)}
    path.write_bytes(pickle.dumps(content))
    return Report("K")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
