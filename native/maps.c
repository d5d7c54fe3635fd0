/* What is mapped in this process (maps.h). The lines read are those of proc_pid_maps(5):
   start-end perms offset major:minor inode path. */
#include "maps.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int next_char(fp_maps *maps)
{
    if (maps->at == maps->filled) {
        maps->filled = syscall(SYS_read, maps->fd, maps->buffer, sizeof maps->buffer);
        maps->at = 0;
        if (maps->filled <= 0) {
            maps->filled = 0;
            return -1;
        }
    }
    return maps->buffer[maps->at++];
}

/* A hexadecimal number and the character after it, which is returned. */
static int next_number(fp_maps *maps, uintptr_t *number)
{
    *number = 0;
    for (;;) {
        int c = next_char(maps);
        if (c >= '0' && c <= '9') {
            *number = *number * 16 + (uintptr_t)(c - '0');
        }
        else if (c >= 'a' && c <= 'f') {
            *number = *number * 16 + (uintptr_t)(c - 'a' + 10);
        }
        else {
            return c;
        }
    }
}

int fp_maps_open(fp_maps *maps)
{
    maps->filled = maps->at = 0;
    maps->fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    return maps->fd < 0 ? -1 : 0;
}

int fp_maps_next(fp_maps *maps, fp_map *map)
{
    if (next_number(maps, &map->start) != '-' || next_number(maps, &map->end) != ' ') {
        return 0;
    }
    next_char(maps);
    map->writable = next_char(maps) == 'w';
    map->executable = next_char(maps) == 'x';
    map->private = next_char(maps) == 'p';
    next_char(maps);
    uintptr_t skipped, inode;
    next_number(maps, &skipped); /* offset */
    next_number(maps, &skipped); /* major */
    next_number(maps, &skipped); /* minor */
    int c = next_number(maps, &inode); /* Its digits are decimal; only zero matters. */
    map->file = inode != 0;
    while (c == ' ') {
        c = next_char(maps);
    }
    map->name = c == '\n' || c < 0 ? 0 : (char)c;
    if (c == '[') {
        c = next_char(maps);
        map->name = c == 'h' || c == 'a' ? (char)c : '[';
    }
    while (c >= 0 && c != '\n') {
        c = next_char(maps);
    }
    return 1;
}

void fp_maps_close(fp_maps *maps)
{
    syscall(SYS_close, maps->fd);
}
