/* What libraries own, by address: under which name each object is to be called.
 *
 * Tens of thousands of objects have such names in every child, and a commit asks for a few hundred. So only addresses are
 * noted, without a reference, and a name is put together when it is asked for: by looking whether the namespace still
 * holds an object at that address, and under which key. What has been let go of meanwhile is never touched. */
#include "named.h"

#include "parts.h"

enum { SLOTS_MIN = 1 << 12 };

typedef struct {
    uintptr_t value, holder; /* of the object; of what the namespace holds: itself, or a function */
    PyTypeObject *cls;       /* whose namespace it is, or NULL for the module's */
    Py_ssize_t module;
} record;

typedef struct {
    PyObject_HEAD
    PyObject *modules; /* list; owned */
    record *records;   /* in the order they were added; owned */
    size_t count, room;
    uint32_t *table; /* number of a record + 1, by the hash of its address; 0 is empty; owned */
    size_t mask;
} named_object;

static size_t slot_of(const named_object *self, uintptr_t value)
{
    size_t i = (size_t)((value >> 4) * 0x9e3779b97f4a7c15ULL >> 20) & self->mask;
    while (self->table[i] != 0 && self->records[self->table[i] - 1].value != value) {
        i = (i + 1) & self->mask;
    }
    return i;
}

static int grow(named_object *self)
{
    size_t slots = self->table == NULL ? SLOTS_MIN : 2 * (self->mask + 1);
    record *records = PyMem_Realloc(self->records, slots / 2 * sizeof *records);
    if (records != NULL) {
        self->records = records;
        self->room = slots / 2;
    }
    uint32_t *table = records != NULL ? PyMem_Calloc(slots, sizeof *table) : NULL;
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyMem_Free(self->table);
    self->table = table;
    self->mask = slots - 1;
    for (size_t i = 0; i < self->count; i++) {
        self->table[slot_of(self, self->records[i].value)] = (uint32_t)(i + 1);
    }
    return 0;
}

