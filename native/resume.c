/* Letting captured frames go on (PEP 523): each is entered by a real call, filled, and run once its callee is back.

   resume() calls the outermost frame's function with placeholders. The evaluation hook gets the fresh frame, fills it
   and links it as the running one, then does the same for the next record. When the innermost frame is reached the
   hook is gone for good: the program runs at full speed. When a callee comes back, `outcome` of its caller's plan
   says what an ordinary interpreter would have done at that instruction, and the caller's frame is run from there. */
#include "drive.h"
#include "imports.h"

#include <sys/mman.h>
#include <ucontext.h>

/* What the callee's outcome means for its caller. Names as in FrameRecord.plan["outcome"]. */
typedef enum {
    OUTCOME_VALUE,     /* innermost: checkpoint() returns the resume value */
    OUTCOME_NOTHING,   /* innermost: the next instruction has not begun */
    OUTCOME_PUSH,      /* the returned value is the instruction's result */
    OUTCOME_NONE,      /* exec(): the result is None whatever the code returned */
    OUTCOME_OBJECT,    /* a class call: the result is the object whose __init__ returned None */
    OUTCOME_DROP,      /* the returned value is ignored (__setattr__, a setter, ...) */
    OUTCOME_ENTER,     /* `with`: the exit method stays below the value of __enter__ */
    OUTCOME_NEXT,      /* next(), send(), throw() on a generator */
    OUTCOME_NEXT_DEFAULT, /* next(generator, default) */
    OUTCOME_CALL_DEFAULT, /* next(object, default), where the object has a Python __next__ */
    OUTCOME_CLOSE,     /* close() on a generator */
    OUTCOME_FOR,       /* `for` over a generator: yielded, or exhausted */
    OUTCOME_FOR_NEXT,  /* `for` over an object with a Python __next__ */
    OUTCOME_SEND,      /* `yield from`, `await` */
    OUTCOME_TRUTH,     /* the result is the value's truth */
    OUTCOME_UNTRUTH,   /* `not in` */
    OUTCOME_ITERATOR,  /* iter(): what __iter__ returned must be an iterator */
    OUTCOME_OPERATOR,  /* NotImplemented means: the other operand is asked */
    OUTCOME_THROUGH,   /* `for` over an iterator of iterators: what it makes of the callee's value, or its end */
    OUTCOME_IMPORT,    /* an import statement: it begins anew, with the module there */
    OUTCOME_DRIVE,     /* list(), sum(), ...: one more item, then all that the iterator has left */
    OUTCOME_COUNT
} fp_outcome;

static const char *const outcome_names[OUTCOME_COUNT] = {
    "value", "nothing", "push",     "none", "object", "drop",    "enter",    "next",
    "next-default", "call-default", "close", "for", "for-next", "send", "truth", "untruth",
    "iterator", "operator", "through", "import", "drive",
};

typedef enum { KIND_FUNCTION, KIND_CODE, KIND_GENERATOR } fp_kind;

/* One captured frame. Objects are owned, and let go as soon as the frame has them: the program must not find that
   something it drops lives on. `before`, `after`, `object` and `feeder` are borrowed from `plan`. */
typedef struct {
    fp_kind kind;
    PyObject *target; /* function, code or generator */
    PyObject *namespace, *local_namespace;
    PyObject *slots;
    PyObject *code;
    PyObject *exception;
    PyObject *plan;
    PyObject *before, *after, *object, *feeder;
    long position, next, keep, end, end_keep, truth;
    fp_outcome outcome;
    fp_frame *frame; /* only compared; NULL unless the frame is there and its caller still waits for it */
} fp_record;

typedef enum { CALLEE_RAISED = -1, CALLEE_RETURNED = 0, CALLEE_YIELDED = 1, CALLEE_NONE = 2 } fp_status;

/* The one restore of this process. `records` is NULL when none is under way or being gone on with. */
static struct {
    fp_record *records;
    Py_ssize_t count;
    Py_ssize_t pending; /* the record whose fresh frame is awaited, or -1 */
    int rebuilding;     /* between resume() and the innermost frame: no capture */
    int hooked;
    _PyFrameEvalFunction previous_eval;
    PyObject *value;    /* borrowed: what checkpoint() returns */
    PyObject *fallback; /* borrowed: asked when an operator method returned NotImplemented */
    PyObject *begin;    /* borrowed: asked which calls are the last before the program goes on */
    long recursion;
    PyObject *plans;    /* owned: address -> index of the record, of restored frames whose callee is out */
} session = {.pending = -1};

