#include "api/sse_internal.h"

#include "api/api_internal.h"
#include "api/stream_internal.h"
#include "base/assert.h"
#include "base/clock.h"

enum { PAGE = 64, SESSION_MAX = 256 };

/* One event while the stored ones are still being sent. */
struct pending {
	struct pending *next;
	struct nx_frame *frame;
	int64_t seq;
	bool last; /* of its task */
};

/*
 * One client's events. Owned by several threads: on_event and on_ready come on the core loop, pages are read on workers,
 * on_drained comes on an HTTP thread; `lock` is over what they share. References: the subscription's, the stream's, and
 * one of each job.
 */
struct feed {
	_Atomic int refs;
	struct nx_api *api;
	struct nx_request *request; /* until the reply */
	struct nx_stream *stream;
	struct nx_subscription sub;
	struct nx_job job;
	nx_id task;
	char session[SESSION_MAX];
	bool resume;

	pthread_mutex_t lock;
	int64_t sent;   /* of the durable events, the last that the stream was given */
	int64_t target; /* stored events up to here are read; what is later comes live */
	bool live, reading;
	struct pending *waiting, **waiting_tail;
	size_t waiting_bytes;
};

static void drop_waiting(struct feed *f)
{
	for (struct pending *p = f->waiting; p;) {
		struct pending *next = p->next;
		nx_frame_unref(p->frame);
		free(p);
		p = next;
	}
	f->waiting = NULL;
	f->waiting_tail = &f->waiting;
	f->waiting_bytes = 0;
}

static void feed_unref(struct feed *f)
{
	if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
		return;
	drop_waiting(f);
	nx_stream_unref(f->stream);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}

static void feed_ref(struct feed *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

/* ---- frames ---- */

static bool is_last(const struct feed *f, const char *type)
{
	static const char *const ends[] = {"task.succeeded", "task.failed", "task.cancelled", "task.timed_out",
					   "task.over_budget"};
	if (nx_id_none(f->task))
		return false;
	for (size_t i = 0; i < nx_countof(ends); i++)
		if (strcmp(type, ends[i]) == 0)
			return true;
	return false;
}

static struct nx_frame *event_frame(const struct nx_event *e)
{
	nx_auto_buf struct nx_buf data = NX_BUF_INIT, b = NX_BUF_INIT;
	char id[NX_ID_TEXT], at[NX_TIME_TEXT];
	nx_id_format(e->task, id);
	nx_time_format(e->time_us, at);
	(void)nx_buf_addz(&data, "{");
	if (e->seq)
		(void)nx_buf_addf(&data, "\"seq\":%lld,", (long long)e->seq);
	(void)nx_buf_addf(&data, "\"task_id\":\"%s\",\"type\":\"%s\",\"at\":\"%s\",\"data\":", id, e->type, at);
	(void)nx_buf_adds(&data, e->data.n ? e->data : NX_STR("{}"));
	(void)nx_buf_addz(&data, "}");
	if (nx_buf_failed(&data) || !nx_sse_format(&b, e->seq, e->type, nx_buf_str(&data)))
		return NULL;
	return nx_frame_new(nx_buf_str(&b));
}

/* A durable event goes to every subscriber in turn: it is formatted once. On the core loop alone. */
static struct nx_frame *shared_frame(struct nx_api *api, const struct nx_event *e)
{
	struct nx_sse_cache *c = &api->sse_cache;
	if (e->seq == 0)
		return event_frame(e);
	if (!c->frame || c->tenant != e->tenant || c->seq != e->seq) {
		nx_frame_unref(c->frame);
		*c = (struct nx_sse_cache){.tenant = e->tenant, .seq = e->seq, .frame = event_frame(e)};
	}
	return nx_frame_ref(c->frame);
}

/* Under the lock. */
static void give(struct feed *f, struct nx_frame *frame, int64_t seq, bool last)
{
	if (seq)
		f->sent = seq;
	(void)nx_stream_push(f->stream, frame);
	if (last)
		nx_stream_end(f->stream);
}

/* ---- live events, on the core loop ---- */

/* Under the lock. What would be too much is read from the store instead. */
static void wait_in_line(struct feed *f, struct nx_frame *frame, int64_t seq, bool last)
{
	struct pending *p = malloc(sizeof(*p));
	f->waiting_bytes += sizeof(*p) + nx_frame_size(frame);
	if (!p || f->waiting_bytes > (size_t)f->api->parts.config->api_stream_buffer_bytes) {
		free(p);
		drop_waiting(f);
		f->target = nx_max(f->target, seq);
		return;
	}
	*p = (struct pending){.frame = nx_frame_ref(frame), .seq = seq, .last = last};
	*f->waiting_tail = p;
	f->waiting_tail = &p->next;
}

static void on_event(struct nx_subscription *s, const struct nx_event *e)
{
	struct feed *f = nx_container_of(s, struct feed, sub);
	struct nx_frame *frame = shared_frame(f->api, e);
	bool last = is_last(f, e->type);
	if (!frame) {
		nx_stream_end(f->stream);
		return;
	}
	(void)pthread_mutex_lock(&f->lock);
	if (e->seq && e->seq <= f->sent) {
		/* It was read from the store already. */
	} else if (f->live) {
		give(f, frame, e->seq, last);
	} else {
		wait_in_line(f, frame, e->seq, last);
	}
	(void)pthread_mutex_unlock(&f->lock);
	nx_frame_unref(frame);
}

static void on_unsubscribed(struct nx_subscription *s)
{
	feed_unref(nx_container_of(s, struct feed, sub));
}

/* ---- stored events, on workers ---- */

static void go_live(struct feed *f)
{
	for (struct pending *p = f->waiting; p; p = p->next)
		if (p->seq == 0 || p->seq > f->sent)
			give(f, p->frame, p->seq, p->last);
	drop_waiting(f);
	f->live = true;
}

/* Reads the next page. The stream then tells when it wants more. */
static int read_page(struct feed *f, struct nx_arena *a, struct nx_error **err)
{
	struct nx_event *events = NULL;
	size_t n = 0;
	const nx_id *task = nx_id_none(f->task) ? NULL : &f->task;
	struct nx_db *db = nx_store_reader(f->api->parts.store);
	int rc = nx_events_read(db, f->sub.tenant, task, nx_str_z(f->session), f->sent, PAGE, a, &events, &n, err);
	if (rc)
		return rc;
	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < n; i++) {
		struct nx_frame *frame = event_frame(&events[i]);
		if (frame)
			give(f, frame, events[i].seq, is_last(f, events[i].type));
		else
			nx_stream_end(f->stream);
		nx_frame_unref(frame);
	}
	if (n < PAGE || f->sent >= f->target)
		go_live(f);
	(void)pthread_mutex_unlock(&f->lock);
	return 0;
}

