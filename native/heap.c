/* What the C library keeps of freed memory goes back to the kernel before a fork.
 *
 * A program that frees and allocates the same tens of megabytes in every step (gradients, temporaries) writes to them
 * again right after the fork, while they are shared with the child: each page is copied, 2-3 us, though nobody needs
 * what was in it. Given back before, it is a fresh page of zeros, 1 us, and not in the child at all. Copied aside with all
 * else that is hot it costs half of that (staging.c), where there is room for it. */
#include "heap.h"

#include <malloc.h>

enum { FREE_BYTES_MIN = 8 << 20 }; /* Below, the page faults saved are worth less than looking. */

void forkpoint_heap_trim(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    if (mallinfo2().fordblks >= FREE_BYTES_MIN) {
        malloc_trim(0);
    }
#endif
}