static PyObject *evaluate(PyThreadState *ts, fp_frame *frame, int throwflag);

static void set_hook(PyThreadState *ts, int on)
{
    if (on && !session.hooked) {
        session.previous_eval = _PyInterpreterState_GetEvalFrameFunc(ts->interp);
        _PyInterpreterState_SetEvalFrameFunc(ts->interp, evaluate);
    }
    else if (!on && session.hooked) {
        _PyInterpreterState_SetEvalFrameFunc(ts->interp, session.previous_eval);
    }
    session.hooked = on;
}

static PyObject *address_of(fp_frame *frame)
{
    return PyLong_FromVoidPtr(frame);
}

PyObject *forkpoint_restored_plan(fp_frame *frame, Py_ssize_t *callee)
{
    *callee = 0;
    if (session.plans == NULL || PyDict_GET_SIZE(session.plans) == 0) {
        return NULL;
    }
    PyObject *address = address_of(frame);
    PyObject *index = address != NULL ? PyDict_GetItemWithError(session.plans, address) : NULL;
    Py_XDECREF(address);
    PyErr_Clear();
    if (index == NULL) {
        return NULL;
    }
    const fp_record *record = &session.records[PyLong_AsSsize_t(index)];
    *callee = (Py_ssize_t)record[1].frame;
    return record->plan;
}

/* 0, or -1 with an exception. */
static int remember_plan(fp_frame *frame, Py_ssize_t index)
{
    PyObject *address = address_of(frame), *number = PyLong_FromSsize_t(index);
    int failed = address == NULL || number == NULL || PyDict_SetItem(session.plans, address, number) < 0;
    Py_XDECREF(address);
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

/* Keeps the current exception, if any. */
static void forget_plan(fp_frame *frame)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *address = address_of(frame);
    if (address == NULL || PyDict_DelItem(session.plans, address) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(address);
    PyErr_Restore(type, value, traceback);
}

/* ------------------------------------------------------------------------------------ what an outcome means */

static void push(fp_frame *frame, PyObject *value)
{
    frame->localsplus[frame->stacktop++] = value == forkpoint_null ? NULL : Py_NewRef(value);
}

static void push_all(fp_frame *frame, PyObject *values)
{
    for (Py_ssize_t i = 0; values != NULL && i < PyList_GET_SIZE(values); i++) {
        push(frame, PyList_GET_ITEM(values, i));
    }
}

static void cut(fp_frame *frame, long keep)
{
    while (frame->stacktop > keep) {
        frame->stacktop--;
        Py_CLEAR(frame->localsplus[frame->stacktop]); /* 3.11's macro evaluates its argument twice */
    }
}

/* Go on behind the instruction, with `value` (borrowed, NULL for none) as its result. */
static int go_on(fp_frame *frame, const fp_record *record, PyObject *value)
{
    cut(frame, record->keep);
    push_all(frame, record->before);
    if (value != NULL) {
        push(frame, value);
    }
    push_all(frame, record->after);
    fp_set_next(frame, record->next);
    return 0;
}

/* Go on where the loop or the delegation ends, with `value` (borrowed, NULL for none) as its result. */
static int go_to_end(fp_frame *frame, const fp_record *record, PyObject *value)
{
    cut(frame, record->end_keep);
    if (value != NULL) {
        push(frame, value);
    }
    fp_set_next(frame, record->end);
    return 0;
}

/* StopIteration(value), as a generator's return does it. Always -1. */
static int stop_iteration(PyObject *value)
{
    PyObject *stop = value == Py_None ? PyObject_CallNoArgs(PyExc_StopIteration)
                                      : PyObject_CallOneArg(PyExc_StopIteration, value);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
    return -1;
}

static int close_outcome(fp_frame *frame, const fp_record *record, fp_status status, PyObject *value)
{
    if (status == CALLEE_YIELDED) {
        PyErr_SetString(PyExc_RuntimeError, "generator ignored GeneratorExit");
        return -1;
    }
    if (status == CALLEE_RAISED) {
        if (!PyErr_ExceptionMatches(PyExc_StopIteration) && !PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
            return -1;
        }
        PyErr_Clear();
        value = Py_None;
    }
#if !FORKPOINT_CLOSE_RETURNS
    value = Py_None; /* close() passes the generator's value on since 3.13 */
#endif
    return go_on(frame, record, value);
}

static int truth_outcome(fp_frame *frame, const fp_record *record, PyObject *value)
{
    int truth = PyObject_IsTrue(value);
    if (truth < 0) {
        return -1;
    }
    return go_on(frame, record, truth == (record->outcome == OUTCOME_TRUTH) ? Py_True : Py_False);
}

static int operator_outcome(fp_frame *frame, const fp_record *record, PyObject *value)
{
    PyObject *result = value == Py_NotImplemented ? PyObject_CallOneArg(session.fallback, record->plan)
                                                  : Py_NewRef(value);
    if (result == NULL) {
        return -1;
    }
    if (record->truth) {
        int truth = PyObject_IsTrue(result);
        Py_DECREF(result);
        if (truth < 0) {
            return -1;
        }
        result = Py_NewRef(truth ? Py_True : Py_False);
    }
    int status = go_on(frame, record, result);
    Py_DECREF(result);
    return status;
}

/* The end of a generator is no value, and no exception. */
static PyObject *fed(const fp_record *record, fp_status status, PyObject *value)
{
    return status == CALLEE_RETURNED && PyGen_CheckExact(record->feeder) ? NULL : value;
}

/* `for` over `object`, which draws from `feeder`. */
static int through_outcome(fp_frame *frame, const fp_record *record, fp_status status, PyObject *value)
{
    PyObject *item = fp_next_through(record->object, record->feeder, fed(record, status, value));
    if (item == NULL) {
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_StopIteration)) {
            return -1;
        }
        PyErr_Clear();
        return go_to_end(frame, record, NULL);
    }
    int gone_on = go_on(frame, record, item);
    Py_DECREF(item);
    return gone_on;
}

