/* The functions registered with atexit, which the module itself does not show.

   Read from the interpreter's state: 3.11 pycore_interp.h:64, 3.12 pycore_atexit.h:41, 3.13 pycore_atexit.h:45
   (struct atexit_state: `callbacks`, `ncallbacks`; an entry that was unregistered is NULL). */
#include "parts.h"

#include <internal/pycore_interp.h>

/* exit_functions() -> list of (function, args, kwargs or None), in the order of registration. New references. */
static PyObject *exit_functions(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(unused))
{
    struct atexit_state *state = &PyInterpreterState_Get()->atexit;
    PyObject *found = PyList_New(0);
    for (int i = 0; found != NULL && i < state->ncallbacks; i++) {
        if (state->callbacks[i] == NULL) {
            continue;
        }
        PyObject *kwargs = state->callbacks[i]->kwargs;
        PyObject *entry = PyTuple_Pack(3, state->callbacks[i]->func, state->callbacks[i]->args,
                                       kwargs == NULL ? Py_None : kwargs);
        if (entry == NULL || PyList_Append(found, entry) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(entry);
    }
    return found;
}

PyMethodDef forkpoint_exits_methods[] = {
    {"exit_functions", exit_functions, METH_NOARGS, "What atexit would call, in the order of registration."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_exits_init(PyObject *module)
{
    (void)module;
    return 0;
}
