/* A task as the API shows it: one writer for tasks in memory and tasks read from the store. */
#include "base/io.h"
#include "core/core_internal.h"

#define STEP_SCHEMA                                                                                                           \
	"{\"type\":\"object\",\"required\":[\"id\",\"state\",\"attempts\"],\"properties\":{\"id\":{\"type\":\"string\"},"     \
	"\"agent\":{\"type\":[\"string\",\"null\"]},\"tool\":{\"type\":[\"string\",\"null\"]},\"why\":{\"type\":\"string\"}," \
	"\"state\":{\"enum\":[\"pending\",\"ready\",\"running\",\"waiting\",\"succeeded\",\"failed\",\"skipped\","            \
	"\"cancelled\",\"timed_out\"]},\"attempts\":{\"type\":\"integer\"},\"started_at\":{\"type\":[\"string\",\"null\"]},"  \
	"\"finished_at\":{\"type\":[\"string\",\"null\"]},\"output\":{},\"error\":{\"type\":[\"object\",\"null\"]},"          \
	"\"depends_on\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"tainted\":{\"type\":\"boolean\"}}}"

#define OBJECT_OR_NULL "{\"type\":[\"object\",\"null\"]}"
static const struct nx_field task_fields[] = {
	{.name = "id", .type = NX_T_ID, .flags = NX_F_REQUIRED, .help = "UUIDv7"},
	{.name = "state",
	 .type = NX_T_ENUM,
	 .names = nx_task_state_names,
	 .flags = NX_F_REQUIRED,
	 .help = "where it is"},
	{.name = "input", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .max_len = 16777216, .help = "what was asked"},
	{.name = "user_id", .type = NX_T_STRING, .flags = NX_F_NULL, .help = "whose it is"},
	{.name = "session_id", .type = NX_T_STRING, .flags = NX_F_NULL, .help = "its conversation"},
	{.name = "priority", .type = NX_T_ENUM, .names = nx_priority_names, .help = "weights 1, 10, 100, 1000"},
	{.name = "waiting", .type = NX_T_ANY, .json_schema = OBJECT_OR_NULL, .help = "reason, step, since, deadline"},
	{.name = "result",
	 .type = NX_T_ANY,
	 .json_schema =
		 "{\"type\":[\"object\",\"null\"],\"required\":[\"text\",\"citations\",\"artifacts\"],\"properties\":{"
		 "\"text\":{\"type\":\"string\"},\"citations\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
		 "\"artifacts\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}",
	 .help = "text, citations, artifacts"},
	{.name = "analysis",
	 .type = NX_T_ANY,
	 .json_schema = OBJECT_OR_NULL,
	 .help = "intent, complexity, capabilities, estimate, safety"},
	{.name = "plan",
	 .type = NX_T_ANY,
	 .json_schema =
		 "{\"type\":\"object\",\"required\":[\"steps\"],\"properties\":{\"steps\":{\"type\":\"array\",\"items\":" STEP_SCHEMA
		 "}}}",
	 .help = "its steps and their states"},
	{.name = "schedule",
	 .type = NX_T_ANY,
	 .json_schema = OBJECT_OR_NULL,
	 .help = "start, estimated_completion, resources"},
	{.name = "usage",
	 .type = NX_T_ANY,
	 .json_schema = OBJECT_OR_NULL,
	 .help = "input_tokens, output_tokens, usd_micros, steps, wall_ms, cpu_ms"},
	{.name = "error", .type = NX_T_ANY, .json_schema = OBJECT_OR_NULL, .help = "code, message, hint"},
	{.name = "metadata", .type = NX_T_ANY, .json_schema = OBJECT_OR_NULL, .help = "as given"},
	{.name = "trace_id", .type = NX_T_STRING, .flags = NX_F_NULL, .help = "W3C trace id, 32 hex digits"},
	{.name = "created_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED, .help = "accepted"},
	{.name = "started_at", .type = NX_T_TIME, .flags = NX_F_NULL, .help = "its first step started"},
	{.name = "finished_at", .type = NX_T_TIME, .flags = NX_F_NULL, .help = "in a final state"},
	{.name = "cancel_requested_at", .type = NX_T_TIME, .flags = NX_F_NULL, .help = "cancellation was asked for"},
};
const struct nx_schema nx_task_schema = {
	"Task", "a request on its way, and what became of it", task_fields, nx_countof(task_fields), 0, false};

nx_str nx_usage_json(struct nx_arena *a, const struct nx_usage *u, size_t steps, int64_t wall_us)
{
	const char *s =
		nx_arena_printf(a,
				"{\"input_tokens\":%lld,\"output_tokens\":%lld,\"usd_micros\":%lld,\"steps\":%zu,"
				"\"wall_ms\":%.3f,\"cpu_ms\":%.3f,\"max_memory_bytes\":%lld}",
				(long long)u->input_tokens, (long long)u->output_tokens, (long long)u->usd_micros,
				steps, (double)wall_us / 1000.0, (double)u->cpu_us / 1000.0, (long long)u->max_memory);
	return nx_str_z(s);
}

/* Steps as they run, with what the plan says of them: dependencies come from the stored plan, by position. */
static yyjson_mut_val *step_json(yyjson_mut_doc *d, const struct nx_step_view *s, yyjson_val *spec)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);

	nx_json_add_str(d, o, "id", s->id);
	nx_json_add_str(d, o, "agent", s->agent.n ? s->agent : NX_STR_NULL);
	nx_json_add_str(d, o, "tool", s->tool.n ? s->tool : NX_STR_NULL);
	nx_json_add_str(d, o, "why", s->why.p ? s->why : NX_STR(""));
	nx_json_add_str(d, o, "state", s->state);
	yyjson_val *deps = nx_json_get(spec, "depends_on");
	if (deps)
		nx_json_add_val(d, o, "depends_on", deps);
	else
		yyjson_mut_obj_add_arr(d, o, "depends_on");
	yyjson_mut_obj_add_int(d, o, "attempts", s->attempts);
	nx_json_add_time(d, o, "started_at", s->started_us);
	nx_json_add_time(d, o, "finished_at", s->finished_us);
	nx_json_add_raw(d, o, "output", s->output);
	nx_json_add_raw(d, o, "error", s->error);
	yyjson_mut_obj_add_bool(d, o, "tainted", s->tainted);
	return o;
}

