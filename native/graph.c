/* Fast paths over the object graph: the filter that the C pickler asks about every object. */
#include "identities.h"
#include "parts.h"

#include <math.h>
#include <stddef.h>

/* ---- which keys hash by running Python code ------------------------------------------------------------------ */

static hashfunc slot_tp_hash; /* what tp_hash is for a class with a Python __hash__ (Objects/typeobject.c) */

/* A key whose hash may need state that is not there yet while the graph is being rebuilt. */
static int hash_needs_care(PyObject *key)
{
    PyTypeObject *type = Py_TYPE(key);
    if (type == &PyUnicode_Type || type == &PyLong_Type || type == &PyBytes_Type || type == &PyFloat_Type) {
        return 0;
    }
    if (type->tp_hash == slot_tp_hash) {
        return 1;
    }
    if (PyTuple_Check(key)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); i++) {
            if (hash_needs_care(PyTuple_GET_ITEM(key, i))) {
                return 1;
            }
        }
        return 0;
    }
    if (PyFrozenSet_Check(key) || PyWeakref_Check(key) || type == &PyMethod_Type) {
        return 1;
    }
    return 0;
}

static int dict_needs_care(PyObject *dict)
{
    Py_ssize_t position = 0;
    PyObject *key;
    while (PyDict_Next(dict, &position, &key, NULL)) {
        if (Py_TYPE(key) != &PyUnicode_Type && hash_needs_care(key)) {
            return 1;
        }
    }
    return 0;
}

static int set_needs_care(PyObject *op)
{
    PySetObject *set = (PySetObject *)op;
    for (Py_ssize_t i = 0; i <= set->mask; i++) {
        if (set->table[i].key != NULL && set->table[i].hash != -1 && hash_needs_care(set->table[i].key)) {
            return 1;
        }
    }
    return 0;
}

/* Would adding the keys one by one to an empty set give this very table? Only asked for atoms, whose hash and
   equality run no Python code. Returns -1 with an exception set on failure. */
static int set_is_plain(PyObject *op)
{
    PySetObject *set = (PySetObject *)op;
    if (set->finger != 0) {
        return 0;
    }
    if (set->used == 0) {
        return set->mask == PySet_MINSIZE - 1 && set->fill == 0;
    }
    PyObject *probe = PySet_New(NULL);
    if (probe == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i <= set->mask; i++) {
        PyObject *key = set->table[i].key;
        if (key == NULL || set->table[i].hash == -1) {
            continue;
        }
        if (!(PyUnicode_CheckExact(key) || PyLong_CheckExact(key) || PyBytes_CheckExact(key) ||
              PyFloat_CheckExact(key))) {
            Py_DECREF(probe);
            return 0;
        }
        if (PySet_Add(probe, key) < 0) {
            Py_DECREF(probe);
            return -1;
        }
    }
    PySetObject *again = (PySetObject *)probe;
    int same = again->mask == set->mask && again->fill == set->fill;
    for (Py_ssize_t i = 0; same && i <= set->mask; i++) {
        same = again->table[i].key == set->table[i].key;
    }
    Py_DECREF(probe);
    return same;
}

static PyObject *keys_need_care(PyObject *Py_UNUSED(module), PyObject *container)
{
    if (PyDict_Check(container)) {
        return PyBool_FromLong(dict_needs_care(container));
    }
    if (PyAnySet_Check(container)) {
        return PyBool_FromLong(set_needs_care(container));
    }
    PyErr_SetString(PyExc_TypeError, "keys_need_care() takes a dict or a set");
    return NULL;
}

/* ---- the filter ------------------------------------------------------------------------------------------------ */

/* Set as `persistent_id` of a C pickler: asked for every single object, it answers None for nearly all of them
   without a Python call. `callback(obj)` decides about the rest: registered containers, sets whose table would
   change, dicts and sets whose keys hash by Python code, and, once each, interned strings and the NaNs and infinities
   that more than one place may hold. It is not asked about other numbers: what stands for those that are identities is known beforehand
   (identities.c). */
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *callback; /* owned */
    RegisteredObjects registered;
    PyObject *texts;      /* owned: interned string -> what stands for it; NULL while these are saved like any other */
    PyObject *identities; /* owned: number that is some object's id() -> what stands for it; NULL for none */
    PyObject *floats;     /* owned: address of a NaN or infinity, which the callback keeps -> what stands for it */
} filter_object;

