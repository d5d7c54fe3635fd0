/* A set of addresses: open addressing, no references held. */
#ifndef FORKPOINT_ADDRESSES_H
#define FORKPOINT_ADDRESSES_H

#include "compat.h"

typedef struct {
    uintptr_t *table; /* 0 is empty; owned */
    size_t mask;
    size_t used;
} AddressSet;

/* 0, or -1 with MemoryError set. */
extern int forkpoint_addresses_init(AddressSet *set);

extern void forkpoint_addresses_free(AddressSet *set);

/* 1 when the address was not there before, 0 when it was, -1 with MemoryError set. The address is not 0. */
extern int forkpoint_addresses_add(AddressSet *set, uintptr_t address);

static inline size_t forkpoint_addresses_slot(const AddressSet *set, uintptr_t address)
{
    size_t i = (size_t)((address >> 4) * 0x9e3779b97f4a7c15ULL >> 20) & set->mask;
    while (set->table[i] != 0 && set->table[i] != address) {
        i = (i + 1) & set->mask;
    }
    return i;
}

static inline int forkpoint_addresses_has(const AddressSet *set, uintptr_t address)
{
    return set->table[forkpoint_addresses_slot(set, address)] != 0;
}

#endif
