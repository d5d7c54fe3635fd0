#include "parts.h"

PyMethodDef forkpoint_graph_methods[] = {{NULL, NULL, 0, NULL}};

int forkpoint_graph_init(PyObject *module)
{
    (void)module;
    return 0;
}
