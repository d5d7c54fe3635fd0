"""Rows inserted once each: in a database with a rollback journal, in one with a WAL, and in one opened anew each time."""

import os
import sqlite3
from contextlib import closing

from points import point


def rows(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("select count(*), sum(i) from t").fetchone()


def add(path, i):
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table if not exists t (i)")
        db.execute("insert into t values (?)", (i,))
        db.commit()


class Celsius(float):
    pass


sqlite3.register_adapter(Celsius, float.__repr__)
sqlite3.register_converter("hexadecimal", bytes.hex)
journal = sqlite3.connect("journal.db", detect_types=sqlite3.PARSE_DECLTYPES)
journal.execute("create table t (i)")
journal.execute("create table warm (c hexadecimal)")
ahead = sqlite3.connect("ahead.db")
print(ahead.execute("pragma journal_mode=wal").fetchone())
ahead.execute("create table t (i)")
point()
for i in range(6):
    for db in (journal, ahead):
        db.execute("insert into t values (?)", (i,))
        db.commit()
    add("anew.db", i)
    if i == 2:
        add("late.db", i)
    if i % 2:
        point()
    journal.execute("insert into warm values (?)", (Celsius(i),))
    journal.commit()
    print(journal.execute("select c from warm").fetchall())
    print(i, [db.execute("select count(*) from t").fetchone() for db in (journal, ahead)], os.path.exists("late.db"))
print(rows("journal.db"), rows("ahead.db"), rows("anew.db"), rows("late.db"))
print([db.execute("pragma integrity_check").fetchone() for db in (journal, ahead)])
journal.close()
ahead.close()
print(sorted(name for name in os.listdir() if ".db" in name))
