"""A corpus in a .gz file read line by line, as text, as rows and as bytes, its hashes written to another .gz file."""

import bz2
import csv
import gzip
import hashlib
import lzma
import zlib

from points import point

with open("corpus.gz", "wb") as made:
    content = "".join(f"{i},{i * 2654435761 % 4294967296:x},é{i % 7}\n" for i in range(12000))
    made.write(gzip.compress(content.encode(), mtime=0))
with bz2.open("more.bz2", "wb") as made, lzma.open("rest.xz", "wb") as packed:
    for i in range(4000):
        made.write(b"%d\r\n" % (i * i))
        packed.write(b"record %d\n" % i)
results = open("results.txt", "w")
hashed, packed = hashlib.sha256(), gzip.GzipFile("hashes.gz", "wb", mtime=0)
total = 0
given = open("corpus.gz", "rb")
with gzip.open(given, "rt", encoding="utf-8") as corpus:
    for number, line in enumerate(corpus):
        total = zlib.crc32(line.encode(), total)
        hashed.update(line.encode())
        packed.write(b"%d %s\n" % (number, hashed.digest()))
        if number % 4000 == 1500:
            print(number, total, file=results)
            point()
print(total, given.tell())
rows = csv.reader(gzip.open("corpus.gz", "rt", encoding="utf-8", newline=""))
for row in rows:
    total += int(row[0])
    if rows.line_num == 5000:
        point()
text, raw = bz2.open("more.bz2", "rt"), lzma.open("rest.xz")
text.read(1001)
raw.seek(5000)
place = text.tell()
point()
print(text.readline(), text.tell() - place, text.newlines, raw.readline(), raw.tell(), file=results)
point()
packed.close()
print(len(text.read()), len(raw.read()), total, hashed.hexdigest(), file=results)
results.close()
print(open("results.txt").read())
