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

static void give(struct nx_follow *f, const char *event, int64_t id, nx_str json)
{
	f->is_hungry = false;
	f->on_event(f, event, id, json);
	f->on_piece(f);
}

static bool tell_dropped(struct nx_follow *f, const struct nx_process *p)
{
	char json[96];
	if (f->offset >= p->ring.start)
		return false;
	int n = snprintf(json, sizeof(json), "{\"from\":%lld,\"to\":%lld}", (long long)f->offset,
			 (long long)p->ring.start);
	f->offset = p->ring.start;
	give(f, "dropped", f->offset, nx_str_n(json, (size_t)n));
	return true;
}

static int tell_exit(struct nx_follow *f, const struct nx_process *p, struct nx_arena *a)
{
	nx_str json;
	if (nx_process_json(p, a, &json, NULL) == 0)
		give(f, "exit", 0, json);
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
	give(f, "output", next, json);
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

/* ---- beginning ---- */

static int begin(struct nx_follow *f, struct nx_error **err)
{
	struct nx_session *s;
	struct nx_process *p;
	int r = nx_follow_need_session(f, &s, err);
	if (r < 0)
		return r;
	TAILQ_FOREACH(p, &s->processes, in_session)
	if (nx_id_eq(p->id, f->process))
		break;
	if (!p || p->state == NX_PROCESS_STARTING)
		return nx_error_set(err, NX_ENOTFOUND, "the session has no such process");
	f->of = p;
	f->next = p->followers;
	p->followers = f;
	s->nfollowers++;
	return 0;
}

static const struct nx_follow_source source = {.begin = begin, .feed = feed, .unlist = unlist};

void nx_process_follow(struct nx_execution *e, struct nx_follow *f)
{
	nx_follow_begin(e, f, &source);
}
