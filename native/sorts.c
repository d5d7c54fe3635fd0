/* Sorting by a key as drives: all keys are made first, one by one, where a capture can see them; then CPython sorts.

   Mirrored, by what it does: Objects/listobject.c (list_sort_impl). */
#include "drive.h"

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
        return status == FP_DONE ? fp_give_made(drive) : status;
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

const fp_drive_kind fp_sorted_drive = {.name = "sorted", .bulk = fp_extend, .take = fp_append, .finish = sort_or_ask};

static int to_be_asked(fp_drive *Py_UNUSED(drive), PyObject *Py_UNUSED(item))
{
    return FP_ASK;
}

/* `best` holds the keys so far. */
static int keep_key(fp_drive *drive, PyObject *key)
{
    return PyList_Append(drive->best, key) < 0 ? FP_FAILED : FP_GO_ON;
}

static int sort_by_keys(fp_drive *drive)
{
    int status = sort(drive->made, drive->best, drive->extra);
    return status == FP_DONE ? fp_give_made(drive) : status;
}

const fp_drive_kind fp_keys_drive = {.name = "keys", .take = to_be_asked, .ask = fp_ask_about_item, .judge = keep_key,
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
    return fp_done(drive, Py_NewRef(Py_None));
}

const fp_drive_kind fp_sort_drive = {.name = "sort", .take = to_be_asked, .ask = fp_ask_about_item, .judge = keep_key,
                                     .finish = sort_in_place, .tell = sort_tell, .begin_again = sort_begin_again,
                                     .abandon = sort_put_back};
