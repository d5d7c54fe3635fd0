/* What each builtin that draws from an iterator does with an item, as CPython's own loop does it: the same results to the
   last bit, the same errors, but what it knows so far lies in a drive (drive.h) and not on the C stack.

   Mirrored, by what they do: Python/bltinmodule.c (sum, any, all, min and max), Modules/_functoolsmodule.c (reduce),
   Objects/dictobject.c (PyDict_MergeFromSeq2). sorts.c has those that sort. */
#include "drive.h"

#include <math.h>

/* ------------------------------------------------------------------------------------------------- containers */

int fp_extend(fp_drive *drive)
{
    PyObject *none = _PyList_Extend((PyListObject *)drive->made, drive->iterator);
    Py_XDECREF(none);
    return none == NULL ? FP_FAILED : FP_END;
}

int fp_append(fp_drive *drive, PyObject *item)
{
    return PyList_Append(drive->made, item) < 0 ? FP_FAILED : FP_GO_ON;
}

int fp_done(fp_drive *drive, PyObject *result)
{
    Py_XSETREF(drive->result, result);
    return result == NULL ? FP_FAILED : FP_DONE;
}

int fp_give_made(fp_drive *drive)
{
    return fp_done(drive, Py_NewRef(drive->made));
}

const fp_drive_kind fp_list_drive = {.name = "list", .bulk = fp_extend, .take = fp_append, .finish = fp_give_made};

static int give_tuple(fp_drive *drive)
{
    return fp_done(drive, PyList_AsTuple(drive->made));
}

const fp_drive_kind fp_tuple_drive = {.name = "tuple", .take = fp_append, .finish = give_tuple};

static int give_joined(fp_drive *drive)
{
    return fp_done(drive, PyUnicode_Join(drive->extra, drive->made));
}

const fp_drive_kind fp_join_drive = {.name = "join", .bulk = fp_extend, .take = fp_append, .finish = give_joined};

static int add(fp_drive *drive, PyObject *item)
{
    return PySet_Add(drive->made, item) < 0 ? FP_FAILED : FP_GO_ON;
}

const fp_drive_kind fp_set_drive = {.name = "set", .take = add, .finish = fp_give_made};

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

const fp_drive_kind fp_dict_drive = {.name = "dict", .take = add_pair, .finish = fp_give_made};

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
    return fp_give_made(drive);
}

const fp_drive_kind fp_sum_drive = {.name = "sum", .take = sum_take, .finish = sum_finish};

/* ------------------------------------------------------------------------------------------------ any and all */

static int any_take(fp_drive *drive, PyObject *item)
{
    int truth = PyObject_IsTrue(item);
    return truth < 0 ? FP_FAILED : truth ? fp_done(drive, Py_NewRef(Py_True)) : FP_GO_ON;
}

static int any_finish(fp_drive *drive)
{
    return fp_done(drive, Py_NewRef(Py_False));
}

static int all_take(fp_drive *drive, PyObject *item)
{
    int truth = PyObject_IsTrue(item);
    return truth < 0 ? FP_FAILED : truth ? FP_GO_ON : fp_done(drive, Py_NewRef(Py_False));
}

static int all_finish(fp_drive *drive)
{
    return fp_done(drive, Py_NewRef(Py_True));
}

const fp_drive_kind fp_any_drive = {.name = "any", .take = any_take, .finish = any_finish};
const fp_drive_kind fp_all_drive = {.name = "all", .take = all_take, .finish = all_finish};

/* ------------------------------------------------------------------------------------------------ min and max */

PyObject *fp_ask_about_item(fp_drive *drive)
{
    return PyObject_CallOneArg(drive->function, drive->item);
}

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
        return fp_done(drive, Py_NewRef(drive->best));
    }
    if (PyTuple_GET_SIZE(drive->extra) > 1) {
        return fp_done(drive, Py_NewRef(PyTuple_GET_ITEM(drive->extra, 1)));
    }
    PyObject *nothing = PyTuple_New(0);
    PyObject *result = nothing == NULL ? NULL : PyObject_CallOneArg(PyTuple_GET_ITEM(drive->extra, 0), nothing);
    Py_XDECREF(nothing);
    return fp_done(drive, result); /* that the builtin has said what is wrong */
}

const fp_drive_kind fp_extreme_drive = {.name = "extreme", .take = extreme_take, .ask = fp_ask_about_item,
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
    return fp_give_made(drive);
}

const fp_drive_kind fp_reduce_drive = {.name = "reduce", .take = reduce_take, .ask = reduce_ask,
                                       .judge = reduce_judge, .finish = reduce_finish};

const fp_drive_kind *const fp_drive_kinds[] = {
    &fp_list_drive, &fp_tuple_drive, &fp_set_drive, &fp_dict_drive, &fp_join_drive, &fp_sorted_drive, &fp_keys_drive,
    &fp_sort_drive, &fp_sum_drive, &fp_any_drive, &fp_all_drive, &fp_extreme_drive, &fp_reduce_drive, NULL,
};
