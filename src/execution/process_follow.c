/* Followers of a process's output: each gets the next piece when it asks for one, from the ring. */
#include "execution/process_internal.h"

#define PIECE_BYTES 32768

static void unlist(struct nx_follow *f)
{
	struct nx_process *p = nx_steal(f->of);
	if (!p)
		return;
	struct nx_follow **at = &p->followers;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	p->session->nfollowers--;
}

static void over(struct nx_follow *f)
{
	unlist(f);
	f->on_over(f);
}

static bool tell_dropped(struct nx_follow *f, const struct nx_process *p)
{
	char json[96];
	if (f->offset >= p->ring.start)
		return false;
	int n = snprintf(json, sizeof(json), "{\"from\":%lld,\"to\":%lld}", (long long)f->offset,
			 (long long)p->ring.start);
	f->offset = p->ring.start;
	f->is_hungry = false;
	f->on_event(f, "dropped", f->offset, nx_str_n(json, (size_t)n));
	return true;
}

static int tell_exit(struct nx_follow *f, const struct nx_process *p, struct nx_arena *a)
{
	nx_str json;
	if (nx_process_json(p, a, &json, NULL) == 0)
		f->on_event(f, "exit", 0, json);
	over(f);
	return 0;
}

static void feed(struct nx_follow *f)
{
	struct nx_process *p = f->of;
	int64_t next;
	nx_str json;
	if (!p || !f->is_hungry || tell_dropped(f, p))
		return;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	f->offset = nx_min(f->offset, p->ring.end);
	if (f->offset == p->ring.end) {
		if (p->state == NX_PROCESS_EXITED)
			(void)tell_exit(f, p, a);
		return;
	}
	if (!a || nx_process_page(p, f->offset, PIECE_BYTES, f->is_base64, a, &json, &next, NULL) < 0) {
		over(f); /* the client may come back where it was */
		return;
	}
	if (next == f->offset) /* a character that is not whole */
		return;
	f->offset = next;
	f->is_hungry = false;
	f->on_event(f, "output", next, json);
}

void nx_process_feed(struct nx_process *p)
{
	for (struct nx_follow *f = p->followers, *next; f; f = next) {
		next = f->next;
		feed(f);
	}
}

void nx_process_let_go(struct nx_process *p)
{
	while (p->followers)
		over(p->followers);
}

/* ---- asked ---- */

static int check(const struct nx_follow *f, struct nx_process **ret, struct nx_error **err)
{
	struct nx_session *s = nx_session_find(f->e, f->tenant, f->session);
	struct nx_process *p = NULL;
	if (!s || s->state != NX_SESSION_ACTIVE)
		return nx_error_set(err, NX_ENOTFOUND, "no such sandbox session is active");
	TAILQ_FOREACH(p, &s->processes, in_session)
	if (nx_id_eq(p->id, f->process))
		break;
	if (!p || p->state == NX_PROCESS_STARTING)
		return nx_error_set(err, NX_ENOTFOUND, "the session has no such process");
	if (s->nfollowers >= s->e->config->sandbox_max_session_streams)
		return nx_error_set(err, NX_ELIMIT,
				    "the session is followed %lld times already (sandbox.max_session_streams)",
				    (long long)s->nfollowers);
	*ret = p;
	return 0;
}

static void begin(struct nx_msg *m)
{
	struct nx_follow *f = nx_container_of(m, struct nx_follow, begin_msg);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_process *p;
	if (check(f, &p, &err) < 0) {
		f->on_begun(f, err);
		return;
	}
	f->of = p;
	f->next = p->followers;
	p->followers = f;
	p->session->nfollowers++;
	nx_session_touch(p->session);
	f->is_hungry = true;
	f->on_begun(f, NULL);
	feed(f);
}

static void more(struct nx_msg *m)
{
	struct nx_follow *f = nx_container_of(m, struct nx_follow, more_msg);
	/* release: the message may be posted again from here on, and its last use is before. */
	atomic_store_explicit(&f->is_asked, false, memory_order_release);
	f->is_hungry = true;
	feed(f);
}

static void end(struct nx_msg *m)
{
	struct nx_follow *f = nx_container_of(m, struct nx_follow, end_msg);
	unlist(f);
	f->on_freed(f);
}

void nx_process_follow(struct nx_execution *e, struct nx_follow *f)
{
	f->e = e;
	f->of = NULL;
	f->begin_msg.run = begin;
	f->more_msg.run = more;
	f->end_msg.run = end;
	atomic_init(&f->is_asked, false);
	nx_loop_post(e->loop, &f->begin_msg);
}

void nx_follow_more(struct nx_follow *f)
{
	/* acquire: pairs with the release of `more`, which has let go of the message. */
	if (!atomic_exchange_explicit(&f->is_asked, true, memory_order_acq_rel))
		nx_loop_post(f->e->loop, &f->more_msg);
}

void nx_follow_end(struct nx_follow *f)
{
	nx_loop_post(f->e->loop, &f->end_msg);
}
