/* See natures.h. Nothing here runs Python code, or touches a reference count. */
#include "natures.h"

#include "drift.h"
#include "parts.h"

#include <string.h>

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

static int any_of_python_class(PyObject *defaults, PyObject *named)
{
    for (Py_ssize_t i = 0; defaults != NULL && i < PyTuple_GET_SIZE(defaults); i++) {
        if (forkpoint_is_python_class(Py_TYPE(PyTuple_GET_ITEM(defaults, i)))) {
            return 1;
        }
    }
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (named != NULL && PyDict_Next(named, &position, &name, &value)) {
        if (forkpoint_is_python_class(Py_TYPE(value))) {
            return 1;
        }
    }
    return 0;
}

/* Is an entry, which is `own` (the program's) or not, an object to be called by its name? Classes, functions and modules
   carry their own names; atoms need none. -1 on error. */
static int is_named(const fp_terms *s, PyObject *key, PyObject *value, int own)
{
    if (own || PyModule_CheckExact(value) || PyFunction_Check(value) || PyCFunction_CheckExact(value) || PyType_Check(value)) {
        return 0;
    }
    int passed = PySet_Contains(s->atoms, (PyObject *)Py_TYPE(value));
    if (passed == 0) {
        passed = PySet_Contains(s->skipped, key);
    }
    return passed < 0 ? -1 : !passed;
}

int64_t forkpoint_nature(const fp_terms *s, int use, PyObject *module, PyObject *key, PyObject *value)
{
    int own = forkpoint_is_programs(value, s->program);
    int named = own < 0 || use == OF_INSTANCE ? own : is_named(s, key, value, own);
    int assigned = named < 0 ? named : PySet_Contains(s->assigned, key);
    if (assigned < 0) {
        return -1;
    }
    int64_t what = named && use != OF_INSTANCE ? NAMED : 0;
    if (!PyModule_Check(value) && value != s->builtins) {
        what |= own || assigned ? DRIFTED : forkpoint_is_holder(value) ? HOLDER : 0;
    }
    if (use == OF_INSTANCE) {
        return what;
    }
    what |= forkpoint_counter_of(value) != NULL ? COUNTER : 0;
    if (PyFunction_Check(value) && any_of_python_class(PyFunction_GET_DEFAULTS(value), PyFunction_GET_KW_DEFAULTS(value))) {
        what |= MARKED;
    }
    if (use == OF_MODULE && PyType_Check(value)) {
        what |= (PyObject *)Py_TYPE(value) == s->meta ? KIND : 0;
        what |= is_class_of((PyTypeObject *)value, module) ? CLASS : 0;
    } else if (use == OF_MODULE && !PyModule_Check(value) && forkpoint_is_python_class(Py_TYPE(value))) {
        what |= INSTANCE;
    }
    if (use == OF_MODULE && PyObject_TypeCheck(value, (PyTypeObject *)s->local)) {
        what |= LOCAL;
    }
    return what;
}
