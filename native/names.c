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

/* ---- what modules hold, looked up in sys.modules itself and with borrowed references: nothing can be let go of meanwhile */

/* The next entry of sys.modules that is a module: its name and namespace; 0 at the end. */
static int next_namespace(PyObject *modules, Py_ssize_t *position, PyObject **name, PyObject **module, PyObject **namespace)
{
    while (PyDict_Next(modules, position, name, module)) {
        if (PyModule_Check(*module) && PyUnicode_CheckExact(*name) && (*namespace = PyModule_GetDict(*module)) != NULL) {
            return 1;
        }
    }
    return 0;
}

static Py_ssize_t index_in(PyObject *tuple, PyObject *value)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        if (PyTuple_GET_ITEM(tuple, i) == value) {
            return i;
        }
    }
    return -1;
}

/* whereabouts(modules, own, obj) -> (name of the module, key): in which library, none of the tuple `own`, and under which text
   a class or function is found first, or None */
static PyObject *whereabouts(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *modules, *own, *obj, *name, *module, *namespace, *key, *value;
    if (!PyArg_ParseTuple(args, "O!O!O", &PyDict_Type, &modules, &PyTuple_Type, &own, &obj)) {
        return NULL;
    }
    Py_ssize_t position = 0;
    while (is_callable(obj) && next_namespace(modules, &position, &name, &module, &namespace)) {
        Py_ssize_t within = 0;
        int is_library = index_in(own, module) < 0;
        while (is_library && PyDict_Next(namespace, &within, &key, &value)) {
            if (value == obj && PyUnicode_CheckExact(key)) {
                return PyTuple_Pack(2, name, key);
            }
        }
    }
    Py_RETURN_NONE;
}

/* namespaces(modules) -> [id of each module's namespace] */
static PyObject *namespaces(PyObject *Py_UNUSED(self), PyObject *modules)
{
    if (!PyDict_Check(modules)) {
        PyErr_SetString(PyExc_TypeError, "namespaces() takes a dict");
        return NULL;
    }
    PyObject *ids = PyList_New(0), *name, *module, *namespace;
    Py_ssize_t position = 0;
    while (ids != NULL && next_namespace(modules, &position, &name, &module, &namespace)) {
        PyObject *id = PyLong_FromVoidPtr(namespace);
        if (id == NULL || PyList_Append(ids, id) < 0) {
            Py_CLEAR(ids);
        }
        Py_XDECREF(id);
    }
    return ids;
}

/* namespace_owner(modules, id) -> the last name of the module whose namespace this is, or None */
static PyObject *namespace_owner(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *modules, *id, *name, *module, *namespace, *found = Py_None;
    if (!PyArg_ParseTuple(args, "O!O", &PyDict_Type, &modules, &id)) {
        return NULL;
    }
    void *address = PyLong_AsVoidPtr(id);
    if (address == NULL && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t position = 0;
    while (next_namespace(modules, &position, &name, &module, &namespace)) {
        found = (void *)namespace == address ? name : found;
    }
    return Py_NewRef(found);
}

/* names_of(modules, own) -> [(name, index)] under which sys.modules has the modules of the tuple `own` */
static PyObject *names_of(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *modules, *own, *name, *module;
    if (!PyArg_ParseTuple(args, "O!O!", &PyDict_Type, &modules, &PyTuple_Type, &own)) {
        return NULL;
    }
    PyObject *found = PyList_New(0);
    Py_ssize_t position = 0;
    while (found != NULL && PyDict_Next(modules, &position, &name, &module)) {
        Py_ssize_t at = index_in(own, module);
        PyObject *pair = at >= 0 ? Py_BuildValue("On", name, at) : NULL;
        if (PyErr_Occurred() || (pair != NULL && PyList_Append(found, pair) < 0)) {
            Py_CLEAR(found);
        }
        Py_XDECREF(pair);
    }
    return found;
}

/* held_under(modules, key) -> [(name of the module, value)] of the modules that have something under this text */
static PyObject *held_under(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *modules, *key, *name, *module, *namespace;
    if (!PyArg_ParseTuple(args, "O!U", &PyDict_Type, &modules, &key)) {
        return NULL;
    }
    PyObject *found = PyList_New(0);
    Py_ssize_t position = 0;
    while (found != NULL && next_namespace(modules, &position, &name, &module, &namespace)) {
        PyObject *value = PyDict_GetItemWithError(namespace, key);
        PyObject *pair = value != NULL ? PyTuple_Pack(2, name, value) : NULL;
        if (PyErr_Occurred() || (pair != NULL && PyList_Append(found, pair) < 0)) {
            Py_CLEAR(found);
        }
        Py_XDECREF(pair);
    }
    return found;
}

static int names(PyObject *code, PyObject *name)
{
    PyObject *names = ((PyCodeObject *)code)->co_names;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *one = PyTuple_GET_ITEM(names, i);
        if (one == name || (PyUnicode_CheckExact(one) && PyUnicode_Compare(one, name) == 0)) {
            return 1;
        }
    }
    return 0;
}

