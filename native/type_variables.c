/* A type variable (3.12), read without anything being evaluated, and filled once it is there: its bound may speak of the
   class it is a parameter of, or of itself. */
#include "parts.h"

#include <stddef.h>

/* Mirrors typevarobject, Objects/typevarobject.c: bound, constraints and (from 3.13 on) default; of each the value, NULL
   until it was asked for, then the function that tells it, NULL for what was made by calling TypeVar. Flags follow. */
typedef struct {
    PyObject_HEAD
    PyObject *name;
    PyObject *parts[];
} variable_object;

/* How many parts it has; 0 with an exception set for anything else. */
static int parts_of(PyObject *op)
{
    Py_ssize_t parts = Py_TYPE(op)->tp_basicsize / (Py_ssize_t)sizeof(PyObject *) -
                       (Py_ssize_t)(offsetof(variable_object, parts) / sizeof(PyObject *)) - 1;
    if (strcmp(Py_TYPE(op)->tp_name, "typing.TypeVar") == 0 && (parts == 4 || parts == 6)) {
        return (int)parts;
    }
    PyErr_SetString(PyExc_TypeError, "not a typing.TypeVar as these versions make them");
    return 0;
}

static PyObject *variable_read(PyObject *Py_UNUSED(self), PyObject *op)
{
    int parts = parts_of(op);
    PyObject *read = parts ? PyTuple_New(parts) : NULL;
    for (int i = 0; read != NULL && i < parts; i++) {
        const variable_object *variable = (variable_object *)op;
        int asked = i % 2 == 1 && variable->parts[i - 1] != NULL; /* then the function is never called again */
        PyObject *part = asked || variable->parts[i] == NULL ? PyTuple_New(0) : PyTuple_Pack(1, variable->parts[i]);
        if (part == NULL) {
            Py_CLEAR(read);
        }
        else {
            PyTuple_SET_ITEM(read, i, part);
        }
    }
    return read;
}

static PyObject *variable_fill(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *op, *given;
    if (!PyArg_ParseTuple(args, "OO!:variable_fill", &op, &PyTuple_Type, &given)) {
        return NULL;
    }
    int parts = parts_of(op);
    for (int i = 0; i < parts; i++) {
        PyObject *part = i < PyTuple_GET_SIZE(given) ? PyTuple_GET_ITEM(given, i) : NULL;
        if (part == NULL || !PyTuple_Check(part)) {
            PyErr_SetString(PyExc_ValueError, "not what variable_read() gave");
            return NULL;
        }
        Py_XSETREF(((variable_object *)op)->parts[i], PyTuple_GET_SIZE(part) ? Py_NewRef(PyTuple_GET_ITEM(part, 0)) : NULL);
    }
    return parts ? Py_NewRef(Py_None) : NULL;
}

PyMethodDef forkpoint_type_variables_methods[] = {
    {"variable_read", variable_read, METH_O,
     "variable_read(variable) -> ((bound,), (its function,), (constraints,), (their function,), ...), () for none"},
    {"variable_fill", variable_fill, METH_VARARGS, "variable_fill(variable, variable_read())"},
    {NULL, NULL, 0, NULL},
};

int forkpoint_type_variables_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
