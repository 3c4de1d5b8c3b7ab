/* memory.store and memory.recall, for the user the task belongs to. */
#include "agents/agents_internal.h"

static int need_user(struct nx_tool_call *c, struct nx_error **err)
{
	if (c->user_id.n > 0)
		return 0;
	nx_error_set(err, NX_EINVAL, "%s needs a user: whose memory is it?", c->tool->name);
	return nx_error_hint(err, "give the task a `user_id`");
}

struct store_args {
	nx_str text;
	double importance;
};
static const struct nx_field store_fields[] = {
	{.name = "text",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct store_args, text),
	 .max_len = 65536,
	 .help = "what to remember"},
	{.name = "importance",
	 .type = NX_T_NUMBER,
	 .offset = offsetof(struct store_args, importance),
	 .min = 0,
	 .max = 1,
	 .def = 0.8,
	 .help = "above 0.7 it becomes an episode"},
};
static const struct nx_schema store_schema = {"MemoryStoreInput",       "something to remember",   store_fields,
					      nx_countof(store_fields), sizeof(struct store_args), false};

static void store_done(struct nx_memory_store *s, struct nx_error *err)
{
	struct nx_tool_call *c = s->ctx;
	yyjson_mut_doc *d = nx_json_new(c->arena);
	char text[NX_ID_TEXT];

	if (err || !d) {
		nx_tool_finish(c, err ? nx_error_copy(err) : NULL);
		return;
	}
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_id_format(s->turns[0].id, text);
	nx_json_add_strz(d, o, "id", text);
	nx_json_add_strz(d, o, "layer", s->turns[0].layer);
	char *said = nx_arena_printf(c->arena, "Remembered: %.*s", NX_FMT(s->turns[0].text));
	nx_json_add_strz(d, o, "text", said);
	nx_tool_finish_json(c, o);
}

/* The same for every attempt of a step, another for each text that one step stores. Version and variant stay. */
static nx_id turn_id(nx_id step, nx_str text)
{
	uint64_t hash = nx_str_hash(text);

	if (nx_id_none(step))
		return NX_ID_NONE;
	for (size_t i = 9; i < sizeof(step.b); i++, hash >>= 8)
		step.b[i] ^= (uint8_t)hash;
	return step;
}

static void start_store(struct nx_tool_call *c, void *self)
{
	struct nx_agents *g = self;
	const struct store_args *in = c->args;
	struct nx_memory_store *s = nx_arena_new_of(c->arena, struct nx_memory_store);
	struct nx_memory_turn *t = nx_arena_new_of(c->arena, struct nx_memory_turn);
	struct nx_error *err = NULL;

	if (need_user(c, &err) < 0) {
		nx_tool_finish(c, err);
		return;
	}
	if (!s || !t) {
		nx_tool_finish_no_memory(c);
		return;
	}
	*t = (struct nx_memory_turn){.user_id = c->user_id,
				     .session = c->session,
				     .role = NX_STR("user"),
				     .text = in->text,
				     .importance = in->importance,
				     .tainted = c->input_tainted,
				     .task = c->task,
				     .id = turn_id(c->step, in->text)};
	*s = (struct nx_memory_store){.arena = c->arena,
				      .tenant = c->tenant,
				      .turns = t,
				      .nturns = 1,
				      .done = store_done,
				      .reply = c->reply,
				      .ctx = c};
	nx_memory_store(g->p.memory, s);
}

struct recall_args {
	nx_str query;
	int64_t limit;
};
static const struct nx_field recall_fields[] = {
	{.name = "query",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct recall_args, query),
	 .max_len = 8192,
	 .help = "what to remember about"},
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct recall_args, limit),
	 .min = 1,
	 .max = 50,
	 .def = 5,
	 .help = "most memories"},
};
static const struct nx_schema recall_schema = {"MemoryRecallInput",       "what to recall",           recall_fields,
					       nx_countof(recall_fields), sizeof(struct recall_args), false};

static nx_str as_text(struct nx_memory_recall *r, struct nx_arena *a)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;

	for (size_t i = 0; i < r->nranked; i++)
		nx_buf_addf(&b, "%s%.*s", i ? "\n" : "", NX_FMT(r->ranked[i].text));
	if (r->nranked == 0)
		nx_buf_addz(&b, "Nothing is remembered about this.");
	return nx_str_dup(a, nx_buf_str(&b));
}

static void recall_done(struct nx_memory_recall *r, struct nx_error *err)
{
	struct nx_tool_call *c = r->ctx;
	yyjson_mut_doc *d = nx_json_new(c->arena);

	c->tainted = true;
	if (err || !d) {
		nx_tool_finish(c, err ? nx_error_copy(err) : NULL);
		return;
	}
	yyjson_mut_val *o = nx_memory_recall_json(r, d);
	nx_json_add_str(d, o, "text", as_text(r, c->arena));
	nx_tool_finish_json(c, o);
}

static void start_recall(struct nx_tool_call *c, void *self)
{
	struct nx_agents *g = self;
	const struct recall_args *in = c->args;
	struct nx_memory_recall *r = nx_arena_new_of(c->arena, struct nx_memory_recall);
	struct nx_error *err = NULL;

	if (need_user(c, &err) < 0) {
		nx_tool_finish(c, err);
		return;
	}
	if (!r) {
		nx_tool_finish_no_memory(c);
		return;
	}
	*r = (struct nx_memory_recall){.arena = c->arena,
				       .tenant = c->tenant,
				       .user_id = c->user_id,
				       .query = in->query,
				       .limit = (size_t)in->limit,
				       .trace = c->trace,
				       .done = recall_done,
				       .reply = c->reply,
				       .ctx = c};
	nx_memory_recall(g->p.memory, r);
}

static const struct nx_tool memory_tools[] = {
	{.name = "memory.store",
	 .description = "Remembers something for the user the task belongs to.",
	 .input = &store_schema,
	 .output_help = "{\"id\", \"layer\", \"text\"}",
	 .effects = NX_EFFECTS_IDEMPOTENT,
	 .capability = "memory",
	 .start = start_store},
	{.name = "memory.recall",
	 .description = "Recalls what is remembered for the user the task belongs to.",
	 .input = &recall_schema,
	 .output_help = "{\"working\", \"episodic\", \"semantic\", \"procedural\", \"ranked\", \"text\"}",
	 .effects = NX_EFFECTS_NONE,
	 .capability = "memory",
	 .start = start_recall},
};

int nx_tools_add_memory(struct nx_agents *g, struct nx_error **err)
{
	for (size_t i = 0; i < nx_countof(memory_tools); i++) {
		struct nx_tool t = memory_tools[i];
		t.self = g;
		int rc = nx_tools_add(g->tools, &t, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
