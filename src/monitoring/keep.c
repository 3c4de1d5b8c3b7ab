/* From the sinks into the store: the queue, its batches, and the end of what is too old. */
#include "monitoring/monitoring_internal.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

/* A commit for half a second of spans costs one fsync beside hundreds of them; a user who asks sooner reads the queue. */
#define FLUSH_US (500 * NX_USEC_PER_MSEC)
#define RETRY_US (20 * NX_USEC_PER_MSEC) /* while the write before is still under way */
#define PURGE_EVERY_US (3600 * NX_USEC_PER_SEC)
#define PURGE_ROWS 256
#define DEFAULT_MAX_BYTES ((size_t)4 << 20)
#define DEFAULT_KEEP_US (7 * 86400 * NX_USEC_PER_SEC)
/* Of one log line. */
#define MAX_MESSAGE 4096
#define MAX_FIELDS 16384

static struct {
	pthread_mutex_t lock;
	pthread_cond_t idle; /* no write is under way */
	struct nx_monitoring *on;
} live = {.lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER};

struct nx_monitoring *nx_monitoring_lock(void)
{
	pthread_mutex_lock(&live.lock);
	return live.on;
}

void nx_monitoring_unlock(void)
{
	pthread_mutex_unlock(&live.lock);
}

/* ---- the queue ---- */

static void list_push(struct nx_record_list *l, struct nx_record *r)
{
	r->next = NULL;
	if (l->last)
		l->last->next = r;
	else
		l->first = r;
	l->last = r;
	l->bytes += r->size;
	l->n++;
}

static struct nx_record *list_pop(struct nx_record_list *l)
{
	struct nx_record *r = l->first;
	l->first = r->next;
	if (!l->first)
		l->last = NULL;
	l->bytes -= r->size;
	l->n--;
	return r;
}

