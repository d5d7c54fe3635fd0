/* What the C library keeps of freed memory: no child needs it.
 *
 * A program that frees and allocates the same tens of megabytes in every step (gradients, temporaries) writes to them
 * again right after the fork. While they are shared with the child each page is copied then, 2-3 us, though nobody needs
 * what was in it. So they are left out of the fork (staging.c). Where they cannot be found, or where another thread may be
 * allocating meanwhile, they are given back to the kernel before it: fresh pages of zeros, 1 us each, not in the child.
 *
 * They are found in glibc's own lists of free chunks (malloc/malloc.c: `malloc_chunk`, `malloc_state`, laid out like this
 * since 2.3). Where its main arena lies is not told, but a chunk that was just freed is the first in the list of unsorted
 * chunks, and before it comes the list's head, inside the arena. Only what is in these lists is free: what looks like a
 * free chunk may be old bytes within a block in use. All that is read must fit together (addresses within the heap, links
 * both ways, sizes said twice), or nothing is taken to be free. */
#include "heap.h"

#include "maps.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
enum {
    TRIM_BYTES_MIN = 8 << 20, /* Below, the page faults saved are worth less than looking. */
    TRIM_PAUSE = 16,          /* So many forks go without, where looking at millions of small chunks gave nothing back. */
};

void fp_heap_trim(void)
{
    static int pause;
    if (pause > 0) {
        pause--;
    }
    else if (mallinfo2().fordblks >= TRIM_BYTES_MIN && !malloc_trim(0)) {
        pause = TRIM_PAUSE;
    }
}
#else
void fp_heap_trim(void)
{
}
#endif

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)

enum {
    IN_USE = 1,  /* the chunk before this one is */
    FLAGS = 7,
    SPAN_BYTES_MIN = 64 << 10, /* Less is not worth two system calls and a mapping. */
    CHUNKS_MAX = 4096,         /* So many are looked at in one list; the rest is taken to be in use. */
    PROBE_BYTES = 2000,        /* Beyond what is cached for each thread and is in no list. */
    LARGE_BINS = 121,          /* From this bin on chunks are of SPAN_BYTES_MIN and more (largebin_index_64). */
    BINS = 127,
};

typedef struct chunk {
    size_t size_before, size; /* the lower bits of `size` are flags; `size_before` is the chunk's before where that is free */
    struct chunk *next, *last;
} chunk;

/* The arena from its `top` on, the chunk that ends the heap. After the next word come the bins, two links each. A list
   ends in its bin, seen as a chunk that has the links where any has them: the first, of unsorted chunks, as one at `top`. */
typedef struct {
    chunk *top;
} arena;

typedef struct {
    uintptr_t start, end;
    const arena *arena;
} heap;

static int is_chunk(const heap *it, const volatile chunk *one)
{
    uintptr_t at = (uintptr_t)one;
    return at >= it->start && at % (2 * sizeof(size_t)) == 0 && at + sizeof(chunk) <= it->end &&
           (one->size & ~(size_t)FLAGS) <= it->end - at;
}

static const volatile chunk *after(const volatile chunk *one)
{
    return (const volatile chunk *)((uintptr_t)one + (one->size & ~(size_t)FLAGS));
}

/* A free chunk of a list: what comes after it says so, and how large it is. */
static int is_free(const heap *it, const volatile chunk *one)
{
    size_t size = is_chunk(it, one) ? one->size & ~(size_t)FLAGS : 0;
    return size >= sizeof(chunk) && is_chunk(it, after(one)) && (after(one)->size & IN_USE) == 0 &&
           after(one)->size_before == size;
}

/* What the heap ends with: of the main arena, after a chunk in use, up to where the program's memory ends. */
static int is_last(const heap *it, const chunk *top)
{
    return is_chunk(it, top) && (top->size & FLAGS) == IN_USE && (uintptr_t)after(top) == it->end;
}

