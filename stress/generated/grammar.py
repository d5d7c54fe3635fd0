"""Programs by a seed: control flow, calls and expressions one inside the other, with `tick()` where a value can stand.

`program(seed)` is the text of one. It ends within some hundred ticks, and tells the same in each run.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from pathlib import Path

HERE = Path(__file__).parent
PROLOGUE = (HERE / "programs" / "prologue.py").read_text()
IMPORTED_AS = {"pandas": "numpy, pandas", "sklearn": "sklearn.linear_model", "torch": "torch.utils.data"}
HELD = 14
"""Values of each program."""

EXPRESSIONS = (
    "tick(#)", "tick(#)", "tick(#)",
    "(@ + @)", "(@, @)[@ % 2]", "sum([@, *[@, 1], @])", "len({@: @, **{9: @}})",
    "len(f'{tick(#):3d}|{tick(#)!r}')", "len('%s %d' % (@, @))", "(@ if @ > 2 else @)", "int(@ < @ < @)",
    "(@ and @ or 1)", "(lambda a, b=@: a + b + @)(@)", "called(@, *[@], k=@, **{'m': @})",
    "sum([@ for _ in range(2) if @ >= 0])", "sum(@ for _ in range(2))", "len({v: @ for v in range(2)})",
    "len({@ for _ in range(3)})", "sum(a * b for a in range(2) for b in (1, @))",
    "sorted([3, 1, 2], key=lambda v: (@, v))[0]", "max(range(3), key=lambda v: tick(v) * 10 + v)",
    "functools.reduce(lambda a, b: a + b + @, [1, 2, 3])", "[*map(lambda v: v + @, [1, 2])][1]",
    "int(any(tick(v) > 9 for v in range(3)))", "int(all(tick(v) < 9 for v in range(3)))",
    "next(filter(lambda v: @ >= 0, [1, 2]), 0)", "dict(zip('ab', (@ for _ in range(2))))['b']",
    "len(set(tick(v) for v in range(3)))", "len(','.join(str(tick(v)) for v in range(3)))", "min([@, @, 4])",
    "tuple(tick(v) for v in (1, 2))[1]", "[*itertools.chain.from_iterable([tick(v)] for v in range(2))][0]",
    "(Number(@) + Number(3)).value", "Number(1)[@]", "Number(1)(@, k=2)", "int(Number(1) < Number(3))",
    "int(Number(@) == Number(2))", "Number(4).attribute", "int(@ in Number(1))", "len(Number(1))",
    "int(bool(Number(@)))", "sorted([Number(3), Number(1), Number(2)])[0].value", "min(Number(3), Number(1)).value",
    "len([*range(9)][@:@ + 4])", "divmod(@ + 7, 3)[1]", "operator.add(@, @)", "abs(-@)",
    "int('7' + str(@))", "Slotted(@).double", "list(itertools.starmap(lambda a, b: a + @, [(1, 2), (3, 4)]))[1]",
    "sum(itertools.islice((tick(v) for v in itertools.count()), 3))", "functools.partial(called, @)(@)",
)  # fmt: skip

ITERABLES = (
    "range(#)", "[@, @]", "steps(#)", "enumerate([@, 5])", "zip([1, 2], steps(3))", "reversed([1, 2])",
    "{'a': @, 'b': 2}.items()", "map(lambda v: v + @, range(2))", "filter(lambda v: tick(v) >= 0, range(3))",
    "outer(#)", "itertools.islice(itertools.count(@), 2)", "Countdown(#)", "iter([1, 2, 3].pop, 1)", "'ab'",
    "(tick(v) for v in range(2))", "{1, 30}", "tree([1, [2, @]])", "sorted([2, 1], key=lambda v: @ + v)",
    "itertools.groupby([1, 1, 2], lambda v: tick(v))", "itertools.accumulate([1, 2, 3], lambda a, b: a + @)",
    "re.finditer('[ab]', 'abc')", "itertools.takewhile(lambda v: tick(v) >= 0, range(2))", "io.StringIO('x\\ny\\n')",
    "collections.deque([1, @])", "dict.fromkeys('ab')", "b'ab'", "range(2, 0, -1)", "itertools.product('ab', [@])",
)  # fmt: skip

CATCHES = ("ValueError", "(KeyError, ValueError)", "Exception", "ZeroDivisionError", "LookupError")
RAISES = ("raise ValueError(@)", "{}[@]", "1 // (@ * 0)", "raise KeyError(@) from ValueError(@)", "[][@]")
MANAGERS = ("managed(@)", "Number(@)", "contextlib.suppress(KeyError, ZeroDivisionError, IndexError)")


def values(libraries: Collection[str]) -> list[tuple[str, list[str], list[str]]]:
    """What each kind of value is of, how it is made, and how it is used (values.txt)."""
    kinds = []
    for kind in (HERE / "values.txt").read_text().split("\n### ")[1:]:
        name, _, rest = kind.partition("\n")
        made, used = (part.splitlines() for part in rest.split("\n---\n"))
        library = name.partition("[")[2].rstrip("]")
        if not library or library in libraries:
            kinds.append((library, made, used))
    return kinds


class Writer:
    """The text of one program as it grows."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.lines: list[str] = []
        self.names = 0

    def put(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"

    def fill(self, form: str, depth: int = 0) -> str:
        """The form with an expression for each `@` and a small number for each `#`."""
        put = {"@": lambda: self.expression(depth + 1), "#": lambda: str(self.chance.randint(1, 3))}
        return "".join(put[char]() if char in put else char for char in form)

    def expression(self, depth: int = 0) -> str:
        if depth > 2 or self.chance.random() < 0.3 * depth:
            return self.chance.choice(("1", "2", "tick(2)", "tick(3)"))
        return self.fill(self.chance.choice(EXPRESSIONS), depth)

    # ---- statements

    def block(self, depth: int, inside: int, *, loop: bool = False, function: bool = False) -> None:
        """One to three statements; `inside` is how deep they stand, `depth` how far they are indented."""
        for _ in range(self.chance.randint(1, 3 if inside < 2 else 2)):
            kinds = [self.use, self.use, self.plain, self.plain, self.assign]
            if inside < 3:
                kinds += [self.loop, self.function, self.generator, self.attempt, self.managed, self.choose, self.match]
                kinds += [self.recursion, self.coroutine, self.loop, self.attempt]
            self.chance.choice(kinds)(depth, inside)
        if loop and self.chance.random() < 0.3:
            self.put(depth, f"if {self.expression(1)} > 3:")
            self.put(depth + 1, self.chance.choice(("break", "continue")))

    def use(self, depth: int, inside: int) -> None:
        self.put(depth, f"use{self.chance.randrange(HELD)}()")

    def plain(self, depth: int, inside: int) -> None:
        self.put(depth, f"tell({self.expression()}, {self.expression(1)})")

    def assign(self, depth: int, inside: int) -> None:
        forms = (
            "seen.append(@)", "w.got = w.last = @", "seen[:1] = [@, @]", "w.last += @", "w.x, *w.y = @, @, @",
            "w.table[@] = @", "w.table[@] += @", "assert @ >= 0, @", "del seen[@:@]",
            "for w.z in range(2): seen.append(@)", "tell(w.last, len(seen), @)", "w.table |= {@: @}",
        )  # fmt: skip
        self.put(depth, self.fill(self.chance.choice(forms)))

    def loop(self, depth: int, inside: int) -> None:
        name = self.name("v")
        if self.chance.random() < 0.25:
            self.put(depth, f"{name} = 0")
            self.put(depth, f"while ({name} := {name} + 1) < 4 and {self.expression(1)} >= 0:")
        else:
            self.put(depth, f"for {name} in {self.fill(self.chance.choice(ITERABLES))}:")
            self.put(depth + 1, f"tell(str({name})[:30])" if self.chance.random() < 0.3 else "pass")
        self.block(depth + 1, inside + 1, loop=True)
        if self.chance.random() < 0.3:
            self.put(depth, "else:")
            self.block(depth + 1, inside + 1)

    def function(self, depth: int, inside: int) -> None:
        name, local = self.name("f"), self.name("local")
        self.put(depth, f"def {name}(a, b={self.expression(1)}, *args, c={self.expression(1)}, **kw):")
        self.put(depth + 1, f"{local} = [a, b]")
        if self.chance.random() < 0.5:
            inner = self.name("inner")
            self.put(depth + 1, f"def {inner}():")
            self.put(depth + 2, f"nonlocal {local}")
            self.put(depth + 2, f"{local} = {local} + [{self.expression(1)}]")
            self.block(depth + 2, inside + 2)
            self.put(depth + 1, f"{inner}()")
        self.block(depth + 1, inside + 1)
        self.put(depth + 1, f"return sum({local}) + len(args) + len(kw) + c + {self.expression(1)}")
        self.put(depth, f"tell({name}({self.expression(1)}, *[{self.expression(2)}, 2, 3], z={self.expression(2)}))")

    def generator(self, depth: int, inside: int) -> None:
        name, running = self.name("g"), self.name("running")
        self.put(depth, f"def {name}(a):")
        self.put(depth + 1, f"got = yield {self.expression(1)}")
        self.put(depth + 1, "tell('got', got)")
        self.put(depth + 1, "try:")
        self.block(depth + 2, inside + 2)
        self.put(depth + 2, self.chance.choice(("yield from steps(2)", "yield a", f"yield {self.expression(1)}, got")))
        self.put(depth + 1, "except (ValueError, GeneratorExit) as stopped:")
        self.put(depth + 2, "tell(repr(stopped))")
        self.put(depth + 2, "raise" if self.chance.random() < 0.3 else f"tell({self.expression(1)})")
        self.put(depth + 1, "finally:")
        self.put(depth + 2, f"tell({self.expression(1)})")
        self.put(depth, f"{running} = {name}({self.expression(1)})")
        self.put(depth, f"tell(next({running}, None))")
        how = (
            "[*{g}]",
            "{g}.send(5)",
            "{g}.throw(ValueError(3))",
            "{g}.close()",
            "next({g}, None)",
            "sum(1 for _ in {g})",
        )
        self.put(depth, "try:")
        self.put(depth + 1, f"tell({self.chance.choice(how).format(g=running)})")
        self.put(depth, "except (StopIteration, ValueError, RuntimeError) as ended:")
        self.put(depth + 1, "tell(repr(ended), repr(ended.__context__))")
        self.put(depth, f"{running}.close()  # or its end would depend on who holds this frame: a traceback, say")

    def attempt(self, depth: int, inside: int) -> None:
        error = self.name("error")
        self.put(depth, "try:")
        self.put(depth + 1, "try:")
        self.block(depth + 2, inside + 1)
        if self.chance.random() < 0.7:
            self.put(depth + 2, self.fill(self.chance.choice(RAISES)))
        shape = self.chance.random()
        if shape < 0.8:
            self.put(depth + 1, f"except {self.chance.choice(CATCHES)} as {error}:")
            self.put(depth + 2, f"tell({self.expression(1)}, repr({error}), repr({error}.__context__))")
            self.block(depth + 2, inside + 1)
            if self.chance.random() < 0.3:
                self.put(depth + 2, self.chance.choice(("raise", self.fill("raise LookupError(@)"))))
        if 0.4 < shape < 0.8 and self.chance.random() < 0.5:
            self.put(depth + 1, "else:")
            self.put(depth + 2, f"tell({self.expression(1)})")
        if shape > 0.4:
            self.put(depth + 1, "finally:")
            self.put(depth + 2, f"tell('finally', {self.expression(1)}, repr(sys.exc_info()[1]))")
        self.put(depth, "except (ArithmeticError, LookupError, ValueError) as outside:")
        self.put(depth + 1, f"tell('outside', repr(outside), {self.expression(1)})")
        self.put(depth + 1, "tell(len(traceback.extract_tb(outside.__traceback__)))")

    def managed(self, depth: int, inside: int) -> None:
        managers = ", ".join(
            f"{self.fill(form)} as {self.name('m')}" for form in self.chance.sample(MANAGERS, self.chance.randint(1, 2))
        )
        self.put(depth, f"with contextlib.suppress(ValueError, LookupError, ArithmeticError), {managers}:")
        self.block(depth + 1, inside + 1)
        if self.chance.random() < 0.4:
            self.put(depth + 1, self.fill(self.chance.choice(RAISES)))

    def choose(self, depth: int, inside: int) -> None:
        self.put(depth, f"if {self.expression()} > {self.chance.randint(0, 4)}:")
        self.block(depth + 1, inside + 1)
        self.put(depth, f"elif {self.expression(1)}:")
        self.block(depth + 1, inside + 1)
        self.put(depth, "else:")
        self.block(depth + 1, inside + 1)

    def match(self, depth: int, inside: int) -> None:
        self.put(depth, f"match [{self.expression(1)}, {{'k': {self.expression(1)}}}, Pair({self.expression(2)}, 2)]:")
        self.put(depth + 1, f"case [first, {{'k': 1 | 2}}, *_] if {self.expression(1)} > first:")
        self.block(depth + 2, inside + 1)
        self.put(depth + 1, "case [_, {'k': found}, Pair(left=left)]:")
        self.put(depth + 2, f"tell(found, left, {self.expression(1)})")

    def recursion(self, depth: int, inside: int) -> None:
        name = self.name("r")
        self.put(depth, f"def {name}(k):")
        self.put(depth + 1, "if k == 0:")
        self.block(depth + 2, inside + 2)
        self.put(depth + 2, "return 1")
        form = self.chance.choice(("@ + {r}(k - 1)", "sum([{r}(k - 1), @])", "[*map({r}, [k - 1])][0] + @"))
        self.put(depth + 1, "return " + self.fill(form.replace("{r}", name)))
        self.put(depth, f"tell({name}({self.chance.randint(2, 6)}))")

    def coroutine(self, depth: int, inside: int) -> None:
        name, running = self.name("co"), self.name("running")
        self.put(depth, f"async def {name}():")
        self.put(depth + 1, "async with contextlib.AsyncExitStack() as stack:")
        self.put(depth + 2, f"stack.callback(tick, {self.expression(2)})")
        self.put(depth + 2, f"tell(await waits(1), {self.expression(1)})")
        self.put(depth + 2, f"tell([v async for v in {name}s()])")
        self.block(depth + 1, inside + 2)
        self.put(depth, f"async def {name}s():")
        self.put(depth + 1, f"yield {self.expression(1)}")
        self.put(depth + 1, "await Wait()")
        self.put(depth + 1, f"yield {self.expression(1)}")
        self.put(depth, f"{running} = {name}()")
        self.put(depth, f"tell([driven({running}) for _ in range(5)])")


def program(seed: int, libraries: Collection[str] = ()) -> str:
    """The text of the program with this number, which may use these libraries."""
    writer = Writer(seed)
    chosen = writer.chance.sample(values(libraries), HELD)
    if chosen_libraries := sorted({library for library, _, _ in chosen if library}):
        writer.put(0, "import " + ", ".join(IMPORTED_AS.get(name, name) for name in chosen_libraries))
    for k, (_, _, used) in enumerate(chosen):
        writer.lines += [f"def use{k}(n=itertools.count(1).__next__):", "    n = n()"]
        writer.lines += [f"    {line}" for line in used]
    writer.lines += ["def called(*a, k=0, m=0):", "    return sum(a) + k + m + tick(len(a))"]
    writer.lines += ["w.last = 0", "w.table = collections.defaultdict(int)"]
    for n, (_, made, _) in enumerate(chosen):
        writer.lines += [f"n = {n}", *made]
    writer.lines += ["def main():"]
    for _ in range(5):
        writer.block(1, 0)
    writer.lines += ["main()"]
    for _ in range(2):
        writer.block(0, 1)
    writer.lines += [f"use{k}()" for k in range(HELD)]
    return PROLOGUE + "\n\n" + "\n".join(writer.lines) + "\n"
