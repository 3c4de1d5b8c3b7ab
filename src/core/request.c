/* The body of POST /v1/tasks: its shape, and what the shape cannot say about a plan. */
#include "core/core_internal.h"

#include <stddef.h>

static const struct nx_field retry_fields[] = {
	{.name = "max",
	 .type = NX_T_INT,
	 .offset = offsetof(struct nx_step_retry, max),
	 .min = 1,
	 .max = 100,
	 .def = 1,
	 .help = "attempts in all"},
	{.name = "backoff_ms",
	 .type = NX_T_INT,
	 .offset = offsetof(struct nx_step_retry, backoff_ms),
	 .min = 1,
	 .max = 3600000,
	 .def = 200,
	 .help = "first pause; it doubles each time, with jitter"},
};
static const struct nx_schema retry_schema = {"StepRetry",
					      "how often a failed step is tried again",
					      retry_fields,
					      nx_countof(retry_fields),
					      sizeof(struct nx_step_retry),
					      false};

static const struct nx_field step_fields[] = {
	{.name = "id",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct nx_step_spec, id),
	 .max_len = 64,
	 .help = "name of the step, unique in the plan"},
	{.name = "agent",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_step_spec, agent),
	 .max_len = 64,
	 .help = "agent that does it; or name a tool"},
	{.name = "tool",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_step_spec, tool),
	 .max_len = 64,
	 .help = "tool that does it; or name an agent"},
	{.name = "why",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_step_spec, why),
	 .max_len = 1000,
	 .help = "what the step is for"},
	{.name = "input",
	 .type = NX_T_MAP,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_step_spec, input),
	 .max_len = 1000,
	 .help = "input; any value may be {\"$ref\": JSON Pointer into the task}"},
	{.name = "depends_on",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .offset = offsetof(struct nx_step_spec, depends_on),
	 .max_len = 1000,
	 .help = "steps that must have succeeded before"},
	{.name = "retry",
	 .type = NX_T_OBJECT,
	 .flags = NX_F_NULL,
	 .schema = &retry_schema,
	 .offset = offsetof(struct nx_step_spec, retry),
	 .help = "how often it is tried again"},
	{.name = "effects",
	 .type = NX_T_ENUM,
	 .names = nx_effects_names,
	 .offset = offsetof(struct nx_step_spec, effects),
	 .has = offsetof(struct nx_step_spec, has_effects),
	 .help = "what running it twice would do (default: the tool's own)"},
	{.name = "timeout_s",
	 .type = NX_T_NUMBER,
	 .offset = offsetof(struct nx_step_spec, timeout_s),
	 .min = 0.01,
	 .max = 2592000,
	 .help = "longest time of one attempt"},
	{.name = "when",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_step_spec, when),
	 .max_len = 1000,
	 .help = "[!]POINTER, or POINTER ==|!=|<|<=|>|>= JSON value; false skips the step",
	 .example = "\"/steps/find/output/found\""},
	{.name = "map",
	 .type = NX_T_MAP,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_step_spec, map),
	 .max_len = 2,
	 .help = "of a later version"},
};
static const struct nx_schema step_schema = {
	"PlanStep", "one step of a plan", step_fields, nx_countof(step_fields), sizeof(struct nx_step_spec), false};

static const struct nx_field plan_fields[] = {
	{.name = "steps",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .flags = NX_F_REQUIRED,
	 .schema = &step_schema,
	 .offset = offsetof(struct nx_plan_spec, steps),
	 .max_len = 100000,
	 .help = "a directed acyclic graph"},
};
const struct nx_schema nx_plan_schema = {
	"Plan", "steps and what they depend on", plan_fields, nx_countof(plan_fields), sizeof(struct nx_plan_spec),
	false};

static const struct nx_field budget_fields[] = {
	{.name = "tokens",
	 .type = NX_T_INT,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_budget_spec, tokens),
	 .has = offsetof(struct nx_budget_spec, has_tokens),
	 .max = 1e12,
	 .help = "model tokens, in and out"},
	{.name = "usd_micros",
	 .type = NX_T_INT,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_budget_spec, usd_micros),
	 .has = offsetof(struct nx_budget_spec, has_usd),
	 .max = 1e15,
	 .help = "money, in micro-dollars"},
	{.name = "steps",
	 .type = NX_T_INT,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_budget_spec, steps),
	 .has = offsetof(struct nx_budget_spec, has_steps),
	 .max = 1e9,
	 .help = "attempts of steps"},
	{.name = "wall_s",
	 .type = NX_T_INT,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_budget_spec, wall_s),
	 .has = offsetof(struct nx_budget_spec, has_wall),
	 .max = 2592000,
	 .help = "seconds from acceptance"},
};
static const struct nx_schema budget_schema = {"Budget",
					       "absent: no limit; 0: none may be spent",
					       budget_fields,
					       nx_countof(budget_fields),
					       sizeof(struct nx_budget_spec),
					       false};

