/* What libraries offer under which name: one walk over their modules' namespaces, done in every child. */
#include "parts.h"

#include <string.h>

/* Namespaces hold a hundred thousand entries once numpy or torch is loaded; nearly all are atoms, functions and
   classes, and are passed over here without a Python call and without touching their reference counts, which in a
   forked child would cost a page fault and a copy each. Nothing here runs Python code that could change a namespace. */

typedef struct {
    PyObject *found;   /* dict: id -> (module, path); borrowed */
    PyObject *kept;    /* list; borrowed */
    PyObject *module;  /* name of the module; borrowed */
    PyObject *atoms;   /* set of types without an identity worth keeping; borrowed */
    PyObject *program; /* set of names of the program's own modules; borrowed */
    PyObject *skipped; /* set of names that every module has; borrowed */
} search;

/* found.setdefault(id(value), (module, path)), and the value is kept alive: should the library let go of it, another
   object at its address would be taken for it. */
static int note(const search *s, PyObject *value, PyObject *path)
{
    if (PyList_Append(s->kept, value) < 0) {
        return -1;
    }
    PyObject *id = PyLong_FromVoidPtr(value);
    PyObject *place = id == NULL ? NULL : PyTuple_Pack(2, s->module, path);
    int failed = place == NULL || PyDict_SetDefault(s->found, id, place) == NULL;
    Py_XDECREF(id);
    Py_XDECREF(place);
    return failed ? -1 : 0;
}

static int is_callable(PyObject *value)
{
    return PyType_Check(value) || PyFunction_Check(value) || PyCFunction_CheckExact(value);
}

/* name_callables(found, kept, module_name, namespace, program): adds the classes and functions of a library's namespace,
   but for those the program defines. */
static PyObject *name_callables(PyObject *Py_UNUSED(self), PyObject *args)
{
    search s = {0};
    PyObject *namespace, *key, *value;
    if (!PyArg_ParseTuple(args, "O!O!UO!O!", &PyDict_Type, &s.found, &PyList_Type, &s.kept, &s.module, &PyDict_Type, &namespace,
                          &PySet_Type, &s.program)) {
        return NULL;
    }
    Py_ssize_t position = 0;
    while (PyDict_Next(namespace, &position, &key, &value)) {
        if (!PyUnicode_CheckExact(key) || !is_callable(value)) {
            continue;
        }
        int own = forkpoint_is_programs(value, s.program);
        if (own < 0 || (!own && note(&s, value, key) < 0)) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

/* whereabouts(namespaces, obj) -> (index, key): in which of a list of namespaces and under which text a class or function
   is found first, or None */
static PyObject *whereabouts(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *namespaces, *obj, *key, *value;
    if (!PyArg_ParseTuple(args, "O!O", &PyList_Type, &namespaces, &obj)) {
        return NULL;
    }
    for (Py_ssize_t i = 0; is_callable(obj) && i < PyList_GET_SIZE(namespaces); i++) {
        PyObject *namespace = PyList_GET_ITEM(namespaces, i);
        Py_ssize_t position = 0;
        while (PyDict_Check(namespace) && PyDict_Next(namespace, &position, &key, &value)) {
            if (value == obj && PyUnicode_CheckExact(key)) {
                return Py_BuildValue("nO", i, key);
            }
        }
    }
    Py_RETURN_NONE;
}

/* fingerprint(dict) -> int: other for other keys or values, by identity and in order (FNV-1a over their addresses) */
static PyObject *fingerprint(PyObject *Py_UNUSED(self), PyObject *dict)
{
    if (!PyDict_Check(dict)) {
        PyErr_SetString(PyExc_TypeError, "fingerprint() takes a dict");
        return NULL;
    }
    uint64_t hash = 0xcbf29ce484222325ULL;
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(dict, &position, &key, &value)) {
        hash = (hash ^ (uintptr_t)key) * 0x100000001b3ULL;
        hash = (hash ^ (uintptr_t)value) * 0x100000001b3ULL;
    }
    return PyLong_FromUnsignedLongLong(hash);
}

PyMethodDef forkpoint_names_methods[] = {
    {"fingerprint", fingerprint, METH_O, "What a dict holds, by identity, as a number."},
    {"whereabouts", whereabouts, METH_VARARGS, "Which namespace holds a class or function under which name, or None."},
    {"name_callables", name_callables, METH_VARARGS, "Name the classes and functions of a library's namespace."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_names_init(PyObject *module)
{
    (void)module;
    return 0;
}
