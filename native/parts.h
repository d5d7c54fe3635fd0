/* Each .c file is one part: it exports a method table and an init function; module.c only lists them. */
#ifndef FORKPOINT_PARTS_H
#define FORKPOINT_PARTS_H

#include "compat.h"

#define FORKPOINT_PARTS(X)                                                        \
    X(frames) X(resume) X(ticks) X(collect) X(alive)                             \
    X(graph) X(instances) X(layout) X(deepstack) X(chunking) X(names)                         \
    X(forkside) X(keeper) X(hashsecret) X(audit) X(written) X(exits) X(contexts)

#define DECLARE_PART(name)                        \
    extern PyMethodDef forkpoint_##name##_methods[]; \
    extern int forkpoint_##name##_init(PyObject *module);
FORKPOINT_PARTS(DECLARE_PART)
#undef DECLARE_PART

/* The object that stands for an empty slot (a C NULL) wherever frames and generators are seen from Python.
   Borrowed; lives as long as the process. Defined in module.c. */
extern PyObject *forkpoint_null;

/* Ends the audit hook's callbacks in a forked child. Defined in audit.c, called from forkside.c. */
extern void forkpoint_audit_off(void);

#endif
