/* What containers and iterators hide from Python: set tables, positions of iterators, contents of caches.

   The mirrored structs are private to one .c file of CPython each and equal in 3.11, 3.12 and 3.13; `layout_init`
   checks each against a live object and refuses to load when one does not match. */
#include "parts.h"

#include <frameobject.h>
#include <structmember.h>

/* ---- sets: https://github.com/python/cpython/blob/3.13/Include/cpython/setobject.h ------------------------------ */

static PyObject *dummy_key; /* borrowed: marks a deleted entry; immortal in effect (a static of setobject.c) */

/* set_read(set) -> (mask, finger, keys, table): keys in table order; table is int64 pairs (position, hash), with
   hash -1 for a deleted entry (which has no key). */
static PyObject *set_read(PyObject *Py_UNUSED(module), PyObject *op)
{
    if (!PyAnySet_Check(op)) {
        PyErr_SetString(PyExc_TypeError, "set_read() takes a set");
        return NULL;
    }
    PySetObject *set = (PySetObject *)op;
    PyObject *keys = PyTuple_New(set->used);
    PyObject *table = PyBytes_FromStringAndSize(NULL, set->fill * 16);
    if (keys == NULL || table == NULL) {
        Py_XDECREF(keys);
        Py_XDECREF(table);
        return NULL;
    }
    int64_t *out = (int64_t *)PyBytes_AS_STRING(table);
    Py_ssize_t n = 0;
    for (Py_ssize_t i = 0; i <= set->mask; i++) {
        setentry *entry = &set->table[i];
        if (entry->key == NULL) {
            continue;
        }
        *out++ = i;
        *out++ = entry->hash;
        if (entry->hash != -1) {
            PyTuple_SET_ITEM(keys, n++, Py_NewRef(entry->key));
        }
    }
    return Py_BuildValue("nnNN", set->mask, set->finger, keys, table);
}

/* Are all keys' hashes what they were? Then the old table is right for them. -1: a hash raised. */
static int set_hashes_match(PyObject *keys, const int64_t *table, Py_ssize_t entries)
{
    Py_ssize_t n = 0;
    for (Py_ssize_t e = 0; e < entries; e++) {
        if (table[2 * e + 1] == -1) {
            continue;
        }
        if (n >= PyTuple_GET_SIZE(keys)) {
            return 0;
        }
        Py_hash_t hash = PyObject_Hash(PyTuple_GET_ITEM(keys, n++));
        if (hash == -1) {
            return -1;
        }
        if (hash != table[2 * e + 1]) {
            return 0;
        }
    }
    return n == PyTuple_GET_SIZE(keys);
}

/* frozenset_new() -> an empty frozenset that nobody else has, to be filled with set_fill */
static PyObject *frozenset_new(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    /* An empty tuple makes a new one; no argument may give a shared one (Objects/setobject.c). */
    PyObject *nothing = PyTuple_New(0);
    if (nothing == NULL) {
        return NULL;
    }
    PyObject *set = PyFrozenSet_New(nothing);
    Py_DECREF(nothing);
    return set;
}

static void set_empty(PySetObject *set)
{
    Py_ssize_t mask = set->mask;
    setentry *table = set->table;
    setentry copy[PySet_MINSIZE];
    if (table == set->smalltable) {
        memcpy(copy, table, sizeof(copy));
        table = copy;
    }
    memset(set->smalltable, 0, sizeof(set->smalltable));
    set->table = set->smalltable;
    set->mask = PySet_MINSIZE - 1;
    set->fill = set->used = set->finger = 0;
    set->hash = -1;
    for (Py_ssize_t i = 0; i <= mask; i++) {
        if (table[i].hash != -1) {
            Py_XDECREF(table[i].key);
        }
    }
    if (table != copy) {
        PyMem_Free(table);
    }
}

/* set_fill(set, mask, finger, keys, table) -> True when the table is as it was; False when some key hashes
   differently now and the keys were added in the old order instead. What the set held before is dropped, also
   from a frozenset: only for sets that are being rebuilt. */
