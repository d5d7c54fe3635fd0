/* Method tables only: puts the parts together into forkpoint._native. */
#include "parts.h"

PyObject *forkpoint_null;

static struct PyModuleDef native_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "forkpoint._native",
    .m_doc = "What only C can do for forkpoint: frames, forking, timers, graph filters.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *module = PyModule_Create(&native_module);
    if (module == NULL) {
        return NULL;
    }
    forkpoint_null = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (forkpoint_null == NULL || PyModule_AddObjectRef(module, "NULL", forkpoint_null) < 0) {
        goto fail;
    }
#define ADD_PART(name)                                                        \
    if (PyModule_AddFunctions(module, forkpoint_##name##_methods) < 0 ||      \
        forkpoint_##name##_init(module) < 0) {                                \
        goto fail;                                                            \
    }
    FORKPOINT_PARTS(ADD_PART)
#undef ADD_PART
    return module;
fail:
    Py_DECREF(module);
    return NULL;
}
