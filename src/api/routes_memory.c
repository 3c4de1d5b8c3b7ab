/* Memories: stored, recalled, corrected, forgotten. */
#include "api/api_internal.h"
#include "api/memory_internal.h"

/* ---- shapes ---- */

static const char *const role_names[] = {"user", "assistant", "system", "tool", NULL};

struct message_body {
	nx_str user_id, session_id, agent_id, text;
	int role;
	int64_t occurred_at;
	double importance;
	yyjson_val *metadata;
	bool has_text, has_importance;
};
#define MESSAGE_FIELDS(struct_, required_)                                                                       \
	{.name = "user_id",                                                                                      \
	 .type = NX_T_STRING,                                                                                    \
	 .flags = NX_F_NULL,                                                                                     \
	 .offset = offsetof(struct_, user_id),                                                                   \
	 .max_len = 200,                                                                                         \
	 .help = "whose memory it is"},                                                                          \
		{.name = "session_id",                                                                           \
		 .type = NX_T_STRING,                                                                            \
		 .flags = NX_F_NULL,                                                                             \
		 .offset = offsetof(struct_, session_id),                                                        \
		 .max_len = 200,                                                                                 \
		 .help = "the conversation"},                                                                    \
		{.name = "agent_id",                                                                             \
		 .type = NX_T_STRING,                                                                            \
		 .flags = NX_F_NULL,                                                                             \
		 .offset = offsetof(struct_, agent_id),                                                          \
		 .max_len = 200,                                                                                 \
		 .help = "the agent that took part"},                                                            \
		{.name = "role",                                                                                 \
		 .type = NX_T_ENUM,                                                                              \
		 .names = role_names,                                                                            \
		 .offset = offsetof(struct_, role),                                                              \
		 .help = "who said it"},                                                                         \
		{.name = "text",                                                                                 \
		 .type = NX_T_STRING,                                                                            \
		 .flags = required_,                                                                             \
		 .offset = offsetof(struct_, text),                                                              \
		 .has = offsetof(struct_, has_text),                                                             \
		 .max_len = (size_t)4 << 20,                                                                     \
		 .help = "what was said; at most memory.max_text_bytes"},                                        \
		{.name = "occurred_at",                                                                          \
		 .type = NX_T_TIME,                                                                              \
		 .flags = NX_F_NULL,                                                                             \
		 .offset = offsetof(struct_, occurred_at),                                                       \
		 .help = "now when absent"},                                                                     \
		{.name = "importance",                                                                           \
		 .type = NX_T_NUMBER,                                                                            \
		 .flags = NX_F_NULL,                                                                             \
		 .offset = offsetof(struct_, importance),                                                        \
		 .has = offsetof(struct_, has_importance),                                                       \
		 .max = 1,                                                                                       \
		 .help = "0 to 1; estimated when absent"},                                                       \
	{                                                                                                        \
		.name = "metadata", .type = NX_T_MAP, .flags = NX_F_NULL, .offset = offsetof(struct_, metadata), \
		.max_len = 256, .help = "kept with it"                                                           \
	}

static const struct nx_field message_fields[] = {MESSAGE_FIELDS(struct message_body, NX_F_REQUIRED)};
static const struct nx_schema message_schema = {.name = "MemoryMessage",
						.help = "One turn.",
						.fields = message_fields,
						.nfields = nx_countof(message_fields),
						.size = sizeof(struct message_body)};

struct store_body {
	struct message_body one; /* first: its fields have the same offsets */
	struct nx_list messages;
	bool has_messages;
};
static const struct nx_field store_fields[] = {
	MESSAGE_FIELDS(struct message_body, NX_F_NULL),
	{.name = "messages",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &message_schema,
	 .offset = offsetof(struct store_body, messages),
	 .has = offsetof(struct store_body, has_messages),
	 .max_len = 1000,
	 .help = "several turns instead of one; all or nothing"},
};
static const struct nx_schema store_schema = {.name = "MemoryRequest",
					      .help = "One turn, or several as `messages`.",
					      .fields = store_fields,
					      .nfields = nx_countof(store_fields),
					      .size = sizeof(struct store_body)};

