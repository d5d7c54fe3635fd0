/* Instances, classes and modules taken apart and filled without running the program's code. */
#include "parts.h"

#include <internal/pycore_moduleobject.h>

static destructor subtype_dealloc; /* what tp_dealloc is for a class made by a class statement */

int forkpoint_is_python_class(PyTypeObject *cls)
{
    return cls->tp_dealloc == subtype_dealloc;
}

int forkpoint_instance_next(PyObject *obj, Py_ssize_t *position, PyObject **key, PyObject **value)
{
    PyDictValues *values = forkpoint_instance_values(obj);
    if (values == NULL) {
        PyObject **dict = _PyObject_GetDictPtr(obj);
        return dict != NULL && *dict != NULL && PyDict_Next(*dict, position, key, value);
    }
    PyDictKeysObject *keys = ((PyHeapTypeObject *)Py_TYPE(obj))->ht_cached_keys;
    while (*position < keys->dk_nentries && values->values[*position] == NULL) {
        ++*position;
    }
    if (*position >= keys->dk_nentries) {
        return 0;
    }
    *key = DK_UNICODE_ENTRIES(keys)[*position].me_key;
    *value = values->values[(*position)++];
    return 1;
}

/* is_python_class(cls): was it made by a class statement or type(), not by C code? */
static PyObject *is_python_class(PyObject *Py_UNUSED(module), PyObject *cls)
{
    return PyBool_FromLong(PyType_Check(cls) && forkpoint_is_python_class((PyTypeObject *)cls));
}

/* class_swap(cls, name, value) -> what the class's namespace held under that name. For heap types, also those whose
   attributes cannot be set (typing.Generic); the name must be there. */
static PyObject *class_swap(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyTypeObject *type;
    PyObject *name, *value;
    if (!PyArg_ParseTuple(args, "O!UO", &PyType_Type, &type, &name, &value)) {
        return NULL;
    }
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        PyErr_SetString(PyExc_TypeError, "class_swap() takes a heap type");
        return NULL;
    }
    PyObject *old = PyDict_GetItemWithError(type->tp_dict, name);
    if (old == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetObject(PyExc_KeyError, name);
        }
        return NULL;
    }
    Py_INCREF(old);
    if (PyDict_SetItem(type->tp_dict, name, value) < 0) {
        Py_DECREF(old);
        return NULL;
    }
    PyType_Modified(type);
    return old;
}

/* instance_dict(obj) -> (dict or None, shared): the attribute dict itself, whatever the class says __dict__ is;
   shared when somebody else holds it too, so that a copy would break an alias. */
static PyObject *instance_dict(PyObject *Py_UNUSED(module), PyObject *obj)
{
    PyObject *dict = PyObject_GenericGetDict(obj, NULL);
    if (dict == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        PyErr_Clear();
        return Py_BuildValue("OO", Py_None, Py_False);
    }
    int shared = Py_REFCNT(dict) > 2;
    return Py_BuildValue("NO", dict, shared ? Py_True : Py_False);
}

/* instance_fill(obj, state): state is a dict merged into the instance's, as pickle's BUILD does but never asking the
   class (no __setstate__, no __setattr__, no __getattr__). */
static PyObject *instance_fill(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2 || !PyDict_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "instance_fill(obj, dict)");
        return NULL;
    }
    PyObject *dict = PyObject_GenericGetDict(args[0], NULL);
    if (dict == NULL) {
        return NULL;
    }
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(args[1], &position, &key, &value)) {
        Py_INCREF(key);
        if (PyUnicode_CheckExact(key)) {
            PyUnicode_InternInPlace(&key); /* attribute lookups compare by identity first */
        }
        int failed = PyDict_SetItem(dict, key, value);
        Py_DECREF(key);
        if (failed) {
            Py_DECREF(dict);
            return NULL;
        }
    }
    Py_DECREF(dict);
    Py_RETURN_NONE;
}

/* instance_adopt(obj, dict): the instance's attribute dict becomes this very dict. Through the setter that class
   statements make: on 3.13 PyObject_GenericSetDict would leave inline values behind (Objects/object.c). */
static PyObject *instance_adopt(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "instance_adopt(obj, dict)");
        return NULL;
    }
    PyObject *mro = Py_TYPE(args[0])->tp_mro;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *type = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        PyObject *setter = type->tp_flags & Py_TPFLAGS_HEAPTYPE ? PyDict_GetItemString(type->tp_dict, "__dict__") : NULL;
        if (setter != NULL && Py_IS_TYPE(setter, &PyGetSetDescr_Type)) {
            return Py_TYPE(setter)->tp_descr_set(setter, args[0], args[1]) < 0 ? NULL : Py_NewRef(Py_None);
        }
    }
    return PyObject_GenericSetDict(args[0], args[1], NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

/* module_adopt(module, dict): the module's namespace becomes this very dict, which functions may have as globals. */
static PyObject *module_adopt(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2 || !PyModule_Check(args[0]) || !PyDict_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "module_adopt(module, dict)");
        return NULL;
    }
    Py_XSETREF(((PyModuleObject *)args[0])->md_dict, Py_NewRef(args[1]));
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_instances_methods[] = {
    {"is_python_class", is_python_class, METH_O, "is_python_class(cls): made by a class statement or type()"},
    {"class_swap", class_swap, METH_VARARGS, "class_swap(cls, name, value) -> what was there"},
    {"instance_dict", instance_dict, METH_O, "instance_dict(obj) -> (its attribute dict or None, is it shared)"},
    {"instance_fill", (PyCFunction)(void (*)(void))instance_fill, METH_FASTCALL, "instance_fill(obj, dict)"},
    {"instance_adopt", (PyCFunction)(void (*)(void))instance_adopt, METH_FASTCALL, "instance_adopt(obj, dict)"},
    {"module_adopt", (PyCFunction)(void (*)(void))module_adopt, METH_FASTCALL, "module_adopt(module, dict)"},
    {NULL, NULL, 0, NULL},
};

int forkpoint_instances_init(PyObject *module)
{
    (void)module;
    PyObject *probe = PyObject_CallFunction((PyObject *)&PyType_Type, "s(O){}", "probe", &PyBaseObject_Type);
    if (probe == NULL) {
        return -1;
    }
    subtype_dealloc = ((PyTypeObject *)probe)->tp_dealloc;
    Py_DECREF(probe);
    return 0;
}
