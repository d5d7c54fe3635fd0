/* Builtins' loops as drives: running one, telling what it knows, and going on with it in another process.

   Python code that runs inside finds the drive by its caller's frame. What an iterator made of iterators (enumerate,
   islice, ...) knows beside its own members is nothing as long as it has not got an item: so to go on with one, it is
   asked for its next item anew, and the generator, map or object at its end is made to answer with what has come
   back. */
#include "drive.h"

/* On the heap and linked both ways: greenlets leave the C stack, and come back to it, in any order. */
static _Thread_local fp_drive *newest;

fp_drive *fp_drive_begin(const fp_drive_kind *kind, const void *callable, PyObject *source, PyObject *function,
                         PyObject *made, PyObject *extra)
{
    fp_drive *drive = PyMem_Calloc(1, sizeof(fp_drive));
    if (drive == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    *drive = (fp_drive){.older = newest, .caller = fp_current(PyThreadState_Get()), .kind = kind,
                        .callable = callable, .source = Py_XNewRef(source), .function = Py_XNewRef(function),
                        .made = Py_XNewRef(made), .extra = Py_XNewRef(extra)};
    if (newest != NULL) {
        newest->newer = drive;
    }
    newest = drive;
    return drive;
}

/* Keeps the current exception: dropping what it holds may run any code. */
static void end(fp_drive *drive, int has_failed)
{
    PyObject *type, *value, *traceback;
    if (drive->older != NULL) {
        drive->older->newer = drive->newer;
    }
    if (drive->newer != NULL) {
        drive->newer->older = drive->older;
    }
    if (newest == drive) {
        newest = drive->older;
    }
    PyErr_Fetch(&type, &value, &traceback);
    if (has_failed && drive->kind->abandon != NULL) {
        drive->kind->abandon(drive);
    }
    Py_XDECREF(drive->iterator);
    Py_XDECREF(drive->source);
    Py_XDECREF(drive->function);
    Py_XDECREF(drive->made);
    Py_XDECREF(drive->item);
    Py_XDECREF(drive->best);
    Py_XDECREF(drive->extra);
    Py_XDECREF(drive->result);
    PyErr_Restore(type, value, traceback);
    PyMem_Free(drive);
}

/* ------------------------------------------------------------------------------------------------- the one loop */

/* Ask the function about the item and take its answer. */
static int ask(fp_drive *drive)
{
    drive->doing = FP_ASKING;
    PyObject *answer = drive->kind->ask(drive);
    drive->doing = FP_BUSY;
    if (answer == NULL) {
        return FP_FAILED;
    }
    int status = drive->kind->judge(drive, answer);
    Py_DECREF(answer);
    return status;
}

static int take(fp_drive *drive, PyObject *item)
{
    int status = drive->kind->take(drive, item);
    if (status == FP_ASK) {
        Py_XSETREF(drive->item, Py_NewRef(item));
        status = ask(drive);
        Py_CLEAR(drive->item);
    }
    return status;
}

static int take_all(fp_drive *drive)
{
    int status = FP_GO_ON;
    if (drive->kind->bulk != NULL) {
        drive->doing = FP_WAITING;
        status = drive->kind->bulk(drive);
        drive->doing = FP_BUSY;
    }
    while (status == FP_GO_ON) {
        drive->doing = FP_WAITING;
        PyObject *item = PyIter_Next(drive->iterator);
        drive->doing = FP_BUSY;
        if (item == NULL) {
            return PyErr_Occurred() ? FP_FAILED : FP_END;
        }
        status = take(drive, item);
        Py_DECREF(item);
    }
    return status;
}

/* From where it stands to its end; lets it go. */
static PyObject *run_on(fp_drive *drive, int status)
{
    while (status == FP_GO_ON || status == FP_END) {
        status = status == FP_END ? drive->kind->finish(drive) : take_all(drive);
    }
    PyObject *result = status == FP_DONE ? Py_NewRef(drive->result) : NULL;
    end(drive, status == FP_FAILED);
    return result;
}

PyObject *fp_drive_run(fp_drive *drive)
{
    if (drive->iterator == NULL && !PyErr_Occurred()) {
        drive->iterator = PyObject_GetIter(drive->source);
    }
    return run_on(drive, drive->iterator == NULL ? FP_FAILED : FP_GO_ON);
}

/* --------------------------------------------------------------- what has come back, given once */

static iternextfunc primed_next; /* what `primed`'s type had */
static PyObject *primed, *primed_value; /* borrowed; no Python code runs while they are set */
static PyObject *primed_error[3];       /* owned */

/* In the place of a type's tp_iternext. It may be called much later, by a loop that read the slot while it was ours. */
static PyObject *answer_once(PyObject *self)
{
    if (self != primed) {
        iternextfunc next = Py_TYPE(self)->tp_iternext;
        return next == answer_once ? primed_next(self) : next(self);
    }
    Py_TYPE(self)->tp_iternext = primed_next;
    primed = NULL;
    PyErr_Restore(primed_error[0], primed_error[1], primed_error[2]);
    return Py_XNewRef(primed_value);
}

/* Once, `feeder` answers its next call with `value`, or the current exception, or its end. */
static void prime(PyObject *feeder, PyObject *value)
{
    PyErr_Fetch(&primed_error[0], &primed_error[1], &primed_error[2]);
    primed = feeder;
    primed_value = value;
    primed_next = Py_TYPE(feeder)->tp_iternext;
    Py_TYPE(feeder)->tp_iternext = answer_once;
}

PyObject *fp_next_through(PyObject *iterator, PyObject *feeder, PyObject *value)
{
    prime(feeder, value);
    PyObject *item = Py_TYPE(iterator)->tp_iternext(iterator);
    if (primed != NULL) {
        Py_TYPE(feeder)->tp_iternext = primed_next;
        primed = NULL;
        Py_CLEAR(item);
        PyErr_SetString(PyExc_SystemError, "a restored iterator did not ask for its next item");
    }
    return item;
}

/* ------------------------------------------------------------------------------------------ telling and going on */

enum { TOLD_OBJECTS = 7 };

static PyObject **object_of(fp_drive *drive, int index)
{
    PyObject **objects[TOLD_OBJECTS] = {&drive->source, &drive->iterator, &drive->function, &drive->made,
                                        &drive->item,   &drive->best,     &drive->extra};
    return objects[index];
}

static PyObject *told(fp_drive *drive)
{
    if (drive->kind->tell != NULL) {
        drive->kind->tell(drive);
    }
    PyObject *objects = PyTuple_New(TOLD_OBJECTS);
    for (int i = 0; objects != NULL && i < TOLD_OBJECTS; i++) {
        PyObject *each = *object_of(drive, i);
        PyTuple_SET_ITEM(objects, i, Py_NewRef(each != NULL ? each : forkpoint_null));
    }
    return objects == NULL ? NULL
                           : Py_BuildValue("(siNlldd)", drive->kind->name, drive->doing, objects, drive->mode,
                                           drive->whole, drive->sum, drive->rest);
}

static PyObject *driving(PyObject *Py_UNUSED(module), PyObject *address)
{
    fp_frame *caller = PyLong_AsVoidPtr(address);
    if (caller == NULL && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *found = PyList_New(0);
    for (fp_drive *each = newest; found != NULL && each != NULL; each = each->older) {
        if (each->caller == caller) {
            PyObject *pair = Py_BuildValue("(NN)", PyLong_FromVoidPtr((void *)each->callable), told(each));
            if (pair == NULL || PyList_Append(found, pair) < 0) {
                Py_CLEAR(found);
            }
            Py_XDECREF(pair);
        }
    }
    return found;
}

static const fp_drive_kind *kind_named(const char *name)
{
    for (const fp_drive_kind *const *each = fp_drive_kinds; *each != NULL; each++) {
        if (strcmp((*each)->name, name) == 0) {
            return *each;
        }
    }
    PyErr_Format(PyExc_ValueError, "no loop of a builtin is called %s", name);
    return NULL;
}

static int read_told(PyObject *values, fp_drive *drive)
{
    const char *name;
    PyObject *objects;
    if (!PyTuple_Check(values) ||
        !PyArg_ParseTuple(values, "siO!lldd", &name, &drive->doing, &PyTuple_Type, &objects, &drive->mode,
                          &drive->whole, &drive->sum, &drive->rest)) {
        return -1;
    }
    drive->kind = kind_named(name);
    if (drive->kind == NULL || PyTuple_GET_SIZE(objects) != TOLD_OBJECTS || drive->doing == FP_BUSY) {
        return -1;
    }
    for (int i = 0; i < TOLD_OBJECTS; i++) {
        PyObject *each = PyTuple_GET_ITEM(objects, i);
        *object_of(drive, i) = each == forkpoint_null ? NULL : each;
    }
    return 0;
}

int fp_drive_is_told(PyObject *values)
{
    fp_drive read = {0};
    if (read_told(values, &read) < 0 || read.iterator == NULL || !PyIter_Check(read.iterator)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "the saved loop of a builtin has a part missing");
        }
        return 0;
    }
    return 1;
}

