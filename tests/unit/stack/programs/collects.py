"""list() of generators and maps with checkpoints inside: what it had collected before comes back with the rest."""
from ckapi import checkpoint
def squares(count):
    for i in range(count):
        checkpoint()
        yield i * i
def step(x):
    checkpoint()
    if x > 6:
        raise StopIteration
    return x + 0.5
def nested(count):
    for i in range(count):
        yield list(map(step, range(i)))
def broken():
    yield 1
    checkpoint()
    raise KeyError("inside")
print(list(squares(3)), list(map(step, (1, 2, 3))))
print(list(map(step, range(9))))
print(list(nested(4)), list(map(step, (i for i in range(2)))))
try:
    list(broken())
except KeyError as error:
    print(repr(error), error.__traceback__.tb_next.tb_lineno)
total = 0
for value in map(step, range(4)):
    checkpoint()
    total += value
print(total, sum(list(squares(2))))
