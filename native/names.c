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

/* Classes, functions and modules carry their own names; atoms need none. -1 on error. */
static int passed_over(PyObject *key, PyObject *value, const search *s)
{
    if (!PyUnicode_CheckExact(key) || PyModule_CheckExact(value) || PyFunction_Check(value) ||
        PyCFunction_CheckExact(value) || PyType_Check(value)) {
        return 1;
    }
    int found = PySet_Contains(s->atoms, (PyObject *)Py_TYPE(value));
    return found != 0 ? found : PySet_Contains(s->skipped, key);
}

static int note_default(const search *s, PyObject *value, PyObject *cls, PyObject *function, const char *among, PyObject *at)
{
    PyObject *path = cls == NULL ? PyUnicode_FromFormat("%U.%s.[%S]", function, among, at)
                                 : PyUnicode_FromFormat("%U.%U.%s.[%S]", cls, function, among, at);
    int failed = path == NULL || note(s, value, path) < 0;
    Py_XDECREF(path);
    return failed ? -1 : 0;
}

/* Is this what a library marks a missing argument with: an instance of a class written in Python? -1 on error. */
static int is_marker(PyObject *value, PyObject *function, const search *s)
{
    if (!forkpoint_is_python_class(Py_TYPE(value))) {
        return 0;
    }
    int own = forkpoint_is_programs(function, s->program);
    if (own == 0) {
        own = forkpoint_is_programs(value, s->program);
    }
    return own < 0 ? -1 : !own;
}

/* The defaults of a function: `def f(x=_DEFAULT)` compares with that very object, which may have no other name. */
static int name_defaults(PyObject *function, PyObject *cls, PyObject *key, const search *s)
{
    PyObject *defaults = PyFunction_GET_DEFAULTS(function), *named = PyFunction_GET_KW_DEFAULTS(function);
    for (Py_ssize_t i = 0; defaults != NULL && i < PyTuple_GET_SIZE(defaults); i++) {
        int marker = is_marker(PyTuple_GET_ITEM(defaults, i), function, s);
        PyObject *at = marker > 0 ? PyLong_FromSsize_t(i) : NULL;
        int failed = marker < 0 || (marker > 0 && (at == NULL || note_default(s, PyTuple_GET_ITEM(defaults, i), cls, key,
                                                                              "__defaults__", at) < 0));
        Py_XDECREF(at);
        if (failed) {
            return -1;
        }
    }
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (named != NULL && PyDict_Next(named, &position, &name, &value)) {
        int marker = is_marker(value, function, s);
        if (marker < 0 || (marker > 0 && note_default(s, value, cls, key, "__kwdefaults__", name) < 0)) {
            return -1;
        }
    }
    return 0;
}

/* `cls` is the key of the class whose namespace this is, or NULL for a module's. */
static int name_in(PyObject *namespace, PyObject *cls, const search *s)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(namespace, &position, &key, &value)) {
        if (PyFunction_Check(value) && PyUnicode_CheckExact(key) && name_defaults(value, cls, key, s) < 0) {
            return -1;
        }
        int skip = passed_over(key, value, s);
        if (skip == 0) {
            skip = forkpoint_is_programs(value, s->program);
        }
        if (skip < 0) {
            return -1;
        }
        if (skip) {
            continue;
        }
        PyObject *path = cls == NULL ? Py_NewRef(key) : PyUnicode_FromFormat("%U.%U", cls, key);
        int failed = path == NULL || note(s, value, path) < 0;
        Py_XDECREF(path);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

/* Does `__module__` of this class say so? As type_module (Objects/typeobject.c) finds it. */
static int is_class_of(PyTypeObject *cls, PyObject *module)
{
    if (cls->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        PyObject *name = forkpoint_module_of(cls);
        return name != NULL && PyUnicode_CheckExact(name) && PyUnicode_Compare(name, module) == 0;
    }
    const char *dot = strrchr(cls->tp_name, '.');
    Py_ssize_t length;
    const char *name = PyUnicode_AsUTF8AndSize(module, &length);
    if (name == NULL) {
        PyErr_Clear();
        return 0;
    }
    if (dot == NULL) {
        return strcmp(name, "builtins") == 0;
    }
    return dot - cls->tp_name == length && memcmp(cls->tp_name, name, (size_t)length) == 0;
}

static int arguments(PyObject *args, search *s, PyObject **namespace)
{
    return PyArg_ParseTuple(args, "O!O!UO!O!O!O!", &PyDict_Type, &s->found, &PyList_Type, &s->kept, &s->module, &PyDict_Type,
                            namespace, &PySet_Type, &s->atoms, &PySet_Type, &s->program, &PySet_Type, &s->skipped);
}

/* name_objects(found, kept, module_name, namespace, atoms, program, skipped): adds to `found` what the module's namespace
   holds, but for classes, functions, modules, atoms and what is the program's own. */
static PyObject *name_objects(PyObject *Py_UNUSED(self), PyObject *args)
{
    search s;
    PyObject *namespace;
    if (!arguments(args, &s, &namespace) || name_in(namespace, NULL, &s) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* name_class_objects(the same): of the namespaces of the classes that the module defines. */
static PyObject *name_class_objects(PyObject *Py_UNUSED(self), PyObject *args)
{
    search s;
    PyObject *namespace, *key, *value;
    if (!arguments(args, &s, &namespace)) {
        return NULL;
    }
    Py_ssize_t position = 0;
    while (PyDict_Next(namespace, &position, &key, &value)) {
        if (PyUnicode_CheckExact(key) && PyType_Check(value) && is_class_of((PyTypeObject *)value, s.module) &&
            name_in(forkpoint_type_dict((PyTypeObject *)value), key, &s) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
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

/* key_of(namespace, obj) -> the first text under which a namespace holds this class or function, or None */
static PyObject *key_of(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *namespace, *obj, *key, *value;
    if (!PyArg_ParseTuple(args, "O!O", &PyDict_Type, &namespace, &obj)) {
        return NULL;
    }
    Py_ssize_t position = 0;
    while (is_callable(obj) && PyDict_Next(namespace, &position, &key, &value)) {
        if (value == obj && PyUnicode_CheckExact(key)) {
            return Py_NewRef(key);
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
    {"key_of", key_of, METH_VARARGS, "The name under which a namespace holds a class or function, or None."},
    {"name_objects", name_objects, METH_VARARGS, "Name what a library module's namespace holds."},
    {"name_class_objects", name_class_objects, METH_VARARGS, "Name what the namespaces of its classes hold."},
    {"name_callables", name_callables, METH_VARARGS, "Name the classes and functions of a library's namespace."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_names_init(PyObject *module)
{
    (void)module;
    return 0;
}
