/* Puts our loops in the place of those of list(), tuple(), set(), dict(), str.join(), list.sort(), sorted(), sum(),
   any(), all(), min(), max() and functools.reduce(), for calls in which Python code may run; nothing else about these changes.

   As with os.write (written.c) the method tables are changed in place, so nothing of it shows in Python. Every call that
   is not of the ordinary form, or has no iterator and no function of Python's, is CPython's own affair. */
#include "drive.h"

static vectorcallfunc plain_list, plain_tuple, plain_set, plain_dict;

/* Whether drawing from it may run Python code, while asking it for its iterator does not: an iterator of C's. Containers
   give their items without; and for a class of the program it would show who asks it, and how often. */
static int may_run_code(PyObject *iterable)
{
    PyTypeObject *type = Py_TYPE(iterable);
    return type->tp_iter == PyObject_SelfIter && type->tp_iternext != NULL &&
           (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || PyType_HasFeature(type, Py_TPFLAGS_IMMUTABLETYPE));
}

/* Whether calling it may run Python code. */
static int is_worth_asking(PyObject *function)
{
    return !PyCFunction_CheckExact(function) && !Py_IS_TYPE(function, &PyMethodDescr_Type);
}

/* Runs a drive whose `made` is new and given up to it; NULL if making that failed. */
static PyObject *drive(const fp_drive_kind *kind, const void *callable, PyObject *source, PyObject *function,
                       PyObject *made, PyObject *extra)
{
    fp_drive *begun = made == NULL ? NULL : fp_drive_begin(kind, callable, source, function, made, extra);
    Py_XDECREF(made);
    return begun == NULL ? NULL : fp_drive_run(begun);
}

/* ------------------------------------------------------------------------------------------------- containers */

static int is_plain_call(PyObject *type, PyTypeObject *expected, PyObject *const *args, size_t nargsf,
                         PyObject *kwnames)
{
    return type == (PyObject *)expected && kwnames == NULL && PyVectorcall_NARGS(nargsf) == 1 &&
           may_run_code(args[0]);
}

static PyObject *list_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return is_plain_call(type, &PyList_Type, args, nargsf, kwnames)
               ? drive(&fp_list_drive, type, args[0], NULL, PyList_New(0), NULL)
               : plain_list(type, args, nargsf, kwnames);
}

static PyObject *tuple_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return is_plain_call(type, &PyTuple_Type, args, nargsf, kwnames)
               ? drive(&fp_tuple_drive, type, args[0], NULL, PyList_New(0), NULL)
               : plain_tuple(type, args, nargsf, kwnames);
}

static PyObject *set_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return is_plain_call(type, &PySet_Type, args, nargsf, kwnames)
               ? drive(&fp_set_drive, type, args[0], NULL, PySet_New(NULL), NULL)
               : plain_set(type, args, nargsf, kwnames);
}

static PyObject *dict_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return is_plain_call(type, &PyDict_Type, args, nargsf, kwnames)
               ? drive(&fp_dict_drive, type, args[0], NULL, PyDict_New(), NULL)
               : plain_dict(type, args, nargsf, kwnames);
}

static void replace_vectorcall(PyTypeObject *type, vectorcallfunc ours, vectorcallfunc *plain)
{
    if (*plain == NULL && type->tp_vectorcall != NULL) {
        *plain = type->tp_vectorcall;
        type->tp_vectorcall = ours;
    }
}

/* -------------------------------------------------------------------------------------------------- arguments */

typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
typedef PyObject *(*tuple_function)(PyObject *, PyObject *, PyObject *);

/* One builtin function: its object (borrowed, it lives as long as the interpreter) and what it was. */
typedef struct {
    PyObject *object;
    PyCFunction plain;
} builtin;

static builtin the_sum, the_any, the_all, the_min, the_max, the_sorted, the_reduce, the_join, the_sort;

static PyObject *plain_fast(const builtin *called, PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *kwnames)
{
    return ((fast_function)(void (*)(void))called->plain)(self, args, nargs, kwnames);
}

