#include "api/api_internal.h"
#include "api/sse_internal.h"

/* ---- shapes ---- */

static const struct nx_field list_fields[] = {
	{.name = "items",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &nx_task_schema,
	 .flags = NX_F_REQUIRED,
	 .help = "newest first"},
	{.name = "next_cursor",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "null: this was the last page"},
};
static const struct nx_schema list_schema = {
	.name = "TaskList", .help = "A page of tasks.", .fields = list_fields, .nfields = nx_countof(list_fields)};

static const struct nx_field log_list_fields[] = {
	{.name = "items",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &nx_log_line_schema,
	 .flags = NX_F_REQUIRED,
	 .help = "oldest first"},
	{.name = "next_cursor",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "null: this was the last page"},
};
static const struct nx_schema log_list_schema = {.name = "LogList",
						 .help = "A page of log lines.",
						 .fields = log_list_fields,
						 .nfields = nx_countof(log_list_fields)};

static const struct nx_field done_fields[] = {
	{.name = "ok", .type = NX_T_BOOL, .flags = NX_F_REQUIRED, .help = "true"},
};
static const struct nx_schema done_schema = {
	.name = "Done", .help = "It was done.", .fields = done_fields, .nfields = nx_countof(done_fields)};

struct list_query {
	nx_str state, user_id, session_id, cursor;
	int64_t limit;
	bool has_limit;
};
static const struct nx_field list_query_fields[] = {
	{.name = "state",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct list_query, state),
	 .max_len = 32,
	 .help = "tasks in this state"},
	{.name = "user_id",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct list_query, user_id),
	 .max_len = 128,
	 .help = "tasks of this user"},
	{.name = "session_id",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct list_query, session_id),
	 .max_len = 128,
	 .help = "tasks of this session"},
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
static const struct nx_schema list_query_schema = {.name = "TaskListQuery",
						   .fields = list_query_fields,
						   .nfields = nx_countof(list_query_fields),
						   .size = sizeof(struct list_query)};

struct page_query {
	nx_str cursor;
	int64_t limit;
	bool has_limit;
};
static const struct nx_field page_query_fields[] = {
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct page_query, limit),
	 .has = offsetof(struct page_query, has_limit),
	 .help = "most items of the page; 50 when absent"},
	{.name = "cursor",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct page_query, cursor),
	 .max_len = 64,
	 .help = "next_cursor of the page before"},
};
static const struct nx_schema page_query_schema = {.name = "PageQuery",
						   .fields = page_query_fields,
						   .nfields = nx_countof(page_query_fields),
						   .size = sizeof(struct page_query)};

struct events_query {
	nx_id task;
	nx_str session;
	int64_t last_event_id;
	bool has_last;
};
static const struct nx_field events_query_fields[] = {
	{.name = "task",
	 .type = NX_T_ID,
	 .offset = offsetof(struct events_query, task),
	 .help = "events of this task alone"},
	{.name = "session",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct events_query, session),
	 .max_len = 128,
	 .help = "events of this session alone"},
	{.name = "last_event_id",
	 .type = NX_T_INT,
	 .offset = offsetof(struct events_query, last_event_id),
	 .has = offsetof(struct events_query, has_last),
	 .min = 0,
	 .max = 9e15,
	 .help = "for clients that cannot set Last-Event-ID"},
};
static const struct nx_schema events_query_schema = {.name = "EventsQuery",
						     .fields = events_query_fields,
						     .nfields = nx_countof(events_query_fields),
						     .size = sizeof(struct events_query)};
/* A task's own stream has the last field alone. */
static const struct nx_schema task_events_query_schema = {.name = "TaskEventsQuery",
							  .fields = &events_query_fields[2],
							  .nfields = 1,
							  .size = sizeof(struct events_query)};

struct feedback_body {
	int64_t rating;
	nx_str comment;
};
static const struct nx_field feedback_fields[] = {
	{.name = "rating",
	 .type = NX_T_INT,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct feedback_body, rating),
	 .min = 1,
	 .max = 5,
	 .help = "1 (bad) to 5 (good)"},
	{.name = "comment",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct feedback_body, comment),
	 .max_len = 4096,
	 .help = "in words"},
};
static const struct nx_schema feedback_schema = {.name = "Feedback",
						 .help = "What a user thinks of a result.",
						 .fields = feedback_fields,
						 .nfields = nx_countof(feedback_fields),
						 .size = sizeof(struct feedback_body)};

