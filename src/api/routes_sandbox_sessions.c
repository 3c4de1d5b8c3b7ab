/* Sandbox sessions: their life, their files and their snapshots. Runs in them are executions with a session_id. */
#include "api/api_internal.h"
#include "api/follow_internal.h"
#include "api/idempotency_internal.h"
#include "base/clock.h"
#include "execution/changes.h"
#include "execution/constraints.h"
#include "execution/session.h"

/* ---- shapes ---- */

struct limits_body {
	int64_t cpu_percent, memory_mb;
	yyjson_val *network, *file_system;
};
static const struct nx_field limit_fields[] = {
	{.name = "max_cpu_percent",
	 .type = NX_T_INT,
	 .offset = offsetof(struct limits_body, cpu_percent),
	 .min = 1,
	 .max = 10000,
	 .def = 20,
	 .help = "of one core"},
	{.name = "max_memory_mb",
	 .type = NX_T_INT,
	 .offset = offsetof(struct limits_body, memory_mb),
	 .min = 1,
	 .max = 1048576,
	 .def = 512,
	 .help = "of all its processes, files included"},
	{.name = "network_access",
	 .type = NX_T_ANY,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct limits_body, network),
	 .json_schema = NX_NETWORK_ACCESS_SCHEMA,
	 .help = "of all its runs. " NX_NETWORK_ACCESS_HELP},
	{.name = "file_system_access",
	 .type = NX_T_ANY,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct limits_body, file_system),
	 .json_schema = NX_EXEC_FILES_SCHEMA,
	 .help = "directories of the host, for all its runs; as in a run"},
};
static const struct nx_schema limits_schema = {.name = "SandboxSessionConstraints",
					       .help = "What a session may use, all its runs together.",
					       .fields = limit_fields,
					       .nfields = nx_countof(limit_fields),
					       .size = sizeof(struct limits_body)};

struct session_body {
	nx_str language, image;
	struct limits_body *constraints;
	double idle_s, lifetime_s;
	struct nx_list files;
	nx_id snapshot;
};
static const struct nx_field session_body_fields[] = {
	{.name = "language",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct session_body, language),
	 .max_len = 32,
	 .help = "python or javascript",
	 .example = "\"python\""},
	{.name = "image",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct session_body, image),
	 .max_len = 63,
	 .help = "all its runs are in this image; the root of all other runs when absent"},
	{.name = "constraints",
	 .type = NX_T_OBJECT,
	 .flags = NX_F_NULL,
	 .schema = &limits_schema,
	 .offset = offsetof(struct session_body, constraints),
	 .help = "limits of the whole session"},
	{.name = "idle_timeout_s",
	 .type = NX_T_NUMBER,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct session_body, idle_s),
	 .min = 0.1,
	 .max = 86400,
	 .help = "it ends when no run came for so long; sandbox.max_session_idle when absent"},
	{.name = "lifetime_s",
	 .type = NX_T_NUMBER,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct session_body, lifetime_s),
	 .min = 0.1,
	 .max = 2592000,
	 .help = "it ends after so long; sandbox.max_session_time when absent"},
	{.name = "files",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &nx_execution_file_schema,
	 .offset = offsetof(struct session_body, files),
	 .max_len = 10000,
	 .help = "at most sandbox.max_files"},
	{.name = "snapshot_id",
	 .type = NX_T_ID,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct session_body, snapshot),
	 .help = "begin with the files of a snapshot"},
};
static const struct nx_schema session_body_schema = {.name = "SandboxSessionRequest",
						     .help = "An interpreter that stays.",
						     .fields = session_body_fields,
						     .nfields = nx_countof(session_body_fields),
						     .size = sizeof(struct session_body)};

