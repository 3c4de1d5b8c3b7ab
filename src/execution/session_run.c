/*
 * A run inside a session: its turn, what it used, its answer, its interruption.
 *
 *   waits here ──turn──> queue for slots ──slot──> MEASURED_BEFORE ──> RUNS ──answer──> MEASURED_AFTER ──> collected, recorded
 */
#include "execution/session_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#define INTERRUPT_EVERY_US (25 * NX_USEC_PER_MSEC)
#define INTERRUPTS_MIN 3 /* an early one may meet the driver before the run: it is sent again */
/* Then the session ends: once its programs had the CPU for so long and went on, or, when they had none, at the last. On a
 * busy host they may not have had their turn. */
#define DEAF_CPU_US (40 * NX_USEC_PER_MSEC)
#define INTERRUPTS_MAX 20

/* ---- its turn ---- */

void nx_session_pump(struct nx_session *s)
{
	struct nx_run *r = TAILQ_FIRST(&s->waiting);
	if (s->state != NX_SESSION_ACTIVE || s->current)
		return;
	if (!r) {
		(void)nx_timer_start(&s->idle, s->idle_us, NULL);
		return;
	}
	nx_timer_stop(&s->idle);
	nx_session_forget(r);
	s->current = r;
	r->session = s;
	s->turn = NX_TURN_NONE;
	nx_execution_enqueue(r);
}

static int check_run(const struct nx_session *s, const struct nx_run *r, struct nx_error **err)
{
	if (!s || s->state != NX_SESSION_ACTIVE)
		return nx_error_set(err, NX_ENOTFOUND, "no such sandbox session is active");
	if (r->language != s->language) {
		nx_error_set(err, NX_EINVAL, "the session's language is %s, not %s", s->language->name,
			     r->language->name);
		return nx_error_at(err, "/language");
	}
	if (r->x->stdin_text.n && s->language->has_heap_limit) {
		nx_error_set(err, NX_EINVAL, "runs in a session of %s have no standard input", s->language->name);
		nx_error_hint(err, "give the bytes as a file");
		return nx_error_at(err, "/stdin");
	}
	if (s->nwaiting >= (unsigned)s->e->config->sandbox_max_session_queued)
		return nx_error_set(err, NX_EBUSY, "%u runs wait in the session already (sandbox.max_session_queued)",
				    s->nwaiting);
	return 0;
}

void nx_session_submit(struct nx_run *r)
{
	struct nx_session *s = nx_session_find(r->e, r->x->tenant, r->x->session);
	if (check_run(s, r, &r->error) < 0) {
		nx_run_fail(r);
		return;
	}
	r->state = NX_RUN_QUEUED;
	r->in_session = r->waits_for_session = true;
	r->session = s;
	TAILQ_INSERT_TAIL(&s->waiting, r, in_queue);
	s->nwaiting++;
	nx_session_pump(s);
}

void nx_session_forget(struct nx_run *r)
{
	struct nx_session *s = nx_steal(r->session);
	TAILQ_REMOVE(&s->waiting, r, in_queue);
	s->nwaiting--;
	r->waits_for_session = false;
}

void nx_session_run_over(struct nx_run *r)
{
	struct nx_session *s = nx_steal(r->session);
	nx_timer_stop(&s->grace);
	s->current = NULL;
	s->turn = NX_TURN_NONE;
	nx_session_set_state(s, s->state); /* used just now */
	nx_session_pump(s);
}

/* ---- begin ---- */

static bool send_order(struct nx_session *s, enum nx_spawn_type type)
{
	union nx_spawn_msg m;
	nx_spawn_init(&m, type, s->number);
	return nx_spawner_send(s->e->spawner, &m) >= 0; /* a spawner that is gone is told by on_lost */
}

static void measure(struct nx_session *s, enum nx_session_turn turn)
{
	s->turn = turn;
	(void)send_order(s, NX_SPAWN_MEASURE);
}

