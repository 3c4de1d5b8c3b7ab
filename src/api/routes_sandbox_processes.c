/* Processes of a sandbox session: in the background, or on a terminal. */
#include "api/api_internal.h"
#include "api/follow_internal.h"
#include "api/idempotency_internal.h"
#include "base/io.h"
#include "execution/process.h"

#include <signal.h>

/* ---- shapes ---- */

#define COMMAND_SCHEMA                                                                                          \
	"{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1," \
	"\"maxItems\":128}],\"examples\":[[\"python3\",\"-m\",\"http.server\",\"8000\"],\"tail -f log | grep -c x\"]}"
#define COMMAND_FIELDS(type_, flags_, help_)                                                                        \
	{.name = "command",                                                                                         \
	 .type = NX_T_ANY,                                                                                          \
	 .flags = flags_,                                                                                           \
	 .offset = offsetof(type_, command),                                                                        \
	 .json_schema = COMMAND_SCHEMA,                                                                             \
	 .help = help_},                                                                                            \
		{.name = "env",                                                                                     \
		 .type = NX_T_MAP,                                                                                  \
		 .flags = NX_F_NULL,                                                                                \
		 .offset = offsetof(type_, env),                                                                    \
		 .max_len = 64,                                                                                     \
		 .help = "variables above those that every program of the session has; their values are texts"},    \
	{                                                                                                           \
		.name = "directory", .type = NX_T_STRING, .flags = NX_F_NULL, .offset = offsetof(type_, directory), \
		.max_len = 512, .help = "where it starts, in the work directory"                                    \
	}

struct process_body {
	yyjson_val *command, *env;
	nx_str directory;
};
static const struct nx_field process_body_fields[] = {
	COMMAND_FIELDS(struct process_body, NX_F_REQUIRED, "the program and its arguments, or one text for the shell"),
};
static const struct nx_schema process_body_schema = {.name = "SandboxProcessRequest",
						     .help = "A process for the background.",
						     .fields = process_body_fields,
						     .nfields = nx_countof(process_body_fields),
						     .size = sizeof(struct process_body)};

struct terminal_body {
	yyjson_val *command, *env;
	nx_str directory;
	int64_t rows, columns;
};
#define SIZE_FIELDS(type_, flags_)                                                                                  \
	{.name = "rows",                                                                                            \
	 .type = NX_T_INT,                                                                                          \
	 .flags = flags_,                                                                                           \
	 .offset = offsetof(type_, rows),                                                                           \
	 .min = 1,                                                                                                  \
	 .max = NX_TERMINAL_MAX,                                                                                    \
	 .def = 24},                                                                                                \
	{                                                                                                           \
		.name = "columns", .type = NX_T_INT, .flags = flags_, .offset = offsetof(type_, columns), .min = 1, \
		.max = NX_TERMINAL_MAX, .def = 80                                                                   \
	}
static const struct nx_field terminal_body_fields[] = {
	COMMAND_FIELDS(struct terminal_body, NX_F_NULL, "as of a process; an interactive shell when absent"),
	SIZE_FIELDS(struct terminal_body, 0),
};
static const struct nx_schema terminal_body_schema = {.name = "SandboxTerminalRequest",
						      .help = "A process on a terminal.",
						      .fields = terminal_body_fields,
						      .nfields = nx_countof(terminal_body_fields),
						      .size = sizeof(struct terminal_body)};

struct size_body {
	int64_t rows, columns;
};
static const struct nx_field size_fields[] = {SIZE_FIELDS(struct size_body, NX_F_REQUIRED)};
static const struct nx_schema size_schema = {.name = "SandboxTerminalSize",
					     .help = "The size of a terminal, in characters.",
					     .fields = size_fields,
					     .nfields = nx_countof(size_fields),
					     .size = sizeof(struct size_body)};

struct input_body {
	nx_str text, base64;
	bool is_end;
};
static const struct nx_field input_fields[] = {
	{.name = "text", .type = NX_T_STRING, .flags = NX_F_NULL, .offset = offsetof(struct input_body, text)},
	{.name = "base64",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct input_body, base64),
	 .help = "bytes that are no text, in place of it"},
	{.name = "end",
	 .type = NX_T_BOOL,
	 .offset = offsetof(struct input_body, is_end),
	 .help = "no more input comes after this; not of a terminal"},
};
static const struct nx_schema input_schema = {.name = "SandboxProcessInput",
					      .help = "Input of a process.",
					      .fields = input_fields,
					      .nfields = nx_countof(input_fields),
					      .size = sizeof(struct input_body)};

