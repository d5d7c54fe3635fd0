"""Every itertools object half consumed across a commit point, several of them sharing one source."""

import itertools

from points import point

source = iter(range(100))
alive = {
    "count": itertools.count(5, 3),
    "count float": itertools.count(0.5),
    "cycle": itertools.cycle("abc"),
    "repeat": itertools.repeat("r", 4),
    "chain": itertools.chain([1, 2], (3, 4), "x"),
    "from_iterable": itertools.chain.from_iterable(iter([[1, 2], [3]])),
    "islice": itertools.islice(source, 2, 12, 3),
    "accumulate": itertools.accumulate([1, 2, 3, 4], initial=10),
    "takewhile": itertools.takewhile(lambda n: n < 4, iter([1, 2, 3, 4, 5])),
    "dropwhile": itertools.dropwhile(lambda n: n < 3, iter([1, 2, 3, 1])),
    "filterfalse": itertools.filterfalse(None, [0, 1, "", 2, ()]),
    "starmap": itertools.starmap(pow, [(2, 3), (3, 2), (10, 1)]),
    "compress": itertools.compress("abcdef", [1, 0, 1, 1, 0, 1]),
    "product": itertools.product("ab", range(2), repeat=1),
    "permutations": itertools.permutations("abc", 2),
    "combinations": itertools.combinations(range(4), 2),
    "with replacement": itertools.combinations_with_replacement("ab", 2),
    "zip_longest": itertools.zip_longest("abc", [1], fillvalue="-"),
    "pairwise": itertools.pairwise([1, 4, 9, 16]),
}
first, second, third = itertools.tee(itertools.islice(source, 5), 3)
groups = itertools.groupby("aabbbcca")
for name, iterator in alive.items():
    print("first", name, next(iterator))
print("tee", next(first), next(first), next(second))
key, group = next(groups)
print("group", key, next(group))
point()
print("same source", next(source), next(alive["islice"]))
print("group", list(group), [(k, list(g)) for k, g in itertools.islice(groups, 1)])
print("tee", list(first), next(second))
point()
for name, iterator in alive.items():
    print("rest", name, list(itertools.islice(iterator, 6)))
print("tee", list(second), list(third), [(k, len(list(g))) for k, g in groups], next(source))


def rounds(players):
    ring = itertools.cycle(players)
    for turn in itertools.count(1):
        name = next(ring)
        if turn == 4:
            point()
        yield turn, name
        if turn == 6:
            return


for turn, name in rounds(["ann", "bob"]):
    print("turn", turn, name)
for a, b in itertools.product(range(2), "xy"):
    if (a, b) == (1, "x"):
        point()
    print("product", a, b)
