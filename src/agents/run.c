/* One run of an agent, by its rules or with a language model. */
#include "agents/agents_internal.h"
#include "base/assert.h"

void nx_agent_add_usage(struct nx_agent_run *r, const struct nx_usage *u)
{
	r->usage.input_tokens += u->input_tokens;
	r->usage.output_tokens += u->output_tokens;
	r->usage.usd_micros += u->usd_micros;
	r->usage.cpu_us += u->cpu_us;
	r->usage.max_memory = nx_max(r->usage.max_memory, u->max_memory);
}

static void set_active(struct nx_agents *g, int64_t by)
{
	int64_t n = atomic_fetch_add_explicit(&g->active, by, memory_order_relaxed) + by; /* a figure */
	nx_metric_set(NX_M_AGENTS_ACTIVE, NULL, NULL, (double)n);
}

void nx_agent_run_finish(struct nx_run_state *s, struct nx_error *err)
{
	struct nx_agents *g = s->agents;
	struct nx_agent_run *r = s->run;

	nx_loop_assert(g->p.loop);
	if (s->cancelled && !err)
		nx_error_set(&err, NX_ECANCELLED, "cancelled");
	r->priv = NULL;
	r->usage.wall_us = nx_time_mono_us() - r->usage.wall_us;
	nx_agent_unhold(g, s->agent);
	set_active(g, -1);
	r->done(r, err); /* r may be gone after */
	nx_error_free(err);
}

void nx_agent_run_no_memory(struct nx_agents *g, struct nx_agent *agent, struct nx_agent_run *r)
{
	struct nx_run_state s = {.agents = g, .agent = agent, .run = r};
	struct nx_error *err = NULL;

	nx_error_set(&err, NX_ENOMEM, "start the agent");
	nx_agent_run_finish(&s, err);
}

void nx_agent_start(struct nx_agents *g, struct nx_agent_run *r)
{
	struct nx_error *err = NULL;
	struct nx_agent *a = nx_agent_hold(g, r->tenant, r->agent);

	nx_loop_assert(g->p.loop);
	if (!a) {
		nx_error_set(&err, NX_ENOTFOUND, "there is no agent `%.*s`", NX_FMT(r->agent));
		r->done(r, err);
		nx_error_free(err);
		return;
	}
	r->usage = (struct nx_usage){.wall_us = nx_time_mono_us()};
	set_active(g, 1);
	bool may_chat = g->p.models && nx_models_has_chat(g->p.models);
	/* Who may spend no token still gets what rules can do. */
	if (may_chat && (!r->has_max_tokens || r->max_tokens > 0 || a->spec->rules.n == 0))
		nx_model_loop_start(g, a, r);
	else
		nx_rules_start(g, a, r);
}

void nx_agent_cancel(struct nx_agents *g, struct nx_agent_run *r)
{
	struct nx_run_state *s = r->priv;

	nx_loop_assert(g->p.loop);
	if (!s || s->cancelled)
		return;
	s->cancelled = true;
	s->cancel(s);
}
