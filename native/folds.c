/* What each builtin that draws from an iterator does with an item, as CPython's own loop does it: the same results to the
   last bit, the same errors, but what it knows so far lies in a drive (drive.h) and not on the C stack.

   Mirrored, by what they do: Python/bltinmodule.c (sum, any, all, min and max), Modules/_functoolsmodule.c (reduce),
   Objects/dictobject.c (PyDict_MergeFromSeq2), Objects/listobject.c (the keys of sort). */
#include "drive.h"

#include <math.h>

/* ------------------------------------------------------------------------------------------------- containers */

static int extend(fp_drive *drive)
{
    PyObject *none = _PyList_Extend((PyListObject *)drive->made, drive->iterator);
    Py_XDECREF(none);
    return none == NULL ? FP_FAILED : FP_END;
}

static int append(fp_drive *drive, PyObject *item)
{
    return PyList_Append(drive->made, item) < 0 ? FP_FAILED : FP_GO_ON;
}

/* Steals the result, NULL when making it failed. */
static int done(fp_drive *drive, PyObject *result)
{
    Py_XSETREF(drive->result, result);
    return result == NULL ? FP_FAILED : FP_DONE;
}

static int give_made(fp_drive *drive)
{
    return done(drive, Py_NewRef(drive->made));
}

const fp_drive_kind fp_list_drive = {.name = "list", .bulk = extend, .take = append, .finish = give_made};

static int give_tuple(fp_drive *drive)
{
    return done(drive, PyList_AsTuple(drive->made));
}

const fp_drive_kind fp_tuple_drive = {.name = "tuple", .take = append, .finish = give_tuple};

static int give_joined(fp_drive *drive)
{
    return done(drive, PyUnicode_Join(drive->extra, drive->made));
}

const fp_drive_kind fp_join_drive = {.name = "join", .bulk = extend, .take = append, .finish = give_joined};

static int add(fp_drive *drive, PyObject *item)
{
    return PySet_Add(drive->made, item) < 0 ? FP_FAILED : FP_GO_ON;
}

const fp_drive_kind fp_set_drive = {.name = "set", .take = add, .finish = give_made};

/* `whole` counts the items, for the messages. */
static int add_pair(fp_drive *drive, PyObject *item)
{
    PyObject *pair = PySequence_Fast(item, "");
    int status = FP_FAILED;
    if (pair == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "cannot convert dictionary update sequence element #%zd to a sequence",
                         (Py_ssize_t)drive->whole);
        }
    }
    else if (PySequence_Fast_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_ValueError, "dictionary update sequence element #%zd has length %zd; 2 is required",
                     (Py_ssize_t)drive->whole, PySequence_Fast_GET_SIZE(pair));
    }
    else {
        PyObject *key = Py_NewRef(PySequence_Fast_GET_ITEM(pair, 0));
        PyObject *value = Py_NewRef(PySequence_Fast_GET_ITEM(pair, 1));
        status = PyDict_SetItem(drive->made, key, value) < 0 ? FP_FAILED : FP_GO_ON;
        Py_DECREF(key);
        Py_DECREF(value);
    }
    Py_XDECREF(pair);
    drive->whole++;
    return status;
}

const fp_drive_kind fp_dict_drive = {.name = "dict", .take = add_pair, .finish = give_made};

/* ----------------------------------------------------------------------------------------------------- sorted */

static PyObject *next_key(PyObject *keys, PyObject *Py_UNUSED(item))
{
    return PyIter_Next(keys);
}

static PyMethodDef next_key_method = {"key", next_key, METH_O, NULL};

/* Sort `list` in place, by `keys` (borrowed; NULL: by itself). */
static int sort(PyObject *list, PyObject *keys, PyObject *reverse)
{
    PyObject *method = PyObject_GetAttrString(list, "sort"), *none = NULL, *key = NULL;
    PyObject *each = keys != NULL ? PyObject_GetIter(keys) : NULL, *arguments = PyDict_New();
    PyObject *nothing = PyTuple_New(0);
    if (each != NULL) {
        key = PyCFunction_New(&next_key_method, each);
    }
    if (method != NULL && arguments != NULL && nothing != NULL && (keys == NULL || key != NULL) &&
        (key == NULL || PyDict_SetItemString(arguments, "key", key) == 0) &&
        (reverse == NULL || PyDict_SetItemString(arguments, "reverse", reverse) == 0)) {
        none = PyObject_Call(method, nothing, arguments);
    }
    Py_XDECREF(nothing);
    Py_XDECREF(arguments);
    Py_XDECREF(key);
    Py_XDECREF(each);
    Py_XDECREF(method);
    Py_XDECREF(none);
    return none == NULL ? FP_FAILED : FP_DONE;
}

