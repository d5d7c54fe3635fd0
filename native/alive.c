/* Which object lives at an address, for operands that may dangle: asked of the collector's lists, never of the address.

   An object on those lists has been made completely and not begun to be freed (deallocators untrack first, which takes
   its links away). To walk them takes tens of milliseconds where there are a million objects, and a deep stack asks for
   many. So what lies at the address is read through the kernel, which checks it, and must be linked with its neighbours
   both ways, as nothing but a member of such a list is; and have a type. Only where the kernel does not let memory be
   read so are the lists walked. A dict or tuple that holds only what cannot be part of a cycle is on no list (keyword
   arguments that are numbers, say): that is known by its type and its count, which a freed one does not have. */
#include "parts.h"

#include <errno.h>
#include <internal/pycore_gc.h>
#include <stddef.h>

typedef struct {
    PyGC_Head links;
    PyObject object;
} Member;

enum { NO = 0, YES, UNREADABLE };

static PyObject *find_in(PyGC_Head *head, const void *address)
{
    for (PyGC_Head *each = _PyGCHead_NEXT(head); each != head; each = _PyGCHead_NEXT(each)) {
        if ((const void *)(each + 1) == address) {
            return (PyObject *)address;
        }
    }
    return NULL;
}

static int in_lists(struct _gc_runtime_state *gc, const void *address)
{
    for (int i = 0; i < NUM_GENERATIONS; i++) {
        if (find_in(&gc->generations[i].head, address) != NULL) {
            return 1;
        }
    }
    return find_in(&gc->permanent_generation.head, address) != NULL;
}

/* 1, or 0 where nothing is mapped, or -1 where it may not be read so. */
static int read_at(void *here, uintptr_t there, size_t size)
{
    return forkpoint_read_memory(here, there, size) == 0 ? 1 : errno == EFAULT ? 0 : -1;
}

/* Is it a class whose instances the collector knows? */
static int is_class(const PyTypeObject *type)
{
    PyTypeObject copy, meta;
    const unsigned long wanted = Py_TPFLAGS_READY | Py_TPFLAGS_HAVE_GC;
    return read_at(&copy, (uintptr_t)type, offsetof(PyTypeObject, tp_flags) + sizeof copy.tp_flags) == 1 &&
           (copy.tp_flags & wanted) == wanted &&
           read_at(&meta, (uintptr_t)Py_TYPE(&copy), offsetof(PyTypeObject, tp_flags) + sizeof meta.tp_flags) == 1 &&
           (meta.tp_flags & Py_TPFLAGS_TYPE_SUBCLASS) != 0;
}

static int is_member(uintptr_t address)
{
    Member found;
    PyGC_Head beside;
    uintptr_t head = address - sizeof(PyGC_Head);
    if (address % sizeof(void *) != 0 || address < sizeof(PyGC_Head)) {
        return NO;
    }
    int status = read_at(&found, head, sizeof found);
    if (status != 1) {
        return status < 0 ? UNREADABLE : NO;
    }
    if (found.links._gc_next == 0 && Py_REFCNT(&found.object) > 0 &&
        (Py_TYPE(&found.object) == &PyDict_Type || Py_TYPE(&found.object) == &PyTuple_Type)) {
        return YES; /* not on the lists: it holds nothing that could be part of a cycle */
    }
    uintptr_t next = (uintptr_t)_PyGCHead_NEXT(&found.links), last = (uintptr_t)_PyGCHead_PREV(&found.links);
    return next != 0 && last != 0 && read_at(&beside, next, sizeof beside) == 1 &&
           (uintptr_t)_PyGCHead_PREV(&beside) == head && read_at(&beside, last, sizeof beside) == 1 &&
           (uintptr_t)_PyGCHead_NEXT(&beside) == head && Py_REFCNT(&found.object) > 0 && is_class(Py_TYPE(&found.object));
}

/* During a collection nothing is found for certain, and what is not found is not taken for alive. */
static PyObject *alive(PyObject *Py_UNUSED(module), PyObject *number)
{
    void *address = PyLong_AsVoidPtr(number);
    if (address == NULL && PyErr_Occurred()) {
        return NULL;
    }
    struct _gc_runtime_state *gc = &PyThreadState_Get()->interp->gc;
    if (gc->collecting) {
        return Py_NewRef(forkpoint_null);
    }
    int member = is_member((uintptr_t)address);
    int lives = member == UNREADABLE ? in_lists(gc, address) : member;
    return Py_NewRef(lives ? (PyObject *)address : forkpoint_null);
}

PyMethodDef forkpoint_alive_methods[] = {
    {"alive", alive, METH_O, PyDoc_STR("alive(address): the object the collector knows there, or NULL.")},
    {NULL, NULL, 0, NULL},
};

int forkpoint_alive_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