static const struct nx_field timeouts_fields[] = {
	{.name = "queue_s",
	 .type = NX_T_NUMBER,
	 .offset = offsetof(struct nx_timeouts_spec, queue_s),
	 .min = 0.01,
	 .max = 2592000,
	 .help = "until its first step starts"},
	{.name = "start_s",
	 .type = NX_T_NUMBER,
	 .offset = offsetof(struct nx_timeouts_spec, start_s),
	 .min = 0.01,
	 .max = 2592000,
	 .help = "from ready to running, for each step"},
	{.name = "step_s",
	 .type = NX_T_NUMBER,
	 .offset = offsetof(struct nx_timeouts_spec, step_s),
	 .min = 0.01,
	 .max = 2592000,
	 .help = "for each attempt of a step that names none"},
};
static const struct nx_schema timeouts_schema = {"Timeouts",
						 "clocks beside the total one",
						 timeouts_fields,
						 nx_countof(timeouts_fields),
						 sizeof(struct nx_timeouts_spec),
						 false};

#define REQ(m) offsetof(struct nx_task_request, m)
static const struct nx_field request_fields[] = {
	{.name = "input",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = REQ(input),
	 .max_len = 16777216,
	 .help = "what is asked, in words",
	 .example = "\"What is 12.5% of 80?\""},
	{.name = "user_id",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = REQ(user_id),
	 .max_len = 200,
	 .help = "whose task it is"},
	{.name = "session_id",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = REQ(session_id),
	 .max_len = 200,
	 .help = "the conversation it belongs to"},
	{.name = "priority",
	 .type = NX_T_ENUM,
	 .names = nx_priority_names,
	 .offset = REQ(priority),
	 .def = NX_PRIORITY_MEDIUM,
	 .help = "weights 1, 10, 100, 1000"},
	{.name = "agent",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = REQ(agent),
	 .max_len = 64,
	 .help = "agent that must do it"},
	{.name = "model",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = REQ(model),
	 .max_len = 200,
	 .help = "model to use instead of the configured one"},
	{.name = "capabilities",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .offset = REQ(capabilities),
	 .max_len = 16,
	 .help = "capabilities needed besides those the analysis finds"},
	{.name = "constraints",
	 .type = NX_T_MAP,
	 .flags = NX_F_NULL,
	 .offset = REQ(constraints),
	 .max_len = 64,
	 .help = "of code that the task runs: as in a sandbox execution"},
	{.name = "metadata",
	 .type = NX_T_MAP,
	 .flags = NX_F_NULL,
	 .offset = REQ(metadata),
	 .max_len = 64,
	 .help = "kept with the task"},
	{.name = "timeout_s",
	 .type = NX_T_NUMBER,
	 .offset = REQ(timeout_s),
	 .min = 0.01,
	 .max = 2592000,
	 .help = "total time (default: core.default_timeout)"},
	{.name = "timeouts",
	 .type = NX_T_OBJECT,
	 .flags = NX_F_NULL,
	 .schema = &timeouts_schema,
	 .offset = REQ(timeouts),
	 .help = "clocks beside the total one"},
	{.name = "deadline",
	 .type = NX_T_TIME,
	 .flags = NX_F_NULL,
	 .offset = REQ(deadline),
	 .help = "moment after which the result is of no use"},
	{.name = "budget",
	 .type = NX_T_OBJECT,
	 .flags = NX_F_NULL,
	 .schema = &budget_schema,
	 .offset = REQ(budget),
	 .help = "the most it may spend"},
	{.name = "durability",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = REQ(durability),
	 .def_str = "sync",
	 .max_len = 5,
	 .json_schema = "{\"enum\":[\"sync\",\"async\",null],\"default\":\"sync\"}",
	 .help = "async: answered before it is on disk"},
	{.name = "concurrency_key",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = REQ(concurrency_key),
	 .max_len = 200,
	 .help = "of a later version"},
	{.name = "webhook",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = REQ(webhook),
	 .max_len = 2000,
	 .help = "of a later version"},
	{.name = "dry_run",
	 .type = NX_T_BOOL,
	 .offset = REQ(dry_run),
	 .help = "analyse and plan, store and run nothing"},
	{.name = "plan",
	 .type = NX_T_OBJECT,
	 .flags = NX_F_NULL,
	 .schema = &nx_plan_schema,
	 .offset = REQ(plan),
	 .help = "the steps to run instead of planning"},
	{.name = "wait",
	 .type = NX_T_ANY,
	 .flags = NX_F_NULL,
	 .offset = REQ(wait),
	 .json_schema = "{\"type\":[\"boolean\",\"number\",\"null\"],\"default\":false,\"maximum\":300,\"minimum\":0}",
	 .help = "answer when it is finished: true waits 30 s, a number so many seconds"},
};
const struct nx_schema nx_task_request_schema = {"TaskRequest",
						 "a request in words, and how to treat it",
						 request_fields,
						 nx_countof(request_fields),
						 sizeof(struct nx_task_request),
						 false};

