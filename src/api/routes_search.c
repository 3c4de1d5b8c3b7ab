/* Search in what is known, and answers from it. */
#include "api/api_internal.h"

/* ---- shapes ---- */

static const char *const kind_names[] = {"chunk", "entity", NULL};
struct search_body {
	nx_str query;
	int64_t limit;
	int mode;
	struct nx_list kinds;
	yyjson_val *filters;
	int64_t as_of;
	bool explain;
};
static const struct nx_field search_fields[] = {
	{.name = "query",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct search_body, query),
	 .help = "what is looked for",
	 .example = "\"who built the lighthouse\""},
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct search_body, limit),
	 .min = 1,
	 .max = 10000,
	 .def = 10,
	 .help = "most hits"},
	{.name = "mode",
	 .type = NX_T_ENUM,
	 .names = nx_search_mode_names,
	 .offset = offsetof(struct search_body, mode),
	 .help = "how; hybrid joins the others"},
	{.name = "kinds",
	 .type = NX_T_ARRAY,
	 .item = NX_T_ENUM,
	 .names = kind_names,
	 .offset = offsetof(struct search_body, kinds),
	 .max_len = 2,
	 .help = "passages (chunk, the default) or entities"},
	{.name = "filters",
	 .type = NX_T_MAP,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct search_body, filters),
	 .max_len = 32,
	 .help = "over a document's metadata: a value, or {\"in\",\"gte\",\"lte\"}"},
	{.name = "as_of",
	 .type = NX_T_TIME,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct search_body, as_of),
	 .help = "what was true then; not in this version"},
	{.name = "explain",
	 .type = NX_T_BOOL,
	 .offset = offsetof(struct search_body, explain),
	 .help = "why each hit was found"},
};
static const struct nx_schema search_schema = {.name = "SearchRequest",
					       .help = "A search.",
					       .fields = search_fields,
					       .nfields = nx_countof(search_fields),
					       .size = sizeof(struct search_body)};

static const struct nx_field hit_fields[] = {
	{.name = "kind", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "chunk or entity"},
	{.name = "score", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED, .help = "higher is better"},
};
static const struct nx_schema hit_schema = {.name = "Hit",
					    .help = "Something that was found.",
					    .fields = hit_fields,
					    .nfields = nx_countof(hit_fields),
					    .open = true};
static const struct nx_field hits_fields[] = {
	{.name = "hits",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &hit_schema,
	 .flags = NX_F_REQUIRED,
	 .help = "best first"},
	{.name = "took_ms", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED},
};
static const struct nx_schema hits_schema = {.name = "SearchResult",
					     .help = "What was found.",
					     .fields = hits_fields,
					     .nfields = nx_countof(hits_fields),
					     .open = true};

struct ask_body {
	nx_str question;
	int64_t limit;
};
static const struct nx_field ask_fields[] = {
	{.name = "question",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct ask_body, question),
	 .help = "in words"},
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct ask_body, limit),
	 .min = 1,
	 .max = 200,
	 .def = 10,
	 .help = "passages read for the answer"},
};
static const struct nx_schema ask_schema = {.name = "AskRequest",
					    .help = "A question to the knowledge.",
					    .fields = ask_fields,
					    .nfields = nx_countof(ask_fields),
					    .size = sizeof(struct ask_body)};
static const struct nx_field answer_fields[] = {
	{.name = "answer",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .help = "sentences of the evidence, each cited as [n]"},
	{.name = "found", .type = NX_T_BOOL, .flags = NX_F_REQUIRED, .help = "false: the evidence does not answer"},
	{.name = "confidence", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED, .help = "0 to 1"},
	{.name = "citations",
	 .type = NX_T_ARRAY,
	 .item = NX_T_ANY,
	 .flags = NX_F_REQUIRED,
	 .help = "what [n] refers to"},
};
static const struct nx_schema answer_schema = {.name = "Answer",
					       .help = "An answer with its evidence.",
					       .fields = answer_fields,
					       .nfields = nx_countof(answer_fields),
					       .open = true};

/* ---- search and ask ---- */

static void write_hits(struct nx_request *r)
{
	yyjson_mut_doc *d = nx_json_new(r->arena);
	nx_request_reply_value(r, 200, d ? nx_search_json(r->ctx, d) : NULL);
}

static void searched(struct nx_search *s, struct nx_error *err)
{
	struct nx_request *r = s->ctx;
	if (err) {
		nx_request_reply_error(r, nx_error_copy(err));
		return;
	}
	r->ctx = s;
	if (nx_worker_index() >= 0)
		write_hits(r);
	else
		nx_request_work(r, write_hits, false);
}

