/* What the program registered with codecs.register() and codecs.register_error(), which only the interpreter knows. */
#include "parts.h"

#include <internal/pycore_interp.h>

/* codecs_registered() -> (search functions in order, {name: error handler}), both copies; empty where there are none */
static PyObject *codecs_registered(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(unused))
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    PyObject *searches = FORKPOINT_CODEC_SEARCHES(interp), *handlers = FORKPOINT_CODEC_HANDLERS(interp);
    PyObject *list = searches != NULL ? PySequence_List(searches) : PyList_New(0);
    PyObject *dict = handlers != NULL ? PyDict_Copy(handlers) : PyDict_New();
    if (list == NULL || dict == NULL) {
        Py_XDECREF(list);
        Py_XDECREF(dict);
        return NULL;
    }
    return Py_BuildValue("(NN)", list, dict);
}

PyMethodDef forkpoint_codecs_methods[] = {
    {"codecs_registered", codecs_registered, METH_NOARGS, "What codecs.register() and register_error() were given."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_codecs_init(PyObject *module)
{
    (void)module;
    return 0;
}