static PyObject *set_fill(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *op, *keys;
    Py_ssize_t mask, finger;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "OnnO!y*", &op, &mask, &finger, &PyTuple_Type, &keys, &view)) {
        return NULL;
    }
    PySetObject *set = (PySetObject *)op;
    const int64_t *table = view.buf;
    Py_ssize_t entries = view.len / 16;
    int match = -1;
    if (!PyAnySet_Check(op)) {
        PyErr_SetString(PyExc_TypeError, "set_fill() takes a set");
        goto done;
    }
    match = set_hashes_match(keys, table, entries);
    if (match < 0) {
        goto done;
    }
    set_empty(set);
    if (match && mask >= PySet_MINSIZE - 1 && (mask & (mask + 1)) == 0 && entries <= mask) {
        setentry *fresh = set->smalltable;
        if (mask >= PySet_MINSIZE) {
            fresh = PyMem_Calloc((size_t)mask + 1, sizeof(setentry));
            if (fresh == NULL) {
                PyErr_NoMemory();
                match = -1;
                goto done;
            }
        }
        Py_ssize_t n = 0;
        for (Py_ssize_t e = 0; e < entries; e++) {
            setentry *entry = &fresh[table[2 * e] & mask];
            entry->hash = table[2 * e + 1];
            entry->key = entry->hash == -1 ? dummy_key : Py_NewRef(PyTuple_GET_ITEM(keys, n++));
        }
        set->table = fresh;
        set->mask = mask;
        set->fill = entries;
        set->used = n;
        set->finger = finger;
        goto done;
    }
    match = 0;
    for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(keys); n++) {
        PyObject *key = PyTuple_GET_ITEM(keys, n);
        /* PySet_Add accepts a frozenset only while nobody else can see it. */
        Py_ssize_t others = 0;
        if (PyFrozenSet_Check(op)) {
            others = Py_REFCNT(op);
            Py_SET_REFCNT(op, 1);
        }
        int failed = PySet_Add(op, key);
        if (others) {
            Py_SET_REFCNT(op, others + Py_REFCNT(op) - 1);
        }
        if (failed) {
            match = -1;
            break;
        }
    }
done:
    PyBuffer_Release(&view);
    return match < 0 ? NULL : PyBool_FromLong(match);
}

/* ---- iterators over sets and dicts: Objects/setobject.c, Objects/dictobject.c ----------------------------------- */

typedef struct {
    PyObject_HEAD
    PySetObject *set; /* NULL once exhausted */
    Py_ssize_t used;
    Py_ssize_t position;
    Py_ssize_t remaining;
} setiter_mirror;

typedef struct {
    PyObject_HEAD
    PyObject *dict; /* NULL once exhausted */
    Py_ssize_t used;
    Py_ssize_t position;
    PyObject *result;
    Py_ssize_t remaining;
} dictiter_mirror;

static PyTypeObject *set_iterator_type;
static PyTypeObject *dict_iterator_types[6]; /* keys, values, items, then the same reversed */
static PyTypeObject *odict_iterator_type;

static int is_dict_iterator(PyObject *op)
{
    for (int i = 0; i < 6; i++) {
        if (Py_TYPE(op) == dict_iterator_types[i]) {
            return i < 3 ? 1 : 2;
        }
    }
    return 0;
}

/* Entries of the dict before table index `limit` (a dict with deleted entries is stored without the holes). */
static Py_ssize_t dict_ordinal(PyObject *dict, Py_ssize_t limit)
{
    Py_ssize_t position = 0, n = 0;
    while (PyDict_Next(dict, &position, NULL, NULL) && position <= limit) {
        n++;
    }
    return n;
}

/* iterator_read(it) -> None when exhausted, else (container, used, position, remaining). For a set iterator position
   is a table index; for a dict's the number of entries before it (forward) or up to it (reversed). */