/* The call of a builtin whose loop `object` tells. Python code it runs from here on finds the frame as before, with this
   plan and no callee of its own. */
static int drive_outcome(fp_frame *frame, const fp_record *record, fp_status status, PyObject *value)
{
    PyObject *result = fp_drive_go_on(record->object, record->feeder, fed(record, status, value));
    if (result == NULL) {
        return -1;
    }
    int gone_on = go_on(frame, record, result);
    Py_DECREF(result);
    return gone_on;
}

/* Bring the frame to where its callee's outcome takes it. `value` is borrowed, NULL iff the callee raised (then the
   exception is set). 0, or -1 with the exception that goes on in this frame. */
static int apply_outcome(fp_frame *frame, const fp_record *record, fp_status status, PyObject *value)
{
    if (record->outcome == OUTCOME_CLOSE) {
        return close_outcome(frame, record, status, value);
    }
    if (record->outcome == OUTCOME_THROUGH) {
        return through_outcome(frame, record, status, value);
    }
    if (record->outcome == OUTCOME_DRIVE) {
        return drive_outcome(frame, record, status, value);
    }
    if (status == CALLEE_RAISED) {
        if (record->outcome == OUTCOME_FOR_NEXT && PyErr_ExceptionMatches(PyExc_StopIteration)) {
            PyErr_Clear();
            return go_to_end(frame, record, NULL);
        }
        if (record->outcome == OUTCOME_CALL_DEFAULT && PyErr_ExceptionMatches(PyExc_StopIteration)) {
            PyErr_Clear();
            return go_on(frame, record, record->object);
        }
        if (record->outcome == OUTCOME_IMPORT) {
            forkpoint_remove_importlib_frames();
        }
        return -1;
    }
    switch (record->outcome) {
    case OUTCOME_VALUE:
    case OUTCOME_PUSH:
    case OUTCOME_ENTER:
    case OUTCOME_CALL_DEFAULT:
    case OUTCOME_FOR_NEXT:
        return go_on(frame, record, value);
    case OUTCOME_NOTHING:
    case OUTCOME_DROP:
    case OUTCOME_IMPORT:
        return go_on(frame, record, NULL);
    case OUTCOME_NONE:
        return go_on(frame, record, Py_None);
    case OUTCOME_OBJECT:
        if (value != Py_None) {
            PyErr_Format(PyExc_TypeError, "__init__() should return None, not '%.200s'", Py_TYPE(value)->tp_name);
            return -1;
        }
        return go_on(frame, record, record->object);
    case OUTCOME_NEXT_DEFAULT:
        return go_on(frame, record, status == CALLEE_YIELDED ? value : record->object);
    case OUTCOME_NEXT:
        return status == CALLEE_YIELDED ? go_on(frame, record, value) : stop_iteration(value);
    case OUTCOME_FOR:
        return status == CALLEE_YIELDED ? go_on(frame, record, value) : go_to_end(frame, record, NULL);
    case OUTCOME_SEND:
        return status == CALLEE_YIELDED ? go_on(frame, record, value) : go_to_end(frame, record, value);
    case OUTCOME_TRUTH:
    case OUTCOME_UNTRUTH:
        return truth_outcome(frame, record, value);
    case OUTCOME_ITERATOR:
        if (!PyIter_Check(value)) {
            PyErr_Format(PyExc_TypeError, "iter() returned non-iterator of type '%.100s'", Py_TYPE(value)->tp_name);
            return -1;
        }
        return go_on(frame, record, value);
    case OUTCOME_OPERATOR:
        return operator_outcome(frame, record, value);
    case OUTCOME_CLOSE:
    case OUTCOME_THROUGH:
    case OUTCOME_DRIVE:
    case OUTCOME_COUNT:
        break;
    }
    Py_UNREACHABLE();
}

