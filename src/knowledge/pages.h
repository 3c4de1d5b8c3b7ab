/*
 * Memory for large arrays that grow and are read at random: whole pages, huge ones (2 MiB) where the kernel gives them,
 * because a walk over 4 KiB pages misses the TLB at every step; growing moves page tables and copies nothing.
 *
 * Any thread; the caller excludes readers while an array moves.
 */
#ifndef NX_KNOWLEDGE_PAGES_H
#define NX_KNOWLEDGE_PAGES_H

#include <stddef.h>

/* Grown (or shrunk) from `old` bytes to `bytes`, at least 1. p NULL: anew. NULL, and p as it was, when
 * there is no memory. Aligned to 64 bytes. */
void *nx_pages_grow(void *p, size_t old, size_t bytes);
void nx_pages_free(void *p, size_t bytes);

#endif
