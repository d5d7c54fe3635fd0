"""Forgetting: what goes, what must stay, and that space really comes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_program import Program, content

from forkpoint import errors, limits
from forkpoint.journal import connection, known, lease, pack, packfile, retention
from forkpoint.journal.home import Home, new_id
from forkpoint.journal.reader import Reader
from forkpoint.journal.retention import Policy, forget
from forkpoint.journal.verify import verify

NOW = 1_767_225_600.0


def _ids(home: Home) -> list[str]:
    with Reader(home) as reader:
        return [point.id for point in reader.points()]


def _size(home: Home) -> int:
    return sum(Path(home.path, "packs", name[:2], name).stat().st_size for name in packfile.all_packs(home))


def test_forgetting_frees_the_space_of_what_nothing_needs(program: Program) -> None:
    ids = [program.commit([os.urandom(20_000)]) for _ in range(6)]
    before = _size(program.home)
    planned = forget(program.home, Policy(keep_last=2), dry_run=True)
    assert _ids(program.home) == ids[::-1] and _size(program.home) == before
    result = forget(program.home, Policy(keep_last=2))
    assert sorted(result.points) == sorted(ids[:4]) == sorted(planned.points)
    assert sorted(result.packs) == sorted(planned.packs) and result.bytes_freed == planned.bytes_freed
    assert _ids(program.home) == [ids[5], ids[4]]
    assert before - _size(program.home) == result.bytes_freed > 80_000
    assert verify(program.home).damages == ()


def test_a_pack_is_kept_while_a_kept_point_needs_one_chunk_of_it(program: Program) -> None:
    shared = os.urandom(500)
    program.commit([shared, os.urandom(500)])
    program.commit([os.urandom(500)])
    state = [shared, b"last"]
    # The last commit builds on the first: the middle one does not have the chunk, so it is written again.
    last = program.commit(state)
    forget(program.home, Policy(keep_last=1))
    with Reader(program.home) as reader:
        assert content(program.home, reader.plan(reader.resolve(last))) == state
    ids = [program.commit([shared, bytes([step])]) for step in range(3)]
    forget(program.home, Policy(keep_last=1))
    with Reader(program.home) as reader:
        assert [point.id for point in reader.points()] == [ids[-1]]
        plan = reader.plan(reader.resolve(ids[-1]))
        assert content(program.home, plan) == [shared, b"\x02"]
        assert len({place[0] for place in plan.chunks.values()}) == 2
    assert len(packfile.all_packs(program.home)) == 2
    assert verify(program.home).damages == ()


def test_a_reader_holds_off_deletion_but_not_forgetting(program: Program) -> None:
    state = [os.urandom(500)]
    old = program.commit(state)
    new = program.commit([os.urandom(500)])
    with Reader(program.home) as reader:
        plan = reader.plan(reader.resolve(old))
        result = forget(program.home, Policy(keep_last=1))
        assert result.points == [old] and result.packs == [] and len(result.waiting) == 1
        assert _ids(program.home) == [new]
        assert content(program.home, plan) == state
        assert forget(program.home, Policy(keep_last=1)).packs == []
    assert len(forget(program.home, Policy(keep_last=1)).packs) == 1


def test_a_reader_that_came_while_points_were_being_condemned_is_waited_for(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have read the rows before they went."""
    program.commit([os.urandom(500)])
    program.commit([os.urandom(500)])
    readers = []
    monkeypatch.setattr(
        retention.faultpoints,
        "reach",
        lambda name: readers.append(lease.acquire_reader(program.home)) if name == "forget.condemned" else None,
    )
    result = forget(program.home, Policy(keep_last=1))
    assert result.packs == [] and len(result.waiting) == 1
    lease.release_reader(program.home, readers[0])
    monkeypatch.undo()
    assert len(forget(program.home, Policy(keep_last=1)).packs) == 1


def test_a_later_reader_does_not_hold_off_deletion(program: Program) -> None:
    program.commit([os.urandom(500)])
    program.commit([os.urandom(500)])
    with Reader(program.home):
        forget(program.home, Policy(keep_last=1))
    with Reader(program.home):
        assert len(forget(program.home, Policy(keep_last=1)).packs) == 1