static PyObject *plain_tuple_call(const builtin *called, PyObject *self, PyObject *args, PyObject *keywords)
{
    return ((tuple_function)(void (*)(void))called->plain)(self, args, keywords);
}

/* The keyword arguments called `first` and `second`, borrowed, NULL where not given (`key=None` counts so too for
   "key"); 0 if there are others. `values` are those of `kwnames`. */
static int find_keywords(PyObject *const *values, PyObject *kwnames, const char *first, PyObject **one,
                         const char *second, PyObject **other)
{
    *one = *other = NULL;
    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(name, first) == 0) {
            *one = values[i];
        }
        else if (PyUnicode_CompareWithASCIIString(name, second) == 0) {
            *other = values[i];
        }
        else {
            return 0;
        }
    }
    if (*one == Py_None) {
        *one = NULL;
    }
    return 1;
}

/* ------------------------------------------------------------------------------------------ sum, any, all, join */

static PyObject *ours_sum(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *start = nargs == 2 ? args[1] : NULL, *unused;
    int is_ours = nargs >= 1 && nargs <= 2 && may_run_code(args[0]);
    if (is_ours && kwnames != NULL) {
        is_ours = nargs == 1 && find_keywords(args + nargs, kwnames, "start", &start, "start", &unused) &&
                  PyTuple_GET_SIZE(kwnames) == 1 && start != NULL;
    }
    if (!is_ours || (start != NULL && (PyUnicode_Check(start) || PyBytes_Check(start) || PyByteArray_Check(start)))) {
        return plain_fast(&the_sum, self, args, nargs, kwnames);
    }
    PyObject *made = start != NULL ? Py_NewRef(start) : PyLong_FromLong(0);
    fp_drive *begun = made == NULL ? NULL : fp_drive_begin(&fp_sum_drive, the_sum.object, args[0], NULL, made, NULL);
    Py_XDECREF(made);
    if (begun == NULL) {
        return NULL;
    }
    int overflow = 1;
    begun->whole = PyLong_CheckExact(made) ? PyLong_AsLongAndOverflow(made, &overflow) : 0;
    begun->mode = overflow == 0 ? FP_SUM_WHOLE : PyFloat_CheckExact(made) ? FP_SUM_FLOAT : FP_SUM_ANY;
    begun->sum = PyFloat_CheckExact(made) ? PyFloat_AS_DOUBLE(made) : 0.0;
    return fp_drive_run(begun);
}

static PyObject *ours_any(PyObject *self, PyObject *iterable)
{
    return may_run_code(iterable) ? drive(&fp_any_drive, the_any.object, iterable, NULL, Py_NewRef(Py_False), NULL)
                                  : the_any.plain(self, iterable);
}

static PyObject *ours_all(PyObject *self, PyObject *iterable)
{
    return may_run_code(iterable) ? drive(&fp_all_drive, the_all.object, iterable, NULL, Py_NewRef(Py_True), NULL)
                                  : the_all.plain(self, iterable);
}

static PyObject *ours_join(PyObject *self, PyObject *iterable)
{
    return may_run_code(iterable) ? drive(&fp_join_drive, the_join.object, iterable, NULL, PyList_New(0), self)
                                  : the_join.plain(self, iterable);
}

/* -------------------------------------------------------------------------------------------- min, max, sorted */

static PyObject *extreme(const builtin *called, long mode, PyObject *iterable, PyObject *key, PyObject *missing)
{
    PyObject *extra = missing != NULL ? PyTuple_Pack(2, called->object, missing) : PyTuple_Pack(1, called->object);
    fp_drive *begun = extra == NULL ? NULL
                                    : fp_drive_begin(&fp_extreme_drive, called->object, iterable, key, NULL, extra);
    Py_XDECREF(extra);
    if (begun == NULL) {
        return NULL;
    }
    begun->mode = mode;
    return fp_drive_run(begun);
}

