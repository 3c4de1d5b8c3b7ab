#include "knowledge/pages.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE ((size_t)2 << 20)

/* Small arrays come from the heap, where a sanitizer sees what is read beyond them. */
static bool is_large(size_t bytes)
{
	return bytes >= HUGE;
}

static size_t rounded(size_t bytes)
{
	return (bytes + HUGE - 1) / HUGE * HUGE;
}

/* Address space alone, aligned to huge pages. */
static char *reserve(size_t bytes)
{
	char *p = mmap(NULL, bytes + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)p % HUGE;
	if (before)
		(void)munmap(p, before);
	(void)munmap(p + before + bytes, HUGE - before);
	return p + before;
}

static void *map(size_t bytes)
{
	char *p = reserve(rounded(bytes));
	if (!p)
		return NULL;
	if (mprotect(p, rounded(bytes), PROT_READ | PROT_WRITE) < 0) {
		(void)munmap(p, rounded(bytes));
		return NULL;
	}
	(void)madvise(p, rounded(bytes), MADV_HUGEPAGE); /* a kernel without them serves as well */
	return p;
}

static void *move(void *old, size_t had, size_t bytes)
{
	if (rounded(had) == rounded(bytes))
		return old;
	char *to = reserve(rounded(bytes));
	if (!to)
		return NULL;
	void *p = mremap(old, rounded(had), rounded(bytes), MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (p == MAP_FAILED) {
		(void)munmap(to, rounded(bytes));
		return NULL;
	}
	return p;
}

static void *small(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
	if (p)
		memset(p, 0, bytes);
	return p;
}

void *nx_pages_grow(void *p, size_t old, size_t bytes)
{
	if (p && is_large(old) && is_large(bytes))
		return move(p, old, bytes);
	void *q = is_large(bytes) ? map(bytes) : small(bytes);
	if (!q || !p)
		return q;
	memcpy(q, p, old < bytes ? old : bytes);
	nx_pages_free(p, old);
	return q;
}

void nx_pages_free(void *p, size_t bytes)
{
	if (p && is_large(bytes))
		(void)munmap(p, rounded(bytes));
	else
		free(p);
}
