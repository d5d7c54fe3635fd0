"""Every way in which one Python function comes to run another: says whether a checkpoint can be taken there (on stderr
also why not) and takes it if so."""
from ckapi import checkpoint, try_checkpoint
import functools, contextlib, sys
def ck(name):
    said = try_checkpoint()
    print(name, "taken" if said == "taken" else "refused")
    print(f"{name}: {said}", file=sys.stderr)
    if said == "taken":
        checkpoint()
class M(type):
    def __call__(cls, *a, **k): return super().__call__(*a, **k)
class S(metaclass=M):
    def __init__(self, n): ck('metaclass super call')
S(1)
class Single(type):
    inst = {}
    def __call__(cls, *a):
        if cls not in cls.inst: cls.inst[cls] = super().__call__(*a)
        return cls.inst[cls]
class SS(metaclass=Single):
    def __init__(self): ck('singleton')
SS()
class A:
    def m(self, *a, **k): ck('method')
    def ex(self): return self.m(*[1], **{'z': 2})
    def __call__(self, x=None): ck('__call__')
    def run(self): self.cb(3); self.cbs[0](3); self.t['k'](4); self.p(5)
    @functools.cached_property
    def cp(self): ck('cached_property'); return 1
    def __enter__(self): ck('enter'); return self
    def __exit__(self, *a): ck('exit'); return True
    def __contains__(self, x): ck('contains'); return True
    def __bool__(self): ck('bool'); return True
    def __hash__(self): ck('hash'); return 1
    def __iter__(self): ck('iter'); return iter([1,2])
    def __getitem__(self, i): ck('getitem'); return i
    def __setattr__(self, k, v): ck('setattr') if k == 'q' else None; object.__setattr__(self, k, v)
    def __format__(self, s): ck('format'); return 'x'
    def __str__(self): ck('str'); return 'x'
    def __del__(self): ck('del')
    def __lt__(self, o): ck('lt'); return True
    def __class_getitem__(cls, k): ck('class_getitem'); return cls
    @property
    def pr(self): ck('property'); return 1
    @pr.setter
    def pr(self, v): ck('setter')
a = A(); a.ex(); a(1); a.cb = A(); a.cbs = [a.cb]; a.t = {'k': functools.partial(lambda x, y: ck('partial in dict'), 1)}
a.p = functools.partial(lambda x, y: ck('partial attr'), 1)
a.run(); a.cp; a.pr; a.pr = 2; a.q = 1
with a: pass
with a: raise KeyError
1 in a
if a: pass
{a: 1}
for x in a: pass
a[3]; f'{a}'; str(a); print(a); A[int]; a < 3
p1, p2 = a
[*a]; list(a); A().__lt__(2)
def tmp(): A()
tmp()
sorted([3, 1], key=lambda x: (ck('sort key'), x)[1])
list(map(lambda x: ck('map'), [1]))
list(ck('list(gen)') for _ in range(1))
for _ in map(lambda x: ck('for map'), [1]): pass
again = lambda x: ck('map of map')
list(map(again, map(again, [1])))
list(map(list, [(ck('map of lists') for _ in [1])]))
class Bound:
    def step(self, *a): ck('got bound')
    def run(self, *args, **kwargs): Bound.step.__get__(self)(*args, **kwargs)
Bound().run(1, 2)
sum(len(str(ck('sum gen'))) for _ in [1])
any((ck('any'),) for _ in [1])
for i, x in enumerate(ck('enumerate(gen)') for _ in [1]): pass
for i, x in zip((ck('zip(gen)') for _ in [1]), [1]): pass
for i, x in zip([1], (ck('second of zip') for _ in [1])): pass
twice = (ck('next of zip') for _ in [1])
for i, x in zip(twice, map(next, [twice])): pass
class H:
    def __hash__(self): ck('hash in set'); return 1
    def __radd__(self, o): ck('add in sum'); return 1
    def __lt__(self, o): ck('less in sorted'); return True
class Same:
    def __add__(self, o): ck('f and add in sum' if o is not two else 'f of map'); return self
one, two = Same(), Same()
sum(map(Same.__add__, [one, one], [two, two]), one)
set(H() for _ in [1]); sum(H() for _ in [1]); sorted(H() for _ in [1, 2])
for x in filter(lambda x: ck('predicate'), [1]): pass
@functools.lru_cache
def cached(): ck('lru_cache')
cached()
@functools.cache
def cached2(n): ck('cache2'); return 1
functools.partial(cached2, 1)()
def cls():
    class K:
        ck('class body')
cls()
class N:
    def __new__(cls): ck('__new__'); return object.__new__(cls)
N()
class Meta(type):
    def __new__(m, *a): ck('meta __new__'); return type.__new__(m, *a)
    def __init__(c, *a): ck('meta __init__')
class K(metaclass=Meta): pass
class Sub:
    def __init_subclass__(cls, **k): ck('init_subclass')