/* The box's own clock, against which changes of files are held. */
static int64_t box_time_ns(int box)
{
	struct stat st;
	nx_auto_fd int code = nx_open_beneath(box, "code", O_RDONLY | O_DIRECTORY, 0);
	if (code < 0 || futimens(code, NULL) < 0 || fstat(code, &st) < 0)
		return 0;
	return (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

static int give_files(struct nx_run *r, struct nx_error **err)
{
	nx_auto_fd int work = r->x->nfiles ? nx_open_beneath(r->box, "work", O_RDONLY | O_DIRECTORY, 0) : -1;
	if (r->x->nfiles && work < 0)
		return nx_error_set_errno(err, errno, "open the work directory");
	for (size_t i = 0; i < r->x->nfiles; i++)
		if (nx_session_put_file(work, r->x->files[i].path, r->x->files[i].bytes, err) < 0)
			return nx_error_at(err, "/files/%zu", i);
	r->inputs = nx_arena_array(r->scratch, struct nx_run_input, r->x->nfiles + 1); /* none is taken for unchanged */
	return r->inputs ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for the files of a run");
}

void nx_session_begin(struct nx_run *r)
{
	struct nx_session *s = r->session;
	r->state = NX_RUN_PREPARING;
	r->prepare_us = nx_time_mono_us();
	r->x->result.usage.queue_us = r->prepare_us - r->queued_us;
	r->features = s->features;
	if (s->state != NX_SESSION_ACTIVE) {
		nx_error_set(&r->error, NX_ECONFLICT, "the session ended (%s)", s->reason ? s->reason : "ended");
		nx_run_fail(r);
		return;
	}
	r->box = fcntl(s->box, F_DUPFD_CLOEXEC, 3);
	if (r->box < 0 || give_files(r, &r->error) < 0) {
		if (!r->error)
			nx_error_set_errno(&r->error, errno, "open the session's files");
		nx_run_fail(r);
		return;
	}
	r->since_ns = box_time_ns(r->box);
	measure(s, NX_TURN_MEASURED_BEFORE);
}

static void on_wall(struct nx_timer *t)
{
	nx_run_end(nx_container_of(t, struct nx_run, wall), NX_EXEC_TIMEOUT);
}

static void finish_run(struct nx_session *s);

static void send_request(struct nx_session *s)
{
	struct nx_run *r = s->current;
	r->wall.fire = on_wall;
	s->started_us = nx_time_mono_us();
	s->interrupts = 0;
	s->interrupted_at_us = -1;
	s->turn = NX_TURN_RUNS;
	r->state = NX_RUN_RUNNING;
	r->x->result.usage.start_us = s->started_us - r->prepare_us;
	if (nx_session_request_write(r->x, r->number, s->e->config->sandbox_max_output_bytes, &s->tx, &r->error) < 0 ||
	    nx_session_send(s, &r->error) < 0 || nx_timer_start(&r->wall, r->x->constraints.max_time_us, &r->error) < 0)
		nx_session_stop(s, "failed"); /* half a request may have been sent */
}

/* ---- the end ---- */

static nx_str keep(struct nx_run *r, nx_str s)
{
	return s.p ? nx_str_dup(r->x->arena, s) : NX_STR_NULL;
}

void nx_session_take_answer(struct nx_session *s, const struct nx_session_answer *a)
{
	struct nx_run *r = s->current;
	struct nx_exec_result *res = &r->x->result;
	nx_session_drain(s);
	s->ended_us = nx_time_mono_us();
	nx_timer_stop(&r->wall);
	nx_timer_stop(&s->grace);
	r->state = NX_RUN_COLLECTING;
	s->answer = (struct nx_session_answer){.outcome = a->outcome, .exit_code = a->exit_code};
	res->value_text = keep(r, a->text);
	res->value_html = keep(r, a->html);
	res->value_png = keep(r, a->png);
	measure(s, NX_TURN_MEASURED_AFTER);
}

static void finish_run(struct nx_session *s)
{
	struct nx_run *r = s->current;
	struct nx_exec_result *res = &r->x->result;
	s->turn = NX_TURN_NONE;
	res->exit_code = s->answer.exit_code;
	res->usage.wall_us = nx_max(s->ended_us - s->started_us, (int64_t)0);
	if (r->ending >= 0)
		res->status = (enum nx_exec_status)r->ending;
	else
		res->status = s->answer.outcome == NX_SESSION_OK ? NX_EXEC_OK : NX_EXEC_ERROR;
	if (s->answer.outcome == NX_SESSION_INTERRUPTED) {
		res->exit_code = -1;
		res->signal = SIGINT;
	}
	r->state = NX_RUN_COLLECTING;
	nx_run_list_enforced(r);
	nx_execution_release_slot(r);
	if (r->error)
		nx_run_fail(r);
	else
		nx_run_collect_soon(r);
}

static int64_t since(int64_t now, int64_t before)
{
	return nx_max(now - before, (int64_t)0);
}

/* What background processes of the session did meanwhile is in it. */
static void take_usage(struct nx_session *s, const struct nx_spawn_measured *m)
{
	struct nx_exec_usage *u = &s->current->x->result.usage;
	u->cpu_us = since(m->cpu_us, s->before.cpu_us);
	u->max_rss_bytes = m->max_rss_bytes;
	u->network_in = since(m->net_in, s->before.net_in);
	u->network_out = since(m->net_out, s->before.net_out);
	u->network_refused = since(m->net_refused, s->before.net_refused);
}

/* What is asked is answered in its order. */
static bool is_look(struct nx_session *s, const struct nx_spawn_measured *m)
{
	if (s->looks == 0)
		return false;
	s->looks--;
	if (s->turn != NX_TURN_RUNS || s->interrupts == 0)
		return true;
	if (s->interrupted_at_us < 0)
		s->interrupted_at_us = m->cpu_us;
	else if (s->interrupts >= INTERRUPTS_MIN && since(m->cpu_us, s->interrupted_at_us) >= DEAF_CPU_US)
		nx_session_stop(s, "stuck");
	return true;
}

void nx_session_on_measured(struct nx_session *s, const struct nx_spawn_measured *m)
{
	struct nx_run *r = s->current;
	if (is_look(s, m) || !r)
		return;
	if (s->turn == NX_TURN_MEASURED_AFTER) {
		take_usage(s, m);
		finish_run(s);
	} else if (s->turn == NX_TURN_MEASURED_BEFORE && r->ending >= 0) {
		s->answer = (struct nx_session_answer){.outcome = NX_SESSION_INTERRUPTED};
		s->started_us = s->ended_us = nx_time_mono_us();
		finish_run(s);
	} else if (s->turn == NX_TURN_MEASURED_BEFORE) {
		s->before = *m;
		send_request(s);
	}
}

/* The guest died with the run, by its own hand or another's. */
void nx_session_end_run(struct nx_session *s, const struct nx_spawn_exited *e)
{
	struct nx_run *r = s->current;
	if (!r || !r->holds_slot)
		return;
	if (!e) {
		nx_run_on_lost(r);
		return;
	}
	nx_session_drain(s);
	if (s->turn == NX_TURN_MEASURED_AFTER) { /* it had answered before */
		take_usage(s, &(struct nx_spawn_measured){.cpu_us = e->cpu_us,
							  .max_rss_bytes = e->max_rss_bytes,
							  .net_in = e->net_in,
							  .net_out = e->net_out,
							  .net_refused = e->net_refused});
		finish_run(s);
		return;
	}
	struct nx_spawn_exited mine = *e;
	bool has_begun = s->turn == NX_TURN_RUNS;
	mine.wall_us = has_begun ? nx_time_mono_us() - s->started_us : 0;
	mine.cpu_us = has_begun ? since(e->cpu_us, s->before.cpu_us) : 0;
	mine.net_in = has_begun ? since(e->net_in, s->before.net_in) : 0;
	mine.net_out = has_begun ? since(e->net_out, s->before.net_out) : 0;
	mine.net_refused = has_begun ? since(e->net_refused, s->before.net_refused) : 0;
	mine.exec_mono_us = 0;
	if (mine.end == NX_SPAWN_END_KILLED && r->ending < 0)
		r->ending = NX_EXEC_ERROR; /* the session was ended for what its driver said */
	nx_run_on_exited(r, &mine);
}

/* ---- interruption ---- */

/* A measurement before each: it puts back the quota, which the interrupt lifts. */
void nx_session_interrupt(struct nx_session *s)
{
	if (s->turn != NX_TURN_RUNS && s->interrupts != UINT_MAX)
		return; /* it has not begun, or has answered: nothing runs that could be stopped */
	if (s->interrupts >= INTERRUPTS_MAX) {
		nx_session_stop(s, "stuck");
		return;
	}
	if (s->interrupts == 0 || s->interrupts >= INTERRUPTS_MIN)
		s->looks += send_order(s, NX_SPAWN_MEASURE);
	s->interrupts++;
	(void)send_order(s, NX_SPAWN_INTERRUPT);
	(void)nx_timer_start(&s->grace, INTERRUPT_EVERY_US, NULL);
}
