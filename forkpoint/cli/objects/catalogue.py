"""Cases: which objects are tried, how each is made, and what using it shows.

A file of `cases/` is about one library. It begins with what every case of it runs first (imports, data); a line
`needs: a, b` names what must be installed. Then, for each object:

    ### name
    code that makes `obj`
    --- use
    code that uses `obj`, and says in `result` what came of it

A line `lost: reason` after the name says that the object is known not to be saved, and why; `changes: reason` that
saving it twice gives other bytes; `differs: reason` that it comes back working, but with other attributes.
Above the first object, such a line is about all of them.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "cases"


@dataclass(frozen=True, slots=True)
class Case:
    """One object. `lost`, `changes` and `differs` are reasons; empty: it is saved, and equal each time."""

    library: str
    name: str
    build: str
    use: str
    lost: str
    changes: str
    differs: str


def libraries() -> list[str]:
    """All libraries there are cases for, the standard library first."""
    names = sorted(path.stem for path in FOLDER.glob("*.txt"))
    return sorted(names, key=lambda name: not name.startswith("standard"))


def missing(library: str) -> list[str]:
    """What a library's cases need that is not installed here."""
    needs = _field(_head(library), "needs")
    return [name for name in re.split(r",\s*", needs) if name and importlib.util.find_spec(name) is None]


def cases(library: str) -> list[Case]:
    """The cases of one library, in the file's order."""
    return list(_parse(library))


def _head(library: str) -> str:
    return (FOLDER / f"{library}.txt").read_text().split("### ")[0]


def _parse(library: str) -> Iterator[Case]:
    whole = _head(library)
    head = _without_fields(whole)
    for block in (FOLDER / f"{library}.txt").read_text().split("### ")[1:]:
        name, _, rest = block.partition("\n")
        build, _, use = rest.partition("--- use\n")
        reasons = {field: _field(block, field) or _field(whole, field) for field in ("lost", "changes", "differs")}
        yield Case(library, name.strip(), head + _without_fields(build), _without_fields(use), **reasons)


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def _without_fields(text: str) -> str:
    return re.sub(r"^(needs|lost|changes|differs): .*\n", "", text, flags=re.MULTILINE)
