/* What must hold on each side of the fork: the program notices nothing, and the child harms nothing.
 *
 * In the program: all signals are blocked from before the clone until after it, so that no handler of the program runs
 * in the child; the at-fork hooks registered with os.register_at_fork are put aside, so that none runs on either side
 * (`random` would be re-seeded, threading would declare other threads dead, and the child reads both); atfork handlers of
 * C libraries do not run either, since this is the bare system call (OpenBLAS's joins its workers and can hang).
 *
 * In the child, before any Python code: it is the first the OOM killer takes, no signal but the synchronous ones and
 * SIGKILL ends it, it holds no descriptor but those it was told to keep, and the interpreter calls nobody back: no
 * pending calls, no tracing, no monitoring, no audit hooks, no cyclic collection. What Python code can read of all
 * this (signal.getsignal, gc.isenabled, sys.gettrace) still answers as in the program: it is about to be saved.
 *
 * The caller holds the import lock (it is re-entrant), so that nothing in here waits and lets go of the GIL. */
#include "parts.h"
#include "staging.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
    KEPT_MAX = 16,             /* Descriptors a child may keep. */
    DESCRIPTOR_MIN = 128,      /* Ours are numbered from here, so that the program's numbers stay as they were. */
    AWAKE_SECONDS = 60,        /* A child that has not come as far as its own deadline by then never will. */
    CHILD_NICENESS = 10,       /* Added to the program's: a tenth of a contended core, so that the child still ends. */
    IOPRIO_LOWEST = (2 << 13) | 7, /* Best effort, level 7 (linux/ioprio.h is missing from older headers). */
};

typedef struct {
    PyObject *before, *parent, *child;
} ForkHooks;

static ForkHooks take_hooks(PyInterpreterState *interp)
{
    ForkHooks hooks = {interp->before_forkers, interp->after_forkers_parent, interp->after_forkers_child};
    interp->before_forkers = interp->after_forkers_parent = interp->after_forkers_child = NULL;
    return hooks;
}

static void give_hooks_back(PyInterpreterState *interp, ForkHooks hooks)
{
    interp->before_forkers = hooks.before;
    interp->after_forkers_parent = hooks.parent;
    interp->after_forkers_child = hooks.child;
}

static long long nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* ---------------------------------------------------------------- the clone */

/* A copy of this process that no wait() finds and that sends no SIGCHLD: its exit signal is 0. Returns as fork();
   *pidfd is -1 where the kernel has none to give (before 5.2), then the child is known by its pid alone. */
static pid_t clone_invisible(int *pidfd)
{
    /* glibc keeps the thread's id at the address it registered with the kernel: have it set in the child, as fork()
       does. Without it (no CONFIG_CHECKPOINT_RESTORE) only a later robust mutex would mind. */
    int *tid = NULL;
    if (prctl(PR_GET_TID_ADDRESS, &tid, 0, 0, 0) != 0) {
        tid = NULL;
    }
    unsigned long flags = tid == NULL ? 0 : CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    *pidfd = -1;
    struct clone_args args = {
        .flags = flags | CLONE_PIDFD,
        .pidfd = (uintptr_t)pidfd,
        .child_tid = (uintptr_t)tid,
        .exit_signal = 0,
    };
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid >= 0 || (errno != ENOSYS && errno != EPERM)) {
        return (pid_t)pid;
    }
    /* Kernels before 5.3, and sandboxes that cannot look into clone3's arguments. The order of the last two arguments
       differs between machines; the one that is not child_tid is only read with CLONE_SETTLS. */
    pid = syscall(SYS_clone, flags | CLONE_PIDFD, NULL, pidfd, tid, tid);
    if (pid < 0 && errno == EINVAL) {
        *pidfd = -1;
        pid = syscall(SYS_clone, flags, NULL, NULL, tid, tid);
    }
    return (pid_t)pid;
}

/* ---------------------------------------------------------------- the child, natively */

static void volunteer_for_the_oom_killer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t done = write(fd, "1000", 4);
        (void)done; /* Where /proc is closed to us there is nothing else to do. */
        close(fd);
    }
}