static PyObject *iterator_read(PyObject *Py_UNUSED(module), PyObject *op)
{
    if (Py_TYPE(op) == set_iterator_type) {
        setiter_mirror *it = (setiter_mirror *)op;
        if (it->set == NULL) {
            Py_RETURN_NONE;
        }
        return Py_BuildValue("Onnn", it->set, it->used, it->position, it->remaining);
    }
    int kind = is_dict_iterator(op);
    if (kind) {
        dictiter_mirror *it = (dictiter_mirror *)op;
        if (it->dict == NULL) {
            Py_RETURN_NONE;
        }
        Py_ssize_t position = dict_ordinal(it->dict, kind == 1 ? it->position : it->position + 1);
        return Py_BuildValue("Onnn", it->dict, it->used, position, it->remaining);
    }
    PyErr_SetString(PyExc_TypeError, "not an iterator over a set or a dict");
    return NULL;
}

/* iterator_place(it, used, position, remaining): `it` is fresh, its container may still be filled afterwards. */
static PyObject *iterator_place(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *op;
    Py_ssize_t used, position, remaining;
    if (!PyArg_ParseTuple(args, "Onnn", &op, &used, &position, &remaining)) {
        return NULL;
    }
    int kind = is_dict_iterator(op);
    if (Py_TYPE(op) == set_iterator_type) {
        setiter_mirror *it = (setiter_mirror *)op;
        it->used = used;
        it->position = position;
        it->remaining = remaining;
    }
    else if (kind) {
        dictiter_mirror *it = (dictiter_mirror *)op;
        it->used = used;
        it->position = kind == 1 ? position : position - 1;
        it->remaining = remaining;
    }
    else {
        PyErr_SetString(PyExc_TypeError, "not an iterator over a set or a dict");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- OrderedDict iterators: Objects/odictobject.c --------------------------------------------------------------- */

typedef struct {
    PyDictObject dict;
    void *first, *last;
    void **fast_nodes;
    Py_ssize_t fast_nodes_size;
    void *resize_sentinel;
    size_t state; /* changes with every insertion and removal */
} odict_mirror;

typedef struct {
    PyObject_HEAD
    int kind;
    odict_mirror *dict; /* NULL once exhausted */
    Py_ssize_t size;
    size_t state;
    PyObject *current; /* the next key */
    PyObject *result;
} odictiter_mirror;

/* odict_iterator_read(it) -> (kind, None) or (kind, odict, size, fresh, key or NULL); kind: 1 reversed, 2 keys,
   4 values; fresh: the dict has not changed under it. */
static PyObject *odict_iterator_read(PyObject *Py_UNUSED(module), PyObject *op)
{
    if (Py_TYPE(op) != odict_iterator_type) {
        PyErr_SetString(PyExc_TypeError, "not an OrderedDict iterator");
        return NULL;
    }
    odictiter_mirror *it = (odictiter_mirror *)op;
    if (it->dict == NULL) {
        return Py_BuildValue("iO", it->kind, Py_None);
    }
    return Py_BuildValue("iOnOO", it->kind, (PyObject *)it->dict, it->size, it->dict->state == it->state ? Py_True : Py_False,
                         it->current == NULL ? forkpoint_null : it->current);
}

/* odict_iterator_place(it, odict, size, fresh, key): `it` is any iterator of the right kind, `odict` is filled. */
static PyObject *odict_iterator_place(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *op, *dict, *key;
    Py_ssize_t size;
    int fresh;
    if (!PyArg_ParseTuple(args, "O!OnpO", odict_iterator_type, &op, &dict, &size, &fresh, &key)) {
        return NULL;
    }
    if (!PyODict_Check(dict)) {
        PyErr_SetString(PyExc_TypeError, "odict_iterator_place() takes an OrderedDict");
        return NULL;
    }
    odictiter_mirror *it = (odictiter_mirror *)op;
    Py_XSETREF(it->dict, (odict_mirror *)Py_NewRef(dict));
    it->size = size;
    it->state = it->dict->state - (fresh ? 0 : 1);
    Py_XSETREF(it->current, key == forkpoint_null ? NULL : Py_NewRef(key));
    Py_RETURN_NONE;
}

/* ---- functools.lru_cache: Modules/_functoolsmodule.c ------------------------------------------------------------ */

typedef struct lru_link_mirror {
    PyObject_HEAD
    struct lru_link_mirror *previous, *next;
    Py_hash_t hash;
    PyObject *key, *result;
} lru_link_mirror;

typedef struct {
    lru_link_mirror root;
    void *wrapper;
    int typed;
    PyObject *cache;
    Py_ssize_t hits;
    PyObject *function;
    Py_ssize_t maxsize;
    Py_ssize_t misses;
    PyObject *keyword_mark;
} lru_mirror;

static PyTypeObject *lru_type;

/* lru_read(wrapper) -> (function, hits, misses, keyword mark, [(key, result), ...] oldest first) */
static PyObject *lru_read(PyObject *Py_UNUSED(module), PyObject *op)
{
    if (!PyObject_TypeCheck(op, lru_type)) {
        PyErr_SetString(PyExc_TypeError, "not a functools.lru_cache wrapper");
        return NULL;
    }
    lru_mirror *lru = (lru_mirror *)op;
    PyObject *entries = PyList_New(0);
    if (entries == NULL) {
        return NULL;
    }
    PyObject *pair;
    if (lru->maxsize < 0) {
        Py_ssize_t position = 0;
        PyObject *key, *value;
        while (PyDict_Next(lru->cache, &position, &key, &value)) {
            pair = PyTuple_Pack(2, key, value);
            if (pair == NULL || PyList_Append(entries, pair) < 0) {
                Py_XDECREF(pair);
                Py_DECREF(entries);
                return NULL;
            }
            Py_DECREF(pair);
        }
    }
    else if (lru->maxsize > 0) {
        for (lru_link_mirror *link = lru->root.next; link != &lru->root; link = link->next) {
            pair = PyTuple_Pack(2, link->key, link->result);
            if (pair == NULL || PyList_Append(entries, pair) < 0) {
                Py_XDECREF(pair);
                Py_DECREF(entries);
                return NULL;
            }
            Py_DECREF(pair);
        }
    }
    return Py_BuildValue("OnnON", lru->function, lru->hits, lru->misses, lru->keyword_mark, entries);
}

/* lru_set(wrapper, function, hits, misses): what the wrapper calls and has counted. */
static PyObject *lru_set(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *op, *function;
    Py_ssize_t hits, misses;
    if (!PyArg_ParseTuple(args, "O!Onn", lru_type, &op, &function, &hits, &misses)) {
        return NULL;
    }
    lru_mirror *lru = (lru_mirror *)op;
    Py_SETREF(lru->function, Py_NewRef(function));
    lru->hits = hits;
    lru->misses = misses;
    Py_RETURN_NONE;
}

/* ---- single facts ----------------------------------------------------------------------------------------------- */

/* weakref_read(ref or proxy) -> (target or None, callback or None) */
static PyObject *weakref_read(PyObject *Py_UNUSED(module), PyObject *ref)
{
    if (!PyWeakref_Check(ref)) {
        PyErr_SetString(PyExc_TypeError, "not a weak reference");
        return NULL;
    }
    PyObject *target = forkpoint_weakref_target(ref);
    PyObject *callback = ((PyWeakReference *)ref)->wr_callback;
    return Py_BuildValue("NO", target == NULL ? Py_NewRef(Py_None) : target, callback == NULL ? Py_None : callback);
}

/* memoryview_offset(view) -> bytes between the start of its exporter's memory and its first element */
static PyObject *memoryview_offset(PyObject *Py_UNUSED(module), PyObject *op)
{
    if (!PyMemoryView_Check(op)) {
        PyErr_SetString(PyExc_TypeError, "not a memoryview");
        return NULL;
    }
    Py_buffer *view = PyMemoryView_GET_BUFFER(op);
    Py_buffer whole;
    if (view->obj == NULL || PyObject_GetBuffer(view->obj, &whole, PyBUF_FULL_RO) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "the memoryview has no exporter");
        }
        return NULL;
    }
    Py_ssize_t offset = (char *)view->buf - (char *)whole.buf;
    PyBuffer_Release(&whole);
    return PyLong_FromSsize_t(offset);
}

