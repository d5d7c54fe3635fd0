/* What must happen though no bytecode runs: a signal that asks the program to stop, and alarms that come due.

   A handler of ours sits in front of the one the program has (chain.c), whose turn comes in the end.

   The handler only notes the signal and wakes a thread (a futex: no descriptor a program could close). The thread holds
   no Python state and blocks all signals. It queues one pending call, in which the last checkpoint is taken at the next
   safe point, and does what the program would have done once the grace is over. In forks of the program there is no such
   thread, and the handler passes signals on at once. */
#include "guard.h"
#include "helper.h"
#include "imports.h"
#include FORKPOINT_FRAMES_HEADER

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WARN, STOP, ALARMS, WORDS_MAX = 1024, PASSING = -1 };

static const long long SECOND = 1000000000LL;
static const long long TWICE_WITHIN = 2 * SECOND; /* one signal to the whole group reaches us twice under a supervisor */
static const long long LATE = SECOND / 2;         /* Python gives up at the grace itself; the thread where it cannot */

typedef struct {
    long long due; /* CLOCK_MONOTONIC, ns; 0: not set */
    long long gap; /* WARN: the next one comes so much later, then twice that */
    char words[WORDS_MAX];
} Alarm;

static struct {
    pid_t owner; /* the process whose handlers these are; 0 when there are none */
    pid_t supervisor;
    atomic_uint wake;
    atomic_int stopping;
    atomic_int asked; /* the signal that asked for a last checkpoint; 0: none, PASSING: the next goes straight on */
    atomic_int queued;
    _Atomic long long asked_at;
    atomic_int from_supervisor;
    long long grace;
    PyObject *callback; /* owned */
    pthread_mutex_t mutex; /* guards `alarms` */
    Alarm alarms[ALARMS];
} guard = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static long long now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * SECOND + at.tv_nsec;
}

