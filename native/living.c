/* All objects of a class that live, from the collector's lists. gc.get_objects() makes a list of every object there is: in
 * a child each count it raises copies a page, and looking at a million classes in Python takes a quarter of a second. */
#include "parts.h"

#include <internal/pycore_gc.h>

static int gather(PyGC_Head *head, PyTypeObject *cls, PyObject *found)
{
    for (PyGC_Head *each = _PyGCHead_NEXT(head); each != head; each = _PyGCHead_NEXT(each)) {
        PyObject *obj = (PyObject *)(each + 1);
        if (PyType_IsSubtype(Py_TYPE(obj), cls) && PyList_Append(found, obj) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *living(PyObject *Py_UNUSED(module), PyObject *cls)
{
    if (!PyType_Check(cls)) {
        return PyErr_Format(PyExc_TypeError, "a class is needed, not %R", cls);
    }
    PyObject *found = PyList_New(0);
    struct _gc_runtime_state *gc = &PyThreadState_Get()->interp->gc;
    for (int i = 0; found != NULL && i < NUM_GENERATIONS; i++) {
        if (gather(&gc->generations[i].head, (PyTypeObject *)cls, found) < 0) {
            Py_CLEAR(found);
        }
    }
    if (found != NULL && gather(&gc->permanent_generation.head, (PyTypeObject *)cls, found) < 0) {
        Py_CLEAR(found);
    }
    return found;
}

PyMethodDef forkpoint_living_methods[] = {
    {"living", living, METH_O, PyDoc_STR("living(cls): every object the collector knows whose type is it or derived from it.")},
    {NULL, NULL, 0, NULL},
};

int forkpoint_living_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
