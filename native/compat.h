/* The one general file that names a CPython version. Struct layouts that differ per version live in frames_3NN.h. */
#ifndef FORKPOINT_COMPAT_H
#define FORKPOINT_COMPAT_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_BUILD_CORE
#  define Py_BUILD_CORE 1
#endif
#include <Python.h>
#undef _PyGC_FINALIZED
#if PY_VERSION_HEX >= 0x030d0000
#  include <internal/pycore_setobject.h> /* _PySet_NextEntry, which <Python.h> had before */
#endif

#if PY_VERSION_HEX < 0x030b0000 || PY_VERSION_HEX >= 0x030e0000
#  error "forkpoint supports CPython 3.11, 3.12 and 3.13: add a frames_3NN.h for this version"
#endif
#ifdef Py_GIL_DISABLED
#  error "forkpoint does not support the free-threaded build yet"
#endif

/* sys.monitoring (3.12) stops a frame at a line without slowing the others; close() on a generator gives its value
   since 3.13; since 3.12 sum() of floats carries what it has rounded off, and os.fork() counts threads. */
#define FORKPOINT_HAS_MONITORING (PY_VERSION_HEX >= 0x030c0000)
#define FORKPOINT_CLOSE_RETURNS (PY_VERSION_HEX >= 0x030d0000)
#define FORKPOINT_SUM_COMPENSATES (PY_VERSION_HEX >= 0x030c0000)
#define FORKPOINT_FORK_COUNTS_THREADS (PY_VERSION_HEX >= 0x030c0000)

/* The frame layout of the running version; included by frames.c, resume.c and ticks.c only. */
#if PY_VERSION_HEX < 0x030c0000
#  define FORKPOINT_FRAMES_HEADER "frames_311.h"
#elif PY_VERSION_HEX < 0x030d0000
#  define FORKPOINT_FRAMES_HEADER "frames_312.h"
#else
#  define FORKPOINT_FRAMES_HEADER "frames_313.h"
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