static void wake_thread(void)
{
    atomic_fetch_add(&guard.wake, 1);
    syscall(SYS_futex, &guard.wake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void write_line(const char *words)
{
    ssize_t done = write(STDERR_FILENO, words, strlen(words));
    (void)done; /* A standard error that is closed hears nothing. */
}

/* ------------------------------------------------------------------------------------------- in the signal handler */

/* The same signal again, once from our supervisor and once from who signalled all of us, asks only once. */
static int is_the_same(int from_supervisor)
{
    if (from_supervisor == atomic_load(&guard.from_supervisor) || now_ns() - guard.asked_at > TWICE_WITHIN) {
        return 0;
    }
    atomic_store(&guard.from_supervisor, from_supervisor);
    return 1;
}

static void on_signal(int signum, siginfo_t *info, void *context)
{
    int saved = errno;
    int none = 0;
    int from_supervisor = guard.supervisor != 0 && info->si_pid == guard.supervisor;
    if (getpid() != guard.owner) {
        fp_pass_on(signum, info, context);
    }
    else if (atomic_compare_exchange_strong(&guard.asked, &none, signum)) {
        atomic_store(&guard.asked_at, now_ns());
        atomic_store(&guard.from_supervisor, from_supervisor);
        wake_thread();
    }
    else if (none == PASSING || !is_the_same(from_supervisor)) {
        atomic_store(&guard.asked, 0);
        fp_pass_on(signum, info, context);
    }
    errno = saved;
}

/* ------------------------------------------------------------------------------------------------------- the thread */

static int ask(void *unused)
{
    (void)unused;
    int signum = atomic_load(&guard.asked);
    if (signum <= 0 || guard.callback == NULL || guard.owner != getpid()) {
        return 0;
    }
    if (forkpoint_is_importlib_at_work()) {
        atomic_store(&guard.queued, 0);
        wake_thread();
        return 0;
    }
    PyObject *callback = Py_NewRef(guard.callback);
    double ago = (double)(now_ns() - guard.asked_at) / (double)SECOND;
    PyObject *args[] = {PyLong_FromLong(signum), PyFloat_FromDouble(ago)};
    PyObject *result = args[0] && args[1] ? forkpoint_call_queued(callback, args, 2) : NULL;
    Py_XDECREF(args[0]);
    Py_XDECREF(args[1]);
    int status = result == NULL ? -1 : 0;
    Py_XDECREF(result);
    if (status < 0 && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_WriteUnraisable(callback);
        status = 0;
    }
    Py_DECREF(callback);
    return status;
}

static void look_at_signals(long long now)
{
    int signum = atomic_load(&guard.asked);
    if (signum <= 0) {
        return;
    }
    int idle = 0;
    if (atomic_compare_exchange_strong(&guard.queued, &idle, 1) && fp_add_pending_call(ask, NULL) < 0) {
        atomic_store(&guard.queued, 0); /* the queue is full: the next look tries again */
    }
    if (now > guard.asked_at + guard.grace + LATE && atomic_compare_exchange_strong(&guard.asked, &signum, PASSING)) {
        write_line("forkpoint: asked to stop, and no last checkpoint within the grace: the program did not come out of a "
                   "call into C. The restore points before stand.\n");
        atomic_store(&guard.queued, 0);
        kill(getpid(), signum);
    }
}

static void look_at_alarms(long long now)
{
    pthread_mutex_lock(&guard.mutex);
    Alarm *warn = &guard.alarms[WARN], *stop = &guard.alarms[STOP];
    if (warn->due != 0 && now >= warn->due) {
        write_line(warn->words);
        warn->due = now + warn->gap;
        warn->gap *= 2;
    }
    if (stop->due != 0 && now >= stop->due) {
        write_line(stop->words);
        _exit(1);
    }
    pthread_mutex_unlock(&guard.mutex);
}

static long long next_look(long long now)
{
    long long next = now + 3600 * SECOND;
    if (atomic_load(&guard.asked) > 0) {
        next = atomic_load(&guard.queued) ? guard.asked_at + guard.grace + LATE + 1 : now + SECOND / 100;
    }
    pthread_mutex_lock(&guard.mutex);
    for (int i = 0; i < ALARMS; i++) {
        if (guard.alarms[i].due != 0 && guard.alarms[i].due < next) {
            next = guard.alarms[i].due;
        }
    }
    pthread_mutex_unlock(&guard.mutex);
    return next;
}

static void *guard_thread(void *unused)
{
    (void)unused;
    while (!atomic_load(&guard.stopping)) {
        unsigned seen = atomic_load(&guard.wake);
        long long now = now_ns();
        look_at_signals(now);
        look_at_alarms(now);
        long long next = next_look(now);
        struct timespec until = {.tv_sec = next / SECOND, .tv_nsec = next % SECOND};
        if (!atomic_load(&guard.stopping)) {
            syscall(SYS_futex, &guard.wake, FUTEX_WAIT_BITSET_PRIVATE, seen, &until, NULL, FUTEX_BITSET_MATCH_ANY);
        }
    }
    return NULL;
}

static void begin_guarding(void)
{
    atomic_store(&guard.stopping, 0);
}

static void end_guarding(void)
{
    atomic_store(&guard.stopping, 1);
    wake_thread();
}

static fp_helper guarding = {.run = guard_thread, .begin = begin_guarding, .end = end_guarding};

/* ------------------------------------------------------------------------------------------------------ from Python */

static PyObject *guard_stop(PyObject *module, PyObject *Py_UNUSED(unused))
{
    (void)module;
    if (guard.owner == getpid()) {
        for (int signum = 1; signum < NSIG; signum++) {
            if (fp_is_watched(signum)) {
                fp_unwatch(signum);
            }
        }
        fp_helper_stop(&guarding);
        guard.owner = 0;
    }
    Py_CLEAR(guard.callback);
    Py_RETURN_NONE;
}

static PyObject *guard_start(PyObject *module, PyObject *args)
{
    PyObject *callback, *signals;
    double grace;
    int supervisor;
    if (!PyArg_ParseTuple(args, "OO!di", &callback, &PyTuple_Type, &signals, &grace, &supervisor)) {
        return NULL;
    }
    PyObject *stopped = guard_stop(module, NULL);
    Py_XDECREF(stopped);
    if (stopped == NULL || fp_wrap_signal() < 0) {
        return NULL;
    }
    Py_XSETREF(guard.callback, Py_NewRef(callback));
    guard.grace = (long long)(grace * (double)SECOND);
    guard.supervisor = supervisor;
    memset(guard.alarms, 0, sizeof guard.alarms);
    pthread_mutex_init(&guard.mutex, NULL); /* a forked process inherits it in any state */
    atomic_store(&guard.asked, 0);
    atomic_store(&guard.queued, 0);
    if (fp_helper_start(&guarding) < 0) {
        Py_CLEAR(guard.callback);
        return NULL;
    }
    guard.owner = getpid();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(signals); i++) {
        long signum = PyLong_AsLong(PyTuple_GET_ITEM(signals, i));
        if (signum > 0 && signum < NSIG) {
            fp_watch((int)signum, on_signal);
        }
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *guard_pass_on(PyObject *module, PyObject *number)
{
    (void)module;
    long signum = PyLong_AsLong(number);
    if (signum <= 0 || signum >= NSIG || guard.owner != getpid()) {
        PyErr_SetString(PyExc_ValueError, "no such signal is watched");
        return NULL;
    }
    int asked = (int)signum;
    atomic_store(&guard.queued, 0);
    if (atomic_compare_exchange_strong(&guard.asked, &asked, PASSING)) {
        kill(getpid(), (int)signum);
    }
    Py_RETURN_NONE;
}

static PyObject *guard_is_default(PyObject *module, PyObject *number)
{
    (void)module;
    long signum = PyLong_AsLong(number);
    if (signum <= 0 || signum >= NSIG) {
        PyErr_SetString(PyExc_ValueError, "not a signal");
        return NULL;
    }
    return PyBool_FromLong(fp_is_default((int)signum));
}

static PyObject *guard_alarm(PyObject *module, PyObject *args)
{
    (void)module;
    int which;
    double seconds;
    const char *words;
    if (!PyArg_ParseTuple(args, "ids", &which, &seconds, &words)) {
        return NULL;
    }
    if (which < 0 || which >= ALARMS) {
        PyErr_SetString(PyExc_ValueError, "no such alarm");
        return NULL;
    }
    if (guard.owner != getpid()) {
        Py_RETURN_NONE;
    }
    pthread_mutex_lock(&guard.mutex);
    guard.alarms[which].gap = (long long)(seconds * (double)SECOND);
    guard.alarms[which].due = now_ns() + guard.alarms[which].gap;
    strncpy(guard.alarms[which].words, words, WORDS_MAX - 2);
    strcat(guard.alarms[which].words, "\n");
    pthread_mutex_unlock(&guard.mutex);
    wake_thread();
    Py_RETURN_NONE;
}

static PyObject *die_with(PyObject *module, PyObject *number)
{
    (void)module;
    long parent = PyLong_AsLong(number);
    if (parent == -1 && PyErr_Occurred()) {
        return NULL;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent) {
        kill(getpid(), SIGKILL); /* it died before we had asked */
    }
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_guard_methods[] = {
    {"guard_start", guard_start, METH_VARARGS,
     "guard_start(callback, signals, grace, supervisor): callback(signum, seconds ago) runs in the main thread when one\n"
     "of these signals came; guard_pass_on must follow, and comes by itself once `grace` seconds are over."},
    {"guard_stop", guard_stop, METH_NOARGS, "The program's own dispositions are back; no alarm comes any more."},
    {"guard_pass_on", guard_pass_on, METH_O,
     "Do what the program would have done at this signal: its handler, or the default action. Only once a signal."},
    {"guard_is_default", guard_is_default, METH_O, "Whether the program would have died of this signal."},
    {"guard_alarm", guard_alarm, METH_VARARGS,
     "guard_alarm(which, seconds, words): in so many seconds write `words` to stderr, whatever the program is doing.\n"
     "0 is said again with doubling gaps; 1 then ends the process with status 1. Setting one again puts it off. A\n"
     "no-op where guard_start was not called."},
    {"die_with", die_with, METH_O, "This process is killed when its parent, which has this id, ends."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_guard_init(PyObject *module)
{
    (void)module;
    return 0;
}