struct nothing {
	char none;
};
static const struct nx_schema nothing_schema = {
	.name = "Nothing", .help = "An empty object.", .size = sizeof(struct nothing)};

/* ---- submit ---- */

static const char *task_location(struct nx_request *r, nx_id id)
{
	char text[NX_ID_TEXT];
	nx_id_format(id, text);
	return nx_arena_printf(r->arena, "/v1/tasks/%s", text);
}

static void submitted(struct nx_submit *s, struct nx_error *err)
{
	struct nx_request *r = s->ctx;
	if (err) {
		nx_request_reply_error(r, nx_error_copy(err));
		return;
	}
	nx_request_header(r, "Location", task_location(r, s->id));
	nx_request_reply_json(r, s->finished ? 200 : 202, s->answer);
}

struct release {
	struct nx_msg msg;
	struct nx_request *r;
};

static void release(struct nx_msg *m)
{
	struct release *l = nx_container_of(m, struct release, msg);
	nx_request_unref(l->r);
	free(l);
}

/* Core hears of it by a message that names the submission; the request is kept until the message behind it comes. */
static void stop_waiting(struct nx_request *r)
{
	struct release *l = malloc(sizeof(*l));
	if (!l)
		return; /* it is answered in its time, to nobody */
	*l = (struct release){.msg.run = release, .r = r};
	nx_request_ref(r);
	nx_core_submit_leave(r->api->parts.core, r->ctx);
	nx_loop_post(r->api->parts.core_loop, &l->msg);
}

static void submit(struct nx_request *r)
{
	struct nx_error *err = NULL;
	struct nx_submit *s = nx_arena_new_of(r->arena, struct nx_submit);
	if (!s) {
		nx_error_set(&err, NX_ENOMEM, "out of memory for a task");
		nx_request_reply_error(r, err);
		return;
	}
	*s = (struct nx_submit){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.key_id = r->who.key_id,
		.body = r->body,
		.bound_user = nx_request_bound_user(r),
		.trace = r->trace,
		.hook = r->hook,
		.done = submitted,
		.ctx = r,
	};
	r->ctx = s;
	nx_request_on_gone(r, stop_waiting);
	nx_core_submit(r->api->parts.core, s);
}

/* ---- reads ---- */

/* A key bound to a user sees that user's tasks alone; another's are not found. */
static int check_owner(struct nx_request *r, nx_id task, struct nx_error **err)
{
	int64_t n = 0;
	nx_str user = nx_request_bound_user(r);
	if (user.n == 0)
		return 0;
	int rc = nx_db_get_int(nx_store_reader(r->api->parts.store),
			       "SELECT count(*) FROM tasks WHERE tenant_id = $1 AND uid = $2 AND user_id = $3",
			       NX_PARAMS(nx_v_int(r->who.tenant), nx_v_id(&task), nx_v_text(user)), &n, err);
	if (rc || n > 0)
		return rc;
	char id[NX_ID_TEXT];
	nx_id_format(task, id);
	return nx_error_set(err, NX_ENOTFOUND, "no task has the id `%s`", id);
}

static void reply_task(struct nx_request *r, nx_id id, bool as_submitted)
{
	struct nx_error *err = NULL;
	struct nx_db *db = nx_store_reader(r->api->parts.store);
	int64_t finished = 1;
	nx_str json;
	int rc = check_owner(r, id, &err);
	if (!rc)
		rc = nx_task_get_json(db, r->who.tenant, id, r->arena, &json, &err);
	if (!rc && as_submitted) {
		nx_request_header(r, "Location", task_location(r, id));
		rc = nx_db_get_int(db, "SELECT finished_at IS NOT NULL FROM tasks WHERE tenant_id = $1 AND uid = $2",
				   NX_PARAMS(nx_v_int(r->who.tenant), nx_v_id(&id)), &finished, &err);
	}
	if (rc)
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, finished ? 200 : 202, json);
}

static void replay_submit(struct nx_request *r, nx_id task)
{
	reply_task(r, task, true);
}

static void replay_task(struct nx_request *r, nx_id task)
{
	reply_task(r, task, false);
}

static void get_task(struct nx_request *r)
{
	nx_id id;
	if (nx_request_id(r, 0, "task", &id))
		reply_task(r, id, false);
}