static const struct nx_field stored_fields[] = {
	{.name = "id", .type = NX_T_ID, .flags = NX_F_REQUIRED, .help = "the turn's, for good"},
	{.name = "layer", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "working or episodic"},
	{.name = "items",
	 .type = NX_T_ARRAY,
	 .item = NX_T_ANY,
	 .max_len = 1000,
	 .help = "with `messages`: id and layer of each; the two above are the first's"},
};
static const struct nx_schema stored_schema = {.name = "MemoryStored",
					       .help = "The turn is stored.",
					       .fields = stored_fields,
					       .nfields = nx_countof(stored_fields)};

struct recall_body {
	nx_str user_id, session_id, query;
	int64_t limit;
	yyjson_val *filters;
};
static const struct nx_field recall_fields[] = {
	{.name = "user_id",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct recall_body, user_id),
	 .max_len = 200,
	 .help = "whose memory"},
	{.name = "session_id",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct recall_body, session_id),
	 .max_len = 200,
	 .help = "of this conversation alone"},
	{.name = "query",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct recall_body, query),
	 .max_len = 65536,
	 .help = "what it is about"},
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct recall_body, limit),
	 .min = 1,
	 .max = 200,
	 .def = 10,
	 .help = "of the ranking"},
	{.name = "filters",
	 .type = NX_T_MAP,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct recall_body, filters),
	 .max_len = 32,
	 .help = "over agent_id, layer, occurred_at, role, and by other names over a turn's metadata: a value, or "
		 "{\"in\",\"gte\",\"lte\"}"},
};
static const struct nx_schema recall_schema = {.name = "RecallRequest",
					       .help = "What is remembered about something.",
					       .fields = recall_fields,
					       .nfields = nx_countof(recall_fields),
					       .size = sizeof(struct recall_body)};
static const struct nx_field recalled_fields[] = {
	{.name = "working", .type = NX_T_ARRAY, .item = NX_T_ANY, .flags = NX_F_REQUIRED, .help = "at most 5"},
	{.name = "episodic", .type = NX_T_ARRAY, .item = NX_T_ANY, .flags = NX_F_REQUIRED, .help = "at most 10"},
	{.name = "semantic", .type = NX_T_ARRAY, .item = NX_T_ANY, .flags = NX_F_REQUIRED, .help = "at most 15"},
	{.name = "procedural", .type = NX_T_ARRAY, .item = NX_T_ANY, .flags = NX_F_REQUIRED, .help = "at most 5"},
	{.name = "ranked",
	 .type = NX_T_ARRAY,
	 .item = NX_T_ANY,
	 .flags = NX_F_REQUIRED,
	 .help = "all layers, by relevance and recency"},
};
static const struct nx_schema recalled_schema = {.name = "Recalled",
						 .help = "What is remembered, by layer and ranked.",
						 .fields = recalled_fields,
						 .nfields = nx_countof(recalled_fields),
						 .open = true};

static const struct nx_field memory_fields[] = {
	{.name = "id", .type = NX_T_ID, .flags = NX_F_REQUIRED, .help = "for good"},
	{.name = "text", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .max_len = (size_t)4 << 20},
};
const struct nx_schema nx_memory_answer_schema = {.name = "Memory",
						  .help = "A turn, or a fact made of turns.",
						  .fields = memory_fields,
						  .nfields = nx_countof(memory_fields),
						  .open = true};

struct patch_body {
	nx_str text;
	double importance;
	yyjson_val *metadata;
};
static const struct nx_field patch_fields[] = {
	{.name = "text",
	 .type = NX_T_STRING,
	 .flags = NX_F_TRIM,
	 .offset = offsetof(struct patch_body, text),
	 .max_len = (size_t)4 << 20,
	 .help = "the corrected text"},
	{.name = "importance",
	 .type = NX_T_NUMBER,
	 .offset = offsetof(struct patch_body, importance),
	 .max = 1,
	 .help = "0 to 1"},
	{.name = "metadata",
	 .type = NX_T_MAP,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct patch_body, metadata),
	 .max_len = 256,
	 .help = "replaces what there was"},
};
static const struct nx_schema patch_schema = {.name = "MemoryPatch",
					      .help = "What to change.",
					      .fields = patch_fields,
					      .nfields = nx_countof(patch_fields),
					      .size = sizeof(struct patch_body)};