static void run_next_page(struct nx_job *j)
{
	struct feed *f = nx_container_of(j, struct feed, job);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	if (!a || read_page(f, a, &err))
		nx_stream_end(f->stream);
	(void)pthread_mutex_lock(&f->lock);
	f->reading = false;
	(void)pthread_mutex_unlock(&f->lock);
	feed_unref(f);
}

static void on_drained(struct nx_stream *s, void *ctx)
{
	struct feed *f = ctx;
	(void)s;
	(void)pthread_mutex_lock(&f->lock);
	bool more = !f->live && !f->reading;
	f->reading = f->reading || more;
	(void)pthread_mutex_unlock(&f->lock);
	if (!more)
		return;
	feed_ref(f);
	f->job = (struct nx_job){.run = run_next_page};
	nx_workers_post(f->api->parts.workers, &f->job);
}

static void on_closed(struct nx_stream *s, void *ctx)
{
	struct feed *f = ctx;
	(void)s;
	nx_core_unsubscribe(f->api->parts.core, &f->sub);
	feed_unref(f);
}

/* ---- the first page ---- */

static int push_event(struct feed *f, int64_t seq, const char *event, nx_str data, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	if (!nx_sse_format(&b, seq, event, data))
		return nx_error_set(err, NX_ENOMEM, "out of memory for an event");
	(void)nx_stream_push_text(f->stream, nx_buf_str(&b));
	return 0;
}

static int push_snapshot(struct feed *f, struct nx_arena *a, int64_t id, struct nx_error **err)
{
	struct nx_db *db = nx_store_reader(f->api->parts.store);
	struct nx_task_filter filter = {
		.session_id = nx_str_z(f->session), .limit = 50, .user_id = nx_request_bound_user(f->request)};
	bool one = !nx_id_none(f->task);
	int64_t next;
	nx_str what;
	int rc = one ? nx_task_get_json(db, f->sub.tenant, f->task, a, &what, err)
		     : nx_task_list_json(db, f->sub.tenant, &filter, a, &what, &next, err);
	if (rc)
		return rc;
	char *text = nx_arena_printf(a, "{\"seq\":%lld,\"%s\":%.*s}", (long long)f->target, one ? "task" : "tasks",
				     NX_FMT(what));
	if (!text)
		return nx_error_set(err, NX_ENOMEM, "out of memory for a snapshot");
	return push_event(f, id, "snapshot", nx_str_z(text), err);
}

/* What was committed when the subscription began is in the store, the rest comes live; the target divides them. */
static int find_target(struct feed *f, struct nx_error **err)
{
	int64_t last = 0;
	int rc = nx_db_get_int(nx_store_reader(f->api->parts.store), "SELECT next_seq - 1 FROM tenants WHERE id = $1",
			       NX_PARAMS(nx_v_int(f->sub.tenant)), &last, err);
	(void)pthread_mutex_lock(&f->lock);
	f->target = nx_max(f->target, last);
	(void)pthread_mutex_unlock(&f->lock);
	return rc;
}