static void list_tasks(struct nx_request *r)
{
	struct list_query *q = r->query;
	struct nx_task_filter f = {.state = q->state, .session_id = q->session_id};
	struct nx_error *err = NULL;
	nx_str items;
	int64_t next;
	if (!nx_request_user(r, q->user_id, &f.user_id) ||
	    !nx_request_page(r, q->has_limit, q->limit, q->cursor, &f.limit, &f.before))
		return;
	if (nx_task_list_json(nx_store_reader(r->api->parts.store), r->who.tenant, &f, r->arena, &items, &next, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_page(r, items, next);
}

static void get_trace(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_str json;
	nx_id id;
	if (!nx_request_id(r, 0, "task", &id))
		return;
	int rc = check_owner(r, id, &err);
	if (!rc)
		rc = nx_monitoring_trace_json(r->api->parts.monitoring, nx_store_reader(r->api->parts.store),
					      r->who.tenant, id, r->arena, &json, &err);
	if (rc)
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, 200, json);
}

static void get_logs(struct nx_request *r)
{
	struct page_query *q = r->query;
	struct nx_error *err = NULL;
	size_t limit;
	int64_t after, next;
	nx_str items;
	nx_id id;
	if (!nx_request_id(r, 0, "task", &id) || !nx_request_page(r, q->has_limit, q->limit, q->cursor, &limit, &after))
		return;
	int rc = check_owner(r, id, &err);
	if (!rc)
		rc = nx_monitoring_logs_json(r->api->parts.monitoring, nx_store_reader(r->api->parts.store),
					     r->who.tenant, id, after, limit, r->arena, &items, &next, &err);
	if (rc)
		nx_request_reply_error(r, err);
	else
		nx_request_reply_page(r, items, next);
}

/* ---- control ---- */

static void controlled(struct nx_control *k, struct nx_error *err)
{
	struct nx_request *r = k->ctx;
	if (err)
		nx_request_reply_error(r, nx_error_copy(err));
	else
		nx_request_reply_json(r, 200, k->answer);
}

static void control(struct nx_request *r, enum nx_control_op op, int64_t rating, nx_str comment)
{
	struct nx_error *err = NULL;
	nx_id id;
	if (!nx_request_id(r, 0, "task", &id))
		return;
	int rc = check_owner(r, id, &err);
	struct nx_control *k = rc ? NULL : nx_arena_new_of(r->arena, struct nx_control);
	if (!k) {
		if (!rc)
			nx_error_set(&err, NX_ENOMEM, "out of memory for a control");
		nx_request_reply_error(r, err);
		return;
	}
	*k = (struct nx_control){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.task = id,
		.op = op,
		.rating = rating,
		.comment = comment,
		.hook = r->hook,
		.done = controlled,
		.ctx = r,
	};
	nx_core_control(r->api->parts.core, k);
}

static void cancel(struct nx_request *r)
{
	control(r, NX_CONTROL_CANCEL, 0, NX_STR_NULL);
}

static void feedback(struct nx_request *r)
{
	struct feedback_body *b = r->args;
	control(r, NX_CONTROL_FEEDBACK, b->rating, b->comment);
}

/* ---- events ---- */

static void serve_events(struct nx_request *r, nx_id task, nx_str session)
{
	struct events_query *q = r->query;
	struct nx_error *err = NULL;
	struct nx_sse_filter f = {.task = task, .session = session};
	struct nx_db *db = nx_store_reader(r->api->parts.store);
	nx_str json;
	int rc = nx_sse_last_id(r, q->has_last, q->last_event_id, &f.resume, &f.after, &err);
	if (!rc && !nx_id_none(task)) {
		rc = check_owner(r, task, &err);
		if (!rc)
			rc = nx_task_get_json(db, r->who.tenant, task, r->arena, &json, &err);
	} else if (!rc && r->who.user[0]) {
		rc = nx_error_set(&err, NX_EFORBIDDEN,
				  "this key is bound to a user and sees the events of one task at a time");
		nx_error_hint(&err, "name it: /v1/tasks/{id}/events");
	}
	if (rc)
		nx_request_reply_error(r, err);
	else
		nx_sse_serve(r, &f);
}

static void task_events(struct nx_request *r)
{
	nx_id id;
	if (nx_request_id(r, 0, "task", &id))
		serve_events(r, id, NX_STR(""));
}

static void all_events(struct nx_request *r)
{
	struct events_query *q = r->query;
	serve_events(r, q->task, q->session);
}

/* ---- the table ---- */

static const struct nx_answer submit_answers[] = {
	{200, &nx_task_schema, NULL, "the task has finished"},
	{202, &nx_task_schema, NULL, "the task is durable and goes on; Location names it"},
	{0}};
static const struct nx_answer task_answers[] = {{200, &nx_task_schema, NULL, "the task"}, {0}};
static const struct nx_answer list_answers[] = {{200, &list_schema, NULL, "a page of tasks"}, {0}};
static const struct nx_answer trace_answers[] = {{200, &nx_trace_schema, NULL, "the spans of the task"}, {0}};
static const struct nx_answer log_answers[] = {{200, &log_list_schema, NULL, "a page of log lines"}, {0}};
static const struct nx_answer done_answers[] = {{200, &done_schema, NULL, "kept"}, {0}};
static const struct nx_answer event_answers[] = {{200, NULL, "text/event-stream", "the stream"},
						 {204, NULL, NULL, "the task is over and nothing is left to send"},
						 {0}};

static const struct nx_route routes[] = {
	{.method = "POST",
	 .path = "/v1/tasks",
	 .id = "submit_task",
	 .tag = "tasks",
	 .summary = "Submit a task",
	 .help = "The task is durable when this is answered. With `wait` the answer comes when it has finished, or after that time.",
	 .scope = NX_SCOPE_TASKS_WRITE,
	 .where = NX_ASYNC,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = submit,
	 .replay = replay_submit,
	 .body = &nx_task_request_schema,
	 .answers = submit_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/v1/tasks",
	 .id = "list_tasks",
	 .tag = "tasks",
	 .summary = "List tasks, newest first",
	 .scope = NX_SCOPE_TASKS_READ,
	 .where = NX_SHORT,
	 .handle = list_tasks,
	 .query = &list_query_schema,
	 .answers = list_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/v1/tasks/{id}",
	 .id = "get_task",
	 .tag = "tasks",
	 .summary = "A task with its plan, result and usage",
	 .scope = NX_SCOPE_TASKS_READ,
	 .where = NX_SHORT,
	 .handle = get_task,
	 .answers = task_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/v1/tasks/{id}/trace",
	 .id = "get_task_trace",
	 .tag = "tasks",
	 .summary = "The spans of a task",
	 .scope = NX_SCOPE_TASKS_READ,
	 .where = NX_SHORT,
	 .handle = get_trace,
	 .answers = trace_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/v1/tasks/{id}/logs",
	 .id = "get_task_logs",
	 .tag = "tasks",
	 .summary = "The log lines of a task",
	 .scope = NX_SCOPE_TASKS_READ,
	 .where = NX_SHORT,
	 .handle = get_logs,
	 .query = &page_query_schema,
	 .answers = log_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/v1/tasks/{id}/events",
	 .id = "stream_task_events",
	 .tag = "tasks",
	 .summary = "The events of a task, as they come",
	 .help = "Server-sent events. Durable ones carry an id and are resumed with Last-Event-ID; `message.delta` and "
		 "`stdout.delta` are not kept. The stream begins with `snapshot` and ends with the task.",
	 .scope = NX_SCOPE_TASKS_READ,
	 .where = NX_SHORT,
	 .handle = task_events,
	 .query = &task_events_query_schema,
	 .answers = event_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/v1/events",
	 .id = "stream_events",
	 .tag = "tasks",
	 .summary = "The events of all tasks, as they come",
	 .help = "Server-sent events, resumed with Last-Event-ID. Without it the stream begins with the newest tasks as `snapshot`.",
	 .scope = NX_SCOPE_TASKS_READ,
	 .where = NX_SHORT,
	 .handle = all_events,
	 .query = &events_query_schema,
	 .answers = event_answers,
	 .since = "0.1"},
	{.method = "POST",
	 .path = "/v1/tasks/{id}/cancel",
	 .id = "cancel_task",
	 .tag = "tasks",
	 .summary = "Cancel a task",
	 .help = "Its state says cancelled when what ran has really stopped; until then cancel_requested_at is set.",
	 .scope = NX_SCOPE_TASKS_WRITE,
	 .where = NX_SHORT,
	 .flags = NX_R_IDEMPOTENT | NX_R_BODY_OPTIONAL,
	 .handle = cancel,
	 .replay = replay_task,
	 .body = &nothing_schema,
	 .answers = task_answers,
	 .since = "0.1"},
	{.method = "POST",
	 .path = "/v1/tasks/{id}/feedback",
	 .id = "rate_task",
	 .tag = "tasks",
	 .summary = "Say how good a result was",
	 .scope = NX_SCOPE_TASKS_WRITE,
	 .where = NX_SHORT,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = feedback,
	 .body = &feedback_schema,
	 .answers = done_answers,
	 .since = "0.1"},
};
const struct nx_route_table nx_routes_tasks = {routes, nx_countof(routes)};
