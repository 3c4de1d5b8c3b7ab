/*
 * nx_assert: an invariant of ours, never a check of outside input. It stays on in release builds, because a program
 * that goes on after a broken invariant writes the damage to disk; nx_debug_assert is for what is too dear for that.
 */
#ifndef NX_BASE_ASSERT_H
#define NX_BASE_ASSERT_H

#include "base/macros.h"

NX_NORETURN NX_COLD void nx_assert_failed(const char *expr, const char *file, int line);

#define nx_assert(e) ((e) ? (void)0 : nx_assert_failed(#e, __FILE__, __LINE__))
#ifdef NDEBUG
#define nx_debug_assert(e) ((void)sizeof(e))
#else
#define nx_debug_assert(e) nx_assert(e)
#endif

#endif
