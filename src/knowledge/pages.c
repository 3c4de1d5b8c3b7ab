#include "knowledge/pages.h"

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

static void *anew(const struct nx_pages *a, size_t bytes)
{
	void *p = is_large(bytes) ? map(bytes) : small(bytes);
	if (p && a->p)
		memcpy(p, a->p, a->bytes);
	return p;
}

bool nx_pages_grow(struct nx_pages *a, size_t bytes)
{
	if (bytes <= a->bytes)
		return true;
	bool moves = !a->is_lent && is_large(a->bytes);
	void *p = moves ? move(a->p, a->bytes, bytes) : anew(a, bytes);
	if (!p)
		return false;
	if (!moves)
		nx_pages_free(a);
	*a = (struct nx_pages){.p = p, .bytes = bytes};
	return true;
}

void nx_pages_free(struct nx_pages *a)
{
	if (!a->is_lent && is_large(a->bytes))
		(void)munmap(a->p, rounded(a->bytes));
	else if (!a->is_lent)
		free(a->p);
	*a = (struct nx_pages){0};
}
