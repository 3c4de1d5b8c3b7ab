#include "base/str.h"

#include <stdio.h>

#define FIRST_CAP 64

void nx_buf_done(struct nx_buf *b)
{
	free(b->p);
	*b = NX_BUF_INIT;
}

void nx_buf_clear(struct nx_buf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->p != NULL)
		b->p[0] = '\0';
}

bool nx_buf_reserve(struct nx_buf *b, size_t more)
{
	size_t need, cap = nx_max(b->cap, (size_t)FIRST_CAP);
	if (b->failed)
		return false;
	if (nx_add_overflows(b->n, more, &need) || nx_add_overflows(need, (size_t)1, &need)) {
		b->failed = true;
		return false;
	}
	if (need <= b->cap)
		return true;
	while (cap < need) {
		if (nx_mul_overflows(cap, (size_t)2, &cap))
			cap = need;
	}
	char *p = realloc(b->p, cap);
	if (p == NULL) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->cap = cap;
	b->p[b->n] = '\0';
	return true;
}

bool nx_buf_add(struct nx_buf *b, const void *p, size_t n)
{
	if (!nx_buf_reserve(b, n))
		return false;
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
	return true;
}

bool nx_buf_adds(struct nx_buf *b, nx_str s)
{
	return nx_buf_add(b, s.p, s.n);
}

bool nx_buf_addz(struct nx_buf *b, const char *z)
{
	return nx_buf_add(b, z, strlen(z));
}

bool nx_buf_addc(struct nx_buf *b, char c)
{
	return nx_buf_add(b, &c, 1);
}

bool nx_buf_addf(struct nx_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	if (!nx_buf_reserve(b, 32))
		return false;
	va_start(ap, fmt);
	va_copy(again, ap);
	size_t room = b->cap - b->n;
	int n = vsnprintf(b->p + b->n, room, fmt, ap);
	bool ok = n >= 0;
	if (ok && (size_t)n >= room) {
		b->p[b->n] = '\0';
		ok = nx_buf_reserve(b, (size_t)n) && vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again) == n;
	}
	va_end(again);
	va_end(ap);
	if (ok) {
		b->n += (size_t)n;
	} else {
		b->p[b->n] = '\0';
		b->failed = true;
	}
	return ok;
}

void nx_buf_consume(struct nx_buf *b, size_t n)
{
	n = nx_min(n, b->n);
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->n - n + 1);
	b->n -= n;
}

nx_str nx_buf_str(const struct nx_buf *b)
{
	return nx_str_n(b->p == NULL ? "" : b->p, b->n);
}

char *nx_buf_steal(struct nx_buf *b)
{
	if (!nx_buf_reserve(b, 0)) {
		nx_buf_done(b);
		return NULL;
	}
	char *p = b->p;
	*b = NX_BUF_INIT;
	return p;
}
