/* What forkpoint knows of CPython 3.11's interpreter frames; frames_3NN.h all define the same functions.

   Mirrored: struct _PyInterpreterFrame
     https://github.com/python/cpython/blob/v3.11.7/Include/internal/pycore_frame.h#L47
   Mirrored: PyGenObject
     https://github.com/python/cpython/blob/v3.11.7/Include/cpython/genobject.h#L14
   Mirrored: PyThreadState (current frame, recursion accounting)
     https://github.com/python/cpython/blob/v3.11.7/Include/cpython/pystate.h#L82
   How the position moves: prev_instr is the unit before the next instruction
     https://github.com/python/cpython/blob/v3.11.7/Python/ceval.c#L1580 */
#ifndef FORKPOINT_FRAMES_311_H
#define FORKPOINT_FRAMES_311_H

#include <internal/pycore_ceval.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_pystate.h>

typedef _PyInterpreterFrame fp_frame;

/* gi_frame_state of a generator suspended at a plain `yield`, and of one whose frame is gone (from here on up). */
#define FP_GENERATOR_CREATED FRAME_CREATED
#define FP_GENERATOR_RUNNING FRAME_EXECUTING
#define FP_GENERATOR_FINISHED FRAME_COMPLETED

/* Borrowed. The frame running in this thread; never NULL while Python code calls us. */
static inline fp_frame *fp_current(PyThreadState *ts)
{
    return ts->cframe->current_frame;
}

static inline void fp_set_current(PyThreadState *ts, fp_frame *frame)
{
    ts->cframe->current_frame = frame;
}

/* Borrowed. */
static inline PyCodeObject *fp_code(fp_frame *frame)
{
    return frame->f_code;
}

/* Borrowed; NULL for a frame without a function of its own (none on 3.11). */
static inline PyObject *fp_function(fp_frame *frame)
{
    return (PyObject *)frame->f_func;
}

/* The code unit the instruction pointer stands on. */
static inline long fp_position(fp_frame *frame)
{
    return (long)(frame->prev_instr - _PyCode_CODE(fp_code(frame)));
}

static inline void fp_set_position(fp_frame *frame, long position)
{
    frame->prev_instr = _PyCode_CODE(fp_code(frame)) + position;
}

/* Let the evaluation loop begin with the instruction at code unit `next`. */
static inline void fp_set_next(fp_frame *frame, long next)
{
    fp_set_position(frame, next - 1);
}

/* A frame that stands for the C stack and runs no Python code. */
static inline int fp_is_boundary(fp_frame *frame)
{
    (void)frame;
    return 0; /* 3.11 links Python frames only */
}

/* Whether C code, not the caller's evaluation loop, started this frame. */
static inline int fp_entered_through_c(fp_frame *frame)
{
    return frame->is_entry;
}

/* Put `frame` below `previous` as the one running now, as if C code had called it. */
static inline void fp_link(PyThreadState *ts, fp_frame *frame, fp_frame *previous)
{
    frame->previous = previous;
    frame->is_entry = true;
    fp_set_current(ts, frame);
}

/* What a built-in function finds used up by its own call: C calls count on 3.11.
     https://github.com/python/cpython/blob/v3.11.7/Objects/methodobject.c#L427 */
#define FP_RECURSION_OF_BUILTIN 1

/* How many Python calls are still allowed (may be negative while an overflow is handled), and the limit. */
static inline int *fp_recursion_remaining(PyThreadState *ts)
{
    return &ts->recursion_remaining;
}

static inline int fp_recursion_limit(PyThreadState *ts)
{
    return ts->recursion_limit;
}

/* Borrowed; the code of a generator-like object, also of a finished one. NULL when it is not known any more. */
static inline PyCodeObject *fp_generator_code(PyGenObject *generator)
{
    return generator->gi_code;
}

/* Queue a call for the main thread; from any thread, without the GIL. 0, or -1 when the queue is full.
   Py_AddPendingCall of 3.11 looks at another thread's state, which may just be going away. And from another thread
   the call alone does not make the main thread look: whether it has to is worked out for the calling thread
   (COMPUTE_EVAL_BREAKER), so a loop that never gives up the GIL would not notice. The main thread may have run the call
   by the time it is told to look: then it must find that there is something to do, or it would look for ever
   (eval_frame_handle_pending works out anew whether it has to only where it did something), and traced code would
   not get on (plainly.c).
     https://github.com/python/cpython/blob/v3.11.7/Python/ceval.c#L160 */
static inline int fp_add_pending_call(int (*function)(void *), void *argument)
{
    PyInterpreterState *interpreter = PyInterpreterState_Main();
    int status = _PyEval_AddPendingCall(interpreter, function, argument);
    _Py_atomic_store(&interpreter->ceval.eval_breaker, 1);
    _Py_atomic_store(&interpreter->ceval.pending.calls_to_do, 1);
    return status;
}

#endif
