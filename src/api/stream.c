#include "api/stream_internal.h"

#include "api/http_internal.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/trace.h"

#include <pthread.h>
#include <stdatomic.h>

struct nx_frame {
	_Atomic int refs;
	size_t n;
	char bytes[];
};

struct link {
	struct link *next;
	struct nx_frame *frame;
};

struct nx_stream {
	_Atomic int refs;
	pthread_mutex_t lock; /* over what follows; on_… are called without it */
	struct link *head, **tail;
	size_t offset;        /* sent of the first frame */
	size_t queued, limit; /* bytes */
	int64_t last_us;      /* of the last bytes that were queued */
	struct MHD_Connection *conn;
	bool suspended, ended, gone, closed;
	struct nx_stream_events ev;
};

static const char reset_text[] =
	"event: reset\ndata: {\"reason\":\"the client read too slowly; events were dropped\"}\n\n";
static const char comment_text[] = ": keep-alive\n\n";

struct nx_frame *nx_frame_new(nx_str bytes)
{
	struct nx_frame *f = malloc(sizeof(*f) + bytes.n);
	if (!f)
		return NULL;
	atomic_init(&f->refs, 1);
	f->n = bytes.n;
	if (bytes.n)
		memcpy(f->bytes, bytes.p, bytes.n);
	return f;
}

