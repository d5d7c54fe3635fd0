/* What a program has put into libraries: one walk over their modules' and classes' namespaces, done in every child.
 *
 * It takes no reference where it can do without: each would cost a child the copy of a page. So nothing in here may run
 * Python code while a dict is being walked: attributes are read from where they are kept, never asked for. */
#include "parts.h"

#include <string.h>

enum {
    WRAPPERS_MAX = 8,       /* A property of a partial of a method ...: beyond that nobody looks. */
    ELEMENTS_MAX = 100000,  /* A larger table of a library is data, not a registry. */
};

static PyObject *str_module, *str_name; /* interned; live as long as the process */

/* Is `name` (a borrowed reference or NULL) one of the program's modules? -1 on error. */
static int of_program(PyObject *name, PyObject *program)
{
    return name != NULL && PyUnicode_CheckExact(name) ? PySet_Contains(program, name) : 0;
}

/* What a class written in Python says it was defined in: borrowed, or NULL. */
static PyObject *module_of(PyTypeObject *type)
{
    return type->tp_flags & Py_TPFLAGS_HEAPTYPE ? PyDict_GetItemWithError(type->tp_dict, str_module) : NULL;
}

/* functools.wraps() gives a function the `__module__` of another one: what it was compiled with counts as well. */
static int function_of_program(PyObject *function, PyObject *program)
{
    PyObject *globals = PyFunction_GET_GLOBALS(function), *module = PyFunction_GET_MODULE(function);
    PyObject *name = PyDict_GetItemWithError(globals, str_name);
    if (name == NULL && PyErr_Occurred()) {
        return -1;
    }
    int found = of_program(name, program);
    return found != 0 || module == name ? found : of_program(module, program);
}

/* What a wrapper wraps: attribute names to try in turn, or NULL for what is none. */
static const char *const *wrapped_in(PyTypeObject *type)
{
    static const char *const property[] = {"fget", "fset", "fdel", NULL};
    static const char *const method[] = {"__func__", NULL};
    static const char *const partial[] = {"func", NULL};
    static const char *const cache[] = {"__wrapped__", NULL};
    if (type == &PyProperty_Type) {
        return property;
    }
    if (type == &PyStaticMethod_Type || type == &PyClassMethod_Type) {
        return method;
    }
    if (strcmp(type->tp_name, "functools.partial") == 0) {
        return partial;
    }
    return strcmp(type->tp_name, "functools._lru_cache_wrapper") == 0 ? cache : NULL;
}

static int is_programs(PyObject *value, PyObject *program, int depth)
{
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyFunction_Type) {
        return function_of_program(value, program);
    }
    if (PyType_Check(value)) {
        return of_program(module_of((PyTypeObject *)value), program);
    }
    if (type == &PyMethod_Type) {
        int found = is_programs(PyMethod_GET_FUNCTION(value), program, depth + 1);
        return found != 0 ? found : is_programs(PyMethod_GET_SELF(value), program, depth + 1);
    }
    const char *const *attribute = depth < WRAPPERS_MAX ? wrapped_in(type) : NULL;
    for (; attribute != NULL && *attribute != NULL; attribute++) {
        PyObject *inner = PyObject_GetAttrString(value, *attribute);
        if (inner == NULL) {
            PyErr_Clear();
            continue;
        }
        int found = is_programs(inner, program, depth + 1);
        Py_DECREF(inner);
        if (found != 0) {
            return found;
        }
    }
    return of_program(module_of(type), program);
}

int forkpoint_is_programs(PyObject *value, PyObject *program)
{
    return is_programs(value, program, 0);
}

/* A new list of the keys or indexes at which a plain dict or list holds what is the program's. */
static PyObject *places_within(PyObject *holder, PyObject *program)
{
    PyObject *places = PyList_New(0), *key, *value;
    int within = PyDict_CheckExact(holder);
    Py_ssize_t at = 0;
    for (Py_ssize_t i = 0; places != NULL && i < ELEMENTS_MAX; i++) {
        if (within ? !PyDict_Next(holder, &at, &key, &value) : i >= PyList_GET_SIZE(holder)) {
            break;
        }
        int own = is_programs(within ? value : PyList_GET_ITEM(holder, i), program, 0);
        if (own == 0) {
            continue;
        }
        PyObject *place = own < 0 ? NULL : within ? Py_NewRef(key) : PyLong_FromSsize_t(i);
        if (place == NULL || PyList_Append(places, place) < 0) {
            Py_CLEAR(places);
        }
        Py_XDECREF(place);
    }
    return places;
}

