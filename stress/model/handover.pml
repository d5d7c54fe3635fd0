/* How a commit is handed over: program, child and committer, any of which may be killed at any step, or hang.
 *
 *     program --clone--> child --vfork, exec--> committer        (native/beside.c)
 *
 * The child writes a pack, starts a committer while the disk works, and says through the go-pipe that it may commit, once
 * the pack is durable (journal/committer.py). The committer answers on the report pipe. Both hold its writing end, and the
 * run's lease. Whoever's parent dies is killed, but some time later: the end of the child is not yet the end of the
 * committer. What the program did not hear of it takes for missing; then it makes its next commit (snapshot/reaper.py).
 * When the program is dead, a restorer looks for the newest commit (lease.py, wait_for_child).
 *
 * Each BUG_ macro leaves one rule out; each must make spin find an error (check.py).
 */
bool program = true, child = true, committer = false; /* alive */
bool durable = false;      /* the pack */
bool told = false;         /* there is a byte in the go-pipe */
bool row = false;          /* the commit */
bool record = false;       /* the answer K is in the report pipe */
bool acknowledged = false;
bool next_row = false;     /* the program's next commit */
bool looked = false;       /* the restorer has looked, */
bool seen = false;         /* and found the commit */

#ifdef BUG_NO_DEATH_SIGNAL
#define CHILD_DIES false
#else
#define CHILD_DIES !child
#endif
/* A commit has its pack; what is acknowledged is there; what was not there when it was looked for never comes. */
ltl promises { [] ((!row || durable) && (!acknowledged || row) && (!looked || seen || !row)) }

/* When the child is gone, so is soon what it had beside it. */
ltl ends { [] (!child -> <> !committer) }

active proctype the_program()
{
    if
    :: record -> acknowledged = true
#ifdef BUG_END_OF_CHILD_IS_ENOUGH
    :: !child && !record -> next_row = true
#else
    :: !child && !committer && !record -> next_row = true /* the end of the pipe */
#endif
    :: true
    fi;
    program = false
}

/* Killed, at the deadline say. It never hangs for good: that is what the deadline is for. */
#define CHILD_MAY_DIE \
    if \
    :: true \
    :: true -> goto dead \
    fi

active proctype the_child()
{
    CHILD_MAY_DIE;
    committer = true; /* it starts it beside itself */
    CHILD_MAY_DIE;
#ifdef BUG_TOLD_TOO_EARLY
    told = true;
    CHILD_MAY_DIE;
#endif
    durable = true;
    CHILD_MAY_DIE;
    told = true;
    if
    :: !committer
    :: true /* killed */
    fi;
dead:
    child = false
}

/* Killed by somebody, or since the child is dead; or it hangs until that is so. */
#define COMMITTER_MAY_DIE \
    if \
    :: true \
    :: true -> goto dead \
    :: true -> CHILD_DIES; goto dead \
    fi

active proctype the_committer()
{
    committer;
    if
    :: told
#ifdef BUG_END_OF_FILE_IS_TAKEN_FOR_A_WORD
    :: !child
#else
    :: !child && !told -> goto dead
#endif
    :: CHILD_DIES -> goto dead
    :: true -> goto dead
    fi;
    COMMITTER_MAY_DIE;
#ifdef BUG_ANSWERED_TOO_EARLY
    record = true;
    COMMITTER_MAY_DIE;
#endif
    atomic {
        assert(!next_row); /* or an older state would be the newest */
        row = true
    }
    COMMITTER_MAY_DIE;
    record = true;
    COMMITTER_MAY_DIE;
dead:
    committer = false
}

active proctype the_restorer()
{
    !program;
#ifndef BUG_LOOKS_WITHOUT_WAITING
    !child;
#endif
#if !defined(BUG_LOOKS_WITHOUT_WAITING) && !defined(BUG_COMMITTER_HOLDS_NO_LEASE)
    !committer;
#endif
    atomic { looked = true; seen = row }
}
