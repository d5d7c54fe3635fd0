/* The itertools.count objects by which libraries number things: threads, pools, tasks. */
#include "parts.h"

static PyTypeObject *count_type, *bound_slot_type; /* itertools.count and the type of its instances' __next__ */
static Py_ssize_t bound_slot_self;                 /* where that one holds the instance */

/* Mirrors countobject, Modules/itertoolsmodule.c, the same from 3.11 to 3.13. Small numbers by one: `number` alone counts. */
typedef struct {
    PyObject_HEAD
    Py_ssize_t number;
    PyObject *large; /* NULL while `number` counts */
    PyObject *step;
} count_object;

PyObject *forkpoint_counter_of(PyObject *value)
{
    if (Py_IS_TYPE(value, count_type)) {
        return value;
    }
    if (Py_IS_TYPE(value, bound_slot_type)) {
        PyObject *self = *(PyObject **)((char *)value + bound_slot_self);
        return self != NULL && Py_IS_TYPE(self, count_type) ? self : NULL;
    }
    PyObject *closure = PyFunction_Check(value) ? PyFunction_GET_CLOSURE(value) : NULL;
    for (Py_ssize_t i = 0; closure != NULL && i < PyTuple_GET_SIZE(closure); i++) {
        PyObject *content = PyCell_GET(PyTuple_GET_ITEM(closure, i));
        if (content != NULL && Py_IS_TYPE(content, count_type)) {
            return content;
        }
    }
    return NULL;
}

/* Large steps at once: some libraries begin to count at a random number. */
static PyObject *counter_forward(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *value;
    Py_ssize_t number;
    if (!PyArg_ParseTuple(args, "On:counter_forward", &value, &number)) {
        return NULL;
    }
    count_object *counter = (count_object *)forkpoint_counter_of(value);
    if (counter != NULL && counter->large == NULL && counter->number < number && number < PY_SSIZE_T_MAX) {
        counter->number = number;
    }
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_counters_methods[] = {
    {"counter_forward", counter_forward, METH_VARARGS, "counter_forward(value, number): have the counter it is, or that is behind it, go on at `number`, never back."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_counters_init(PyObject *Py_UNUSED(module))
{
    PyObject *itertools = PyImport_ImportModule("itertools");
    PyObject *count = itertools != NULL ? PyObject_CallMethod(itertools, "count", NULL) : NULL;
    PyObject *next = count != NULL ? PyObject_GetAttrString(count, "__next__") : NULL;
    if (next != NULL) {
        count_type = (PyTypeObject *)Py_NewRef(Py_TYPE(count));
        bound_slot_type = (PyTypeObject *)Py_NewRef(Py_TYPE(next));
        bound_slot_self = forkpoint_member_offset(bound_slot_type, "__self__");
    }
    int known = count != NULL && count_type->tp_basicsize == sizeof(count_object) &&
                ((count_object *)count)->number == 0 && ((count_object *)count)->large == NULL;
    if (next != NULL && !known) {
        PyErr_SetString(PyExc_SystemError, "itertools.count is laid out in another way");
    }
    Py_XDECREF(itertools);
    Py_XDECREF(count);
    Py_XDECREF(next);
    return next == NULL || bound_slot_self < 0 || !known ? -1 : 0;
}
