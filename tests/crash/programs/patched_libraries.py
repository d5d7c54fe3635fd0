"""What a program puts into libraries: names in builtins, patched methods, flags, registrations, other callables."""

import builtins
import copyreg
import decimal
import fractions
import functools
import json
import statistics
import string

from points import point


class Money:
    def __init__(self, cents):
        self.cents = cents


def encode(self, value):
    return f"money {value.cents}" if isinstance(value, Money) else plain_default(self, value)


builtins.shout = lambda text: print(text.upper())
plain_default = json.JSONEncoder.default
json.JSONEncoder.default = encode
point()
shout(json.dumps([Money(5)]))
print(plain_default.__qualname__, plain_default.__module__, plain_default is json.JSONEncoder.default)

plain_mean = statistics.mean


@functools.wraps(plain_mean)
def mean(data):
    return "mean of %d: %s" % (len(data), plain_mean(data))


statistics.mean = mean
fractions.Fraction.half = property(lambda self: self / 2)
string.punctuation = ".,"
setattr(decimal, "note", b"by setattr")
copyreg.dispatch_table[Money] = lambda money: (Money, (money.cents,))
json.decoder.scan = functools.partial(plain_mean, [1, 2])
statistics.middle = statistics.median
string.tables = string.more = {"a": [1]}
point()
string.tables["a"].append(2)
print(statistics.mean([1, 2, 3]), statistics.mean.__wrapped__ is plain_mean, mean is statistics.mean)
print(fractions.Fraction(1, 3).half, string.punctuation, decimal.note, json.decoder.scan())
print(copyreg.dispatch_table[Money](Money(7))[1], statistics.middle is statistics.median, string.tables, string.more)


def restore_all():
    json.JSONEncoder.default = plain_default
    statistics.mean = plain_mean
    del builtins.shout


restore_all()
point()
print(statistics.mean([1, 2, 3]), "shout" in vars(builtins), string.punctuation)
try:
    json.dumps(Money(1))
except TypeError as error:
    print(error)
