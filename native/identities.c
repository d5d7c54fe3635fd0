/* Which of the numbers that a program holds are identities: `seen.add(id(node))`, `cache[id(array)]`.
 *
 * Restored, an object lies elsewhere, so such a number must follow it. A number is taken for an identity when it is the
 * address of an object that the program holds as well; one whose object is gone means nothing, before and after. Objects
 * are found as the collector finds them, by tp_traverse (Modules/gcmodule.c), from the roots down to what libraries own;
 * arrays of objects, which the collector does not see into, by the buffer that they offer. */
#include "identities.h"
#include "parts.h"

#include <internal/pycore_gc.h>

#include <stddef.h>

typedef struct {
    AddressSet seen, numbers;
    const RegisteredObjects *registered;
    PyObject *program;
    PyObject **pending; /* borrowed objects still to be entered; owned memory */
    size_t count, room;
} Search;

static int is_atom(const PyObject *obj)
{
    const PyTypeObject *type = Py_TYPE(obj);
    return type == &PyUnicode_Type || type == &PyFloat_Type || type == &PyBytes_Type || type == &PyBool_Type ||
           type == &PyComplex_Type || obj == Py_None;
}

/* numpy's arrays: the type in C behind classes of Python, whose own __buffer__ would run Python code. */
static getbufferproc buffer_of(PyObject *obj)
{
    const PyTypeObject *type = Py_TYPE(obj);
    while (type != NULL && type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        type = type->tp_base;
    }
    return type != NULL && type->tp_as_buffer != NULL ? type->tp_as_buffer->bf_getbuffer : NULL;
}

/* Has it content of the program's? Classes, functions and modules of libraries have not. -1 on failure. */
static int is_entered(const Search *search, PyObject *obj)
{
    if ((!PyObject_IS_GC(obj) && buffer_of(obj) == NULL) || PyModule_Check(obj) || forkpoint_is_registered(search->registered, (uintptr_t)obj)) {
        return 0;
    }
    return PyType_Check(obj) || PyFunction_Check(obj) ? forkpoint_is_programs(obj, search->program) : 1;
}

static int push(Search *search, PyObject *obj)
{
    if (search->count == search->room) {
        size_t room = search->room * 2 + 1024;
        PyObject **larger = PyMem_Realloc(search->pending, room * sizeof *larger);
        if (larger == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        search->pending = larger;
        search->room = room;
    }
    search->pending[search->count++] = obj;
    return 0;
}

static int visit(PyObject *obj, void *context)
{
    Search *search = context;
    if (PyLong_CheckExact(obj)) {
        uintptr_t address = forkpoint_as_address(obj);
        return address != 0 && forkpoint_addresses_add(&search->numbers, address) < 0 ? -1 : 0;
    }
    if (is_atom(obj)) {
        return 0;
    }
    int entered = forkpoint_addresses_add(&search->seen, (uintptr_t)obj);
    if (entered > 0) {
        entered = is_entered(search, obj);
    }
    return entered > 0 ? push(search, obj) : entered;
}

/* The objects along one dimension of an array of them, and of those below it. */
static int visit_items(const Py_buffer *view, int dimension, const char *start, Search *search)
{
    if (dimension == view->ndim) {
        PyObject *item = *(PyObject *const *)start;
        return item == NULL ? 0 : visit(item, search);
    }
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < view->shape[dimension]; i++) {
        status = visit_items(view, dimension + 1, start + i * view->strides[dimension], search);
    }
    return status;
}

static int visit_array(PyObject *obj, getbufferproc get, Search *search)
{
    Py_buffer view;
    if (get(obj, &view, PyBUF_FULL_RO) < 0) { /* of what has no buffer: dates, say */
        PyErr_Clear();
        return 0;
    }
    int status = 0;
    if (view.format != NULL && strcmp(view.format, "O") == 0 && view.strides != NULL && view.suboffsets == NULL) {
        status = visit_items(&view, 0, view.buf, search);
    }
    PyBuffer_Release(&view);
    return status;
}