struct signal_body {
	int signal;
};
static const char *const signal_names[] = {"HUP",  "INT",  "QUIT", "KILL", "USR1", "USR2",
					   "TERM", "CONT", "STOP", "TSTP", NULL};
static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT, SIGSTOP, SIGTSTP};
static const struct nx_field signal_fields[] = {
	{.name = "signal",
	 .type = NX_T_ENUM,
	 .names = signal_names,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct signal_body, signal),
	 .help = "goes to the process and its group"},
};
static const struct nx_schema signal_schema = {.name = "SandboxProcessSignal",
					       .help = "A signal for a process.",
					       .fields = signal_fields,
					       .nfields = nx_countof(signal_fields),
					       .size = sizeof(struct signal_body)};

static const struct nx_field usage_fields[] = {
	{.name = "cpu_ms",
	 .type = NX_T_NUMBER,
	 .flags = NX_F_REQUIRED,
	 .help = "of it and of those processes that it waited for"},
	{.name = "max_rss_bytes", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "of the largest of them"},
};
static const struct nx_schema usage_schema = {.name = "SandboxProcessUsage",
					      .help = "What a process used.",
					      .fields = usage_fields,
					      .nfields = nx_countof(usage_fields)};
static const struct nx_field process_fields[] = {
	{.name = "id", .type = NX_T_ID, .flags = NX_F_REQUIRED},
	{.name = "session_id", .type = NX_T_ID, .flags = NX_F_REQUIRED},
	{.name = "command",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .help = "empty: an interactive shell"},
	{.name = "terminal",
	 .type = NX_T_OBJECT,
	 .schema = &size_schema,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "null: it has none"},
	{.name = "state", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "running or exited"},
	{.name = "pid", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "as the session numbers its processes"},
	{.name = "started_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED | NX_F_NULL},
	{.name = "ended_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED | NX_F_NULL},
	{.name = "exit_code",
	 .type = NX_T_INT,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "null: it runs, or a signal ended it"},
	{.name = "signal", .type = NX_T_INT, .flags = NX_F_REQUIRED | NX_F_NULL, .help = "that ended it"},
	{.name = "usage",
	 .type = NX_T_OBJECT,
	 .schema = &usage_schema,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "when it has ended"},
	{.name = "output_start",
	 .type = NX_T_INT,
	 .flags = NX_F_REQUIRED,
	 .help = "offset of the first byte of its output that is still kept"},
	{.name = "output_end", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "bytes that it has written"},
};
static const struct nx_schema process_schema = {.name = "SandboxProcess",
						.help = "A process of a session.",
						.fields = process_fields,
						.nfields = nx_countof(process_fields)};
static const struct nx_field list_fields[] = {
	{.name = "items",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &process_schema,
	 .flags = NX_F_REQUIRED,
	 .help = "in the order of their start"},
};
static const struct nx_schema list_schema = {
	.name = "SandboxProcessList",
	.help = "The processes of a session that run, and the last that have ended.",
	.fields = list_fields,
	.nfields = nx_countof(list_fields)};

static const char *const encoding_names[] = {"text", "base64", NULL};
struct output_query {
	int64_t offset, limit;
	int encoding;
};
#define OUTPUT_FIELDS                                                                     \
	{.name = "offset",                                                                \
	 .type = NX_T_INT,                                                                \
	 .offset = offsetof(struct output_query, offset),                                 \
	 .min = 0,                                                                        \
	 .max = 9007199254740991.0,                                                       \
	 .help = "the first byte that is wanted"},                                        \
	{                                                                                 \
		.name = "encoding", .type = NX_T_ENUM, .names = encoding_names,           \
		.offset = offsetof(struct output_query, encoding),                        \
		.help = "text: bytes that are no UTF-8 are replaced; base64: as they are" \
	}
static const struct nx_field output_query_fields[] = {
	OUTPUT_FIELDS,
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct output_query, limit),
	 .min = 1,
	 .max = 1048576,
	 .def = 65536,
	 .help = "most bytes of the page"},
};
static const struct nx_schema output_query_schema = {.name = "SandboxProcessOutputQuery",
						     .fields = output_query_fields,
						     .nfields = nx_countof(output_query_fields),
						     .size = sizeof(struct output_query)};
