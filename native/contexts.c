/* Objects that undo a change of context later, read and made anew: contextvars.Token, decimal's context manager. */
#include "parts.h"

#include <internal/pycore_context.h>

/* token_read(token) -> (variable, (old value,) or (), used) */
static PyObject *token_read(PyObject *Py_UNUSED(self), PyObject *op)
{
    if (!PyContextToken_CheckExact(op)) {
        PyErr_SetString(PyExc_TypeError, "token_read() takes a contextvars.Token");
        return NULL;
    }
    PyContextToken *token = (PyContextToken *)op;
    PyObject *old = token->tok_oldval == NULL ? PyTuple_New(0) : PyTuple_Pack(1, token->tok_oldval);
    return old == NULL ? NULL : Py_BuildValue("(ONi)", token->tok_var, old, token->tok_used);
}

/* token_make(variable, (old value,) or (), used) -> a token of the current context.

   Made by setting the variable, which gives an ordinary token, and setting it back; then the token is rewritten. */
static PyObject *token_make(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *variable, *old;
    int used;
    if (!PyArg_ParseTuple(args, "O!O!p", &PyContextVar_Type, &variable, &PyTuple_Type, &old, &used)) {
        return NULL;
    }
    PyObject *op = PyContextVar_Set(variable, Py_None);
    if (op == NULL || PyContextVar_Reset(variable, op) < 0) {
        Py_XDECREF(op);
        return NULL;
    }
    PyContextToken *token = (PyContextToken *)op;
    PyObject *value = PyTuple_GET_SIZE(old) ? Py_NewRef(PyTuple_GET_ITEM(old, 0)) : NULL;
    Py_XSETREF(token->tok_oldval, value);
    token->tok_used = used;
    return op;
}

/* Mirrors PyDecContextManagerObject, Modules/_decimal/_decimal.c, the same in 3.11 to 3.13. */
typedef struct {
    PyObject_HEAD
    PyObject *local;
    PyObject *global;
} decimal_manager;

static int is_decimal_manager(PyObject *op)
{
    if (strcmp(Py_TYPE(op)->tp_name, "decimal.ContextManager") == 0 &&
        Py_TYPE(op)->tp_basicsize == sizeof(decimal_manager)) {
        return 1;
    }
    PyErr_SetString(PyExc_TypeError, "not what decimal.localcontext() returns");
    return 0;
}

/* decimal_manager_read(manager) -> (context inside the block, context to go back to) */
static PyObject *decimal_manager_read(PyObject *Py_UNUSED(self), PyObject *op)
{
    decimal_manager *manager = (decimal_manager *)op;
    return is_decimal_manager(op) ? PyTuple_Pack(2, manager->local, manager->global) : NULL;
}

/* decimal_manager_fill(manager, inside, outside) */
static PyObject *decimal_manager_fill(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *op, *local, *global;
    if (!PyArg_ParseTuple(args, "OOO", &op, &local, &global) || !is_decimal_manager(op)) {
        return NULL;
    }
    Py_SETREF(((decimal_manager *)op)->local, Py_NewRef(local));
    Py_SETREF(((decimal_manager *)op)->global, Py_NewRef(global));
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_contexts_methods[] = {
    {"token_read", token_read, METH_O, "(variable, (old value,) or (), used) of a contextvars.Token."},
    {"token_make", token_make, METH_VARARGS, "A contextvars.Token of the current context."},
    {"decimal_manager_read", decimal_manager_read, METH_O, "The two contexts that decimal.localcontext() holds."},
    {"decimal_manager_fill", decimal_manager_fill, METH_VARARGS, "Give decimal.localcontext()'s object its contexts."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_contexts_init(PyObject *module)
{
    (void)module;
    return 0;
}
