/* What the C library keeps of freed memory (heap.c). */
#ifndef FORKPOINT_HEAP_H
#define FORKPOINT_HEAP_H

#include <stdint.h>

typedef struct {
    uintptr_t start, end; /* whole pages */
} fp_span;

/* Memory that nothing is in: no more than `max` spans, ascending; -1 where the C library does not let itself be read.
   Only while no other thread runs. */
int fp_heap_free(fp_span *spans, int max);

/* Give it back to the kernel, where it is much. */
void fp_heap_trim(void);

#endif