/* Both counters as a program finds them that begins: nothing is used up. */
static inline forkpoint_recursion forkpoint_recursion_anew(PyThreadState *tstate)
{
#if PY_VERSION_HEX < 0x030c0000
    return forkpoint_recursion_lift(tstate, tstate->recursion_limit);
#else
    forkpoint_recursion saved = forkpoint_recursion_lift(tstate, tstate->py_recursion_limit);
#  if PY_VERSION_HEX < 0x030d0000
    tstate->c_recursion_remaining = C_RECURSION_LIMIT;
#  else
    tstate->c_recursion_remaining = Py_C_RECURSION_LIMIT;
#  endif
    return saved;
#endif
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

/* The digits of a positive int that has two of them (of 30 bits: Include/cpython/longintrepr.h, pycore_long.h), or NULL. */
static inline const digit *forkpoint_two_digits(PyObject *number)
{
    const PyLongObject *value = (const PyLongObject *)number;
#if PY_VERSION_HEX >= 0x030c0000
    return value->long_value.lv_tag == 2 << 3 ? value->long_value.ob_digit : NULL;
#else
    return Py_SIZE(value) == 2 ? value->ob_digit : NULL;
#endif
}

/* ---- Interpreter state that differs per version, as the child of a fork needs it (forkside.c) ---- */
#include <internal/pycore_dict.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_object.h>
#include <internal/pycore_runtime.h>

/* Forget calls queued with Py_AddPendingCall: they were meant for the program.
   3.11 pycore_interp.h:29, 3.12 pycore_ceval_state.h:16, 3.13 pycore_ceval_state.h:43 (struct _pending_calls). */
static inline void forkpoint_drop_pending_calls(PyInterpreterState *interp)
{
#if PY_VERSION_HEX >= 0x030d0000
    interp->ceval.pending.npending = 0;
    interp->ceval.pending.first = interp->ceval.pending.next = 0;
    _PyRuntime.ceval.pending_mainthread.npending = 0;
    _PyRuntime.ceval.pending_mainthread.first = _PyRuntime.ceval.pending_mainthread.next = 0;
#else
    _Py_atomic_store(&interp->ceval.pending.calls_to_do, 0);
    interp->ceval.pending.first = interp->ceval.pending.last = 0;
#  if PY_VERSION_HEX >= 0x030c0000
    _Py_atomic_store(&_PyRuntime.ceval.pending_mainthread.calls_to_do, 0);
    _PyRuntime.ceval.pending_mainthread.first = _PyRuntime.ceval.pending_mainthread.last = 0;
#  endif
#endif
}

/* Threads of the program go on reading as alive in the child, as they do before 3.13: the list that
   _PyThread_AfterFork would go through to declare them done (3.13 _threadmodule.c) is made empty. */
static inline void forkpoint_forget_thread_handles(void)
{
#if PY_VERSION_HEX >= 0x030d0000
    _PyRuntime.threads.handles.next = _PyRuntime.threads.handles.prev = &_PyRuntime.threads.handles;
#endif
}

/* The namespace of a class, borrowed; NULL of a static type that nobody has used yet (_socket.socket, where socket is
   not imported). Static types of the interpreter's own keep it elsewhere from 3.12 on (Objects/typeobject.c,
   lookup_tp_dict). */
static inline PyObject *forkpoint_type_dict(PyTypeObject *cls)
{
#if PY_VERSION_HEX >= 0x030c0000
    PyObject *namespace = PyType_GetDict(cls);
    Py_XDECREF(namespace); /* the class holds it */
    return namespace;
#else
    return cls->tp_dict;
#endif
}

/* Where the attributes of an instance are that has no dict of its own yet, in the order of its class's shared keys; NULL
   for others (3.11 pycore_object.h, _PyObject_ValuesPointer; 3.12, _PyObject_DictOrValuesPointer; 3.13, inline values). */
static inline PyDictValues *forkpoint_instance_values(PyObject *obj)
{
#if PY_VERSION_HEX >= 0x030d0000
    if (!(Py_TYPE(obj)->tp_flags & Py_TPFLAGS_INLINE_VALUES) || _PyObject_GetManagedDict(obj) != NULL) {
        return NULL;
    }
    return _PyObject_InlineValues(obj)->valid ? _PyObject_InlineValues(obj) : NULL;
#else
    if (!(Py_TYPE(obj)->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        return NULL;
    }
#  if PY_VERSION_HEX >= 0x030c0000
    PyDictOrValues either = *_PyObject_DictOrValuesPointer(obj);
    return _PyDictOrValues_IsValues(either) ? _PyDictOrValues_GetValues(either) : NULL;
#  else
    return *_PyObject_ValuesPointer(obj);
#  endif
#endif
}

/* The lowest bits of a dict's version are for its watchers (Include/internal/pycore_dict.h). */
#if PY_VERSION_HEX >= 0x030d0000
#define FORKPOINT_DICT_VERSION_FLAGS (DICT_VERSION_INCREMENT - 1)
#elif PY_VERSION_HEX >= 0x030c0000
#define FORKPOINT_DICT_VERSION_FLAGS DICT_VERSION_MASK
#else
#define FORKPOINT_DICT_VERSION_FLAGS 0
#endif

/* No cyclic collection from here on, while gc.isenabled() and the thresholds still read as the program left them:
   a collection that is said to be running keeps every other from starting (gcmodule.c, `collecting`). */
static inline void forkpoint_stop_collector(PyInterpreterState *interp)
{
    interp->gc.collecting = 1;
#if PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030d0000
    /* One that is scheduled already would run and reset the flag (gcmodule.c, _Py_RunGC). */
    _Py_atomic_store(&interp->ceval.gc_scheduled, 0);
#endif
}

/* No trace, profile or monitoring callback is called any more, while sys.gettrace() and sys.getprofile() still
   answer what they did. The callbacks' references are given up: the child ends in _exit. */
static inline void forkpoint_stop_tracing(PyThreadState *tstate)
{
    tstate->c_tracefunc = NULL;
    tstate->c_profilefunc = NULL;
#if PY_VERSION_HEX >= 0x030c0000
    for (int tool = 0; tool < PY_MONITORING_TOOL_IDS; tool++) {
        for (int event = 0; event < _PY_MONITORING_EVENTS; event++) {
            tstate->interp->monitoring_callables[tool][event] = NULL;
        }
    }
#else
    tstate->cframe->use_tracing = 0;
#endif
}

/* Where the interpreter keeps what codecs.register() and codecs.register_error() were given (pycore_interp.h). */
#if PY_VERSION_HEX >= 0x030d0000
#define FORKPOINT_CODEC_SEARCHES(interp) ((interp)->codecs.search_path)
#define FORKPOINT_CODEC_HANDLERS(interp) ((interp)->codecs.error_registry)
#else
#define FORKPOINT_CODEC_SEARCHES(interp) ((interp)->codec_search_path)
#define FORKPOINT_CODEC_HANDLERS(interp) ((interp)->codec_error_registry)
#endif

#endif
