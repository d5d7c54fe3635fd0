"""A text pipeline of generators over the standard library's own sources: counters, regular expressions, sorting, heaps."""

import collections
import heapq
import keyword
import os
import re
import tokenize

WORD = re.compile(r"[A-Za-z_]\w+")


def sources(times=1):
    for _ in range(times):
        yield from files()


def files():
    folder = os.path.dirname(os.__file__)
    for name in ("argparse.py", "ast.py", "dataclasses.py", "inspect.py", "pickle.py", "tarfile.py", "typing.py"):
        yield name, os.path.join(folder, name)


def lines(paths):
    for name, path in paths:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield name, number, line.rstrip("\n")


def words(rows):
    for name, number, line in rows:
        for match in WORD.finditer(line):
            text = match.group()
            del match
            yield name, number, text


totals = collections.Counter()
where = collections.defaultdict(list)
longest = []
for n, (name, number, word) in enumerate(words(lines(sources(8)))):
    totals[word] += 1
    if len(where[word]) < 3:
        where[word].append((name, number))
    if len(word) > 14:
        heapq.heappush(longest, (len(word), word))
        if len(longest) > 10:
            heapq.heappop(longest)
    if n % 20000 == 0:
        print(n, name, number, word, len(totals))
print(totals.most_common(8), sorted(longest)[-3:])
kinds = collections.Counter()
for name, path in sources():
    with open(path, "rb") as file:
        for token in tokenize.tokenize(file.readline):
            kinds[tokenize.tok_name[token.type]] += 1
            if token.type == tokenize.NAME and keyword.iskeyword(token.string):
                kinds["keyword"] += 1
    print(name, kinds["NAME"], kinds["OP"], kinds["keyword"])
print(sorted(kinds.items()), [w for w in sorted(where) if len(where[w]) == 3][:5])
