/* The one general file that names a CPython version. Struct layouts that differ per version live in frames_3NN.h. */
#ifndef FORKPOINT_COMPAT_H
#define FORKPOINT_COMPAT_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_BUILD_CORE
#  define Py_BUILD_CORE 1
#endif
#include <Python.h>
#undef _PyGC_FINALIZED

#if PY_VERSION_HEX < 0x030b0000 || PY_VERSION_HEX >= 0x030e0000
#  error "forkpoint supports CPython 3.11, 3.12 and 3.13: add a frames_3NN.h for this version"
#endif
#ifdef Py_GIL_DISABLED
#  error "forkpoint does not support the free-threaded build yet"
#endif

/* The frame layout of the running version; included by frames.c, resume.c and ticks.c only. */
#if PY_VERSION_HEX < 0x030c0000
#  define FORKPOINT_FRAMES_HEADER "frames_311.h"
#elif PY_VERSION_HEX < 0x030d0000
#  define FORKPOINT_FRAMES_HEADER "frames_312.h"
#else
#  define FORKPOINT_FRAMES_HEADER "frames_313.h"
#endif

#endif
