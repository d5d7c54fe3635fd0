/* Runs a callable in this very thread on a stack of its own, as deep as the machine's memory allows: the C pickler
   recurses once per link of the object graph, and a list of 100,000 linked nodes must not end in RecursionError. What
   has no end, an object that says it is made of another new one each time, must, before memory is short. */
#include "parts.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

/* Measured: one level of _pickle.save with what it calls stays below 700 bytes of stack. */
#define BYTES_PER_LEVEL 2048

/* The stack may take an eighth of the machine: what is made on the way down takes about as much again. */
#define MACHINE_SHARE 8

static size_t stack_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    size_t machine = pages > 0 && page_bytes > 0 ? (size_t)pages * (size_t)page_bytes : (size_t)8 << 30;
    return (machine / MACHINE_SHARE) & ~((size_t)(2 << 20) - 1);
}

typedef struct {
    ucontext_t caller;
    ucontext_t deep;
    PyObject *callable;
    PyObject *result;
} deep_call;

/* One call at a time, with the GIL held throughout: makecontext cannot portably pass a pointer. */
static deep_call *current_call;

static void deep_entry(void)
{
    deep_call *call = current_call;
    call->result = PyObject_CallNoArgs(call->callable);
}

/* call_deep(callable): its result or exception. Raises MemoryError when no stack of even 16 MiB can be mapped. */
static PyObject *call_deep(PyObject *Py_UNUSED(module), PyObject *callable)
{
    if (current_call != NULL) { /* already on the deep stack */
        return PyObject_CallNoArgs(callable);
    }
    size_t size = stack_bytes();
    void *stack = MAP_FAILED;
    for (; size >= (size_t)16 << 20; size >>= 1) {
        /* NORESERVE: only pages that are touched cost memory. */
        stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (stack != MAP_FAILED) {
            break;
        }
    }
    if (stack == MAP_FAILED) {
        return PyErr_NoMemory();
    }
    mprotect(stack, 4096, PROT_NONE);
    deep_call call = {.callable = callable, .result = NULL};
    if (getcontext(&call.deep) < 0) {
        munmap(stack, size);
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    call.deep.uc_stack.ss_sp = stack;
    call.deep.uc_stack.ss_size = size;
    call.deep.uc_link = &call.caller;
    makecontext(&call.deep, deep_entry, 0);

    PyThreadState *tstate = PyThreadState_Get();
    size_t levels = size / BYTES_PER_LEVEL;
    forkpoint_recursion saved = forkpoint_recursion_lift(tstate, levels > 100000000 ? 100000000 : (int)levels);
    current_call = &call;
    swapcontext(&call.caller, &call.deep);
    current_call = NULL;
    forkpoint_recursion_restore(tstate, saved);
    munmap(stack, size);
    return call.result;
}

PyMethodDef forkpoint_deepstack_methods[] = {
    {"call_deep", call_deep, METH_O, "call_deep(callable): call it in this thread with a C stack of an eighth of the memory"},
    {NULL, NULL, 0, NULL},
};

int forkpoint_deepstack_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
