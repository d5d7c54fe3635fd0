/* What in libraries is the program's own (drift.c), for the walk over them (survey.c). */
#ifndef FORKPOINT_DRIFT_H
#define FORKPOINT_DRIFT_H

#include "compat.h"

/* Is this a dict, list or set, in which a library may register what the program gives it? */
extern int forkpoint_is_holder(PyObject *value);

/* A new list of the keys, indexes or elements at which a holder has what is the program's. */
extern PyObject *forkpoint_places_within(PyObject *holder, PyObject *program);

#endif
