/*
 * Arenas: memory that lives as long as a request or a step of a task, and is freed at once.
 *
 * A bump allocator over malloc'ed chunks that double from 4 KiB up to 256 KiB; a request larger than a quarter of the
 * next chunk gets a chunk of its own. Allocation returns NULL when memory runs out or the arena's limit is reached
 * (fault point `arena.alloc`), never aborts. Alignment 16.
 *
 * Owner: one thread at a time. An arena may be handed from thread to thread with the message that carries it.
 */
#ifndef NX_BASE_ARENA_H
#define NX_BASE_ARENA_H

#include "base/macros.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct nx_arena;

struct nx_arena *nx_arena_new(size_t limit); /* limit 0: none. NULL when out of memory */
void nx_arena_free(struct nx_arena *a);      /* accepts NULL */
void nx_arena_reset(struct nx_arena *a);     /* keeps the first chunk */
size_t nx_arena_used(const struct nx_arena *a);
bool *nx_arena_json_cut_(struct nx_arena *a); /* json.c's: a document in it lacks what found no memory */

void *nx_arena_alloc(struct nx_arena *a, size_t size) __attribute__((malloc, alloc_size(2)));
void *nx_arena_calloc(struct nx_arena *a, size_t n, size_t size); /* zeroed; NULL on overflow */
/* Grows in place when `p` was the last allocation, else copies; never frees. */
void *nx_arena_realloc(struct nx_arena *a, void *p, size_t old_size, size_t new_size);
void *nx_arena_memdup(struct nx_arena *a, const void *p, size_t n);
char *nx_arena_strdup(struct nx_arena *a, const char *s);
char *nx_arena_strndup(struct nx_arena *a, const char *s, size_t n); /* NUL-terminated */
char *nx_arena_printf(struct nx_arena *a, const char *fmt, ...) NX_PRINTF(2, 3);
char *nx_arena_vprintf(struct nx_arena *a, const char *fmt, va_list ap);

#define nx_arena_new_of(a, type) ((type *)nx_arena_calloc((a), 1, sizeof(type)))
#define nx_arena_array(a, type, n) ((type *)nx_arena_calloc((a), (n), sizeof(type)))

static inline void nx_arena_freep(struct nx_arena **a)
{
	nx_arena_free(*a);
}
#define nx_auto_arena __attribute__((cleanup(nx_arena_freep)))

#endif
