"""Writes rows while it computes: a file kept open, a log opened for each line, a summary written over each epoch."""

import csv
import hashlib
import json
import os

rows = open("rows.csv", "w", newline="")
writer = csv.writer(rows)
digest = "start"
for epoch in range(12):
    for step in range(60):
        for _ in range(420):
            digest = hashlib.sha256((digest * 20).encode()).hexdigest()
        writer.writerow([epoch, step, digest[:12]])
        with open("log.txt", "a") as log:
            log.write(f"{epoch}.{step} {digest[:6]}\n")
    rows.flush()
    with open("summary.json", "w") as file:
        json.dump({"epoch": epoch, "digest": digest, "rows": sum(1 for _ in open("rows.csv"))}, file)
    os.replace("summary.json", f"summary{epoch % 3}.json")
    print(epoch, digest)
rows.close()
for name in sorted(os.listdir()):
    if name.endswith((".csv", ".txt", ".json")):
        with open(name, "rb") as file:
            data = file.read()
        print(name, len(data), hashlib.sha256(data).hexdigest())
