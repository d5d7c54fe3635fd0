/* One walk over the namespaces of libraries, done in every child: what they offer under which name, what the program has
 * put there, how far their counters have counted.
 *
 * Namespaces hold a hundred thousand entries once numpy or torch is loaded. They are walked without a Python call and with
 * borrowed references, since in a forked child each reference count that is touched costs a page fault and a copy; which
 * is sound as long as nothing here runs Python code that could change a namespace. And what a walk finds in the namespace
 * of a module or class, or in a table there, is remembered until that is changed (settled.c).
 *
 * What is found beyond a namespace, and can change without it, is looked at each time: what instances and lists and sets
 * hold, and the defaults of functions that have such as a library may compare with. */
#include "addresses.h"
#include "drift.h"
#include "named.h"
#include "natures.h"
#include "parts.h"
#include "settled.h"

static PyObject *str_abc_impl; /* interned; lives as long as the process */

/* What is asked of a module. */
enum { NAMES = 1, MEMBERS = 2, COUNTERS = 4, DRIFT = 8, ABSTRACT = 16 };

/* A namespace: the name of a module and its number in the list, the class there or NULL, the path of the class or instance
   in it, empty for its own, and what is asked. All borrowed. */
typedef struct {
    PyObject *module;
    Py_ssize_t number;
    PyTypeObject *cls;
    PyObject *path;
    int asks;
} place;

typedef struct {
    fp_terms terms;
    fp_settled *memory; /* or NULL */
    PyObject *named;    /* NamedObjects */
    PyObject *drifted;  /* list of (module, path, key, value, None | places) */
    PyObject *counters; /* list of (module, path, key, itertools.count) */
    PyObject *abstract; /* list of classes */
    PyObject *locals;   /* list of (module, key, threading.local) */
    fp_entry *scratch;  /* for what is found in one namespace */
    place *members;     /* the classes that were found in modules */
    Py_ssize_t scratch_room, members_room, members_count;
    AddressSet clean;   /* instances, lists and sets in which nothing drifted: many modules hold the same ones */
} survey;

