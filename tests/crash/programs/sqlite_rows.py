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


journal = sqlite3.connect("journal.db")
journal.execute("create table t (i)")
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
    print(i, [db.execute("select count(*) from t").fetchone() for db in (journal, ahead)], os.path.exists("late.db"))
print(rows("journal.db"), rows("ahead.db"), rows("anew.db"), rows("late.db"))
print([db.execute("pragma integrity_check").fetchone() for db in (journal, ahead)])
journal.close()
ahead.close()
print(sorted(name for name in os.listdir() if ".db" in name))
