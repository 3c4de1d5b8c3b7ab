#include "base/http_client.h"

#define BOM "\xef\xbb\xbf"

typedef void event_fn(nx_str event, nx_str data, nx_str id, void *ctx);

static void fail_if(struct nx_sse_parser *p, bool failed)
{
	p->failed = p->failed || failed;
}

static bool is_full(const struct nx_sse_parser *p, size_t more)
{
	return more > NX_SSE_MAX_EVENT || p->line.n > NX_SSE_MAX_EVENT - more || p->data.n > NX_SSE_MAX_EVENT - more;
}

static void set(struct nx_sse_parser *p, struct nx_buf *b, nx_str value)
{
	nx_buf_clear(b);
	fail_if(p, !nx_buf_adds(b, value));
}

static void take_field(struct nx_sse_parser *p, nx_str name, nx_str value)
{
	if (nx_str_eqz(name, "data")) {
		fail_if(p, is_full(p, value.n) || !nx_buf_adds(&p->data, value) || !nx_buf_addc(&p->data, '\n'));
	} else if (nx_str_eqz(name, "event")) {
		set(p, &p->event, value);
	} else if (nx_str_eqz(name, "id")) {
		if (value.n == 0 || !memchr(value.p, '\0', value.n))
			set(p, &p->id, value);
	}
}

static void dispatch(struct nx_sse_parser *p, event_fn *on_event, void *ctx)
{
	if (p->data.n > 0) {
		nx_str data = nx_str_n(p->data.p, p->data.n - 1); /* without the last newline */
		on_event(p->event.n ? nx_buf_str(&p->event) : NX_STR("message"), data, nx_buf_str(&p->id), ctx);
	}
	nx_buf_clear(&p->data);
	nx_buf_clear(&p->event);
}

static void take_line(struct nx_sse_parser *p, event_fn *on_event, void *ctx)
{
	nx_str line = nx_buf_str(&p->line);
	if (!p->started && nx_str_starts(line, NX_STR(BOM)))
		line = nx_str_slice(line, 3, line.n);
	p->started = true;
	if (line.n == 0) {
		dispatch(p, on_event, ctx);
	} else if (line.p[0] != ':') {
		nx_str value = line, name = nx_str_cut(&value, ':');
		if (value.n > 0 && value.p[0] == ' ')
			value = nx_str_slice(value, 1, value.n);
		take_field(p, name, value);
	}
	nx_buf_clear(&p->line);
}

/* Bytes up to the next end of line. */
static size_t line_part(nx_str s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] != '\n' && s.p[n] != '\r')
		n++;
	return n;
}

void nx_sse_feed(struct nx_sse_parser *p, nx_str bytes, event_fn *on_event, void *ctx)
{
	while (bytes.n > 0 && !p->failed) {
		/* CR LF is one end of line, even when it is cut between two feeds. */
		bool was_cr = p->last_was_cr;
		p->last_was_cr = false;
		if (was_cr && bytes.p[0] == '\n') {
			bytes = nx_str_slice(bytes, 1, bytes.n);
			continue;
		}
		size_t n = line_part(bytes);
		fail_if(p, is_full(p, n) || !nx_buf_add(&p->line, bytes.p, n));
		if (n < bytes.n && !p->failed) {
			p->last_was_cr = bytes.p[n] == '\r';
			take_line(p, on_event, ctx);
			n++;
		}
		bytes = nx_str_slice(bytes, n, bytes.n);
	}
}

void nx_sse_done(struct nx_sse_parser *p)
{
	nx_buf_done(&p->line);
	nx_buf_done(&p->data);
	nx_buf_done(&p->event);
	nx_buf_done(&p->id);
}