static int walk(Search *search, PyObject *roots)
{
    if (push(search, roots) < 0) {
        return -1;
    }
    while (search->count > 0) {
        PyObject *obj = search->pending[--search->count];
        getbufferproc get = buffer_of(obj);
        if (get != NULL && visit_array(obj, get, search) < 0) {
            return -1;
        }
        traverseproc traverse = PyObject_IS_GC(obj) ? Py_TYPE(obj)->tp_traverse : NULL;
        if (traverse != NULL && traverse(obj, visit, search) != 0) {
            return -1;
        }
    }
    return 0;
}

static int put(PyObject *found, uintptr_t address)
{
    PyObject *number = PyLong_FromSize_t(address);
    int status = number == NULL ? -1 : PyDict_SetItem(found, number, (PyObject *)address);
    Py_XDECREF(number);
    return status;
}

/* By what lies there: a class, a function, a module, or an instance of a class of Python, which a module can be. */
static int looks_callable(uintptr_t address)
{
    PyTypeObject *type = NULL;
    unsigned long flags = 0;
    return forkpoint_read_memory(&type, address + offsetof(PyObject, ob_type), sizeof type) == 0
           && forkpoint_read_memory(&flags, (uintptr_t)type + offsetof(PyTypeObject, tp_flags), sizeof flags) == 0
           && (type == &PyFunction_Type || type == &PyModule_Type
               || (flags & (Py_TPFLAGS_TYPE_SUBCLASS | Py_TPFLAGS_HEAPTYPE)) != 0);
}

enum { LOOKED_AT_MAX = 1000 };

/* Clocks and sizes look like addresses: to walk over all objects for a few of them costs more than all else here. */
static int may_match_callables(const AddressSet *numbers)
{
    if (numbers->used > LOOKED_AT_MAX) {
        return 1;
    }
    for (size_t i = 0; i <= numbers->mask; i++) {
        if (numbers->table[i] != 0 && looks_callable(numbers->table[i])) {
            return 1;
        }
    }
    return 0;
}

/* Classes, functions and modules: what lies below the roots need not lead to one that is only compared with. */
static int match_callables(const Search *search, PyGC_Head *head, PyObject *found)
{
    for (PyGC_Head *each = _PyGCHead_NEXT(head); each != head; each = _PyGCHead_NEXT(each)) {
        PyObject *obj = (PyObject *)(each + 1);
        if ((PyType_Check(obj) || PyFunction_Check(obj) || PyModule_Check(obj)) &&
            forkpoint_addresses_has(&search->numbers, (uintptr_t)obj) && put(found, (uintptr_t)obj) < 0) {
            return -1;
        }
    }
    return 0;
}

static int match(const Search *search, PyObject *found)
{
    for (size_t i = 0; i <= search->numbers.mask; i++) {
        uintptr_t address = search->numbers.table[i];
        if (address != 0 && (forkpoint_addresses_has(&search->seen, address) ||
                             forkpoint_is_registered(search->registered, address)) && put(found, address) < 0) {
            return -1;
        }
    }
    if (!may_match_callables(&search->numbers)) {
        return 0;
    }
    struct _gc_runtime_state *gc = &PyThreadState_Get()->interp->gc;
    for (int i = 0; i < NUM_GENERATIONS; i++) {
        if (match_callables(search, &gc->generations[i].head, found) < 0) {
            return -1;
        }
    }
    return match_callables(search, &gc->permanent_generation.head, found);
}

PyObject *forkpoint_held_identities(PyObject *roots, const RegisteredObjects *registered, PyObject *program)
{
    Search search = {.registered = registered, .program = program};
    PyObject *found = PyDict_New();
    int status = found == NULL || forkpoint_addresses_init(&search.seen) < 0 ||
                         forkpoint_addresses_init(&search.numbers) < 0 || walk(&search, roots) < 0
                     ? -1
                     : 0;
    if (status == 0 && search.numbers.used > 0) {
        status = match(&search, found);
    }
    forkpoint_addresses_free(&search.seen);
    forkpoint_addresses_free(&search.numbers);
    PyMem_Free(search.pending);
    if (status < 0) {
        Py_CLEAR(found);
    }
    return found;
}
