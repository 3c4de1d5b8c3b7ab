/*
 * Calls to a local chat model: a queue before one `nexus model-worker` process.
 *
 *   stopped ──a call──▶ loading ──"ready"──▶ ready ──idle for model.chat_idle──▶ stopped
 *      ▲                   │                   │
 *      │                   └────── it ends ────┴──▶ the call under way fails with NX_EPROVIDER, nothing else does
 *      └──── after a back-off that doubles with each end, the next call in the queue starts another process
 *
 * An end while loading fails the call at the head of the queue, because it might be what this file always does; when the
 * worker has said why the file cannot be loaded, it fails them all. A call that is cancelled or out of time is told to the
 * worker, which has a second to stop before it is killed.
 */
#include "model/worker_internal.h"

#include "base/assert.h"
#include "base/clock.h"
#include "model/retry_internal.h"

#include <stdio.h>
#include <uv.h>

#define STOP_GRACE_US NX_USEC_PER_SEC

struct call {
	struct nx_msg msg;
	struct nx_worker *worker;
	struct nx_chat *chat;
	struct nx_timer deadline;
	struct nx_buf text;
	struct nx_error *stopped; /* why it was told to stop; NULL: it was not */
	struct call *next;
};

struct nx_worker {
	const struct nx_config *config;
	struct nx_loop *loop;
	char *path;
	struct call *head, **tail; /* waiting */
	struct call *current;      /* at the worker */
	struct nx_worker_child *child;
	bool is_ready, is_closing;
	unsigned nchildren; /* of which all but one are ending */
	unsigned ends;      /* unwanted, in a row */
	int64_t not_before_us;
	struct nx_error *load_error;
	struct nx_timer restart, idle, grace;
	uv_sem_t closed;

	uv_mutex_t mutex;
	struct nx_model_health health;
};

static const char *program;

static void pump(struct nx_worker *w);

void nx_worker_set_program(const char *path)
{
	program = path;
}

/* ---- health ---- */

static void set_health(struct nx_worker *w, bool loading, bool ready, const char *failing)
{
	uv_mutex_lock(&w->mutex);
	w->health.loading = loading;
	w->health.ready = ready;
	(void)snprintf(w->health.failing, sizeof(w->health.failing), "%s", failing);
	uv_mutex_unlock(&w->mutex);
}

void nx_worker_health(struct nx_worker *w, struct nx_model_health *ret)
{
	uv_mutex_lock(&w->mutex);
	*ret = w->health;
	uv_mutex_unlock(&w->mutex);
}

/* ---- calls ---- */

static void free_call(struct call *c)
{
	nx_timer_stop(&c->deadline);
	nx_buf_done(&c->text);
	nx_error_free(c->stopped);
	free(c);
}

/* Takes err. */
static void end_call(struct call *c, struct nx_error *err)
{
	nx_chat_finish(c->chat, err);
	free_call(c);
}

static struct call *pop_call(struct nx_worker *w)
{
	struct call *c = w->head;
	w->head = c->next;
	if (w->head == NULL)
		w->tail = &w->head;
	return c;
}

static void remove_call(struct nx_worker *w, const struct call *c)
{
	struct call **p = &w->head;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	if (w->tail == &c->next)
		w->tail = p;
}

static void fail_waiting(struct nx_worker *w, const struct nx_error *e)
{
	while (w->head != NULL)
		end_call(pop_call(w), nx_error_copy(e));
}

static void send_cancel(struct nx_worker *w, uint64_t id)
{
	nx_auto_buf struct nx_buf line = NX_BUF_INIT;
	if (nx_worker_write_command(&(struct nx_worker_command){.op = NX_WORKER_CANCEL, .id = id}, &line, NULL) == 0)
		nx_worker_child_send(w->child, &line);
}

/* Takes err. A waiting call ends at once, the current one when the worker has stopped or was killed. */
static void stop_call(struct nx_worker *w, struct call *c, struct nx_error *err)
{
	if (c != w->current) {
		remove_call(w, c);
		end_call(c, err);
		return;
	}
	if (c->stopped != NULL) {
		nx_error_free(err);
		return;
	}
	c->stopped = err;
	send_cancel(w, c->chat->id);
	if (nx_timer_start(&w->grace, STOP_GRACE_US, NULL) != 0)
		nx_worker_child_kill(w->child);
}

