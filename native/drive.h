/* Builtins whose C loops can be gone on with: what folds.c and sorts.c define, drivers.c puts in place and resume.c needs.

   A drive is one such call under way: the iterator it draws from, the function it asks about each item, and all that
   its C loop knows so far, in places that a capture can read. */
#ifndef FORKPOINT_DRIVE_H
#define FORKPOINT_DRIVE_H

#include "frames.h"

typedef struct fp_drive fp_drive;

/* What a loop is doing: another method of the item's may run just as well as the function or the iterator's. */
enum { FP_BUSY, FP_WAITING, FP_ASKING };

/* How a loop stands: an exception is set, it goes on, the iterator is exhausted, `result` is there, the function has to
   be asked about the item. */
enum { FP_FAILED = -1, FP_GO_ON, FP_END, FP_DONE, FP_ASK };

/* One kind of loop; each function says how it stands then. take() borrows the item, judge() the function's answer about
   `item`; ask() calls the function. finish() makes the result, or turns the drive into one of another kind.
   `bulk` takes all the iterator has at once, where CPython does so in a way that shows. Of what it does to its source,
   tell() makes a note before it is told, begin_again() does it again in the process that goes on, and abandon(), called
   with the exception set aside, undoes it when the loop fails. */
typedef struct {
    const char *name;
    int (*bulk)(fp_drive *);
    int (*take)(fp_drive *, PyObject *item);
    PyObject *(*ask)(fp_drive *);
    int (*judge)(fp_drive *, PyObject *answer);
    int (*finish)(fp_drive *);
    void (*tell)(fp_drive *);
    void (*begin_again)(fp_drive *);
    void (*abandon)(fp_drive *);
} fp_drive_kind;

struct fp_drive {
    fp_drive *older, *newer;
    fp_frame *caller;
    const fp_drive_kind *kind;
    const void *callable; /* only compared: the builtin that was called */
    PyObject *source;     /* owned: the iterable it was called with */
    int doing;            /* FP_BUSY, unless it waits for the iterator or the function */
    /* All owned, NULL where the kind has none; their meaning is the kind's. */
    PyObject *iterator, *function, *made, *item, *best, *extra, *result;
    long mode, whole;
    double sum, rest;
};

/* NULL-terminated. Defined in folds.c. */
extern const fp_drive_kind *const fp_drive_kinds[];
extern const fp_drive_kind fp_list_drive, fp_tuple_drive, fp_set_drive, fp_dict_drive, fp_join_drive, fp_sorted_drive,
    fp_keys_drive, fp_sort_drive, fp_sum_drive, fp_any_drive, fp_all_drive, fp_extreme_drive, fp_reduce_drive;

/* What kinds share: take all into the list `made`, or one; ask the function about the item; end with a result (stolen;
   NULL when making it failed) or with `made`. Defined in folds.c. */
extern int fp_extend(fp_drive *drive);
extern int fp_append(fp_drive *drive, PyObject *item);
extern PyObject *fp_ask_about_item(fp_drive *drive);
extern int fp_done(fp_drive *drive, PyObject *result);
extern int fp_give_made(fp_drive *drive);

/* Begin a drive of list.sort(): its items go over to `made`, and it is empty until the drive has ended. */
extern void fp_sort_empty(fp_drive *drive);

enum { FP_SUM_WHOLE, FP_SUM_FLOAT, FP_SUM_ANY };

/* Begin a drive of the calling frame. All but `kind` and `callable` are borrowed and may be NULL. NULL with an
   exception set. */
extern fp_drive *fp_drive_begin(const fp_drive_kind *kind, const void *callable, PyObject *source, PyObject *function,
                                PyObject *made, PyObject *extra);

/* Run it to its end, from the source's iterator if it has none yet, and let it go. New reference or NULL with an exception set. */
extern PyObject *fp_drive_run(fp_drive *drive);

/* Go on with a drive as `driving()` told it, after what it was waiting for has come back: `value` is borrowed, NULL
   for the end of the generator `feeder` or with an exception set. New reference or NULL. */
extern PyObject *fp_drive_go_on(PyObject *told, PyObject *feeder, PyObject *value);

/* Whether `told` is what driving() makes; if not, an exception is set. */
extern int fp_drive_is_told(PyObject *told);

/* The next item of `iterator`, where `feeder`, which it draws from at once, gives `value` (as above) this time. */
extern PyObject *fp_next_through(PyObject *iterator, PyObject *feeder, PyObject *value);

#endif
