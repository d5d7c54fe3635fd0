/* The one general file that names a CPython version. Struct layouts that differ per version live in frames_3NN.h. */
#ifndef FORKPOINT_COMPAT_H
#define FORKPOINT_COMPAT_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_BUILD_CORE
#  define Py_BUILD_CORE 1
#endif
#include <Python.h>
#undef _PyGC_FINALIZED

#if PY_VERSION_HEX < 0x030b0000 || PY_VERSION_HEX >= 0x030e0000
#  error "forkpoint supports CPython 3.11, 3.12 and 3.13: add a frames_3NN.h for this version"
#endif
#ifdef Py_GIL_DISABLED
#  error "forkpoint does not support the free-threaded build yet"
#endif

/* The interpreter's two depth counters: 3.11 counts C and Python calls together, later versions apart. */
typedef struct {
    int python;
    int c;
} forkpoint_recursion;

static inline forkpoint_recursion forkpoint_recursion_lift(PyThreadState *tstate, int levels)
{
    forkpoint_recursion saved;
#if PY_VERSION_HEX < 0x030c0000
    saved.python = tstate->recursion_remaining;
    saved.c = 0;
    tstate->recursion_remaining = levels;
#else
    saved.python = tstate->py_recursion_remaining;
    saved.c = tstate->c_recursion_remaining;
    tstate->py_recursion_remaining = levels;
    tstate->c_recursion_remaining = levels;
#endif
    return saved;
}

static inline void forkpoint_recursion_restore(PyThreadState *tstate, forkpoint_recursion saved)
{
#if PY_VERSION_HEX < 0x030c0000
    tstate->recursion_remaining = saved.python;
#else
    tstate->py_recursion_remaining = saved.python;
    tstate->c_recursion_remaining = saved.c;
#endif
}

/* A new reference to what a weak reference points at, NULL (no error) when it is dead. */
static inline PyObject *forkpoint_weakref_target(PyObject *ref)
{
#if PY_VERSION_HEX < 0x030d0000
    PyObject *target = PyWeakref_GET_OBJECT(ref);
    return target == Py_None ? NULL : Py_NewRef(target);
#else
    PyObject *target = NULL;
    return PyWeakref_GetRef(ref, &target) > 0 ? target : NULL;
#endif
}
/* The frame layout of the running version; included by frames.c, resume.c and ticks.c only. */
#if PY_VERSION_HEX < 0x030c0000
#  define FORKPOINT_FRAMES_HEADER "frames_311.h"
#elif PY_VERSION_HEX < 0x030d0000
#  define FORKPOINT_FRAMES_HEADER "frames_312.h"
#else
#  define FORKPOINT_FRAMES_HEADER "frames_313.h"
#endif

#endif
