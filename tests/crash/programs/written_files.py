"""Files open across commit points: appended rows, a reader half way, binary read and write, a file written over."""

import json
import os

from points import point

rows = open("rows.csv", "w", encoding="utf-8")
with open("input.txt", "w") as made:
    made.write("".join(f"line {i}\n" for i in range(6)))
reader = open("input.txt", encoding="utf-8")
data = open("data.bin", "w+b")
total = 0
for i, line in enumerate(reader):
    rows.write(f"{i},{line.strip()}\n")
    total += int(line.split()[1])
    if i % 2:
        point()
    data.write(bytes([i] * 3))
    with open("log.txt", "a") as log:
        print("step", i, total, file=log)
    print(i, line.strip(), rows.tell() if i == 5 else "")
print(reader.readline() == "", reader.closed, rows.name, rows.mode, data.tell())
data.seek(4)
point()
print(data.read(4), data.tell())
rows.write("last\n")
rows.close()
with open("state.json", "w") as file:
    json.dump({"total": total}, file)
    point()
print(open("state.json").read(), sorted(f for f in os.listdir() if f.endswith((".csv", ".bin", ".json"))))
point()
print(open("rows.csv").read(), open("log.txt").read(), os.path.getsize("data.bin"))
