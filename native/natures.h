/* What an entry of a library's namespace is, for the walk over them (survey.c). */
#ifndef FORKPOINT_NATURES_H
#define FORKPOINT_NATURES_H

#include "compat.h"

/* What an entry of a namespace is: found there, or somewhere to look further. */
enum {
    NAMED = 1,     /* an object to be called by its name here */
    DRIFTED = 2,   /* the program's own, or where its code assigns something */
    COUNTER = 4,   /* an itertools.count, or what advances one */
    MARKED = 8,    /* a function with a default that a library may compare with */
    CLASS = 16,    /* defined by the module whose namespace this is */
    INSTANCE = 32, /* of a class written in Python, in a module */
    HOLDER = 64,   /* a dict, list or set that is not DRIFTED */
    KIND = 128,    /* in a module, a class of the metaclass asked for */
    LOCAL = 256,   /* in a module, a threading.local */
};

/* What a dict is to the walk. */
enum { OF_MODULE = 1, OF_CLASS = 2, TABLE = 3, OF_INSTANCE = 4 };

/* What decides, besides the entry itself. All borrowed. */
typedef struct {
    PyObject *program;  /* set of names of the program's own modules */
    PyObject *assigned; /* set of attribute names that the program's code assigns */
    PyObject *atoms;    /* set of types without an identity worth keeping */
    PyObject *skipped;  /* set of names that every module has */
    PyObject *meta;     /* a metaclass */
    PyObject *local;    /* the type threading.local */
    PyObject *builtins; /* the namespace that every module holds as __builtins__; a module of its own here */
} fp_terms;

/* All that an entry of the namespace of this module, or of a class or instance in it, is; -1 with an exception set. */
extern int64_t forkpoint_nature(const fp_terms *terms, int use, PyObject *module, PyObject *key, PyObject *value);

#endif
