/*
 * The planner: a DAG of steps, from the request's own plan, or by rules from what the analysis found.
 *
 * The plan is kept with the task as JSON and a task keeps the plan it was made with: after a restart the steps are made
 * again from that text, never planned anew.
 */
#include "base/assert.h"
#include "core/core_internal.h"

static yyjson_mut_val *spec_json(yyjson_mut_doc *d, const struct nx_step_spec *s)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);

	nx_json_add_str(d, o, "id", s->id);
	if (s->agent.n > 0)
		nx_json_add_str(d, o, "agent", s->agent);
	if (s->tool.n > 0)
		nx_json_add_str(d, o, "tool", s->tool);
	nx_json_add_str(d, o, "why", s->why.p ? s->why : NX_STR(""));
	if (s->input)
		nx_json_add_val(d, o, "input", s->input);
	yyjson_mut_val *deps = yyjson_mut_obj_add_arr(d, o, "depends_on");
	for (size_t i = 0; i < s->depends_on.n; i++) {
		nx_str dep = *nx_list_at(s->depends_on, nx_str, i);
		yyjson_mut_arr_add_strncpy(d, deps, dep.p, dep.n);
	}
	if (s->retry) {
		yyjson_mut_val *r = yyjson_mut_obj_add_obj(d, o, "retry");
		yyjson_mut_obj_add_int(d, r, "max", s->retry->max);
		yyjson_mut_obj_add_int(d, r, "backoff_ms", s->retry->backoff_ms);
	}
	if (s->has_effects)
		yyjson_mut_obj_add_str(d, o, "effects", nx_effects_names[s->effects]);
	if (s->timeout_s > 0)
		yyjson_mut_obj_add_real(d, o, "timeout_s", s->timeout_s);
	if (s->when.n > 0)
		nx_json_add_str(d, o, "when", s->when);
	return o;
}

static int write_plan(struct nx_task *t, const struct nx_plan_spec *p, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(t->arena);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "plan the task");
	yyjson_mut_val *o = yyjson_mut_obj(d), *steps = yyjson_mut_obj_add_arr(d, o, "steps");
	for (size_t i = 0; i < p->steps.n; i++)
		yyjson_mut_arr_append(steps, spec_json(d, nx_list_at(p->steps, struct nx_step_spec, i)));
	return nx_json_write(t->arena, o, false, &t->plan_json, err);
}

static ptrdiff_t index_of(const struct nx_plan_spec *p, nx_str id)
{
	for (size_t i = 0; i < p->steps.n; i++)
		if (nx_str_eq(nx_list_at(p->steps, struct nx_step_spec, i)->id, id))
			return (ptrdiff_t)i;
	return -1;
}

static enum nx_effects step_effects(const struct nx_task *t, const struct nx_step_spec *s)
{
	struct nx_agents *g = t->core->p.agents;

	if (s->has_effects)
		return (enum nx_effects)s->effects;
	if (s->tool.n > 0) {
		const struct nx_tool *tool = nx_tools_find(nx_agents_tools(g), s->tool);
		return tool ? tool->effects : NX_EFFECTS_ONCE;
	}
	return nx_agents_effects(g, t->tenant, s->agent);
}

static int link_steps(struct nx_task *t, const struct nx_plan_spec *p, struct nx_error **err)
{
	for (size_t i = 0; i < t->nsteps; i++) {
		struct nx_step *s = &t->steps[i];
		s->depends = nx_arena_array(t->arena, unsigned, s->spec->depends_on.n);
		if (s->spec->depends_on.n > 0 && !s->depends)
			return nx_error_set(err, NX_ENOMEM, "plan the task");
		for (size_t k = 0; k < s->spec->depends_on.n; k++) {
			ptrdiff_t to = index_of(p, *nx_list_at(s->spec->depends_on, nx_str, k));
			nx_assert(to >= 0);
			s->depends[s->ndepends++] = (unsigned)to;
			t->steps[to].ndependants++;
		}
		s->blocked_by = s->ndepends;
	}
	for (size_t i = 0; i < t->nsteps; i++) {
		struct nx_step *s = &t->steps[i];
		s->dependants = nx_arena_array(t->arena, unsigned, s->ndependants);
		if (s->ndependants > 0 && !s->dependants)
			return nx_error_set(err, NX_ENOMEM, "plan the task");
		s->ndependants = 0;
	}
	for (size_t i = 0; i < t->nsteps; i++)
		for (size_t k = 0; k < t->steps[i].ndepends; k++) {
			struct nx_step *to = &t->steps[t->steps[i].depends[k]];
			to->dependants[to->ndependants++] = (unsigned)i;
		}
	return 0;
}

static int make_steps(struct nx_task *t, const struct nx_plan_spec *p, struct nx_error **err)
{
	t->nsteps = t->open = p->steps.n;
	t->steps = nx_arena_array(t->arena, struct nx_step, p->steps.n);
	if (!t->steps)
		return nx_error_set(err, NX_ENOMEM, "plan the task");
	for (size_t i = 0; i < t->nsteps; i++) {
		const struct nx_step_spec *spec = nx_list_at(p->steps, struct nx_step_spec, i);
		t->steps[i] = (struct nx_step){.task = t,
					       .idx = (unsigned)i,
					       .id = nx_id_new(),
					       .spec = spec,
					       .agent = spec->agent,
					       .why = spec->why};
		t->steps[i].effects = step_effects(t, spec);
		nx_timer_init(&t->steps[i].timer, t->core->loop, NULL);
	}
	return link_steps(t, p, err);
}

