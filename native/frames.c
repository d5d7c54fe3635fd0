/* Reading interpreter frames and generators as values, and filling fresh ones with such values. */
#include "frames.h"

static PyObject *value_or_null(PyObject *value)
{
    return Py_NewRef(value != NULL ? value : forkpoint_null);
}

static PyObject *value_or_none(PyObject *value)
{
    return Py_NewRef(value != NULL ? value : Py_None);
}

/* The slots [0, count) as a new list. They must be live: locals, or value stack below pending operands. */
static PyObject *slots_as_list(fp_frame *frame, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    if (list == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyList_SET_ITEM(list, i, value_or_null(frame->localsplus[i]));
    }
    return list;
}

static PyObject *describe_frame(fp_frame *frame)
{
    PyCodeObject *code = fp_code(frame);
    PyObject *function = fp_function(frame);
    PyObject *generator = NULL;
    Py_ssize_t owners = 0;
    if (frame->owner == FRAME_OWNED_BY_GENERATOR) {
        generator = (PyObject *)_PyFrame_GetGenerator(frame);
        owners = Py_REFCNT(generator);
    }
    long position = fp_position(frame);
    int line = position < 0 ? code->co_firstlineno : PyCode_Addr2Line(code, (int)position * (int)sizeof(_Py_CODEUNIT));
    Py_ssize_t callee;
    PyObject *plan = forkpoint_restored_plan(frame, &callee);
    /* f_globals is not initialised in a frame without a function. */
    return Py_BuildValue("(nNNNNlliNnNn)", (Py_ssize_t)frame, Py_NewRef(code), value_or_none(function),
                         value_or_none(function != NULL ? frame->f_globals : NULL), value_or_none(frame->f_locals),
                         position, (long)line, fp_entered_through_c(frame), value_or_none(generator), owners,
                         value_or_none(plan), callee);
}

static PyObject *frames(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    for (fp_frame *frame = fp_current(PyThreadState_Get()); frame != NULL; frame = frame->previous) {
        if (fp_is_boundary(frame)) {
            continue;
        }
        PyObject *row = describe_frame(frame);
        if (row == NULL || PyList_Append(list, row) < 0) {
            Py_XDECREF(row);
            Py_DECREF(list);
            return NULL;
        }
        Py_DECREF(row);
    }
    return list;
}

static PyObject *frame_slots(PyObject *module, PyObject *args)
{
    (void)module;
    Py_ssize_t address, count;
    if (!PyArg_ParseTuple(args, "nn", &address, &count)) {
        return NULL;
    }
    return slots_as_list((fp_frame *)address, count);
}

static PyObject *frame_pointer(PyObject *module, PyObject *args)
{
    (void)module;
    Py_ssize_t address, slot;
    if (!PyArg_ParseTuple(args, "nn", &address, &slot)) {
        return NULL;
    }
    return PyLong_FromVoidPtr(((fp_frame *)address)->localsplus[slot]);
}

