/* What an import statement does when the module it runs raises. */
#ifndef FORKPOINT_IMPORTS_H
#define FORKPOINT_IMPORTS_H

/* Takes importlib's own frames out of the traceback of the exception that is set, as Python/import.c does
   (remove_importlib_frames): a program never sees them. */
extern void forkpoint_remove_importlib_frames(void);

#endif
