/* See addresses.h. */
#include "addresses.h"

enum { SLOTS_MIN = 512 };

int forkpoint_addresses_init(AddressSet *set)
{
    set->mask = SLOTS_MIN - 1;
    set->used = 0;
    set->table = PyMem_Calloc(SLOTS_MIN, sizeof(uintptr_t));
    if (set->table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

void forkpoint_addresses_free(AddressSet *set)
{
    PyMem_Free(set->table);
    set->table = NULL;
}

static int grow(AddressSet *set)
{
    AddressSet larger = {.mask = set->mask * 2 + 1, .used = set->used};
    larger.table = PyMem_Calloc(larger.mask + 1, sizeof(uintptr_t));
    if (larger.table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i <= set->mask; i++) {
        if (set->table[i] != 0) {
            larger.table[forkpoint_addresses_slot(&larger, set->table[i])] = set->table[i];
        }
    }
    PyMem_Free(set->table);
    *set = larger;
    return 0;
}

int forkpoint_addresses_add(AddressSet *set, uintptr_t address)
{
    size_t i = forkpoint_addresses_slot(set, address);
    if (set->table[i] != 0) {
        return 0;
    }
    set->table[i] = address;
    set->used++;
    return set->used * 2 > set->mask + 1 && grow(set) < 0 ? -1 : 1;
}