struct nx_frame *nx_frame_ref(struct nx_frame *f)
{
	if (f)
		atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

size_t nx_frame_size(const struct nx_frame *f)
{
	return f->n;
}

void nx_frame_unref(struct nx_frame *f)
{
	/* acq_rel: what others did with the bytes comes before the free. */
	if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
		free(f);
}

struct nx_stream *nx_stream_new(size_t limit, const struct nx_stream_events *ev)
{
	struct nx_stream *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	(void)pthread_mutex_init(&s->lock, NULL);
	s->tail = &s->head;
	s->limit = limit;
	s->last_us = nx_time_mono_us();
	s->ev = *ev;
	return s;
}

static void drop_queue(struct nx_stream *s)
{
	for (struct link *l = s->head; l;) {
		struct link *next = l->next;
		nx_frame_unref(l->frame);
		free(l);
		l = next;
	}
	s->head = NULL;
	s->tail = &s->head;
	s->offset = s->queued = 0;
}

void nx_stream_ref(struct nx_stream *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void nx_stream_unref(struct nx_stream *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	drop_queue(s);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- producing ---- */

static void wake(struct nx_stream *s)
{
	if (!s->suspended)
		return;
	s->suspended = false;
	nx_httpd_resume(s->conn);
}

static bool enqueue(struct nx_stream *s, struct nx_frame *f)
{
	struct link *l = malloc(sizeof(*l));
	if (!l)
		return false;
	*l = (struct link){.frame = nx_frame_ref(f)};
	*s->tail = l;
	s->tail = &l->next;
	s->queued += f->n;
	return true;
}

/* Keeps the frame that is half sent: what follows must begin at a frame's start. */
static void reset(struct nx_stream *s)
{
	struct nx_frame *half = s->offset > 0 ? s->head->frame : NULL;
	size_t offset = s->offset;
	(void)nx_frame_ref(half);
	drop_queue(s);
	if (half && enqueue(s, half))
		s->offset = offset;
	struct nx_frame *f = nx_frame_new(nx_str_z(reset_text));
	if (f)
		(void)enqueue(s, f);
	nx_frame_unref(f);
	nx_frame_unref(half);
	s->ended = true;
}

bool nx_stream_push(struct nx_stream *s, struct nx_frame *f)
{
	(void)pthread_mutex_lock(&s->lock);
	bool open = !s->ended && !s->gone && !s->closed;
	if (open) {
		/* One frame alone may be longer than the limit. */
		if ((s->queued > 0 && s->queued + f->n > s->limit) || !enqueue(s, f)) {
			reset(s);
			open = false;
		}
		s->last_us = nx_time_mono_us();
		wake(s);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return open;
}

bool nx_stream_push_text(struct nx_stream *s, nx_str bytes)
{
	struct nx_frame *f = nx_frame_new(bytes);
	if (!f) {
		nx_stream_end(s);
		return false;
	}
	bool ok = nx_stream_push(s, f);
	nx_frame_unref(f);
	return ok;
}

void nx_stream_end(struct nx_stream *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->ended = true;
	wake(s);
	(void)pthread_mutex_unlock(&s->lock);
}

bool nx_stream_is_over(struct nx_stream *s)
{
	(void)pthread_mutex_lock(&s->lock);
	bool over = s->ended || s->gone || s->closed;
	(void)pthread_mutex_unlock(&s->lock);
	return over;
}

void nx_stream_tick(struct nx_stream *s, int64_t now_us)
{
	(void)pthread_mutex_lock(&s->lock);
	bool silent = s->suspended && s->queued == 0 && now_us - s->last_us >= NX_STREAM_KEEPALIVE_US;
	(void)pthread_mutex_unlock(&s->lock);
	if (silent)
		(void)nx_stream_push_text(s, nx_str_z(comment_text));
}

/* ---- the connection ---- */

void nx_stream_attach(struct nx_stream *s, struct MHD_Connection *conn)
{
	(void)pthread_mutex_lock(&s->lock);
	s->conn = conn;
	(void)pthread_mutex_unlock(&s->lock);
	nx_stream_ref(s);
	nx_metric_add(NX_M_STREAMS, NULL, NULL, 1);
}

static size_t copy_out(struct nx_stream *s, char *buf, size_t max)
{
	size_t n = 0;
	while (s->head && n < max) {
		struct link *l = s->head;
		size_t part = nx_min(l->frame->n - s->offset, max - n);
		memcpy(buf + n, l->frame->bytes + s->offset, part);
		n += part;
		s->offset += part;
		if (s->offset < l->frame->n)
			break;
		s->queued -= l->frame->n;
		s->head = l->next;
		if (!s->head)
			s->tail = &s->head;
		s->offset = 0;
		nx_frame_unref(l->frame);
		free(l);
	}
	return n;
}

ssize_t nx_stream_read(struct nx_stream *s, char *buf, size_t max)
{
	ssize_t n;
	(void)pthread_mutex_lock(&s->lock);
	bool drained = false;
	if (s->gone) {
		n = -2;
	} else if (s->head) {
		n = (ssize_t)copy_out(s, buf, max);
		drained = !s->head && !s->ended;
	} else if (s->ended) {
		n = -1;
	} else {
		n = 0;
		s->suspended = true;
		nx_httpd_suspend(s->conn);
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (drained && s->ev.on_drained)
		s->ev.on_drained(s, s->ev.ctx);
	return n;
}

void nx_stream_gone(struct nx_stream *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->gone = true;
	wake(s);
	(void)pthread_mutex_unlock(&s->lock);
}

void nx_stream_closed(struct nx_stream *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->closed = true;
	s->suspended = false;
	s->conn = NULL;
	drop_queue(s);
	(void)pthread_mutex_unlock(&s->lock);
	nx_metric_add(NX_M_STREAMS, NULL, NULL, -1);
	if (s->ev.on_closed)
		s->ev.on_closed(s, s->ev.ctx);
	nx_stream_unref(s);
}

/* ---- server-sent events ---- */

bool nx_sse_format(struct nx_buf *b, int64_t seq, const char *event, nx_str data)
{
	if (seq)
		(void)nx_buf_addf(b, "id: %lld\n", (long long)seq);
	(void)nx_buf_addf(b, "event: %s\n", event);
	nx_str rest = data;
	do {
		nx_str line = nx_str_cut(&rest, '\n');
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		(void)nx_buf_addz(b, "data: ");
		(void)nx_buf_adds(b, line);
		(void)nx_buf_addc(b, '\n');
	} while (rest.n > 0);
	(void)nx_buf_addc(b, '\n');
	return !nx_buf_failed(b);
}