/* `made` is the list to be sorted, `extra` the argument `reverse`. All keys are made first, by a drive of its own. */
static int sort_or_ask(fp_drive *drive)
{
    if (drive->function == NULL) {
        int status = sort(drive->made, NULL, drive->extra);
        return status == FP_DONE ? give_made(drive) : status;
    }
    PyObject *keys = PyList_New(0), *items = keys != NULL ? PyObject_GetIter(drive->made) : NULL;
    if (items == NULL) {
        Py_XDECREF(keys);
        return FP_FAILED;
    }
    Py_XSETREF(drive->iterator, items);
    Py_XSETREF(drive->best, keys);
    drive->kind = &fp_keys_drive;
    return FP_GO_ON;
}

const fp_drive_kind fp_sorted_drive = {.name = "sorted", .bulk = extend, .take = append, .finish = sort_or_ask};

static int to_be_asked(fp_drive *Py_UNUSED(drive), PyObject *Py_UNUSED(item))
{
    return FP_ASK;
}

static PyObject *ask_about_item(fp_drive *drive)
{
    return PyObject_CallOneArg(drive->function, drive->item);
}

/* `best` holds the keys so far. */
static int keep_key(fp_drive *drive, PyObject *key)
{
    return PyList_Append(drive->best, key) < 0 ? FP_FAILED : FP_GO_ON;
}

static int sort_by_keys(fp_drive *drive)
{
    int status = sort(drive->made, drive->best, drive->extra);
    return status == FP_DONE ? give_made(drive) : status;
}

const fp_drive_kind fp_keys_drive = {.name = "keys", .take = to_be_asked, .ask = ask_about_item, .judge = keep_key,
                                     .finish = sort_by_keys};

/* ---------------------------------------------------------------------------------------------------- list.sort */

/* Objects/listobject.c, list_sort_impl: the list is empty while it is sorted, and this in `allocated` tells whether the
   program has changed it meanwhile. */
enum { UNTOUCHED = -1 };

static void exchange(PyListObject *one, PyListObject *other)
{
    PyObject **items = one->ob_item;
    Py_ssize_t size = Py_SIZE(one), allocated = one->allocated;
    one->ob_item = other->ob_item;
    one->allocated = other->allocated;
    Py_SET_SIZE(one, Py_SIZE(other));
    other->ob_item = items;
    other->allocated = allocated;
    Py_SET_SIZE(other, size);
}

void fp_sort_empty(fp_drive *drive)
{
    exchange((PyListObject *)drive->source, (PyListObject *)drive->made);
    ((PyListObject *)drive->source)->allocated = UNTOUCHED;
}

/* `mode`: the list is as it was left. */
static void sort_tell(fp_drive *drive)
{
    drive->mode = ((PyListObject *)drive->source)->allocated == UNTOUCHED;
}

static void sort_begin_again(fp_drive *drive)
{
    PyListObject *list = (PyListObject *)drive->source;
    if (drive->mode && list->ob_item == NULL) {
        list->allocated = UNTOUCHED;
    }
}

/* The items are the list's again; `made` has what the program has put there meanwhile. */
static void sort_put_back(fp_drive *drive)
{
    PyListObject *list = (PyListObject *)drive->source;
    if (list->allocated == UNTOUCHED) {
        list->allocated = 0;
    }
    exchange(list, (PyListObject *)drive->made);
}

