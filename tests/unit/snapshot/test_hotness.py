"""What is copied aside before the next fork, decided from what children found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forkpoint.limits import COLD_COMMITS, HOT_SHARE, STAGED_BYTES_MIN
from forkpoint.snapshot.hotness import Found, arena_size, blocks_outside, choose, merged, remember

PAGE = 4096
BIG = 1 << 20
BLOCK = 1 << 16


def test_hot_is_what_mostly_changed() -> None:
    hot, cold = Found(PAGE, BIG, HOT_SHARE), Found(PAGE + BIG, BIG, HOT_SHARE - 0.01)
    assert choose([cold, hot], 4 * BIG, PAGE, 100) == ((PAGE, BIG),)


def test_only_whole_pages_and_not_too_few() -> None:
    assert choose([Found(PAGE + 16, BIG, 1.0)], 4 * BIG, PAGE, 100) == ((2 * PAGE, BIG - PAGE),)
    assert choose([Found(PAGE + 16, STAGED_BYTES_MIN, 1.0)], BIG, PAGE, 100) == ()


def test_where_not_all_fits_what_changed_most_comes_first() -> None:
    small, large = Found(PAGE, BIG, 1.0), Found(8 * BIG, 2 * BIG, 0.6)
    assert choose([small, large], 3 * BIG, PAGE, 100) == ((PAGE, BIG), (8 * BIG, 2 * BIG))
    assert choose([small, large], 2 * BIG, PAGE, 100) == ((8 * BIG, 2 * BIG),)
    assert choose([small, large], 2 * BIG + BIG // 2 + 5, PAGE, 100) == ((PAGE, BIG // 2), (8 * BIG, 2 * BIG))
    assert choose([small, large], BIG, PAGE, 100) == ((8 * BIG, BIG),)
    assert choose([small, large], 3 * BIG, PAGE, 1) == ((8 * BIG, 2 * BIG),)


def test_blocks_that_a_buffer_reaches_into_are_left_to_it() -> None:
    runs = [(BIG, 8 * BLOCK), (4 * BIG + 1, 3 * BLOCK)]
    buffers = [Found(BIG + BLOCK - 1, 2, 0.0), Found(BIG + 3 * BLOCK, 2 * BLOCK, 0.0)]
    blocks = [BIG + at * BLOCK for at in (2, 5, 6, 7)]
    assert blocks_outside(runs, buffers, BLOCK) == [*blocks, 4 * BIG + BLOCK, 4 * BIG + 2 * BLOCK]


def test_other_memory_is_staged_while_it_changes_and_then_left_alone_for_a_while() -> None:
    hot, memory = remember({}, {}, [BLOCK])
    assert (hot, memory) == ([BLOCK], {})
    hot, memory = remember(memory, {BLOCK: 7}, [])
    assert hot == [BLOCK]  # what it was before is not known
    hot, memory = remember(memory, {BLOCK: 8}, [])
    assert hot == [BLOCK]
    hot, memory = remember(memory, {BLOCK: 8}, [])
    assert hot == []
    for _ in range(COLD_COMMITS):
        hot, memory = remember(memory, {}, [BLOCK])
        assert hot == []
    assert remember(memory, {}, [BLOCK])[0] == [BLOCK]


def test_neighbouring_blocks_become_one_range_and_few_are_not_worth_it() -> None:
    enough = STAGED_BYTES_MIN // BLOCK
    first, second = range(1, 1 + enough), range(2 + enough, 1 + 2 * enough)
    found = merged([block * BLOCK for block in (*first, *second)], BLOCK)
    assert [one.nbytes for one in found] == [STAGED_BYTES_MIN, STAGED_BYTES_MIN - BLOCK]
    assert choose(found, BIG, PAGE, 100) == ((BLOCK, STAGED_BYTES_MIN),)


FOUND = st.builds(Found, st.integers(0, 64 * BIG), st.integers(1, 4 * BIG), st.floats(0, 1))


@given(st.lists(FOUND, max_size=40), st.integers(0, 32 * BIG))
def test_ranges_ascend_without_overlap_within_the_limit(found: list[Found], limit: int) -> None:
    end = total = 0
    for address, size in choose(found, limit, PAGE, 16):
        assert address % PAGE == size % PAGE == 0
        assert address >= end
        assert any(one.address <= address and address + size <= one.address + one.nbytes for one in found)
        end, total = address + size, total + size
    assert total <= limit


def test_the_arena_is_kept_until_it_is_too_small_or_mostly_unused() -> None:
    assert arena_size(5, 8, 100, 1) == 8
    assert arena_size(16, 8, 100, 1) == 20
    assert arena_size(3, 8, 100, 1) == 3
    assert arena_size(0, 8, 100, 1) == 0
    assert arena_size(16, 8, 18, 1) == 18
    assert arena_size(5, 8, 6, 1) == 6