/* --------------------------------------------------------------------------------------- entering the frames */

/* Drop a reference without touching the current exception: dropping may run any code. */
static void let_go(PyObject **reference)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    Py_CLEAR(*reference);
    PyErr_Restore(type, value, traceback);
}

/* Enter record `index` and run it to its end. New reference, or NULL when it raised. */
static PyObject *enter(PyThreadState *ts, Py_ssize_t index, fp_status *status)
{
    fp_record *record = &session.records[index];
    PyObject *result = NULL;
    session.pending = index;
    set_hook(ts, 1);
    if (record->kind == KIND_FUNCTION) {
        result = forkpoint_call_with_placeholders(record->target);
        *status = result != NULL ? CALLEE_RETURNED : CALLEE_RAISED;
    }
    else if (record->kind == KIND_CODE) {
        result = PyEval_EvalCode(record->target, record->namespace, record->local_namespace);
        *status = result != NULL ? CALLEE_RETURNED : CALLEE_RAISED;
    }
    else {
        PySendResult sent = PyIter_Send(record->target, Py_None, &result);
        *status = sent == PYGEN_ERROR ? CALLEE_RAISED : sent == PYGEN_NEXT ? CALLEE_YIELDED : CALLEE_RETURNED;
    }
    let_go(&record->target);
    if (session.pending == index) {
        session.pending = -1;
        Py_CLEAR(result);
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_SystemError, "a restored frame was not entered");
        }
        *status = CALLEE_RAISED;
    }
    return result;
}

static int fill(fp_frame *frame, fp_record *record)
{
    if (forkpoint_fill_frame(frame, record->slots, record->position) < 0) {
        return -1;
    }
    if (record->kind == KIND_FUNCTION && record->local_namespace != Py_None) {
        Py_XSETREF(frame->f_locals, Py_NewRef(record->local_namespace));
    }
    if (record->kind == KIND_GENERATOR) {
        PyGenObject *generator = (PyGenObject *)record->target;
        Py_XSETREF(generator->gi_exc_state.exc_value,
                   record->exception == forkpoint_null ? NULL : Py_NewRef(record->exception));
    }
    let_go(&record->slots);
    let_go(&record->exception);
    let_go(&record->local_namespace);
    return 0;
}

/* The frame stands for a call under way: run its callee, then bring it to where that leads. 0, or -1 with the
   exception to go on with. */
static int run_callee(PyThreadState *ts, fp_frame *frame, Py_ssize_t index)
{
    fp_record *record = &session.records[index];
    fp_frame *previous = fp_current(ts);
    int remaining = *fp_recursion_remaining(ts);
    if (remember_plan(frame, index) < 0) {
        return -1;
    }
    *fp_recursion_remaining(ts) = remaining - 1;
    fp_link(ts, frame, previous);
    fp_status status;
    PyObject *value = enter(ts, index + 1, &status);
    session.records[index + 1].frame = NULL; /* it has come back: another frame may take its address */
    int applied = apply_outcome(frame, record, status, value);
    forget_plan(frame);
    let_go(&record->plan);
    let_go(&value);
    fp_set_current(ts, previous);
    *fp_recursion_remaining(ts) = remaining;
    return applied;
}

