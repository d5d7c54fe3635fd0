"""Work done inside list() of generators and maps, as joblib's sequential loop and genetic algorithms do it."""


def work(n):
    total = n
    for i in range(n * 300):
        total = (total * 31 + i) % 1000003
    return total


def generate(count):
    for i in range(count):
        yield work(20 + i % 30)


def nested():
    for k in range(10):
        yield sum(list(map(work, range(20, 30)))) + len(list(generate(k)))


class Decorated:
    def step(self, *args, **kwargs):
        return work(100) + sum(args)

    def call(self, *args, **kwargs):
        return type(self).step.__get__(self, type(self))(*args, **kwargs)


print(sum(list(generate(60))))
print(list(map(work, range(60)))[-3:])
print(list(nested()))
print(sum(Decorated().call(i, i, last=True) for i in range(20)))
total = 0
for value in map(work, range(60)):
    total += value
print(total)
