/* An agent without a language model: the first rule that fits the intent, its calls one after the other. */
#include "agents/agents_internal.h"

#define MAX_CALLS 16

struct rule_run {
	struct nx_run_state state;
	const struct nx_agent_rule *rule;
	yyjson_val *outputs[MAX_CALLS];
	size_t at;
	struct nx_tool_call *call;
};

static bool fits(const struct nx_agent_rule *r, nx_str intent)
{
	for (size_t i = 0; i < r->intents.n; i++)
		if (nx_str_eq(*nx_list_at(r->intents, nx_str, i), intent))
			return true;
	return r->intents.n == 0;
}

static const struct nx_agent_rule *find_rule(const struct nx_agent_spec *s, nx_str intent)
{
	for (size_t i = 0; i < s->rules.n; i++)
		if (fits(nx_list_at(s->rules, struct nx_agent_rule, i), intent))
			return nx_list_at(s->rules, struct nx_agent_rule, i);
	return NULL;
}

static void next_call(struct rule_run *w);

static void call_done(struct nx_tool_call *c, struct nx_error *err)
{
	struct rule_run *w = c->ctx;
	struct nx_agent_run *r = w->state.run;
	struct nx_error *own = NULL;

	w->call = NULL;
	nx_agent_add_usage(r, &c->usage);
	r->tainted |= c->tainted;
	if (err) {
		nx_agent_run_finish(&w->state, nx_error_copy(err));
		return;
	}
	r->output = c->output;
	if (nx_json_read(r->arena, c->output, NULL, &w->outputs[w->at], &own) < 0) {
		nx_agent_run_finish(&w->state, own);
		return;
	}
	w->at++;
	next_call(w);
}

static void pass_event(struct nx_tool_call *c, const char *type, nx_str json)
{
	struct rule_run *w = c->ctx;

	if (w->state.run->on_event)
		w->state.run->on_event(w->state.run, type, json);
}

static int start_call(struct rule_run *w, struct nx_error **err)
{
	struct nx_agent_run *r = w->state.run;
	const struct nx_agent_call_spec *spec = nx_list_at(w->rule->calls, struct nx_agent_call_spec, w->at);
	struct nx_template_scope scope = {.input = r->input,
					  .intent = r->intent,
					  .user_id = r->user_id,
					  .session = r->session,
					  .data = r->data,
					  .calls = w->outputs,
					  .ncalls = w->at};
	struct nx_tool_call *c = nx_arena_new_of(r->arena, struct nx_tool_call);
	const struct nx_tool *tool;
	yyjson_val *input;
	int rc;

	if (!c)
		return nx_error_set(err, NX_ENOMEM, "call a tool");
	if ((rc = nx_tools_need(w->state.agents->tools, spec->tool, &tool, err)) < 0 ||
	    (rc = nx_template_fill(spec->input, &scope, r->arena, &input, err)) < 0)
		return rc;
	*c = (struct nx_tool_call){.arena = r->arena,
				   .tenant = r->tenant,
				   .user_id = r->user_id,
				   .session = r->session,
				   .task = r->task,
				   .step = r->step,
				   .trace = r->trace,
				   .input = input,
				   .input_tainted = r->tainted,
				   .on_event = pass_event,
				   .done = call_done,
				   .reply = w->state.agents->p.loop,
				   .ctx = w};
	w->call = c;
	nx_tool_start(tool, c);
	return 0;
}

static void next_call(struct rule_run *w)
{
	struct nx_error *err = NULL;

	if (w->state.cancelled)
		nx_error_set(&err, NX_ECANCELLED, "cancelled");
	else if (w->at < w->rule->calls.n && start_call(w, &err) == 0)
		return;
	nx_agent_run_finish(&w->state, err);
}

static void cancel(struct nx_run_state *s)
{
	struct rule_run *w = nx_container_of(s, struct rule_run, state);

	if (w->call)
		nx_tool_cancel(w->call);
}

void nx_rules_start(struct nx_agents *g, struct nx_agent *agent, struct nx_agent_run *r)
{
	struct rule_run *w = r->priv = nx_arena_new_of(r->arena, struct rule_run);

	if (!w) {
		nx_agent_run_no_memory(g, agent, r);
		return;
	}
	w->state = (struct nx_run_state){.agents = g, .agent = agent, .run = r, .cancel = cancel};
	w->rule = find_rule(agent->spec, r->intent);
	if (!w->rule) {
		struct nx_error *err = NULL;
		nx_error_set(&err, NX_EUNSUPPORTED,
			     "agent `%.*s` has no rule for the intent `%.*s`, and no language model is set",
			     NX_FMT(agent->spec->name), NX_FMT(r->intent));
		nx_error_hint(&err, "set model.base_url and model.chat, or ask another agent");
		nx_agent_run_finish(&w->state, err);
		return;
	}
	next_call(w);
}