static nx_str put_text(char **at, nx_str s)
{
	nx_str copy = nx_str_n(*at, s.n);
	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

/* A copy of `from` with its texts, and braces around what is in `members`. */
static struct nx_record *record_new(const struct nx_record *from, nx_str members)
{
	size_t size = sizeof(*from) + from->name.n + from->text.n + from->fields.n + members.n + 2;
	struct nx_record *r = malloc(size);
	if (!r)
		return NULL;
	*r = *from;
	r->size = size;
	char *at = (char *)(r + 1);
	r->name = put_text(&at, from->name);
	r->text = put_text(&at, from->text);
	if (from->fields.p) {
		r->fields = put_text(&at, from->fields);
	} else {
		r->fields = nx_str_n(at, members.n + 2);
		(void)put_text(&at, NX_STR("{"));
		(void)put_text(&at, members);
		(void)put_text(&at, NX_STR("}"));
	}
	return r;
}

static void count_dropped(struct nx_monitoring *m, size_t n)
{
	m->dropped += n;
	nx_metric_add(NX_M_RECORDS_DROPPED, NULL, NULL, (double)n);
}

/* The lock is held. */
static void queue_push(struct nx_monitoring *m, struct nx_record *r)
{
	r->id = m->next_id++;
	list_push(&m->queue, r);
	bool is_urgent = m->queue.bytes > m->max_bytes / 2;
	if (m->is_armed && (m->is_hurried || !is_urgent))
		return;
	m->is_armed = true;
	m->is_hurried = is_urgent;
	if (!m->wake_posted) {
		m->wake_posted = true;
		nx_loop_post(m->loop, &m->wake_msg);
	}
}

static void record_push(const struct nx_record *from, nx_str members)
{
	struct nx_record *r = record_new(from, members);
	struct nx_monitoring *m = nx_monitoring_lock();
	bool fits = m && r && m->queue.bytes + m->batch.bytes + r->size <= m->max_bytes;
	if (fits)
		queue_push(m, r);
	else if (m)
		count_dropped(m, 1);
	nx_monitoring_unlock();
	if (!fits)
		free(r);
}

static void on_span(const struct nx_span *s, void *ctx NX_UNUSED)
{
	if (nx_id_none(s->task))
		return;
	struct nx_record r = {.kind = NX_RECORD_SPAN,
			      .tenant = s->tenant,
			      .task = s->task,
			      .trace = s->ctx.trace,
			      .step = s->step,
			      .span = s->ctx.span,
			      .parent = s->parent,
			      .start_us = s->start_us,
			      .end_us = s->end_us,
			      .error = s->error,
			      .name = nx_str_z(s->name)};
	record_push(&r, nx_str_n(s->attrs, s->nattrs));
}

static void on_log(const struct nx_log_record *l, void *ctx NX_UNUSED)
{
	struct nx_record r = {.kind = NX_RECORD_LOG,
			      .tenant = l->scope.tenant,
			      .task = l->scope.task,
			      .trace = l->scope.trace,
			      .start_us = l->time_us,
			      .end_us = l->time_us,
			      .level = (int)l->level,
			      .name = nx_str_z(l->component),
			      .text = nx_utf8_truncate(nx_str_z(l->message), MAX_MESSAGE),
			      .fields = l->fields_json};
	if (r.fields.n == 0)
		r.fields = NX_STR("{}");
	if (r.fields.n > MAX_FIELDS)
		r.fields = NX_STR("{\"truncated\":true}");
	record_push(&r, NX_STR_NULL);
}

int nx_monitoring_waiting(enum nx_record_kind kind, int64_t tenant, nx_id task, struct nx_arena *a,
			  struct nx_record **ret, size_t *ret_n, struct nx_error **err)
{
	struct nx_monitoring *m = nx_monitoring_lock();
	const struct nx_record_list *lists[] = {m ? &m->batch : NULL, m ? &m->queue : NULL};
	size_t n = 0;
	struct nx_record *copies = nx_arena_array(a, struct nx_record, m ? m->batch.n + m->queue.n + 1 : 1);
	bool failed = !copies;
	for (size_t i = 0; m && !failed && i < nx_countof(lists); i++) {
		for (const struct nx_record *r = lists[i]->first; r && !failed; r = r->next) {
			if (r->kind != kind || r->tenant != tenant || !nx_id_eq(r->task, task))
				continue;
			copies[n] = *r;
			copies[n].name = nx_str_dup(a, r->name);
			copies[n].text = nx_str_dup(a, r->text);
			copies[n].fields = nx_str_dup(a, r->fields);
			failed = !copies[n].name.p || !copies[n].text.p || !copies[n].fields.p;
			n++;
		}
	}
	nx_monitoring_unlock();
	if (failed)
		return nx_error_set(err, NX_ENOMEM, "no memory for what is not written yet of a trace");
	*ret = copies;
	*ret_n = n;
	return 0;
}

/* ---- batches: on the writer's thread ---- */

static int insert_span(struct nx_db *db, const struct nx_record *r, struct nx_error **err)
{
	const struct nx_error_info *info = r->error ? nx_error_info(r->error) : NULL;
	return nx_db_exec(
		db,
		"INSERT INTO spans(id, tenant_id, trace_id, span_id, parent_id, task_uid, step_uid, name, start_us, "
		"end_us, error, attrs) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
		NX_PARAMS(nx_v_int(r->id), nx_v_int(r->tenant), nx_v_id(&r->trace), nx_v_int((int64_t)r->span),
			  nx_v_int0((int64_t)r->parent), nx_v_id(&r->task), nx_v_id(&r->step), nx_v_text(r->name),
			  nx_v_int(r->start_us), nx_v_int(r->end_us), nx_v_textz(info ? info->name : NULL),
			  nx_v_text(r->fields)),
		err);
}

static const char *level_name(int level)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	nx_assert(level >= 0 && (size_t)level < nx_countof(names));
	return names[level];
}

static int insert_log(struct nx_db *db, const struct nx_record *r, struct nx_error **err)
{
	return nx_db_exec(
		db,
		"INSERT INTO logs(id, tenant_id, task_uid, trace_id, time_us, level, component, message, fields) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		NX_PARAMS(nx_v_int(r->id), nx_v_int(r->tenant), nx_v_id(&r->task), nx_v_id(&r->trace),
			  nx_v_int(r->start_us), nx_v_textz(level_name(r->level)), nx_v_text(r->name),
			  nx_v_text(r->text), nx_v_text(r->fields)),
		err);
}

/* The lock is held. What an earlier slice wrote is committed by now. */
static void forget_written(struct nx_monitoring *m)
{
	for (; m->written > 0; m->written--) {
		free(list_pop(&m->batch));
		m->kept++;
	}
}

