"""Hot code: every call shape has run often enough to be specialised and inlined when the commit point comes."""

from points import point

N = 60
AT = 57


def commit(i):
    if i == AT:
        point()


class A:
    def __init__(self, i):
        self.i = i
        commit(i)

    @property
    def double(self):
        commit(self.i)
        return self.i * 2

    def __getitem__(self, k):
        commit(self.i)
        return k + self.i

    def __add__(self, other):
        commit(self.i)
        return self.i + other

    def __lt__(self, other):
        commit(self.i)
        return self.i < 30

    def keyword(self, *, k=1):
        commit(self.i)
        return k

    @classmethod
    def of(cls, i):
        commit(i)
        return i

    @staticmethod
    def static(i):
        commit(i)
        return i

    def __call__(self, i):
        commit(i)
        return i


class B(A):
    def __init__(self, i):
        super().__init__(i)
        self.j = i

    def keyword(self, *, k=2):
        return super().keyword(k=k) + 1


class Meta(type):
    def __call__(cls, *args):
        return super().__call__(*args)


class C(metaclass=Meta):
    def __init__(self, i):
        commit(i)
        self.i = i


def star(*args, **kwargs):
    commit(args[0])
    return args, sorted(kwargs)


def step(i):
    a, b = A(i), B(i)
    out = [a.double, a[3], a + 1, a < 3, a.keyword(), a.keyword(k=4), a.of(i), a.static(i), b.keyword(), a(i)]
    out += [C(i).i, star(*[i, 2], **{"q": 1}), star(i, w=2)]
    return out


for i in range(N):
    result = step(i)
    if i in (0, AT):
        print(i, result)
print("done", result[0])
