/* The memory behind an object that C code keeps to itself: read and written so that a wrong address is an error. */
#include "parts.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Through the kernel, which checks the addresses (process_vm_readv(2)). 0, or -1 with errno set. */
static int transfer(void *here, uintptr_t there, size_t size, int writing)
{
    struct iovec local = {here, size};
    struct iovec remote = {(void *)there, size};
    ssize_t done = writing ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0)
                           : process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    if (done >= 0 && (size_t)done != size) {
        errno = EFAULT;
        return -1;
    }
    return done < 0 ? -1 : 0;
}

int forkpoint_read_memory(void *here, uintptr_t there, size_t size)
{
    return transfer(here, there, size, 0);
}

PyDoc_STRVAR(memory_read_doc,
"memory_read(address, size) -> bytes\n\nRaises OSError where that is not all readable.");

static PyObject *memory_read(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long long address;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "Kn", &address, &size)) {
        return NULL;
    }
    PyObject *content = PyBytes_FromStringAndSize(NULL, size);
    if (content != NULL && size > 0 && transfer(PyBytes_AS_STRING(content), (uintptr_t)address, (size_t)size, 0) < 0) {
        Py_CLEAR(content);
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return content;
}

PyDoc_STRVAR(memory_replace_doc,
"memory_replace(address, content)\n\nPut private pages with this content in the place of whole pages of a mapping.");

static PyObject *memory_replace(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long long address;
    Py_buffer content;
    if (!PyArg_ParseTuple(args, "Ky*", &address, &content)) {
        return NULL;
    }
    void *place = (void *)(uintptr_t)address;
    void *made = mmap(place, (size_t)content.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (made != MAP_FAILED) {
        memcpy(made, content.buf, (size_t)content.len);
    }
    PyBuffer_Release(&content);
    return made == MAP_FAILED ? PyErr_SetFromErrno(PyExc_OSError) : Py_NewRef(Py_None);
}

PyDoc_STRVAR(memory_write_doc,
"memory_write(address, content)\n\nRaises OSError where that is not all writable.");

static PyObject *memory_write(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long long address;
    Py_buffer content;
    if (!PyArg_ParseTuple(args, "Ky*", &address, &content)) {
        return NULL;
    }
    int failed = content.len > 0 && transfer(content.buf, (uintptr_t)address, (size_t)content.len, 1) < 0;
    PyBuffer_Release(&content);
    return failed ? PyErr_SetFromErrno(PyExc_OSError) : Py_NewRef(Py_None);
}

/* What stands before a block of glibc's malloc (malloc.c, "Chunk representation"). */
enum { IN_USE_BEFORE = 1, IS_MAPPED = 2, FLAGS = 7, CHUNK_HEAD = 16, CHUNK_MIN = 32 };

PyDoc_STRVAR(heap_size_doc,
"heap_size(address) -> int\n\n"
"Usable bytes of the block of glibc's malloc that begins there; 0 when it does not look as if one did.");

static PyObject *heap_size(PyObject *Py_UNUSED(module), PyObject *arg)
{
    uintptr_t address = (uintptr_t)PyLong_AsUnsignedLongLongMask(arg);
    if (PyErr_Occurred()) {
        return NULL;
    }
    size_t head, next, size;
    if (address % 16 != 0 || address < 4096 || transfer(&head, address - sizeof head, sizeof head, 0) < 0) {
        return PyLong_FromLong(0);
    }
    size = head & ~(size_t)FLAGS;
    if (size < CHUNK_MIN || size % 16 != 0 || size > (size_t)1 << 32) {
        return PyLong_FromLong(0);
    }
    if (!(head & IS_MAPPED)) {
        uintptr_t after = address - CHUNK_HEAD + size + sizeof head;
        if (transfer(&next, after, sizeof next, 0) < 0 || !(next & IN_USE_BEFORE)) {
            return PyLong_FromLong(0);
        }
    }
    return PyLong_FromSize_t(size - (head & IS_MAPPED ? CHUNK_HEAD : sizeof head));
}

PyMethodDef forkpoint_cmemory_methods[] = {
    {"memory_read", memory_read, METH_VARARGS, memory_read_doc},
    {"memory_replace", memory_replace, METH_VARARGS, memory_replace_doc},
    {"memory_write", memory_write, METH_VARARGS, memory_write_doc},
    {"heap_size", heap_size, METH_O, heap_size_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_cmemory_init(PyObject *module)
{
    (void)module;
    return 0;
}
