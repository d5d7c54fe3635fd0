"""numpy arrays: big ones, views that stay views of their base, aliases, orders, dtypes, flags, 0-d and object arrays."""

import numpy as np

from points import point

big = np.arange(1_000_000, dtype=np.float64)
window = big[1000:900_000:7]
matrix = big.reshape(1000, 1000)
turned = matrix.T
row = matrix[3]
flipped = row[::-1]
alias = big
fortran = np.asfortranarray(np.arange(12.0).reshape(3, 4))
records = np.array([(1, 2.5, b"ab"), (2, 3.5, b"cd")], dtype=[("id", "i4"), ("value", "f8"), ("tag", "S2")])
values = records["value"]
objects = np.array([[1, 2], "three", None], dtype=object)
shared_list = objects[0]
zero = np.array(4.5)
frozen = np.arange(5)
frozen.flags.writeable = False
raw = bytearray(range(16))
over = np.frombuffer(raw, dtype=np.uint8)
masked = np.ma.masked_greater(np.arange(6), 3)
wide = np.broadcast_to(np.array([1, 2, 3]), (4, 3))
times = np.array(["2024-01-01", "2024-02-01"], dtype="datetime64[D]")
text = np.array(["short", "a longer one"])
empty = np.empty((0, 3), dtype=np.complex128)


def facts(array):
    flags = array.flags
    return array.dtype.str, array.shape, array.strides, flags.writeable, flags.c_contiguous, flags.f_contiguous


def everything():
    for name in ("window", "turned", "flipped", "fortran", "values", "objects", "zero", "frozen", "wide", "times", "empty"):
        print(name, facts(globals()[name]))
    print("bases", window.base is big, row.base is big, alias is big, values.base is records, over.base is raw or "copy")
    print("sums", repr(big.sum()), repr(window.sum()), repr(flipped.sum()), values.tolist(), objects.tolist(), text.tolist())


everything()
point()
big[1007] = -5.0
row[0] = 77.0
values[1] = 9.0
shared_list.append(3)
raw[0] = 200
zero[...] = 6
fortran[1, 2] = -1
print("through views", window[1], flipped[-1], matrix[3, 0], turned[0, 3], records[1], objects[0], int(over[0]), zero[()])
point()
everything()
try:
    frozen[0] = 1
except ValueError as error:
    print("read-only", error)
print("masked", masked.tolist(), masked.mean(), times + np.timedelta64(1, "D"))
for chunk in np.array_split(big, 3):
    point()
    chunk *= 0.5
    print("chunk", repr(chunk.sum()), chunk.base is big, repr(big.mean()))
old = np.seterr(divide="raise")
with np.errstate(over="ignore"), np.printoptions(precision=3):
    point()
    print(np.geterr()["divide"], np.geterr()["over"], np.array([1 / 3, 2.0]))
print(np.geterr()["divide"], np.array([1 / 3]), repr(matrix.trace()))
