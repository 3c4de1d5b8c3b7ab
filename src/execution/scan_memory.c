/*
 * Memory of the parser. A tree of 1,000 lines is tens of thousands of small blocks that all die together, so they are cut
 * from chunks that live as long as the scan; what the parser frees before that is used again by its size. Some chunks are
 * kept for the next scan of any thread, because the kernel's first touch of fresh memory was an eighth of the time. Under
 * the address sanitizer every block is its own, so that it sees what the parser does wrong.
 *
 * Thread: a scan runs on one thread and its pool is that thread's. Out of memory aborts, as the parser does by itself: it
 * has no way to say so.
 */
#include "execution/scan_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define NX_SCAN_OWN_BLOCKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NX_SCAN_OWN_BLOCKS 1
#endif
#endif

#ifdef NX_SCAN_OWN_BLOCKS

void nx_scan_memory_begin(void)
{
}

void nx_scan_memory_end(void)
{
}

bool nx_scan_memory_is_pooled(void)
{
	return false;
}

#else

#define CHUNK_SIZE ((size_t)64 * 1024)
#define KEPT_MAX 96 /* chunks, 6 MiB: what 1,000 lines take */
#define SMALL_STEP 32
#define SMALL_MAX 1024 /* classes of SMALL_STEP up to here, of powers of two up to LARGE_MAX */
#define SMALL_CLASSES (SMALL_MAX / SMALL_STEP)
#define LARGE_MAX ((size_t)16 * 1024)
#define CLASSES (SMALL_CLASSES + 4)

struct block { /* before every piece of memory that the parser has */
	size_t size;
	struct block *next; /* of a free one */
};
struct chunk { /* also alone, around a block above LARGE_MAX */
	struct chunk *next, *prev;
	size_t size, unused;
};

struct pool {
	struct chunk all; /* a ring */
	char *at, *end;
	struct block *free[CLASSES];
};
static _Thread_local struct pool P;

_Static_assert(sizeof(struct block) == 16 && sizeof(struct chunk) % 16 == 0, "what malloc aligns stays aligned");

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static struct chunk *kept; /* of CHUNK_SIZE each, by `next` */
static unsigned nkept;

static struct chunk *take_kept(void)
{
	(void)pthread_mutex_lock(&kept_lock);
	struct chunk *c = kept;
	if (c) {
		kept = c->next;
		nkept--;
	}
	(void)pthread_mutex_unlock(&kept_lock);
	return c;
}

static bool keep(struct chunk *c)
{
	(void)pthread_mutex_lock(&kept_lock);
	bool is_kept = nkept < KEPT_MAX;
	if (is_kept) {
		c->next = kept;
		kept = c;
		nkept++;
	}
	(void)pthread_mutex_unlock(&kept_lock);
	return is_kept;
}

static struct chunk *take_chunk(size_t size)
{
	struct chunk *c = size == CHUNK_SIZE ? take_kept() : NULL;
	if (!c)
		c = size < SIZE_MAX - sizeof(*c) ? malloc(size + sizeof(*c)) : NULL;
	if (!c)
		abort();
	c->size = size;
	c->next = P.all.next;
	c->prev = &P.all;
	c->next->prev = c;
	P.all.next = c;
	return c;
}

static void drop_chunk(struct chunk *c)
{
	c->prev->next = c->next;
	c->next->prev = c->prev;
	free(c);
}

static size_t class_of(size_t size, size_t *ret_size)
{
	size_t k = SMALL_CLASSES;
	if (size <= SMALL_MAX) {
		k = size ? (size - 1) / SMALL_STEP : 0;
		*ret_size = (k + 1) * SMALL_STEP;
		return k;
	}
	for (*ret_size = (size_t)2 * SMALL_MAX; *ret_size < size; *ret_size *= 2)
		k++;
	return k;
}

static struct block *take_block(size_t size)
{
	struct block *b;
	if (size > LARGE_MAX) {
		b = size < SIZE_MAX - sizeof(*b) ? (struct block *)(take_chunk(size + sizeof(*b)) + 1) : NULL;
		if (!b)
			abort();
		b->size = size;
		return b;
	}
	struct block **list = &P.free[class_of(size, &size)];
	if ((b = *list)) {
		*list = b->next;
		return b;
	}
	if ((size_t)(P.end - P.at) < size + sizeof(*b)) {
		P.at = (char *)(take_chunk(CHUNK_SIZE) + 1);
		P.end = P.at + CHUNK_SIZE;
	}
	b = (struct block *)P.at;
	P.at += size + sizeof(*b);
	b->size = size;
	return b;
}

static void *pool_malloc(size_t size)
{
	return take_block(size) + 1;
}

static void *pool_calloc(size_t n, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(n, size, &total))
		abort();
	return memset(pool_malloc(total), 0, total);
}

static void pool_free(void *p)
{
	struct block *b = p ? (struct block *)p - 1 : NULL;
	size_t size;
	if (!b)
		return;
	if (b->size > LARGE_MAX) {
		drop_chunk((struct chunk *)b - 1);
		return;
	}
	struct block **list = &P.free[class_of(b->size, &size)];
	b->next = *list;
	*list = b;
}

static void *pool_realloc(void *p, size_t size)
{
	size_t has = p ? ((struct block *)p - 1)->size : 0;
	if (p && size <= has)
		return p;
	void *more = pool_malloc(size);
	if (p)
		memcpy(more, p, has);
	pool_free(p);
	return more;
}

static void install(void)
{
	ts_set_allocator(pool_malloc, pool_calloc, pool_realloc, pool_free);
}

void nx_scan_memory_begin(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, install);
	P = (struct pool){.all = {&P.all, &P.all}};
}

void nx_scan_memory_end(void)
{
	while (P.all.next != &P.all) {
		struct chunk *c = P.all.next;
		c->next->prev = &P.all;
		P.all.next = c->next;
		if (c->size != CHUNK_SIZE || !keep(c))
			free(c);
	}
}

bool nx_scan_memory_is_pooled(void)
{
	return true;
}

#endif