static void fire_deadline(struct nx_timer *t)
{
	struct call *c = nx_container_of(t, struct call, deadline);
	struct nx_error *err = NULL;
	(void)nx_error_set(&err, NX_ETIMEOUT, "the local chat model has not answered in time");
	(void)nx_error_hint(&err, "raise model.timeout, or lower model.max_tokens");
	stop_call(c->worker, c, err);
}

static void fire_grace(struct nx_timer *t)
{
	struct nx_worker *w = nx_container_of(t, struct nx_worker, grace);
	if (w->child != NULL)
		nx_worker_child_kill(w->child);
}

/* ---- what the worker says ---- */

static int take_delta(struct nx_worker *w, const struct nx_worker_event *e, struct nx_error **err)
{
	struct call *c = w->current;
	if (c->text.n + e->text.n > (size_t)w->config->model_max_response_bytes || !nx_buf_adds(&c->text, e->text))
		return nx_error_set(err, NX_ELIMIT, "the answer of the model is over model.max_response_bytes");
	if (c->stopped == NULL)
		nx_chat_delta(c->chat, e->text);
	return 0;
}

static struct call *release_current(struct nx_worker *w)
{
	nx_timer_stop(&w->grace);
	return nx_steal(w->current);
}

static void take_done(struct nx_worker *w, const struct nx_worker_event *e)
{
	struct call *c = release_current(w);
	c->chat->text = nx_buf_str(&c->text);
	c->chat->finish = e->finish;
	c->chat->input_tokens = e->input_tokens;
	c->chat->cached_tokens = e->cached_tokens;
	c->chat->output_tokens = e->output_tokens;
	w->ends = 0;
	end_call(c, nx_steal(c->stopped));
	pump(w);
}

static void take_error(struct nx_worker *w, const struct nx_worker_event *e)
{
	struct nx_error *err = NULL;
	(void)nx_error_set(&err, e->code, "%.*s", NX_FMT(nx_utf8_truncate(e->text, 400)));
	if (e->id == 0) { /* the end of the process follows */
		nx_error_free(w->load_error);
		w->load_error = err;
		return;
	}
	struct call *c = release_current(w);
	struct nx_error *stopped = nx_steal(c->stopped);
	if (stopped != NULL)
		nx_error_free(err);
	end_call(c, stopped != NULL ? stopped : err);
	pump(w);
}

static void take_ready(struct nx_worker *w, const struct nx_worker_event *e)
{
	w->is_ready = true;
	uv_mutex_lock(&w->mutex);
	w->health.context = (size_t)e->context;
	uv_mutex_unlock(&w->mutex);
	set_health(w, false, true, "");
	pump(w);
}

static int take_event(struct nx_worker *w, const struct nx_worker_event *e, struct nx_error **err)
{
	bool is_current = w->current != NULL && w->current->chat->id == e->id;
	switch (e->kind) {
	case NX_WORKER_READY:
		if (w->is_ready)
			break;
		take_ready(w, e);
		return 0;
	case NX_WORKER_DELTA:
		if (!is_current)
			break;
		return take_delta(w, e, err);
	case NX_WORKER_DONE:
		if (!is_current)
			break;
		take_done(w, e);
		return 0;
	case NX_WORKER_ERROR:
		if (!is_current && (e->id != 0 || w->is_ready))
			break;
		take_error(w, e);
		return 0;
	}
	return nx_error_set(err, NX_EPARSE, "the model worker says what was not asked");
}

static int on_line(nx_str line, void *ctx, struct nx_error **err)
{
	struct nx_worker *w = ctx;
	struct nx_worker_event e;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (a == NULL)
		return nx_error_set(err, NX_ENOMEM, "model worker: out of memory");
	int r = nx_worker_read_event(a, line, &e, err);
	return r == 0 ? take_event(w, &e, err) : r;
}

/* ---- the process ---- */

static void back_off(struct nx_worker *w)
{
	w->ends++;
	w->not_before_us = nx_time_mono_us() + nx_retry_delay_us(w->ends - 1, 0, nx_random_unit());
}

static struct nx_error *death_error(const struct nx_worker *w, const char *how)
{
	struct nx_error *err = NULL;
	(void)nx_error_set(&err, NX_EPROVIDER, "the model worker was %s %s", how,
			   w->is_ready ? "in the middle of an answer" : "while it loaded the model");
	(void)nx_error_hint(&err, "call again: it is started anew; check memory and the file %s when it happens again",
			    w->path);
	return err;
}