static int go_on_asked(fp_drive *drive, PyObject *value)
{
    int status = value == NULL ? FP_FAILED : drive->kind->judge(drive, value);
    Py_CLEAR(drive->item);
    return status;
}

/* The item that was being waited for; then the rest comes as ever. */
static int go_on_waited(fp_drive *drive, PyObject *feeder, PyObject *value)
{
    PyObject *item = fp_next_through(drive->iterator, feeder, value);
    if (item == NULL) {
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_StopIteration)) {
            return FP_FAILED;
        }
        PyErr_Clear();
        return FP_END;
    }
    int status = take(drive, item);
    Py_DECREF(item);
    return status;
}

PyObject *fp_drive_go_on(PyObject *values, PyObject *feeder, PyObject *value)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    fp_drive read = {0};
    fp_drive *drive = read_told(values, &read) < 0
                          ? NULL
                          : fp_drive_begin(read.kind, NULL, read.source, read.function, read.made, read.extra);
    if (drive == NULL) {
        return NULL;
    }
    drive->iterator = Py_XNewRef(read.iterator);
    drive->item = Py_XNewRef(read.item);
    drive->best = Py_XNewRef(read.best);
    drive->mode = read.mode;
    drive->whole = read.whole;
    drive->sum = read.sum;
    drive->rest = read.rest;
    if (drive->kind->begin_again != NULL) {
        drive->kind->begin_again(drive);
    }
    PyErr_Restore(type, error, traceback);
    return run_on(drive, read.doing == FP_ASKING ? go_on_asked(drive, value) : go_on_waited(drive, feeder, value));
}

PyMethodDef forkpoint_drive_methods[] = {
    {"driving", driving, METH_O,
     "driving(frame address): (address of the builtin, what its loop knows) for each drive of it, innermost first."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_drive_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
