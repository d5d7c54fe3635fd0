/* The secret this interpreter hashes strings with, so that a restored one can be given the same. */
#include "parts.h"

PyDoc_STRVAR(hash_secret_doc,
"hash_secret() -> bytes\n\n"
"The 24 bytes CPython drew at its start (Python/bootstrap_hash.c), or derived from PYTHONHASHSEED.");

static PyObject *hash_secret(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    (void)module;
    return PyBytes_FromStringAndSize((const char *)_Py_HashSecret.uc, sizeof _Py_HashSecret.uc);
}

PyMethodDef forkpoint_hashsecret_methods[] = {
    {"hash_secret", hash_secret, METH_NOARGS, hash_secret_doc},
    {NULL, NULL, 0, NULL},
};

int forkpoint_hashsecret_init(PyObject *module)
{
    (void)module;
    return 0;
}