typedef struct {
    PyObject *program;  /* set of names of the program's modules; borrowed */
    PyObject *assigned; /* set of attribute names; borrowed */
    PyObject *found;    /* list; borrowed */
} search;

/* Adds (path, key, value, places or None) to the list if the entry is drift; -1 on error. */
static int look_at(PyObject *path, PyObject *key, PyObject *value, const search *s)
{
    PyObject *places = NULL;
    int own = PySet_Contains(s->assigned, key);
    if (own == 0) {
        own = is_programs(value, s->program, 0);
    }
    if (own < 0) {
        return -1;
    }
    if (!own) {
        if (!PyDict_CheckExact(value) && !PyList_CheckExact(value)) {
            return 0;
        }
        places = places_within(value, s->program);
        if (places == NULL) {
            return -1;
        }
        if (PyList_GET_SIZE(places) == 0) {
            Py_DECREF(places);
            return 0;
        }
    }
    PyObject *entry = PyTuple_Pack(4, path, key, value, places != NULL ? places : Py_None);
    int failed = entry == NULL || PyList_Append(s->found, entry) < 0;
    Py_XDECREF(entry);
    Py_XDECREF(places);
    return failed ? -1 : 0;
}

/* Is this a class that `module` defines, whose attributes can be changed? */
static int is_own_class(PyObject *value, PyObject *module)
{
    PyObject *name = PyType_Check(value) ? module_of((PyTypeObject *)value) : NULL;
    return name != NULL && PyUnicode_CheckExact(name) && PyUnicode_Compare(name, module) == 0;
}

static int walk(PyObject *module, PyObject *path, PyObject *namespace, const search *s)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    int failed = 0;
    while (!failed && PyDict_Next(namespace, &at, &key, &value)) {
        if (!PyUnicode_CheckExact(key) || PyModule_Check(value)) {
            continue;
        }
        failed = look_at(path, key, value, s) < 0;
        if (!failed && PyUnicode_GET_LENGTH(path) == 0 && is_own_class(value, module)) {
            failed = walk(module, key, ((PyTypeObject *)value)->tp_dict, s) < 0;
        }
    }
    return failed ? -1 : 0;
}

/* drifted(module_name, namespace, program, assigned) -> list of (path, key, value, None | list of places)

   What of a library module's namespace (path "") and of the namespaces of classes it defines (path: the class) is the
   program's own (a function or class it defines, an instance of such a class, a wrapper of one), or whose name is in
   `assigned`; and plain dicts and lists that hold such elements, with their keys or indexes. `program` is the set of
   names of the program's modules. */
static PyObject *drifted(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *module, *namespace;
    search s;
    if (!PyArg_ParseTuple(args, "UO!O!O!", &module, &PyDict_Type, &namespace, &PySet_Type, &s.program, &PySet_Type, &s.assigned)) {
        return NULL;
    }
    s.found = PyList_New(0);
    PyObject *path = PyUnicode_FromString("");
    int failed = s.found == NULL || path == NULL || walk(module, path, namespace, &s) < 0;
    Py_XDECREF(path);
    if (failed) {
        Py_CLEAR(s.found);
    }
    return s.found;
}

/* is_programs(value, program): does the program define it, or what it wraps, or its class? */
static PyObject *py_is_programs(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *value, *program;
    if (!PyArg_ParseTuple(args, "OO!", &value, &PySet_Type, &program)) {
        return NULL;
    }
    int own = is_programs(value, program, 0);
    return own < 0 ? NULL : PyBool_FromLong(own);
}

PyMethodDef forkpoint_drift_methods[] = {
    {"drifted", drifted, METH_VARARGS, "Entries of a library's namespace that the program put there."},
    {"is_programs", py_is_programs, METH_VARARGS, "Is the object the program's own?"},
    {NULL, NULL, 0, NULL},
};

int forkpoint_drift_init(PyObject *module)
{
    (void)module;
    str_module = PyUnicode_InternFromString("__module__");
    str_name = PyUnicode_InternFromString("__name__");
    return str_module == NULL || str_name == NULL ? -1 : 0;
}
