/* Copying much memory past the caches: what is written is not read first, and what the program has in its caches stays.
 *
 * Two pages are copied side by side, so that two rows of memory are open: as glibc does beyond three quarters of the last
 * cache (large_memcpy in sysdeps/x86_64/multiarch/memmove-vec-unaligned-erms.S), while buffers of a few megabytes cost it
 * 1.4 times as much. One page at a time is slower than memcpy. */
#include "streaming.h"

#include <string.h>

#ifdef __SSE2__
#  include <emmintrin.h>

enum { PAGE = 4096, LINE = 64, AHEAD = 512 };

static inline void copy_line(char *to, const char *from)
{
    _mm_prefetch(from + AHEAD, _MM_HINT_T0);
    const __m128i *source = (const __m128i *)from;
    __m128i *target = (__m128i *)to;
    __m128i a = _mm_load_si128(source), b = _mm_load_si128(source + 1);
    __m128i c = _mm_load_si128(source + 2), d = _mm_load_si128(source + 3);
    _mm_stream_si128(target, a);
    _mm_stream_si128(target + 1, b);
    _mm_stream_si128(target + 2, c);
    _mm_stream_si128(target + 3, d);
}

void fp_stream_copy(void *to, const void *from, size_t size)
{
    char *target = to;
    const char *source = from;
    size_t done = 0;
    for (; done + 2 * PAGE <= size; done += 2 * PAGE) {
        for (size_t at = done; at < done + PAGE; at += LINE) {
            copy_line(target + at, source + at);
            copy_line(target + at + PAGE, source + at + PAGE);
        }
    }
    memcpy(target + done, source + done, size - done);
    _mm_sfence();
}
#else
void fp_stream_copy(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}
#endif
