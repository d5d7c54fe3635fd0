"""Works with pyexpat parsers, which nothing can save, in short calls; and deep copies, which remember addresses."""

import copy
import xml.parsers.expat


class Node:
    def __init__(self, depth):
        self.children = [Node(depth - 1) for _ in range(3)] if depth else []
        self.again = list(self.children)


def count(text):
    names = []
    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: names.append(name)
    for _ in range(400):
        total = sum(i * i for i in range(300))
    parser.Parse(text, True)
    return len(names) + total


tree = Node(5)
for turn in range(160):
    made = copy.deepcopy(tree)
    same = all(a is b for a, b in zip(made.children, made.again))
    print(turn, count("<a>" + "<b/>" * turn + "</a>"), same, sum(a is b for a in made.children for b in made.again))
