/* Copying much memory past the caches. */
#ifndef FORKPOINT_STREAMING_H
#define FORKPOINT_STREAMING_H

#include <stddef.h>

/* As memcpy; whole pages, which do not overlap. */
void fp_stream_copy(void *to, const void *from, size_t size);

#endif
