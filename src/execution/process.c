/* The life of a session's processes, and what is asked about them. */
#include "execution/process_internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>

#define PAGE_MAX (1 << 20)

/* ---- the list ---- */

static struct nx_process *find(const struct nx_session *s, nx_id id)
{
	struct nx_process *p;
	TAILQ_FOREACH(p, &s->processes, in_session)
	if (nx_id_eq(p->id, id))
		return p;
	return NULL;
}

static struct nx_process *find_number(const struct nx_session *s, uint32_t number)
{
	struct nx_process *p;
	TAILQ_FOREACH(p, &s->processes, in_session)
	if (p->number == number)
		return p;
	return NULL;
}

void nx_process_free(struct nx_process *p)
{
	nx_timer_stop(&p->grace);
	nx_process_close_out(p);
	nx_process_close_in(p);
	nx_buf_done(&p->tx);
	nx_ring_done(&p->ring);
	nx_arena_free(p->arena);
	free(p);
}

static void forget(struct nx_process *p)
{
	TAILQ_REMOVE(&p->session->processes, p, in_session);
	nx_process_let_go(p);
	nx_process_free(p);
}

static void answer(struct nx_process_call *c, const struct nx_process *p)
{
	nx_auto_error struct nx_error *err = NULL;
	(void)nx_process_json(p, c->arena, &c->json, &err);
	c->done(c, err);
}

static void answer_stoppers(struct nx_process *p, struct nx_error *err)
{
	for (struct nx_process_call *c = nx_steal(p->stoppers), *next; c; c = next) {
		next = c->next;
		if (err)
			c->done(c, err);
		else
			answer(c, p);
	}
}

void nx_processes_end(struct nx_session *s)
{
	nx_auto_error struct nx_error *err = NULL;
	struct nx_process *p;
	nx_error_set(&err, NX_ECONFLICT, "the session ended (%s)", s->reason ? s->reason : "ended");
	while ((p = TAILQ_FIRST(&s->processes))) {
		struct nx_process_call *c = nx_steal(p->creator);
		if (c)
			c->done(c, err);
		answer_stoppers(p, err);
		forget(p);
	}
}

/* ---- what the reaper tells ---- */

static int explain(int errnum, const struct nx_process *p, struct nx_error **err)
{
	const struct nx_config *c = p->session->e->config;
	if (errnum == EAGAIN)
		return nx_error_set(err, NX_ELIMIT,
				    "the session has no room for another process (sandbox.max_processes, %lld)",
				    (long long)c->sandbox_max_processes);
	if (errnum == ENOENT || errnum == ENOTDIR || errnum == EACCES || errnum == ENOEXEC || errnum == EISDIR ||
	    errnum == ELOOP || errnum == ENAMETOOLONG)
		return nx_error_set(err, NX_EINVAL, "the command could not be started: %s", strerror(errnum));
	return nx_error_set(err, NX_ESANDBOX, "the command could not be started: %s", strerror(errnum));
}

static void on_started(struct nx_process *p, const struct nx_process_word *w)
{
	struct nx_process_call *c = nx_steal(p->creator);
	p->state = NX_PROCESS_RUNNING;
	p->pid = w->pid;
	p->started_us = nx_time_wall_us();
	if (!c)
		return; /* it was given up, and its end is on the way */
	nx_timer_stop(&p->grace);
	c->process = p->id;
	answer(c, p);
}

static void on_failed(struct nx_process *p, int errnum)
{
	nx_auto_error struct nx_error *err = NULL;
	struct nx_process_call *c = nx_steal(p->creator);
	(void)explain(errnum, p, &err);
	forget(p);
	if (c)
		c->done(c, err);
}

/* What it wrote was in its pipe before it ended; what others who have the pipe write may come later. */
static void on_ended(struct nx_process *p, const struct nx_process_word *w)
{
	nx_timer_stop(&p->grace);
	nx_process_drain(p);
	p->state = NX_PROCESS_EXITED;
	p->last = *w;
	p->ended_us = nx_time_wall_us();
	nx_process_close_in(p);
	if (p->is_terminal)
		nx_process_close_out(p);
	answer_stoppers(p, NULL);
	nx_process_feed(p);
}

void nx_session_on_word(struct nx_session *s, const struct nx_process_word *w)
{
	struct nx_process *p = find_number(s, w->number);
	if (p && w->type == NX_PROCESS_STARTED && p->state == NX_PROCESS_STARTING)
		on_started(p, w);
	else if (p && w->type == NX_PROCESS_FAILED && p->state == NX_PROCESS_STARTING)
		on_failed(p, w->errnum);
	else if (p && w->type == NX_PROCESS_ENDED && p->state == NX_PROCESS_RUNNING)
		on_ended(p, w);
	else
		nx_session_stop(s, "protocol");
}

/* ---- calls ---- */

