/* What a plan's shape cannot say: names that exist, references that can be followed, no cycle. */
#include "core/core_internal.h"

struct plan_walk {
	struct nx_core *core;
	int64_t tenant;
	const struct nx_plan_spec *plan;
	size_t step; /* under check */
};

static const struct nx_step_spec *spec_at(const struct nx_plan_spec *p, size_t i)
{
	return nx_list_at(p->steps, struct nx_step_spec, i);
}

static ptrdiff_t find_step(const struct nx_plan_spec *p, nx_str id)
{
	for (size_t i = 0; i < p->steps.n; i++)
		if (nx_str_eq(spec_at(p, i)->id, id))
			return (ptrdiff_t)i;
	return -1;
}

static int check_id(const struct nx_plan_spec *p, size_t i, struct nx_error **err)
{
	nx_str id = spec_at(p, i)->id;

	for (size_t k = 0; k < id.n; k++) {
		char ch = id.p[k];
		if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z') && !(ch >= '0' && ch <= '9') && ch != '_' &&
		    ch != '-')
			return nx_error_set(err, NX_EINVAL, "step id `%.*s` may hold letters, digits, - and _ only",
					    NX_FMT(id));
	}
	if (find_step(p, id) != (ptrdiff_t)i)
		return nx_error_set(err, NX_EINVAL, "step id `%.*s` is used twice", NX_FMT(id));
	return 0;
}

static int check_doer(const struct plan_walk *w, const struct nx_step_spec *s, struct nx_error **err)
{
	const struct nx_tool *tool;

	if ((s->agent.n > 0) == (s->tool.n > 0))
		return nx_error_set(err, NX_EINVAL, "step `%.*s` must name either an agent or a tool", NX_FMT(s->id));
	if (s->map)
		return nx_error_set(err, NX_ELATER, "`map` is not in this version: give one step per item");
	if (s->retry && s->retry->max > w->core->config->core_max_attempts)
		return nx_error_set(err, NX_ELIMIT, "retry.max is over core.max_attempts (%lld)",
				    (long long)w->core->config->core_max_attempts);
	if (s->tool.n > 0)
		return nx_tools_need(nx_agents_tools(w->core->p.agents), s->tool, &tool, err);
	if (!nx_agents_exists(w->core->p.agents, w->tenant, s->agent))
		return nx_error_set(err, NX_EINVAL, "there is no agent `%.*s`: GET /v1/agents lists them",
				    NX_FMT(s->agent));
	return 0;
}

static int check_depends(const struct plan_walk *w, const struct nx_step_spec *s, struct nx_error **err)
{
	for (size_t i = 0; i < s->depends_on.n; i++) {
		nx_str d = *nx_list_at(s->depends_on, nx_str, i);
		if (find_step(w->plan, d) < 0)
			return nx_error_set(err, NX_EINVAL, "step `%.*s` depends on `%.*s`, which is not in the plan",
					    NX_FMT(s->id), NX_FMT(d));
		if (nx_str_eq(d, s->id))
			return nx_error_set(err, NX_EINVAL, "step `%.*s` depends on itself", NX_FMT(s->id));
	}
	return 0;
}

/* A reference to /steps/ID/… must name a step that this one depends on, or it might not be there yet. */
static int check_ref(nx_str pointer, void *ctx, struct nx_error **err)
{
	const struct plan_walk *w = ctx;
	const struct nx_step_spec *s = spec_at(w->plan, w->step);
	nx_str rest = pointer;

	if (pointer.n == 0 || pointer.p[0] != '/')
		return nx_error_set(err, NX_EINVAL, "$ref `%.*s` is not a JSON Pointer", NX_FMT(pointer));
	nx_str_cut(&rest, '/');
	if (!nx_str_eq(nx_str_cut(&rest, '/'), NX_STR("steps")))
		return 0;
	nx_str id = nx_str_cut(&rest, '/');
	for (size_t i = 0; i < s->depends_on.n; i++)
		if (nx_str_eq(*nx_list_at(s->depends_on, nx_str, i), id))
			return 0;
	return nx_error_set(err, NX_EINVAL, "$ref `%.*s` needs `%.*s` in depends_on", NX_FMT(pointer), NX_FMT(id));
}

/* Depth-first search with three colours; the stack is an array, so that a long chain cannot overflow ours. */
static int check_cycle(const struct nx_plan_spec *p, struct nx_error **err)
{
	size_t n = p->steps.n;
	struct frame {
		size_t step, edge;
	};
	nx_auto_free unsigned char *colour = calloc(n, 1);
	nx_auto_free struct frame *stack = calloc(n, sizeof(*stack));
	if (n > 0 && (!colour || !stack))
		return nx_error_set(err, NX_ENOMEM, "check the plan for cycles");

	for (size_t root = 0; root < n; root++) {
		size_t depth = 0;
		if (colour[root])
			continue;
		stack[depth++] = (struct frame){root, 0};
		colour[root] = 1;
		while (depth > 0) {
			struct frame *f = &stack[depth - 1];
			const struct nx_step_spec *s = spec_at(p, f->step);
			if (f->edge == s->depends_on.n) {
				colour[f->step] = 2;
				depth--;
				continue;
			}
			size_t to = (size_t)find_step(p, *nx_list_at(s->depends_on, nx_str, f->edge++));
			if (colour[to] == 1)
				return nx_error_set(err, NX_EINVAL, "the plan has a cycle through `%.*s` and `%.*s`",
						    NX_FMT(spec_at(p, to)->id), NX_FMT(s->id));
			if (colour[to] == 0) {
				colour[to] = 1;
				stack[depth++] = (struct frame){to, 0};
			}
		}
	}
	return 0;
}

int nx_plan_check(struct nx_core *c, int64_t tenant, const struct nx_plan_spec *plan, struct nx_error **err)
{
	struct plan_walk w = {c, tenant, plan, 0};
	int rc;

	if (plan->steps.n == 0) {
		nx_error_set(err, NX_EINVAL, "a plan needs at least one step");
		return nx_error_at(err, "/plan/steps");
	}
	for (w.step = 0; w.step < plan->steps.n; w.step++) {
		const struct nx_step_spec *s = spec_at(plan, w.step);
		if ((rc = check_id(plan, w.step, err)) < 0 || (rc = check_doer(&w, s, err)) < 0 ||
		    (rc = check_depends(&w, s, err)) < 0 ||
		    (s->when.n > 0 && (rc = nx_refs_when_check(s->when, err)) < 0) ||
		    (rc = nx_refs_visit(s->input, check_ref, &w, err)) < 0)
			return nx_error_at(err, "/plan/steps/%zu", w.step);
	}
	if ((rc = check_cycle(plan, err)) < 0)
		return nx_error_at(err, "/plan/steps");
	return 0;
}