/* Ctrl-C, SIGTERM or a hang-up of the whole group must not cost the commit; a crash must stay a crash. SIG_IGN is kept
   by exec, so it holds for the committer too. The Python-level table of handlers is untouched. */
static void silence_signals(void)
{
    for (int signum = 1; signum < NSIG; signum++) {
        int fatal = signum == SIGSEGV || signum == SIGBUS || signum == SIGFPE || signum == SIGILL ||
                    signum == SIGTRAP || signum == SIGSYS || signum == SIGABRT;
        struct sigaction action = {.sa_handler = fatal || signum == SIGCHLD ? SIG_DFL : SIG_IGN};
        sigemptyset(&action.sa_mask);
        sigaction(signum, &action, NULL); /* SIGKILL, SIGSTOP and glibc's own refuse, as they should. */
    }
}

static void yield_the_machine(void)
{
    errno = 0;
    int niceness = getpriority(PRIO_PROCESS, 0);
    if (errno == 0) {
        setpriority(PRIO_PROCESS, 0, niceness + CHILD_NICENESS);
    }
    syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, IOPRIO_LOWEST);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

static int is_kept(int fd, const int *kept, int count)
{
    for (int i = 0; i < count; i++) {
        if (kept[i] == fd) {
            return 1;
        }
    }
    return 0;
}

/* For kernels before 5.9: closes what /proc lists, without allocating. */
static void close_listed(const int *kept, int count)
{
    struct entry {
        uint64_t inode;
        int64_t offset;
        unsigned short length;
        unsigned char type;
        char name[];
    };
    int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return;
    }
    _Alignas(struct entry) char buffer[4096];
    long filled;
    while ((filled = syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < filled; at += ((struct entry *)(buffer + at))->length) {
            const char *name = ((struct entry *)(buffer + at))->name;
            int fd = 0;
            while (*name >= '0' && *name <= '9') {
                fd = fd * 10 + (*name++ - '0');
            }
            if (*name == '\0' && fd > 2 && fd != directory && !is_kept(fd, kept, count)) {
                close(fd);
            }
        }
    }
    close(directory);
}

/* Descriptors 0-2 become `output` (or nothing), all others but `kept` (ascending, all above 2) are closed: an inherited
   pipe end kept open would keep some reader from ever seeing its end. The kept ones stay open across exec. */
static void close_descriptors(const int *kept, int count, int output)
{
    int nothing = open("/dev/null", O_RDWR);
    if (nothing >= 0) {
        dup2(nothing, 0);
    }
    for (int fd = 1; fd <= 2; fd++) {
        dup2(output >= 0 ? output : nothing, fd);
    }
    unsigned int next = 3;
    int failed = 0;
    for (int i = 0; i <= count && !failed; i++) {
        unsigned int last = i < count ? (unsigned int)kept[i] - 1 : ~0U;
        failed = next <= last && syscall(SYS_close_range, next, last, 0) != 0;
        next = last + 2;
    }
    if (failed) {
        close_listed(kept, count);
    }
    for (int i = 0; i < count; i++) {
        fcntl(kept[i], F_SETFD, 0);
    }
}

/* ---------------------------------------------------------------- the child's interpreter */

/* Thread states of threads that exist in the program only are unlinked, not deleted: deleting them runs destructors of
   what they held in threading.local (PyOS_AfterFork_Child would; ceval_gil.c, _PyEval_ReInitThreads). */
static void forget_other_threads(PyThreadState *tstate)
{
    tstate->interp->threads.head = tstate;
    tstate->prev = tstate->next = NULL;
    forkpoint_forget_thread_handles();
}

static void calm_interpreter(PyThreadState *tstate)
{
    forkpoint_drop_pending_calls(tstate->interp);
    forkpoint_stop_collector(tstate->interp);
    forkpoint_stop_tracing(tstate);
    tstate->interp->audit_hooks = NULL;
    forkpoint_audit_off();
}

/* ---------------------------------------------------------------- from Python */

static int compare_ints(const void *left, const void *right)
{
    return *(const int *)left - *(const int *)right;
}