/* ---- by rules ---- */

static int set_input(struct nx_task *t, struct nx_step_spec *s, const char *key, nx_str value, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(t->arena);
	nx_str text;

	if (!d)
		return nx_error_set(err, NX_ENOMEM, "plan the task");
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_json_add_str(d, o, key, value);
	if (strcmp(key, "code") == 0) {
		nx_json_add_str(d, o, "language", t->analysis.language);
		if (t->request->constraints)
			nx_json_add_val(d, o, "constraints", t->request->constraints);
	}
	int rc = nx_json_write(t->arena, o, false, &text, err);
	return rc < 0 ? rc : nx_json_read(t->arena, text, NULL, &s->input, err);
}

/* The agent the client named, or the fittest for what is needed. */
static int choose_agent(struct nx_task *t, struct nx_step_spec *s, struct nx_error **err)
{
	struct nx_agents *g = t->core->p.agents;
	struct nx_agent_choice choice;

	if (t->request->agent.n > 0) {
		if (!nx_agents_exists(g, t->tenant, t->request->agent)) {
			nx_error_set(err, NX_EINVAL, "there is no agent `%.*s`: GET /v1/agents lists them",
				     NX_FMT(t->request->agent));
			return nx_error_at(err, "/agent");
		}
		s->agent = t->request->agent;
		s->why = NX_STR("the request names it");
		return 0;
	}
	int rc = nx_agents_choose(g, t->tenant, t->analysis.capabilities, t->analysis.ncapabilities, t->arena, &choice,
				  err);
	if (rc < 0)
		return nx_error_at(err, "/capabilities");
	s->agent = nx_str_z(choice.agent);
	s->why = choice.why;
	return 0;
}

static const char *subject_key(const char *intent)
{
	if (strcmp(intent, "code") == 0)
		return "code";
	if (strcmp(intent, "remember") == 0 || strcmp(intent, "summarize") == 0)
		return "text";
	return strcmp(intent, "connected") == 0 ? "id" : strcmp(intent, "recall") == 0 ? "query" : "question";
}

static int rule_step(struct nx_task *t, struct nx_step_spec *s, size_t i, struct nx_error **err)
{
	const struct nx_analysis *an = &t->analysis;
	const char *id = nx_arena_printf(t->arena, "%s%s%zu", an->intent, an->nparts > 1 ? "_" : "", i + 1);
	int rc;

	if (!id)
		return nx_error_set(err, NX_ENOMEM, "plan the task");
	s->id = an->nparts > 1 ? nx_str_z(id) : nx_str_z(an->intent);
	if (strcmp(an->intent, "calculate") == 0 && t->request->agent.n == 0 && an->ncapabilities == 1) {
		s->tool = NX_STR("math.eval");
		s->why = NX_STR("the request is an arithmetic expression");
		return set_input(t, s, "expression", an->subject, err);
	}
	if ((rc = choose_agent(t, s, err)) < 0)
		return rc;
	return set_input(t, s, strcmp(an->intent, "calculate") == 0 ? "expression" : subject_key(an->intent),
			 an->parts[i], err);
}

static int plan_by_rules(struct nx_task *t, struct nx_plan_spec **ret, struct nx_error **err)
{
	struct nx_plan_spec *p = nx_arena_new_of(t->arena, struct nx_plan_spec);
	struct nx_step_spec *steps = nx_arena_array(t->arena, struct nx_step_spec, t->analysis.nparts);

	if (!p || !steps)
		return nx_error_set(err, NX_ENOMEM, "plan the task");
	for (size_t i = 0; i < t->analysis.nparts; i++) {
		int rc = rule_step(t, &steps[i], i, err);
		if (rc < 0)
			return rc;
	}
	p->steps = (struct nx_list){steps, t->analysis.nparts};
	*ret = p;
	return 0;
}

int nx_planner_plan(struct nx_task *t, struct nx_error **err)
{
	struct nx_plan_spec *p = t->request->plan;
	int rc = p ? nx_plan_check(t->core, t->tenant, p, err) : plan_by_rules(t, &p, err);

	if (rc < 0 || (rc = write_plan(t, p, err)) < 0)
		return rc;
	return make_steps(t, p, err);
}

int nx_planner_from_json(struct nx_task *t, nx_str plan_json, struct nx_error **err)
{
	yyjson_val *v;
	void *p = NULL;
	int rc;

	if ((rc = nx_json_read(t->arena, plan_json, NULL, &v, err)) < 0 ||
	    (rc = nx_schema_decode(&nx_plan_schema, v, t->arena, &p, err)) < 0)
		return nx_error_wrap(err, "read a stored plan");
	t->plan_json = nx_str_dup(t->arena, plan_json);
	return make_steps(t, p, err);
}