/* member_set(type, name, obj, value): writes a read-only C member (int-sized, Py_ssize_t or object) of a fresh object.
 */
static PyObject *member_set(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *descriptor, *obj, *value;
    if (!PyArg_ParseTuple(args, "O!OO", &PyMemberDescr_Type, &descriptor, &obj, &value)) {
        return NULL;
    }
    if (!PyObject_TypeCheck(obj, PyDescr_TYPE(descriptor))) {
        PyErr_SetString(PyExc_TypeError, "the member belongs to another type");
        return NULL;
    }
    PyMemberDef member = *((PyMemberDescrObject *)descriptor)->d_member;
    member.flags &= ~READONLY;
    if (PyMember_SetOne((char *)obj, &member, value) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* frame_new(code, globals): a frame object that is not running; for tracebacks only. */
static PyObject *frame_new(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *code, *globals;
    if (!PyArg_ParseTuple(args, "O!O!", &PyCode_Type, &code, &PyDict_Type, &globals)) {
        return NULL;
    }
    return (PyObject *)PyFrame_New(PyThreadState_Get(), (PyCodeObject *)code, globals, NULL);
}

/* batched_read(batched) -> (length of its batches, strict) (Modules/itertoolsmodule.c, 3.12 and later) */
static PyObject *batched_read(PyObject *Py_UNUSED(module), PyObject *op)
{
    if (strcmp(Py_TYPE(op)->tp_name, "itertools.batched") != 0) {
        PyErr_SetString(PyExc_TypeError, "not an itertools.batched");
        return NULL;
    }
    typedef struct {
        PyObject_HEAD
        PyObject *iterator;
        Py_ssize_t size;
        char strict; /* since 3.13 */
    } batched_mirror;
    batched_mirror *batched = (batched_mirror *)op;
    int strict = Py_TYPE(op)->tp_basicsize >= (Py_ssize_t)sizeof(batched_mirror) && batched->strict;
    return Py_BuildValue("nO", batched->size, strict ? Py_True : Py_False);
}

PyMethodDef forkpoint_layout_methods[] = {
    {"frozenset_new", frozenset_new, METH_NOARGS, "frozenset_new() -> an empty frozenset that nobody else has"},
    {"set_read", set_read, METH_O, "set_read(set) -> (mask, finger, keys, table)"},
    {"set_fill", set_fill, METH_VARARGS, "set_fill(set, mask, finger, keys, table) -> is the table as it was"},
    {"iterator_read", iterator_read, METH_O, "iterator_read(it) -> None or (container, used, position, remaining)"},
    {"iterator_place", iterator_place, METH_VARARGS, "iterator_place(it, used, position, remaining)"},
    {"odict_iterator_read", odict_iterator_read, METH_O, "odict_iterator_read(it) -> (kind, odict, size, fresh, key)"},
    {"odict_iterator_place", odict_iterator_place, METH_VARARGS, "odict_iterator_place(it, odict, size, fresh, key)"},
    {"lru_read", lru_read, METH_O, "lru_read(wrapper) -> (function, hits, misses, keyword mark, entries)"},
    {"lru_set", lru_set, METH_VARARGS, "lru_set(wrapper, function, hits, misses)"},
    {"weakref_read", weakref_read, METH_O, "weakref_read(ref) -> (target, callback)"},
    {"memoryview_offset", memoryview_offset, METH_O, "memoryview_offset(view) -> bytes into its exporter"},
    {"member_set", member_set, METH_VARARGS, "member_set(descriptor, obj, value): write a read-only C member"},
    {"frame_new", frame_new, METH_VARARGS, "frame_new(code, globals): a frame object that is not running"},
    {"batched_read", batched_read, METH_O, "batched_read(batched) -> (n, strict)"},
    {NULL, NULL, 0, NULL},
};

/* ---- checks against live objects -------------------------------------------------------------------------------- */

static PyObject *evaluate(const char *expression)
{
    PyObject *globals = Py_BuildValue("{s:O}", "__builtins__", PyEval_GetBuiltins());
    if (globals == NULL) {
        return NULL;
    }
    PyObject *result = PyRun_String(expression, Py_eval_input, globals, globals);
    Py_DECREF(globals);
    return result;
}

/* The type of an expression's value, kept for the life of the process (these are static types). */
static PyTypeObject *type_of(const char *expression)
{
    PyObject *value = evaluate(expression);
    if (value == NULL) {
        return NULL;
    }
    PyTypeObject *type = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(value));
    Py_DECREF(value);
    return type;
}

static int expect(int holds, const char *what)
{
    if (!holds && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ImportError, "forkpoint does not know this interpreter's %s", what);
    }
    return holds ? 0 : -1;
}