static PyObject *exception_chain(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    for (_PyErr_StackItem *item = PyThreadState_Get()->exc_info; item != NULL; item = item->previous_item) {
        PyObject *value = value_or_null(item->exc_value);
        int failed = PyList_Append(list, value);
        Py_DECREF(value);
        if (failed) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *caller_address(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    fp_frame *frame = fp_current(PyThreadState_Get())->previous;
    while (frame != NULL && fp_is_boundary(frame)) {
        frame = frame->previous;
    }
    return PyLong_FromVoidPtr(frame);
}

static PyObject *recursion_used(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyThreadState *ts = PyThreadState_Get();
    return PyLong_FromLong(fp_recursion_limit(ts) - *fp_recursion_remaining(ts) - FP_RECURSION_OF_BUILTIN);
}

int forkpoint_fill_frame(fp_frame *frame, PyObject *slots, long position)
{
    PyCodeObject *code = fp_code(frame);
    Py_ssize_t count = PyList_GET_SIZE(slots);
    if (count < code->co_nlocalsplus || count > code->co_nlocalsplus + code->co_stacksize || position < -1 ||
        position >= Py_SIZE(code)) {
        PyErr_Format(PyExc_SystemError, "the saved frame does not fit %U", code->co_qualname);
        return -1;
    }
    Py_ssize_t present = Py_MAX(frame->stacktop, code->co_nlocalsplus);
    /* Old values are dropped only once the frame is whole again: dropping may run any code. */
    PyObject *dropped = PyTuple_New(present);
    if (dropped == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < present; i++) {
        PyObject *old = frame->localsplus[i];
        PyTuple_SET_ITEM(dropped, i, old != NULL ? old : Py_NewRef(Py_None));
        frame->localsplus[i] = NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PyList_GET_ITEM(slots, i);
        frame->localsplus[i] = value == forkpoint_null ? NULL : Py_NewRef(value);
    }
    frame->stacktop = (int)count;
    fp_set_position(frame, position);
    Py_DECREF(dropped);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ generators */

static PyGenObject *as_generator(PyObject *object)
{
    if (!PyGen_CheckExact(object) && !PyCoro_CheckExact(object) && !PyAsyncGen_CheckExact(object)) {
        PyErr_Format(PyExc_TypeError, "expected a generator, coroutine or async generator, not %R",
                     (PyObject *)Py_TYPE(object));
        return NULL;
    }
    return (PyGenObject *)object;
}

static const char *state_name(int state)
{
    if (state == FP_GENERATOR_CREATED) {
        return "created";
    }
    if (state < FP_GENERATOR_RUNNING) {
        return "suspended";
    }
    return state < FP_GENERATOR_FINISHED ? "running" : "finished";
}

static PyObject *generator_read(PyObject *module, PyObject *object)
{
    (void)module;
    PyGenObject *generator = as_generator(object);
    if (generator == NULL) {
        return NULL;
    }
    int state = generator->gi_frame_state;
    fp_frame *frame = (fp_frame *)generator->gi_iframe;
    PyObject *code = (PyObject *)fp_generator_code(generator);
    int finished = state >= FP_GENERATOR_FINISHED;
    /* A running frame's slots may dangle: it travels with the stack it is part of, not with the generator. */
    int readable = state < FP_GENERATOR_RUNNING;
    PyObject *slots = readable ? slots_as_list(frame, frame->stacktop) : PyList_New(0);
    if (slots == NULL) {
        return NULL;
    }
    return Py_BuildValue("(sNNNliNOO)", state_name(state), value_or_none(finished ? NULL : fp_function(frame)),
                         value_or_none(code), slots, readable ? fp_position(frame) : -1L, state,
                         value_or_null(readable ? generator->gi_exc_state.exc_value : NULL), generator->gi_name,
                         generator->gi_qualname);
}

static PyObject *generator_fill(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *object, *slots, *exception, *name, *qualname;
    long position;
    int state;
    if (!PyArg_ParseTuple(args, "OO!liOUU", &object, &PyList_Type, &slots, &position, &state, &exception, &name,
                          &qualname)) {
        return NULL;
    }
    PyGenObject *generator = as_generator(object);
    if (generator == NULL) {
        return NULL;
    }
    if (generator->gi_frame_state != FP_GENERATOR_CREATED) {
        PyErr_SetString(PyExc_ValueError, "only a generator that has not started can be filled");
        return NULL;
    }
    Py_XSETREF(generator->gi_name, Py_NewRef(name));
    Py_XSETREF(generator->gi_qualname, Py_NewRef(qualname));
    if (state >= FP_GENERATOR_FINISHED) {
        if (PyAsyncGen_CheckExact(object)) {
            generator->gi_closed = 1;
            Py_RETURN_NONE;
        }
        return PyObject_CallMethod(object, "close", NULL);
    }
    if (state == FP_GENERATOR_RUNNING) {
        Py_RETURN_NONE;
    }
    if (forkpoint_fill_frame((fp_frame *)generator->gi_iframe, slots, position) < 0) {
        return NULL;
    }
    generator->gi_frame_state = (int8_t)state;
    Py_XSETREF(generator->gi_exc_state.exc_value, exception == forkpoint_null ? NULL : Py_NewRef(exception));
    Py_RETURN_NONE;
}

PyObject *forkpoint_call_with_placeholders(PyObject *function)
{
    if (!PyFunction_Check(function)) {
        PyErr_Format(PyExc_TypeError, "expected a function, not %R", (PyObject *)Py_TYPE(function));
        return NULL;
    }
    PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(function);
    PyObject *closure = PyFunction_GET_CLOSURE(function);
    if ((closure == NULL ? 0 : PyTuple_GET_SIZE(closure)) != code->co_nfreevars) {
        PyErr_Format(PyExc_SystemError, "the closure of %U does not fit its code", code->co_qualname);
        return NULL;
    }
    PyObject *result = NULL, *keywords = NULL;
    PyObject *positional = PyTuple_New(code->co_argcount);
    if (positional == NULL) {
        return NULL;
    }
    for (int i = 0; i < code->co_argcount; i++) {
        PyTuple_SET_ITEM(positional, i, Py_NewRef(Py_None));
    }
    keywords = PyDict_New();
    for (int i = 0; keywords != NULL && i < code->co_kwonlyargcount; i++) {
        PyObject *name = PyTuple_GET_ITEM(code->co_localsplusnames, code->co_argcount + i);
        if (PyDict_SetItem(keywords, name, Py_None) < 0) {
            Py_CLEAR(keywords);
        }
    }
    if (keywords != NULL) {
        result = PyObject_Call(function, positional, keywords);
    }
    Py_DECREF(positional);
    Py_XDECREF(keywords);
    return result;
}

static PyObject *generator_new(PyObject *module, PyObject *function)
{
    (void)module;
    const int generator_like = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR;
    if (PyFunction_Check(function) &&
        !(((PyCodeObject *)PyFunction_GET_CODE(function))->co_flags & generator_like)) {
        PyErr_SetString(PyExc_TypeError, "expected a generator function");
        return NULL;
    }
    return forkpoint_call_with_placeholders(function);
}

static PyObject *function_set_closure(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *function, *closure;
    if (!PyArg_ParseTuple(args, "O!O!", &PyFunction_Type, &function, &PyTuple_Type, &closure)) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(closure) != ((PyCodeObject *)PyFunction_GET_CODE(function))->co_nfreevars) {
        PyErr_SetString(PyExc_ValueError, "the closure does not fit the function's code");
        return NULL;
    }
    if (PyFunction_SetClosure(function, PyTuple_GET_SIZE(closure) ? closure : Py_None) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyMethodDef forkpoint_frames_methods[] = {
    {"frames", frames, METH_NOARGS,
     "This thread's frames, innermost first: (address, code, function, globals, locals, position, line,\n"
     "entered_through_c, generator, generator_owners, restored_plan, restored_callee)."},
    {"frame_slots", frame_slots, METH_VARARGS, "frame_slots(address, count): the first `count` slots, all live."},
    {"frame_pointer", frame_pointer, METH_VARARGS,
     "frame_pointer(address, slot): the raw pointer in a slot, never dereferenced; it may dangle."},
    {"exception_chain", exception_chain, METH_NOARGS,
     "The exceptions being handled, one per generator running and one for the rest, innermost first."},
    {"caller_address", caller_address, METH_NOARGS, "The address of the frame that called the running one, or 0."},
    {"recursion_used", recursion_used, METH_NOARGS, "How much of the recursion limit is used up here."},
    {"generator_read", generator_read, METH_O,
     "(state, function, code, slots, position, raw_state, exception, name, qualname) of a generator, coroutine or\n"
     "async generator. state: created, suspended, running (no slots), finished (no function)."},
    {"generator_fill", generator_fill, METH_VARARGS,
     "generator_fill(fresh, slots, position, raw_state, exception, name, qualname): make it the one that was read.\n"
     "A running one only gets its names: its frame comes back with the stack."},
    {"generator_new", generator_new, METH_O, "A generator of this function that has not started, arguments None."},
    {"function_set_closure", function_set_closure, METH_VARARGS, "function_set_closure(function, cells)."},
    {NULL, NULL, 0, NULL},
};

int forkpoint_frames_init(PyObject *module)
{
    (void)module;
    return 0;
}