static int need_session(const struct nx_process_call *c, struct nx_session **ret, struct nx_error **err)
{
	struct nx_session *s = nx_session_find(c->e, c->tenant, c->session);
	nx_loop_assert(c->e->loop);
	if (!s || s->state != NX_SESSION_ACTIVE)
		return nx_error_set(err, NX_ENOTFOUND, "no such sandbox session is active");
	nx_session_touch(s);
	*ret = s;
	return 0;
}

static int need_process(const struct nx_process_call *c, struct nx_process **ret, struct nx_error **err)
{
	struct nx_session *s;
	int r = need_session(c, &s, err);
	if (r < 0)
		return r;
	struct nx_process *p = find(s, c->process);
	if (!p || p->state == NX_PROCESS_STARTING)
		return nx_error_set(err, NX_ENOTFOUND, "the session has no such process");
	*ret = p;
	return 0;
}

static void post(struct nx_execution *e, struct nx_process_call *c, void (*run)(struct nx_msg *m))
{
	c->e = e;
	c->msg.run = run;
	nx_loop_post(e->loop, &c->msg);
}

/* Room for one more: at most so many that run, and as many that have ended, of which the oldest goes. */
static int make_room(struct nx_session *s, struct nx_error **err)
{
	const int64_t max = s->e->config->sandbox_max_session_processes;
	struct nx_process *p, *oldest = NULL;
	int64_t running = 0, exited = 0;
	TAILQ_FOREACH(p, &s->processes, in_session)
	{
		bool has_ended = p->state == NX_PROCESS_EXITED;
		exited += has_ended;
		running += !has_ended;
		if (has_ended && !oldest)
			oldest = p;
	}
	if (running >= max)
		return nx_error_set(
			err, NX_ELIMIT,
			"%lld processes run in the session already (sandbox.max_session_processes): stop one",
			(long long)running);
	if (oldest && exited >= max)
		forget(oldest);
	return 0;
}

static void start(struct nx_msg *m)
{
	struct nx_process_call *c = nx_container_of(m, struct nx_process_call, msg);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_session *s;
	struct nx_process *p;
	if (need_session(c, &s, &err) < 0 || make_room(s, &err) < 0 || nx_process_new(s, c, &p, &err) < 0) {
		c->done(c, err);
		return;
	}
	p->creator = c;
	(void)nx_timer_start(&p->grace, s->e->config->sandbox_process_start_wait * NX_USEC_PER_MSEC, NULL);
	TAILQ_INSERT_TAIL(&s->processes, p, in_session);
}

static void get(struct nx_msg *m)
{
	struct nx_process_call *c = nx_container_of(m, struct nx_process_call, msg);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_process *p;
	if (need_process(c, &p, &err) < 0)
		c->done(c, err);
	else
		answer(c, p);
}

static int list_json(const struct nx_session *s, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL, *items = o ? yyjson_mut_obj_add_arr(d, o, "items") : NULL;
	bool ok = items != NULL;
	const struct nx_process *p;
	TAILQ_FOREACH(p, &s->processes, in_session)
	if (ok && p->state != NX_PROCESS_STARTING)
		ok = yyjson_mut_arr_append(items, nx_process_value(p, d));
	return nx_json_write(a, ok ? o : NULL, false, ret, err);
}

static void list(struct nx_msg *m)
{
	struct nx_process_call *c = nx_container_of(m, struct nx_process_call, msg);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_session *s;
	if (need_session(c, &s, &err) == 0)
		(void)list_json(s, c->arena, &c->json, &err);
	c->done(c, err);
}

static void output(struct nx_msg *m)
{
	struct nx_process_call *c = nx_container_of(m, struct nx_process_call, msg);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_process *p;
	int64_t next;
	if (need_process(c, &p, &err) == 0)
		(void)nx_process_page(p, c->offset, (size_t)nx_min(c->limit, (int64_t)PAGE_MAX), c->is_base64, c->arena,
				      &c->json, &next, &err);
	c->done(c, err);
}

static int add_input(struct nx_process *p, const struct nx_process_call *c, struct nx_error **err)
{
	const int64_t max = p->session->e->config->sandbox_process_input_bytes;
	if (!p->in || p->is_end_asked)
		return nx_error_set(err, NX_ECONFLICT, "the process takes no more input");
	if (c->is_end && p->is_terminal) {
		nx_error_set(err, NX_EINVAL, "the input of a terminal has no end");
		nx_error_hint(err, "send Ctrl-D (0x04)");
		return nx_error_at(err, "/end");
	}
	if ((int64_t)(p->tx.n + c->input.n) > max)
		return nx_error_set(
			err, NX_EBUSY,
			"%zu bytes wait to be read by the process already; with these it were more than %lld "
			"(sandbox.process_input_bytes)",
			p->tx.n, (long long)max);
	if (!nx_buf_adds(&p->tx, c->input))
		return nx_error_set(err, NX_ENOMEM, "no memory for input");
	p->is_end_asked = c->is_end;
	nx_process_write(p);
	return 0;
}

