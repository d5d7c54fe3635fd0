/* Memory that is about to be rewritten is copied for the child, instead of being shared with it page by page.
 *
 * A write to a page shared with a living child costs 2-3 us, copying it beforehand 0.5 us. So right before the clone the
 * ranges asked for are copied into the arena, shared memory that is kept from one fork to the next, and their pages are
 * left out of the fork (MADV_DONTFORK). In the child the arena's pages are mapped over the holes (mremap with an old size
 * of 0 duplicates a shared mapping; no descriptor is needed that the program might close).
 *
 * The ranges are where the last child found what the program rewrites, so the program may have freed them since, and the
 * memory may be anything by now. That is harmless: between the copy and the clone this thread holds the GIL, has its
 * signals blocked and writes nothing but what is_ours() knows and its stack, so what the child finds is what was there,
 * whatever it means. Only plain private memory is taken; what is not mapped any more, or was unmapped by another thread
 * meanwhile (a fault while copying), is left to copy-on-write.
 *
 * Freed memory of the C library (heap.c) is left out of the fork as well, and not copied. The child has zeros there, also
 * within a range: the arena still holds there what an earlier child wrote. Its malloc may use it. */
#include "staging.h"

#include "heap.h"
#include "helper.h"
#include "maps.h"
#include "streaming.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANGES_MAX = 4096, HOLES_MAX = 512 };

typedef struct {
    uintptr_t start;
    size_t size, offset; /* `offset` in the arena */
    int staged;
} range;

/* What is written between the copies and the clone, and read by the child before it has them: never inside a range. */
static range ranges[RANGES_MAX];
static fp_span holes[HOLES_MAX]; /* freed memory */
static int count, hole_count, covers, asked;
static uintptr_t arena; /* 0: nothing is asked for */
static size_t arena_size, page;
static sigjmp_buf retreat;
static volatile sig_atomic_t copying;
static volatile size_t copied_bytes;
static struct sigaction others[2];
static const int faults[2] = {SIGSEGV, SIGBUS};

int forkpoint_staging_load(PyObject *request)
{
    count = hole_count = covers = 0;
    arena = 0;
    asked = request != Py_None;
    if (!asked) {
        return 0;
    }
    unsigned long long address;
    Py_ssize_t size;
    Py_buffer list;
    if (!PyArg_ParseTuple(request, "Kny*p", &address, &size, &list, &covers)) {
        return -1;
    }
    arena = (uintptr_t)address;
    arena_size = (size_t)size;
    page = (size_t)sysconf(_SC_PAGESIZE);
    const uint64_t *numbers = list.buf;
    Py_ssize_t given = list.len / (Py_ssize_t)(2 * sizeof *numbers);
    size_t offset = 0;
    uintptr_t end = 0;
    int sound = given <= RANGES_MAX && arena % page == 0;
    for (Py_ssize_t i = 0; sound && i < given; i++) {
        ranges[i] = (range){(uintptr_t)numbers[2 * i], (size_t)numbers[2 * i + 1], offset, 0};
        sound = ranges[i].start >= end && ranges[i].start % page == 0 && ranges[i].size % page == 0 &&
                ranges[i].size <= arena_size - offset;
        offset += ranges[i].size;
        end = ranges[i].start + ranges[i].size;
    }
    PyBuffer_Release(&list);
    if (!sound) {
        arena = 0;
        PyErr_SetString(PyExc_ValueError, "ranges to stage must be whole pages, ascending, and fit into the arena");
        return -1;
    }
    count = (int)given;
    return 0;
}

/* Does a range reach into these bytes? */
static int meets(const range *r, const volatile void *place, size_t size)
{
    return r->start < (uintptr_t)place + size && (uintptr_t)place < r->start + r->size;
}

/* Is what this thread uses between the copies and their place in the child in it: the variables above, or its local
   storage, around the thread pointer (errno, the guard of its stack)? */
