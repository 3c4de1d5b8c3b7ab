/*
 * Memory for large arrays that grow and are read at random: whole pages, huge ones (2 MiB) where the kernel gives them,
 * because a walk over 4 KiB pages misses the TLB at every step; growing moves page tables and copies nothing.
 *
 * Any thread; the caller excludes readers while an array moves.
 */
#ifndef NX_KNOWLEDGE_PAGES_H
#define NX_KNOWLEDGE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* {0} is an empty array. Lent memory (of a mapped file) is somebody else's: it is copied when it has to grow. */
struct nx_pages {
	void *p; /* aligned to 64 bytes */
	size_t bytes;
	bool is_lent;
};

/* At least so many bytes, the new ones zero. False, and the array as it was, when there is no memory. */
bool nx_pages_grow(struct nx_pages *a, size_t bytes);
void nx_pages_free(struct nx_pages *a);

#endif