static int sort_in_place(fp_drive *drive)
{
    int is_touched = ((PyListObject *)drive->source)->allocated != UNTOUCHED;
    sort_put_back(drive);
    int status = sort(drive->source, drive->best, drive->extra);
    if (status == FP_DONE && is_touched) {
        PyErr_SetString(PyExc_ValueError, "list modified during sort");
        status = FP_FAILED;
    }
    if (status == FP_FAILED) {
        drive->kind = &fp_keys_drive; /* nothing is left to be undone */
        return FP_FAILED;
    }
    return done(drive, Py_NewRef(Py_None));
}

const fp_drive_kind fp_sort_drive = {.name = "sort", .take = to_be_asked, .ask = ask_about_item, .judge = keep_key,
                                     .finish = sort_in_place, .tell = sort_tell, .begin_again = sort_begin_again,
                                     .abandon = sort_put_back};

/* -------------------------------------------------------------------------------------------------------- sum */

static int add_any(fp_drive *drive, PyObject *item)
{
    PyObject *total = PyNumber_Add(drive->made, item);
    Py_XSETREF(drive->made, total);
    return total == NULL ? FP_FAILED : FP_GO_ON;
}

static double float_total(fp_drive *drive)
{
#if FORKPOINT_SUM_COMPENSATES
    /* The sign of a negative zero stays, and infinity does not become NaN. */
    if (drive->rest != 0.0 && isfinite(drive->rest)) {
        return drive->sum + drive->rest;
    }
#endif
    return drive->sum;
}

/* Leaves the fast path of `mode` for good, with the total so far in `made`. */
static int leave_fast_path(fp_drive *drive)
{
    PyObject *total = drive->mode == FP_SUM_WHOLE ? PyLong_FromLong(drive->whole)
                                                  : PyFloat_FromDouble(float_total(drive));
    Py_XSETREF(drive->made, total);
    drive->mode = FP_SUM_ANY;
    return total == NULL ? FP_FAILED : FP_GO_ON;
}

static void add_float(fp_drive *drive, double x)
{
#if FORKPOINT_SUM_COMPENSATES
    double total = drive->sum + x; /* Neumaier's summation */
    drive->rest += fabs(drive->sum) >= fabs(x) ? (drive->sum - total) + x : (x - total) + drive->sum;
    drive->sum = total;
#else
    drive->sum += x;
#endif
}

static int sum_whole(fp_drive *drive, PyObject *item)
{
    int overflow = 0;
    long value = 0, total;
    if (PyLong_CheckExact(item) || PyBool_Check(item)) {
        value = PyLong_AsLongAndOverflow(item, &overflow);
        if (overflow == 0 && !__builtin_add_overflow(drive->whole, value, &total)) {
            drive->whole = total;
            return FP_GO_ON;
        }
    }
    if (leave_fast_path(drive) < 0 || add_any(drive, item) < 0) {
        return FP_FAILED;
    }
    if (PyFloat_CheckExact(drive->made)) {
        drive->mode = FP_SUM_FLOAT;
        drive->sum = PyFloat_AS_DOUBLE(drive->made);
        drive->rest = 0.0;
    }
    return FP_GO_ON;
}

static int sum_float(fp_drive *drive, PyObject *item)
{
    if (PyFloat_CheckExact(item)) {
        add_float(drive, PyFloat_AS_DOUBLE(item));
        return FP_GO_ON;
    }
    if (PyLong_Check(item)) {
        int overflow;
        long value = PyLong_AsLongAndOverflow(item, &overflow);
        if (overflow == 0) {
            drive->sum += (double)value;
            return FP_GO_ON;
        }
    }
    return leave_fast_path(drive) < 0 ? FP_FAILED : add_any(drive, item);
}

static int sum_take(fp_drive *drive, PyObject *item)
{
    return drive->mode == FP_SUM_WHOLE   ? sum_whole(drive, item)
           : drive->mode == FP_SUM_FLOAT ? sum_float(drive, item)
                                         : add_any(drive, item);
}

static int sum_finish(fp_drive *drive)
{
    if (drive->mode != FP_SUM_ANY && leave_fast_path(drive) < 0) {
        return FP_FAILED;
    }
    return give_made(drive);
}

const fp_drive_kind fp_sum_drive = {.name = "sum", .take = sum_take, .finish = sum_finish};

/* ------------------------------------------------------------------------------------------------ any and all */