class Sub2(Sub): pass
class D:
    def __set_name__(self, o, n): ck('set_name')
    def __get__(self, o, t): ck('descr get'); return 1
    def __set__(self, o, v): ck('descr set')
    def __delete__(self, o): ck('descr delete')
class E: d = D()
E().d; e = E(); e.d = 1; del e.d
class GA:
    def __getattr__(self, n): ck('getattr'); return 1
GA().zz
g = GA(); getattr(g, 'yy'); getattr(g, 'yy', None); hasattr(g, 'u')
class GI:
    def __getattribute__(self, n): ck('getattribute'); return 1
GI().x; GI().x()if 0 else None
class Mi(dict):
    def __missing__(self, k): ck('missing'); return 1
Mi()['x']
from collections import defaultdict
defaultdict(lambda: ck('default_factory'))['k']
def gen():
    try: ck('gen'); yield 1; ck('gen2'); yield 2
    finally: ck('gen finally')
it = gen(); next(it); next(it, None); next(it, 5); it = gen(); it.send(None); it.close()
it = gen(); next(it)
try: it.throw(KeyError)
except KeyError: pass
it = gen(); next(it); del it
def dropped(): i = gen(); next(i)
dropped()
f = gen(); next(f); print([z for z in f][:0])
next(gen())
@contextlib.contextmanager
def cm(): ck('cm in'); yield; ck('cm out')
with cm(): ck('in with cm')
@cm()
def deco(): ck('contextdecorator')
deco()
with contextlib.ExitStack() as st: st.enter_context(cm()); ck('exitstack')
exec('ck("exec")', globals()); eval('ck("eval")', globals()); exec('ck("exec locals")', globals(), {})
def ff(n):
    if n: return ff(n - 1)
    ck('recursion')
ff(3)
import signal, os
signal.signal(signal.SIGUSR1, lambda *a: ck('signal'))
os.kill(os.getpid(), signal.SIGUSR1); 
import weakref
class W: pass
w = W(); r = weakref.ref(w, lambda r: ck('weakref cb')); del w
async def co(): ck('coro'); await co2()
async def co2(): ck('coro2')
c = co()
try: c.send(None)
except StopIteration: pass
import asyncio
async def task(): ck('asyncio')
asyncio.run(task())
async def ag():
    ck('async gen'); yield 1
async def uses():
    async for x in ag(): ck('async for body')
u = uses()
try: u.send(None)
except StopIteration: pass
match a:
    case A(pr=1): pass
class Cmp:
    def __eq__(self, o): ck('eq'); return False
    def __radd__(self, o): ck('radd'); return 1
    def __iadd__(self, o): ck('iadd'); return self
    def __matmul__(self, o): ck('matmul'); return 1
    def __neg__(self): ck('neg')
    def __len__(self): ck('len'); return 1
    def __setitem__(self, k, v): ck('setitem')
    def __delitem__(self, k): ck('delitem')
    def __next__(self): ck('__next__'); raise StopIteration
    def __iter__(self): return self
c = Cmp(); c != 1; c == 1; 1 + c; c @ 1; -c; len(c); c[1] = 2; del c[1]
c += 1
c[1:2] = 3
for q in c: pass
next(c, None)
try: next(c)
except StopIteration: pass
from dataclasses import dataclass
@dataclass
class DC:
    x: int
    def __post_init__(self): ck('post_init')
DC(1)
class Ex(Exception):
    def __init__(self, a): ck('exc init'); super().__init__(a)
try: raise Ex(1)
except Ex: ck('in except')
import enum
class Co(enum.Enum):
    R = 1
    @classmethod
    def _missing_(cls, v): ck('enum missing'); return cls.R
Co(1); Co(5)
import threading
t = threading.Thread(target=lambda: ck('thread')); t.start(); t.join()
print(functools.reduce(lambda a, b: ck('reduce'), [1, 2]))
functools.partial(functools.reduce, lambda a, b: ck('partial reduce'))([1, 2])
min([1, 2], key=lambda x: (ck('min key'), 1)[1])
functools.partial(min, c)(Cmp()) if 0 else None
import contextvars
contextvars.copy_context().run(lambda: ck('context.run'))
class Abc:
    @staticmethod
    def st(): ck('static')
    @classmethod
    def cl(cls): ck('classmethod')
Abc.st(); Abc().cl(); Abc.cl(*[]); (lambda: ck('lambda'))()
import operator
operator.methodcaller('cl')(Abc); operator.call(Abc.st)
try: c.foo
except AttributeError: pass
print(f"{ck('in f-string')!r}")
assert ck('assert') is None
x = [ck('listcomp') for _ in [1]]; x = {ck('setcomp') for _ in [1]}; x = {1: ck('dictcomp') for _ in [1]}
(y := ck('walrus'))
del a
