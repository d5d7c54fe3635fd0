/* Content-defined boundaries for streams of small objects: where a chunk ends depends only on the bytes just before. */
#include "parts.h"

static uint64_t gear[256];

/* SplitMix64 (Vigna): a fixed, documented table, so that boundaries are the same in every process and release. */
static void gear_fill(void)
{
    uint64_t state = 0x666f726b706f696eULL; /* "forkpoin" */
    for (int i = 0; i < 256; i++) {
        uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        gear[i] = z ^ (z >> 31);
    }
}

/* chunk_cut(data, start, minimum, mask, maximum) -> length of the chunk that begins at start.
   0 when data ends before a boundary is found and before `maximum`: more data may move the boundary. */
static PyObject *chunk_cut(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer view;
    Py_ssize_t start, minimum, maximum;
    unsigned long long mask;
    if (!PyArg_ParseTuple(args, "y*nnKn", &view, &start, &minimum, &mask, &maximum)) {
        return NULL;
    }
    const unsigned char *bytes = view.buf;
    Py_ssize_t end = view.len;
    Py_ssize_t result = 0;
    if (end - start >= maximum) {
        end = start + maximum;
        result = maximum;
    }
    uint64_t hash = 0;
    /* The hash forgets bytes older than 64: warm it up just below the minimum. */
    for (Py_ssize_t i = start + (minimum > 64 ? minimum - 64 : 0); i < end; i++) {
        hash = (hash << 1) + gear[bytes[i]];
        if ((hash & mask) == 0 && i + 1 - start >= minimum) {
            result = i + 1 - start;
            break;
        }
    }
    PyBuffer_Release(&view);
    return PyLong_FromSsize_t(result);
}

PyMethodDef forkpoint_chunking_methods[] = {
    {"chunk_cut", chunk_cut, METH_VARARGS,
     "chunk_cut(data, start, minimum, mask, maximum) -> length of the next chunk, 0 if more data is needed"},
    {NULL, NULL, 0, NULL},
};

int forkpoint_chunking_init(PyObject *Py_UNUSED(module))
{
    gear_fill();
    return 0;
}
