/* Interpreter frames as seen by frames.c and resume.c: the running version's layout, and what both share. */
#ifndef FORKPOINT_FRAMES_H
#define FORKPOINT_FRAMES_H

#include "parts.h"
#include FORKPOINT_FRAMES_HEADER

/* Call `function` with None for every parameter, so that a frame (or a generator) of it comes to be.
   New reference. Only for frames whose first instruction never runs, and for generator functions. */
extern PyObject *forkpoint_call_with_placeholders(PyObject *function);

/* Give `frame` the slots (a list; `_native.NULL` for empty) and the position of a captured one.
   Borrows `slots`. 0, or -1 with an exception set and the frame unchanged. */
extern int forkpoint_fill_frame(fp_frame *frame, PyObject *slots, long position);

/* The plan of a restored frame whose callee has not come back yet, and that callee's address (0 while it is just
   coming back). Borrowed, NULL when there is none. */
extern PyObject *forkpoint_restored_plan(fp_frame *frame, Py_ssize_t *callee);

#endif
