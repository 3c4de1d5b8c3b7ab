#include "base/arena.h"

#include "base/assert.h"
#include "base/fault.h"

#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__)
#define NX_ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NX_ARENA_ASAN 1
#endif
#endif

/* Under AddressSanitizer what was not handed out is poisoned, and a gap between allocations stays so. */
#ifdef NX_ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define HIDE(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define SHOW(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define GAP 16
#else
#define HIDE(p, n) ((void)(p), (void)(n))
#define SHOW(p, n) ((void)(p), (void)(n))
#define GAP 0
#endif

#define ALIGN 16
#define FIRST_CHUNK ((size_t)4 << 10)
#define LARGEST_CHUNK ((size_t)256 << 10)

struct chunk {
	struct chunk *next;
	size_t size; /* of data */
	size_t used;
	_Alignas(ALIGN) char data[];
};

struct nx_arena {
	struct chunk *chunks; /* newest first; the last of the list is the one that a reset keeps */
	struct chunk *large;  /* one allocation each, newest first */
	size_t limit, used;   /* bytes handed out, rounded up to the alignment */
	size_t next_size;
	char *last; /* the newest allocation, which may grow in place */
	bool is_json_cut;
};

struct nx_arena *nx_arena_new(size_t limit)
{
	struct nx_arena *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->limit = limit;
	a->next_size = FIRST_CHUNK;
	return a;
}

static void chunk_free_list(struct chunk *c)
{
	while (c != NULL) {
		struct chunk *next = c->next;
		SHOW(c->data, c->size);
		free(c);
		c = next;
	}
}

void nx_arena_free(struct nx_arena *a)
{
	if (a == NULL)
		return;
	chunk_free_list(a->large);
	chunk_free_list(a->chunks);
	free(a);
}

void nx_arena_reset(struct nx_arena *a)
{
	chunk_free_list(nx_steal(a->large));
	while (a->chunks != NULL && a->chunks->next != NULL) {
		struct chunk *c = a->chunks;
		a->chunks = c->next;
		SHOW(c->data, c->size);
		free(c);
	}
	if (a->chunks != NULL) {
		a->chunks->used = 0;
		HIDE(a->chunks->data, a->chunks->size);
	}
	a->next_size = a->chunks != NULL ? FIRST_CHUNK * 2 : FIRST_CHUNK;
	a->used = 0;
	a->last = NULL;
}

bool *nx_arena_json_cut_(struct nx_arena *a)
{
	return &a->is_json_cut;
}

size_t nx_arena_used(const struct nx_arena *a)
{
	return a->used;
}

static bool round_up(size_t size, size_t *ret)
{
	if (nx_add_overflows(size, (size_t)(ALIGN - 1), ret))
		return false;
	*ret &= ~(size_t)(ALIGN - 1);
	return true;
}

/* Room for `more` bytes under the limit. */
static bool arena_may_take(const struct nx_arena *a, size_t more)
{
	size_t total;
	if (nx_add_overflows(a->used, more, &total))
		return false;
	return a->limit == 0 || total <= a->limit;
}

static struct chunk *chunk_new(size_t size)
{
	size_t total;
	if (nx_add_overflows(size, sizeof(struct chunk), &total))
		return NULL;
	struct chunk *c = malloc(total);
	if (c == NULL)
		return NULL;
	c->next = NULL;
	c->size = size;
	c->used = 0;
	HIDE(c->data, c->size);
	return c;
}

static char *alloc_large(struct nx_arena *a, size_t size)
{
	struct chunk *c = chunk_new(size);
	if (c == NULL)
		return NULL;
	c->used = size;
	c->next = a->large;
	a->large = c;
	return c->data;
}

static char *alloc_small(struct nx_arena *a, size_t size)
{
	struct chunk *c = a->chunks;
	if (c == NULL || c->size - c->used < size + GAP) {
		c = chunk_new(a->next_size - sizeof(struct chunk));
		if (c == NULL)
			return NULL;
		c->next = a->chunks;
		a->chunks = c;
		a->next_size = nx_min(a->next_size * 2, LARGEST_CHUNK);
	}
	char *p = c->data + c->used;
	c->used += size + GAP;
	return p;
}

