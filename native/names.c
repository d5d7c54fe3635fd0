/* What libraries offer under which name: one walk over their modules' namespaces, done in every child. As in drift.c,
   no reference is taken to what is passed over, and no Python code runs while a dict is walked. */
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
    PyObject *type = (PyObject *)Py_TYPE(value);
    int plain = Py_TYPE(type)->tp_hash == PyType_Type.tp_hash; /* a metaclass may hash in Python; atoms have none */
    int found = plain ? PySet_Contains(rule->atoms, type) : 0;
    return found != 0 ? found : PySet_Contains(rule->skipped, key);
}

/* name_objects(found, kept, module_name, prefix, owner, atoms, program, skipped) -> list of (key, class)

   `owner` is the namespace, or the class whose namespace it is. Adds to `found` (a dict: id -> (module name, path)) what the namespace holds, but for classes, functions, modules,
   atoms and what is the program's own; `prefix` ("" or "Class.") goes before each key. The classes are returned. */
static PyObject *name_objects(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *found, *kept, *module, *prefix, *owner, *key, *value;
    rules rule;
    if (!PyArg_ParseTuple(args, "O!O!UUOO!O!O!", &PyDict_Type, &found, &PyList_Type, &kept, &module, &prefix, &owner,
                          &PySet_Type, &rule.atoms, &PySet_Type, &rule.program, &PySet_Type, &rule.skipped)) {
        return NULL;
    }
    if (!PyType_Check(owner) && !PyDict_Check(owner)) {
        PyErr_SetString(PyExc_TypeError, "neither a namespace nor a class");
        return NULL;
    }
    PyObject *classes = PyList_New(0);
    PyObject *namespace = PyType_Check(owner) ? forkpoint_type_dict((PyTypeObject *)owner) : Py_NewRef(owner);
    Py_ssize_t at = 0;
    if (classes == NULL || namespace == NULL) {
        goto fail;
    }
    while (PyDict_Next(namespace, &at, &key, &value)) {
        int skip = passed_over(key, value, &rule);
        if (skip < 0) {
            goto fail;
        }
        if (skip || PyFunction_Check(value) || PyCFunction_CheckExact(value)) {
            continue;
        }
        if (PyType_Check(value)) {
            PyObject *item = PyTuple_Pack(2, key, value);
            int failed = item == NULL || PyList_Append(classes, item) < 0;
            Py_XDECREF(item);
            if (failed) {
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
    Py_DECREF(namespace);
    return classes;
fail:
    Py_XDECREF(namespace);
    Py_XDECREF(classes);
    return NULL;
}

/* name_callables(found, kept, module_name, namespace, program): adds the classes and functions of a library's namespace,
   but for those the program defines. */
static PyObject *name_callables(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *found, *kept, *module, *namespace, *key, *value;
    rules rule = {0};
    Py_ssize_t at = 0;
    if (!PyArg_ParseTuple(args, "O!O!UO!O!", &PyDict_Type, &found, &PyList_Type, &kept, &module, &PyDict_Type, &namespace, &PySet_Type,
                          &rule.program)) {
        return NULL;
    }
    while (PyDict_Next(namespace, &at, &key, &value)) {
        int callable = PyType_Check(value) || PyFunction_Check(value) || PyCFunction_CheckExact(value);
        if (!PyUnicode_CheckExact(key) || !callable) {
            continue;
        }
        int own = forkpoint_is_programs(value, rule.program);
        if (own < 0 || (!own && note(found, kept, value, module, key) < 0)) {
            return NULL;
        }
    }
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
