/* A native thread of ours: it holds no Python state, blocks all signals, and no fork of the program's ever sees it. */
#ifndef FORKPOINT_HELPER_H
#define FORKPOINT_HELPER_H

#include "parts.h"

#include <pthread.h>

typedef struct {
    void *(*run)(void *); /* goes by what it finds in static memory: it may be ended and begun anew at any time */
    void (*begin)(void);  /* called before `run` is */
    void (*end)(void);    /* makes `run` return soon, whether it waits or not; must need no lock but its own */
    pthread_t thread;
    _Atomic pid_t id; /* the kernel's number of the thread, 0 before it runs */
    pid_t owner; /* the process whose thread it is; 0 when there is none */
    int parked;  /* ended for the time of a fork of the program's */
} fp_helper;

/* Begin; -1 with an OSError where there can be no thread. One that was inherited from a fork is begun anew. */
int fp_helper_start(fp_helper *helper);

/* End, if this process has it; lets go of the GIL meanwhile. */
void fp_helper_stop(fp_helper *helper);

/* How many of this process's are running. */
int fp_helpers_running(void);

/* Whether it is this process's. */
int fp_helper_is_ours(const fp_helper *helper);

#endif
