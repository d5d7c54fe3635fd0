/* Give back to the kernel what the C library keeps of freed memory, where that is much (heap.c). */
#ifndef FORKPOINT_HEAP_H
#define FORKPOINT_HEAP_H

void forkpoint_heap_trim(void);

#endif
