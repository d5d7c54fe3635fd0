"""Library values: decimal, fractions, dates, paths, patterns, matches, uuids, huge integers, complex, nan."""

import datetime
import decimal
import fractions
import math
import pathlib
import re
import uuid

from points import point

huge = 3**4000
nan = float("nan")
values = {
    "decimal": decimal.Decimal("1.10"),
    "fraction": fractions.Fraction(22, 7),
    "date": datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "two")),
    "delta": datetime.timedelta(days=1, microseconds=5),
    "path": pathlib.PurePosixPath("/a/b.txt"),
    "uuid": uuid.uuid5(uuid.NAMESPACE_DNS, "example"),
    "complex": 1 + 2j,
    "range": range(1, 10**30, 7),
    "slice": slice(1, None, 2),
    "negative zero": -0.0,
    "infinity": -math.inf,
}
pattern = re.compile(r"(?P<word>\w+)-(\d+)", re.I)
decimal.getcontext().prec = 12
x = decimal.Decimal(2)
for i in range(4):
    x = x - (x * x - 2) / (2 * x)
    if i == 1:
        point()
    print("newton", i, x)
for match in pattern.finditer("ab-1 cd-22 ef-333"):
    word = match["word"], int(match[2])
    del match
    print("match", word)
    if word[1] == 22:
        point()
point()
for name, value in values.items():
    print(name, repr(value), hash(value) == hash(values[name]))
print(huge % 1000007, nan is nan, nan in [nan], math.copysign(1, values["negative zero"]))
print(values["date"] + values["delta"], values["path"].suffix, pattern.sub(r"\2", "zz-9"), values["date"].tzname())
k = 1
for n in range(1, 300):
    k *= n
    if n == 150:
        point()
print(k % (10**9 + 7), len(str(k)))