/* The records to write now. Only the writer thread takes any off the batch, so they stay while it goes through them. */
static const struct nx_record *batch_begin(struct nx_monitoring *m)
{
	pthread_mutex_lock(&live.lock);
	forget_written(m);
	if (!m->batch.first) {
		m->batch = m->queue;
		m->queue = (struct nx_record_list){.n = 0};
		m->is_armed = m->is_hurried = false;
	}
	const struct nx_record *first = m->batch.first;
	pthread_mutex_unlock(&live.lock);
	return first;
}

static int apply_batch(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_monitoring *m = nx_container_of(w, struct nx_monitoring, batch_write);
	for (const struct nx_record *r = batch_begin(m); r; r = r->next) {
		int code = r->kind == NX_RECORD_SPAN ? insert_span(db, r, err) : insert_log(db, r, err);
		if (code < 0)
			return nx_error_wrap(err, "keep a trace");
		m->written++;
		if (r->next && nx_write_slice_over(w))
			return NX_WRITE_MORE;
	}
	return 0;
}

/* The lock is held. */
static void write_ended(struct nx_monitoring *m)
{
	if (--m->busy == 0)
		pthread_cond_broadcast(&live.idle);
}

static void batch_done(struct nx_write *w, struct nx_error *err)
{
	struct nx_monitoring *m = nx_container_of(w, struct nx_monitoring, batch_write);
	size_t lost;
	pthread_mutex_lock(&live.lock);
	if (!err)
		forget_written(m);
	m->written = 0;
	lost = m->batch.n;
	while (m->batch.first)
		free(list_pop(&m->batch));
	count_dropped(m, lost);
	write_ended(m);
	pthread_mutex_unlock(&live.lock);
	if (lost > 0)
		nx_log_warn("monitoring", "spans and log lines were not kept", NX_LINT("records", lost), NX_LERR(err));
}

/* ---- the end of what is too old ---- */

/* Row keys and times grow together, so the oldest rows are the first. True when there may be more of them. */
static int purge_table(struct nx_db *db, const char *sql, int64_t before_us, struct nx_error **err)
{
	int r = nx_db_exec(db, sql, NX_PARAMS(nx_v_int(before_us), nx_v_int(PURGE_ROWS)), err);
	if (r < 0)
		return nx_error_wrap(err, "remove old traces");
	return nx_db_changes(db) == PURGE_ROWS;
}

static int apply_purge(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_monitoring *m = nx_container_of(w, struct nx_monitoring, purge_write);
	int64_t before_us = nx_time_wall_us() - m->keep_us;
	int spans = purge_table(
		db, "DELETE FROM spans WHERE end_us < $1 AND id IN (SELECT id FROM spans ORDER BY id LIMIT $2)",
		before_us, err);
	if (spans < 0)
		return spans;
	int logs = purge_table(
		db, "DELETE FROM logs WHERE time_us < $1 AND id IN (SELECT id FROM logs ORDER BY id LIMIT $2)",
		before_us, err);
	if (logs < 0)
		return logs;
	return spans || logs ? NX_WRITE_MORE : 0;
}

static void purge_done(struct nx_write *w, struct nx_error *err)
{
	struct nx_monitoring *m = nx_container_of(w, struct nx_monitoring, purge_write);
	if (err)
		nx_log_warn("monitoring", "old traces were not removed", NX_LERR(err));
	pthread_mutex_lock(&live.lock);
	write_ended(m);
	pthread_mutex_unlock(&live.lock);
}

/* ---- when: on the loop ---- */

/* Writes what waits, unless a write is under way; and once an hour removes what is too old. */
static void flush(struct nx_monitoring *m)
{
	int64_t now_us = nx_time_mono_us();
	pthread_mutex_lock(&live.lock);
	bool may_write = m->busy == 0, may_purge = may_write && now_us >= m->purge_due_us;
	if (may_write)
		m->busy = may_purge ? 2 : 1;
	if (may_purge)
		m->purge_due_us = now_us + PURGE_EVERY_US;
	pthread_mutex_unlock(&live.lock);
	if (may_write)
		nx_store_write(m->store, &m->batch_write);
	if (may_purge)
		nx_store_write(m->store, &m->purge_write);
	if (!may_write)
		(void)nx_timer_start(&m->flush_timer, RETRY_US, NULL); /* it has just fired: its place is still there */
}

