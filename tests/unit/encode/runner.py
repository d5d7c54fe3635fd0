"""Run as a program: `save CASES STORE` builds each case in a module of its own and encodes them all;
`again CASES STORE` decodes them in a new interpreter and encodes what came back, in place of what was there;
`load CASES STORE` decodes in this new interpreter and runs each case's check. Results go to stdout as JSON."""

from __future__ import annotations

import json
import sys
import traceback
import types
from pathlib import Path
from typing import Any

from forkpoint.capture import libraries, roots
from forkpoint.encode.pickler import encode
from forkpoint.encode.unpickler import decode, decode_preamble
from forkpoint.model import ProgramImage

sys.path.insert(0, str(Path(__file__).parent))
from memory_store import MemoryStore  # noqa: E402


def module_name(index: int) -> str:
    return f"case{index}"


def save(cases: list[dict[str, str]], store_path: Path) -> dict[str, str]:
    results = {}
    modules: list[Any] = []
    for index, case in enumerate(cases):
        module = types.ModuleType(module_name(index))
        sys.modules[module.__name__] = module
        try:
            exec(compile(case["build"], f"<{case['name']}>", "exec", dont_inherit=True), module.__dict__)
            modules.append(module)
            results[case["name"]] = ""
        except Exception:
            results[case["name"]] = traceback.format_exc()
    results["tombstones"] = store_all(modules, store_path)
    return results


def store_all(modules: list[Any], store_path: Path) -> str:
    """Encode the modules; the tombstones, as JSON."""
    found = roots.find()
    image = ProgramImage(modules, [name for name in found.imports if name not in ("runner",)], None, {})
    named = libraries.named(roots.Roots(tuple(modules), found.imports))
    store = MemoryStore()
    encoded = encode(image, named=named, reducers={}, sink=store)
    store.save(store_path, encoded)
    return json.dumps([[t.path, t.type, t.reason] for t in encoded.tombstones])


def again(store_path: Path) -> dict[str, str]:
    decode_all(store_path)
    modules = [
        module for name, module in sys.modules.items() if name.startswith(module_name("")) and name[4:].isdigit()
    ]
    return {"tombstones": store_all(modules, store_path)}


def decode_all(store_path: Path) -> None:
    encoded, store = MemoryStore.load(store_path)
    preamble = decode_preamble(encoded.pods, store)
    for facts in preamble.modules:
        sys.modules[facts.name] = types.ModuleType(facts.name)
    decode(encoded.pods, store)


def load(cases: list[dict[str, str]], store_path: Path) -> dict[str, str]:
    decode_all(store_path)
    results = {}
    for index, case in enumerate(cases):
        namespace = sys.modules.get(module_name(index))
        try:
            assert namespace is not None, "not built"
            exec(compile(case["check"], f"<check {case['name']}>", "exec", dont_inherit=True), namespace.__dict__)
            results[case["name"]] = ""
        except Exception:
            results[case["name"]] = traceback.format_exc()
    return results


def main() -> None:
    action, cases_path, store_path = sys.argv[1:]
    cases = json.loads(Path(cases_path).read_text())
    store = Path(store_path)
    results = save(cases, store) if action == "save" else again(store) if action == "again" else load(cases, store)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
