/* Resource limits (getrlimit(2)): which of them the program has set, seen by comparing with those it began with. */
#include "parts.h"

#include <sys/resource.h>

static struct rlimit first[RLIM_NLIMITS];

/* As the module `resource` shows it: RLIM_INFINITY is -1 there. */
static PyObject *as_number(rlim_t value)
{
    return value == RLIM_INFINITY ? PyLong_FromLong(-1) : PyLong_FromUnsignedLongLong(value);
}

PyDoc_STRVAR(limits_set_doc,
"limits_set() -> {number: (soft, hard)}\n\n"
"The limits that are not what they were when forkpoint was loaded, by the numbers of the module `resource`.");

static PyObject *limits_set(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    PyObject *found = PyDict_New();
    for (int which = 0; found != NULL && which < RLIM_NLIMITS; which++) {
        struct rlimit now;
        if (getrlimit(which, &now) < 0
            || (now.rlim_cur == first[which].rlim_cur && now.rlim_max == first[which].rlim_max)) {
            continue;
        }
        PyObject *number = PyLong_FromLong(which);
        PyObject *pair = Py_BuildValue("(NN)", as_number(now.rlim_cur), as_number(now.rlim_max));
        if (number == NULL || pair == NULL || PyDict_SetItem(found, number, pair) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(number);
        Py_XDECREF(pair);
    }
    return found;
}

PyMethodDef forkpoint_limits_methods[] = {
    {"limits_set", limits_set, METH_NOARGS, limits_set_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_limits_init(PyObject *Py_UNUSED(module))
{
    for (int which = 0; which < RLIM_NLIMITS; which++) {
        (void)getrlimit(which, &first[which]);
    }
    return 0;
}
