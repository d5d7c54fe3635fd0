"""Eight queens and sudoku by backtracking: recursion, sets, exceptions as control flow, generators of solutions."""

import sys


class Dead(Exception):
    pass


def queens(n, row=0, columns=frozenset(), up=frozenset(), down=frozenset()):
    if row == n:
        yield ()
        return
    for c in range(n):
        if c in columns or row + c in up or row - c in down:
            continue
        for rest in queens(n, row + 1, columns | {c}, up | {row + c}, down | {row - c}):
            yield (c, *rest)


def candidates(grid, cell):
    r, c = divmod(cell, 9)
    used = {grid[r * 9 + k] for k in range(9)} | {grid[k * 9 + c] for k in range(9)}
    br, bc = r // 3 * 3, c // 3 * 3
    used |= {grid[(br + i) * 9 + bc + j] for i in range(3) for j in range(3)}
    return [v for v in range(1, 10) if v not in used]


tries = 0


def solve(grid):
    global tries
    best, choice = None, None
    for cell in range(81):
        if grid[cell]:
            continue
        found = candidates(grid, cell)
        if not found:
            raise Dead(cell)
        if best is None or len(found) < len(best):
            best, choice = found, cell
    if choice is None:
        return grid
    for value in best:
        tries += 1
        if tries % 400 == 0:
            print("try", tries, choice, value)
        try:
            return solve([*grid[:choice], value, *grid[choice + 1 :]])
        except Dead:
            continue
    raise Dead(choice)


count = 0
for solution in queens(9):
    count += 1
    if count % 8 == 0:
        print(count, solution)
print("solutions", count)
PUZZLES = (
    "4.....8.5.3..........7......2.....6.....8.4......1.......6.3.7.5..2.....1.4......",
    "52...6.........7.13...........4..8..6......5...........418.........3..2...87.....",
)
for puzzle in PUZZLES * 6:
    try:
        solved = solve([0 if ch == "." else int(ch) for ch in puzzle])
        print("".join(map(str, solved)), tries)
    except Dead as dead:
        print("no solution", dead)
sys.exit(count % 50)
