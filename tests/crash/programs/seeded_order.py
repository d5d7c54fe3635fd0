"""Output that depends on the hash seed itself: only the very same seed gives the uninterrupted run's lines."""

from points import point

words = [f"word{i}" for i in range(40)]
print(" ".join(set(words)))
point()
print(" ".join(set(words[:30])))
print([hash(w) % 1000 for w in words[:10]])
bag = set(words)
for i in range(3):
    print(i, bag.pop(), hash(("t", i, "u")) % 997)
    point()
print(" ".join(bag), hash(b"bytes") % 997)
