/* Numbers that are the id() of an object. */
#ifndef FORKPOINT_IDENTITIES_H
#define FORKPOINT_IDENTITIES_H

#include "named.h"

/* The number as the address that it may be, 0 when it cannot be one. Addresses of objects are multiples of 16, and
   far above what programs count; those below 4 GiB, where some interpreters have their static types, are left alone:
   there numbers are what they seem. */
static inline uintptr_t forkpoint_as_address(PyObject *number)
{
    const digit *digits = forkpoint_two_digits(number);
    if (digits == NULL) {
        return 0;
    }
    uint64_t address = (uint64_t)digits[1] << PyLong_SHIFT | digits[0];
    return (address & 15) == 0 && address >> 32 != 0 && address >> 48 == 0 ? (uintptr_t)address : 0;
}

/* {number: object} of the numbers below `roots` that are the id() of an object there too, of one that is `registered`
   (which is not entered), or of a class, function or module. `program`: names of the modules whose classes and functions
   are entered. Reads only; NULL with an exception set on failure. */
extern PyObject *forkpoint_held_identities(PyObject *roots, const RegisteredObjects *registered, PyObject *program);

#endif