static const struct nx_field stream_query_fields[] = {OUTPUT_FIELDS};
static const struct nx_schema stream_query_schema = {.name = "SandboxProcessStreamQuery",
						     .fields = stream_query_fields,
						     .nfields = nx_countof(stream_query_fields),
						     .size = sizeof(struct output_query)};
static const struct nx_field output_fields[] = {
	{.name = "offset",
	 .type = NX_T_INT,
	 .flags = NX_F_REQUIRED,
	 .help = "of the first byte; above the one that was asked for, when that is no longer kept"},
	{.name = "next_offset", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "where the next page begins"},
	{.name = "text", .type = NX_T_STRING},
	{.name = "base64", .type = NX_T_STRING},
};
static const struct nx_schema output_schema = {.name = "SandboxProcessOutput",
					       .help = "A page of what a process wrote to both of its streams.",
					       .fields = output_fields,
					       .nfields = nx_countof(output_fields)};

/* ---- calls ---- */

static struct nx_process_call *call_of(struct nx_request *r, void (*done)(struct nx_process_call *, struct nx_error *),
				       bool has_process)
{
	nx_id session, process = {0};
	if (!nx_request_id(r, 0, "session", &session) || (has_process && !nx_request_id(r, 1, "process", &process)))
		return NULL;
	struct nx_process_call *c = nx_arena_new_of(r->arena, struct nx_process_call);
	if (!c) {
		nx_request_reply_value(r, 200, NULL);
		return NULL;
	}
	*c = (struct nx_process_call){.arena = r->arena,
				      .tenant = r->who.tenant,
				      .session = session,
				      .process = process,
				      .done = done,
				      .ctx = r};
	return c;
}

static void fail(struct nx_request *r, struct nx_error *err)
{
	nx_request_reply_error(r, err);
}

static void read_done(struct nx_process_call *c, struct nx_error *err)
{
	if (err)
		fail(c->ctx, nx_error_copy(err));
	else
		nx_request_reply_json(c->ctx, 200, c->json);
}

static void created(struct nx_process_call *c, struct nx_error *err)
{
	if (err)
		fail(c->ctx, nx_error_copy(err));
	else
		nx_idempotency_reply(c->ctx, 201, c->json);
}

static void changed(struct nx_process_call *c, struct nx_error *err)
{
	if (err)
		fail(c->ctx, nx_error_copy(err));
	else
		nx_idempotency_reply(c->ctx, 200, c->json);
}

static void accepted(struct nx_process_call *c, struct nx_error *err)
{
	if (err)
		fail(c->ctx, nx_error_copy(err));
	else
		nx_idempotency_reply(c->ctx, 204, NX_STR_NULL);
}

/* ---- start ---- */

static int bad_command(struct nx_error **err)
{
	nx_error_set(err, NX_EINVAL,
		     "command is a text for the shell, or a list of texts that begins with the program");
	return nx_error_at(err, "/command");
}

static int read_command(yyjson_val *v, struct nx_process_call *c, struct nx_error **err)
{
	size_t n = yyjson_is_arr(v) ? yyjson_arr_size(v) : 3, i, max;
	yyjson_val *item;
	if (!v || yyjson_is_null(v))
		return 0;
	if (n == 0 || !(yyjson_is_arr(v) || yyjson_is_str(v)))
		return bad_command(err);
	c->command = nx_arena_array(c->arena, nx_str, n);
	if (!c->command)
		return nx_error_set(err, NX_ENOMEM, "no memory for a command");
	c->ncommand = n;
	if (yyjson_is_str(v)) {
		c->command[0] = NX_STR("/bin/sh");
		c->command[1] = NX_STR("-c");
		c->command[2] = nx_json_val_str(v);
		return 0;
	}
	yyjson_arr_foreach (v, i, max, item) {
		if (!yyjson_is_str(item))
			return bad_command(err);
		c->command[i] = nx_json_val_str(item);
	}
	return 0;
}

