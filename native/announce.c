/* Types of libraries whose constructor opens a file for writing by its name, in C and so without an audit event: the audit
   callback is told as if there had been one, before the file is opened. Nothing of it shows in Python. */
#include "parts.h"

#include <fcntl.h>

enum { TYPES_MAX = 8 };

static struct {
    PyTypeObject *type; /* owned */
    initproc plain;
} announced[TYPES_MAX];
static int count;

/* The constructor of a watched type, or of one derived from it. */
static int announcing_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    int index = 0;
    while (index < count && !PyObject_TypeCheck(self, announced[index].type)) {
        index++;
    }
    if (index == count) {
        PyErr_SetString(PyExc_SystemError, "a constructor is announced for a type that is not watched");
        return -1;
    }
    PyObject *name = PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (name != NULL && PyUnicode_Check(name) && forkpoint_audit_open(name, O_WRONLY | O_CREAT | O_TRUNC) < 0) {
        return -1;
    }
    return announced[index].plain(self, args, kwargs);
}

static PyObject *announce(PyObject *Py_UNUSED(module), PyObject *type)
{
    if (!PyType_Check(type) || ((PyTypeObject *)type)->tp_init == NULL) {
        PyErr_SetString(PyExc_TypeError, "a type with a constructor is expected");
        return NULL;
    }
    if (((PyTypeObject *)type)->tp_init != announcing_init) {
        if (count == TYPES_MAX) {
            PyErr_SetString(PyExc_RuntimeError, "too many types are watched");
            return NULL;
        }
        announced[count].type = (PyTypeObject *)Py_NewRef(type);
        announced[count].plain = ((PyTypeObject *)type)->tp_init;
        count++;
        ((PyTypeObject *)type)->tp_init = announcing_init;
    }
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_announce_methods[] = {
    {"announce", announce, METH_O,
     "announce(type): from now on type(name, ...) with a str is told to the audit callback as open(name, None, flags)\n"
     "of a file that is made or emptied. There is no way back."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_announce_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