/* What may only be there once the frames are: the program's trace function. A failure is told, and no failure of the
   program's. */
static void make_last_calls(PyThreadState *ts, fp_frame *innermost)
{
    fp_frame *previous = fp_current(ts);
    fp_link(ts, innermost, previous);
    PyObject *calls = PyObject_CallNoArgs(session.begin);
    for (Py_ssize_t i = 0; calls != NULL && i < PyList_GET_SIZE(calls); i++) {
        PyObject *call = PyList_GET_ITEM(calls, i);
        PyObject *done = PyObject_CallObject(PyTuple_GET_ITEM(call, 0), PyTuple_GET_ITEM(call, 1));
        if (done == NULL) {
            Py_CLEAR(calls);
        }
        Py_XDECREF(done);
    }
    if (calls == NULL) {
        PyErr_WriteUnraisable(session.begin);
    }
    Py_XDECREF(calls);
    fp_set_current(ts, previous);
}

static PyObject *evaluate(PyThreadState *ts, fp_frame *frame, int throwflag)
{
    if (session.pending < 0 || (PyObject *)fp_code(frame) != session.records[session.pending].code) {
        return session.previous_eval(ts, frame, throwflag);
    }
    Py_ssize_t index = session.pending;
    session.pending = -1;
    fp_record *record = &session.records[index];
    record->frame = frame;
    int failed = fill(frame, record) < 0;
    if (!failed && index + 1 < session.count) {
        failed = run_callee(ts, frame, index) < 0;
    }
    else {
        set_hook(ts, 0);
        session.rebuilding = 0;
        if (!failed && session.recursion > 0) {
            *fp_recursion_remaining(ts) = fp_recursion_limit(ts) - (int)session.recursion + 1;
        }
        failed = failed || apply_outcome(frame, record, CALLEE_NONE, session.value) < 0;
        let_go(&record->plan);
        if (!failed) {
            make_last_calls(ts, frame);
        }
    }
    return _PyEval_EvalFrameDefault(ts, frame, failed);
}

/* ------------------------------------------------------------------------------------- reading the records */

