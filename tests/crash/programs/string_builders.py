"""Text and bytes under construction: StringIO, BytesIO, bytearray, array, struct, a memoryview, a growing string."""

import array
import io
import struct
import textwrap

from points import point

text, binary = io.StringIO(), io.BytesIO(b"0123456789")
reader = io.StringIO("line one\nline two\nline three\n")
parts, grown, numbers = [], "", array.array("d", [1.5])
buffer = bytearray(b"abcdef")
view = memoryview(buffer)[2:5]
binary.seek(4)
for i in range(4):
    text.write(f"row {i}\n")
    binary.write(struct.pack("<H", i * 1000))
    parts.append(chr(97 + i))
    grown += parts[-1] * i
    numbers.append(i / 3)
    buffer[i] = 65 + i
    if i % 2:
        point()
    print(i, text.tell(), binary.tell(), grown, bytes(view), numbers.tolist())
print(repr(reader.readline()))
point()
print(repr(reader.readline()), reader.tell(), [line for line in reader])
text.seek(3)
text.write("X")
view[0] = 0x7A
print(repr(text.getvalue()), binary.getvalue(), buffer, view.obj is buffer)
for line in io.StringIO("a\nb\nc\n"):
    point() if line == "b\n" else None
    print(repr(line))
writer = io.TextIOWrapper(binary, encoding="utf-8", newline="\r\n", write_through=True)
writer.write("é\n")
point()
writer.write("ü\n")
print(binary.getvalue(), textwrap.shorten("some words to shorten here", 15), writer.encoding)