static int is_over(struct feed *f, bool *ret, struct nx_error **err)
{
	int64_t finished = 0, last = 0;
	struct nx_db *db = nx_store_reader(f->api->parts.store);
	int rc = nx_db_get_int(db, "SELECT finished_at IS NOT NULL FROM tasks WHERE tenant_id = $1 AND uid = $2",
			       NX_PARAMS(nx_v_int(f->sub.tenant), nx_v_id(&f->task)), &finished, err);
	if (!rc)
		rc = nx_db_get_int(db,
				   "SELECT coalesce(max(e.seq), 0) FROM tasks t JOIN events e ON e.task_id = t.id "
				   "WHERE t.tenant_id = $1 AND t.uid = $2",
				   NX_PARAMS(nx_v_int(f->sub.tenant), nx_v_id(&f->task)), &last, err);
	*ret = finished && f->sent >= last;
	return rc;
}

/* Snapshot and first page. *ret_over: there is nothing more to come, ever. */
static int first_page(struct feed *f, struct nx_arena *a, bool *ret_over, struct nx_error **err)
{
	bool one = !nx_id_none(f->task);
	nx_auto_error struct nx_error *gone = NULL;
	*ret_over = false;
	int rc = find_target(f, err);
	if (!rc && one && f->resume)
		rc = is_over(f, ret_over, err);
	if (rc || *ret_over)
		return rc;
	if (f->sent > f->target) {
		f->sent = f->target;
		rc = push_event(f, f->target, "reset", NX_STR("{\"reason\":\"Last-Event-ID is ahead of this server\"}"),
				err);
	}
	if (!rc)
		rc = push_snapshot(f, a, !one && !f->resume ? f->target : 0, err);
	if (rc)
		return rc;
	if (!one && !f->resume)
		f->sent = f->target;
	rc = read_page(f, a, &gone);
	if (rc != NX_ENOTFOUND)
		return rc ? nx_error_move(err, nx_steal(gone)) : 0;
	f->sent = f->target;
	rc = push_event(f, f->target, "reset",
			NX_STR("{\"reason\":\"the events after Last-Event-ID are no longer kept\"}"), err);
	return rc ? rc : read_page(f, a, err);
}

static void reply_first(struct nx_request *r)
{
	struct feed *f = r->ctx;
	struct nx_error *err = NULL;
	bool over;
	int rc = first_page(f, r->arena, &over, &err);
	f->request = NULL;
	if (!rc && !over) {
		nx_request_header(r, "X-Accel-Buffering", "no");
		nx_request_reply_stream(r, f->stream);
		return;
	}
	/* No connection ever takes the stream: its end is ours to tell. */
	on_closed(f->stream, f);
	if (over)
		nx_request_reply_empty(r, 204);
	else
		nx_request_reply_error(r, err);
}

static void on_ready(struct nx_subscription *s, int64_t seq)
{
	struct feed *f = nx_container_of(s, struct feed, sub);
	(void)seq;
	nx_request_work(f->request, reply_first, false);
}

/* ---- the beginning ---- */

static struct feed *feed_new(struct nx_request *r, const struct nx_sse_filter *filter)
{
	struct feed *f = calloc(1, sizeof(*f));
	struct nx_stream_events ev = {.on_drained = on_drained, .on_closed = on_closed, .ctx = f};
	if (!f)
		return NULL;
	f->stream = nx_stream_new((size_t)r->api->parts.config->api_stream_buffer_bytes, &ev);
	if (!f->stream) {
		free(f);
		return NULL;
	}
	(void)pthread_mutex_init(&f->lock, NULL);
	atomic_init(&f->refs, 2);
	f->waiting_tail = &f->waiting;
	f->api = r->api;
	f->request = r;
	f->task = filter->task;
	f->resume = filter->resume;
	f->sent = filter->after;
	memcpy(f->session, filter->session.p ? filter->session.p : "", filter->session.n);
	f->sub = (struct nx_subscription){
		.tenant = r->who.tenant,
		.task = filter->task,
		.session = nx_str_n(f->session, filter->session.n),
		.on_event = on_event,
		.on_ready = on_ready,
		.on_gone = on_unsubscribed,
	};
	return f;
}

void nx_sse_serve(struct nx_request *r, const struct nx_sse_filter *filter)
{
	struct nx_error *err = NULL;
	struct feed *f = NULL;
	if (filter->session.n >= SESSION_MAX)
		nx_error_set(&err, NX_ETOOBIG, "a session's name has at most %d bytes", SESSION_MAX - 1);
	else if (!(f = feed_new(r, filter)))
		nx_error_set(&err, NX_ENOMEM, "out of memory for an event stream");
	if (err) {
		nx_request_reply_error(r, err);
		return;
	}
	r->ctx = f;
	nx_core_subscribe(r->api->parts.core, &f->sub);
}

int nx_sse_last_id(struct nx_request *r, bool has_query, int64_t query, bool *ret_given, int64_t *ret,
		   struct nx_error **err)
{
	*ret_given = r->headers.last_event_id.p || has_query;
	*ret = has_query ? query : 0;
	if (r->headers.last_event_id.n == 0)
		return 0;
	if (nx_str_to_i64(r->headers.last_event_id, ret) && *ret >= 0)
		return 0;
	return nx_error_set(err, NX_EINVAL, "Last-Event-ID is not a sequence number of this server");
}
