/* A native timer that asks the main thread to look up, and the trace function that stops a frame at a line (3.11).

   The timer thread blocks all signals, holds no thread state and touches no Python object: it only queues one
   pending call, which the interpreter runs in the main thread. A forked child has no such thread; should a call
   have been queued at the fork, it does nothing there. */
#include "helper.h"
#include "imports.h"
#include FORKPOINT_FRAMES_HEADER

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define AGAIN_SECONDS 1e-3 /* until the next try, where nothing of ours may run */

static struct {
    pthread_mutex_t mutex; /* guards `stopping`, `seconds`, `due` */
    pthread_cond_t changed;
    int stopping;
    double seconds;
    struct timespec due; /* CLOCK_MONOTONIC, when the next tick comes */
    atomic_int queued;
    PyObject *callback; /* owned */
} ticks = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* An exception of ours is none of the program's business; Ctrl-C and sys.exit are. */
static int settle(PyObject *result, PyObject *where)
{
    if (result != NULL) {
        Py_DECREF(result);
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_WriteUnraisable(where);
        return 0;
    }
    return -1;
}

static fp_helper ticker;

static struct timespec deadline(double seconds)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    long long nanoseconds = at.tv_nsec + (long long)(seconds * 1e9);
    at.tv_sec += nanoseconds / 1000000000;
    at.tv_nsec = (long)(nanoseconds % 1000000000);
    return at;
}

static void be_due_in(double seconds)
{
    pthread_mutex_lock(&ticks.mutex);
    ticks.due = deadline(seconds);
    pthread_cond_signal(&ticks.changed);
    pthread_mutex_unlock(&ticks.mutex);
}

static int tick(void *unused)
{
    (void)unused;
    int status = 0, ours = ticks.callback != NULL && fp_helper_is_ours(&ticker);
    if (ours && forkpoint_is_importlib_at_work()) {
        be_due_in(AGAIN_SECONDS);
    }
    else if (ours) {
        PyObject *callback = Py_NewRef(ticks.callback);
        status = settle(forkpoint_call_queued(callback, NULL, 0), callback);
        Py_DECREF(callback);
    }
    /* Only now may the next one be queued: it could not run before. */
    atomic_store(&ticks.queued, 0);
    return status;
}

static void *timer_thread(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&ticks.mutex);
    while (!ticks.stopping) {
        struct timespec at = ticks.due; /* a copy: it may be changed while we wait */
        if (pthread_cond_timedwait(&ticks.changed, &ticks.mutex, &at) != ETIMEDOUT || ticks.stopping) {
            continue;
        }
        ticks.due = deadline(ticks.seconds);
        int idle = 0;
        if (atomic_compare_exchange_strong(&ticks.queued, &idle, 1) && fp_add_pending_call(tick, NULL) < 0) {
            atomic_store(&ticks.queued, 0); /* the queue is full: the next tick tries again */
        }
    }
    pthread_mutex_unlock(&ticks.mutex);
    return NULL;
}

static void begin_ticking(void)
{
    ticks.stopping = 0;
}

static void end_ticking(void)
{
    pthread_mutex_lock(&ticks.mutex);
    ticks.stopping = 1;
    pthread_cond_signal(&ticks.changed);
    pthread_mutex_unlock(&ticks.mutex);
}

static fp_helper ticker = {.run = timer_thread, .begin = begin_ticking, .end = end_ticking};

static int parse_seconds(PyObject *object, double *seconds)
{
    *seconds = PyFloat_AsDouble(object);
    if (*seconds == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (!(*seconds > 0 && *seconds < 1e9)) {
        PyErr_SetString(PyExc_ValueError, "seconds must be above 0");
        return -1;
    }
    return 0;
}

static void forget_waiting(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&ticks.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&ticks.mutex, NULL); /* a forked process inherits it in any state */
}

/* The thread must not outlive the interpreter it queues calls in. */
static int stop_at_exit(PyObject *module)
{
    static int registered;
    if (registered) {
        return 0;
    }
    PyObject *stop = PyObject_GetAttrString(module, "ticks_stop");
    PyObject *atexit = PyImport_ImportModule("atexit");
    PyObject *done = stop != NULL && atexit != NULL ? PyObject_CallMethod(atexit, "register", "O", stop) : NULL;
    registered = done != NULL;
    Py_XDECREF(stop);
    Py_XDECREF(atexit);
    Py_XDECREF(done);
    return registered ? 0 : -1;
}

