/* Between guard.c, which decides what a signal does, and chain.c, which keeps what the program had set for it. */
#ifndef FORKPOINT_GUARD_H
#define FORKPOINT_GUARD_H

#include "parts.h"

#include <signal.h>

typedef void (*fp_front_handler)(int, siginfo_t *, void *);

/* Make signal.signal put what the program sets behind our handler. -1 with an exception on an unknown interpreter. */
int fp_wrap_signal(void);

/* Put `handler` in front of this signal; take it away again. */
void fp_watch(int signum, fp_front_handler handler);
void fp_unwatch(int signum);
int fp_is_watched(int signum);

/* Whether the program has set nothing for it. */
int fp_is_default(int signum);

/* Do what the program would have done. Async-signal-safe; returns unless the default action ends the process. */
void fp_pass_on(int signum, siginfo_t *info, void *context);

#endif