static int integer(PyObject *plan, const char *key, long missing, long *out)
{
    PyObject *value = PyDict_GetItemString(plan, key);
    *out = value == NULL ? missing : PyLong_AsLong(value);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static Py_ssize_t pushed(PyObject *values)
{
    return values == NULL ? 0 : PyList_GET_SIZE(values);
}

/* Whether everything the record will make us do stays inside its frame. */
static int fits(const fp_record *record)
{
    PyCodeObject *code = (PyCodeObject *)record->code;
    Py_ssize_t slots = PyList_GET_SIZE(record->slots);
    Py_ssize_t low = code->co_nlocalsplus, high = low + code->co_stacksize;
    Py_ssize_t top = record->keep + pushed(record->before) + pushed(record->after) +
                     (record->outcome != OUTCOME_NOTHING && record->outcome != OUTCOME_DROP &&
                      record->outcome != OUTCOME_IMPORT);
    return slots >= low && slots <= high && record->keep >= low && record->keep <= slots && top <= high &&
           record->end_keep >= low && record->end_keep <= slots && record->next >= 0 &&
           record->next < Py_SIZE(code) && record->end >= 0 && record->end < Py_SIZE(code);
}

static void own(fp_record *record)
{
    Py_XINCREF(record->target);
    Py_XINCREF(record->namespace);
    Py_XINCREF(record->local_namespace);
    Py_XINCREF(record->slots);
    Py_XINCREF(record->code);
    Py_XINCREF(record->exception);
    Py_XINCREF(record->plan);
}

static void disown(fp_record *record)
{
    let_go(&record->target);
    let_go(&record->namespace);
    let_go(&record->local_namespace);
    let_go(&record->slots);
    let_go(&record->code);
    let_go(&record->exception);
    let_go(&record->plan);
}

/* Whether something is there to go on with: an iterator and the one it draws from, or a builtin's loop and its. */
static int feeds(const fp_record *record)
{
    int is_asking = record->outcome == OUTCOME_DRIVE && record->feeder == Py_None;
    return record->feeder != NULL && (is_asking || PyIter_Check(record->feeder)) &&
           (record->outcome == OUTCOME_DRIVE ? fp_drive_is_told(record->object) : PyIter_Check(record->object));
}

/* Rows are (kind, target, globals, locals, slots, position, code, exception, plan). */
static int read_record(PyObject *row, fp_record *record)
{
    int kind;
    if (!PyArg_ParseTuple(row, "iOOOO!lO!OO!", &kind, &record->target, &record->namespace, &record->local_namespace,
                          &PyList_Type, &record->slots, &record->position, &PyCode_Type, &record->code,
                          &record->exception, &PyDict_Type, &record->plan)) {
        return -1;
    }
    own(record);
    record->kind = (fp_kind)kind;
    record->before = PyDict_GetItemString(record->plan, "before");
    record->after = PyDict_GetItemString(record->plan, "after");
    record->object = PyDict_GetItemString(record->plan, "object");
    record->feeder = PyDict_GetItemString(record->plan, "feeder");
    PyObject *name = PyDict_GetItemString(record->plan, "outcome");
    record->outcome = OUTCOME_COUNT;
    for (int i = 0; name != NULL && PyUnicode_Check(name) && i < OUTCOME_COUNT; i++) {
        if (PyUnicode_CompareWithASCIIString(name, outcome_names[i]) == 0) {
            record->outcome = (fp_outcome)i;
        }
    }
    if (integer(record->plan, "next", -1, &record->next) < 0 || integer(record->plan, "keep", -1, &record->keep) < 0 ||
        integer(record->plan, "end", record->next, &record->end) < 0 ||
        integer(record->plan, "end_keep", record->keep, &record->end_keep) < 0 ||
        integer(record->plan, "truth", 0, &record->truth) < 0) {
        return -1;
    }
    int needs_object = record->outcome == OUTCOME_OBJECT || record->outcome == OUTCOME_NEXT_DEFAULT ||
                       record->outcome == OUTCOME_CALL_DEFAULT || record->outcome == OUTCOME_THROUGH ||
                       record->outcome == OUTCOME_DRIVE;
    int needs_feeder = record->outcome == OUTCOME_THROUGH || record->outcome == OUTCOME_DRIVE;
    if (record->outcome == OUTCOME_COUNT || (needs_object && record->object == NULL) ||
        (needs_feeder && !feeds(record)) ||
        (record->before != NULL && !PyList_Check(record->before)) ||
        (record->after != NULL && !PyList_Check(record->after)) || !fits(record)) {
        PyErr_Format(PyExc_ValueError, "the saved frame of %U cannot go on: its plan does not fit",
                     ((PyCodeObject *)record->code)->co_qualname);
        return -1;
    }
    return 0;
}

/* --------------------------------------------------------------------------------------------- a deep stack */

/* A restored frame takes C stack until its callee is back; an ordinary Python call takes none. Beyond this many
   frames the program goes on, on a stack of its own, as large as those frames need plus what a main thread has. */
enum { FRAMES_ON_ORDINARY_STACK = 1000, BYTES_PER_FRAME = 2048, BYTES_BESIDES = 64 << 20 };

typedef struct {
    ucontext_t outside, inside;
    PyObject *result;
} fp_deep;

static fp_deep deep;

static PyObject *enter_outermost(void)
{
    fp_status status;
    PyObject *result = enter(PyThreadState_Get(), 0, &status);
    return result;
}

static void enter_on_deep_stack(void)
{
    deep.result = enter_outermost();
}

static PyObject *enter_with_room(Py_ssize_t frames)
{
    if (frames <= FRAMES_ON_ORDINARY_STACK) {
        return enter_outermost();
    }
    size_t bytes = (size_t)frames * BYTES_PER_FRAME + BYTES_BESIDES;
    void *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK,
                       -1, 0);
    if (stack == MAP_FAILED) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (mprotect(stack, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE) < 0 || getcontext(&deep.inside) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        munmap(stack, bytes);
        return NULL;
    }
    deep.inside.uc_stack.ss_sp = stack;
    deep.inside.uc_stack.ss_size = bytes;
    deep.inside.uc_link = &deep.outside;
    makecontext(&deep.inside, enter_on_deep_stack, 0);
    if (swapcontext(&deep.outside, &deep.inside) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        deep.result = NULL;
    }
    munmap(stack, bytes);
    return deep.result;
}

