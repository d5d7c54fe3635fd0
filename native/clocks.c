/* The clocks that only count: monotonic, performance, CPU time. In a restored process they go on from where they were.

   The functions of `time` stay the objects they are, since libraries took them at import (threading._time); they get
   another method definition, which CPython reads at each call (Objects/methodobject.c, GET_FUNCTION, and the
   specialised calls of Python/bytecodes.c). A process that was not restored is not touched. */
#include "parts.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

enum { MONOTONIC, PROCESS, THREAD, CLOCKS };

static const clockid_t clock_ids[CLOCKS] = {CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
static const long long second_ns = 1000000000;

static long long ahead_ns[CLOCKS];
static pid_t owner;          /* CPU time of other processes, forks of this one, is their own */
static pthread_t owner_thread;

static long long now_ns(int which)
{
    struct timespec at;
    clock_gettime(clock_ids[which], &at);
    long long real = at.tv_sec * second_ns + at.tv_nsec;
    if ((which != MONOTONIC && getpid() != owner) || (which == THREAD && !pthread_equal(pthread_self(), owner_thread))) {
        return real;
    }
    return real + ahead_ns[which];
}

static PyObject *as_integer(int which)
{
    return PyLong_FromLongLong(now_ns(which));
}

/* Rounded as _PyTime_AsSecondsDouble (Python/pytime.c) does. */
static PyObject *as_seconds(int which)
{
    long long ns = now_ns(which);
    return PyFloat_FromDouble(ns % second_ns == 0 ? (double)(ns / second_ns) : (double)ns / 1e9);
}

#define CLOCK_FUNCTIONS(name, which)                                                                                  \
    static PyObject *name(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none)) { return as_seconds(which); }       \
    static PyObject *name##_ns(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none)) { return as_integer(which); }
CLOCK_FUNCTIONS(monotonic, MONOTONIC)
CLOCK_FUNCTIONS(perf_counter, MONOTONIC)
CLOCK_FUNCTIONS(process_time, PROCESS)
CLOCK_FUNCTIONS(thread_time, THREAD)
#undef CLOCK_FUNCTIONS

static PyMethodDef replaced[] = {
    {"monotonic", monotonic, METH_NOARGS, NULL},
    {"monotonic_ns", monotonic_ns, METH_NOARGS, NULL},
    {"perf_counter", perf_counter, METH_NOARGS, NULL},
    {"perf_counter_ns", perf_counter_ns, METH_NOARGS, NULL},
    {"process_time", process_time, METH_NOARGS, NULL},
    {"process_time_ns", process_time_ns, METH_NOARGS, NULL},
    {"thread_time", thread_time, METH_NOARGS, NULL},
    {"thread_time_ns", thread_time_ns, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int replace(PyObject *time_module, PyMethodDef *definition)
{
    PyObject *function = PyObject_GetAttrString(time_module, definition->ml_name);
    if (function == NULL) {
        return -1;
    }
    /* The program may have put something of its own there: that comes back as what it is. */
    if (PyCFunction_CheckExact(function) && PyCFunction_GET_FLAGS(function) == METH_NOARGS) {
        PyCFunctionObject *builtin = (PyCFunctionObject *)function;
        definition->ml_doc = builtin->m_ml->ml_doc;
        builtin->m_ml = definition;
    }
    Py_DECREF(function);
    return 0;
}

PyDoc_STRVAR(clocks_read_doc,
"clocks_read() -> (monotonic, process, thread)\n\nNanoseconds, as the program's main thread sees these clocks.");

static PyObject *clocks_read(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return Py_BuildValue("(LLL)", now_ns(MONOTONIC), now_ns(PROCESS), now_ns(THREAD));
}

PyDoc_STRVAR(clocks_go_on_doc,
"clocks_go_on(monotonic, process, thread)\n\n"
"From now on the functions of `time` go on from these nanoseconds. Main thread only.");

static PyObject *clocks_go_on(PyObject *Py_UNUSED(module), PyObject *args)
{
    long long from[CLOCKS];
    if (!PyArg_ParseTuple(args, "LLL", &from[MONOTONIC], &from[PROCESS], &from[THREAD])) {
        return NULL;
    }
    PyObject *time_module = PyImport_ImportModule("time");
    if (time_module == NULL) {
        return NULL;
    }
    owner = getpid();
    owner_thread = pthread_self();
    for (int which = 0; which < CLOCKS; which++) {
        ahead_ns[which] += from[which] - now_ns(which);
    }
    int failed = 0;
    for (PyMethodDef *definition = replaced; definition->ml_name != NULL && !failed; definition++) {
        failed = replace(time_module, definition) < 0;
    }
    Py_DECREF(time_module);
    return failed ? NULL : Py_NewRef(Py_None);
}

PyMethodDef forkpoint_clocks_methods[] = {
    {"clocks_read", clocks_read, METH_NOARGS, clocks_read_doc},
    {"clocks_go_on", clocks_go_on, METH_VARARGS, clocks_go_on_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_clocks_init(PyObject *module)
{
    (void)module;
    return 0;
}
