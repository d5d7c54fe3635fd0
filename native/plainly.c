/* Our Python code that runs in the program's place is evaluated by CPython itself.

   A program may have a frame evaluation function (PEP 523): torch.compile has one, and would compile what runs in the
   calls it is at work on, be it ours, for seconds. While one of our callbacks runs in a thread, that thread's frames
   pass it by; those of all other threads do not. All of this is called with the GIL held. */
#include "parts.h"

static struct {
    _PyFrameEvalFunction beneath; /* the program's, while any of our callbacks runs; or NULL */
    int running;
} plain;

static _Thread_local int ours;

static PyObject *evaluate(PyThreadState *tstate, struct _PyInterpreterFrame *frame, int throwflag)
{
    /* Nothing is beneath when somebody took us for the program's and put us back when we had long gone. */
    _PyFrameEvalFunction next = ours || plain.beneath == NULL ? _PyEval_EvalFrameDefault : plain.beneath;
    return next(tstate, frame, throwflag);
}

PyObject *forkpoint_call_plainly(PyObject *callable, PyObject *const *args, size_t count)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    _PyFrameEvalFunction current = _PyInterpreterState_GetEvalFrameFunc(interp);
    if (plain.running++ == 0 && current != _PyEval_EvalFrameDefault && current != evaluate) {
        plain.beneath = current;
        _PyInterpreterState_SetEvalFrameFunc(interp, evaluate);
    }
    ours++;
    PyObject *result = PyObject_Vectorcall(callable, args, count, NULL);
    ours--;
    if (--plain.running == 0 && plain.beneath != NULL) {
        if (_PyInterpreterState_GetEvalFrameFunc(interp) == evaluate) {
            _PyInterpreterState_SetEvalFrameFunc(interp, plain.beneath);
        }
        plain.beneath = NULL;
    }
    return result;
}

/* 3.11 runs no pending call inside another, and traced code comes back to the same RESUME for as long as one waits
   (DO_TRACING in Python/ceval.c): were our callback traced, a call that any thread queues meanwhile would hold the
   program there for ever. What the callback itself does to the tracing of its thread counts afterwards. */
PyObject *forkpoint_call_queued(PyObject *callable, PyObject *const *args, size_t count)
{
#if !FORKPOINT_HAS_MONITORING
    PyThreadState *ts = PyThreadState_Get();
    PyThreadState_EnterTracing(ts);
    PyObject *result = forkpoint_call_plainly(callable, args, count);
    PyThreadState_LeaveTracing(ts);
    return result;
#else
    return forkpoint_call_plainly(callable, args, count);
#endif
}

static PyObject *call(PyObject *callable, PyObject *const *args, Py_ssize_t count)
{
    return forkpoint_call_plainly(callable, args, (size_t)count);
}

static PyMethodDef plainly_call = {"plainly", (PyCFunction)(void (*)(void))call, METH_FASTCALL, NULL};

static PyObject *plainly(PyObject *module, PyObject *callable)
{
    (void)module;
    return PyCFunction_New(&plainly_call, callable);
}

PyMethodDef forkpoint_plainly_methods[] = {
    {"plainly", plainly, METH_O, "plainly(callback): the same, for what calls it in the program's place by itself."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_plainly_init(PyObject *module)
{
    (void)module;
    return 0;
}