static int check_iterators(void)
{
    static const char *const expressions[6] = {
        "iter({}.keys())",     "iter({}.values())",     "iter({}.items())",
        "reversed({}.keys())", "reversed({}.values())", "reversed({}.items())",
    };
    for (int i = 0; i < 6; i++) {
        dict_iterator_types[i] = type_of(expressions[i]);
        if (dict_iterator_types[i] == NULL) {
            return -1;
        }
    }
    set_iterator_type = type_of("iter(set())");
    odict_iterator_type = type_of("iter(__import__('collections').OrderedDict())");
    if (set_iterator_type == NULL || odict_iterator_type == NULL) {
        return -1;
    }
    PyObject *it = evaluate("(lambda i: (next(i), i)[1])(iter({5: 6, 7: 8, 9: 10}))");
    dictiter_mirror *d = (dictiter_mirror *)it;
    int ok = it != NULL && Py_TYPE(it)->tp_basicsize == sizeof(dictiter_mirror) && d->used == 3 && d->position == 1 &&
             d->remaining == 2 && d->dict != NULL && PyDict_CheckExact(d->dict);
    Py_XDECREF(it);
    if (expect(ok, "dict iterators") < 0) {
        return -1;
    }
    it = evaluate("(lambda i: (next(i), i)[1])(iter({5, 6, 7}))");
    setiter_mirror *s = (setiter_mirror *)it;
    ok = it != NULL && Py_TYPE(it)->tp_basicsize == sizeof(setiter_mirror) && s->used == 3 && s->position == 6 &&
         s->remaining == 2 && s->set != NULL && PySet_CheckExact((PyObject *)s->set);
    Py_XDECREF(it);
    if (expect(ok, "set iterators") < 0) {
        return -1;
    }
    it = evaluate("(lambda i: (next(i), i)[1])(iter(__import__('collections').OrderedDict([(5, 6), (7, 8)])))");
    odictiter_mirror *o = (odictiter_mirror *)it;
    ok = it != NULL && Py_TYPE(it)->tp_basicsize == sizeof(odictiter_mirror) && o->kind == 2 && o->size == 2 &&
         o->dict != NULL && PyODict_CheckExact((PyObject *)o->dict) && o->dict->state == o->state &&
         o->current != NULL && PyLong_CheckExact(o->current) && PyLong_AsLong(o->current) == 7;
    Py_XDECREF(it);
    return expect(ok, "OrderedDict iterators");
}