/* ------------------------------------------------------------------------------------------------ for Python */

/* The program's outermost frame has nothing below it, as under plain python: sys._getframe().f_back is None there, and
   no stack it prints or walks shows ours. What is returned has to be made current again. */
static fp_frame *hide_own_frames(PyThreadState *ts)
{
    fp_frame *own = fp_current(ts);
    fp_set_current(ts, NULL);
    return own;
}

static PyObject *run_session(PyObject *exception)
{
    PyThreadState *ts = PyThreadState_Get();
    _PyErr_StackItem *handling = ts->exc_info;
    PyObject *handled_before = handling->exc_value;
    forkpoint_recursion used = forkpoint_recursion_anew(ts);
    handling->exc_value = exception; /* the reference moves */
    session.rebuilding = 1;
    fp_frame *own = hide_own_frames(ts);
    PyObject *result = enter_with_room(session.count);
    fp_set_current(ts, own);
    session.rebuilding = 0;
    set_hook(ts, 0);
    forkpoint_recursion_restore(ts, used);
    PyObject *handled = handling->exc_value;
    handling->exc_value = handled_before;
    let_go(&handled);
    return result;
}

/* Take all rows out of the list. 0, or -1 with an exception; what was read is owned by `records` in either case. */
static int read_records(PyObject *rows, fp_record *records)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows); i++) {
        if (read_record(PyList_GET_ITEM(rows, i), &records[i]) < 0) {
            return -1;
        }
    }
    return PyList_SetSlice(rows, 0, PyList_GET_SIZE(rows), NULL);
}

static PyObject *resume(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *rows, *handled;
    if (!PyArg_ParseTuple(args, "O!O!OOOl", &PyList_Type, &rows, &PyList_Type, &handled, &session.value,
                          &session.fallback, &session.begin, &session.recursion)) {
        return NULL;
    }
    Py_ssize_t count = PyList_GET_SIZE(rows);
    if (session.records != NULL || count == 0 || PyList_GET_SIZE(handled) != 1) {
        PyErr_SetString(PyExc_RuntimeError, "a process restores one stack, once");
        return NULL;
    }
    fp_record *records = PyMem_Calloc((size_t)count, sizeof(fp_record));
    session.plans = PyDict_New();
    PyObject *result = NULL, *exception = PyList_GET_ITEM(handled, 0);
    exception = exception == forkpoint_null ? NULL : Py_NewRef(exception);
    if (records == NULL || session.plans == NULL) {
        Py_XDECREF(exception);
        PyErr_NoMemory();
    }
    else if (read_records(rows, records) < 0 || PyList_SetSlice(handled, 0, 1, NULL) < 0) {
        Py_XDECREF(exception);
    }
    else {
        session.records = records;
        session.count = count;
        result = run_session(exception);
        session.records = NULL;
    }
    for (Py_ssize_t i = 0; records != NULL && i < count; i++) {
        disown(&records[i]);
    }
    Py_CLEAR(session.plans);
    PyMem_Free(records);
    return result;
}

static PyObject *rebuilding(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyBool_FromLong(session.rebuilding);
}

static PyObject *run_code(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *code, *namespace;
    if (!PyArg_ParseTuple(args, "O!O!", &PyCode_Type, &code, &PyDict_Type, &namespace)) {
        return NULL;
    }
    PyThreadState *ts = PyThreadState_Get();
    forkpoint_recursion used = forkpoint_recursion_anew(ts);
    fp_frame *own = hide_own_frames(ts);
    PyObject *result = PyEval_EvalCode(code, namespace, namespace);
    fp_set_current(ts, own);
    forkpoint_recursion_restore(ts, used);
    return result;
}

PyMethodDef forkpoint_resume_methods[] = {
    {"resume", resume, METH_VARARGS,
     "resume(rows, [exception], value, fallback, begin, recursion): rebuild the frames, outermost first, and run them.\n"
     "Returns or raises what the outermost does. Every row is checked before anything runs; both lists are emptied."},
    {"rebuilding", rebuilding, METH_NOARGS, "Whether frames are being rebuilt right now: then nothing is captured."},
    {"run_code", run_code, METH_VARARGS,
     "run_code(code, globals): run a module's code as the interpreter runs its main module, with the whole\n"
     "recursion limit to itself and no frame below it."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_resume_init(PyObject *module)
{
    (void)module;
    return 0;
}
