/* Types of libraries whose constructor, and functions that, open a file for writing by its name, in C and so without an
   audit event: the audit callback is told as if there had been one, before the file is opened. Nothing of it shows in
   Python: a type gets another constructor, a function another method definition, which CPython reads at each call
   (Objects/methodobject.c, and the specialised calls of Python/bytecodes.c). */
#include "parts.h"

#include <fcntl.h>

enum { TYPES_MAX = 8, FUNCTIONS_MAX = 2 };

static const int made_or_emptied = O_WRONLY | O_CREAT | O_TRUNC;

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
    if (name != NULL && PyUnicode_Check(name) && forkpoint_audit_open(name, made_or_emptied) < 0) {
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

typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

static struct {
    PyMethodDef definition;
    fast_function plain;
    Py_ssize_t position; /* of the name among the arguments */
    PyObject *keyword;   /* what that argument is called; owned */
} functions[FUNCTIONS_MAX];
static int functions_count;

static PyObject *announcing_call(int slot, PyObject *self, PyObject *const *args, Py_ssize_t given, PyObject *keywords)
{
    PyObject *name = given > functions[slot].position ? args[functions[slot].position] : NULL;
    for (Py_ssize_t i = 0; name == NULL && keywords != NULL && i < PyTuple_GET_SIZE(keywords); i++) {
        int found = PyObject_RichCompareBool(PyTuple_GET_ITEM(keywords, i), functions[slot].keyword, Py_EQ);
        if (found < 0) {
            return NULL;
        }
        name = found ? args[given + i] : NULL;
    }
    if (name != NULL && forkpoint_audit_open(name, made_or_emptied) < 0) {
        return NULL;
    }
    return functions[slot].plain(self, args, given, keywords);
}

/* A method is not told which it is. */
static PyObject *announcing_first(PyObject *self, PyObject *const *args, Py_ssize_t given, PyObject *keywords)
{
    return announcing_call(0, self, args, given, keywords);
}

static PyObject *announcing_second(PyObject *self, PyObject *const *args, Py_ssize_t given, PyObject *keywords)
{
    return announcing_call(1, self, args, given, keywords);
}

static const fast_function announcing[FUNCTIONS_MAX] = {announcing_first, announcing_second};

static PyObject *announce_function(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *function, *keyword;
    Py_ssize_t position;
    if (!PyArg_ParseTuple(args, "OnU:announce_function", &function, &position, &keyword)) {
        return NULL;
    }
    if (!PyCFunction_CheckExact(function) ||
        (PyCFunction_GET_FLAGS(function) & ~METH_STATIC) != (METH_FASTCALL | METH_KEYWORDS)) {
        Py_RETURN_FALSE;
    }
    PyCFunctionObject *builtin = (PyCFunctionObject *)function;
    for (int slot = 0; slot < functions_count; slot++) {
        if (builtin->m_ml == &functions[slot].definition) {
            Py_RETURN_TRUE;
        }
    }
    if (functions_count == FUNCTIONS_MAX) {
        Py_RETURN_FALSE;
    }
    int slot = functions_count++;
    functions[slot].definition = *builtin->m_ml;
    functions[slot].plain = (fast_function)(void (*)(void))builtin->m_ml->ml_meth;
    functions[slot].definition.ml_meth = (PyCFunction)(void (*)(void))announcing[slot];
    functions[slot].position = position;
    functions[slot].keyword = Py_NewRef(keyword);
    builtin->m_ml = &functions[slot].definition;
    Py_RETURN_TRUE;
}

PyMethodDef forkpoint_announce_methods[] = {
    {"announce", announce, METH_O,
     "announce(type): from now on type(name, ...) with a str is told to the audit callback as open(name, None, flags)\n"
     "of a file that is made or emptied. There is no way back."},
    {"announce_function", announce_function, METH_VARARGS,
     "announce_function(function, position, keyword) -> bool: the same for a function in C, whose argument says the name;\n"
     "False where it is of another kind, and nothing is told."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_announce_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
