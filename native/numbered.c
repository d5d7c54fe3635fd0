/* What os.open() opened, by its number: no object of Python's has it, so that only the number tells what the program's
 * variables mean (adapters/raw_descriptors.py). A number is looked for by the last part of the path, at the next thing that
 * opens or renames a file or at a commit; from then on it is known by its file, whatever that is called. */
#include "parts.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NUMBERS_MAX = 4096, NAME_MAX_BYTES = 256, NOT_NUMBERED = 0, NUMBERED, WRAPPED };

static struct {
    int state;  /* NUMBERED by os.open(), WRAPPED by a file object since */
    int found;  /* whether it is known which file this is */
    dev_t device;
    ino_t inode;
    char name[NAME_MAX_BYTES]; /* the last part of the path it was opened with */
} kept[NUMBERS_MAX];

static int latest = -1; /* announced, and perhaps not opened yet */

static const char NAMELESS[] = "#"; /* how the kernel's names of O_TMPFILE files begin */
static const char GONE[] = " (deleted)";

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

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

static void note(int fd, const char *name, int state)
{
    if (fd >= 0 && fd < NUMBERS_MAX) {
        size_t length = strnlen(name, NAME_MAX_BYTES - 1);
        kept[fd].state = state;
        kept[fd].found = 0;
        memcpy(kept[fd].name, name, length);
        kept[fd].name[length] = '\0';
    }
}

static int leads_to_its_name(int fd, const struct stat *facts)
{
    const char *name = kept[fd].name;
    if (strcmp(name, "") == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return S_ISDIR(facts->st_mode);
    }
    char there[32], path[PATH_MAX];
    snprintf(there, sizeof there, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(there, path, sizeof path - 1);
    if (length < 0) {
        return 0;
    }
    path[length] = '\0';
    size_t gone = sizeof GONE - 1;
    if ((size_t)length > gone && strcmp(path + length - gone, GONE) == 0) {
        path[length - gone] = '\0';
    }
    return strcmp(name, NAMELESS) == 0 ? last_part(path)[0] == NAMELESS[0] : strcmp(last_part(path), name) == 0;
}

/* Whether it is open and what os.open() opened; the number may have been given to something else since. */
static int is_still(int fd)
{
    struct stat facts;
    if (kept[fd].state == NOT_NUMBERED || fstat(fd, &facts) < 0) {
        return 0;
    }
    if (!kept[fd].found) {
        kept[fd].found = leads_to_its_name(fd, &facts);
        kept[fd].device = facts.st_dev;
        kept[fd].inode = facts.st_ino;
    }
    return kept[fd].found && kept[fd].device == facts.st_dev && kept[fd].inode == facts.st_ino;
}

void forkpoint_numbered_settle(void)
{
    if (latest >= 0 && is_still(latest)) {
        latest = -1;
    }
}

/* The number that the kernel gives next. Of no file: to close a descriptor of one drops the program's locks on it. */
static int next_number(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    return fd;
}

/* open(path, mode, flags): the kernel gives the lowest number that is free, unless another thread is faster. */
void forkpoint_numbered_watch(PyObject *args)
{
    if (!PyTuple_Check(args) || PyTuple_GET_SIZE(args) != 3) {
        return;
    }
    forkpoint_numbered_settle();
    PyObject *path = PyTuple_GET_ITEM(args, 0);
    int by_number = PyTuple_GET_ITEM(args, 1) == Py_None, overflow;
    if (PyLong_Check(path)) { /* open(fd, mode): a file object over it */
        long fd = PyLong_AsLongAndOverflow(path, &overflow);
        if (!by_number && fd >= 0 && fd < NUMBERS_MAX && kept[fd].state == NUMBERED) {
            kept[fd].state = WRAPPED;
        }
        return;
    }
    PyObject *encoded = PyUnicode_Check(path) ? PyUnicode_EncodeFSDefault(path) : PyBytes_Check(path) ? path : NULL;
    if (encoded == NULL) {
        PyErr_Clear();
        return;
    }
    if (encoded == path) {
        Py_INCREF(path);
    }
    int next = next_number();
    if (next >= 0) {
        char target[PATH_MAX];
        const char *text = PyBytes_AS_STRING(encoded);
        PyObject *flags = PyTuple_GET_ITEM(args, 2);
        long ways = PyLong_Check(flags) ? PyLong_AsLongAndOverflow(flags, &overflow) : 0;
        int nameless = (ways & O_TMPFILE) == O_TMPFILE;
        const char *name = nameless ? NAMELESS : last_part(by_number ? followed(text, target) : text);
        note(next, name, by_number ? NUMBERED : NOT_NUMBERED);
        latest = by_number && next < NUMBERS_MAX ? next : -1;
    }
    Py_DECREF(encoded);
}

PyDoc_STRVAR(numbered_doc,
"numbered() -> [(fd, wrapped)]\n\nWhat os.open() opened and is still open, and whether a file object was made over it.");

static PyObject *py_numbered(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    PyObject *found = PyList_New(0);
    for (int fd = 3; found != NULL && fd < NUMBERS_MAX; fd++) {
        if (kept[fd].state == NOT_NUMBERED) {
            continue;
        }
        if (!is_still(fd)) {
            kept[fd].state = NOT_NUMBERED;
            continue;
        }
        PyObject *one = Py_BuildValue("iO", fd, kept[fd].state == WRAPPED ? Py_True : Py_False);
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
    note(fd, last_part(path), wrapped ? WRAPPED : NUMBERED);
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