/* The code of a function, or of what a property, class or static method makes of one: a new reference, or NULL. */
static PyObject *code_of(PyObject *value)
{
    if (PyFunction_Check(value)) {
        return Py_NewRef(PyFunction_GET_CODE(value));
    }
    const char *part = Py_IS_TYPE(value, &PyProperty_Type) ? "fget"
                       : Py_IS_TYPE(value, &PyStaticMethod_Type) || Py_IS_TYPE(value, &PyClassMethod_Type) ? "__func__"
                                                                                                           : NULL;
    PyObject *function = part != NULL ? PyObject_GetAttrString(value, part) : NULL, *code = NULL;
    if (function != NULL && PyFunction_Check(function)) {
        code = Py_NewRef(PyFunction_GET_CODE(function));
    }
    Py_XDECREF(function);
    return code;
}

/* codes_naming(holder, name) -> [code]: of the functions in the namespace of a class or module, or in a dict, those that use
   this name, global or of an attribute */
static PyObject *codes_naming(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *holder, *name, *key, *value;
    if (!PyArg_ParseTuple(args, "OU", &holder, &name)) {
        return NULL;
    }
    PyObject *namespace = PyType_Check(holder)     ? forkpoint_type_dict((PyTypeObject *)holder)
                          : PyModule_Check(holder) ? PyModule_GetDict(holder)
                                                   : holder;
    if (namespace == NULL || !PyDict_Check(namespace)) {
        return PyList_New(0);
    }
    PyObject *found = PyList_New(0);
    Py_ssize_t position = 0;
    while (found != NULL && PyDict_Next(namespace, &position, &key, &value)) {
        if (PyFunction_Check(value) && !names(PyFunction_GET_CODE(value), name)) {
            continue; /* nearly all, without a reference */
        }
        PyObject *code = code_of(value);
        if (PyErr_Occurred() || (code != NULL && names(code, name) && PyList_Append(found, code) < 0)) {
            Py_CLEAR(found);
        }
        Py_XDECREF(code);
    }
    return found;
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
    {"codes_naming", codes_naming, METH_VARARGS, "The code of a namespace's functions that use a name."},
    {"fingerprint", fingerprint, METH_O, "What a dict holds, by identity, as a number."},
    {"held_under", held_under, METH_VARARGS, "What modules have under a name."},
    {"names_of", names_of, METH_VARARGS, "Under which names there are some modules."},
    {"namespaces", namespaces, METH_O, "The ids of all modules' namespaces."},
    {"namespace_owner", namespace_owner, METH_VARARGS, "Which module's namespace has this id, or None."},
    {"whereabouts", whereabouts, METH_VARARGS, "Which library holds a class or function under which name, or None."},
    {"name_callables", name_callables, METH_VARARGS, "Name the classes and functions of a library's namespace."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_names_init(PyObject *module)
{
    (void)module;
    return 0;
}
