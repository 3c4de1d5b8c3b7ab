/* What followers of all kinds share: how they begin, ask for more, and end. */
#include "execution/process.h"
#include "execution/session_internal.h"

int nx_follow_need_session(const struct nx_follow *f, struct nx_session **ret, struct nx_error **err)
{
	struct nx_session *s = nx_session_find(f->e, f->tenant, f->session);
	if (!s || s->state != NX_SESSION_ACTIVE)
		return nx_error_set(err, NX_ENOTFOUND, "no such sandbox session is active");
	if (s->nfollowers >= s->e->config->sandbox_max_session_streams)
		return nx_error_set(err, NX_ELIMIT,
				    "the session is followed %lld times already (sandbox.max_session_streams)",
				    (long long)s->nfollowers);
	*ret = s;
	return 0;
}

static void begin(struct nx_msg *m)
{
	struct nx_follow *f = nx_container_of(m, struct nx_follow, begin_msg);
	nx_auto_error struct nx_error *err = NULL;
	nx_loop_assert(f->e->loop);
	if (f->source->begin(f, &err) < 0) {
		f->on_begun(f, err);
		return;
	}
	nx_session_touch(nx_session_find(f->e, f->tenant, f->session));
	f->is_hungry = true;
	f->on_begun(f, NULL);
	f->source->feed(f);
}

static void more(struct nx_msg *m)
{
	struct nx_follow *f = nx_container_of(m, struct nx_follow, more_msg);
	/* release: the message may be posted again from here on, and its last use is before. */
	atomic_store_explicit(&f->is_asked, false, memory_order_release);
	f->is_hungry = true;
	f->source->feed(f);
}

static void end(struct nx_msg *m)
{
	struct nx_follow *f = nx_container_of(m, struct nx_follow, end_msg);
	f->source->unlist(f);
	f->on_freed(f);
}

void nx_follow_begin(struct nx_execution *e, struct nx_follow *f, const struct nx_follow_source *source)
{
	f->e = e;
	f->source = source;
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
