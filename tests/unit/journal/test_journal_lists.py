"""Pods of many chunks: their ids lie in lists that are stored once, found again, and missed when they are damaged."""

from __future__ import annotations

import os
from pathlib import Path

from journal_program import Program, content

from forkpoint.journal import known, record
from forkpoint.journal.packfile import PackFile
from forkpoint.journal.points import Point
from forkpoint.journal.reader import Reader
from forkpoint.journal.verify import verify

STATE = [number.to_bytes(4, "little") * 20 for number in range(1500)]
CHANGED = [*STATE[:700], b"another" * 10, *STATE[701:]]


def _point(program: Program, id: str) -> Point:
    with Reader(program.home) as reader:
        return next(point for point in reader.points() if point.id == id)


def _lists(program: Program, point: Point) -> list[int]:
    """Offsets of the lists in a point's own pack."""
    with PackFile(program.home, point.pack) as file:
        return [offset for offset, _, type in file.entries().values() if type == record.OBJECTS]


def test_what_did_not_change_is_not_listed_again(program: Program) -> None:
    first, second = program.commit(STATE), program.commit(CHANGED)
    small = _point(program, second)
    assert len(_lists(program, _point(program, first))) == 6
    assert len(_lists(program, small)) == 1
    assert small.bytes_new < 256 * 32 + 4000
    with Reader(program.home) as reader:
        for id, state in ((first, STATE), (second, CHANGED)):
            assert content(program.home, reader.plan(_point(program, id))) == state
    assert verify(program.home).damages == ()


def test_a_run_that_was_restored_goes_on_listing(program: Program) -> None:
    first = program.commit(STATE)
    with Reader(program.home) as reader:
        plan = reader.plan(_point(program, first))
    known.reset(program.home, program.run.id, first, plan.packs_by_chunk())
    second = program.commit(CHANGED)
    with Reader(program.home) as reader:
        assert content(program.home, reader.plan(_point(program, second))) == CHANGED


def test_a_damaged_list_is_noticed_and_the_point_before_taken(program: Program) -> None:
    first, second = program.commit(STATE), program.commit(CHANGED)
    point = _point(program, second)
    path = Path(program.home.path, "packs", point.pack[:2], point.pack)
    whole = bytearray(path.read_bytes())
    whole[_lists(program, point)[0] + record.HEAD_BYTES] ^= 1
    path.write_bytes(whole)
    with Reader(program.home) as reader:
        assert reader.newest_sound(program.run.id).point.id == first
    assert {id for damage in verify(program.home).damages for id in damage.points} == {second}


def test_a_lost_journal_is_rebuilt_though_lists_lie_in_other_packs(program: Program) -> None:
    program.commit(STATE)
    second = program.commit(CHANGED)
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        Path(program.home.path, name).unlink(missing_ok=True)
    third = program.commit([*CHANGED, os.urandom(30)])
    with Reader(program.home) as reader:
        assert {second, third} <= {point.id for point in reader.points()}
        assert content(program.home, reader.plan(_point(program, second))) == CHANGED