/* Where the heap begins, which never changes: the kernel names it. 0 where there is none. */
static uintptr_t heap_start(void)
{
    fp_maps maps;
    fp_map map = {.name = 0};
    if (fp_maps_open(&maps) < 0) {
        return 0;
    }
    while (map.name != 'h' && fp_maps_next(&maps, &map)) {
    }
    fp_maps_close(&maps);
    return map.name == 'h' ? map.start : 0;
}

/* Whether an address is inside the library that malloc is from. */
static int is_in_library(const void *address)
{
    Dl_info library, of_malloc;
    return dladdr(address, &library) && dladdr((void *)(uintptr_t)malloc_usable_size, &of_malloc) &&
           library.dli_fbase == of_malloc.dli_fbase;
}

/* The arena, from a chunk that is freed for it: the first of its list, so that the list's head is before it. Another
   allocator, or one that has merged the chunk with a neighbour, leaves no such links in it. */
static const arena *find_arena(const heap *it)
{
    size_t *probe = calloc(1, PROBE_BYTES);
    /* Beside it, so that it does not become one with what was never allocated; volatile, or the compiler leaves it out. */
    void *volatile neighbour = malloc(PROBE_BYTES);
    volatile uintptr_t at = (uintptr_t)probe - offsetof(chunk, next); /* It is read once it is freed. */
    free(probe);
    const volatile chunk *one = (const volatile chunk *)at, *head = NULL;
    if (probe != NULL && is_free(it, one) && is_in_library(one->last) && one->last->next == one) {
        head = one->last;
    }
    free(neighbour);
    return (const arena *)(uintptr_t)head;
}

/* The whole pages between two addresses, in their place among the others. Nothing may be allocated here, so no qsort(). */
static int add(fp_span *spans, int count, int max, uintptr_t start, uintptr_t end)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    start = (start + page - 1) / page * page;
    end = end / page * page;
    if (count == max || end < start + SPAN_BYTES_MIN) {
        return count;
    }
    int at = count;
    for (; at > 0 && spans[at - 1].start > start; at--) {
        spans[at] = spans[at - 1];
    }
    spans[at] = (fp_span){start, end};
    return count + 1;
}

/* The free chunks of one list. Their first words are links and sizes, all else is nobody's. */
static int look(const heap *it, int bin, fp_span *spans, int count, int max)
{
    const volatile chunk *head = (const volatile chunk *)(&it->arena->top + 2 * (bin - 1)), *before = head;
    for (int i = 0; i < CHUNKS_MAX; i++) {
        const volatile chunk *one = before->next;
        if (one == head || count == max) {
            return count;
        }
        if (!is_free(it, one) || one->last != before) {
            return -1;
        }
        count = add(spans, count, max, (uintptr_t)one + sizeof(chunk) + 2 * sizeof(chunk *), (uintptr_t)after(one));
        before = one;
    }
    return count;
}

int fp_heap_free(fp_span *spans, int max)
{
    static heap it; /* found once */
    static int tries = 8;
    if (it.arena == NULL && tries > 0) {
        tries--;
        it.start = heap_start();
        it.end = (uintptr_t)sbrk(0);
        it.arena = it.start != 0 ? find_arena(&it) : NULL;
    }
    it.end = (uintptr_t)sbrk(0);
    const chunk *top = it.arena != NULL ? it.arena->top : NULL;
    if (top == NULL || !is_last(&it, top)) {
        return -1;
    }
    int count = add(spans, 0, max, (uintptr_t)top + sizeof(chunk), (uintptr_t)after(top));
    for (int bin = BINS - 1; count >= 0 && bin >= LARGE_BINS; bin--) { /* the largest first: `max` may not be all */
        count = look(&it, bin, spans, count, max);
    }
    return count < 0 ? count : look(&it, 1, spans, count, max);
}

#else

int fp_heap_free(fp_span *spans, int max)
{
    (void)spans;
    (void)max;
    return -1;
}

#endif