static PyObject *stand_in_of_text(filter_object *self, PyObject *text)
{
    PyObject *found = PyDict_GetItemWithError(self->texts, text);
    if (found != NULL || PyErr_Occurred()) {
        return Py_XNewRef(found);
    }
    found = PyObject_CallOneArg(self->callback, text);
    if (found != NULL && PyDict_SetItem(self->texts, text, found) < 0) {
        Py_CLEAR(found);
    }
    return found;
}

static PyObject *stand_in_of_float(filter_object *self, PyObject *value)
{
    PyObject *address = PyLong_FromVoidPtr(value);
    if (address == NULL) {
        return NULL;
    }
    PyObject *found = Py_XNewRef(PyDict_GetItemWithError(self->floats, address));
    if (found == NULL && !PyErr_Occurred()) {
        found = PyObject_CallOneArg(self->callback, value);
        if (found != NULL && PyDict_SetItem(self->floats, address, found) < 0) {
            Py_CLEAR(found);
        }
    }
    Py_DECREF(address);
    return found;
}

static PyObject *filter_call(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    filter_object *self = (filter_object *)op;
    if (PyVectorcall_NARGS(nargsf) != 1 || kwnames != NULL) {
        PyErr_SetString(PyExc_TypeError, "a filter takes one object");
        return NULL;
    }
    PyObject *obj = args[0];
    PyTypeObject *type = Py_TYPE(obj);
    int ask = 0;
    if (type == &PyUnicode_Type) {
        if (self->texts != NULL && PyUnicode_CHECK_INTERNED(obj)) {
            return stand_in_of_text(self, obj);
        }
    }
    else if (type == &PyLong_Type) {
        if (self->identities != NULL && forkpoint_as_address(obj) != 0) {
            PyObject *found = PyDict_GetItemWithError(self->identities, obj);
            return found != NULL || PyErr_Occurred() ? Py_XNewRef(found) : Py_NewRef(Py_None);
        }
    }
    else if (type == &PyFloat_Type) {
        if (Py_REFCNT(obj) > 1 && !isfinite(PyFloat_AS_DOUBLE(obj))) {
            return stand_in_of_float(self, obj);
        }
    }
    else if (type == &PyDict_Type) {
        ask = forkpoint_is_registered(&self->registered, (uintptr_t)obj) || dict_needs_care(obj);
    }
    else if (type == &PyList_Type) {
        ask = forkpoint_is_registered(&self->registered, (uintptr_t)obj);
    }
    else if (type == &PySet_Type || type == &PyFrozenSet_Type) {
        ask = forkpoint_is_registered(&self->registered, (uintptr_t)obj);
        if (!ask) {
            int plain = set_is_plain(obj);
            if (plain < 0) {
                return NULL;
            }
            ask = !plain;
        }
    }
    if (!ask) {
        Py_RETURN_NONE;
    }
    return PyObject_CallOneArg(self->callback, obj);
}

static int add_all(AddressSet *set, PyObject *ids)
{
    PyObject *iterator = PyObject_GetIter(ids), *item;
    int failed = iterator == NULL;
    while (!failed && (item = PyIter_Next(iterator)) != NULL) {
        void *address = PyLong_AsVoidPtr(item);
        Py_DECREF(item);
        failed = (address == NULL && PyErr_Occurred()) || forkpoint_addresses_add(set, (uintptr_t)address) < 0;
    }
    Py_XDECREF(iterator);
    return failed || PyErr_Occurred() ? -1 : 0;
}

