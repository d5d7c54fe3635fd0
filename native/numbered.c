/* What os.open() opened, by its number: no object of Python's has it, so that only the number tells what the program's
 * variables mean (adapters/raw_descriptors.py). */
#include "parts.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NUMBERS_MAX = 128, NAME_MAX_BYTES = 256, NOT_NUMBERED = 0, NUMBERED, WRAPPED };

static struct {
    int state;                 /* NUMBERED by os.open(), WRAPPED by a file object since */
    char name[NAME_MAX_BYTES]; /* the last part of the path it was opened with */
} kept[NUMBERS_MAX];

/* A link gives what is opened another name, also one that leads to nothing yet. */
static const char *followed(const char *path, char target[PATH_MAX])
{
    ssize_t length = readlink(path, target, PATH_MAX - 1);
    if (length < 0) {
        return path; /* no link */
    }
    target[length] = '\0';
    char whole[PATH_MAX];
    if (realpath(path, whole) != NULL) { /* a chain of them, to its end */
        strcpy(target, whole);
    }
    return target;
}

static void note(int fd, const char *path, int state)
{
    if (fd >= 0 && fd < NUMBERS_MAX) {
        const char *slash = strrchr(path, '/');
        const char *name = slash != NULL ? slash + 1 : path;
        size_t length = strnlen(name, NAME_MAX_BYTES - 1);
        kept[fd].state = state;
        memcpy(kept[fd].name, name, length);
        kept[fd].name[length] = '\0';
    }
}

/* open(path, mode, flags): the kernel gives the lowest number that is free, unless another thread is faster. */
void forkpoint_numbered_watch(PyObject *args)
{
    if (!PyTuple_Check(args) || PyTuple_GET_SIZE(args) != 3) {
        return;
    }
    PyObject *path = PyTuple_GET_ITEM(args, 0);
    int by_number = PyTuple_GET_ITEM(args, 1) == Py_None, overflow;
    if (PyLong_Check(path)) { /* open(fd, mode): a file object over it */
        long fd = PyLong_AsLongAndOverflow(path, &overflow);
        if (!by_number && fd >= 0 && fd < NUMBERS_MAX && kept[fd].state == NUMBERED) {
            kept[fd].state = WRAPPED;
        }
        return;
    }
    const char *text = PyUnicode_Check(path) ? PyUnicode_AsUTF8(path) : PyBytes_Check(path) ? PyBytes_AS_STRING(path) : NULL;
    if (text == NULL) {
        PyErr_Clear(); /* a name that is no UTF-8 */
        return;
    }
    int next = fcntl(0, F_DUPFD_CLOEXEC, 0);
    if (next >= 0) {
        char target[PATH_MAX];
        close(next);
        note(next, by_number ? followed(text, target) : text, by_number ? NUMBERED : NOT_NUMBERED);
    }
}

PyDoc_STRVAR(numbered_doc,
"numbered() -> [(fd, name, wrapped)]\n\nWhat os.open() may have opened and is still open: the last part of its path, and whether a\n"
"file object was made over it. Numbers that were opened otherwise since may be among them.");

static PyObject *py_numbered(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    PyObject *found = PyList_New(0);
    for (int fd = 3; found != NULL && fd < NUMBERS_MAX; fd++) {
        if (kept[fd].state == NOT_NUMBERED) {
            continue;
        }
        if (fcntl(fd, F_GETFD) < 0) {
            kept[fd].state = NOT_NUMBERED;
            continue;
        }
        PyObject *name = PyUnicode_DecodeFSDefault(kept[fd].name);
        PyObject *one = name != NULL ? Py_BuildValue("iNO", fd, name, kept[fd].state == WRAPPED ? Py_True : Py_False) : NULL;
        if (one == NULL || PyList_Append(found, one) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(one);
    }
    return found;
}

PyDoc_STRVAR(note_numbered_doc,
"note_numbered(fd, path, wrapped)\n\nThis was opened before audit_start(): as if by os.open(), or perhaps by a file object.");

static PyObject *py_note_numbered(PyObject *Py_UNUSED(module), PyObject *args)
{
    int fd, wrapped;
    const char *path;
    if (!PyArg_ParseTuple(args, "isp:note_numbered", &fd, &path, &wrapped)) {
        return NULL;
    }
    note(fd, path, wrapped ? WRAPPED : NUMBERED);
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_numbered_methods[] = {
    {"numbered", py_numbered, METH_NOARGS, numbered_doc},
    {"note_numbered", py_note_numbered, METH_VARARGS, note_numbered_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_numbered_init(PyObject *module)
{
    (void)module;
    return 0;
}
