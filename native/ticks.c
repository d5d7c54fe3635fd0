#include "parts.h"

PyMethodDef forkpoint_ticks_methods[] = {{NULL, NULL, 0, NULL}};

int forkpoint_ticks_init(PyObject *module)
{
    (void)module;
    return 0;
}
