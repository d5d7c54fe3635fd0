"""Strings: interned ones are the process's own again, others stay as separate or as shared as they were."""

from __future__ import annotations

import pickle
import sys
from typing import Any

from test_encode import World


def again(**values: Any) -> Any:
    world = World("")
    vars(world.module).update(values)
    return world.again()


def test_a_key_written_in_the_source_is_the_constant_again() -> None:
    restored = again(rows=[{"name": 1}, {"name": 2}])
    keys = [next(iter(row)) for row in restored.rows]
    assert keys[0] is keys[1] is sys.intern(str(b"name", "ascii"))


def test_what_is_pickled_afterwards_has_the_bytes_of_a_run_never_killed() -> None:
    rows = [{"name": 1, "value": "name"}]
    restored = again(rows=list(rows)).rows
    for each in (rows, restored):
        each.append({"name": 2, "value": "x"})
    assert pickle.dumps(restored) == pickle.dumps(rows)


def test_equal_strings_made_while_running_stay_apart() -> None:
    words = "name other name".split()
    restored = again(words=words, alias=words[0])
    assert restored.words == words
    assert restored.words[0] is not restored.words[2]
    assert restored.words[0] is restored.alias
    assert restored.words[0] is not sys.intern("name")


def test_any_text_may_be_interned() -> None:
    texts = [sys.intern(text) for text in ("\N{GREEK SMALL LETTER LAMDA}", "a\ud800b", "with a space", "", "a")]
    restored = again(texts=texts)
    assert restored.texts == texts
    assert [one is other for one, other in zip(restored.texts, texts, strict=True)] == [True] * len(texts)
