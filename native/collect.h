/* What resume.c needs of collect.c. */
#ifndef FORKPOINT_COLLECT_H
#define FORKPOINT_COLLECT_H

#include "frames.h"

/* Append all that is left in `iterator` to `list`, as list(iterator) does, so that a capture can see it.
   Borrows both. 0, or -1 with an exception set. */
extern int forkpoint_collect(PyObject *list, PyObject *iterator);

#endif