static int check_lru(void)
{
    PyObject *wrapper = evaluate("(lambda f: (f(1), f(2), f(1), f)[3])(__import__('functools').lru_cache(3)(abs))");
    if (wrapper == NULL) {
        return -1;
    }
    lru_type = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(wrapper));
    lru_mirror *lru = (lru_mirror *)wrapper;
    int ok = lru->hits == 1 && lru->misses == 2 && lru->maxsize == 3 && PyCallable_Check(lru->function) &&
             PyDict_CheckExact(lru->cache) && lru->root.previous->next == &lru->root &&
             PyLong_CheckExact(lru->root.next->key) && PyLong_AsLong(lru->root.next->key) == 2;
    Py_DECREF(wrapper);
    return expect(ok, "lru_cache wrappers");
}

static int find_dummy(void)
{
    PyObject *set = evaluate("(lambda s: (s.discard(1), s)[1])({1})");
    PySetObject *view = (PySetObject *)set;
    int ok = set != NULL && view->fill == 1 && view->used == 0 && view->table[1].hash == -1;
    if (ok) {
        dummy_key = view->table[1].key;
    }
    Py_XDECREF(set);
    return expect(ok, "sets");
}

int forkpoint_layout_init(PyObject *Py_UNUSED(module))
{
    return find_dummy() < 0 || check_iterators() < 0 || check_lru() < 0 ? -1 : 0;
}
