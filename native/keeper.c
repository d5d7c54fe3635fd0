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
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
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

typedef struct {
    int fd;
    long filled, at;
    char buffer[4096];
} Reader;

static int next_char(Reader *reader)
{
    if (reader->at == reader->filled) {
        reader->filled = syscall(SYS_read, reader->fd, reader->buffer, sizeof reader->buffer);
        reader->at = 0;
        if (reader->filled <= 0) {
            reader->filled = 0;
            return -1;
        }
    }
    return reader->buffer[reader->at++];
}

/* A hexadecimal number and the character after it, which is returned. */
static int next_number(Reader *reader, uintptr_t *number)
{
    *number = 0;
    for (;;) {
        int c = next_char(reader);
        if (c >= '0' && c <= '9') {
            *number = *number * 16 + (uintptr_t)(c - '0');
        }
        else if (c >= 'a' && c <= 'f') {
            *number = *number * 16 + (uintptr_t)(c - 'a' + 10);
        }
        else {
            return c;
        }
    }
}

/* Give back large private anonymous mappings, so that the program's next writes find pages that are its own again. The
   lines read are those of proc_pid_maps(5): start-end perms offset major:minor inode path. */
static void drop_memory(void)
{
    Reader reader = {.fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0)};
    if (reader.fd < 0) {
        return;
    }
    uintptr_t stack = (uintptr_t)&reader, thread = (uintptr_t)pthread_self();
    uintptr_t start, end, skipped, inode;
    while (next_number(&reader, &start) == '-' && next_number(&reader, &end) == ' ') {
        next_char(&reader);
        int writable = next_char(&reader) == 'w';
        next_char(&reader);
        int private = next_char(&reader) == 'p';
        next_char(&reader);
        next_number(&reader, &skipped); /* offset */
        next_number(&reader, &skipped); /* major */
        next_number(&reader, &skipped); /* minor */
        int c = next_number(&reader, &inode); /* Its digits are decimal; only zero matters. */
        while (c >= 0 && c != '\n') {
            c = next_char(&reader);
        }
        int needed = (start <= stack && stack < end) || (start <= thread && thread < end);
        if (writable && private && inode == 0 && !needed && end - start >= DROPPED_BYTES_MIN) {
            syscall(SYS_madvise, start, end - start, MADV_DONTNEED);
        }
    }
    syscall(SYS_close, reader.fd);
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