static void input(struct nx_msg *m)
{
	struct nx_process_call *c = nx_container_of(m, struct nx_process_call, msg);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_process *p;
	if (need_process(c, &p, &err) == 0)
		(void)add_input(p, c, &err);
	c->done(c, err);
}

static int send_signal(struct nx_process *p, uint32_t type, int number, struct nx_error **err)
{
	const struct nx_process_order o = {
		.magic = NX_PROCESS_MAGIC, .type = type, .number = p->number, .signal = number};
	return nx_process_send(p->session, &o, NULL, 0, err);
}

static int signal_process(struct nx_process *p, int number, struct nx_error **err)
{
	if (p->state == NX_PROCESS_EXITED)
		return nx_error_set(err, NX_ECONFLICT, "the process has ended");
	return send_signal(p, NX_PROCESS_SIGNAL, number, err);
}

static void signal_it(struct nx_msg *m)
{
	struct nx_process_call *c = nx_container_of(m, struct nx_process_call, msg);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_process *p;
	if (need_process(c, &p, &err) < 0 || signal_process(p, c->signal, &err) < 0)
		c->done(c, err);
	else
		answer(c, p);
}

/* The kernel sends SIGWINCH to the terminal's foreground processes. */
static int resize_process(struct nx_process *p, int64_t rows, int64_t columns, struct nx_error **err)
{
	const struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
	if (!p->is_terminal || !p->out)
		return nx_error_set(err, NX_ECONFLICT, "the process has no terminal, or has ended");
	if (ioctl(p->out->fd, TIOCSWINSZ, &size) < 0)
		return nx_error_set_errno(err, errno, "set the size of a terminal");
	p->rows = rows;
	p->columns = columns;
	return 0;
}

static void resize(struct nx_msg *m)
{
	struct nx_process_call *c = nx_container_of(m, struct nx_process_call, msg);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_process *p;
	if (need_process(c, &p, &err) < 0 || resize_process(p, c->rows, c->columns, &err) < 0)
		c->done(c, err);
	else
		answer(c, p);
}

/* Stopped by another of the guest before its exec, perhaps: nobody waits for that. */
static void give_up(struct nx_process *p)
{
	nx_auto_error struct nx_error *err = NULL;
	struct nx_process_call *c = nx_steal(p->creator);
	nx_error_set(&err, NX_ETIMEOUT, "the command was not started within %lld ms (sandbox.process_start_wait)",
		     (long long)p->session->e->config->sandbox_process_start_wait);
	c->done(c, err);
}

void nx_process_on_grace(struct nx_timer *t)
{
	struct nx_process *p = nx_container_of(t, struct nx_process, grace);
	if (p->creator)
		give_up(p);
	if (send_signal(p, NX_PROCESS_KILL, SIGKILL, NULL) < 0) /* its reaper does not listen: later it may */
		(void)nx_timer_start(&p->grace, p->session->e->config->sandbox_process_stop_grace * NX_USEC_PER_MSEC,
				     NULL);
}

static void stop(struct nx_msg *m)
{
	struct nx_process_call *c = nx_container_of(m, struct nx_process_call, msg);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_process *p;
	if (need_process(c, &p, &err) < 0) {
		c->done(c, err);
		return;
	}
	if (p->state == NX_PROCESS_EXITED) {
		answer(c, p);
		return;
	}
	const int64_t grace_us = p->session->e->config->sandbox_process_stop_grace * NX_USEC_PER_MSEC;
	if (!p->stoppers && (send_signal(p, NX_PROCESS_STOP, p->is_terminal ? SIGHUP : SIGTERM, &err) < 0 ||
			     nx_timer_start(&p->grace, grace_us, &err) < 0)) {
		c->done(c, err);
		return;
	}
	c->next = p->stoppers;
	p->stoppers = c;
}

void nx_process_start(struct nx_execution *e, struct nx_process_call *c)
{
	post(e, c, start);
}

void nx_process_list(struct nx_execution *e, struct nx_process_call *c)
{
	post(e, c, list);
}

void nx_process_get(struct nx_execution *e, struct nx_process_call *c)
{
	post(e, c, get);
}

void nx_process_output(struct nx_execution *e, struct nx_process_call *c)
{
	post(e, c, output);
}

void nx_process_input(struct nx_execution *e, struct nx_process_call *c)
{
	post(e, c, input);
}

void nx_process_signal(struct nx_execution *e, struct nx_process_call *c)
{
	post(e, c, signal_it);
}

void nx_process_resize(struct nx_execution *e, struct nx_process_call *c)
{
	post(e, c, resize);
}

void nx_process_stop(struct nx_execution *e, struct nx_process_call *c)
{
	post(e, c, stop);
}
