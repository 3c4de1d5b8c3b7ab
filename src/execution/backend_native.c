/* The backend that is always there: the spawner's sandboxes. */
#include "execution/execution_internal.h"

static bool is_ready(const struct nx_execution *e)
{
	return nx_spawner_is_ready(e->spawner);
}

static int refuse_host(const struct nx_spawn_hello *hello, const char *otherwise, struct nx_error **err)
{
	nx_error_set(err, NX_ESANDBOX, "this host cannot isolate a program: %s%s", hello->refusal, otherwise);
	return nx_error_hint(err, "nexus doctor");
}

int nx_native_check_whole(const struct nx_spawn_features *f, const char *what, struct nx_error **err)
{
	if (!f->is_bare)
		return 0;
	nx_error_set(err, NX_EUNSUPPORTED, "%s namespaces, which this host cannot make", what);
	return nx_error_hint(err, "nexus doctor");
}

int nx_native_check_host(struct nx_execution *e, struct nx_spawn_features *ret, struct nx_error **err)
{
	struct nx_spawn_hello hello;
	if (!nx_spawner_hello(e->spawner, &hello))
		return nx_error_set(err, NX_ESANDBOX, "the spawner does not answer");
	*ret = hello.features;
	if (!hello.features.usable)
		return refuse_host(&hello, "", err);
	if (hello.features.is_bare && !e->config->sandbox_without_namespaces)
		return refuse_host(&hello, "; and sandbox.without_namespaces is false", err);
	if (hello.features.degraded && !e->config->sandbox_degraded) {
		nx_error_set(err, NX_ESANDBOX,
			     "this host cannot enforce every limit by cgroups and seccomp, and "
			     "sandbox.degraded is false");
		return nx_error_hint(err, "nexus doctor");
	}
	return 0;
}

int nx_native_grant_network(struct nx_spawn_features *f, struct nx_error **err)
{
	if (f->network != NX_MECH_NAMESPACE) {
		nx_error_set(err, NX_ESANDBOX,
			     "this host has no network namespaces, so that no network can be granted");
		return nx_error_hint(err, "nexus doctor");
	}
	f->network = NX_MECH_PROXY;
	return 0;
}

static int check(struct nx_run *r, struct nx_error **err)
{
	int rc = nx_native_check_host(r->e, &r->features, err);
	if (rc == 0 && r->image[0])
		rc = nx_native_check_whole(&r->features, "an image needs", err);
	if (rc == 0 && r->files)
		rc = nx_native_check_whole(&r->features, "granted directories need", err);
	return rc == 0 && r->x->constraints.network.is_granted ? nx_native_grant_network(&r->features, err) : rc;
}

static int prepare(struct nx_run *r, const struct nx_spawn_prepare *p, struct nx_error **err)
{
	union nx_spawn_msg m = {.prepare = *p};
	int n = nx_spawner_send(r->e->spawner, &m);
	return n < 0 ? nx_error_set_errno(err, -n, "ask the spawner for a sandbox") : 0;
}

static void kill_run(struct nx_run *r)
{
	union nx_spawn_msg m;
	nx_spawn_init(&m, NX_SPAWN_KILL, r->number);
	(void)nx_spawner_send(r->e->spawner, &m); /* a spawner that is gone has taken its guests with it */
}

/* ---- the spawner's messages ---- */

static void on_message(void *ctx, const union nx_spawn_msg *m, int *fds, size_t nfds)
{
	struct nx_execution *e = ctx;
	struct nx_run *r;
	TAILQ_FOREACH(r, &e->all, in_all)
	if (r->number == m->head.run)
		break;
	if (!r) {
		nx_sessions_on_message(e, m, fds, nfds);
		return;
	}
	if (!r->holds_slot)
		return;
	switch (m->head.type) {
	case NX_SPAWN_PREPARED: nx_run_on_prepared(r, fds, nfds); break;
	case NX_SPAWN_FAILED: nx_run_on_failed(r, &m->failed); break;
	case NX_SPAWN_REFUSED: nx_execution_refused(e, r->x->tenant, r->x->id, &m->refused); break;
	case NX_SPAWN_EXITED: nx_run_on_exited(r, &m->exited); break;
	default: break;
	}
}

static void on_ready(void *ctx)
{
	nx_execution_pump(ctx);
}

static void on_lost(void *ctx)
{
	struct nx_execution *e = ctx;
	struct nx_run *r, *next;
	for (r = TAILQ_FIRST(&e->all); r; r = next) {
		next = TAILQ_NEXT(r, in_all);
		if (r->holds_slot && !r->session)
			nx_run_on_lost(r);
	}
	nx_sessions_on_lost(e);
}

static int attach(struct nx_execution *e, struct nx_error **err)
{
	struct nx_spawner_events ev = {.on_message = on_message, .on_ready = on_ready, .on_lost = on_lost, .ctx = e};
	return nx_spawner_attach(e->spawner, e->loop, &ev, err);
}

static void detach(struct nx_execution *e)
{
	nx_spawner_detach(e->spawner);
}

static bool is_idle(const struct nx_execution *e)
{
	(void)e;
	return true;
}

const struct nx_backend nx_backend_native = {
	.is_ready = is_ready,
	.check = check,
	.prepare = prepare,
	.kill = kill_run,
	.attach = attach,
	.detach = detach,
	.is_idle = is_idle,
};
