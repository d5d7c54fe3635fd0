#include "parts.h"

PyMethodDef forkpoint_frames_methods[] = {{NULL, NULL, 0, NULL}};

int forkpoint_frames_init(PyObject *module)
{
    (void)module;
    return 0;
}