void *nx_arena_alloc(struct nx_arena *a, size_t size)
{
	size_t rounded;
	if (!round_up(nx_max(size, (size_t)1), &rounded) || !arena_may_take(a, rounded) || NX_FAULT(arena_alloc))
		return NULL;

	char *p = rounded > a->next_size / 4 ? alloc_large(a, rounded) : alloc_small(a, rounded);
	if (p == NULL)
		return NULL;
	SHOW(p, size);
	a->used += rounded;
	a->last = p;
	return p;
}

void *nx_arena_calloc(struct nx_arena *a, size_t n, size_t size)
{
	size_t total;
	if (nx_mul_overflows(n, size, &total))
		return NULL;
	void *p = nx_arena_alloc(a, total);
	if (p != NULL)
		memset(p, 0, total);
	return p;
}

/* The newest allocation grows or shrinks at the end of its chunk; false when there is no room. */
static bool resize_last_small(struct nx_arena *a, size_t old_rounded, size_t rounded, size_t size)
{
	struct chunk *c = a->chunks;
	if (c == NULL || a->last < c->data || a->last >= c->data + c->used)
		return false;
	size_t at = (size_t)(a->last - c->data);
	if (at + old_rounded + GAP != c->used || rounded + GAP > c->size - at)
		return false;
	HIDE(a->last, c->size - at);
	SHOW(a->last, size);
	c->used = at + rounded + GAP;
	return true;
}

static char *resize_last_large(struct nx_arena *a, size_t rounded, size_t size)
{
	struct chunk *c = a->large;
	if (c == NULL || a->last != c->data)
		return NULL;
	SHOW(c->data, c->size);
	struct chunk *grown = realloc(c, sizeof(*c) + rounded);
	if (grown == NULL)
		return NULL;
	grown->size = grown->used = rounded;
	HIDE(grown->data, rounded);
	SHOW(grown->data, size);
	a->large = grown;
	return grown->data;
}

static void *resize_last(struct nx_arena *a, size_t old_rounded, size_t rounded, size_t size)
{
	char *p = a->last;
	if (!resize_last_small(a, old_rounded, rounded, size))
		p = resize_last_large(a, rounded, size);
	if (p != NULL) {
		a->used = a->used - old_rounded + rounded;
		a->last = p;
	}
	return p;
}

void *nx_arena_realloc(struct nx_arena *a, void *p, size_t old_size, size_t new_size)
{
	if (p == NULL)
		return nx_arena_alloc(a, new_size);
	size_t old_rounded, rounded;
	if (!round_up(nx_max(old_size, (size_t)1), &old_rounded) || !round_up(nx_max(new_size, (size_t)1), &rounded))
		return NULL;
	if (rounded > old_rounded && (!arena_may_take(a, rounded - old_rounded) || NX_FAULT(arena_alloc)))
		return NULL;
	if (p == a->last) {
		void *grown = resize_last(a, old_rounded, rounded, new_size);
		if (grown != NULL)
			return grown;
	}
	if (new_size <= old_size)
		return p;

	void *copy = nx_arena_alloc(a, new_size);
	if (copy != NULL)
		memcpy(copy, p, old_size);
	return copy;
}

void *nx_arena_memdup(struct nx_arena *a, const void *p, size_t n)
{
	void *copy = nx_arena_alloc(a, n);
	if (copy != NULL && n > 0)
		memcpy(copy, p, n);
	return copy;
}

char *nx_arena_strndup(struct nx_arena *a, const char *s, size_t n)
{
	size_t size;
	if (nx_add_overflows(n, (size_t)1, &size))
		return NULL;
	char *copy = nx_arena_alloc(a, size);
	if (copy == NULL)
		return NULL;
	if (n > 0)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

char *nx_arena_strdup(struct nx_arena *a, const char *s)
{
	return nx_arena_strndup(a, s, strlen(s));
}

char *nx_arena_vprintf(struct nx_arena *a, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	char *p = NULL;
	if (n >= 0 && (size_t)n < sizeof(small)) {
		p = nx_arena_strndup(a, small, (size_t)n);
	} else if (n >= 0) {
		p = nx_arena_alloc(a, (size_t)n + 1);
		if (p != NULL)
			(void)vsnprintf(p, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	return p;
}

char *nx_arena_printf(struct nx_arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *p = nx_arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}