def test_a_condemned_pack_that_a_commit_relies_on_is_brought_back(program: Program) -> None:
    """The base is pinned, so this takes a program that stands on an older point than the newest."""
    shared = os.urandom(500)
    first = program.commit([shared])
    chunks = known.load(program.home, program.run.id, first)
    program.parent = None
    program.commit([os.urandom(10)])
    with Reader(program.home):
        assert forget(program.home, Policy(keep_last=1)).waiting == list(chunks.values())
        program.parent = first
        known.reset(program.home, program.run.id, first, chunks)
        back = program.commit([shared, b"more"])
    result = forget(program.home, Policy(keep_last=1))
    assert result.packs != list(chunks.values())
    with Reader(program.home) as reader:
        assert content(program.home, reader.plan(reader.resolve(back))) == [shared, b"more"]


def test_what_a_live_run_builds_on_is_never_forgotten(program: Program) -> None:
    first = program.commit([b"a" * 300])
    base = program.commit([b"b" * 300])
    chunks = known.load(program.home, program.run.id, base)
    newest = program.commit([b"c" * 300])
    known.reset(program.home, program.run.id, base, chunks)
    forget(program.home, Policy(keep_last=1))
    assert _ids(program.home) == [newest, base]
    program.die()
    forget(program.home, Policy(keep_last=1))
    assert _ids(program.home) == [newest]
    assert first not in _ids(program.home)


def test_the_newest_complete_point_stays_under_incomplete_ones(program: Program) -> None:
    complete = program.commit([b"a"])
    program.commit([b"b"], complete=False)
    newest = program.commit([b"c"], complete=False)
    forget(program.home, Policy(keep_last=1))
    assert _ids(program.home) == [newest, complete]
    with Reader(program.home) as reader:
        assert reader.newest_sound(program.run.id).point.id == complete
        assert [point.id for point in reader.newest_sound(program.run.id).incomplete] == [newest]


def test_each_run_keeps_its_own(program: Program) -> None:
    mine = [program.commit([bytes([step])]) for step in range(3)]
    other = Program(program.home)
    theirs = [other.commit([bytes([step])]) for step in range(3)]
    other.die()
    forget(program.home, Policy(keep_last=1), run=other.run.id)
    assert _ids(program.home) == [theirs[-1], *mine[::-1]]
    forget(program.home, Policy(keep_last=2))
    assert _ids(program.home) == [theirs[-1], *mine[:0:-1]]


def test_retention_while_running_keeps_the_last_and_the_labelled(program: Program) -> None:
    labelled = program.commit([b"labelled"], label="keep me")
    ids = []
    for step in range(6):
        point, report = program.commit_in_child([os.urandom(1000), bytes([step])], keep_last=2)
        assert report.status == "K"
        ids.append(point)
    assert _ids(program.home) == [ids[-1], ids[-2], labelled]
    assert len(packfile.all_packs(program.home)) == 3
    assert verify(program.home).damages == ()


def test_gaps_in_the_chain_stay_few_and_cover_what_was_forgotten(program: Program) -> None:
    for step in range(12):
        program.commit([bytes([step])], label="keep" if step % 5 == 0 else None)
        forget(program.home, Policy(keep_last=2, keep_labelled=True))
    with Reader(program.home) as reader:
        assert [(first, last) for first, last, _ in reader.gaps] == [(2, 5), (7, 10)]
        assert [point.number for point in reader.points()] == [12, 11, 6, 1]
    assert verify(program.home).damages == ()
    with program.home.writer_lock():
        db = connection.open_writer(program.home)
        db.execute("UPDATE gap SET last = 11")
        db.close()
    assert verify(program.home).damages


def test_nothing_is_forgotten_on_a_journal_that_cannot_be_believed(program: Program) -> None:
    for step in range(3):
        program.commit([bytes([step])])
    with program.home.writer_lock():
        db = connection.open_writer(program.home)
        db.execute("UPDATE point SET packs = '' WHERE number = 3")
        db.close()
    with pytest.raises(errors.IntegrityError, match="nothing was forgotten"):
        forget(program.home, Policy(keep_last=1))
    assert len(packfile.all_packs(program.home)) == 3


def test_a_forged_plan_deletes_nothing(program: Program) -> None:
    program.commit([b"data"])
    (name,) = packfile.all_packs(program.home)
    with program.home.writer_lock():
        db = connection.open_writer(program.home)
        db.execute("INSERT INTO plan VALUES (?, 3, ?, '', ?)", (new_id(), name, bytes(32)))
        db.execute("DELETE FROM pack")
        db.close()
    with pytest.raises(errors.IntegrityError, match="nothing was deleted"):
        forget(program.home, Policy(keep_last=1))
    assert packfile.all_packs(program.home) == [name]


