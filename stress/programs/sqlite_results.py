"""A sweep that keeps its results in a SQLite file by key, reads them back, and sums up in a database in memory."""

import math
import random
import sqlite3

db = sqlite3.connect("results.db", timeout=20)
db.row_factory = sqlite3.Row
db.execute("create table if not exists trial (id integer primary key, rate real, score real, note text)")
scratch = sqlite3.connect(":memory:", isolation_level=None)
scratch.execute("create table seen (rate real)")
cursor = db.cursor()
rng = random.Random(4)
best = None

for trial in range(240):
    rate = rng.random()
    score = sum(math.sin(rate * k) / k for k in range(1, 60_000))
    cursor.execute("insert or replace into trial values (?, ?, ?, ?)", (trial, rate, score, f"n{trial % 7}"))
    db.commit()
    scratch.execute("insert into seen values (?)", (rate,))
    best = cursor.execute("select * from trial where id <= ? order by score desc limit 1", (trial,)).fetchone()
    cursor.fetchall()
    if trial % 20 == 0:
        count, mean = scratch.execute("select count(*), avg(rate) from seen").fetchone()
        print(trial, best["id"], repr(best["score"]), count, repr(mean), best.keys(), flush=True)

rows = db.execute("select note, count(*) as n, max(score) as top from trial group by note order by note").fetchall()
print([tuple(row) for row in rows], db.total_changes > 0)
print(db.execute("pragma integrity_check").fetchone()[0])
db.close()