static int any_take(fp_drive *drive, PyObject *item)
{
    int truth = PyObject_IsTrue(item);
    return truth < 0 ? FP_FAILED : truth ? done(drive, Py_NewRef(Py_True)) : FP_GO_ON;
}

static int any_finish(fp_drive *drive)
{
    return done(drive, Py_NewRef(Py_False));
}

static int all_take(fp_drive *drive, PyObject *item)
{
    int truth = PyObject_IsTrue(item);
    return truth < 0 ? FP_FAILED : truth ? FP_GO_ON : done(drive, Py_NewRef(Py_False));
}

static int all_finish(fp_drive *drive)
{
    return done(drive, Py_NewRef(Py_True));
}

const fp_drive_kind fp_any_drive = {.name = "any", .take = any_take, .finish = any_finish};
const fp_drive_kind fp_all_drive = {.name = "all", .take = all_take, .finish = all_finish};

/* ------------------------------------------------------------------------------------------------ min and max */

/* `mode` is Py_LT or Py_GT; `best` the best item so far, `made` what the function says of it; `extra` the arguments
   for an empty iterator: the builtin, and its default if there is one. */
static int judge_extreme(fp_drive *drive, PyObject *value, PyObject *item)
{
    int better = drive->made == NULL ? 1 : PyObject_RichCompareBool(value, drive->made, (int)drive->mode);
    if (better < 0) {
        return FP_FAILED;
    }
    if (better) {
        Py_XSETREF(drive->best, Py_NewRef(item));
        Py_XSETREF(drive->made, Py_NewRef(value));
    }
    return FP_GO_ON;
}

static int extreme_take(fp_drive *drive, PyObject *item)
{
    return drive->function != NULL ? FP_ASK : judge_extreme(drive, item, item);
}

static int extreme_judge(fp_drive *drive, PyObject *value)
{
    return judge_extreme(drive, value, drive->item);
}

static int extreme_finish(fp_drive *drive)
{
    if (drive->best != NULL) {
        return done(drive, Py_NewRef(drive->best));
    }
    if (PyTuple_GET_SIZE(drive->extra) > 1) {
        return done(drive, Py_NewRef(PyTuple_GET_ITEM(drive->extra, 1)));
    }
    PyObject *nothing = PyTuple_New(0);
    PyObject *result = nothing == NULL ? NULL : PyObject_CallOneArg(PyTuple_GET_ITEM(drive->extra, 0), nothing);
    Py_XDECREF(nothing);
    return done(drive, result); /* that the builtin has said what is wrong */
}

const fp_drive_kind fp_extreme_drive = {.name = "extreme", .take = extreme_take, .ask = ask_about_item,
                                        .judge = extreme_judge, .finish = extreme_finish};

/* ----------------------------------------------------------------------------------------------------- reduce */

static int reduce_take(fp_drive *drive, PyObject *item)
{
    if (drive->made != NULL) {
        return FP_ASK;
    }
    drive->made = Py_NewRef(item);
    return FP_GO_ON;
}

static PyObject *reduce_ask(fp_drive *drive)
{
    return PyObject_CallFunctionObjArgs(drive->function, drive->made, drive->item, NULL);
}

static int reduce_judge(fp_drive *drive, PyObject *value)
{
    Py_XSETREF(drive->made, Py_NewRef(value));
    return FP_GO_ON;
}

static int reduce_finish(fp_drive *drive)
{
    if (drive->made == NULL) {
        PyErr_SetString(PyExc_TypeError, "reduce() of empty iterable with no initial value");
        return FP_FAILED;
    }
    return give_made(drive);
}

const fp_drive_kind fp_reduce_drive = {.name = "reduce", .take = reduce_take, .ask = reduce_ask,
                                       .judge = reduce_judge, .finish = reduce_finish};

const fp_drive_kind *const fp_drive_kinds[] = {
    &fp_list_drive, &fp_tuple_drive, &fp_set_drive, &fp_dict_drive, &fp_join_drive, &fp_sorted_drive, &fp_keys_drive,
    &fp_sort_drive, &fp_sum_drive, &fp_any_drive, &fp_all_drive, &fp_extreme_drive, &fp_reduce_drive, NULL,
};