static int is_ours_with_key(PyObject *iterable, PyObject *key)
{
    return may_run_code(iterable) || (key != NULL && is_worth_asking(key));
}

static PyObject *extreme_fast(const builtin *called, long mode, PyObject *self, PyObject *const *args,
                              Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *key, *missing;
    if (nargs != 1 || !find_keywords(args + nargs, kwnames, "key", &key, "default", &missing) ||
        !is_ours_with_key(args[0], key)) {
        return plain_fast(called, self, args, nargs, kwnames);
    }
    return extreme(called, mode, args[0], key, missing);
}

static PyObject *extreme_tuple(const builtin *called, long mode, PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *key = keywords == NULL ? NULL : PyDict_GetItemString(keywords, "key");
    PyObject *missing = keywords == NULL ? NULL : PyDict_GetItemString(keywords, "default");
    Py_ssize_t known = (key != NULL) + (missing != NULL);
    key = key == Py_None ? NULL : key;
    if (PyTuple_GET_SIZE(args) != 1 || (keywords != NULL && PyDict_GET_SIZE(keywords) != known) ||
        !is_ours_with_key(PyTuple_GET_ITEM(args, 0), key)) {
        return plain_tuple_call(called, self, args, keywords);
    }
    return extreme(called, mode, PyTuple_GET_ITEM(args, 0), key, missing);
}

static PyObject *ours_min_fast(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return extreme_fast(&the_min, Py_LT, self, args, nargs, kwnames);
}

static PyObject *ours_max_fast(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return extreme_fast(&the_max, Py_GT, self, args, nargs, kwnames);
}

static PyObject *ours_min_tuple(PyObject *self, PyObject *args, PyObject *keywords)
{
    return extreme_tuple(&the_min, Py_LT, self, args, keywords);
}

static PyObject *ours_max_tuple(PyObject *self, PyObject *args, PyObject *keywords)
{
    return extreme_tuple(&the_max, Py_GT, self, args, keywords);
}

static PyObject *ours_sorted(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *key, *reverse;
    if (nargs != 1 || !find_keywords(args + nargs, kwnames, "key", &key, "reverse", &reverse) ||
        !is_ours_with_key(args[0], key) || (reverse != NULL && !PyBool_Check(reverse))) {
        return plain_fast(&the_sorted, self, args, nargs, kwnames);
    }
    if (may_run_code(args[0])) {
        return drive(&fp_sorted_drive, the_sorted.object, args[0], key, PyList_New(0), reverse);
    }
    PyObject *items = PySequence_List(args[0]);
    fp_drive *begun = items == NULL ? NULL
                                    : fp_drive_begin(&fp_keys_drive, the_sorted.object, args[0], key, items, reverse);
    Py_XDECREF(items);
    if (begun == NULL) {
        return NULL;
    }
    begun->best = PyList_New(0);
    begun->iterator = begun->best == NULL ? NULL : PyObject_GetIter(items);
    return fp_drive_run(begun);
}

static PyObject *ours_sort(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *key, *reverse;
    if (nargs != 0 || !PyList_CheckExact(self) || !find_keywords(args, kwnames, "key", &key, "reverse", &reverse) ||
        key == NULL || !is_worth_asking(key) || (reverse != NULL && !PyBool_Check(reverse))) {
        return plain_fast(&the_sort, self, args, nargs, kwnames);
    }
    PyObject *items = PyList_New(0);
    fp_drive *begun = items == NULL ? NULL
                                    : fp_drive_begin(&fp_sort_drive, the_sort.object, self, key, items, reverse);
    Py_XDECREF(items);
    if (begun == NULL) {
        return NULL;
    }
    fp_sort_empty(begun);
    begun->best = PyList_New(0);
    begun->iterator = begun->best == NULL ? NULL : PyObject_GetIter(items);
    return fp_drive_run(begun);
}

/* ----------------------------------------------------------------------------------------------------- reduce */

