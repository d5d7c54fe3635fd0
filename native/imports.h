/* What holds while importlib works: its frames, and its locks. */
#ifndef FORKPOINT_IMPORTS_H
#define FORKPOINT_IMPORTS_H

/* Takes importlib's own frames out of the traceback of the exception that is set, as Python/import.c does
   (remove_importlib_frames): a program never sees them. */
extern void forkpoint_remove_importlib_frames(void);

/* Is importlib itself at work in this thread, maybe on a module's lock? Then nothing of ours may run, since it may import:
   acquire() of 3.11 is not made to be called within itself (gh-106176), and raises a KeyError or waits for ever. */
extern int forkpoint_is_importlib_at_work(void);

#endif