static void on_flush_timer(struct nx_timer *t)
{
	flush(nx_container_of(t, struct nx_monitoring, flush_timer));
}

static void on_wake(struct nx_msg *msg)
{
	struct nx_monitoring *m = nx_container_of(msg, struct nx_monitoring, wake_msg);
	pthread_mutex_lock(&live.lock);
	m->wake_posted = false;
	bool is_hurried = m->is_hurried;
	pthread_mutex_unlock(&live.lock);
	if (m->flush_timer.slot && !is_hurried)
		return;
	if (nx_timer_start(&m->flush_timer, is_hurried ? 0 : FLUSH_US, NULL) < 0)
		flush(m); /* no memory for the first timer: now is as good */
}

/* ---- the instance ---- */

static int last_row(struct nx_db *db, int64_t *ret, struct nx_error **err)
{
	return nx_db_get_int(
		db, "SELECT max(coalesce((SELECT max(id) FROM spans), 0), coalesce((SELECT max(id) FROM logs), 0))",
		NX_NO_PARAMS, ret, err);
}

static int read_next_id(struct nx_monitoring *m, struct nx_error **err)
{
	struct nx_db *db;
	int64_t last = 0;
	int r = nx_store_reader_new(m->store, &db, err);
	if (r < 0)
		return r;
	r = last_row(db, &last, err);
	nx_store_reader_free(db);
	m->next_id = last + 1;
	return r;
}

int nx_monitoring_new(const struct nx_monitoring_parts *p, struct nx_monitoring **ret, struct nx_error **err)
{
	struct nx_monitoring *m = calloc(1, sizeof(*m));
	if (!m)
		return nx_error_set(err, NX_ENOMEM, "no memory for monitoring");
	m->store = p->store;
	m->loop = p->loop;
	m->max_bytes = p->config ? (size_t)p->config->monitoring_queue_bytes : DEFAULT_MAX_BYTES;
	m->keep_us = p->config ? p->config->monitoring_keep * NX_USEC_PER_MSEC : DEFAULT_KEEP_US;
	nx_timer_init(&m->flush_timer, p->loop, on_flush_timer);
	m->wake_msg.run = on_wake;
	m->batch_write = (struct nx_write){.lane = NX_LANE_BULK, .apply = apply_batch, .done = batch_done};
	m->purge_write = (struct nx_write){.lane = NX_LANE_BULK, .apply = apply_purge, .done = purge_done};
	int r = read_next_id(m, err);
	if (r < 0) {
		free(m);
		return nx_error_wrap(err, "start monitoring");
	}
	pthread_mutex_lock(&live.lock);
	nx_assert(!live.on);
	live.on = m;
	pthread_mutex_unlock(&live.lock);
	nx_span_sink_set(on_span, NULL);
	nx_log_sink_set(on_log, NULL);
	*ret = m;
	return 0;
}

static void wait_idle(struct nx_monitoring *m)
{
	pthread_mutex_lock(&live.lock);
	while (m->busy > 0)
		pthread_cond_wait(&live.idle, &live.lock);
	pthread_mutex_unlock(&live.lock);
}

void nx_monitoring_free(struct nx_monitoring *m)
{
	if (!m)
		return;
	/* The sinks stay: without an instance they do nothing, and taking them away would race with whoever logs now. */
	pthread_mutex_lock(&live.lock);
	nx_assert(live.on == m);
	live.on = NULL;
	pthread_mutex_unlock(&live.lock);
	nx_timer_stop(&m->flush_timer);
	wait_idle(m);
	if (m->queue.first) {
		m->busy = 1;
		nx_store_write(m->store, &m->batch_write);
		wait_idle(m);
	}
	free(m);
}

void nx_monitoring_watch_loop(struct nx_monitoring *m, struct nx_loop *l)
{
	pthread_mutex_lock(&live.lock);
	nx_assert(m->nwatched < NX_MAX_WATCHED);
	m->watched[m->nwatched++] = l;
	pthread_mutex_unlock(&live.lock);
}

void nx_monitoring_stats(struct nx_monitoring *m, struct nx_monitoring_stats *ret)
{
	pthread_mutex_lock(&live.lock);
	*ret = (struct nx_monitoring_stats){.kept = m->kept, .dropped = m->dropped, .waiting = m->queue.n + m->batch.n};
	pthread_mutex_unlock(&live.lock);
}
