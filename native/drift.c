/* What in libraries is the program's own, and where in their tables it has put something. */
#include "drift.h"

#include "parts.h"

#include <string.h>
#include <structmember.h> /* PyMemberDef, before 3.12 */

enum {
    WRAPPERS_MAX = 8,       /* A property of a partial of a method ...: beyond that nobody looks. */
    ELEMENTS_MAX = 100000,  /* A larger table of a library is data, not a registry. */
};

/* All this looks at a hundred thousand objects in a forked child, where each reference count that is touched costs a
   page fault and a copy: namespaces are walked and wrappers looked into with borrowed references, which is sound as long
   as nothing here runs Python code. */

static PyObject *str_module, *str_name; /* interned; live as long as the process */
static Py_ssize_t property_parts[3], static_part, class_part; /* offsets of what these wrappers hold */

/* Is `name` (a borrowed reference or NULL) one of the program's modules? -1 on error. */
static int of_program(PyObject *name, PyObject *program)
{
    return name != NULL && PyUnicode_CheckExact(name) ? PySet_Contains(program, name) : 0;
}

/* `__module__` of a class made at run time, as type_module (Objects/typeobject.c) finds it; borrowed, or NULL. */
PyObject *forkpoint_module_of(PyTypeObject *cls)
{
    if (!(cls->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        return NULL;
    }
    PyObject *name = PyDict_GetItemWithError(cls->tp_dict, str_module);
    if (name == NULL) {
        PyErr_Clear();
    }
    return name;
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

static int is_programs(PyObject *value, PyObject *program, int depth);

static int part_is_programs(PyObject *wrapper, Py_ssize_t offset, PyObject *program, int depth)
{
    PyObject *part = *(PyObject **)((char *)wrapper + offset);
    return part == NULL ? 0 : is_programs(part, program, depth + 1);
}

/* The same for what no struct shows: a partial's function, a cache's. Their attributes are looked up in C alone. */
static int attribute_is_programs(PyObject *wrapper, const char *name, PyObject *program, int depth)
{
    PyObject *part = PyObject_GetAttrString(wrapper, name);
    if (part == NULL) {
        PyErr_Clear();
        return 0;
    }
    int found = is_programs(part, program, depth + 1);
    Py_DECREF(part);
    return found;
}

/* A descriptor of a library's own class: does it hold a class or function of the program's? So are those made that
   offer something as an attribute of the library's classes (xarray's accessors), and functools.cached_property. */
static int descriptor_holds_programs(PyObject *descriptor, PyObject *program)
{
    PyObject *attributes = PyObject_GenericGetDict(descriptor, NULL);
    if (attributes == NULL) {
        PyErr_Clear(); /* it has slots only */
        return 0;
    }
    PyObject *name, *held;
    Py_ssize_t position = 0;
    int found = 0;
    while (found == 0 && PyDict_Next(attributes, &position, &name, &held)) {
        found = PyFunction_Check(held) || PyType_Check(held) ? is_programs(held, program, WRAPPERS_MAX) : 0;
    }
    Py_DECREF(attributes);
    return found;
}

/* Is what this wraps the program's? 0 for what is no wrapper. */
static int wraps_programs(PyObject *value, PyObject *program, int depth)
{
    PyTypeObject *type = Py_TYPE(value);
    if (depth >= WRAPPERS_MAX) {
        return 0;
    }
    if (type == &PyProperty_Type) {
        int found = 0;
        for (int i = 0; i < 3 && found == 0; i++) {
            found = part_is_programs(value, property_parts[i], program, depth);
        }
        return found;
    }
    if (type == &PyStaticMethod_Type || type == &PyClassMethod_Type) {
        return part_is_programs(value, type == &PyStaticMethod_Type ? static_part : class_part, program, depth);
    }
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        return 0; /* as nearly all are: numbers, texts, what descriptors C code has */
    }
    if (strcmp(type->tp_name, "functools.partial") == 0) {
        return attribute_is_programs(value, "func", program, depth);
    }
    if (strcmp(type->tp_name, "functools._lru_cache_wrapper") == 0) {
        return attribute_is_programs(value, "__wrapped__", program, depth);
    }
    return type->tp_descr_get != NULL && forkpoint_is_python_class(type) ? descriptor_holds_programs(value, program) : 0;
}

static int is_programs(PyObject *value, PyObject *program, int depth)
{
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyFunction_Type) {
        return function_of_program(value, program);
    }
    if (PyType_Check(value)) {
        return of_program(forkpoint_module_of((PyTypeObject *)value), program);
    }
    if (type == &PyMethod_Type) {
        int found = is_programs(PyMethod_GET_FUNCTION(value), program, depth + 1);
        return found != 0 ? found : is_programs(PyMethod_GET_SELF(value), program, depth + 1);
    }
    int found = wraps_programs(value, program, depth);
    return found != 0 ? found : of_program(forkpoint_module_of(type), program);
}

