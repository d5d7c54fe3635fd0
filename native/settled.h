/* What a walk over namespaces found in each, remembered from one child to the next; see settled.c. */
#ifndef FORKPOINT_SETTLED_H
#define FORKPOINT_SETTLED_H

#include "compat.h"

/* What is to be known about one entry of a namespace; the meaning of `what` is the walk's. Borrowed references, good as
   long as the namespace is unchanged. */
typedef struct {
    PyObject *key, *value;
    uint64_t what;
} fp_entry;

typedef struct {
    const fp_entry *first;
    Py_ssize_t count;
} fp_entries;

typedef struct fp_settled fp_settled;

enum { FP_SETTLED_BYTES = 1 << 23 };

/* Begins a walk in a child. `terms` stands for all that, besides the namespaces, decides what a walk finds (not 0): what
   was remembered on other terms is forgotten. */
extern void fp_settled_begin(fp_settled *memory, uint64_t terms);

/* What a walk found in this dict as it is now, or 0 when nobody remembers. `use` (below 8) and `context` are the walk's: what
   it looked for and, say, in whose name. */
extern int fp_settled_find(const fp_settled *memory, PyObject *dict, int use, uint64_t context, fp_entries *found);

/* Remembers what was found, unless the dict may have been changed since the fork, or there is no room. */
extern void fp_settled_keep(fp_settled *memory, PyObject *dict, int use, uint64_t context, fp_entries found);

#endif