static int check_query(struct nx_request *r, nx_str query, int64_t limit, const char *name, struct nx_error **err)
{
	const struct nx_config *c = r->api->parts.config;
	if (query.n > (size_t)c->knowledge_max_query_bytes) {
		nx_error_set(err, NX_ETOOBIG, "%s has %zu bytes; knowledge.max_query_bytes is %lld", name, query.n,
			     (long long)c->knowledge_max_query_bytes);
		return nx_error_at(err, "/%s", name);
	}
	if (limit > c->knowledge_max_limit) {
		nx_error_set(err, NX_ELIMIT, "limit is %lld; knowledge.max_limit is %lld", (long long)limit,
			     (long long)c->knowledge_max_limit);
		return nx_error_at(err, "/limit");
	}
	return 0;
}

static int fill_search(struct nx_request *r, struct nx_search *s, struct nx_error **err)
{
	const struct search_body *b = r->args;
	if (b->as_of) {
		nx_error_set(err, NX_ELATER, "as_of is not in this version");
		return nx_error_at(err, "/as_of");
	}
	*s = (struct nx_search){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.space = NX_STR(""),
		.query = b->query,
		.limit = (size_t)b->limit,
		.mode = (enum nx_search_mode)b->mode,
		.filters = b->filters,
		.explain = b->explain,
		.trace = r->trace,
		.done = searched,
		.ctx = r,
	};
	for (size_t i = 0; i < b->kinds.n; i++)
		s->kinds |= *nx_list_at(b->kinds, int, i) == 0 ? NX_KIND_CHUNK : NX_KIND_ENTITY;
	if (s->kinds == 0)
		s->kinds = NX_KIND_CHUNK;
	return check_query(r, b->query, b->limit, "query", err);
}

static void search(struct nx_request *r)
{
	struct nx_error *err = NULL;
	struct nx_search *s = nx_arena_new_of(r->arena, struct nx_search);
	if (!s)
		nx_error_set(&err, NX_ENOMEM, "out of memory for a search");
	if (!s || fill_search(r, s, &err))
		nx_request_reply_error(r, err);
	else
		nx_knowledge_search(r->api->parts.knowledge, s);
}

static void write_answer(struct nx_request *r)
{
	yyjson_mut_doc *d = nx_json_new(r->arena);
	nx_request_reply_value(r, 200, d ? nx_ask_json(r->ctx, d) : NULL);
}

static void asked(struct nx_ask *a, struct nx_error *err)
{
	struct nx_request *r = a->ctx;
	if (err) {
		nx_request_reply_error(r, nx_error_copy(err));
		return;
	}
	r->ctx = a;
	if (nx_worker_index() >= 0)
		write_answer(r);
	else
		nx_request_work(r, write_answer, false);
}

static void ask(struct nx_request *r)
{
	const struct ask_body *b = r->args;
	struct nx_error *err = NULL;
	struct nx_ask *a = nx_arena_new_of(r->arena, struct nx_ask);
	if (!a)
		nx_error_set(&err, NX_ENOMEM, "out of memory for a question");
	if (!a || check_query(r, b->question, b->limit, "question", &err)) {
		nx_request_reply_error(r, err);
		return;
	}
	*a = (struct nx_ask){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.space = NX_STR(""),
		.question = b->question,
		.limit = (size_t)b->limit,
		.trace = r->trace,
		.done = asked,
		.ctx = r,
	};
	nx_knowledge_ask(r->api->parts.knowledge, a);
}

/* ---- the table ---- */

static const struct nx_answer search_answers[] = {{200, &hits_schema, NULL, "what was found"}, {0}};
static const struct nx_answer ask_answers[] = {
	{200, &answer_schema, NULL, "the answer; `found` says whether there is one"}, {0}};

static const struct nx_route routes[] = {
	{.method = "POST",
	 .path = "/v1/knowledge/search",
	 .id = "search_knowledge",
	 .tag = "knowledge",
	 .summary = "Find passages and entities",
	 .scope = NX_SCOPE_KNOWLEDGE_READ,
	 .where = NX_ASYNC,
	 .handle = search,
	 .body = &search_schema,
	 .answers = search_answers,
	 .since = "0.1"},
	{.method = "POST",
	 .path = "/v1/knowledge/ask",
	 .id = "ask_knowledge",
	 .tag = "knowledge",
	 .summary = "Answer a question from the evidence, with citations",
	 .scope = NX_SCOPE_KNOWLEDGE_READ,
	 .where = NX_ASYNC,
	 .handle = ask,
	 .body = &ask_schema,
	 .answers = ask_answers,
	 .since = "0.1"},
};
const struct nx_route_table nx_routes_search = {routes, nx_countof(routes)};