static int is_ours(const range *r)
{
    enum { BELOW = 16 << 10, ABOVE = 4 << 10 };
    return meets(r, (char *)pthread_self() - BELOW, BELOW + ABOVE) || meets(r, ranges, sizeof ranges) ||
           meets(r, holes, sizeof holes) || meets(r, &hole_count, sizeof hole_count) || meets(r, &count, sizeof count) ||
           meets(r, &arena, sizeof arena) || meets(r, &arena_size, sizeof arena_size) ||
           meets(r, (const volatile void *)&copied_bytes, sizeof copied_bytes) ||
           meets(r, &copying, sizeof copying) || meets(r, retreat, sizeof retreat) || meets(r, others, sizeof others);
}

/* Mark the ranges that are all plain private memory: read-write, of no file, not a stack of the kernel's making and not
   the mapping this thread runs on. Both lists ascend. */
static void look(void)
{
    fp_maps maps;
    if (fp_maps_open(&maps) < 0) {
        return;
    }
    fp_map map;
    uintptr_t here = (uintptr_t)&map, plain_from = 0, plain_to = 0;
    int at = 0;
    while (at < count && fp_maps_next(&maps, &map)) {
        int ours = map.start <= here && here < map.end;
        if (!map.writable || map.executable || !map.private || map.file || map.name == '[' || ours) {
            continue;
        }
        plain_from = map.start == plain_to ? plain_from : map.start;
        plain_to = map.end;
        for (; at < count && ranges[at].start + ranges[at].size <= plain_to; at++) {
            ranges[at].staged = ranges[at].start >= plain_from && !is_ours(&ranges[at]);
        }
    }
    fp_maps_close(&maps);
}

/* A fault of this thread while it copies ends that copy. One of another thread goes to whoever handled it before. */
static void fault(int signum, siginfo_t *info, void *context)
{
    if (copying == gettid()) {
        siglongjmp(retreat, 1);
    }
    const struct sigaction *other = &others[signum == faults[1]];
    if (other->sa_flags & SA_SIGINFO) {
        other->sa_sigaction(signum, info, context);
    }
    else if (other->sa_handler != SIG_DFL && other->sa_handler != SIG_IGN) {
        other->sa_handler(signum);
    }
    else {
        sigaction(signum, other, NULL); /* The instruction faults again. */
    }
}

/* All of a range but the holes in it, from the hole numbered `hole` on. Moves that on to where the next range may begin. */
static int copy(const range *r, int *hole)
{
    if (sigsetjmp(retreat, 0) != 0) {
        return 0;
    }
    uintptr_t at = r->start, end = r->start + r->size;
    while (*hole < hole_count && holes[*hole].end <= at) {
        ++*hole;
    }
    for (int i = *hole; at < end; i++) {
        uintptr_t until = i < hole_count && holes[i].start < end ? holes[i].start : end;
        if (until > at) {
            fp_stream_copy((void *)(arena + r->offset + (at - r->start)), (const void *)at, until - at);
            copied_bytes += until - at;
        }
        at = until < end ? holes[i].end : end;
    }
    return 1;
}

static int is_alone(void)
{
    struct stat tasks; /* a directory has as many links as it has subdirectories, and two */
    return stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink >= 3 &&
           (int)tasks.st_nlink - 3 <= fp_helpers_running();
}

/* Whether it could be: a piece of a mapping becomes one of its own, and a process may have so many at most. */
static int leave_out(uintptr_t start, size_t size)
{
    return madvise((void *)start, size, MADV_DONTFORK) == 0;
}

/* From here on forks have all of it again. Where there is no room to cut a mapping in two, the others make some. */
static void take_in(void)
{
    for (int failed = count + hole_count, before = failed + 1; 0 < failed && failed < before;) {
        before = failed;
        failed = 0;
        for (int i = 0; i < hole_count; i++) {
            failed += madvise((void *)holes[i].start, holes[i].end - holes[i].start, MADV_DOFORK) != 0;
        }
        for (int i = 0; i < count; i++) {
            failed += ranges[i].staged && madvise((void *)ranges[i].start, ranges[i].size, MADV_DOFORK) != 0;
        }
    }
}

