/* How the child has a committer beside it, and how it ends.
 *
 * exec gives a process the exit signal SIGCHLD again (fs/exec.c, de_thread), and from then on the program's os.wait()
 * would find it. So the child, whose exit signal is 0, never execs: it starts the committer when the disk has to be waited
 * for, gives its memory back, waits for it and ends as it ended.
 *
 *     program --clone3, exit signal 0--> child --vfork, exec--> committer
 *
 * Whoever kills the child (the program at the deadline, its own timer when the program is gone) kills the committer, which
 * asked for SIGKILL at its parent's death; that outlasts exec. No process beside the child shares its memory for longer than
 * it takes to exec: of two, the kernel's OOM killer marks one as its victim and is held back by that one only, so when the
 * other is the last to give the memory back it takes the program as well (mm/oom_kill.c, oom_evaluate_task). */
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
    FAILED_STATUS = 70,           /* There is no telling how it ended (EX_SOFTWARE). */
    DROPPED_BYTES_MIN = 1 << 20,  /* Mappings smaller than this are not worth a system call. */
};

/* ---------------------------------------------------------------- waiting, once the memory is of no use
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

/* Wait for a process that has exec'd and end as it did; a signal becomes 128 + its number, as in a shell. */
static _Noreturn void end_with(pid_t child)
{
    drop_memory();
    siginfo_t how = {0};
    long failed;
    do {
        failed = syscall(SYS_waitid, P_PID, child, &how, WEXITED, NULL);
    } while (failed != 0 && errno == EINTR);
    int status = failed != 0 ? FAILED_STATUS : how.si_code == CLD_EXITED ? how.si_status : 128 + how.si_status;
    for (;;) {
        syscall(SYS_exit_group, status);
    }
}

/* ---------------------------------------------------------------- from Python */

static int timer = -1; /* of a child; the program has none, and none is inherited */

/* A timer that sends SIGKILL: SIGALRM could come from elsewhere too, and is ignored. Asked of the kernel directly, since
   older C libraries have it in librt; may be called where nothing but system calls is safe. */
int forkpoint_die_after(double seconds)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec at = {.it_value = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}};
    if (timer < 0 && syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0) {
        timer = -1;
        return -1;
    }
    return (int)syscall(SYS_timer_settime, timer, 0, &at, NULL);
}

PyDoc_STRVAR(die_after_doc,
"die_after(seconds)\n\n"
"Have this process killed once so much time has passed, whoever is left to do it. OSError if the kernel refuses.");

static PyObject *die_after(PyObject *module, PyObject *arg)
{
    (void)module;
    double seconds = PyFloat_AsDouble(arg);
    if (seconds == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (forkpoint_die_after(seconds) != 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

/* Pointers into a list of bytes objects, NULL-terminated, to be freed with PyMem_Free; NULL with an exception. */
static char **strings(PyObject *list)
{
    Py_ssize_t count = PyList_GET_SIZE(list);
    char **pointers = PyMem_New(char *, (size_t)count + 1);
    if (pointers == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (PyBytes_AsStringAndSize(PyList_GET_ITEM(list, i), &pointers[i], NULL) < 0) {
            PyMem_Free(pointers);
            return NULL;
        }
    }
    pointers[count] = NULL;
    return pointers;
}

/* The pid, or -1 with errno set. The new process shares this one's memory until it has exec'd. */
static pid_t spawn_into(const char *path, char **arguments, char **environment)
{
    pid_t self = getpid();
    volatile int failed = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (getppid() == self) {
            execve(path, arguments, environment);
            failed = errno;
        }
        _exit(FAILED_STATUS);
    }
    if (pid > 0 && failed) {
        siginfo_t how;
        waitid(P_PID, (id_t)pid, &how, WEXITED);
        errno = failed;
        return -1;
    }
    return pid;
}

PyDoc_STRVAR(spawn_doc,
"spawn(path, arguments, environment) -> pid\n\n"
"Start a program, given as bytes and lists of bytes, that is killed when this process dies. OSError if there is none.");

static PyObject *spawn(PyObject *module, PyObject *args)
{
    (void)module;
    const char *path;
    PyObject *arguments, *environment;
    if (!PyArg_ParseTuple(args, "yO!O!:spawn", &path, &PyList_Type, &arguments, &PyList_Type, &environment)) {
        return NULL;
    }
    char **argv = strings(arguments), **envp = argv == NULL ? NULL : strings(environment);
    pid_t pid = -1;
    if (envp != NULL && (pid = spawn_into(path, argv, envp)) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
    }
    PyMem_Free(argv);
    PyMem_Free(envp);
    return pid < 0 ? NULL : PyLong_FromLong(pid);
}

PyDoc_STRVAR(end_with_doc,
"end_with(pid)\n\n"
"Never returns: gives memory back, waits for a child that has exec'd, and ends as it does.");

static PyObject *py_end_with(PyObject *module, PyObject *arg)
{
    (void)module;
    long pid = PyLong_AsLong(arg);
    if (pid == -1 && PyErr_Occurred()) {
        return NULL;
    }
    end_with((pid_t)pid);
}

PyMethodDef forkpoint_beside_methods[] = {
    {"die_after", die_after, METH_O, die_after_doc},
    {"spawn", spawn, METH_VARARGS, spawn_doc},
    {"end_with", py_end_with, METH_O, end_with_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_beside_init(PyObject *module)
{
    (void)module;
    return 0;
}
