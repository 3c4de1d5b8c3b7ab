#include "tests/unit/core/rig.h"

#include <stdio.h>

struct word_args {
	nx_str word;
};
static const struct nx_field word_fields[] = {
	{.name = "word",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct word_args, word),
	 .max_len = 100,
	 .def_str = ""},
};
static const struct nx_schema word_schema = {"Word", "a word", word_fields, 1, sizeof(struct word_args), false};

static void finish_text(struct nx_tool_call *c, const char *json)
{
	c->output = nx_str_z(nx_arena_strdup(c->arena, json));
	nx_tool_finish(c, NULL);
}

static void note(struct rig *r, struct nx_tool_call *c)
{
	const struct word_args *a = c->args;
	size_t n = strlen(r->order);

	snprintf(r->order + n, sizeof(r->order) - n, "%s%.*s", n ? " " : "", NX_FMT(a->word));
	r->runs++;
}

static void start_log(struct nx_tool_call *c, void *self)
{
	note(self, c);
	finish_text(c, "{\"text\":\"logged\",\"n\":7}");
}

static void hold_cancel(struct nx_tool_call *c)
{
	struct nx_error *err = NULL;

	nx_error_set(&err, NX_ECANCELLED, "stopped");
	nx_tool_finish(c, err);
}

static void start_hold(struct nx_tool_call *c, void *self)
{
	struct rig *r = self;

	note(r, c);
	c->cancel = hold_cancel;
	if (r->nheld < nx_countof(r->held))
		r->held[r->nheld++] = c;
}

/* Runs on when asked to stop, as a program that is slow to die. */
static void start_stubborn(struct nx_tool_call *c, void *self)
{
	start_hold(c, self);
	c->cancel = NULL;
}

static void start_fail(struct nx_tool_call *c, void *self)
{
	struct rig *r = self;
	struct nx_error *err = NULL;

	r->runs++;
	if (r->failures == 0) {
		finish_text(c, "{\"text\":\"at last\"}");
		return;
	}
	r->failures--;
	nx_error_set(&err, NX_EPROVIDER, "it did not work");
	nx_tool_finish(c, err);
}

static void add_tool(struct rig *r, const char *name, enum nx_effects e, void (*start)(struct nx_tool_call *, void *))
{
	struct nx_tool t = {.name = name,
			    .description = name,
			    .input = &word_schema,
			    .effects = e,
			    .start = start,
			    .self = r,
			    .capability = "test",
			    .output_help = ""};
	ASSERT_OK(nx_tools_add(nx_agents_tools(r->agents), &t, NULL));
}

static void recovered(struct nx_error *err, void *ctx)
{
	(void)ctx;
	ASSERT_NULL(err);
}

static void start_core(struct rig *r)
{
	struct nx_agent_parts a = {.config = r->config, .store = r->store, .workers = r->workers, .loop = r->loop};

	ASSERT_OK(nx_agents_new(&a, &r->agents, NULL));
	add_tool(r, "test.log", NX_EFFECTS_NONE, start_log);
	add_tool(r, "test.hold", NX_EFFECTS_NONE, start_hold);
	add_tool(r, "test.stubborn", NX_EFFECTS_NONE, start_stubborn);
	add_tool(r, "test.fail", NX_EFFECTS_NONE, start_fail);
	add_tool(r, "test.once", NX_EFFECTS_ONCE, start_log);
	add_tool(r, "test.hold_once", NX_EFFECTS_ONCE, start_hold);
	struct nx_core_parts p = {
		.config = r->config, .store = r->store, .workers = r->workers, .agents = r->agents, .loop = r->loop};
	ASSERT_OK(nx_core_new(&p, &r->core, NULL));
	nx_core_recover(r->core, recovered, r);
	rig_run(r);
	ASSERT_TRUE(nx_core_ready(r->core));
}

static void stop_core(struct rig *r)
{
	nx_core_free(r->core);
	nx_agents_free(r->agents);
	nx_loop_free(r->loop);
}

void rig_open(struct rig *r, const char *name)
{
	const char *none[] = {NULL};
	char dir[512];

	memset(r, 0, sizeof(*r));
	nx_log_setup(NX_LOG_ERROR, NX_LOG_TEXT, STDERR_FILENO);
	nx_fake_clock_install(&r->clock, INT64_C(1760000000000000));
	r->arena = nx_arena_new(0);
	snprintf(dir, sizeof(dir), "%s/%s", nx_test_dir(), name);
	r->dir = nx_arena_strdup(r->arena, dir);
	ASSERT_OK(nx_config_load(NULL, none, &r->config, NULL));
	struct nx_store_options o = {.dir = r->dir, .readers = 1, .inline_writer = true};
	ASSERT_OK(nx_store_open(&o, &r->store, NULL));
	r->workers = nx_workers_new_sim();
	r->loop = nx_loop_new_sim("core");
	start_core(r);
}

