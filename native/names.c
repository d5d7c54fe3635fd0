/* What libraries offer under which name: one walk over their modules' namespaces, done in every child. */
#include "parts.h"

/* Namespaces hold a hundred thousand entries once numpy or torch is loaded; nearly all are atoms, functions and
   classes, and are passed over here without a Python call. */

typedef struct {
    PyObject *atoms;   /* set of types without an identity worth keeping; borrowed */
    PyObject *program; /* set of names of the program's own modules; borrowed */
    PyObject *skipped; /* set of names that every module has; borrowed */
} rules;

/* found.setdefault(id(value), (module, path)), and the value is kept alive: should the library let go of it, another
   object at its address would be taken for it. */
static int note(PyObject *found, PyObject *kept, PyObject *value, PyObject *module, PyObject *path)
{
    if (PyList_Append(kept, value) < 0) {
        return -1;
    }
    PyObject *id = PyLong_FromVoidPtr(value);
    PyObject *place = id == NULL ? NULL : PyTuple_Pack(2, module, path);
    int failed = place == NULL || PyDict_SetDefault(found, id, place) == NULL;
    Py_XDECREF(id);
    Py_XDECREF(place);
    return failed ? -1 : 0;
}

static int passed_over(PyObject *key, PyObject *value, const rules *rule)
{
    if (!PyUnicode_CheckExact(key) || PyModule_CheckExact(value)) {
        return 1;
    }
    int found = PySet_Contains(rule->atoms, (PyObject *)Py_TYPE(value));
    return found != 0 ? found : PySet_Contains(rule->skipped, key);
}

/* name_objects(found, kept, module_name, prefix, namespace, atoms, program, skipped) -> list of (key, class)

   Adds to `found` (a dict: id -> (module name, path)) what the namespace holds, but for classes, functions, modules,
   atoms and what is the program's own; `prefix` ("" or "Class.") goes before each key. The classes are returned. */
static PyObject *name_objects(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *found, *kept, *module, *prefix, *namespace;
    rules rule;
    if (!PyArg_ParseTuple(args, "O!O!UUO!O!O!O!", &PyDict_Type, &found, &PyList_Type, &kept, &module, &prefix, &PyDict_Type, &namespace,
                          &PySet_Type, &rule.atoms, &PySet_Type, &rule.program, &PySet_Type, &rule.skipped)) {
        return NULL;
    }
    PyObject *classes = PyList_New(0);
    PyObject *items = PyDict_Items(namespace); /* what is asked of the values may run code that changes it */
    if (classes == NULL || items == NULL) {
        goto fail;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        PyObject *key = PyTuple_GET_ITEM(item, 0), *value = PyTuple_GET_ITEM(item, 1);
        int skip = passed_over(key, value, &rule);
        if (skip < 0) {
            goto fail;
        }
        if (skip || PyFunction_Check(value) || PyCFunction_CheckExact(value)) {
            continue;
        }
        if (PyType_Check(value)) {
            if (PyList_Append(classes, item) < 0) {
                goto fail;
            }
            continue;
        }
        int own = forkpoint_is_programs(value, rule.program);
        if (own < 0) {
            goto fail;
        }
        if (own) {
            continue;
        }
        PyObject *path = PyUnicode_GET_LENGTH(prefix) ? PyUnicode_Concat(prefix, key) : Py_NewRef(key);
        int failed = path == NULL || note(found, kept, value, module, path) < 0;
        Py_XDECREF(path);
        if (failed) {
            goto fail;
        }
    }
    Py_DECREF(items);
    return classes;
fail:
    Py_XDECREF(items);
    Py_XDECREF(classes);
    return NULL;
}

/* name_callables(found, kept, module_name, namespace, program): adds the classes and functions of a library's namespace,
   but for those the program defines. */
static PyObject *name_callables(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *found, *kept, *module, *namespace;
    rules rule = {0};
    if (!PyArg_ParseTuple(args, "O!O!UO!O!", &PyDict_Type, &found, &PyList_Type, &kept, &module, &PyDict_Type, &namespace, &PySet_Type,
                          &rule.program)) {
        return NULL;
    }
    PyObject *items = PyDict_Items(namespace);
    if (items == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *key = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
        PyObject *value = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        int callable = PyType_Check(value) || PyFunction_Check(value) || PyCFunction_CheckExact(value);
        if (!PyUnicode_CheckExact(key) || !callable) {
            continue;
        }
        int own = forkpoint_is_programs(value, rule.program);
        if (own < 0 || (!own && note(found, kept, value, module, key) < 0)) {
            Py_DECREF(items);
            return NULL;
        }
    }
    Py_DECREF(items);
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_names_methods[] = {
    {"name_objects", name_objects, METH_VARARGS, "Name what a library's namespace holds; its classes are returned."},
    {"name_callables", name_callables, METH_VARARGS, "Name the classes and functions of a library's namespace."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_names_init(PyObject *module)
{
    (void)module;
    return 0;
}
