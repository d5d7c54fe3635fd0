/* How many bytes Python code wrote to descriptor 1, counted where the bytes pass, with nothing for the program to see.
 *
 * FileIO.write, os.write and os.writev are wrapped in place: the function pointer in CPython's own method table is
 * replaced, so sys.stdout, sys.__stdout__ and any other stream on descriptor 1 stay the very objects they were. (Rebuilding the stack
 * of streams around a counting FileIO was rejected: the program may hold the old ones, and would see another type.) */
#include "parts.h"

#include <stdio.h>
#include <stdio_ext.h>

enum { STDOUT = 1 };

static long long written;

/* The head of Modules/_io/fileio.c's fileio struct, the same in 3.11, 3.12 and 3.13; checked in count_start. */
typedef struct {
    PyObject_HEAD
    int fd;
} FileIO;

static void count(PyObject *result)
{
    if (result != NULL && PyLong_CheckExact(result)) {
        written += PyLong_AsLongLong(result);
    }
}

/* ---------------------------------------------------------------- FileIO.write */

static PyCFunction fileio_write;

/* 3.11: METH_O */
static PyObject *counting_write_o(PyObject *self, PyObject *data)
{
    PyObject *result = fileio_write(self, data);
    if (((FileIO *)self)->fd == STDOUT) {
        count(result);
    }
    return result;
}

/* 3.12 and later: METH_METHOD | METH_FASTCALL | METH_KEYWORDS */
static PyObject *counting_write_method(PyObject *self, PyTypeObject *defining, PyObject *const *args, size_t nargs,
                                       PyObject *names)
{
    PyObject *result = ((PyCMethod)(void (*)(void))fileio_write)(self, defining, args, nargs, names);
    if (((FileIO *)self)->fd == STDOUT) {
        count(result);
    }
    return result;
}

/* Whether `fd` is where we think it is: a FileIO says its number. */
static int layout_is_known(PyObject *fileio)
{
    PyObject *file = PyObject_CallFunction(fileio, "isO", 0, "rb", Py_False);
    if (file == NULL) {
        /* No descriptor 0: any other would do as well, and there is none we know of. */
        PyErr_Clear();
        file = PyObject_CallFunction(fileio, "ss", "/dev/null", "rb");
        if (file == NULL) {
            return -1;
        }
    }
    PyObject *number = PyObject_CallMethod(file, "fileno", NULL);
    long fd = number == NULL ? -1 : PyLong_AsLong(number);
    int known = ((FileIO *)file)->fd == fd;
    Py_XDECREF(number);
    Py_DECREF(file);
    return PyErr_Occurred() ? -1 : known;
}

static int wrap_fileio(void)
{
    PyObject *io = PyImport_ImportModule("_io");
    PyObject *type = io == NULL ? NULL : PyObject_GetAttrString(io, "FileIO");
    PyObject *write = type == NULL ? NULL : PyObject_GetAttrString(type, "write");
    int known = write == NULL ? -1 : layout_is_known(type);
    int done = -1;
    if (known == 1 && Py_IS_TYPE(write, &PyMethodDescr_Type)) {
        PyMethodDef *method = ((PyMethodDescrObject *)write)->d_method;
        fileio_write = method->ml_meth;
        if (method->ml_flags == METH_O) {
            method->ml_meth = counting_write_o;
            done = 0;
        }
        else if (method->ml_flags == (METH_METHOD | METH_FASTCALL | METH_KEYWORDS)) {
            method->ml_meth = (PyCFunction)(void (*)(void))counting_write_method;
            done = 0;
        }
    }
    Py_XDECREF(write);
    Py_XDECREF(type);
    Py_XDECREF(io);
    if (done < 0 && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_RuntimeError, "this interpreter's FileIO.write is not one we know");
    }
    return done;
}

/* ---------------------------------------------------------------- os.write, os.writev */

typedef PyObject *(*FastFunction)(PyObject *, PyObject *const *, Py_ssize_t);
static FastFunction os_write, os_writev;

static PyObject *count_call(FastFunction function, PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *result = function(module, args, nargs);
    if (result != NULL && nargs > 0 && PyLong_CheckExact(args[0]) && PyLong_AsLong(args[0]) == STDOUT) {
        count(result);
    }
    return result;
}

static PyObject *counting_os_write(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return count_call(os_write, module, args, nargs);
}

static PyObject *counting_os_writev(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return count_call(os_writev, module, args, nargs);
}

static int wrap_function(PyObject *module, const char *name, FastFunction *original, FastFunction counting)
{
    PyObject *function = PyObject_GetAttrString(module, name);
    if (function == NULL) {
        return -1;
    }
    if (!PyCFunction_CheckExact(function) || ((PyCFunctionObject *)function)->m_ml->ml_flags != METH_FASTCALL) {
        PyErr_Format(PyExc_RuntimeError, "this interpreter's os.%s is not one we know", name);
        Py_DECREF(function);
        return -1;
    }
    PyMethodDef *method = ((PyCFunctionObject *)function)->m_ml;
    *original = (FastFunction)(void (*)(void))method->ml_meth;
    method->ml_meth = (PyCFunction)(void (*)(void))counting;
    Py_DECREF(function);
    return 0;
}

static int wrap_posix(void)
{
    PyObject *posix = PyImport_ImportModule("posix");
    int done = posix == NULL ? -1 : 0;
    if (done == 0) {
        done = wrap_function(posix, "write", &os_write, counting_os_write);
    }
    if (done == 0) {
        done = wrap_function(posix, "writev", &os_writev, counting_os_writev);
    }
    Py_XDECREF(posix);
    return done;
}

/* ---------------------------------------------------------------- from Python */

static PyObject *count_start(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    (void)module;
    static int started;
    if (!started) {
        if (wrap_fileio() < 0 || wrap_posix() < 0) {
            return NULL;
        }
        started = 1;
    }
    written = 0;
    Py_RETURN_NONE;
}

static PyObject *count_written(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    (void)module;
    return PyLong_FromLongLong(written);
}

/* What C code printed is seen only while it waits in C's buffer. fflush(NULL) would hang on a stream another thread is
   blocked reading from, so only the two that matter. */
static PyObject *flush_stdio(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    (void)module;
    size_t waiting = __fpending(stdout);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = fflush(stdout);
    fflush(stderr);
    Py_END_ALLOW_THREADS
    if (!failed) {
        written += (long long)waiting;
    }
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_written_methods[] = {
    {"count_start", count_start, METH_NOARGS,
     PyDoc_STR("count_start()\n\nCount from here on what Python code writes to descriptor 1. Raises RuntimeError on an\n"
               "interpreter built unlike those we know.")},
    {"count_written", count_written, METH_NOARGS, PyDoc_STR("count_written() -> int\n\nBytes since count_start().")},
    {"flush_stdio", flush_stdio, METH_NOARGS,
     PyDoc_STR("flush_stdio()\n\nFlush C's stdout and stderr; what waited in C's stdout is counted. Never raises.")},
    {NULL, NULL, 0, NULL},
};

int forkpoint_written_init(PyObject *module)
{
    (void)module;
    return 0;
}