static int read_env(yyjson_val *v, struct nx_process_call *c, struct nx_error **err)
{
	size_t n = yyjson_obj_size(v), i, max;
	yyjson_val *key, *value;
	c->env = nx_arena_array(c->arena, nx_str, n + 1);
	if (!c->env)
		return nx_error_set(err, NX_ENOMEM, "no memory for an environment");
	yyjson_obj_foreach (v, i, max, key, value) {
		nx_str name = nx_json_val_str(key), text = nx_json_val_str(value);
		if (!yyjson_is_str(value) || name.n == 0 || memchr(name.p, '=', name.n)) {
			nx_error_set(err, NX_EINVAL, "variables have names without \"=\", and texts as values");
			return nx_error_at(err, "/env/%.*s", NX_FMT(name));
		}
		char *both = nx_arena_printf(c->arena, "%.*s=%.*s", NX_FMT(name), NX_FMT(text));
		if (!both)
			return nx_error_set(err, NX_ENOMEM, "no memory for an environment");
		c->env[c->nenv++] = nx_str_z(both);
	}
	return 0;
}

static void start(struct nx_request *r, yyjson_val *command, yyjson_val *env, nx_str directory, int64_t rows,
		  int64_t columns)
{
	struct nx_process_call *c = call_of(r, created, false);
	struct nx_error *err = NULL;
	if (!c)
		return;
	c->dir = directory;
	c->rows = rows;
	c->columns = columns;
	if (read_command(command, c, &err) < 0 || read_env(env, c, &err) < 0)
		nx_request_reply_error(r, err);
	else
		nx_process_start(r->api->parts.execution, c);
}

static void start_process(struct nx_request *r)
{
	const struct process_body *b = r->args;
	start(r, b->command, b->env, b->directory, 0, 0);
}

static void open_terminal(struct nx_request *r)
{
	static const struct terminal_body none = {.rows = 24, .columns = 80};
	const struct terminal_body *b = r->args ? r->args : &none;
	start(r, b->command, b->env, b->directory, b->rows, b->columns);
}

/* ---- the rest ---- */

static void list_processes(struct nx_request *r)
{
	struct nx_process_call *c = call_of(r, read_done, false);
	if (c)
		nx_process_list(r->api->parts.execution, c);
}

static void get_process(struct nx_request *r)
{
	struct nx_process_call *c = call_of(r, read_done, true);
	if (c)
		nx_process_get(r->api->parts.execution, c);
}

static void get_output(struct nx_request *r)
{
	const struct output_query *q = r->query;
	struct nx_process_call *c = call_of(r, read_done, true);
	if (!c)
		return;
	c->offset = q->offset;
	c->limit = q->limit;
	c->is_base64 = q->encoding == 1;
	nx_process_output(r->api->parts.execution, c);
}

static void stream_output(struct nx_request *r)
{
	const struct output_query *q = r->query;
	nx_id session, process;
	int64_t offset = q->offset;
	if (!nx_request_id(r, 0, "session", &session) || !nx_request_id(r, 1, "process", &process) ||
	    !nx_feed_last_id(r, &offset))
		return;
	struct nx_feed *feed = nx_feed_new(r);
	if (!feed)
		return;
	feed->follow.session = session;
	feed->follow.process = process;
	feed->follow.offset = offset;
	feed->follow.is_base64 = q->encoding == 1;
	nx_process_follow(r->api->parts.execution, &feed->follow);
}

static void give_input(struct nx_request *r)
{
	const struct input_body *b = r->args;
	struct nx_process_call *c = call_of(r, accepted, true);
	struct nx_error *err = NULL;
	if (!c)
		return;
	c->input = b->text;
	c->is_end = b->is_end;
	if (b->text.p && b->base64.p)
		nx_error_set(&err, NX_EINVAL, "give text or base64, not both");
	else if (b->base64.p && nx_base64_decode(r->arena, b->base64, &c->input, &err) < 0)
		nx_error_at(&err, "/base64");
	else if (!b->text.p && !b->base64.p && !b->is_end)
		nx_error_set(&err, NX_EINVAL, "there is no input: give text, base64 or end");
	if (err)
		nx_request_reply_error(r, err);
	else
		nx_process_input(r->api->parts.execution, c);
}

static void send_signal(struct nx_request *r)
{
	const struct signal_body *b = r->args;
	struct nx_process_call *c = call_of(r, changed, true);
	if (!c)
		return;
	c->signal = signals[b->signal];
	nx_process_signal(r->api->parts.execution, c);
}

static void resize_terminal(struct nx_request *r)
{
	const struct size_body *b = r->args;
	struct nx_process_call *c = call_of(r, changed, true);
	if (!c)
		return;
	c->rows = b->rows;
	c->columns = b->columns;
	nx_process_resize(r->api->parts.execution, c);
}