static const struct nx_field session_fields[] = {
	{.name = "id", .type = NX_T_ID, .flags = NX_F_REQUIRED},
	{.name = "language", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
	{.name = "image", .type = NX_T_STRING, .flags = NX_F_REQUIRED | NX_F_NULL, .help = "null: none"},
	{.name = "state",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .help = "active, ended, or lost with the server that had it"},
	{.name = "constraints", .type = NX_T_OBJECT, .schema = &limits_schema, .flags = NX_F_REQUIRED},
	{.name = "idle_timeout_s", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED},
	{.name = "lifetime_s", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED},
	{.name = "created_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED},
	{.name = "expires_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED, .help = "the end of its lifetime"},
	{.name = "used_at",
	 .type = NX_T_TIME,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "of an active one: when something last happened in it"},
	{.name = "ended_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED | NX_F_NULL},
	{.name = "end_reason",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "deleted, idle, lifetime, memory_limit, cpu_limit, process_limit, exited (the interpreter ended), stuck (a run "
		 "could not be interrupted), protocol (the interpreter's answers made no sense), stopped (with the server), "
		 "spawner_lost or server_lost"},
};
static const struct nx_schema session_schema = {.name = "SandboxSession",
						.help = "A session and what became of it.",
						.fields = session_fields,
						.nfields = nx_countof(session_fields)};
static const struct nx_field session_list_fields[] = {
	{.name = "items",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &session_schema,
	 .flags = NX_F_REQUIRED,
	 .help = "newest first"},
	{.name = "next_cursor",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "null: this was the last page"},
};
static const struct nx_schema session_list_schema = {.name = "SandboxSessionList",
						     .help = "A page of sessions.",
						     .fields = session_list_fields,
						     .nfields = nx_countof(session_list_fields)};

struct list_query {
	nx_str cursor;
	int64_t limit;
	bool has_limit;
};
static const struct nx_field query_fields[] = {
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct list_query, limit),
	 .has = offsetof(struct list_query, has_limit),
	 .help = "most items of the page; 50 when absent"},
	{.name = "cursor",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct list_query, cursor),
	 .max_len = 64,
	 .help = "next_cursor of the page before"},
};
static const struct nx_schema query_schema = {.name = "SandboxSessionListQuery",
					      .fields = query_fields,
					      .nfields = nx_countof(query_fields),
					      .size = sizeof(struct list_query)};

struct upload_body {
	struct nx_list files;
};
static const struct nx_field upload_fields[] = {
	{.name = "files",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &nx_execution_file_schema,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct upload_body, files),
	 .max_len = 10000,
	 .help = "at most sandbox.max_files"},
};
static const struct nx_schema upload_schema = {.name = "SandboxSessionUpload",
					       .help = "Files for a session. One that is there is replaced.",
					       .fields = upload_fields,
					       .nfields = nx_countof(upload_fields),
					       .size = sizeof(struct upload_body)};

static const struct nx_field file_fields[] = {
	{.name = "path", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "in the work directory"},
	{.name = "size", .type = NX_T_INT, .flags = NX_F_REQUIRED},
	{.name = "modified_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED, .help = "as the session tells it"},
};
static const struct nx_schema file_schema = {.name = "SandboxSessionFile",
					     .help = "A regular file of a session.",
					     .fields = file_fields,
					     .nfields = nx_countof(file_fields)};
static const struct nx_field file_list_fields[] = {
	{.name = "items",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &file_schema,
	 .flags = NX_F_REQUIRED,
	 .max_len = 20000,
	 .help = "by path"},
	{.name = "truncated", .type = NX_T_BOOL, .flags = NX_F_REQUIRED, .help = "there are more than were looked at"},
};
static const struct nx_schema file_list_schema = {.name = "SandboxSessionFileList",
						  .help = "The files of a session.",
						  .fields = file_list_fields,
						  .nfields = nx_countof(file_list_fields)};

struct path_query {
	nx_str path;
};
static const struct nx_field path_fields[] = {
	{.name = "path",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct path_query, path),
	 .max_len = 512,
	 .help = "relative, in the work directory"},
};
static const struct nx_schema path_schema = {.name = "SandboxSessionFileQuery",
					     .fields = path_fields,
					     .nfields = nx_countof(path_fields),
					     .size = sizeof(struct path_query)};

