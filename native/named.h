/* What libraries own, by address: under which name each object is to be called. See named.c. */
#ifndef FORKPOINT_NAMED_H
#define FORKPOINT_NAMED_H

#include "compat.h"

/* A new, empty one, for objects in the namespaces `modules` lists: [(name, namespace, ...)]. NULL with an exception set. */
extern PyObject *forkpoint_named_new(PyObject *modules);

/* The object `value` is to be called by the name it has, or by that of the function `holder` whose default it is, in the
   namespace of a module (by its place in the list) or of a class there, unless it has a name already. All borrowed: what
   is gone when it is asked for has no name any more. 0, or -1 with an exception set. */
extern int forkpoint_named_add(PyObject *named, PyObject *value, PyObject *holder, Py_ssize_t module, PyTypeObject *cls);

#endif