static void stop_process(struct nx_request *r)
{
	struct nx_process_call *c = call_of(r, changed, true);
	if (c)
		nx_process_stop(r->api->parts.execution, c);
}

/* ---- the table ---- */

static const struct nx_answer created_answers[] = {{201, &process_schema, NULL, "it runs"}, {0}};
static const struct nx_answer get_answers[] = {{200, &process_schema, NULL, "the process"}, {0}};
static const struct nx_answer list_answers[] = {{200, &list_schema, NULL, "the processes"}, {0}};
static const struct nx_answer output_answers[] = {{200, &output_schema, NULL, "a page"}, {0}};
static const struct nx_answer stream_answers[] = {{200, NULL, "text/event-stream", "events, until it has ended"}, {0}};
static const struct nx_answer no_answers[] = {{204, NULL, NULL, "done"}, {0}};

#define SESSION "/v1/sandbox/sessions/{id}"
#define PROCESS SESSION "/processes/{process_id}"
#define ROUTE(method_, path_, id_, summary_, help_, flags_, handle_, body_, query_, answers_)                        \
	{                                                                                                            \
		.method = method_, .path = path_, .id = id_, .tag = "sandbox", .summary = summary_, .help = help_,   \
		.scope = NX_SCOPE_SANDBOX_RUN, .where = NX_ASYNC, .flags = flags_, .handle = handle_, .body = body_, \
		.query = query_, .answers = answers_, .since = "0.2"                                                 \
	}

static const struct nx_route routes[] = {
	ROUTE("POST", SESSION "/processes", "start_sandbox_process", "Start a process in the background",
	      "It runs in the session's sandbox, beside its interpreter and under the same limits, and ends with the session.",
	      NX_R_IDEMPOTENT, start_process, &process_body_schema, NULL, created_answers),
	ROUTE("GET", SESSION "/processes", "list_sandbox_processes", "The processes of a session", NULL, 0,
	      list_processes, NULL, NULL, list_answers),
	ROUTE("POST", SESSION "/terminal", "open_sandbox_terminal", "Start a process on a terminal",
	      "An interactive shell unless a command is given. It is one of the session's processes from then on.",
	      NX_R_IDEMPOTENT | NX_R_BODY_OPTIONAL, open_terminal, &terminal_body_schema, NULL, created_answers),
	ROUTE("GET", PROCESS, "get_sandbox_process", "A process of a session", NULL, 0, get_process, NULL, NULL,
	      get_answers),
	ROUTE("DELETE", PROCESS, "stop_sandbox_process", "Stop a process",
	      "It is asked to end (SIGTERM, SIGHUP on a terminal) and killed with all that it left in its session of processes "
	      "when it has not done so after sandbox.process_stop_grace. The answer comes when it has ended.",
	      NX_R_IDEMPOTENT, stop_process, NULL, NULL, get_answers),
	ROUTE("GET", PROCESS "/output", "get_sandbox_process_output", "What a process wrote",
	      "The last sandbox.process_output_bytes of both its streams, numbered from the first byte it wrote.", 0,
	      get_output, NULL, &output_query_schema, output_answers),
	ROUTE("GET", PROCESS "/stream", "stream_sandbox_process_output", "Follow what a process writes",
	      "Events `output` (a page, whose next_offset is the id that Last-Event-ID resumes after), `dropped` (bytes that "
	      "were no longer kept) and `exit` (the process).",
	      0, stream_output, NULL, &stream_query_schema, stream_answers),
	ROUTE("POST", PROCESS "/input", "write_sandbox_process_input", "Give input to a process", NULL, NX_R_IDEMPOTENT,
	      give_input, &input_schema, NULL, no_answers),
	ROUTE("POST", PROCESS "/signal", "signal_sandbox_process", "Send a signal to a process", NULL, NX_R_IDEMPOTENT,
	      send_signal, &signal_schema, NULL, get_answers),
	ROUTE("POST", PROCESS "/resize", "resize_sandbox_terminal", "Change the size of a process's terminal",
	      "Its foreground processes get SIGWINCH.", NX_R_IDEMPOTENT, resize_terminal, &size_schema, NULL,
	      get_answers),
};
const struct nx_route_table nx_routes_sandbox_processes = {routes, nx_countof(routes)};