static PyObject *filter_register(PyObject *op, PyObject *ids)
{
    return add_all(&((filter_object *)op)->registered.others, ids) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *filter_register_named(PyObject *op, PyObject *args)
{
    RegisteredObjects *registered = &((filter_object *)op)->registered;
    PyObject *named, *excepted;
    if (!PyArg_ParseTuple(args, "O!O:register_named", &forkpoint_named_type, &named, &excepted) ||
        add_all(&registered->excepted, excepted) < 0) {
        return NULL;
    }
    Py_XSETREF(registered->named, Py_NewRef(named));
    Py_RETURN_NONE;
}

static PyObject *filter_divert_texts(PyObject *op, PyObject *Py_UNUSED(unused))
{
    filter_object *self = (filter_object *)op;
    if (self->texts == NULL) {
        self->texts = PyDict_New();
    }
    return self->texts == NULL ? NULL : Py_NewRef(Py_None);
}

static PyObject *filter_divert_numbers(PyObject *op, PyObject *identities)
{
    if (!PyDict_Check(identities)) {
        PyErr_SetString(PyExc_TypeError, "divert_numbers() takes a dict");
        return NULL;
    }
    Py_XSETREF(((filter_object *)op)->identities, Py_NewRef(identities));
    Py_RETURN_NONE;
}

static PyObject *filter_held_identities(PyObject *op, PyObject *args)
{
    PyObject *roots, *program;
    if (!PyArg_ParseTuple(args, "OO!:held_identities", &roots, &PySet_Type, &program)) {
        return NULL;
    }
    return forkpoint_held_identities(roots, &((filter_object *)op)->registered, program);
}

static PyObject *filter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *callback;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "GraphFilter takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O:GraphFilter", &callback)) {
        return NULL;
    }
    filter_object *self = (filter_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = filter_call;
    self->callback = Py_NewRef(callback);
    self->floats = PyDict_New();
    if (self->floats == NULL || forkpoint_addresses_init(&self->registered.others) < 0 ||
        forkpoint_addresses_init(&self->registered.excepted) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int filter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((filter_object *)op)->callback);
    Py_VISIT(((filter_object *)op)->texts);
    Py_VISIT(((filter_object *)op)->identities);
    Py_VISIT(((filter_object *)op)->floats);
    return 0;
}

static int filter_clear(PyObject *op)
{
    Py_CLEAR(((filter_object *)op)->callback);
    Py_CLEAR(((filter_object *)op)->texts);
    Py_CLEAR(((filter_object *)op)->identities);
    Py_CLEAR(((filter_object *)op)->floats);
    return 0;
}

static void filter_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    filter_clear(op);
    forkpoint_addresses_free(&((filter_object *)op)->registered.others);
    forkpoint_addresses_free(&((filter_object *)op)->registered.excepted);
    Py_CLEAR(((filter_object *)op)->registered.named);
    Py_TYPE(op)->tp_free(op);
}

static PyMethodDef filter_methods[] = {
    {"register", filter_register, METH_O, "register(ids): ask the callback about the containers at these addresses"},
    {"register_named", filter_register_named, METH_VARARGS,
     "register_named(named, excepted): those of NamedObjects, too, but for these ids"},
    {"divert_texts", filter_divert_texts, METH_NOARGS, "divert_texts(): from now on ask it about interned strings"},
    {"held_identities", filter_held_identities, METH_VARARGS,
     "held_identities(roots, program) -> {number: object}: the numbers below the roots that are id()s of objects there"},
    {"divert_numbers", filter_divert_numbers, METH_O, "divert_numbers({number: what stands for it})"},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject filter_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "forkpoint._native.GraphFilter",
    .tp_basicsize = sizeof(filter_object),
    .tp_doc = "GraphFilter(callback): a persistent_id for the C pickler; None unless callback(obj) must decide",
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(filter_object, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_new = filter_new,
    .tp_traverse = filter_traverse,
    .tp_clear = filter_clear,
    .tp_dealloc = filter_dealloc,
    .tp_methods = filter_methods,
};

static PyObject *itself(PyObject *Py_UNUSED(module), PyObject *obj)
{
    return Py_NewRef(obj);
}

PyMethodDef forkpoint_graph_methods[] = {
    {"itself", itself, METH_O, "itself(obj) -> obj: the persistent_load of streams whose persistent ids are objects"},
    {"keys_need_care", keys_need_care, METH_O, "keys_need_care(container): do its keys hash by running Python code?"},
    {NULL, NULL, 0, NULL},
};

int forkpoint_graph_init(PyObject *module)
{
    PyObject *namespace = Py_BuildValue("{s:O}", "__hash__", (PyObject *)&PyBaseObject_Type);
    PyObject *probe = PyObject_CallFunction((PyObject *)&PyType_Type, "s(O)N", "probe", &PyBaseObject_Type, namespace);
    if (probe == NULL) {
        return -1;
    }
    slot_tp_hash = ((PyTypeObject *)probe)->tp_hash;
    Py_DECREF(probe);
    if (PyType_Ready(&filter_type) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "GraphFilter", (PyObject *)&filter_type);
}