/* Room for `count` items of `size` bytes at `*place`, where `*room` are: -1 with an exception set. */
static int make_room(void *place, Py_ssize_t *room, Py_ssize_t count, size_t size)
{
    if (count <= *room) {
        return 0;
    }
    void *larger = PyMem_Realloc(*(void **)place, (size_t)(2 * count) * size);
    if (larger == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *(void **)place = larger;
    *room = 2 * count;
    return 0;
}

/* What is in the namespace of a module or class: remembered or looked for. The entries are good until the next call. */
static int look_into(survey *s, PyObject *namespace, int use, PyObject *module, fp_entries *found)
{
    Py_hash_t context = PyObject_Hash(module);
    if (context == -1) {
        return -1;
    }
    if (s->memory != NULL && fp_settled_find(s->memory, namespace, use, (uint64_t)context, found)) {
        return 0;
    }
    if (make_room(&s->scratch, &s->scratch_room, PyDict_GET_SIZE(namespace), sizeof *s->scratch) < 0) {
        return -1;
    }
    Py_ssize_t count = 0, position = 0;
    PyObject *key, *value;
    while (PyDict_Next(namespace, &position, &key, &value)) {
        int64_t what = PyUnicode_CheckExact(key) ? forkpoint_nature(&s->terms, use, module, key, value) : 0;
        if (what < 0) {
            return -1;
        }
        if (what > 0) {
            s->scratch[count++] = (fp_entry){key, value, (uint64_t)what};
        }
    }
    *found = (fp_entries){s->scratch, count};
    if (s->memory != NULL) {
        fp_settled_keep(s->memory, namespace, use, (uint64_t)context, *found);
    }
    return 0;
}

/* ---- telling what was found */

/* Is this default of a function what a library marks a missing argument with: an instance of a class written in Python? */
static int tell_marker(const survey *s, const place *at, PyObject *function, PyObject *value)
{
    if (!forkpoint_is_python_class(Py_TYPE(value))) {
        return 0;
    }
    int own = forkpoint_is_programs(value, s->terms.program);
    return own != 0 ? (own < 0 ? -1 : 0) : forkpoint_named_add(s->named, value, function, at->number, at->cls);
}

/* The defaults of a function: `def f(x=_DEFAULT)` compares with that very object, which may have no other name. */
static int tell_defaults(const survey *s, const place *at, const fp_entry *entry)
{
    PyObject *defaults = PyFunction_GET_DEFAULTS(entry->value), *named = PyFunction_GET_KW_DEFAULTS(entry->value);
    int own = forkpoint_is_programs(entry->value, s->terms.program);
    if (own != 0) {
        return own < 0 ? -1 : 0;
    }
    for (Py_ssize_t i = 0; defaults != NULL && i < PyTuple_GET_SIZE(defaults); i++) {
        if (tell_marker(s, at, entry->value, PyTuple_GET_ITEM(defaults, i)) < 0) {
            return -1;
        }
    }
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (named != NULL && PyDict_Next(named, &position, &name, &value)) {
        if (tell_marker(s, at, entry->value, value) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Steals `found`; NULL means an exception. */
static int tell(PyObject *list, PyObject *found)
{
    int failed = found == NULL || PyList_Append(list, found) < 0;
    Py_XDECREF(found);
    return failed ? -1 : 0;
}

static int tell_counter(const survey *s, const place *at, const fp_entry *entry)
{
    PyObject *counter = forkpoint_counter_of(entry->value);
    return counter == NULL ? 0 : tell(s->counters, PyTuple_Pack(4, at->module, at->path, entry->key, counter));
}

static int tell_drift(const survey *s, const place *at, const fp_entry *entry, PyObject *places)
{
    return tell(s->drifted, PyTuple_Pack(5, at->module, at->path, entry->key, entry->value, places));
}

/* What of a dict, list or set is the program's; a table that was found to hold nothing of it is looked at again when it
   was changed. */
static int tell_elements(survey *s, const place *at, const fp_entry *entry)
{
    int remembers = s->memory != NULL && PyDict_Check(entry->value);
    fp_entries nothing = {NULL, 0};
    if ((remembers && fp_settled_find(s->memory, entry->value, TABLE, 0, &nothing)) ||
        forkpoint_addresses_has(&s->clean, (uintptr_t)entry->value)) {
        return 0;
    }
    PyObject *places = forkpoint_places_within(entry->value, s->terms.program);
    if (places == NULL) {
        return -1;
    }
    int failed = 0;
    if (PyList_GET_SIZE(places) > 0) {
        failed = tell_drift(s, at, entry, places) < 0;
    } else if (remembers) {
        fp_settled_keep(s->memory, entry->value, TABLE, 0, nothing);
    } else {
        failed = forkpoint_addresses_add(&s->clean, (uintptr_t)entry->value) < 0;
    }
    Py_DECREF(places);
    return failed ? -1 : 0;
}

/* What an abstract class has in C begins with the set of what was registered with it, NULL before the first
   (Modules/_abc.c, _abc_data). Of a thousand abstract classes hardly any has one, and each that is listed is a page. */
typedef struct {
    PyObject_HEAD
    PyObject *registry;
} abc_data;

static int has_registered(PyObject *cls)
{
    PyObject *data = PyDict_GetItemWithError(((PyTypeObject *)cls)->tp_dict, str_abc_impl);
    if (data == NULL) {
        PyErr_Clear();
        return 1; /* not as expected: whoever is told finds out */
    }
    return ((abc_data *)data)->registry != NULL;
}

static int tell_of_instance(survey *s, const place *at, const fp_entry *entry);

static int note_member(survey *s, const place *at, const fp_entry *entry)
{
    if (make_room(&s->members, &s->members_room, s->members_count + 1, sizeof *s->members) < 0) {
        return -1;
    }
    PyTypeObject *cls = (PyTypeObject *)entry->value;
    int drifts = cls->tp_flags & Py_TPFLAGS_HEAPTYPE ? DRIFT : 0; /* attributes of others cannot be set */
    int asks = NAMES | (at->asks & (COUNTERS | drifts));
    s->members[s->members_count++] = (place){at->module, at->number, cls, entry->key, asks};
    return 0;
}

/* What is asked of a namespace, of one entry in it. */
static int tell_entry(survey *s, const place *at, const fp_entry *entry)
{
    uint64_t what = entry->what;
    if ((what & MARKED) && (at->asks & NAMES) && tell_defaults(s, at, entry) < 0) {
        return -1;
    }
    if ((what & NAMED) && (at->asks & NAMES) &&
        forkpoint_named_add(s->named, entry->value, entry->value, at->number, at->cls) < 0) {
        return -1;
    }
    if ((what & COUNTER) && (at->asks & COUNTERS) && tell_counter(s, at, entry) < 0) {
        return -1;
    }
    if ((what & KIND) && (at->asks & ABSTRACT) && has_registered(entry->value) && PyList_Append(s->abstract, entry->value) < 0) {
        return -1;
    }
    if ((what & LOCAL) && (at->asks & DRIFT) && tell(s->locals, PyTuple_Pack(3, at->module, entry->key, entry->value)) < 0) {
        return -1;
    }
    if ((what & CLASS) && (at->asks & MEMBERS) && note_member(s, at, entry) < 0) {
        return -1;
    }
    if (!(at->asks & DRIFT)) {
        return 0;
    }
    if ((what & DRIFTED) && tell_drift(s, at, entry, Py_None) < 0) {
        return -1;
    }
    if ((what & HOLDER) && tell_elements(s, at, entry) < 0) {
        return -1;
    }
    return (what & INSTANCE) ? tell_of_instance(s, at, entry) : 0;
}

static int tell_of_instance(survey *s, const place *at, const fp_entry *entry)
{
    if (forkpoint_addresses_has(&s->clean, (uintptr_t)entry->value)) {
        return 0;
    }
    Py_ssize_t drifted = PyList_GET_SIZE(s->drifted);
    place within = {at->module, at->number, NULL, entry->key, DRIFT};
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (forkpoint_instance_next(entry->value, &position, &key, &value)) {
        int64_t what = PyUnicode_CheckExact(key) ? forkpoint_nature(&s->terms, OF_INSTANCE, at->module, key, value) : 0;
        fp_entry found = {key, value, (uint64_t)what};
        if (what < 0 || tell_entry(s, &within, &found) < 0) {
            return -1;
        }
    }
    int is_clean = PyList_GET_SIZE(s->drifted) == drifted;
    return is_clean && forkpoint_addresses_add(&s->clean, (uintptr_t)entry->value) < 0 ? -1 : 0;
}

/* ---- the walk */

static int survey_namespace(survey *s, const place *at, PyObject *namespace, int use)
{
    fp_entries found;
    if (look_into(s, namespace, use, at->module, &found) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < found.count; i++) {
        if (tell_entry(s, at, &found.first[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* All modules first: their names go before those of the classes. */
static int survey_all(survey *s, PyObject *modules)
{
    place at = {.path = PyUnicode_FromString("")};
    int failed = at.path == NULL;
    for (; at.number < PyList_GET_SIZE(modules) && !failed; at.number++) {
        PyObject *namespace, *entry = PyList_GET_ITEM(modules, at.number);
        failed = !PyArg_ParseTuple(entry, "UO!i", &at.module, &PyDict_Type, &namespace, &at.asks) ||
                 survey_namespace(s, &at, namespace, OF_MODULE) < 0;
    }
    for (Py_ssize_t i = 0; i < s->members_count && !failed; i++) {
        PyObject *namespace = forkpoint_type_dict(s->members[i].cls);
        failed = namespace != NULL && survey_namespace(s, &s->members[i], namespace, OF_CLASS) < 0;
    }
    Py_XDECREF(at.path);
    return failed ? -1 : 0;
}

static PyObject *py_survey(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *modules, *buffer;
    unsigned long long known_as;
    Py_buffer view = {0};
    survey s = {0};
    if (!PyArg_ParseTuple(args, "O!O!O!O!O!O!O!OK:survey", &PyList_Type, &modules, &PySet_Type, &s.terms.program, &PySet_Type,
                          &s.terms.assigned, &PySet_Type, &s.terms.atoms, &PySet_Type, &s.terms.skipped, &PyType_Type, &s.terms.meta, &PyType_Type, &s.terms.local, &buffer, &known_as)) {
        return NULL;
    }
    if (buffer != Py_None && PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    if (view.len >= FP_SETTLED_BYTES && known_as != 0) {
        s.memory = view.buf;
        fp_settled_begin(s.memory, known_as);
    }
    s.terms.builtins = PyEval_GetBuiltins();
    s.named = forkpoint_named_new(modules);
    s.drifted = PyList_New(0);
    s.counters = PyList_New(0);
    s.abstract = PyList_New(0);
    s.locals = PyList_New(0);
    PyObject *result = NULL;
    if (forkpoint_addresses_init(&s.clean) == 0 && s.named != NULL && s.drifted != NULL && s.counters != NULL && s.abstract != NULL &&
        s.locals != NULL &&
        survey_all(&s, modules) == 0) {
        result = PyTuple_Pack(5, s.named, s.drifted, s.counters, s.abstract, s.locals);
    }
    Py_XDECREF(s.named);
    Py_XDECREF(s.drifted);
    Py_XDECREF(s.counters);
    Py_XDECREF(s.abstract);
    Py_XDECREF(s.locals);
    forkpoint_addresses_free(&s.clean);
    PyMem_Free(s.scratch);
    PyMem_Free(s.members);
    PyBuffer_Release(&view);
    return result;
}

PyDoc_STRVAR(survey_doc,
"survey(modules, program, assigned, atoms, skipped, meta, local, memory, terms)\n"
"    -> named, drifted, counters, abstract, locals\n\n"
"modules: [(name, namespace, asks)], asks of NAMES, MEMBERS, COUNTERS, DRIFT and ABSTRACT. program: the names of the\n"
"program's modules. assigned: attributes that its code assigns. atoms, skipped: types and names of what is not named.\n"
"memory: what was given to settled_mark(), or None; terms: other for other sets, not 0.\n\n"
"named: the NamedObjects of modules and of classes they define. drifted: (module, path, key, value, None | places) of what of\n"
"a module's namespace (path \"\") and of those of classes it defines and of instances it holds is the program's own (a function\n"
"or class it defines, an instance of such a class, a wrapper of one), or whose name is in `assigned`; and of dicts, lists and\n"
"sets that hold such elements, with their keys, indexes or the elements themselves. counters: (module, path, key, count).\n"
"abstract: the classes of exactly the metaclass `meta` that modules hold, with which something was registered. locals:\n"
"(module, key, value) of the instances of the type `local`, threading.local, that modules hold.");

PyMethodDef forkpoint_survey_methods[] = {
    {"survey", py_survey, METH_VARARGS, survey_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_survey_init(PyObject *module)
{
    str_abc_impl = PyUnicode_InternFromString("_abc_impl");
    return str_abc_impl == NULL || PyModule_AddIntMacro(module, NAMES) < 0 || PyModule_AddIntMacro(module, MEMBERS) < 0 ||
                   PyModule_AddIntMacro(module, COUNTERS) < 0 || PyModule_AddIntMacro(module, DRIFT) < 0 ||
                   PyModule_AddIntMacro(module, ABSTRACT) < 0
               ? -1
               : 0;
}
