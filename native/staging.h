/* Hot memory copied aside, and freed memory left out, for one fork (staging.c): load, then around the clone copy, and place or keep. */
#ifndef FORKPOINT_STAGING_H
#define FORKPOINT_STAGING_H

#include "compat.h"

/* Take over what is to be staged: None, or (arena address, arena bytes, ranges, whether they are all that the program is
   going to write). -1 with an exception set. */
int forkpoint_staging_load(PyObject *request);

/* Right before the clone. Bytes that were copied; from here to the clone nothing may be written but the stack. */
size_t forkpoint_staging_copy(void);

/* In the child, before it touches anything else: the copies take the places of their originals. -1: it cannot live. */
int forkpoint_staging_place(void);

/* In the program, after the clone: all is as before. */
void forkpoint_staging_keep(void);

/* In the child: whether some of these bytes are what was freed memory in the program. */
int fp_staging_in_hole(uintptr_t start, uintptr_t end);

#endif
