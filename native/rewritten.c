/* Which memory the program has written since the fork, as the child sees it at its end.
 *
 * A page that both still have is mapped twice; once one of them has written to it each has its own, and
 * /proc/self/pagemap says so (bit 56, "page exclusively mapped": Documentation/admin-guide/mm/pagemap.rst, since Linux
 * 4.2, without privileges). The child writes, too, but hardly anywhere in a row: in a child that saved 131 MB of tensors
 * such pages were 56 MB, of which 15 in blocks of 64 KiB that are all so. Being wrong costs a copy, nothing else. What was
 * freed memory in the program the child got empty: what is in it, the child wrote.
 *
 * A mapping larger than the machine's memory is room that somebody reserved (a sanitizer's shadow, a runtime's heap): of
 * its pages hardly any are there, and asking about those of a terabyte takes seconds. It is left to copy-on-write. */
#include "maps.h"
#include "parts.h"
#include "staging.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCK_BYTES = 64 << 10, READ_PAGES = 8192, RUNS_MAX = 65536, INHERITED_MAX = 16384 };

#define EXCLUSIVE (UINT64_C(1) << 56)
#define PRESENT (UINT64_C(1) << 63)

static uint64_t entries[READ_PAGES];

/* Private memory that was there when the child began; what it maps itself is nothing of the program's. */
static struct {
    uintptr_t start, end;
} inherited[INHERITED_MAX];
static int inherited_count;

typedef struct {
    PyObject *list;
    uintptr_t start, end; /* the run that is growing */
} runs;

static int finish(runs *found)
{
    if (found->end == found->start || PyList_GET_SIZE(found->list) == RUNS_MAX) {
        return 0;
    }
    PyObject *run = Py_BuildValue("KK", (unsigned long long)found->start, (unsigned long long)(found->end - found->start));
    int status = run == NULL ? -1 : PyList_Append(found->list, run);
    Py_XDECREF(run);
    return status;
}

static int add(runs *found, uintptr_t block)
{
    if (block == found->end) {
        found->end += BLOCK_BYTES;
        return 0;
    }
    int status = finish(found);
    found->start = block;
    found->end = block + BLOCK_BYTES;
    return status;
}

static int look(runs *found, int pagemap, uintptr_t start, uintptr_t end, uintptr_t page)
{
    uintptr_t first = (start + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES, last = end / BLOCK_BYTES * BLOCK_BYTES;
    size_t pages_of_block = BLOCK_BYTES / page;
    for (uintptr_t at = first; at < last;) {
        size_t wanted = (last - at) / page < READ_PAGES ? (last - at) / page : READ_PAGES;
        ssize_t got = pread(pagemap, entries, wanted * sizeof *entries, (off_t)(at / page * sizeof *entries));
        if (got < (ssize_t)(wanted * sizeof *entries)) {
            return 0;
        }
        for (size_t i = 0; i < wanted; i += pages_of_block) {
            uint64_t all = EXCLUSIVE | PRESENT;
            for (size_t k = i; k < i + pages_of_block; k++) {
                all &= entries[k];
            }
            uintptr_t block = at + i * page;
            int written = all == (EXCLUSIVE | PRESENT) && !fp_staging_in_hole(block, block + BLOCK_BYTES);
            if (written && add(found, block) < 0) {
                return -1;
            }
        }
        at += wanted * page;
    }
    return 0;
}

PyDoc_STRVAR(rewritten_begin_doc,
"rewritten_begin()\n\nIn a forked child, at its beginning: what it has of the program's memory is all that is looked at later.");

static PyObject *rewritten_begin(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    fp_maps maps;
    fp_map map;
    uintptr_t memory = (uintptr_t)sysconf(_SC_PHYS_PAGES) * (uintptr_t)sysconf(_SC_PAGESIZE);
    inherited_count = 0;
    if (fp_maps_open(&maps) == 0) {
        while (inherited_count < INHERITED_MAX && fp_maps_next(&maps, &map)) {
            if (map.writable && map.private && !map.executable && !map.file && map.name != '[' && map.end - map.start <= memory) {
                inherited[inherited_count].start = map.start;
                inherited[inherited_count++].end = map.end;
            }
        }
        fp_maps_close(&maps);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(rewritten_runs_doc,
"rewritten_runs() -> list[(address, bytes)]\n\n"
"In that child: runs of blocks of private memory that it no longer shares with its parent, ascending. Whole blocks of\n"
"64 KiB only. Empty where the kernel does not tell.");

static PyObject *rewritten_runs(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    runs found = {.list = PyList_New(0)};
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int status = found.list == NULL ? -1 : 0;
    for (int i = 0; status == 0 && pagemap >= 0 && page <= BLOCK_BYTES && i < inherited_count; i++) {
        status = look(&found, pagemap, inherited[i].start, inherited[i].end, page);
    }
    if (pagemap >= 0) {
        close(pagemap);
    }
    if (status < 0 || finish(&found) < 0) {
        Py_CLEAR(found.list);
    }
    return found.list;
}

PyDoc_STRVAR(sample_doc,
"sample(address) -> int | None\n\nA number made of one cache line of each page of the block of 64 KiB there. None where it\n"
"is not all mapped any more: the child's malloc gives back what ends its heap.");

static PyObject *sample(PyObject *Py_UNUSED(module), PyObject *arg)
{
    uintptr_t address = (uintptr_t)PyLong_AsUnsignedLongLong(arg);
    if (PyErr_Occurred()) {
        return NULL;
    }
    unsigned char resident[BLOCK_BYTES / 4096];
    if (mincore((void *)address, BLOCK_BYTES, resident) < 0) {
        Py_RETURN_NONE;
    }
    uint64_t digest = 0;
    for (uintptr_t page = address; page < address + BLOCK_BYTES; page += 4096) {
        const uint64_t *line = (const uint64_t *)(page + page / 4096 * 64 % 4096);
        for (int i = 0; i < 8; i++) {
            digest = (digest ^ line[i]) * UINT64_C(0x9E3779B97F4A7C15);
            digest ^= digest >> 29;
        }
    }
    return PyLong_FromUnsignedLongLong(digest);
}

PyMethodDef forkpoint_rewritten_methods[] = {
    {"rewritten_begin", rewritten_begin, METH_NOARGS, rewritten_begin_doc},
    {"rewritten_runs", rewritten_runs, METH_NOARGS, rewritten_runs_doc},
    {"sample", sample, METH_O, sample_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_rewritten_init(PyObject *module)
{
    return PyModule_AddIntConstant(module, "BLOCK_BYTES", BLOCK_BYTES);
}