def test_unfinished_packs_are_swept_when_their_run_is_gone_and_not_before(program: Program) -> None:
    program.commit([b"x"])
    sink = pack.PackWriter(program.home, program.run, new_id(), {})
    info, _ = program.write_pack([b"never committed"], new_id())
    forget(program.home, Policy(keep_last=1))
    assert len(os.listdir(Path(program.home.path, "tmp"))) == 1
    assert info.pack in packfile.all_packs(program.home)
    program.die()
    result = forget(program.home, Policy(keep_last=1))
    assert info.pack in result.swept and len(result.swept) == 2
    sink.abandon()
    assert len(packfile.all_packs(program.home)) == 1
    assert [name for name in os.listdir(Path(program.home.path, "leases")) if ".known." in name] == []


def test_no_policy_forgets_a_runs_newest_point() -> None:
    with pytest.raises(errors.UsageError):
        Policy(keep_last=0)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.booleans(), st.integers(0, 90_000)), max_size=12),
    st.integers(1, 4), st.integers(0, 80_000), st.integers(0, 30), st.booleans(),
)  # fmt: skip
def test_choosing_keeps_what_it_says(
    shape: list[tuple[str, bool, bool, int]], keep: int, within: int, hours: int, labelled: bool
) -> None:
    import datetime

    rows = [
        {"number": n, "id": str(n), "run": run, "complete": complete, "label": "x" if label else None,
         "created_at": datetime.datetime.fromtimestamp(NOW - age, datetime.UTC).isoformat()}
        for n, (run, complete, label, age) in enumerate(shape)
    ]  # fmt: skip
    policy = Policy(keep, within, hours, labelled)
    going = {row["id"] for row in retention.choose(rows, policy, {"3"}, NOW)}
    assert "3" not in going
    for name in "ab":
        mine = [row for row in rows if row["run"] == name][::-1]
        staying = [row for row in mine if row["id"] not in going]
        assert staying[:keep] == mine[:keep]
        assert any(row["complete"] for row in staying) == any(row["complete"] for row in mine)
        assert all(row["label"] is None for row in mine if row["id"] in going) or not labelled
    ages = {row["id"]: age for row, (_, _, _, age) in zip(rows, shape, strict=True)}
    assert not within or all(ages[id] > within for id in going)


def test_a_nearly_full_disk_keeps_two_and_labelled_ones(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = program.commit([os.urandom(100)], label="kept")
    points = [program.commit([os.urandom(100)]) for _ in range(4)]
    with program.home.writer_lock():
        db = connection.open_writer(program.home)
        try:
            retention.after_commit(db, program.home, program.run.id, 5)
            assert db.execute("SELECT COUNT(*) FROM point").fetchone()[0] == 5
            monkeypatch.setattr(limits, "FREE_BYTES_MIN", 1 << 62)
            retention.after_commit(db, program.home, program.run.id, 5)
        finally:
            db.close()
    assert set(_ids(program.home)) == {labelled, *points[-2:]}


@pytest.mark.parametrize("policy", [Policy(1), Policy(1, keep_hours=24), Policy(1, 60.0)])
def test_a_clock_that_has_gone_back_keeps_by_age_where_a_rule_goes_by_age_only(policy: Policy) -> None:
    import datetime

    later = datetime.datetime.fromtimestamp(NOW + 7200, datetime.UTC).isoformat()
    rows = [
        {"number": n, "id": str(n), "run": "a", "complete": True, "label": None, "created_at": later} for n in range(4)
    ]
    going = [row["id"] for row in retention.choose(rows, policy, set(), NOW)]
    kept = 4 if policy.keep_within_seconds else 1
    assert sorted(going) == [str(n) for n in range(4 - kept)]


def test_a_pack_whose_name_is_damaged_in_the_journal_stops_nobody_from_forgetting(program: Program) -> None:
    ids = [program.commit([os.urandom(500)]) for _ in range(3)]
    db = connection.open_writer(program.home)
    with connection.transaction(db):
        db.execute("UPDATE pack SET id = CAST(X'C7' || substr(id, 2) AS TEXT) WHERE id = (SELECT min(id) FROM pack)")
    db.close()
    forget(program.home, Policy(keep_last=1))
    assert _ids(program.home) == [ids[-1]]
    assert verify(program.home).damages == ()
