/* Sessions and their turns. */
#include "api/api_internal.h"
#include "api/memory_internal.h"

/* ---- shapes ---- */

struct sessions_query {
	nx_str user_id, cursor;
	int64_t limit;
	bool has_limit;
};
static const struct nx_field sessions_query_fields[] = {
	{.name = "user_id",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct sessions_query, user_id),
	 .max_len = 200,
	 .help = "sessions of this user"},
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct sessions_query, limit),
	 .has = offsetof(struct sessions_query, has_limit),
	 .help = "most items of the page; 50 when absent"},
	{.name = "cursor",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct sessions_query, cursor),
	 .max_len = 64,
	 .help = "next_cursor of the page before"},
};
static const struct nx_schema sessions_query_schema = {.name = "SessionListQuery",
						       .fields = sessions_query_fields,
						       .nfields = nx_countof(sessions_query_fields),
						       .size = sizeof(struct sessions_query)};
/* Turns are listed by the same without the user. */
static const struct nx_schema turns_query_schema = {.name = "TurnListQuery",
						    .fields = &sessions_query_fields[1],
						    .nfields = 2,
						    .size = sizeof(struct sessions_query)};

static const struct nx_field session_fields[] = {
	{.name = "id", .type = NX_T_ID, .flags = NX_F_REQUIRED},
	{.name = "user_id", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
};
static const struct nx_schema session_schema = {.name = "Session",
						.help = "A conversation.",
						.fields = session_fields,
						.nfields = nx_countof(session_fields),
						.open = true};
static const struct nx_field session_list_fields[] = {
	{.name = "items", .type = NX_T_ARRAY, .item = NX_T_OBJECT, .schema = &session_schema, .flags = NX_F_REQUIRED},
	{.name = "next_cursor",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "null: this was the last page"},
};
static const struct nx_schema session_list_schema = {.name = "SessionList",
						     .help = "A page of sessions.",
						     .fields = session_list_fields,
						     .nfields = nx_countof(session_list_fields)};
static const struct nx_field turn_list_fields[] = {
	{.name = "items",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &nx_memory_answer_schema,
	 .flags = NX_F_REQUIRED,
	 .help = "oldest first"},
	{.name = "next_cursor",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "null: this was the last page"},
};
static const struct nx_schema turn_list_schema = {.name = "TurnList",
						  .help = "A page of turns.",
						  .fields = turn_list_fields,
						  .nfields = nx_countof(turn_list_fields)};

/* ---- reads ---- */

static int check_session_owner(struct nx_request *r, nx_id id, struct nx_error **err)
{
	return nx_request_check_owner(
		r, "SELECT count(*) FROM sessions WHERE tenant_id = $1 AND uid = $2 AND user_id = $3", id, "session",
		err);
}

static void list_sessions(struct nx_request *r)
{
	struct sessions_query *q = r->query;
	struct nx_error *err = NULL;
	size_t limit;
	int64_t after, next;
	nx_str user, items;
	if (!nx_request_user(r, q->user_id, &user) ||
	    !nx_request_page(r, q->has_limit, q->limit, q->cursor, &limit, &after))
		return;
	if (nx_memory_sessions(r->api->parts.memory, r->who.tenant, user, after, limit, r->arena, &items, &next, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_page(r, items, next);
}

static void get_session(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_str json;
	nx_id id;
	if (!nx_request_id(r, 0, "session", &id))
		return;
	int rc = check_session_owner(r, id, &err);
	if (!rc)
		rc = nx_memory_session_get(r->api->parts.memory, r->who.tenant, id, r->arena, &json, &err);
	if (rc)
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, 200, json);
}

static void list_turns(struct nx_request *r)
{
	struct sessions_query *q = r->query;
	struct nx_error *err = NULL;
	size_t limit;
	int64_t after, next;
	nx_str items;
	nx_id id;
	if (!nx_request_id(r, 0, "session", &id) ||
	    !nx_request_page(r, q->has_limit, q->limit, q->cursor, &limit, &after))
		return;
	int rc = check_session_owner(r, id, &err);
	if (!rc)
		rc = nx_memory_turns(r->api->parts.memory, r->who.tenant, id, after, limit, r->arena, &items, &next,
				     &err);
	if (rc)
		nx_request_reply_error(r, err);
	else
		nx_request_reply_page(r, items, next);
}

/* ---- the table ---- */

static const struct nx_answer session_list_answers[] = {{200, &session_list_schema, NULL, "a page of sessions"}, {0}};
static const struct nx_answer session_answers[] = {{200, &session_schema, NULL, "the session"}, {0}};
static const struct nx_answer turn_list_answers[] = {{200, &turn_list_schema, NULL, "a page of turns"}, {0}};

#define ROUTE(method_, path_, id_, summary_, scope_, where_, flags_, handle_, body_, query_, answers_)          \
	{                                                                                                       \
		.method = method_, .path = path_, .id = id_, .tag = "memory", .summary = summary_,              \
		.scope = NX_SCOPE_##scope_, .where = where_, .flags = flags_, .handle = handle_, .body = body_, \
		.query = query_, .answers = answers_, .since = "0.1"                                            \
	}

static const struct nx_route routes[] = {
	ROUTE("GET", "/v1/sessions", "list_sessions", "List sessions", MEMORY_READ, NX_SHORT, 0, list_sessions, NULL,
	      &sessions_query_schema, session_list_answers),
	ROUTE("GET", "/v1/sessions/{id}", "get_session", "A session", MEMORY_READ, NX_SHORT, 0, get_session, NULL, NULL,
	      session_answers),
	ROUTE("GET", "/v1/sessions/{id}/turns", "list_turns", "The turns of a session, in order", MEMORY_READ, NX_SHORT,
	      0, list_turns, NULL, &turns_query_schema, turn_list_answers),
};
const struct nx_route_table nx_routes_sessions = {routes, nx_countof(routes)};