PyObject *forkpoint_named_new(PyObject *modules)
{
    named_object *self = (named_object *)forkpoint_named_type.tp_alloc(&forkpoint_named_type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->modules = Py_NewRef(modules);
    if (grow(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

int forkpoint_named_add(PyObject *named, PyObject *value, PyObject *holder, Py_ssize_t module, PyTypeObject *cls)
{
    named_object *self = (named_object *)named;
    size_t at = slot_of(self, (uintptr_t)value);
    if (self->table[at] != 0) {
        return 0;
    }
    if (self->count == self->room) {
        if (grow(self) < 0) {
            return -1;
        }
        at = slot_of(self, (uintptr_t)value);
    }
    self->records[self->count++] = (record){(uintptr_t)value, (uintptr_t)holder, cls, module};
    self->table[at] = (uint32_t)self->count;
    return 0;
}

int forkpoint_named_has(PyObject *named, uintptr_t address)
{
    const named_object *self = (const named_object *)named;
    return self->table[slot_of(self, address)] != 0;
}

/* The first text under which a namespace holds what is at this address: borrowed, or NULL. */
static PyObject *key_of(PyObject *namespace, uintptr_t address)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(namespace, &position, &key, &value)) {
        if ((uintptr_t)value == address && PyUnicode_CheckExact(key)) {
            return key;
        }
    }
    return NULL;
}

/* Which default of a function it is, as a path; NULL, with or without an exception, when it is none. */
static PyObject *path_of_default(PyObject *function, uintptr_t address)
{
    PyObject *defaults = PyFunction_GET_DEFAULTS(function), *named = PyFunction_GET_KW_DEFAULTS(function);
    for (Py_ssize_t i = 0; defaults != NULL && i < PyTuple_GET_SIZE(defaults); i++) {
        if ((uintptr_t)PyTuple_GET_ITEM(defaults, i) == address) {
            return PyUnicode_FromFormat(".__defaults__.[%zd]", i);
        }
    }
    PyObject *key = named != NULL ? key_of(named, address) : NULL;
    return key != NULL ? PyUnicode_FromFormat(".__kwdefaults__.[%U]", key) : NULL;
}

/* (module, path), a new reference; NULL without an exception when it has no name any more. */
static PyObject *name_of(const named_object *self, const record *one)
{
    PyObject *entry = PyList_GET_ITEM(self->modules, one->module);
    PyObject *module = PyTuple_GET_ITEM(entry, 0), *namespace = PyTuple_GET_ITEM(entry, 1), *outer = NULL;
    if (one->cls != NULL) {
        outer = key_of(namespace, (uintptr_t)one->cls);
        if (outer == NULL) {
            return NULL;
        }
        namespace = forkpoint_type_dict(one->cls);
    }
    PyObject *key = key_of(namespace, one->holder);
    if (key == NULL) {
        return NULL;
    }
    PyObject *rest = one->holder == one->value ? PyUnicode_FromString("") : path_of_default((PyObject *)one->holder, one->value);
    if (rest == NULL) {
        return NULL;
    }
    /* The attribute of a class is what a descriptor gives for it, not the descriptor. */
    const char *member = Py_TYPE((PyObject *)one->holder)->tp_descr_get != NULL && one->holder == one->value ? "%U.__dict__.[%U]%U" : "%U.%U%U";
    PyObject *path = outer == NULL ? PyUnicode_FromFormat("%U%U", key, rest) : PyUnicode_FromFormat(member, outer, key, rest);
    Py_DECREF(rest);
    PyObject *name = path != NULL ? PyTuple_Pack(2, module, path) : NULL;
    Py_XDECREF(path);
    return name;
}

static PyObject *named_find(PyObject *op, PyObject *id)
{
    named_object *self = (named_object *)op;
    void *address = PyLong_AsVoidPtr(id);
    if (address == NULL && PyErr_Occurred()) {
        return NULL;
    }
    uint32_t number = self->table[slot_of(self, (uintptr_t)address)];
    PyObject *name = number != 0 ? name_of(self, &self->records[number - 1]) : NULL;
    return name != NULL ? name : PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *named_ids(PyObject *op, PyObject *Py_UNUSED(unused))
{
    named_object *self = (named_object *)op;
    PyObject *ids = PyList_New((Py_ssize_t)self->count);
    for (size_t i = 0; ids != NULL && i < self->count; i++) {
        PyObject *id = PyLong_FromVoidPtr((void *)self->records[i].value);
        if (id == NULL) {
            Py_CLEAR(ids);
        } else {
            PyList_SET_ITEM(ids, (Py_ssize_t)i, id);
        }
    }
    return ids;
}

static void named_dealloc(PyObject *op)
{
    named_object *self = (named_object *)op;
    Py_XDECREF(self->modules);
    PyMem_Free(self->records);
    PyMem_Free(self->table);
    Py_TYPE(op)->tp_free(op);
}

static PyMethodDef named_methods[] = {
    {"find", named_find, METH_O, "find(id) -> (module, dotted path), or None"},
    {"ids", named_ids, METH_NOARGS, "ids() -> [id]: of all that had a name, in the order it was found"},
    {NULL, NULL, 0, NULL},
};

/* It holds namespaces, which hold it only while somebody looks at it: no part in cyclic collection. */
PyTypeObject forkpoint_named_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "forkpoint._native.NamedObjects",
    .tp_basicsize = sizeof(named_object),
    .tp_doc = "What libraries own, by address (see survey())",
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = named_dealloc,
    .tp_methods = named_methods,
};

PyMethodDef forkpoint_named_methods[] = {{NULL, NULL, 0, NULL}};

int forkpoint_named_init(PyObject *module)
{
    return PyType_Ready(&forkpoint_named_type) < 0 || PyModule_AddObjectRef(module, "NamedObjects", (PyObject *)&forkpoint_named_type) < 0 ? -1 : 0;
}