struct pin_body {
	bool pinned;
};
static const struct nx_field pin_fields[] = {
	{.name = "pinned",
	 .type = NX_T_BOOL,
	 .offset = offsetof(struct pin_body, pinned),
	 .def = 1,
	 .help = "a pinned memory is never cleaned away"},
};
static const struct nx_schema pin_schema = {.name = "MemoryPin",
					    .help = "Pin it or let it go.",
					    .fields = pin_fields,
					    .nfields = nx_countof(pin_fields),
					    .size = sizeof(struct pin_body)};

struct forget_body {
	nx_str user_id;
};
static const struct nx_field forget_fields[] = {
	{.name = "user_id",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct forget_body, user_id),
	 .max_len = 200,
	 .help = "everything of this user goes"},
};
static const struct nx_schema forget_schema = {.name = "ForgetRequest",
					       .help = "Whom to forget.",
					       .fields = forget_fields,
					       .nfields = nx_countof(forget_fields),
					       .size = sizeof(struct forget_body)};
static const struct nx_schema changed_schema = {.name = "MemoryChanged", .help = "What was changed.", .open = true};

/* ---- store ---- */

/* The answer is known when the turns have their ids, inside the transaction: an Idempotency-Key's row is written with it. */
struct storing {
	struct nx_memory_store store;
	struct nx_tx_hook hook, *outer;
	bool several;
};

static bool add_stored(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_memory_turn *t)
{
	return nx_json_add_id(d, o, "id", t->id) && nx_json_add_strz(d, o, "layer", t->layer);
}

static yyjson_mut_val *stored_json(const struct storing *g, yyjson_mut_doc *d)
{
	const struct nx_memory_store *s = &g->store;
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	bool ok = o && add_stored(d, o, &s->turns[0]);
	yyjson_mut_val *list = ok && g->several ? yyjson_mut_obj_add_arr(d, o, "items") : NULL;
	for (size_t i = 0; list && ok && i < s->nturns; i++) {
		yyjson_mut_val *item = yyjson_mut_arr_add_obj(d, list);
		ok = item && add_stored(d, item, &s->turns[i]);
	}
	return ok ? o : NULL;
}

static int keep_answer(struct nx_tx_hook *h, struct nx_db *db, nx_id object, nx_str answer, struct nx_error **err)
{
	struct storing *g = nx_container_of(h, struct storing, hook);
	int rc = nx_json_write(g->store.arena, stored_json(g, nx_json_new(g->store.arena)), false, &answer, err);
	return rc ? rc : nx_tx_hook_run(g->outer, db, object, answer, err);
}

static void write_stored(struct nx_request *r)
{
	nx_request_reply_value(r, 200, stored_json(r->ctx, nx_json_new(r->arena)));
}

static void stored(struct nx_memory_store *s, struct nx_error *err)
{
	struct nx_request *r = s->ctx;
	if (err) {
		nx_request_reply_error(r, nx_error_copy(err));
		return;
	}
	/* This may be the writer's thread, which has no time for answers. */
	r->ctx = nx_container_of(s, struct storing, store);
	nx_request_work(r, write_stored, false);
}

static bool make_turn(struct nx_request *r, const struct message_body *b, struct nx_memory_turn *ret)
{
	*ret = (struct nx_memory_turn){
		.session = b->session_id,
		.agent_id = b->agent_id,
		.role = nx_str_z(role_names[b->role]),
		.text = b->text,
		.occurred_at = b->occurred_at,
		.importance = b->has_importance ? b->importance : -1,
		.metadata = b->metadata,
		.tainted = b->role == 3, /* what a tool said */
	};
	return nx_request_user(r, b->user_id, &ret->user_id);
}

static int check_store(const struct store_body *b, struct nx_error **err)
{
	if (b->has_messages && b->one.has_text) {
		nx_error_set(err, NX_EINVAL, "a request has either text or messages");
		return nx_error_at(err, "/messages");
	}
	if (b->has_messages && b->messages.n == 0) {
		nx_error_set(err, NX_EINVAL, "no message came");
		return nx_error_at(err, "/messages");
	}
	if (b->has_messages || b->one.has_text)
		return 0;
	nx_error_set(err, NX_EINVAL, "`text` is needed");
	return nx_error_at(err, "/text");
}

