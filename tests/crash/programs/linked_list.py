"""A linked list of 100,000 nodes, a doubly linked ring and nested containers, with cursors into the middle."""

from points import point


class Node:
    def __init__(self, value, rest=None):
        self.value = value
        self.next = rest


head = None
for i in range(100_000):
    head = Node(i, head)
middle = head
for _ in range(50_000):
    middle = middle.next
tuples = ()
for i in range(20_000):
    tuples = (i, tuples)
ring = None
first = last = {"n": 0}
for i in range(1, 30_000):
    new = {"n": i, "previous": last}
    last["next"] = new
    last = new
last["next"] = first
first["previous"] = last


def walk(node):
    total = length = 0
    while node is not None:
        total += node.value * (length % 7)
        length += 1
        if length == 60_000:
            point()
        node = node.next
    return total, length


print("walk", walk(head))
point()
middle.value = -1
cursor = head
for _ in range(50_000):
    cursor = cursor.next
print("same node", cursor is middle, cursor.value)
depth = 0
while tuples:
    n, tuples = tuples
    depth += 1
    if depth == 10_000:
        point()
print("depth", depth, n)
count, at = 0, first
while True:
    at = at["next"]
    count += 1
    if at is first:
        break
print("ring", count, first["previous"] is last)
point()
print("walk", walk(head))
