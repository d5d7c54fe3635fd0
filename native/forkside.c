#include "parts.h"

PyMethodDef forkpoint_forkside_methods[] = {{NULL, NULL, 0, NULL}};

int forkpoint_forkside_init(PyObject *module)
{
    (void)module;
    return 0;
}