static PyObject *ours_reduce(PyObject *self, PyObject *args)
{
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    PyObject *function = count > 1 ? PyTuple_GET_ITEM(args, 0) : NULL;
    PyObject *iterable = count > 1 ? PyTuple_GET_ITEM(args, 1) : NULL;
    /* What cannot be iterated over is told in reduce()'s own words. */
    if (count < 2 || count > 3 || !(may_run_code(iterable) || PyList_CheckExact(iterable) ||
                                    PyTuple_CheckExact(iterable) || PyRange_Check(iterable))) {
        return the_reduce.plain(self, args);
    }
    fp_drive *begun = fp_drive_begin(&fp_reduce_drive, the_reduce.object, iterable, function,
                                     count == 3 ? PyTuple_GET_ITEM(args, 2) : NULL, NULL);
    return begun == NULL ? NULL : fp_drive_run(begun);
}

/* ---------------------------------------------------------------------------------------------- putting in place */

static void replace(builtin *place, PyObject *object, PyMethodDef *method, int flags, void *ours)
{
    if (place->plain == NULL && method->ml_flags == flags) {
        place->object = object;
        place->plain = method->ml_meth;
        method->ml_meth = (PyCFunction)(void (*)(void))ours;
    }
}

/* The function `name` of the module, if it is there and written in C as `flags` say, becomes `ours`. */
static int replace_function(builtin *place, const char *module, const char *name, int flags, void *ours)
{
    PyObject *found = PyImport_ImportModule(module);
    PyObject *function = found == NULL ? NULL : PyObject_GetAttrString(found, name);
    Py_XDECREF(found);
    if (function == NULL) {
        return -1;
    }
    if (PyCFunction_CheckExact(function)) {
        replace(place, function, ((PyCFunctionObject *)function)->m_ml, flags, ours);
    }
    Py_DECREF(function); /* place->object is only compared and called: the module keeps it */
    return 0;
}

static int replace_method(builtin *place, PyTypeObject *type, const char *name, int flags, void *ours)
{
    PyObject *method = PyObject_GetAttrString((PyObject *)type, name);
    if (method == NULL) {
        return -1;
    }
    if (Py_IS_TYPE(method, &PyMethodDescr_Type)) {
        replace(place, method, ((PyMethodDescrObject *)method)->d_method, flags, ours);
    }
    Py_DECREF(method);
    return 0;
}

static int replace_functions(void)
{
    const int fast = METH_FASTCALL | METH_KEYWORDS, tuple = METH_VARARGS | METH_KEYWORDS;
    return replace_method(&the_join, &PyUnicode_Type, "join", METH_O, ours_join) |
           replace_method(&the_sort, &PyList_Type, "sort", fast, ours_sort) |
           replace_function(&the_sum, "builtins", "sum", fast, ours_sum) |
           replace_function(&the_any, "builtins", "any", METH_O, ours_any) |
           replace_function(&the_all, "builtins", "all", METH_O, ours_all) |
           replace_function(&the_min, "builtins", "min", fast, ours_min_fast) |
           replace_function(&the_max, "builtins", "max", fast, ours_max_fast) |
           replace_function(&the_min, "builtins", "min", tuple, ours_min_tuple) |
           replace_function(&the_max, "builtins", "max", tuple, ours_max_tuple) |
           replace_function(&the_sorted, "builtins", "sorted", fast, ours_sorted) |
           replace_function(&the_reduce, "_functools", "reduce", METH_VARARGS, ours_reduce);
}

static PyObject *drive_start(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    replace_vectorcall(&PyList_Type, list_vectorcall, &plain_list);
    replace_vectorcall(&PyTuple_Type, tuple_vectorcall, &plain_tuple);
    replace_vectorcall(&PySet_Type, set_vectorcall, &plain_set);
    replace_vectorcall(&PyDict_Type, dict_vectorcall, &plain_dict);
    if (replace_functions() < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_drivers_methods[] = {
    {"drive_start", drive_start, METH_NOARGS,
     "From now on list(), sum(), max(), ... can be captured while they draw from an iterator. There is no way back."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_drivers_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