static void add_plan(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_task_view *v,
		     const struct nx_step_view *steps, size_t n, struct nx_arena *a)
{
	yyjson_mut_val *plan = yyjson_mut_obj_add_obj(d, o, "plan"), *list = yyjson_mut_obj_add_arr(d, plan, "steps");
	yyjson_val *root = NULL;

	if (v->plan.p)
		(void)nx_json_read(a, v->plan, NULL, &root, NULL);
	for (size_t i = 0; i < n; i++)
		yyjson_mut_arr_append(list, step_json(d, &steps[i], yyjson_arr_get(nx_json_get(root, "steps"), i)));
}

int nx_task_view_json(const struct nx_task_view *v, const struct nx_step_view *steps, size_t n, struct nx_arena *a,
		      nx_str *ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "write a task");
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_json_add_id(d, o, "id", v->id);
	nx_json_add_str(d, o, "state", v->state);
	nx_json_add_str(d, o, "input", v->input);
	nx_json_add_str(d, o, "user_id", v->user_id.n ? v->user_id : NX_STR_NULL);
	nx_json_add_str(d, o, "session_id", v->session_id.n ? v->session_id : NX_STR_NULL);
	nx_json_add_str(d, o, "priority", v->priority);
	nx_json_add_raw(d, o, "waiting", v->waiting);
	nx_json_add_raw(d, o, "result", v->result);
	nx_json_add_raw(d, o, "analysis", v->analysis);
	add_plan(d, o, v, steps, n, a);
	nx_json_add_raw(d, o, "schedule", v->schedule);
	nx_json_add_raw(d, o, "usage", v->usage);
	nx_json_add_raw(d, o, "error", v->error);
	nx_json_add_raw(d, o, "metadata", v->metadata);
	nx_json_add_strz(d, o, "trace_id", nx_id_none(v->trace) ? NULL : nx_hex(a, v->trace.b, 16));
	nx_json_add_time(d, o, "created_at", v->created_us);
	nx_json_add_time(d, o, "started_at", v->started_us);
	nx_json_add_time(d, o, "finished_at", v->finished_us);
	nx_json_add_time(d, o, "cancel_requested_at", v->cancel_us);
	return nx_json_write(a, o, false, ret, err);
}

int nx_task_live_json(const struct nx_task *t, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	const struct nx_task_request *r = t->request;
	struct nx_step_view *steps = nx_arena_array(a, struct nx_step_view, t->nsteps ? t->nsteps : 1);
	nx_str metadata = NX_STR_NULL;

	if (!steps)
		return nx_error_set(err, NX_ENOMEM, "write a task");
	for (size_t i = 0; i < t->nsteps; i++) {
		const struct nx_step *s = &t->steps[i];
		steps[i] = (struct nx_step_view){.id = s->spec->id,
						 .agent = s->agent,
						 .tool = s->spec->tool,
						 .why = s->why,
						 .state = nx_str_z(nx_step_state_names[s->state]),
						 .output = s->output,
						 .error = s->error,
						 .attempts = s->attempts,
						 .started_us = s->started_us,
						 .finished_us = s->finished_us,
						 .tainted = s->tainted};
	}
	if (r->metadata)
		(void)nx_json_write_val(a, r->metadata, false, &metadata, NULL);
	nx_str usage = t->usage_json.p ? t->usage_json
				       : nx_usage_json(a, &t->usage, t->nsteps, nx_time_wall_us() - t->created_us);
	struct nx_task_view v = {.id = t->id,
				 .state = nx_str_z(nx_task_state_names[t->state]),
				 .waiting = t->waiting_json,
				 .result = t->result_json,
				 .analysis = t->analysis.json,
				 .plan = t->plan_json,
				 .schedule = t->schedule_json,
				 .usage = usage,
				 .error = t->error_json,
				 .input = r->input,
				 .user_id = r->user_id,
				 .session_id = r->session_id,
				 .priority = nx_str_z(nx_priority_names[r->priority]),
				 .metadata = metadata,
				 .created_us = t->created_us,
				 .started_us = t->started_us,
				 .finished_us = t->finished_us,
				 .cancel_us = t->cancel_us,
				 .trace = t->trace.trace};
	return nx_task_view_json(&v, steps, t->nsteps, a, ret, err);
}
