/* An audit hook in C that calls Python only for what is about to change a file, and nothing else.
 *
 * Once added, a hook stays for the life of the process (PEP 578), and is called for every attribute of certain names and
 * every import; so all others must leave after comparing a few characters. The program must never see an error of ours:
 * an Exception of the callback is reported as unraisable; only a BaseException (a KeyboardInterrupt that arrived during
 * the callback) goes on into the program, at the call it was in, as it would have without us. Files that are mapped are
 * counted, since to look for such mappings takes longer; what is opened is told to numbered.c, too. */
#include "parts.h"

#include <fcntl.h>
#include <string.h>

static PyObject *callback; /* Owned; NULL while off. */
static int hook_added;
static long long mapped; /* Files mapped since the hook was added. */
static _Thread_local int inside; /* The callback opens files too. */

static const char *const changing_events[] = {
    "os.rename", "os.remove", "os.truncate", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.chmod", "os.utime", NULL,
};

/* open(path, mode, flags): mode is a string, or None from os.open. */
static int opens_for_writing(PyObject *args)
{
    if (!PyTuple_Check(args) || PyTuple_GET_SIZE(args) != 3 || !PyLong_Check(PyTuple_GET_ITEM(args, 2))) {
        return 0;
    }
    int overflow;
    long flags = PyLong_AsLongAndOverflow(PyTuple_GET_ITEM(args, 2), &overflow);
    return overflow == 0 && (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND)) != 0;
}

static int changes_a_file(const char *event, PyObject *args)
{
    if (event[0] == 's') {
        return strcmp(event, "sqlite3.connect") == 0;
    }
    if (event[0] != 'o') {
        return 0;
    }
    if (event[1] == 'p') {
        return strcmp(event, "open") == 0 && opens_for_writing(args);
    }
    if (event[1] == 's' && event[2] == '.') {
        for (const char *const *name = changing_events; *name != NULL; name++) {
            if (strcmp(event, *name) == 0) {
                return 1;
            }
        }
    }
    return 0;
}

/* mmap.__new__(fileno, length, access, offset): no file where the first is -1. */
static void count_mapped(const char *event, PyObject *args)
{
    if (event[0] == 'm' && strcmp(event, "mmap.__new__") == 0 && PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 0) {
        int overflow;
        mapped += PyLong_Check(PyTuple_GET_ITEM(args, 0))
                  && PyLong_AsLongAndOverflow(PyTuple_GET_ITEM(args, 0), &overflow) >= 0;
    }
}

static int call_back(const char *event, PyObject *args)
{
    PyThreadState *tstate = PyThreadState_Get();
    PyObject *called = Py_NewRef(callback); /* It may switch the hook off. */
    inside = 1;
    PyThreadState_EnterTracing(tstate); /* The program's debugger does not step into us. */
    PyObject *arguments[] = {PyUnicode_FromString(event), args};
    PyObject *result = arguments[0] != NULL ? forkpoint_call_plainly(called, arguments, 2) : NULL;
    PyThreadState_LeaveTracing(tstate);
    inside = 0;
    Py_XDECREF(arguments[0]);
    int interrupted = 0;
    if (result == NULL) {
        interrupted = !PyErr_ExceptionMatches(PyExc_Exception);
        if (!interrupted) {
            PyErr_WriteUnraisable(called);
        }
    }
    Py_XDECREF(result);
    Py_DECREF(called);
    return interrupted ? -1 : 0;
}

/* Hooks are called for all interpreters of the process, each under a lock of its own from 3.12 on; ours is of the main one. */
static int is_watching(void)
{
    return callback != NULL && !inside && PyInterpreterState_Get() == PyInterpreterState_Main();
}

static int hook(const char *event, PyObject *args, void *Py_UNUSED(data))
{
    count_mapped(event, args);
    if (!is_watching()) {
        return 0;
    }
    if (strcmp(event, "open") == 0) {
        forkpoint_numbered_watch(args);
    }
    else if (strcmp(event, "os.rename") == 0) {
        forkpoint_numbered_settle();
    }
    return changes_a_file(event, args) ? call_back(event, args) : 0;
}

int forkpoint_audit_open(PyObject *path, int flags)
{
    if (!is_watching()) {
        return 0;
    }
    PyObject *args = Py_BuildValue("(OOi)", path, Py_None, flags);
    int status = args == NULL ? -1 : call_back("open", args);
    Py_XDECREF(args);
    return status;
}

/* In the forked child: no callback from here on. The reference is given up, since dropping it could run code. */
void forkpoint_audit_off(void)
{
    callback = NULL;
}

PyDoc_STRVAR(audit_start_doc,
"audit_start(callback)\n\n"
"Call callback(event, args) before a file is opened with write intent (`open`: path, mode or None, flags), renamed,\n"
"removed, truncated or linked (os.rename, os.remove, os.truncate, os.link, os.symlink), or a directory made or removed\n"
"(os.mkdir, os.rmdir), or its permissions or times set (os.chmod, os.utime), or SQLite connected to a database\n"
"(sqlite3.connect), in whichever thread does it, with the arguments of CPython's audit event: paths as the program\n"
"gave them. Replaces an earlier callback.");

static PyObject *audit_start(PyObject *module, PyObject *function)
{
    (void)module;
    if (!PyCallable_Check(function)) {
        PyErr_SetString(PyExc_TypeError, "the callback must be callable");
        return NULL;
    }
    if (!hook_added) {
        if (PySys_AddAuditHook(hook, NULL) < 0) {
            return NULL;
        }
        hook_added = 1;
    }
    Py_XSETREF(callback, Py_NewRef(function));
    Py_RETURN_NONE;
}

static PyObject *audit_stop(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    (void)module;
    Py_CLEAR(callback);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(files_mapped_doc,
"files_mapped() -> int\n\nHow many files mmap.mmap has mapped since the first audit_start(); -1 before that.");

static PyObject *files_mapped(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    return PyLong_FromLongLong(hook_added ? mapped : -1);
}

PyMethodDef forkpoint_audit_methods[] = {
    {"audit_start", audit_start, METH_O, audit_start_doc},
    {"audit_stop", audit_stop, METH_NOARGS, PyDoc_STR("audit_stop()\n\nNo callbacks from here on.")},
    {"files_mapped", files_mapped, METH_NOARGS, files_mapped_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_audit_init(PyObject *module)
{
    (void)module;
    return 0;
}
