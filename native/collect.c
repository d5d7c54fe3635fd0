/* list(iterable) whose C loop can be gone on with: what it has collected so far is kept where a capture can read it.

   While this is on, list() of a generator or a map object is a call of list.extend() on a list that is known here;
   nothing else about it changes. Python code that runs inside finds the entry of its caller's frame. */
#include "collect.h"

typedef struct entry {
    struct entry *older, *newer;
    fp_frame *caller;
    PyObject *list, *iterator; /* owned */
} entry;

/* On the heap and linked both ways: greenlets leave the C stack, and come back to it, in any order. */
static _Thread_local entry *newest;
static vectorcallfunc plain_list;

static entry *begin(PyObject *list, PyObject *iterator)
{
    entry *made = PyMem_Calloc(1, sizeof(entry));
    if (made == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    *made = (entry){.older = newest, .caller = fp_current(PyThreadState_Get()), .list = Py_NewRef(list),
                    .iterator = Py_NewRef(iterator)};
    if (newest != NULL) {
        newest->newer = made;
    }
    newest = made;
    return made;
}

/* Keeps the current exception: dropping the iterator may run any code. */
static void end(entry *ended)
{
    PyObject *type, *value, *traceback;
    if (ended->older != NULL) {
        ended->older->newer = ended->newer;
    }
    if (ended->newer != NULL) {
        ended->newer->older = ended->older;
    }
    if (newest == ended) {
        newest = ended->older;
    }
    PyErr_Fetch(&type, &value, &traceback);
    Py_DECREF(ended->iterator);
    Py_DECREF(ended->list);
    PyErr_Restore(type, value, traceback);
    PyMem_Free(ended);
}

int forkpoint_collect(PyObject *list, PyObject *iterator)
{
    entry *under_way = begin(list, iterator);
    if (under_way == NULL) {
        return -1;
    }
    PyObject *none = _PyList_Extend((PyListObject *)list, iterator);
    Py_XDECREF(none);
    end(under_way);
    return none == NULL ? -1 : 0;
}

static PyObject *list_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (type != (PyObject *)&PyList_Type || kwnames != NULL || PyVectorcall_NARGS(nargsf) != 1 ||
        !(PyGen_CheckExact(args[0]) || Py_IS_TYPE(args[0], &PyMap_Type))) {
        return plain_list(type, args, nargsf, kwnames);
    }
    PyObject *list = PyList_New(0);
    if (list != NULL && forkpoint_collect(list, args[0]) < 0) {
        Py_CLEAR(list);
    }
    return list;
}

static PyObject *collect_start(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (plain_list == NULL && PyList_Type.tp_vectorcall != NULL) {
        plain_list = PyList_Type.tp_vectorcall;
        PyList_Type.tp_vectorcall = list_vectorcall;
    }
    Py_RETURN_NONE;
}

static PyObject *collecting(PyObject *Py_UNUSED(module), PyObject *address)
{
    fp_frame *caller = PyLong_AsVoidPtr(address);
    if (caller == NULL && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *found = PyList_New(0);
    for (entry *each = newest; found != NULL && each != NULL; each = each->older) {
        if (each->caller == caller) {
            PyObject *pair = PyTuple_Pack(2, each->list, each->iterator);
            if (pair == NULL || PyList_Append(found, pair) < 0) {
                Py_CLEAR(found);
            }
            Py_XDECREF(pair);
        }
    }
    return found;
}

PyMethodDef forkpoint_collect_methods[] = {
    {"collect_start", collect_start, METH_NOARGS,
     "From now on a list() of a generator or map object can be captured while it collects. There is no way back."},
    {"collecting", collecting, METH_O,
     "collecting(frame address): the (list so far, iterator) of every list() it has under way, innermost first."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_collect_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
