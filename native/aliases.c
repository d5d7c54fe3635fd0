/* What a `type X = ...` statement made (3.12), read without being evaluated, and made anew: pickle only knows its name. */
#include "parts.h"

/* Mirrors typealiasobject, Objects/typevarobject.c, the same in 3.12 and 3.13. */
typedef struct {
    PyObject_HEAD
    PyObject *name;
    PyObject *type_params;   /* NULL for none */
    PyObject *compute_value; /* a function; NULL when made by calling the type */
    PyObject *value;         /* NULL until it was asked for */
    PyObject *module;        /* NULL: that of compute_value */
} alias_object;

static int is_alias(PyObject *op)
{
    if (strcmp(Py_TYPE(op)->tp_name, "typing.TypeAliasType") == 0 && Py_TYPE(op)->tp_basicsize == sizeof(alias_object)) {
        return 1;
    }
    PyErr_SetString(PyExc_TypeError, "not a typing.TypeAliasType");
    return 0;
}

static PyObject *optional(PyObject *value)
{
    return value == NULL ? PyTuple_New(0) : PyTuple_Pack(1, value);
}

static PyObject *alias_read(PyObject *Py_UNUSED(self), PyObject *op)
{
    if (!is_alias(op)) {
        return NULL;
    }
    const alias_object *alias = (alias_object *)op;
    return Py_BuildValue("NNN", optional(alias->type_params), optional(alias->value != NULL ? NULL : alias->compute_value),
                         optional(alias->value));
}

static PyObject *first_or_null(PyObject *tuple)
{
    return PyTuple_GET_SIZE(tuple) == 0 ? NULL : Py_NewRef(PyTuple_GET_ITEM(tuple, 0));
}

static PyObject *alias_fill(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *op, *module, *parameters, *function, *value;
    if (!PyArg_ParseTuple(args, "OOO!O!O!:alias_fill", &op, &module, &PyTuple_Type, &parameters, &PyTuple_Type, &function,
                          &PyTuple_Type, &value) || !is_alias(op)) {
        return NULL;
    }
    alias_object *alias = (alias_object *)op;
    Py_XSETREF(alias->type_params, first_or_null(parameters));
    Py_XSETREF(alias->compute_value, first_or_null(function));
    Py_XSETREF(alias->value, first_or_null(value));
    Py_XSETREF(alias->module, Py_NewRef(module));
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_aliases_methods[] = {
    {"alias_read", alias_read, METH_O, "alias_read(alias) -> ((type parameters,), (function,), (value,)), () for none"},
    {"alias_fill", alias_fill, METH_VARARGS, "alias_fill(alias, module, *alias_read())"},
    {NULL, NULL, 0, NULL},
};

int forkpoint_aliases_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