static int read_kept(PyObject *sequence, int kept[KEPT_MAX])
{
    PyObject *fast = PySequence_Fast(sequence, "the descriptors to keep must be a sequence");
    if (fast == NULL) {
        return -1;
    }
    Py_ssize_t count = PySequence_Fast_GET_SIZE(fast);
    if (count > KEPT_MAX) {
        PyErr_Format(PyExc_ValueError, "a child may keep %d descriptors, not %zd", KEPT_MAX, count);
    }
    for (Py_ssize_t i = 0; i < count && !PyErr_Occurred(); i++) {
        long fd = PyLong_AsLong(PySequence_Fast_GET_ITEM(fast, i));
        if (!PyErr_Occurred() && (fd < 3 || fd > INT_MAX)) {
            PyErr_Format(PyExc_ValueError, "descriptor %ld cannot be kept: 0-2 are replaced in the child", fd);
        }
        kept[i] = (int)fd;
    }
    Py_DECREF(fast);
    if (PyErr_Occurred()) {
        return -1;
    }
    qsort(kept, (size_t)count, sizeof kept[0], compare_ints);
    return (int)count;
}

/* The pidfd as the program is to hold it: high and close-on-exec (the kernel gives it the lowest free number). */
static int move_up(int fd)
{
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, DESCRIPTOR_MIN);
    if (moved < 0) {
        return fd;
    }
    close(fd);
    return moved;
}

PyDoc_STRVAR(fork_doc,
"fork(keep, output, staging) -> (pid, pidfd, nanoseconds, staging nanoseconds, staged bytes)\n\n"
"Copy this process; (0, -1, 0, 0, 0) in the child. Main thread only, import lock held. The child keeps the descriptors\n"
"`keep` and writes its descriptors 1 and 2 to `output` (-1: nowhere). `pidfd` is -1 where the kernel has none.\n"
"`staging` is None or (arena address, arena bytes, ranges): whole pages to copy beforehand, as pairs of uint64.\n"
"`nanoseconds` is what the program was stopped for. Raises OSError with nothing left open when there is no child.");

static PyObject *fork_program(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *keep, *staging;
    int output;
    int kept[KEPT_MAX];
    if (!PyArg_ParseTuple(args, "OiO:fork", &keep, &output, &staging)) {
        return NULL;
    }
    int count = read_kept(keep, kept);
    if (count < 0 || forkpoint_staging_load(staging) < 0) {
        return NULL;
    }
    if (PyThread_get_thread_ident() != _PyRuntime.main_thread) {
        PyErr_SetString(PyExc_RuntimeError, "the program is forked in its main thread only");
        return NULL;
    }
    PyThreadState *tstate = PyThreadState_Get();
    PyInterpreterState *interp = tstate->interp;
    sigset_t all, before;
    sigfillset(&all);
    long long began = nanoseconds();
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ForkHooks hooks = take_hooks(interp);
    PyOS_BeforeFork();
    long long copying = nanoseconds();
    size_t staged = forkpoint_staging_copy();
    long long copied = nanoseconds();
    int pidfd;
    pid_t pid = clone_invisible(&pidfd);
    if (pid == 0) {
        if (forkpoint_staging_place() < 0) {
            _exit(EX_OSERR);
        }
        volunteer_for_the_oom_killer();
        silence_signals();
        forkpoint_die_after(AWAKE_SECONDS); /* malloc's locks may be held by threads that are not here: then it hangs. */
        close_descriptors(kept, count, output);
        yield_the_machine();
        prctl(PR_SET_NAME, "forkpoint", 0, 0, 0);
        forget_other_threads(tstate);
        PyOS_AfterFork_Child(); /* The hooks stay put aside: this process never becomes the program again. */
        calm_interpreter(tstate);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return Py_BuildValue("(iiLLn)", 0, -1, 0LL, 0LL, (Py_ssize_t)0);
    }
    int error = errno;
    forkpoint_staging_keep();
    PyOS_AfterFork_Parent();
    give_hooks_back(interp, hooks);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("(iiLLn)", (int)pid, move_up(pidfd), nanoseconds() - began, copied - copying, (Py_ssize_t)staged);
}

PyMethodDef forkpoint_forkside_methods[] = {
    {"fork", fork_program, METH_VARARGS, fork_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_forkside_init(PyObject *module)
{
    return PyModule_AddIntConstant(module, "DESCRIPTOR_MIN", DESCRIPTOR_MIN);
}
