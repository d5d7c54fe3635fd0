/* What libraries own, by address: under which name each object is to be called. See named.c. */
#ifndef FORKPOINT_NAMED_H
#define FORKPOINT_NAMED_H

#include "addresses.h"

extern PyTypeObject forkpoint_named_type;

/* A new, empty one, for objects in the namespaces `modules` lists: [(name, namespace, ...)]. NULL with an exception set. */
extern PyObject *forkpoint_named_new(PyObject *modules);

/* The object `value` is to be called by the name it has, or by that of the function `holder` whose default it is, in the
   namespace of a module (by its place in the list) or of a class there, unless it has a name already. All borrowed: what
   is gone when it is asked for has no name any more. 0, or -1 with an exception set. */
extern int forkpoint_named_add(PyObject *named, PyObject *value, PyObject *holder, Py_ssize_t module, PyTypeObject *cls);

/* Has the object at this address a name, or had when it was added? */
extern int forkpoint_named_has(PyObject *named, uintptr_t address);

/* Addresses, and those of a NamedObjects (or NULL) but for some. */
typedef struct {
    AddressSet others, excepted;
    PyObject *named; /* owned */
} RegisteredObjects;

static inline int forkpoint_is_registered(const RegisteredObjects *all, uintptr_t address)
{
    return forkpoint_addresses_has(&all->others, address) ||
           (all->named != NULL && forkpoint_named_has(all->named, address) &&
            !forkpoint_addresses_has(&all->excepted, address));
}

#endif