static int refuse_later(const struct nx_task_request *r, struct nx_error **err)
{
	if (r->webhook.n > 0) {
		nx_error_set(err, NX_ELATER, "webhooks are not in this version: follow GET /v1/tasks/{id}/events");
		return nx_error_at(err, "/webhook");
	}
	if (r->concurrency_key.n > 0) {
		nx_error_set(err, NX_ELATER, "concurrency keys are not in this version");
		return nx_error_at(err, "/concurrency_key");
	}
	return 0;
}

static int check_wait(const struct nx_core *c, const struct nx_task_request *r, struct nx_error **err)
{
	double max = (double)c->config->api_max_wait / 1000.0;

	if (!r->wait || yyjson_is_bool(r->wait) || yyjson_is_null(r->wait))
		return 0;
	if (!yyjson_is_num(r->wait) || yyjson_get_num(r->wait) < 0 || yyjson_get_num(r->wait) > max) {
		nx_error_set(err, NX_EINVAL, "wait must be true, false or seconds from 0 to %g (api.max_wait)", max);
		return nx_error_at(err, "/wait");
	}
	return 0;
}

static int check_limits(struct nx_core *c, const struct nx_task_request *r, struct nx_error **err)
{
	const struct nx_config *k = c->config;

	if (r->input.n > (size_t)k->core_max_input_bytes) {
		nx_error_set(err, NX_ETOOBIG, "input has %zu bytes, more than core.max_input_bytes (%lld)", r->input.n,
			     (long long)k->core_max_input_bytes);
		return nx_error_at(err, "/input");
	}
	if (r->timeout_s * 1000 > (double)k->core_max_timeout) {
		nx_error_set(err, NX_ELIMIT, "timeout_s is over core.max_timeout (%lld s)",
			     (long long)k->core_max_timeout / 1000);
		return nx_error_at(err, "/timeout_s");
	}
	if (!nx_str_eqz(r->durability, "sync") && !nx_str_eqz(r->durability, "async")) {
		nx_error_set(err, NX_EINVAL, "durability must be `sync` or `async`, not `%.*s`", NX_FMT(r->durability));
		return nx_error_at(err, "/durability");
	}
	if (r->plan && r->plan->steps.n > (size_t)k->core_max_steps) {
		nx_error_set(err, NX_ELIMIT, "the plan has %zu steps, more than core.max_steps (%lld)",
			     r->plan->steps.n, (long long)k->core_max_steps);
		return nx_error_at(err, "/plan/steps");
	}
	return check_wait(c, r, err);
}

int nx_task_request_decode(struct nx_core *c, yyjson_val *body, struct nx_arena *a, struct nx_task_request **ret,
			   struct nx_error **err)
{
	void *p = NULL;
	int rc = nx_schema_decode(&nx_task_request_schema, body, a, &p, err);
	if (rc < 0)
		return rc;

	struct nx_task_request *r = p;
	if ((rc = refuse_later(r, err)) < 0 || (rc = check_limits(c, r, err)) < 0)
		return rc;
	*ret = r;
	return 0;
}
