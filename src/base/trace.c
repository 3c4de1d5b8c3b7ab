#include "base/trace.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>

typedef void sink_fn(const struct nx_span *s, void *ctx);
static sink_fn *_Atomic sink;
static void *sink_ctx;

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1; /* W3C Trace Context 3.2.2: capitals are invalid */
}

/* Exactly n bytes from 2n digits. */
static bool hex_bytes(const char *p, uint8_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(p[2 * i]), lo = hex_digit(p[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		ret[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* version "-" trace-id "-" parent-id "-" flags; a later version may go on after another "-". */
bool nx_traceparent_parse(nx_str s, struct nx_trace_ctx *ret)
{
	enum { TRACE = 3, PARENT = 36, FLAGS = 53, END = 55 };
	uint8_t version, flags, parent[8];
	struct nx_trace_ctx c = {.span = 0};
	if (s.n < END || s.p[TRACE - 1] != '-' || s.p[PARENT - 1] != '-' || s.p[FLAGS - 1] != '-')
		return false;
	if (!hex_bytes(s.p, &version, 1) || !hex_bytes(s.p + TRACE, c.trace.b, 16) ||
	    !hex_bytes(s.p + PARENT, parent, 8) || !hex_bytes(s.p + FLAGS, &flags, 1))
		return false;
	if (version == 0xff || (version == 0 && s.n != END) || (s.n > END && s.p[END] != '-'))
		return false;
	for (size_t i = 0; i < sizeof(parent); i++)
		c.span = c.span << 8 | parent[i];
	if (nx_id_none(c.trace) || c.span == 0)
		return false;
	*ret = c;
	return true;
}

void nx_traceparent_format(struct nx_trace_ctx c, char ret[56])
{
	static const char digits[] = "0123456789abcdef";
	char *p = ret;
	*p++ = '0';
	*p++ = '0';
	*p++ = '-';
	for (size_t i = 0; i < 16; i++) {
		*p++ = digits[c.trace.b[i] >> 4];
		*p++ = digits[c.trace.b[i] & 15];
	}
	*p++ = '-';
	for (int shift = 60; shift >= 0; shift -= 4)
		*p++ = digits[c.span >> shift & 15];
	memcpy(p, "-01", 4);
}

void nx_span_start(struct nx_span *s, struct nx_trace_ctx parent, const char *name)
{
	*s = (struct nx_span){.parent = parent.span, .start_us = nx_time_wall_us()};
	s->ctx.trace = nx_id_none(parent.trace) ? nx_id_new() : parent.trace;
	while (s->ctx.span == 0)
		s->ctx.span = nx_random_u64();
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
}

/* One JSON member built at the end of attrs; it counts only once it is whole. */
struct member {
	char *p;
	size_t n, cap;
	bool overflow;
};

static void put(struct member *m, const char *p, size_t n)
{
	if (m->overflow || n > m->cap - m->n) {
		m->overflow = true;
		return;
	}
	memcpy(m->p + m->n, p, n);
	m->n += n;
}

static void put_quoted(struct member *m, nx_str s)
{
	put(m, "\"", 1);
	for (size_t i = 0; i < s.n && !m->overflow; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == '"' || c == '\\') {
			put(m, (char[]){'\\', (char)c}, 2);
		} else if (c < 0x20) {
			char esc[8];
			int n = snprintf(esc, sizeof(esc), "\\u%04x", c);
			put(m, esc, (size_t)n);
		} else {
			put(m, (const char *)&c, 1);
		}
	}
	put(m, "\"", 1);
}

static struct member member_begin(struct nx_span *s, const char *key)
{
	struct member m = {.p = s->attrs + s->nattrs, .cap = sizeof(s->attrs) - 1 - s->nattrs};
	if (s->nattrs)
		put(&m, ",", 1);
	put_quoted(&m, nx_str_z(key));
	put(&m, ":", 1);
	return m;
}

static void member_end(struct nx_span *s, const struct member *m)
{
	if (!m->overflow)
		s->nattrs += m->n;
	s->attrs[s->nattrs] = '\0';
}

void nx_span_attr_str(struct nx_span *s, const char *key, nx_str v)
{
	ptrdiff_t bad = nx_utf8_invalid_at(v);
	if (bad >= 0)
		v.n = (size_t)bad;
	struct member m = member_begin(s, key);
	put_quoted(&m, v);
	member_end(s, &m);
}

void nx_span_attr_int(struct nx_span *s, const char *key, int64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)v);
	struct member m = member_begin(s, key);
	put(&m, text, (size_t)n);
	member_end(s, &m);
}

void nx_span_end(struct nx_span *s, int error)
{
	/* The wall clock may be set back meanwhile; a span never ends before it began. */
	s->end_us = nx_max(nx_time_wall_us(), s->start_us);
	s->error = error;
	/* acquire: pairs with the release in nx_span_sink_set, so that the context is there when the function is. */
	sink_fn *write_ = atomic_load_explicit(&sink, memory_order_acquire);
	if (write_)
		write_(s, sink_ctx);
}

void nx_span_sink_set(sink_fn *write_, void *ctx)
{
	sink_ctx = ctx;
	/* release: see nx_span_end. */
	atomic_store_explicit(&sink, write_, memory_order_release);
}