void rig_close(struct rig *r)
{
	stop_core(r);
	nx_workers_free(r->workers);
	nx_store_close(r->store);
	nx_config_free(r->config);
	nx_arena_free(r->arena);
	nx_clock_set(NULL);
}

void rig_crash(struct rig *r)
{
	stop_core(r);
	r->nheld = 0;
	r->loop = nx_loop_new_sim("core");
	start_core(r);
}

void rig_run(struct rig *r)
{
	int64_t next;

	for (int i = 0; i < 100000 && nx_loop_step(r->loop, &next); i++)
		;
}

void rig_advance(struct rig *r, double seconds)
{
	nx_fake_clock_advance(&r->clock, (int64_t)(seconds * 1e6));
	rig_run(r);
}

static void answered(struct nx_submit *s, struct nx_error *err)
{
	struct answer *a = s->ctx;

	a->done = true;
	a->code = nx_error_code(err);
	snprintf(a->message, sizeof(a->message), "%s", nx_error_message(err));
	snprintf(a->pointer, sizeof(a->pointer), "%s", nx_error_pointer(err));
	if (!err)
		ASSERT_OK(nx_json_read(s->arena, s->answer, NULL, &a->task, NULL));
}

void rig_submit(struct rig *r, const char *json, struct answer *ret)
{
	yyjson_val *body;

	memset(ret, 0, sizeof(*ret));
	ASSERT_OK(nx_json_read(r->arena, nx_str_z(json), NULL, &body, NULL));
	ret->submit = (struct nx_submit){
		.arena = r->arena, .tenant = NX_STORE_TENANT, .body = body, .done = answered, .ctx = ret};
	nx_core_submit(r->core, &ret->submit);
	rig_run(r);
}

yyjson_val *rig_task(struct rig *r, nx_id id)
{
	yyjson_val *v;
	nx_str json;

	ASSERT_OK(nx_task_get_json(nx_store_reader(r->store), NX_STORE_TENANT, id, r->arena, &json, NULL));
	ASSERT_OK(nx_json_read(r->arena, json, NULL, &v, NULL));
	return v;
}

const char *rig_state(struct rig *r, nx_id id)
{
	return nx_str_zdup(r->arena, nx_json_str(rig_task(r, id), "state"));
}

const char *rig_step(struct rig *r, nx_id id, const char *step, const char *member)
{
	yyjson_val *s, *v;
	size_t i, n;
	nx_str text;

	yyjson_arr_foreach (nx_json_get(nx_json_get(rig_task(r, id), "plan"), "steps"), i, n, s) {
		if (!nx_str_eqz(nx_json_str(s, "id"), step))
			continue;
		v = nx_json_get(s, member);
		if (yyjson_is_str(v))
			return nx_str_zdup(r->arena, nx_json_val_str(v));
		ASSERT_OK(nx_json_write_val(r->arena, v, false, &text, NULL));
		return text.p;
	}
	return "no such step";
}

static void controlled(struct nx_control *k, struct nx_error *err)
{
	(void)k;
	ASSERT_NULL(err);
}

void rig_cancel(struct rig *r, nx_id id)
{
	struct nx_control *k = nx_arena_new_of(r->arena, struct nx_control);

	*k = (struct nx_control){
		.arena = r->arena, .tenant = NX_STORE_TENANT, .task = id, .op = NX_CONTROL_CANCEL, .done = controlled};
	nx_core_control(r->core, k);
	rig_run(r);
}

void rig_finish(struct rig *r, size_t held, bool ok)
{
	struct nx_error *err = NULL;

	ASSERT_LT(held, r->nheld);
	if (ok) {
		finish_text(r->held[held], "{\"text\":\"held\"}");
	} else {
		nx_error_set(&err, NX_EPROVIDER, "it broke");
		nx_tool_finish(r->held[held], err);
	}
	rig_run(r);
}

int64_t rig_count(struct rig *r, const char *sql)
{
	int64_t n = -1;

	ASSERT_OK(nx_db_get_int(nx_store_reader(r->store), sql, NX_NO_PARAMS, &n, NULL));
	return n;
}