int forkpoint_is_programs(PyObject *value, PyObject *program)
{
    return is_programs(value, program, 0);
}

static int add_place(PyObject *places, PyObject *place)
{
    int failed = place == NULL || PyList_Append(places, place) < 0;
    Py_XDECREF(place);
    return failed ? -1 : 0;
}

static int is_table(PyObject *value)
{
    return PyDict_CheckExact(value) || PyODict_CheckExact(value) ||
           strcmp(Py_TYPE(value)->tp_name, "collections.defaultdict") == 0;
}

int forkpoint_is_holder(PyObject *value)
{
    return is_table(value) || PyList_CheckExact(value) || PySet_CheckExact(value);
}

/* Has a function of a library's own the program's in a cell, as what it hands on to that has (omegaconf's resolvers)? */
static int closes_over_programs(PyObject *value, PyObject *program)
{
    PyObject *closure = PyFunction_Check(value) ? PyFunction_GET_CLOSURE(value) : NULL;
    int found = 0;
    for (Py_ssize_t i = 0; closure != NULL && found == 0 && i < PyTuple_GET_SIZE(closure); i++) {
        PyObject *held = PyCell_GET(PyTuple_GET_ITEM(closure, i));
        found = held != NULL && (PyFunction_Check(held) || PyType_Check(held)) ? is_programs(held, program, 0) : 0;
    }
    return found;
}

static int element_is_programs(PyObject *value, PyObject *program)
{
    int own = is_programs(value, program, 0);
    return own != 0 ? own : closes_over_programs(value, program);
}

/* Was something told about a class or function of the program's? What is filed under one of them counts when it is a
   class, a function or an instance of a class made in Python; lists and what C code made are the caches of a library. */
static int entry_is_programs(PyObject *key, PyObject *value, PyObject *program)
{
    int own = element_is_programs(value, program);
    if (own != 0 || PyUnicode_CheckExact(key)) {
        return own;
    }
    return PyType_Check(value) || PyFunction_Check(value) || forkpoint_is_python_class(Py_TYPE(value))
               ? is_programs(key, program, 0)
               : 0;
}

/* Borrowed references to the next entry of a holder; for a set both are the element, for a list the key is NULL. */
static int next_entry(PyObject *holder, Py_ssize_t *position, PyObject **key, PyObject **value)
{
    if (PyList_CheckExact(holder)) {
        *key = NULL;
        *value = *position < PyList_GET_SIZE(holder) ? PyList_GET_ITEM(holder, *position) : NULL;
        ++*position;
        return *value != NULL;
    }
    if (PySet_CheckExact(holder)) {
        Py_hash_t hash;
        int found = _PySet_NextEntry(holder, position, key, &hash);
        *value = *key;
        return found;
    }
    return PyDict_Next(holder, position, key, value);
}

PyObject *forkpoint_places_within(PyObject *holder, PyObject *program)
{
    PyObject *places = PyList_New(0), *key, *value;
    if (places == NULL) {
        return NULL;
    }
    Py_ssize_t position = 0;
    for (Py_ssize_t i = 0; i < ELEMENTS_MAX && next_entry(holder, &position, &key, &value); i++) {
        int own = key == NULL ? element_is_programs(value, program) : entry_is_programs(key, value, program);
        if (own < 0 || (own && add_place(places, key != NULL ? Py_NewRef(key) : PyLong_FromSsize_t(i)) < 0)) {
            Py_DECREF(places);
            return NULL;
        }
    }
    return places;
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
    {"is_programs", py_is_programs, METH_VARARGS, "Is the object the program's own?"},
    {NULL, NULL, 0, NULL},
};

Py_ssize_t forkpoint_member_offset(PyTypeObject *type, const char *attribute)
{
    PyObject *member = PyObject_GetAttrString((PyObject *)type, attribute);
    if (member == NULL) {
        return -1;
    }
    Py_ssize_t offset = -1;
    if (Py_IS_TYPE(member, &PyMemberDescr_Type)) {
        offset = ((PyMemberDescrObject *)member)->d_member->offset;
    } else {
        PyErr_Format(PyExc_SystemError, "%s.%s is no member of a struct", type->tp_name, attribute);
    }
    Py_DECREF(member);
    return offset;
}

int forkpoint_drift_init(PyObject *module)
{
    (void)module;
    static const char *const names[] = {"fget", "fset", "fdel"};
    for (int i = 0; i < 3; i++) {
        if ((property_parts[i] = forkpoint_member_offset(&PyProperty_Type, names[i])) < 0) {
            return -1;
        }
    }
    static_part = forkpoint_member_offset(&PyStaticMethod_Type, "__func__");
    class_part = forkpoint_member_offset(&PyClassMethod_Type, "__func__");
    str_module = PyUnicode_InternFromString("__module__");
    str_name = PyUnicode_InternFromString("__name__");
    return static_part < 0 || class_part < 0 || str_module == NULL || str_name == NULL ? -1 : 0;
}
