/* Which descriptors lead to one open file description (kcmp(2)): what `dup` makes shares its offset, what is opened again
   does not. */
#include "parts.h"

#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STANDARD = 3 };

static struct stat first[STANDARD]; /* st_nlink is 0 where there was none */

PyDoc_STRVAR(same_description_doc,
"same_description(fd, other) -> bool\n\n"
"Whether one was made from the other by dup(2). OSError: neither is told (no kcmp here, or none of them is open).");

static PyObject *same_description(PyObject *Py_UNUSED(module), PyObject *args)
{
    int fd, other;
    if (!PyArg_ParseTuple(args, "ii:same_description", &fd, &other)) {
        return NULL;
    }
    pid_t self = getpid();
    long order = syscall(SYS_kcmp, self, self, KCMP_FILE, (unsigned long)fd, (unsigned long)other);
    if (order < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyBool_FromLong(order == 0);
}

PyDoc_STRVAR(standard_files_doc,
"standard_files() -> [(device, inode) | None]\n\n"
"What standard input, output and error led to when forkpoint was loaded.");

static PyObject *standard_files(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    PyObject *found = PyList_New(STANDARD);
    for (int fd = 0; found != NULL && fd < STANDARD; fd++) {
        PyObject *file = Py_NewRef(Py_None);
        if (first[fd].st_nlink != 0) {
            Py_SETREF(file, Py_BuildValue("(KK)", (unsigned long long)first[fd].st_dev, (unsigned long long)first[fd].st_ino));
        }
        if (file == NULL) {
            Py_CLEAR(found);
            break;
        }
        PyList_SET_ITEM(found, fd, file);
    }
    return found;
}

PyMethodDef forkpoint_descriptions_methods[] = {
    {"standard_files", standard_files, METH_NOARGS, standard_files_doc},
    {"same_description", same_description, METH_VARARGS, same_description_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_descriptions_init(PyObject *Py_UNUSED(module))
{
    for (int fd = 0; fd < STANDARD; fd++) {
        if (fstat(fd, &first[fd]) < 0) {
            first[fd].st_nlink = 0;
        }
    }
    return 0;
}
