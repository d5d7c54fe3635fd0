"""Extract, transform, load with plain files: gzip, json lines, pickle, CSV held open and CSV opened for each row."""

import csv
import gzip
import hashlib
import json
import pickle
import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path

rng = random.Random(99)
raw, out = Path("raw"), Path("warehouse")
raw.mkdir(exist_ok=True)
out.mkdir(exist_ok=True)
DAYS, PER_DAY = 16, 2000
KINDS = ["view", "cart", "buy", "refund"]


def extract(day):
    path = raw / f"{day:%Y%m%d}.jsonl.gz"
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        for number in range(PER_DAY):
            event = {
                "id": hashlib.md5(f"{day}{number}".encode()).hexdigest(),
                "user": rng.randrange(400),
                "kind": rng.choices(KINDS, [70, 20, 9, 1])[0],
                "amount": round(rng.expovariate(0.05), 2),
                "at": (day + timedelta(seconds=rng.randrange(86400))).isoformat(),
            }
            file.write((json.dumps(event) + "\n").encode())
    return path


def transform(path):
    for line in gzip.decompress(path.read_bytes()).splitlines():
        event = json.loads(line)
        at = datetime.fromisoformat(event["at"])
        yield {**event, "hour": at.hour, "weekday": at.strftime("%a"), "cents": int(round(event["amount"] * 100))}


class Totals:
    def __init__(self):
        self.by_user = defaultdict(Counter)
        self.by_hour = Counter()
        self.seen = set()

    def add(self, row):
        if row["id"] in self.seen:
            return
        self.seen.add(row["id"])
        self.by_user[row["user"]][row["kind"]] += row["cents"]
        self.by_hour[row["hour"]] += 1


totals = Totals()
with open(out / "rows.csv", "w", newline="") as held:
    writer = csv.DictWriter(held, ["id", "user", "kind", "cents", "hour", "weekday"], extrasaction="ignore")
    writer.writeheader()
    for number in range(DAYS):
        day = datetime(2024, 3, 1) + timedelta(days=number)
        count = cents = 0
        for row in transform(extract(day)):
            totals.add(row)
            if row["kind"] != "view":
                writer.writerow(row)
            count, cents = count + 1, cents + row["cents"]
        with open(out / "daily.csv", "a", newline="") as daily:
            csv.writer(daily).writerow([f"{day:%Y-%m-%d}", count, cents])
        with open(out / "state.pkl.tmp", "wb") as state:
            pickle.dump({"day": number, "hours": totals.by_hour}, state)
        (out / "state.pkl.tmp").replace(out / "state.pkl")
        top = max(totals.by_user, key=lambda user: (totals.by_user[user]["buy"], user))
        print(f"{day:%Y-%m-%d}", count, cents, top, len(totals.seen), flush=True)

summary = {str(user): dict(sorted(kinds.items())) for user, kinds in sorted(totals.by_user.items())}
(out / "summary.json").write_text(json.dumps(summary, sort_keys=True))
print(hashlib.sha256((out / "rows.csv").read_bytes()).hexdigest())
print(sum(int(row[2]) for row in csv.reader(open(out / "daily.csv"))), len(summary))
