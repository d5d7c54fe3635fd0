"""Hash order: sets keep their iteration order, and strings their hash, whatever the interpreter's seed was."""

from points import point

words = "the quick brown fox jumps over the lazy dog while seven wizards box with jugs of liquor".split()
letters = set("".join(words))
bag = set()
for word in words:
    bag.add(word)
for word in words[::3]:
    bag.discard(word)
grown = {f"key{i}" for i in range(200)}
for i in range(0, 200, 3):
    grown.discard(f"key{i}")
frozen = frozenset(words)
mixed = {1, "one", 2.5, (1, "t"), frozenset({"in"}), True, b"b"}
before = (list(letters), list(bag), list(grown), list(frozen), list(mixed))
hashes = [hash(w) for w in words]


class Thing:
    def __init__(self, name):
        self.name = name

    def __hash__(self):
        return len(self.name) % 3

    def __eq__(self, other):
        return self.name == other.name


things = {Thing(w) for w in words}
order = [t.name for t in things]
things_by = {t: t.name for t in things}


def check(label):
    now = (list(letters), list(bag), list(grown), list(frozen), list(mixed))
    print(label, [a == b for a, b in zip(before, now)], hashes == [hash(w) for w in words])
    print(label, [t.name for t in things] == order, things_by[Thing("fox")], Thing("dog") in things, Thing("cat") in things)


check("start")
point()
check("after one")
bag.update(["added", "later"])
before = (list(letters), list(bag), list(grown), list(frozen), list(mixed))
seen = []
for word in bag:
    seen.append(word)
    if len(seen) in (2, 5):
        point()
print("walked all", sorted(seen) == sorted(bag), len(seen) == len(bag), seen == list(bag))
left = iter(grown)
head = [next(left) for _ in range(30)]
point()
print("whole", head + list(left) == list(grown), len(grown))
while len(grown) > 128:
    grown.pop()
    if len(grown) == 130:
        point()
print("popped", len(grown), [w for w in before[2] if w in grown] == list(grown))
check("end")
print(sorted(letters | set("XYZ")), sum(hashes) == sum(map(hash, words)))
