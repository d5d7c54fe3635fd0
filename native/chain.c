/* What the program has set for a signal, kept behind a handler of ours.

   Nothing of that shows in Python: the table behind signal.getsignal is left alone, and `_signal.signal` is wrapped in
   place (as written.c wraps os.write), so that a handler the program sets later is put behind ours again. A signal the
   program ignores is left ignored, since its children inherit that. In forks of the program what they set is theirs. */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static fp_front_handler front; /* ours */
static pid_t owner;

/* What the program has set, by signal. Two places each, so that a handler on another thread never reads one half set. */
static struct {
    int watched;
    struct sigaction places[2];
    _Atomic(struct sigaction *) now;
} chain[NSIG];

/* The default action; as PID 1, which no default action ends, the status a shell would give. */
static void die_of(int signum)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    sigaction(signum, &action, NULL);
    sigset_t it;
    sigemptyset(&it);
    sigaddset(&it, signum);
    kill(getpid(), signum);
    pthread_sigmask(SIG_UNBLOCK, &it, NULL);
    if (getpid() == 1) {
        _exit(128 + signum);
    }
}

void fp_pass_on(int signum, siginfo_t *info, void *context)
{
    struct sigaction *then = atomic_load(&chain[signum].now);
    if (then == NULL || then->sa_handler == SIG_DFL) {
        die_of(signum);
    }
    else if (then->sa_flags & SA_SIGINFO) {
        then->sa_sigaction(signum, info, context);
    }
    else if (then->sa_handler != SIG_IGN) {
        then->sa_handler(signum);
    }
}

/* Put ours in front of what is there. A program's handler may count on system calls being interrupted; where there is
   none, nothing in the program expects it. */
static void install(int signum)
{
    struct sigaction found;
    if (sigaction(signum, NULL, &found) < 0 || found.sa_sigaction == front || found.sa_handler == SIG_IGN) {
        return;
    }
    struct sigaction *old = atomic_load(&chain[signum].now);
    struct sigaction *place = &chain[signum].places[old == &chain[signum].places[0]];
    *place = found;
    atomic_store(&chain[signum].now, place);
    struct sigaction ours = {.sa_sigaction = front};
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (found.sa_handler == SIG_DFL ? SA_RESTART : found.sa_flags & SA_RESTART);
    ours.sa_mask = found.sa_mask;
    sigaction(signum, &ours, NULL);
}

void fp_unwatch(int signum)
{
    struct sigaction found;
    struct sigaction *then = atomic_load(&chain[signum].now);
    if (then != NULL && sigaction(signum, NULL, &found) == 0 && found.sa_sigaction == front) {
        sigaction(signum, then, NULL);
    }
    chain[signum].watched = 0;
}

void fp_watch(int signum, fp_front_handler handler)
{
    front = handler;
    owner = getpid();
    chain[signum].watched = 1;
    install(signum);
}

int fp_is_watched(int signum)
{
    return chain[signum].watched;
}

int fp_is_default(int signum)
{
    struct sigaction *then = atomic_load(&chain[signum].now);
    return then == NULL || then->sa_handler == SIG_DFL;
}

/* --------------------------------------------------------------------------------------------------- _signal.signal */

typedef PyObject *(*FastFunction)(PyObject *, PyObject *const *, Py_ssize_t);
static FastFunction signal_signal;

static PyObject *chaining_signal(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    long signum = nargs > 0 && PyLong_Check(args[0]) ? PyLong_AsLong(args[0]) : 0;
    PyErr_Clear();
    if (signum <= 0 || signum >= NSIG || !chain[signum].watched || owner != getpid()) {
        return signal_signal(module, args, nargs);
    }
    sigset_t it, before;
    sigemptyset(&it);
    sigaddset(&it, (int)signum);
    pthread_sigmask(SIG_BLOCK, &it, &before);
    PyObject *result = signal_signal(module, args, nargs);
    install((int)signum);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

int fp_wrap_signal(void)
{
    if (signal_signal != NULL) {
        return 0;
    }
    PyObject *module = PyImport_ImportModule("_signal");
    PyObject *function = module == NULL ? NULL : PyObject_GetAttrString(module, "signal");
    int done = -1;
    if (function != NULL && PyCFunction_CheckExact(function) &&
        ((PyCFunctionObject *)function)->m_ml->ml_flags == METH_FASTCALL) {
        PyMethodDef *method = ((PyCFunctionObject *)function)->m_ml;
        signal_signal = (FastFunction)(void (*)(void))method->ml_meth;
        method->ml_meth = (PyCFunction)(void (*)(void))chaining_signal;
        done = 0;
    }
    else if (function != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this interpreter's signal.signal is not one we know");
    }
    Py_XDECREF(function);
    Py_XDECREF(module);
    return done;
}