static void on_end(const char *how, void *ctx)
{
	struct nx_worker *w = ctx;
	struct nx_error *err = death_error(w, how);
	nx_auto_error struct nx_error *load_error = nx_steal(w->load_error);
	bool was_ready = w->is_ready;
	w->child = NULL;
	w->is_ready = false;
	back_off(w);
	set_health(w, false, false, nx_error_message(load_error != NULL ? load_error : err));
	if (w->current != NULL) {
		struct call *c = release_current(w);
		struct nx_error *stopped = nx_steal(c->stopped);
		end_call(c, stopped != NULL ? stopped : nx_error_copy(err));
	}
	if (load_error != NULL)
		fail_waiting(w, load_error);
	else if (!was_ready && w->head != NULL)
		end_call(pop_call(w), nx_error_copy(err));
	nx_error_free(err);
	pump(w);
}

static void on_gone(void *ctx)
{
	struct nx_worker *w = ctx;
	if (--w->nchildren == 0 && w->is_closing)
		uv_sem_post(&w->closed);
}

/* Its threads spin while they wait for each other, so more than there are cores to spare make it slower, not faster. */
static unsigned count_threads(const struct nx_worker *w)
{
	if (w->config->model_threads > 0)
		return (unsigned)w->config->model_threads;
	return nx_max(nx_model_count_cores() / 2, 1U);
}

static void start_child(struct nx_worker *w)
{
	struct nx_error *err = NULL;
	struct nx_worker_child_options o = {
		.program = program, .model = w->path, .context = w->config->model_context, .threads = count_threads(w)};
	struct nx_worker_child_events events = {on_line, on_end, on_gone, w};
	if (nx_worker_child_start(w->loop, &o, &events, &w->child, &err) == 0) {
		w->nchildren++;
		set_health(w, true, false, "");
		return;
	}
	back_off(w);
	set_health(w, false, false, nx_error_message(err));
	end_call(pop_call(w), err);
}

static void send_chat(struct nx_worker *w)
{
	struct nx_error *err = NULL;
	struct call *c = pop_call(w);
	nx_auto_buf struct nx_buf line = NX_BUF_INIT;
	struct nx_worker_command command = {.op = NX_WORKER_CHAT,
					    .id = c->chat->id,
					    .max_tokens = c->chat->max_tokens > 0 ? c->chat->max_tokens
										  : w->config->model_max_tokens,
					    .temperature = c->chat->temperature,
					    .messages = c->chat->messages,
					    .nmessages = c->chat->nmessages};
	if (nx_worker_write_command(&command, &line, &err) == 0 && line.n > NX_WORKER_MAX_LINE)
		(void)nx_error_set(&err, NX_ETOOBIG, "the messages are over %d bytes together", NX_WORKER_MAX_LINE);
	if (err != NULL) {
		end_call(c, err);
		return;
	}
	w->current = c;
	nx_worker_child_send(w->child, &line);
}

/* Does what there is to do next. */
static void pump(struct nx_worker *w)
{
	nx_timer_stop(&w->idle);
	while (w->current == NULL && w->head != NULL && !w->is_closing) {
		int64_t now = nx_time_mono_us();
		if (w->child != NULL && !w->is_ready)
			return;
		if (w->child == NULL && now < w->not_before_us &&
		    nx_timer_start(&w->restart, w->not_before_us - now, NULL) == 0)
			return;
		if (w->child != NULL)
			send_chat(w);
		else
			start_child(w);
	}
	if (w->current == NULL && w->child != NULL && !w->is_closing) /* without memory for a timer it just stays */
		(void)nx_timer_start(&w->idle, w->config->model_chat_idle * NX_USEC_PER_MSEC, NULL);
}

static void fire_restart(struct nx_timer *t)
{
	pump(nx_container_of(t, struct nx_worker, restart));
}

static void dismiss_child(struct nx_worker *w)
{
	w->is_ready = false;
	nx_worker_child_dismiss(nx_steal(w->child));
}

static void fire_idle(struct nx_timer *t)
{
	struct nx_worker *w = nx_container_of(t, struct nx_worker, idle);
	if (w->child == NULL || w->current != NULL)
		return;
	dismiss_child(w);
	set_health(w, false, false, "");
}

/* ---- from outside ---- */

