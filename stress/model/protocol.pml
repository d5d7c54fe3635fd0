/* Commit, lease and forget: what may happen at once between a child that commits, a reader and two forgettings, any of
 * which may die at any step, with the power failing at any moment.
 *
 * A store with one restore point, BASE, whose pack is OLD. A child commits a second one, NEXT, whose chunks lie in OLD
 * and in a pack of its own, NEW. Each forgetting lets BASE go. A reader restores the newest restore point it sees.
 *
 * A transaction of SQLite is one atomic step, durable when it is over. A pack has two states: `there`, what processes
 * see, and `durable`, what is there after the power failed. Whoever dies drops its locks and leases.
 *
 * Each BUG_ macro leaves one rule out; each must make spin find an error (check.py).
 */
#define OLD 0
#define NEW 1

bool there[2] = {true, false};
bool durable[2] = {true, false};
bool base = true;      /* row of BASE */
bool newer = false;     /* row of NEXT, which needs OLD and NEW */
bool pack_row = true;  /* row of OLD in the list of packs */
bool condemned = false;
bool plan = false;
bool deleting = false;    /* the plan's second phase: rows are gone, files are going */
bool plan_readers = false; /* the plan waits for the reader */
bool plan_listed = false;  /* the plan has listed its readers */
bool writer = false;      /* writer.lock */
bool reading = false;     /* the reader's lease */
bool acknowledged = false;

#define LOCK atomic { !writer -> writer = true }
#define UNLOCK writer = false
#define MAY_DIE :: true -> UNLOCK; goto dead

/* What must hold whenever the power fails, that is, always. */
ltl promises { [] ((!base || durable[OLD]) && (!newer || (durable[OLD] && durable[NEW])) && (!acknowledged || newer)) }

active proctype child()
{
    /* pack.py: write, fdatasync, rename, fsync of the directory */
    if :: true -> goto dead :: true fi;
    there[NEW] = true;
    if :: true -> goto dead :: true fi;
#ifndef BUG_NO_FSYNC
    durable[NEW] = true;
#endif
#ifdef BUG_EARLY_ACKNOWLEDGEMENT
    acknowledged = true;
#endif
    /* writer.py, in the committer */
    LOCK;
    if MAY_DIE :: true fi;
    atomic {
#ifndef BUG_NO_RECHECK
        if
        :: !pack_row || !there[OLD] -> UNLOCK; goto dead /* CommitFailed */
        :: else
        fi;
#endif
        condemned = false; /* brought back */
        newer = true
    }
    if MAY_DIE :: true fi;
    acknowledged = true;
    UNLOCK;
dead:
    skip
}

active proctype reader()
{
    bool found = false;
#ifndef BUG_LEASE_AFTER_LOOKING
    reading = true;
#endif
    atomic { found = base || newer }
#ifdef BUG_LEASE_AFTER_LOOKING
    reading = true;
#endif
    if
    :: found -> assert(there[OLD])
    :: else
    fi;
    if :: true -> goto dead :: true fi;
    if
    :: found -> assert(there[OLD])
    :: else
    fi;
dead:
    reading = false
}

active [2] proctype forgetting()
{
    LOCK;
    /* Phase 1: retention.py, _condemn */
    atomic {
        if
        :: base ->
            base = false;
            if
            :: !newer -> condemned = true; plan = true; plan_listed = false; plan_readers = false; deleting = false
            :: else
            fi
        :: else
        fi
    }
    if MAY_DIE :: true fi;
    /* Phase 2: _delete, whoever made the plan */
    if
    :: !plan -> goto done
    :: plan && !deleting ->
#ifndef BUG_NO_LEASES
        if
        :: !plan_listed && reading -> atomic { plan_listed = true; plan_readers = true }; goto done
        :: plan_listed && plan_readers && reading -> goto done
        :: else
        fi;
#endif
        if MAY_DIE :: true fi;
        atomic { /* _delete_rows */
            if
#ifdef BUG_CONDEMNED_IS_ENOUGH
            :: true -> pack_row = false; deleting = true
#else
            :: condemned && !base && !newer -> pack_row = false; deleting = true
            :: else -> plan = false
#endif
            fi
        }
    :: plan && deleting
    fi;
    if MAY_DIE :: true fi;
    if
    :: deleting && !pack_row -> atomic { there[OLD] = false; durable[OLD] = false }
    :: else
    fi;
    if MAY_DIE :: true fi;
    atomic { plan = false; deleting = false };
done:
    UNLOCK;
dead:
    skip
}

init { skip }