static PyObject *ticks_start(PyObject *module, PyObject *args)
{
    PyObject *callback, *seconds_object;
    double seconds;
    if (!PyArg_ParseTuple(args, "OO", &callback, &seconds_object) || parse_seconds(seconds_object, &seconds) < 0) {
        return NULL;
    }
    if (!PyCallable_Check(callback)) {
        PyErr_SetString(PyExc_TypeError, "callback must be callable");
        return NULL;
    }
    if (stop_at_exit(module) < 0) {
        return NULL;
    }
    fp_helper_stop(&ticker);
    Py_XSETREF(ticks.callback, Py_NewRef(callback));
    forget_waiting();
    ticks.seconds = seconds;
    ticks.due = deadline(seconds);
    atomic_store(&ticks.queued, 0);
    if (fp_helper_start(&ticker) < 0) {
        Py_CLEAR(ticks.callback);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *ticks_interval(PyObject *module, PyObject *seconds_object)
{
    (void)module;
    double seconds;
    if (parse_seconds(seconds_object, &seconds) < 0) {
        return NULL;
    }
    if (fp_helper_is_ours(&ticker)) {
        pthread_mutex_lock(&ticks.mutex);
        ticks.seconds = seconds;
        pthread_mutex_unlock(&ticks.mutex);
        be_due_in(seconds);
    }
    Py_RETURN_NONE;
}

static PyObject *ticks_stop(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    fp_helper_stop(&ticker);
    Py_CLEAR(ticks.callback);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------- stopping at a line */

#if !FORKPOINT_HAS_MONITORING

/* The frame to stop in, and the tracer of the program (a debugger, coverage) which keeps getting its events. */
static struct {
    fp_frame *frame;    /* only compared, never read: it may be gone */
    PyObject *code;     /* owned */
    PyObject *callback; /* owned */
    struct timespec until;
    Py_tracefunc chained;
    PyObject *chained_object; /* owned */
} armed;

static int on_trace(PyObject *object, PyFrameObject *frame, int what, PyObject *argument);

static void disarm(void)
{
    PyThreadState *ts = PyThreadState_Get();
    if (ts->c_tracefunc == on_trace) {
        PyEval_SetTrace(armed.chained, armed.chained_object);
    }
    armed.frame = NULL;
    armed.chained = NULL;
    Py_CLEAR(armed.code);
    Py_CLEAR(armed.callback);
    Py_CLEAR(armed.chained_object);
}

static int is_past(const struct timespec *at)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > at->tv_sec || (now.tv_sec == at->tv_sec && now.tv_nsec >= at->tv_nsec);
}

static int on_trace(PyObject *object, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)object;
    if (armed.chained != NULL && armed.chained(armed.chained_object, frame, what, argument) < 0) {
        return -1;
    }
    if (is_past(&armed.until)) {
        disarm();
        return 0;
    }
    if (what != PyTrace_LINE || frame->f_frame != armed.frame || (PyObject *)fp_code(armed.frame) != armed.code) {
        return 0;
    }
    PyObject *callback = Py_NewRef(armed.callback);
    int status = settle(forkpoint_call_plainly(callback, NULL, 0), callback);
    Py_DECREF(callback);
    return status;
}

static PyObject *trace_arm(PyObject *module, PyObject *args)
{
    (void)module;
    Py_ssize_t address;
    PyObject *code, *callback;
    double seconds;
    if (!PyArg_ParseTuple(args, "nO!Od", &address, &PyCode_Type, &code, &callback, &seconds)) {
        return NULL;
    }
    disarm();
    PyThreadState *ts = PyThreadState_Get();
    armed.chained = ts->c_tracefunc;
    armed.chained_object = Py_XNewRef(ts->c_traceobj);
    armed.until = deadline(seconds);
    armed.frame = (fp_frame *)address;
    armed.code = Py_NewRef(code);
    armed.callback = Py_NewRef(callback);
    PyEval_SetTrace(on_trace, Py_None);
    Py_RETURN_NONE;
}

static PyObject *trace_disarm(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    disarm();
    Py_RETURN_NONE;
}

#  define TRACE_METHODS                                                                                        \
      {"trace_arm", trace_arm, METH_VARARGS,                                                                   \
       "trace_arm(address, code, callback, seconds): call back at the line starts of that one frame, until\n"  \
       "disarmed or until so much time has passed."},                                                          \
      {"trace_disarm", trace_disarm, METH_NOARGS, "Undo trace_arm; the program's own tracer is back."},
#else
#  define TRACE_METHODS
#endif

PyMethodDef forkpoint_ticks_methods[] = {
    {"ticks_start", ticks_start, METH_VARARGS,
     "ticks_start(callback, seconds): call back in the main thread every so many seconds; at most one is queued."},
    {"ticks_interval", ticks_interval, METH_O, "Change the interval of running ticks, counted from now."},
    {"ticks_stop", ticks_stop, METH_NOARGS, "Stop the ticks. Without any, and in a forked child, a no-op."},
    TRACE_METHODS
    {NULL, NULL, 0, NULL},
};

int forkpoint_ticks_init(PyObject *module)
{
    (void)module;
    return 0;
}