/* Whether there was room to leave out what was copied. */
static int copy_all(void)
{
    int room = 1;
    look();
    sigset_t mask, before;
    sigemptyset(&mask);
    for (int i = 0; i < 2; i++) {
        struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
        sigaction(faults[i], &action, &others[i]);
        sigaddset(&mask, faults[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &mask, &before);
    copying = gettid();
    for (int i = 0, hole = 0; i < count; i++) {
        ranges[i].staged = room && ranges[i].staged && copy(&ranges[i], &hole);
        room = room && (!ranges[i].staged || leave_out(ranges[i].start, ranges[i].size));
    }
    copying = 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (int i = 0; i < 2; i++) {
        sigaction(faults[i], &others[i], NULL);
    }
    return room;
}

size_t forkpoint_staging_copy(void)
{
    hole_count = asked && is_alone() ? fp_heap_free(holes, HOLES_MAX) : -1;
    if (hole_count < 0 && !covers) {
        fp_heap_trim();
    }
    hole_count = hole_count < 0 ? 0 : hole_count;
    copied_bytes = 0;
    int room = arena == 0 || copy_all();
    for (int i = 0; room && i < hole_count; i++) {
        room = leave_out(holes[i].start, holes[i].end - holes[i].start);
    }
    if (!room) { /* Nor would the child have any: all of it is left to copy-on-write. */
        take_in();
        count = hole_count = 0;
    }
    return copied_bytes;
}

int forkpoint_staging_place(void)
{
    for (int i = 0; i < count; i++) {
        if (ranges[i].staged) {
            void *place = (void *)ranges[i].start;
            void *from = (void *)(arena + ranges[i].offset);
            if (mremap(from, 0, ranges[i].size, MREMAP_MAYMOVE | MREMAP_FIXED, place) != place) {
                return -1;
            }
        }
    }
    for (int i = 0; i < hole_count; i++) {
        void *place = (void *)holes[i].start;
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
        if (mmap(place, holes[i].end - holes[i].start, PROT_READ | PROT_WRITE, flags, -1, 0) != place) {
            return -1;
        }
    }
    return 0;
}

void forkpoint_staging_keep(void)
{
    take_in();
    arena = 0;
    count = hole_count = 0;
}

int fp_staging_in_hole(uintptr_t start, uintptr_t end)
{
    int low = 0, high = hole_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (holes[middle].end <= start) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low < hole_count && holes[low].start < end;
}

PyDoc_STRVAR(address_doc,
"buffer_address(buffer) -> int\n\nWhere the memory of an object with the buffer protocol begins.");

static PyObject *buffer_address(PyObject *Py_UNUSED(module), PyObject *arg)
{
    Py_buffer view;
    if (PyObject_GetBuffer(arg, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *address = PyLong_FromVoidPtr(view.buf);
    PyBuffer_Release(&view);
    return address;
}

PyDoc_STRVAR(is_staged_doc,
"is_staged(address) -> bool\n\n"
"Whether this process is a child that has a copy there, which the kernel calls shared, of what is plain private memory.");

static PyObject *is_staged(PyObject *Py_UNUSED(module), PyObject *arg)
{
    uintptr_t address = (uintptr_t)PyLong_AsUnsignedLongLong(arg);
    if (PyErr_Occurred()) {
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        if (ranges[i].staged && address - ranges[i].start < ranges[i].size) {
            Py_RETURN_TRUE;
        }
    }
    Py_RETURN_FALSE;
}

PyDoc_STRVAR(is_alone_doc,
"is_alone() -> bool\n\nWhether this process has no thread but this one and ours, which use no memory of the program's.");

static PyObject *py_is_alone(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(is_alone());
}

PyMethodDef forkpoint_staging_methods[] = {
    {"is_staged", is_staged, METH_O, is_staged_doc},
    {"is_alone", py_is_alone, METH_NOARGS, is_alone_doc},
    {"buffer_address", buffer_address, METH_O, address_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_staging_init(PyObject *module)
{
    return PyModule_AddIntConstant(module, "RANGES_MAX", RANGES_MAX);
}
