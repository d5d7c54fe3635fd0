/* Which object lives at an address, for operands that may dangle: asked of the collector's lists, never of the address.

   An object on those lists has been made completely and not begun to be freed (deallocators untrack first). */
#include "parts.h"

#include <internal/pycore_gc.h>

static PyObject *find_in(PyGC_Head *head, const void *address)
{
    for (PyGC_Head *each = _PyGCHead_NEXT(head); each != head; each = _PyGCHead_NEXT(each)) {
        if ((const void *)(each + 1) == address) {
            return (PyObject *)address;
        }
    }
    return NULL;
}

/* alive(address) -> the object, or NULL; youngest generation first. During a collection nothing is found for certain,
   and what is not found is not taken for alive. */
static PyObject *alive(PyObject *Py_UNUSED(module), PyObject *number)
{
    const void *address = PyLong_AsVoidPtr(number);
    if (address == NULL && PyErr_Occurred()) {
        return NULL;
    }
    struct _gc_runtime_state *gc = &PyThreadState_Get()->interp->gc;
    PyObject *found = NULL;
    if (!gc->collecting) {
        for (int i = 0; i < NUM_GENERATIONS && found == NULL; i++) {
            found = find_in(&gc->generations[i].head, address);
        }
        if (found == NULL) {
            found = find_in(&gc->permanent_generation.head, address);
        }
    }
    return Py_NewRef(found != NULL ? found : forkpoint_null);
}

PyMethodDef forkpoint_alive_methods[] = {
    {"alive", alive, METH_O, "alive(address): the object the collector knows there, or NULL."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_alive_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
