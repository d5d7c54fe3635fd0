/* What a walk over namespaces found in each, remembered from one child to the next.
 *
 * Libraries hold a hundred thousand objects, and hardly any of their namespaces changes while a program works. Each dict
 * has a version, which every change of it makes another one, unique in the process (PEP 509; Objects/dictobject.c,
 * DICT_NEXT_VERSION). So a child leaves in shared memory, by the address and version of a dict, what it found there; where
 * the next child sees the same version at that address, it is the same dict with the same keys and values.
 *
 * A child goes on counting versions where the program stood, and so does the program: a version that is later than the
 * fork could mean two contents, and is not remembered. The program notes before each fork how far it has counted.
 *
 * Only dicts of which nothing else writes the values: those that instances have, up to 3.13 beside values of their own,
 * are not looked up here. A dict is only looked up by who holds it, so the addresses in here are never followed to one
 * that may be gone; what was found is borrowed from a dict that is unchanged and holds it.
 *
 * A child that is killed while it writes leaves what it has finished: entries first, then their number, then the version
 * under which they are found. */
#include "settled.h"

#include "parts.h"

#include <string.h>

enum {
    SLOTS = 1 << 16,
    SLOTS_USED_MAX = SLOTS / 4 * 3,
    ENTRIES = (1 << 18) - 2,
};

typedef struct {
    uint64_t dict; /* its address, and the use in the lowest bits; 0: free */
    uint64_t version, context;
    uint32_t first, count;
} slot;

struct fp_settled {
    uint64_t terms, forked_at;
    uint32_t slots_used, entries_used, full;
    slot slots[SLOTS];
    fp_entry entries[ENTRIES];
};
_Static_assert(sizeof(fp_settled) <= FP_SETTLED_BYTES, "shared memory is too small");

static uint64_t version_of(PyObject *dict)
{
    return ((PyDictObject *)dict)->ma_version_tag & ~(uint64_t)FORKPOINT_DICT_VERSION_FLAGS;
}

static uint64_t key_of(PyObject *dict, int use)
{
    return (uint64_t)(uintptr_t)dict | (uint64_t)use;
}

/* The slot of this key, or the free one where it would go. There always is one. */
static slot *slot_of(const fp_settled *memory, uint64_t key)
{
    uint64_t at = key * 0x9e3779b97f4a7c15ULL >> 48;
    while (memory->slots[at % SLOTS].dict != 0 && memory->slots[at % SLOTS].dict != key) {
        at++;
    }
    return (slot *)&memory->slots[at % SLOTS];
}

void fp_settled_begin(fp_settled *memory, uint64_t terms)
{
    if (memory->terms != terms || memory->full) {
        __atomic_store_n(&memory->terms, 0, __ATOMIC_RELEASE);
        memset(memory->slots, 0, sizeof memory->slots);
        memory->slots_used = memory->entries_used = memory->full = 0;
        __atomic_store_n(&memory->terms, terms, __ATOMIC_RELEASE);
    }
}

int fp_settled_find(const fp_settled *memory, PyObject *dict, int use, uint64_t context, fp_entries *found)
{
    const slot *place = slot_of(memory, key_of(dict, use));
    if (place->dict == 0 || place->version == 0 || place->version != version_of(dict) || place->context != context) {
        return 0;
    }
    *found = (fp_entries){memory->entries + place->first, place->count};
    return 1;
}

void fp_settled_keep(fp_settled *memory, PyObject *dict, int use, uint64_t context, fp_entries found)
{
    uint64_t key = key_of(dict, use), version = version_of(dict);
    if (version == 0 || version > memory->forked_at || memory->full) {
        return;
    }
    slot *place = slot_of(memory, key);
    int is_new = place->dict == 0;
    if (found.count > ENTRIES - (Py_ssize_t)memory->entries_used || (is_new && memory->slots_used >= SLOTS_USED_MAX)) {
        memory->full = 1; /* begun anew by the next child: this one still reads what is here */
        return;
    }
    if (found.count > 0) {
        memcpy(memory->entries + memory->entries_used, found.first, (size_t)found.count * sizeof *found.first);
    }
    __atomic_store_n(&place->version, 0, __ATOMIC_RELEASE);
    place->context = context;
    place->first = memory->entries_used;
    place->count = (uint32_t)found.count;
    memory->entries_used += (uint32_t)found.count;
    memory->slots_used += (uint32_t)is_new;
    __atomic_store_n(&place->dict, key, __ATOMIC_RELEASE);
    __atomic_store_n(&place->version, version, __ATOMIC_RELEASE);
}

/* settled_mark(memory): the program is about to fork. */
static PyObject *settled_mark(PyObject *Py_UNUSED(self), PyObject *buffer)
{
    Py_buffer view;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    PyObject *newest = PyDict_New();
    int failed = newest == NULL || PyDict_SetItem(newest, Py_None, Py_None) < 0;
    if (!failed && view.len < FP_SETTLED_BYTES) {
        PyErr_SetString(PyExc_ValueError, "settled_mark() takes SETTLED_BYTES of shared memory");
        failed = 1;
    }
    if (!failed) {
        ((fp_settled *)view.buf)->forked_at = version_of(newest);
    }
    Py_XDECREF(newest);
    PyBuffer_Release(&view);
    return failed ? NULL : Py_NewRef(Py_None);
}

PyMethodDef forkpoint_settled_methods[] = {
    {"settled_mark", settled_mark, METH_O, "settled_mark(memory): the program is about to fork."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_settled_init(PyObject *module)
{
    return PyModule_AddIntConstant(module, "SETTLED_BYTES", FP_SETTLED_BYTES);
}
