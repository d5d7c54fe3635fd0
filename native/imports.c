/* See imports.h. */
#include "compat.h"
#include "imports.h"

static int is_named(PyObject *text, const char *name)
{
    return PyUnicode_Check(text) && PyUnicode_CompareWithASCIIString(text, name) == 0;
}

static PyCodeObject *code_of(PyTracebackObject *entry)
{
    PyCodeObject *code = PyFrame_GetCode(entry->tb_frame);
    Py_DECREF(code); /* the frame holds it */
    return code;
}

static int is_importlibs(PyCodeObject *code)
{
    return is_named(code->co_filename, "<frozen importlib._bootstrap>") ||
           is_named(code->co_filename, "<frozen importlib._bootstrap_external>");
}

/* Only whole chunks of importlib's frames, and of those only what leads to the module's code: for an ImportError, which
   importlib itself raises, everything. */
static void remove_frames(PyTracebackObject **first, int always)
{
    PyTracebackObject **previous = first, **outer = NULL;
    int within = 0;
    while (*previous != NULL) {
        PyTracebackObject *entry = *previous;
        PyCodeObject *code = code_of(entry);
        int now_within = is_importlibs(code);
        if (!within && now_within) {
            outer = previous;
        }
        within = now_within;
        if (within && (always || is_named(code->co_name, "_call_with_frames_removed"))) {
            PyTracebackObject *rest = (PyTracebackObject *)Py_XNewRef((PyObject *)entry->tb_next);
            PyTracebackObject *removed = *outer;
            *outer = rest;
            Py_DECREF(removed);
            previous = outer;
        } else {
            previous = &entry->tb_next;
        }
    }
}

void forkpoint_remove_importlib_frames(void)
{
    PyObject *type, *raised, *traceback;
    PyErr_Fetch(&type, &raised, &traceback);
    remove_frames((PyTracebackObject **)&traceback, PyErr_GivenExceptionMatches(type, PyExc_ImportError));
    PyErr_Restore(type, raised, traceback);
}

int forkpoint_is_importlib_at_work(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL) {
        return 0;
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    Py_DECREF(code);
    return is_named(code->co_filename, "<frozen importlib._bootstrap>");
}