static void store(struct nx_request *r)
{
	const struct store_body *b = r->args;
	struct nx_error *err = NULL;
	size_t n = b->has_messages ? b->messages.n : 1;
	struct storing *g = nx_arena_new_of(r->arena, struct storing);
	struct nx_memory_turn *turns = nx_arena_array(r->arena, struct nx_memory_turn, n);
	if (!g || !turns)
		nx_error_set(&err, NX_ENOMEM, "out of memory for a memory");
	if (err || check_store(b, &err)) {
		nx_request_reply_error(r, err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (!make_turn(r, b->has_messages ? nx_list_at(b->messages, struct message_body, i) : &b->one,
			       &turns[i]))
			return;
	*g = (struct storing){.hook = {.run = keep_answer}, .outer = r->hook, .several = b->has_messages};
	g->store = (struct nx_memory_store){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.turns = turns,
		.nturns = n,
		.hook = r->hook ? &g->hook : NULL,
		.done = stored,
		.ctx = r,
	};
	nx_memory_store(r->api->parts.memory, &g->store);
}

/* ---- recall ---- */

static void write_recalled(struct nx_request *r)
{
	yyjson_mut_doc *d = nx_json_new(r->arena);
	nx_request_reply_value(r, 200, d ? nx_memory_recall_json(r->ctx, d) : NULL);
}

static void recalled(struct nx_memory_recall *m, struct nx_error *err)
{
	struct nx_request *r = m->ctx;
	if (err) {
		nx_request_reply_error(r, nx_error_copy(err));
		return;
	}
	r->ctx = m;
	if (nx_worker_index() >= 0)
		write_recalled(r);
	else
		nx_request_work(r, write_recalled, false);
}

static void recall(struct nx_request *r)
{
	const struct recall_body *b = r->args;
	struct nx_memory_recall *m = nx_arena_new_of(r->arena, struct nx_memory_recall);
	nx_str user;
	if (!m) {
		nx_request_reply_value(r, 200, NULL);
		return;
	}
	if (!nx_request_user(r, b->user_id, &user))
		return;
	*m = (struct nx_memory_recall){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.user_id = user,
		.session = b->session_id,
		.query = b->query,
		.limit = (size_t)b->limit,
		.filters = b->filters,
		.trace = r->trace,
		.done = recalled,
		.ctx = r,
	};
	nx_memory_recall(r->api->parts.memory, m);
}

/* ---- objects ---- */

int nx_request_check_owner(struct nx_request *r, const char *sql, nx_id id, const char *what, struct nx_error **err)
{
	int64_t n = 0;
	nx_str user = nx_request_bound_user(r);
	if (user.n == 0)
		return 0;
	int rc = nx_db_get_int(nx_store_reader(r->api->parts.store), sql,
			       NX_PARAMS(nx_v_int(r->who.tenant), nx_v_id(&id), nx_v_text(user)), &n, err);
	if (rc || n > 0)
		return rc;
	return nx_error_set(err, NX_ENOTFOUND, "no such %s", what);
}

static int check_memory_owner(struct nx_request *r, nx_id id, struct nx_error **err)
{
	return nx_request_check_owner(
		r,
		"SELECT (SELECT count(*) FROM turns WHERE tenant_id = $1 AND uid = $2 AND user_id = $3) + "
		"(SELECT count(*) FROM memories WHERE tenant_id = $1 AND uid = $2 AND user_id = $3)",
		id, "memory", err);
}

static void get_memory(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_str json;
	nx_id id;
	if (!nx_request_id(r, 0, "memory", &id))
		return;
	int rc = check_memory_owner(r, id, &err);
	if (!rc)
		rc = nx_memory_get(r->api->parts.memory, r->who.tenant, id, r->arena, &json, &err);
	if (rc)
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, 200, json);
}

static void changed(struct nx_memory_change *c, struct nx_error *err)
{
	struct nx_request *r = c->ctx;
	if (err)
		nx_request_reply_error(r, nx_error_copy(err));
	else
		nx_request_reply_json(r, 200, c->answer);
}

static void change(struct nx_request *r, enum nx_memory_op op, nx_id id, nx_str user)
{
	struct nx_error *err = NULL;
	int rc = op == NX_MEMORY_FORGET ? 0 : check_memory_owner(r, id, &err);
	struct nx_memory_change *c = rc ? NULL : nx_arena_new_of(r->arena, struct nx_memory_change);
	if (!c) {
		if (!rc)
			nx_error_set(&err, NX_ENOMEM, "out of memory for a change");
		nx_request_reply_error(r, err);
		return;
	}
	*c = (struct nx_memory_change){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.op = op,
		.id = id,
		.user_id = user,
		.body = r->body,
		.hook = r->hook,
		.done = changed,
		.ctx = r,
	};
	nx_memory_change(r->api->parts.memory, c);
}

static void change_one(struct nx_request *r, enum nx_memory_op op)
{
	nx_id id;
	if (nx_request_id(r, 0, "memory", &id))
		change(r, op, id, NX_STR_NULL);
}

static void patch_memory(struct nx_request *r)
{
	change_one(r, NX_MEMORY_PATCH);
}

static void delete_memory(struct nx_request *r)
{
	change_one(r, NX_MEMORY_DELETE);
}

static void pin_memory(struct nx_request *r)
{
	change_one(r, NX_MEMORY_PIN);
}

static void forget(struct nx_request *r)
{
	const struct forget_body *b = r->args;
	nx_str user;
	if (nx_request_user(r, b->user_id, &user))
		change(r, NX_MEMORY_FORGET, NX_ID_NONE, user);
}

/* ---- the table ---- */

static const struct nx_answer stored_answers[] = {{200, &stored_schema, NULL, "stored"}, {0}};
static const struct nx_answer recalled_answers[] = {{200, &recalled_schema, NULL, "what is remembered"}, {0}};
static const struct nx_answer memory_answers[] = {{200, &nx_memory_answer_schema, NULL, "the memory"}, {0}};
static const struct nx_answer changed_answers[] = {{200, &changed_schema, NULL, "done"}, {0}};

#define ROUTE(method_, path_, id_, summary_, scope_, where_, flags_, handle_, body_, query_, answers_)          \
	{                                                                                                       \
		.method = method_, .path = path_, .id = id_, .tag = "memory", .summary = summary_,              \
		.scope = NX_SCOPE_##scope_, .where = where_, .flags = flags_, .handle = handle_, .body = body_, \
		.query = query_, .answers = answers_, .since = "0.1"                                            \
	}

static const struct nx_route routes[] = {
	ROUTE("POST", "/v1/memory", "store_memory", "Store a turn, or several", MEMORY_WRITE, NX_ASYNC, NX_R_IDEMPOTENT,
	      store, &store_schema, NULL, stored_answers),
	ROUTE("POST", "/v1/memory/recall", "recall_memory", "What is remembered about something", MEMORY_READ, NX_ASYNC,
	      0, recall, &recall_schema, NULL, recalled_answers),
	ROUTE("POST", "/v1/memory/forget", "forget_user", "Forget everything of a user", MEMORY_WRITE, NX_SHORT,
	      NX_R_IDEMPOTENT, forget, &forget_schema, NULL, changed_answers),
	ROUTE("GET", "/v1/memory/{id}", "get_memory", "A memory", MEMORY_READ, NX_SHORT, 0, get_memory, NULL, NULL,
	      memory_answers),
	ROUTE("PATCH", "/v1/memory/{id}", "patch_memory", "Correct a memory", MEMORY_WRITE, NX_SHORT, NX_R_IDEMPOTENT,
	      patch_memory, &patch_schema, NULL, changed_answers),
	ROUTE("DELETE", "/v1/memory/{id}", "delete_memory", "Delete a memory", MEMORY_WRITE, NX_SHORT, NX_R_IDEMPOTENT,
	      delete_memory, NULL, NULL, changed_answers),
	ROUTE("POST", "/v1/memory/{id}/pin", "pin_memory", "Keep a memory in reach", MEMORY_WRITE, NX_SHORT,
	      NX_R_IDEMPOTENT | NX_R_BODY_OPTIONAL, pin_memory, &pin_schema, NULL, changed_answers),
};
const struct nx_route_table nx_routes_memory = {routes, nx_countof(routes)};
