#include "execution/process_internal.h"

#define RING_LEAST 4096

void nx_ring_init(struct nx_ring *r, size_t max)
{
	*r = (struct nx_ring){.max = max};
}

void nx_ring_done(struct nx_ring *r)
{
	free(nx_steal(r->p));
}

/* Copies between the ring and a line of bytes, in at most two parts. */
static void copy_in(struct nx_ring *r, int64_t at, const char *from, size_t n)
{
	size_t i = (size_t)at % r->cap, part = nx_min(n, r->cap - i);
	memcpy(r->p + i, from, part);
	if (part < n)
		memcpy(r->p, from + part, n - part);
}

static void copy_out(const struct nx_ring *r, int64_t at, char *to, size_t n)
{
	size_t i = (size_t)at % r->cap, part = nx_min(n, r->cap - i);
	memcpy(to, r->p + i, part);
	if (part < n)
		memcpy(to + part, r->p, n - part);
}

static void grow(struct nx_ring *r, size_t need)
{
	size_t cap = r->cap ? r->cap : nx_min((size_t)RING_LEAST, r->max);
	size_t kept = (size_t)(r->end - r->start);
	while (cap < need && cap < r->max)
		cap = nx_min(cap * 2, r->max);
	char *p = cap > r->cap ? malloc(cap) : NULL;
	if (!p)
		return; /* it stays as large as it is */
	struct nx_ring old = *r;
	r->p = p;
	r->cap = cap;
	for (size_t i = 0; i < kept;) {
		size_t from = (size_t)(old.start + (int64_t)i) % old.cap, part = nx_min(kept - i, old.cap - from);
		copy_in(r, old.start + (int64_t)i, old.p + from, part);
		i += part;
	}
	free(old.p);
}

void nx_ring_add(struct nx_ring *r, const char *bytes, size_t n)
{
	size_t kept = (size_t)(r->end - r->start);
	if (kept + n > r->cap && r->cap < r->max)
		grow(r, kept + n);
	if (n > r->cap) { /* only the last of it can be kept */
		r->end += (int64_t)(n - r->cap);
		bytes += n - r->cap;
		n = r->cap;
	}
	if (n)
		copy_in(r, r->end, bytes, n);
	r->end += (int64_t)n;
	r->start = nx_max(r->start, r->end - (int64_t)r->cap);
}

size_t nx_ring_read(const struct nx_ring *r, int64_t *at, char *ret, size_t max)
{
	*at = nx_max(*at, r->start);
	*at = nx_min(*at, r->end);
	size_t n = nx_min((size_t)(r->end - *at), max);
	if (n)
		copy_out(r, *at, ret, n);
	return n;
}

size_t nx_process_whole_text(nx_str s)
{
	for (size_t k = 1; k <= 3 && k <= s.n; k++) {
		unsigned char c = (unsigned char)s.p[s.n - k];
		if (c < 0x80)
			return s.n;
		if (c >= 0xc0) {
			size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
			return length > k ? s.n - k : s.n;
		}
	}
	return s.n;
}