struct watch_query {
	nx_str path;
};
static const struct nx_field watch_fields[] = {
	{.name = "path",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct watch_query, path),
	 .max_len = 512,
	 .help = "a directory, relative, in the work directory; the whole when absent"},
};
static const struct nx_schema watch_schema = {.name = "SandboxSessionWatchQuery",
					      .fields = watch_fields,
					      .nfields = nx_countof(watch_fields),
					      .size = sizeof(struct watch_query)};

static const struct nx_field snapshot_fields[] = {
	{.name = "id",
	 .type = NX_T_ID,
	 .flags = NX_F_REQUIRED,
	 .help = "of an artifact: GET /v1/sandbox/artifacts/{id} gives the tar"},
	{.name = "size", .type = NX_T_INT, .flags = NX_F_REQUIRED},
	{.name = "created_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED},
};
static const struct nx_schema snapshot_schema = {.name = "SandboxSnapshot",
						 .help = "The files of a session at one time.",
						 .fields = snapshot_fields,
						 .nfields = nx_countof(snapshot_fields)};
static const struct nx_field snapshot_list_fields[] = {
	{.name = "items",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &snapshot_schema,
	 .flags = NX_F_REQUIRED,
	 .help = "newest first; at most 1000"},
};
static const struct nx_schema snapshot_list_schema = {.name = "SandboxSnapshotList",
						      .help = "The snapshots of a session.",
						      .fields = snapshot_list_fields,
						      .nfields = nx_countof(snapshot_list_fields)};

/* ---- beginning and end ---- */

static void reply_session(struct nx_request *r, int status, nx_id id)
{
	struct nx_error *err = NULL;
	nx_str json;
	if (nx_session_get(r->api->parts.execution, r->who.tenant, id, r->arena, &json, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, status, json);
}

static void reply_created(struct nx_request *r)
{
	const struct nx_session_new *n = r->ctx;
	reply_session(r, 201, n->id);
}

static void created(struct nx_session_new *n, struct nx_error *err)
{
	struct nx_request *r = n->ctx;
	if (err)
		nx_request_reply_error(r, nx_error_copy(err));
	else
		nx_request_work(r, reply_created, false);
}

static int64_t to_us(double seconds)
{
	return (int64_t)(seconds * (double)NX_USEC_PER_SEC);
}

static int fill_session(struct nx_request *r, struct nx_session_new *n, struct nx_error **err)
{
	const struct session_body *b = r->args;
	*n = (struct nx_session_new){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.language = b->language,
		.image = b->image,
		.constraints = nx_exec_constraints_default,
		.idle_us = to_us(b->idle_s),
		.lifetime_us = to_us(b->lifetime_s),
		.snapshot = b->snapshot,
		.hook = r->hook,
		.done = created,
		.ctx = r,
	};
	if (b->constraints) {
		n->constraints.max_cpu_percent = b->constraints->cpu_percent;
		n->constraints.max_memory_mb = b->constraints->memory_mb;
		if (nx_exec_network_read(b->constraints->network, r->arena, &n->constraints.network, err) < 0)
			return nx_error_code(*err);
	}
	if (b->constraints && nx_exec_files_read(b->constraints->file_system, r->arena, &n->constraints.files, err))
		return nx_error_code(*err);
	return nx_execution_files_decode(r, &b->files, &n->files, &n->nfiles, err);
}

static void create_session(struct nx_request *r)
{
	struct nx_error *err = NULL;
	struct nx_session_new *n = nx_arena_new_of(r->arena, struct nx_session_new);
	if (!n)
		nx_error_set(&err, NX_ENOMEM, "out of memory for a session");
	if (!n || fill_session(r, n, &err)) {
		nx_request_reply_error(r, err);
		return;
	}
	r->ctx = n;
	nx_session_create(r->api->parts.execution, n);
}

static void replay_session(struct nx_request *r, nx_id id)
{
	reply_session(r, 201, id);
}

static void get_session(struct nx_request *r)
{
	nx_id id;
	if (nx_request_id(r, 0, "session", &id))
		reply_session(r, 200, id);
}

static void reply_ended(struct nx_request *r)
{
	const struct nx_session_end *d = r->ctx;
	struct nx_error *err = NULL;
	nx_str json;
	if (nx_session_get(r->api->parts.execution, r->who.tenant, d->id, r->arena, &json, &err))
		nx_request_reply_error(r, err);
	else
		nx_idempotency_reply(r, 200, json);
}

/* One that had ended already is told as it is, one that never was is not found: the row knows. */
static void ended(struct nx_session_end *d, struct nx_error *err)
{
	struct nx_request *r = d->ctx;
	if (err && nx_error_code(err) != NX_ENOTFOUND)
		nx_request_reply_error(r, nx_error_copy(err));
	else
		nx_request_work(r, reply_ended, false);
}

static void end_session(struct nx_request *r)
{
	nx_id id;
	if (!nx_request_id(r, 0, "session", &id))
		return;
	struct nx_session_end *d = nx_arena_new_of(r->arena, struct nx_session_end);
	if (!d) {
		nx_request_reply_value(r, 200, NULL);
		return;
	}
	*d = (struct nx_session_end){.tenant = r->who.tenant, .id = id, .done = ended, .ctx = r};
	r->ctx = d;
	nx_session_end(r->api->parts.execution, d);
}

static void list_sessions(struct nx_request *r)
{
	const struct list_query *q = r->query;
	struct nx_error *err = NULL;
	size_t limit;
	int64_t after, next;
	nx_str items;
	if (!nx_request_page(r, q->has_limit, q->limit, q->cursor, &limit, &after))
		return;
	if (nx_session_list(r->api->parts.execution, r->who.tenant, after, limit, r->arena, &items, &next, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_page(r, items, next);
}

/* ---- files ---- */

static void list_files(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_str json;
	nx_id id;
	if (!nx_request_id(r, 0, "session", &id))
		return;
	if (nx_session_list_files(r->api->parts.execution, r->who.tenant, id, r->arena, &json, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, 200, json);
}

static void put_files(struct nx_request *r)
{
	const struct upload_body *b = r->args;
	struct nx_error *err = NULL;
	struct nx_exec_file *files;
	size_t n;
	nx_id id;
	if (!nx_request_id(r, 0, "session", &id))
		return;
	if (nx_execution_files_decode(r, &b->files, &files, &n, &err) ||
	    nx_session_write_files(r->api->parts.execution, r->who.tenant, id, files, n, &err))
		nx_request_reply_error(r, err);
	else
		nx_idempotency_reply(r, 204, NX_STR_NULL);
}

static void get_file(struct nx_request *r)
{
	struct nx_error *err = NULL;
	const struct path_query *q = r->query;
	nx_str bytes, mime;
	nx_id id;
	if (!nx_request_id(r, 0, "session", &id))
		return;
	if (nx_session_read_file(r->api->parts.execution, r->who.tenant, id, q->path, r->arena, &bytes, &mime, &err)) {
		nx_request_reply_error(r, err);
		return;
	}
	char *type = nx_str_zdup(r->arena, mime);
	if (!type) {
		nx_request_reply_value(r, 200, NULL);
		return;
	}
	/* What a guest wrote is never shown as a page of ours. */
	nx_request_header(r, "Content-Disposition", "attachment");
	nx_request_reply_bytes(r, 200, type, bytes);
}

static void delete_file(struct nx_request *r)
{
	const struct path_query *q = r->query;
	struct nx_error *err = NULL;
	nx_id id;
	if (!nx_request_id(r, 0, "session", &id))
		return;
	if (nx_session_delete_file(r->api->parts.execution, r->who.tenant, id, q->path, &err))
		nx_request_reply_error(r, err);
	else
		nx_idempotency_reply(r, 204, NX_STR_NULL);
}

static void watch_files(struct nx_request *r)
{
	const struct watch_query *q = r->query;
	nx_id id;
	if (!nx_request_id(r, 0, "session", &id))
		return;
	struct nx_feed *feed = nx_feed_new(r);
	if (!feed)
		return;
	feed->follow.session = id;
	feed->follow.path = q->path;
	nx_changes_follow(r->api->parts.execution, &feed->follow);
}

/* ---- snapshots ---- */

struct snapshot_write {
	struct nx_write write;
	struct nx_request *r;
	struct nx_session_snapshot snapshot;
	nx_str answer;
};

static int snapshot_json(struct nx_request *r, const struct nx_session_snapshot *s, nx_str *ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(r->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	bool ok = o && nx_json_add_id(d, o, "id", s->id) && yyjson_mut_obj_add_sint(d, o, "size", s->size) &&
		  nx_json_add_time(d, o, "created_at", s->created_us);
	return nx_json_write(r->arena, ok ? o : NULL, false, ret, err);
}

static int apply_snapshot(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	const struct snapshot_write *c = nx_container_of(w, struct snapshot_write, write);
	int rc = nx_session_keep_snapshot(db, &c->snapshot, err);
	return rc ? rc : nx_tx_hook_run(c->r->hook, db, c->snapshot.id, c->answer, err);
}

static void snapshot_written(struct nx_write *w, struct nx_error *err)
{
	const struct snapshot_write *c = nx_container_of(w, struct snapshot_write, write);
	if (err)
		nx_request_reply_error(c->r, nx_error_copy(err));
	else
		nx_request_reply_json(c->r, 201, c->answer);
}

static void take_snapshot(struct nx_request *r)
{
	struct nx_error *err = NULL;
	struct snapshot_write *c = nx_arena_new_of(r->arena, struct snapshot_write);
	nx_id id;
	if (!nx_request_id(r, 0, "session", &id))
		return;
	if (!c)
		nx_error_set(&err, NX_ENOMEM, "out of memory for a snapshot");
	if (!c || nx_session_take_snapshot(r->api->parts.execution, r->who.tenant, id, r->arena, &c->snapshot, &err) ||
	    snapshot_json(r, &c->snapshot, &c->answer, &err)) {
		nx_request_reply_error(r, err);
		return;
	}
	c->r = r;
	c->write = (struct nx_write){.lane = NX_LANE_INTERACTIVE, .apply = apply_snapshot, .done = snapshot_written};
	nx_store_write(r->api->parts.store, &c->write);
}

static void list_snapshots(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_str json;
	nx_id id;
	if (!nx_request_id(r, 0, "session", &id))
		return;
	if (nx_session_list_snapshots(r->api->parts.execution, r->who.tenant, id, r->arena, &json, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, 200, json);
}

/* ---- the table ---- */

static const struct nx_answer create_answers[] = {{201, &session_schema, NULL, "it is ready for runs"}, {0}};
static const struct nx_answer get_answers[] = {{200, &session_schema, NULL, "the session"}, {0}};
static const struct nx_answer list_answers[] = {{200, &session_list_schema, NULL, "a page of sessions"}, {0}};
static const struct nx_answer files_answers[] = {{200, &file_list_schema, NULL, "the files"}, {0}};
static const struct nx_answer file_answers[] = {{200, NULL, "application/octet-stream", "the file, in its own type"},
						{0}};
static const struct nx_answer watch_answers[] = {
	{200, NULL, "text/event-stream", "events, until the directory or the session is no more"}, {0}};
static const struct nx_answer no_answers[] = {{204, NULL, NULL, "done"}, {0}};
static const struct nx_answer snapshot_answers[] = {{201, &snapshot_schema, NULL, "the snapshot"}, {0}};
static const struct nx_answer snapshots_answers[] = {{200, &snapshot_list_schema, NULL, "the snapshots"}, {0}};

#define SESSION "/v1/sandbox/sessions/{id}"
#define ROUTE(method_, path_, id_, summary_, where_, flags_, handle_, body_, answers_)                             \
	{                                                                                                          \
		.method = method_, .path = path_, .id = id_, .tag = "sandbox", .summary = summary_,                \
		.scope = NX_SCOPE_SANDBOX_RUN, .where = where_, .flags = flags_, .handle = handle_, .body = body_, \
		.answers = answers_, .since = "0.2"                                                                \
	}

static const struct nx_route routes[] = {
	{.method = "POST",
	 .path = "/v1/sandbox/sessions",
	 .id = "create_sandbox_session",
	 .tag = "sandbox",
	 .summary = "Begin a session",
	 .help = "Runs with its session_id share variables and files.",
	 .scope = NX_SCOPE_SANDBOX_RUN,
	 .where = NX_ASYNC,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = create_session,
	 .replay = replay_session,
	 .body = &session_body_schema,
	 .answers = create_answers,
	 .since = "0.2"},
	{.method = "GET",
	 .path = "/v1/sandbox/sessions",
	 .id = "list_sandbox_sessions",
	 .tag = "sandbox",
	 .summary = "The tenant's sessions",
	 .scope = NX_SCOPE_SANDBOX_RUN,
	 .where = NX_SHORT,
	 .handle = list_sessions,
	 .query = &query_schema,
	 .answers = list_answers,
	 .since = "0.2"},
	ROUTE("GET", SESSION, "get_sandbox_session", "A session", NX_SHORT, 0, get_session, NULL, get_answers),
	ROUTE("DELETE", SESSION, "delete_sandbox_session", "End a session and what runs in it", NX_ASYNC,
	      NX_R_IDEMPOTENT, end_session, NULL, get_answers),
	ROUTE("GET", SESSION "/files", "list_sandbox_files", "The files of a session", NX_LONG, 0, list_files, NULL,
	      files_answers),
	ROUTE("PUT", SESSION "/files", "put_sandbox_files", "Give files to a session", NX_LONG, NX_R_IDEMPOTENT,
	      put_files, &upload_schema, no_answers),
	{.method = "GET",
	 .path = SESSION "/file",
	 .id = "get_sandbox_file",
	 .tag = "sandbox",
	 .summary = "A file of a session",
	 .scope = NX_SCOPE_SANDBOX_RUN,
	 .where = NX_LONG,
	 .handle = get_file,
	 .query = &path_schema,
	 .answers = file_answers,
	 .since = "0.2"},
	{.method = "DELETE",
	 .path = SESSION "/file",
	 .id = "delete_sandbox_file",
	 .tag = "sandbox",
	 .summary = "Delete a file of a session",
	 .scope = NX_SCOPE_SANDBOX_RUN,
	 .where = NX_SHORT,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = delete_file,
	 .query = &path_schema,
	 .answers = no_answers,
	 .since = "0.2"},
	{.method = "GET",
	 .path = SESSION "/files/watch",
	 .id = "watch_sandbox_files",
	 .tag = "sandbox",
	 .summary = "Follow changes of a session's files",
	 .help = "Events `ready` (what changes from now on is told), `created`, `modified`, `deleted`, `moved` (`from`, `path`) and "
		 "`overflow` (some were lost: list the files again).",
	 .scope = NX_SCOPE_SANDBOX_RUN,
	 .where = NX_ASYNC,
	 .handle = watch_files,
	 .query = &watch_schema,
	 .answers = watch_answers,
	 .since = "0.2"},
	{.method = "POST",
	 .path = SESSION "/snapshots",
	 .id = "create_sandbox_snapshot",
	 .tag = "sandbox",
	 .summary = "Keep the files of a session as they are",
	 .help = "An artifact that outlives the session; a session that is begun with its snapshot_id has the same files.",
	 .scope = NX_SCOPE_SANDBOX_RUN,
	 .where = NX_LONG,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = take_snapshot,
	 .answers = snapshot_answers,
	 .since = "0.2"},
	ROUTE("GET", SESSION "/snapshots", "list_sandbox_snapshots", "The snapshots of a session", NX_SHORT, 0,
	      list_snapshots, NULL, snapshots_answers),
};
const struct nx_route_table nx_routes_sandbox_sessions = {routes, nx_countof(routes)};
