/* Each .c file is one part: it exports a method table and an init function; module.c only lists them. chain.c has none:
   it serves guard.c (guard.h); nor have folds.c and sorts.c, which serve drive.c and drivers.c
   (drive.h), imports.c (imports.h), streaming.c (streaming.h), natures.c (natures.h), nor maps.c (maps.h), heap.c (heap.h), identities.c
   (identities.h) and addresses.c (addresses.h), which serve several. */
#ifndef FORKPOINT_PARTS_H
#define FORKPOINT_PARTS_H

#include "compat.h"

#define FORKPOINT_PARTS(X)                                                        \
    X(frames) X(resume) X(ticks) X(guard) X(drive) X(drivers) X(alive) X(living)  \
    X(graph) X(instances) X(layout) X(deepstack) X(chunking) X(names) X(drift)    \
    X(settled) X(named) X(survey)                                                 \
    X(forkside) X(beside) X(staging) X(rewritten) X(hashsecret) X(audit) X(numbered) X(announce) X(written) X(exits)  \
    X(contexts) X(cmemory) X(clocks) X(limits) X(descriptions) X(codecs) X(plainly) X(counters) X(aliases) X(type_variables)

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

/* Read memory that may not be there: 0, or -1 with errno (EFAULT: it is not). Defined in cmemory.c. */
extern int forkpoint_read_memory(void *here, uintptr_t there, size_t size);

/* Have this process, a child, killed once so many seconds have passed; again: from now on. 0, or -1 with errno. System
   calls only. Defined in beside.c, called from forkside.c. */
extern int forkpoint_die_after(double seconds);

/* Note what a program opens: the arguments of the event `open`. Defined in numbered.c, called from audit.c. */
extern void forkpoint_numbered_watch(PyObject *args);

/* Look at what was opened last before it gets another name. Defined in numbered.c, called from audit.c. */
extern void forkpoint_numbered_settle(void);

/* Tell the callback of audit.c that a file is about to be opened so. Borrows `path`. 0, or -1 with an exception that is
   none of ours (a KeyboardInterrupt). */
extern int forkpoint_audit_open(PyObject *path, int flags);

/* Call our own Python code in the program's place: its frames are not given to what the program evaluates frames with.
   As PyObject_Vectorcall. Defined in plainly.c. */
extern PyObject *forkpoint_call_plainly(PyObject *callable, PyObject *const *args, size_t count);

/* The same in a call that was queued for the main thread (Py_AddPendingCall). */
extern PyObject *forkpoint_call_queued(PyObject *callable, PyObject *const *args, size_t count);

/* Is this object the program's although a library may hold it: a function or class that a module in the set `program`
   of names defines, a wrapper of one, an instance of such a class? -1 with an exception set. Defined in drift.c. */
extern int forkpoint_is_programs(PyObject *value, PyObject *program);

/* `__module__` of a class made at run time; borrowed, or NULL. Defined in drift.c. */
extern PyObject *forkpoint_module_of(PyTypeObject *cls);

/* The itertools.count that a value is, or advances when called: borrowed, or NULL. Defined in counters.c. */
extern PyObject *forkpoint_counter_of(PyObject *value);

/* Where objects of this type hold what they show as this attribute (descrobject.h, PyMemberDescrObject); -1 with an
   exception set. Defined in drift.c. */
extern Py_ssize_t forkpoint_member_offset(PyTypeObject *type, const char *attribute);

/* Was it made by a class statement or type(), not by C code? Defined in instances.c. */
extern int forkpoint_is_python_class(PyTypeObject *cls);

/* As PyDict_Next() for the attributes of an instance, without making a dict of them. Defined in instances.c. */
extern int forkpoint_instance_next(PyObject *obj, Py_ssize_t *position, PyObject **key, PyObject **value);

#endif
