/* Tools over the knowledge fabric: search, connected, ask. What they bring back is tainted: it came from documents. */
#include "agents/agents_internal.h"

static void finish_error(struct nx_tool_call *c, struct nx_error *err)
{
	nx_tool_finish(c, err ? nx_error_copy(err) : NULL);
}

/* ---- knowledge.search ---- */

struct search_args {
	nx_str query;
	int64_t limit;
	int mode;
	yyjson_val *filters;
};
static const struct nx_field search_fields[] = {
	{.name = "query",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct search_args, query),
	 .max_len = 8192,
	 .help = "what to look for"},
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct search_args, limit),
	 .min = 1,
	 .max = 50,
	 .def = 5,
	 .help = "most hits"},
	{.name = "mode",
	 .type = NX_T_ENUM,
	 .names = nx_search_mode_names,
	 .offset = offsetof(struct search_args, mode),
	 .help = "how to look"},
	{.name = "filters",
	 .type = NX_T_MAP,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct search_args, filters),
	 .max_len = 16,
	 .help = "conditions on the documents' metadata"},
};
static const struct nx_schema search_schema = {
	"KnowledgeSearchInput",     "a search", search_fields, nx_countof(search_fields),
	sizeof(struct search_args), false};

static void search_done(struct nx_search *s, struct nx_error *err)
{
	struct nx_tool_call *c = s->ctx;
	yyjson_mut_doc *d = nx_json_new(c->arena);

	c->tainted = true;
	if (err || !d)
		finish_error(c, err);
	else
		nx_tool_finish_json(c, nx_search_json(s, d));
}

static void start_search(struct nx_tool_call *c, void *self)
{
	struct nx_agents *g = self;
	const struct search_args *in = c->args;
	struct nx_search *s = nx_arena_new_of(c->arena, struct nx_search);

	if (!s) {
		nx_tool_finish_no_memory(c);
		return;
	}
	*s = (struct nx_search){.arena = c->arena,
				.tenant = c->tenant,
				.space = NX_STR(""),
				.query = in->query,
				.limit = (size_t)in->limit,
				.mode = (enum nx_search_mode)in->mode,
				.kinds = NX_KIND_CHUNK,
				.filters = in->filters,
				.trace = c->trace,
				.done = search_done,
				.reply = c->reply,
				.ctx = c};
	nx_knowledge_search(g->p.knowledge, s);
}

/* ---- knowledge.ask ---- */

struct ask_args {
	nx_str question;
	int64_t limit;
};
static const struct nx_field ask_fields[] = {
	{.name = "question",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct ask_args, question),
	 .max_len = 8192,
	 .help = "a question in words"},
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct ask_args, limit),
	 .min = 1,
	 .max = 50,
	 .def = 10,
	 .help = "passages to read"},
};
static const struct nx_schema ask_schema = {"KnowledgeAskInput",     "a question", ask_fields, nx_countof(ask_fields),
					    sizeof(struct ask_args), false};

static void ask_done(struct nx_ask *a, struct nx_error *err)
{
	struct nx_tool_call *c = a->ctx;
	yyjson_mut_doc *d = nx_json_new(c->arena);

	c->tainted = true;
	if (err || !d)
		finish_error(c, err);
	else
		nx_tool_finish_json(c, nx_ask_json(a, d));
}

static void start_ask(struct nx_tool_call *c, void *self)
{
	struct nx_agents *g = self;
	const struct ask_args *in = c->args;
	struct nx_ask *a = nx_arena_new_of(c->arena, struct nx_ask);

	if (!a) {
		nx_tool_finish_no_memory(c);
		return;
	}
	*a = (struct nx_ask){.arena = c->arena,
			     .tenant = c->tenant,
			     .space = NX_STR(""),
			     .question = in->question,
			     .limit = (size_t)in->limit,
			     .trace = c->trace,
			     .done = ask_done,
			     .reply = c->reply,
			     .ctx = c};
	nx_knowledge_ask(g->p.knowledge, a);
}

/* ---- knowledge.connected ---- */

struct connected_args {
	nx_str id;
	int64_t depth, limit;
	struct nx_list types;
};
static const struct nx_field connected_fields[] = {
	{.name = "id",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct connected_args, id),
	 .max_len = 512,
	 .help = "the entity to start from"},
	{.name = "depth",
	 .type = NX_T_INT,
	 .offset = offsetof(struct connected_args, depth),
	 .min = 1,
	 .max = 10,
	 .def = 2,
	 .help = "most relationships on a path"},
	{.name = "types",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .offset = offsetof(struct connected_args, types),
	 .max_len = 32,
	 .help = "types of relationship to follow; none: RELATES_TO"},
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct connected_args, limit),
	 .min = 1,
	 .max = 50,
	 .def = 50,
	 .help = "most entities"},
};
static const struct nx_schema connected_schema = {
	"KnowledgeConnectedInput",    "an entity and how far to go", connected_fields,
	nx_countof(connected_fields), sizeof(struct connected_args), false};

struct connected_job {
	struct nx_job job;
	struct nx_agents *agents;
	struct nx_tool_call *call;
	struct nx_error *err;
};

static void run_connected(struct nx_job *j)
{
	struct connected_job *w = nx_container_of(j, struct connected_job, job);
	struct nx_tool_call *c = w->call;
	const struct connected_args *in = c->args;

	c->tainted = true;
	nx_knowledge_connected(w->agents->p.knowledge, c->tenant, in->id, (unsigned)in->depth, in->types.items,
			       in->types.n, (size_t)in->limit, c->arena, &c->output, &w->err);
}

static void connected_done(struct nx_job *j)
{
	struct connected_job *w = nx_container_of(j, struct connected_job, job);
	nx_tool_finish(w->call, w->err);
}

static void start_connected(struct nx_tool_call *c, void *self)
{
	struct nx_agents *g = self;
	struct connected_job *w = nx_arena_new_of(c->arena, struct connected_job);

	if (!w) {
		nx_tool_finish_no_memory(c);
		return;
	}
	w->agents = g;
	w->call = c;
	w->job = (struct nx_job){.run = run_connected, .done = connected_done, .reply = c->reply};
	nx_workers_post(g->p.workers, &w->job);
}

static const struct nx_tool knowledge_tools[] = {
	{.name = "knowledge.search",
	 .description = "Finds passages in the stored documents by words, meaning and the graph between them.",
	 .input = &search_schema,
	 .output_help = "{\"hits\": [{document_id, chunk_id, title, text, score, …}], \"took_ms\"}",
	 .effects = NX_EFFECTS_NONE,
	 .capability = "retrieval",
	 .start = start_search},
	{.name = "knowledge.ask",
	 .description = "Answers a question with sentences of the stored documents, each cited.",
	 .input = &ask_schema,
	 .output_help = "{\"answer\", \"found\", \"confidence\", \"citations\", \"steps\", \"hits\"}",
	 .effects = NX_EFFECTS_NONE,
	 .capability = "retrieval",
	 .start = start_ask},
	{.name = "knowledge.connected",
	 .description = "Lists the entities that an entity is connected to in the graph, best first.",
	 .input = &connected_schema,
	 .output_help = "{\"entities\": [{id, type, score, depth, …}]}",
	 .effects = NX_EFFECTS_NONE,
	 .capability = "graph",
	 .start = start_connected},
};

int nx_tools_add_knowledge(struct nx_agents *g, struct nx_error **err)
{
	for (size_t i = 0; i < nx_countof(knowledge_tools); i++) {
		struct nx_tool t = knowledge_tools[i];
		t.self = g;
		int rc = nx_tools_add(g->tools, &t, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
