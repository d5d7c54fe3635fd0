"""A stream without frames is read as the one with frames is, and a change in it moves nothing of what comes after."""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore

from forkpoint.encode.pods import StreamWriter
from forkpoint.encode.unframed import Unframed

LARGE = 64 << 10
LIKE_A_FRAME = b"\x95" + (LARGE - 9).to_bytes(8, "little") + bytes(LARGE - 9)
"""A payload that looks like what is left out."""


def written(*values: Any) -> bytes:
    """Several dumps of one pickler, as one stream."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(Unframed(stream.write), protocol=5)
    for value in values:
        pickler.dump(value)
    return stream.getvalue()


def read(stream: bytes, count: int) -> list[Any]:
    unpickler = pickle.Unpickler(io.BufferedReader(io.BytesIO(stream)))  # type: ignore[arg-type]
    found = [unpickler.load() for _ in range(count)]
    assert unpickler.memo is not None
    return found


def test_there_are_no_frames_in_it() -> None:
    values = [list(range(100_000)), {"text": "x" * LARGE, "bytes": LIKE_A_FRAME}, None, [f"{n}" for n in range(50_000)]]
    stream = written(*values)
    assert read(stream, len(values)) == values
    framed = b"".join(pickle.dumps(value, 5) for value in values)
    assert len(stream) < len(framed)
    at = io.BytesIO(stream)
    for _ in values:
        assert all(opcode.name != "FRAME" for opcode, _, _ in pickletools.genops(at))


def test_payloads_stay_as_they_are_whatever_they_look_like() -> None:
    values = [
        LIKE_A_FRAME,
        bytearray(LIKE_A_FRAME),
        [b"", LIKE_A_FRAME, LIKE_A_FRAME + b"."],
        b"." * LARGE,
        "é" * LARGE,
    ]
    values += [1, b"\x80\x05" + LIKE_A_FRAME, None, [0, LIKE_A_FRAME]]
    assert read(written(*values), len(values)) == values


PARTS = st.one_of(
    st.integers(),
    st.text(max_size=20),
    st.sampled_from([b"\x95" * (LARGE - 1), b"\x95" * LARGE, LIKE_A_FRAME, "x" * (LARGE + 1), bytearray(LARGE)]),
    st.integers(1, 30_000).map(lambda count: ["ab"] * count),
)


@given(st.lists(st.lists(PARTS, max_size=5), max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_stream_is_read_as_it_was_written(values: list[Any]) -> None:
    assert read(written(*values), len(values)) == values


def test_a_longer_string_at_the_beginning_leaves_the_chunks_after_it() -> None:
    def stored(first: str) -> set[bytes]:
        store = MemoryStore()
        stream = StreamWriter("objects", store)
        rows = [{"id": number, "name": f"row {number}"} for number in range(60_000)]
        pickle.Pickler(Unframed(stream.write), protocol=5).dump([first, rows])
        return set(stream.finish().chunks)

    before, after = stored("a"), stored("a little longer")
    assert len(before) > 8 and len(after - before) <= 2