static void run_chat(struct nx_msg *msg)
{
	struct call *c = nx_container_of(msg, struct call, msg);
	struct nx_worker *w = c->worker;
	struct nx_error *err = NULL;
	nx_loop_assert(w->loop);
	nx_timer_init(&c->deadline, w->loop, fire_deadline);
	int64_t timeout = c->chat->timeout_us > 0 ? c->chat->timeout_us : w->config->model_timeout * NX_USEC_PER_MSEC;
	if (w->is_closing)
		(void)nx_error_set(&err, NX_ECANCELLED, "the models are being closed");
	if (err != NULL || nx_timer_start(&c->deadline, timeout, &err) != 0) {
		end_call(c, err);
		return;
	}
	*w->tail = c;
	w->tail = &c->next;
	pump(w);
}

static int check_chat(const struct nx_worker *w, const struct nx_chat *chat, struct nx_error **err)
{
	if (chat->model.n == 0 || nx_str_eqz(chat->model, w->config->model_chat))
		return 0;
	/* A path in a request must never open a file. */
	(void)nx_error_set(err, NX_EINVAL, "model %.*s is not the one that is configured", NX_FMT(chat->model));
	return nx_error_hint(err, "leave the model out, or use %s", w->config->model_chat);
}

void nx_worker_chat(void *worker, struct nx_chat *chat)
{
	struct nx_worker *w = worker;
	struct nx_error *err = NULL;
	struct call *c = check_chat(w, chat, &err) == 0 ? calloc(1, sizeof(*c)) : NULL;
	if (c == NULL) {
		if (err == NULL)
			(void)nx_error_set(&err, NX_ENOMEM, "model call: out of memory");
		nx_chat_finish(chat, err);
		return;
	}
	c->worker = w;
	c->chat = chat;
	c->msg.run = run_chat;
	nx_loop_post(w->loop, &c->msg);
}

struct cancel {
	struct nx_msg msg;
	struct nx_worker *worker;
	uint64_t id;
};

static void run_cancel(struct nx_msg *msg)
{
	struct cancel *k = nx_container_of(msg, struct cancel, msg);
	struct nx_worker *w = k->worker;
	struct call *c = w->current != NULL && w->current->chat->id == k->id ? w->current : w->head;
	while (c != NULL && c->chat->id != k->id)
		c = c->next;
	if (c != NULL) {
		struct nx_error *err = NULL;
		(void)nx_error_set(&err, NX_ECANCELLED, "the model call was cancelled");
		stop_call(w, c, err);
	}
	free(k);
}

void nx_worker_cancel(void *worker, uint64_t id)
{
	struct nx_worker *w = worker;
	struct cancel *k = malloc(sizeof(*k));
	if (k == NULL) /* the call then ends by its timeout */
		return;
	*k = (struct cancel){.msg = {.run = run_cancel}, .worker = w, .id = id};
	nx_loop_post(w->loop, &k->msg);
}

int nx_worker_new(const struct nx_config *c, struct nx_loop *loop, const char *path, struct nx_worker **ret,
		  struct nx_error **err)
{
	struct nx_worker *w = calloc(1, sizeof(*w));
	if (w == NULL || (w->path = strdup(path)) == NULL) {
		free(w);
		return nx_error_set(err, NX_ENOMEM, "model worker: out of memory");
	}
	w->config = c;
	w->loop = loop;
	w->tail = &w->head;
	nx_assert(uv_mutex_init(&w->mutex) == 0 && uv_sem_init(&w->closed, 0) == 0);
	nx_timer_init(&w->restart, loop, fire_restart);
	nx_timer_init(&w->idle, loop, fire_idle);
	nx_timer_init(&w->grace, loop, fire_grace);
	*ret = w;
	return 0;
}

static void run_close(void *worker)
{
	struct nx_worker *w = worker;
	nx_auto_error struct nx_error *err = NULL;
	(void)nx_error_set(&err, NX_ECANCELLED, "the models are being closed");
	w->is_closing = true;
	nx_timer_stop(&w->restart);
	nx_timer_stop(&w->idle);
	nx_timer_stop(&w->grace);
	fail_waiting(w, err);
	if (w->current != NULL)
		end_call(nx_steal(w->current), nx_error_copy(err));
	bool has_children = w->nchildren > 0;
	if (w->child != NULL)
		dismiss_child(w);
	if (!has_children)
		uv_sem_post(&w->closed);
}

void nx_worker_free(struct nx_worker *w)
{
	if (w == NULL)
		return;
	nx_model_call_on(w->loop, run_close, w);
	uv_sem_wait(&w->closed);
	uv_sem_destroy(&w->closed);
	uv_mutex_destroy(&w->mutex);
	nx_error_free(w->load_error);
	free(w->path);
	free(w);
}
