#include "parts.h"

PyMethodDef forkpoint_hashsecret_methods[] = {{NULL, NULL, 0, NULL}};

int forkpoint_hashsecret_init(PyObject *module)
{
    (void)module;
    return 0;
}
