/* The process between a program and the child that works for it, so that the child may exec without being noticed.
 *
 * exec gives a process the exit signal SIGCHLD again (fs/exec.c, de_thread), and from then on the program's os.wait()
 * would find it. So the forked process, whose exit signal is 0 and which never execs, only keeps: it lends its memory to
 * a worker (vfork: no page table is copied), waits for it and ends as it ended. The worker runs the commit and execs the
 * committer at its end.
 *
 *     program --clone3, exit signal 0--> keeper --vfork--> worker --exec--> committer
 *
 * Whoever kills the keeper (the program at the deadline, its own timer when the program is gone) kills the worker: it
 * asked for SIGKILL at its parent's death, which outlasts exec. */
#include "maps.h"
#include "parts.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    FAILED_STATUS = 70,           /* A worker that came back from its work without an exec or _exit (EX_SOFTWARE). */
    DROPPED_BYTES_MIN = 1 << 20,  /* Mappings smaller than this are not worth a system call. */
};

/* ---------------------------------------------------------------- the keeper, once the worker has left its memory
   From here on only system calls through syscall(), which is bound already: the dynamic linker's own tables may lie in
   what is dropped. */

/* Give back large private anonymous mappings, so that the program's next writes find pages that are its own again. */
static void drop_memory(void)
{
    fp_maps maps;
    if (fp_maps_open(&maps) < 0) {
        return;
    }
    uintptr_t stack = (uintptr_t)&maps, thread = (uintptr_t)pthread_self();
    fp_map map;
    while (fp_maps_next(&maps, &map)) {
        int needed = (map.start <= stack && stack < map.end) || (map.start <= thread && thread < map.end);
        if (map.writable && map.private && !map.file && !needed && map.end - map.start >= DROPPED_BYTES_MIN) {
            syscall(SYS_madvise, map.start, map.end - map.start, MADV_DONTNEED);
        }
    }
    fp_maps_close(&maps);
}

/* Wait for the worker and end as it did; a signal becomes 128 + its number, as in a shell. */
static _Noreturn void keep(pid_t worker)
{
    siginfo_t how = {0};
    if (syscall(SYS_waitid, P_PID, worker, &how, WEXITED | WNOWAIT | WNOHANG, NULL) == 0 && how.si_pid == 0) {
        drop_memory(); /* It has exec'd. */
    }
    long failed;
    do {
        failed = syscall(SYS_waitid, P_PID, worker, &how, WEXITED, NULL);
    } while (failed != 0 && errno == EINTR);
    int status = failed != 0 ? FAILED_STATUS : how.si_code == CLD_EXITED ? how.si_status : 128 + how.si_status;
    for (;;) {
        syscall(SYS_exit_group, status);
    }
}

/* ---------------------------------------------------------------- from Python */

/* The keeper's own deadline, for when the program is no longer there to keep it. A timer that sends SIGKILL: SIGALRM could
   come from elsewhere too, and is ignored. Asked of the kernel directly, since older C libraries have it in librt. */
static int arm_deadline(double seconds)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec at = {.it_value = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}};
    int timer;
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0) {
        return -1;
    }
    return (int)syscall(SYS_timer_settime, timer, 0, &at, NULL);
}

PyDoc_STRVAR(work_doc,
"work(body, seconds)\n\n"
"Only in the forked child; never returns. Calls `body()` in a worker that shares this process's memory, and ends as\n"
"the worker ends: with its exec'd program's status, with 70 when `body` returns, or after `seconds`, killed.");

static PyObject *work(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *body;
    double seconds;
    if (!PyArg_ParseTuple(args, "Od:work", &body, &seconds)) {
        return NULL;
    }
    pid_t keeper = getpid();
    pid_t worker = arm_deadline(seconds) == 0 ? vfork() : -1;
    if (worker < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (worker > 0) {
        keep(worker);
    }
    /* The worker. It only ever goes deeper than this frame, so the keeper finds its own as it left it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != keeper) {
        _exit(FAILED_STATUS);
    }
    PyObject *result = PyObject_CallNoArgs(body);
    if (result == NULL) {
        PyErr_Print(); /* To the log, where there is one. */
    }
    _exit(FAILED_STATUS);
}

PyMethodDef forkpoint_keeper_methods[] = {
    {"work", work, METH_VARARGS, work_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_keeper_init(PyObject *module)
{
    (void)module;
    return 0;
}
