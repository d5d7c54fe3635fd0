/* What is mapped in this process, read with bare system calls: nothing is allocated, no lock is taken. */
#ifndef FORKPOINT_MAPS_H
#define FORKPOINT_MAPS_H

#include <stdint.h>

typedef struct {
    int fd;
    long filled, at;
    char buffer[4096];
} fp_maps;

typedef struct {
    uintptr_t start, end;
    int writable, executable, private, file; /* `file`: backed by one, or by shared memory */
    char name; /* the first character of what the kernel calls it ('/', '['), 0 for none; 'h' for the heap, 'a' for [anon */
} fp_map;

/* 0, or -1 where there is no /proc. Close the descriptor with a system call. */
int fp_maps_open(fp_maps *maps);

/* The next mapping, ascending; 0 at the end. */
int fp_maps_next(fp_maps *maps, fp_map *map);

void fp_maps_close(fp_maps *maps);

#endif
