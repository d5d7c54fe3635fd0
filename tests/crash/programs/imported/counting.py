"""Its loop is the module's own code."""

from points import point

total = 0
for number in range(4):
    total += number
    print(__name__, number)
    if number == 2:
        point()
