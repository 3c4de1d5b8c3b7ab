#include "api/runs_internal.h"

#include "api/api_internal.h"
#include "api/problem_internal.h"
#include "api/stream_internal.h"
#include "base/clock.h"
#include "base/io.h"
#include "execution/constraints.h"

#include <stdio.h>

/* ---- the request ---- */

struct file_body {
	nx_str path, content;
};
static const struct nx_field file_fields[] = {
	{.name = "path",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct file_body, path),
	 .max_len = 512,
	 .help = "relative, in the work directory"},
	{.name = "content_base64",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct file_body, content),
	 .max_len = (size_t)1 << 30},
};
const struct nx_schema nx_execution_file_schema = {.name = "ExecutionFile",
						   .help = "A file that the program finds.",
						   .fields = file_fields,
						   .nfields = nx_countof(file_fields),
						   .size = sizeof(struct file_body)};

struct run_body {
	nx_str language, code, stdin_text, session_id, image;
	struct nx_list files;
	bool warm, stream;
	int policy;
	struct nx_constraints_body *constraints;
};
static const struct nx_field run_fields[] = {
	{.name = "language",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct run_body, language),
	 .max_len = 32,
	 .help = "GET /v1/sandbox/languages lists them",
	 .example = "\"python\""},
	{.name = "code",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct run_body, code),
	 .max_len = (size_t)64 << 20,
	 .help = "the program",
	 .example = "\"print(6 * 7)\""},
	{.name = "stdin",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct run_body, stdin_text),
	 .max_len = (size_t)64 << 20,
	 .help = "what it reads"},
	{.name = "files",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &nx_execution_file_schema,
	 .offset = offsetof(struct run_body, files),
	 .max_len = 10000,
	 .help = "at most sandbox.max_files"},
	{.name = "image",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct run_body, image),
	 .max_len = 63,
	 .help = "run in this image instead of the host's /usr; GET /v1/sandbox/images lists them"},
	{.name = "session_id",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct run_body, session_id),
	 .max_len = 64,
	 .help = "run in this session; memory and CPU are then its limits, and `language` is its language"},
	{.name = "warm",
	 .type = NX_T_BOOL,
	 .offset = offsetof(struct run_body, warm),
	 .def = 1,
	 .help = "take a prepared interpreter when there is one"},
	{.name = "policy",
	 .type = NX_T_ENUM,
	 .names = nx_scan_policy_names,
	 .offset = offsetof(struct run_body, policy),
	 .def = NX_SCAN_STANDARD,
	 .help = "what the scanner blocks; standard: at critical"},
	{.name = "constraints",
	 .type = NX_T_OBJECT,
	 .flags = NX_F_NULL,
	 .schema = &nx_constraints_schema,
	 .offset = offsetof(struct run_body, constraints),
	 .help = "limits, imports, access"},
	{.name = "stream",
	 .type = NX_T_BOOL,
	 .offset = offsetof(struct run_body, stream),
	 .help = "answer with server-sent events: started, stdout, stderr, result"},
};
const struct nx_schema nx_execution_request_schema = {.name = "ExecutionRequest",
						      .help = "A program to be run.",
						      .fields = run_fields,
						      .nfields = nx_countof(run_fields),
						      .size = sizeof(struct run_body)};

/* ---- what is under way ---- */

struct run {
	struct nx_exec x;
	struct nx_request *r; /* a reference of its own, until done */
	struct nx_runs *table;
	struct run *next, **prev;
	nx_id id;
	/* a streamed one: */
	struct nx_stream *stream;
	pthread_mutex_t lock; /* holds output back until `started` was sent */
	struct {
		char bytes[4]; /* the beginning of a character whose rest has not come */
		size_t n;
	} partial[2];
};

struct nx_runs {
	pthread_mutex_t lock;
	struct run *first;
};

int nx_runs_new(struct nx_runs **ret, struct nx_error **err)
{
	struct nx_runs *t = calloc(1, sizeof(*t));
	if (!t)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the executions");
	(void)pthread_mutex_init(&t->lock, NULL);
	*ret = t;
	return 0;
}

void nx_runs_free(struct nx_runs *t)
{
	if (!t)
		return;
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

bool nx_runs_has(struct nx_runs *t, int64_t tenant, nx_id id)
{
	(void)pthread_mutex_lock(&t->lock);
	struct run *u = t->first;
	while (u && !(u->x.tenant == tenant && nx_id_eq(u->id, id)))
		u = u->next;
	(void)pthread_mutex_unlock(&t->lock);
	return u != NULL;
}

/* Starts it under the table's lock, so that it is there before it can be done. */
static void start(struct run *u)
{
	(void)pthread_mutex_lock(&u->table->lock);
	nx_execution_start(u->r->api->parts.execution, &u->x);
	u->id = u->x.id;
	u->next = u->table->first;
	u->prev = &u->table->first;
	if (u->next)
		u->next->prev = &u->next;
	u->table->first = u;
	(void)pthread_mutex_unlock(&u->table->lock);
}

static void leave_table(struct run *u)
{
	(void)pthread_mutex_lock(&u->table->lock);
	*u->prev = u->next;
	if (u->next)
		u->next->prev = u->prev;
	(void)pthread_mutex_unlock(&u->table->lock);
}

/* ---- answered at its end ---- */

static void write_result(struct nx_request *r)
{
	struct run *u = r->ctx;
	yyjson_mut_doc *d = nx_json_new(r->arena);
	nx_request_reply_value(r, 200, d ? nx_exec_result_json(&u->x, d) : NULL);
	nx_request_unref(r);
}

static void run_done(struct nx_exec *x, struct nx_error *err)
{
	struct run *u = x->ctx;
	struct nx_request *r = u->r;
	leave_table(u);
	if (err) {
		nx_request_reply_error(r, nx_error_copy(err));
		nx_request_unref(r);
		return;
	}
	/* A result may be megabytes, and this is the loop that carries every run's pipes. */
	nx_request_work(r, write_result, false);
}

static void cancel_run(struct nx_request *r)
{
	const struct run *u = r->ctx;
	nx_execution_cancel(r->api->parts.execution, u->id);
}

/* ---- streamed ---- */

static bool push_text(struct nx_stream *s, const char *event, nx_str json)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	return nx_sse_format(&b, 0, event, json) && nx_stream_push_text(s, nx_buf_str(&b));
}

/* How many bytes at the end begin a character that may still be completed. */
static size_t unfinished(nx_str s)
{
	for (size_t k = 1; k <= 3 && k <= s.n; k++) {
		unsigned char c = (unsigned char)s.p[s.n - k];
		if (c < 0x80)
			return 0;
		if (c >= 0xc0)
			return (size_t)(c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) > k ? k : 0;
	}
	return 0;
}

static void push_output(struct run *u, int fd, nx_str bytes, bool last)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	int i = fd == 2;
	size_t had = u->partial[i].n;
	char *whole = a ? nx_arena_alloc(a, had + bytes.n + 1) : NULL;
	yyjson_mut_doc *d = whole ? nx_json_new(a) : NULL;
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	nx_str json;
	if (!o)
		return;
	memcpy(whole, u->partial[i].bytes, had);
	if (bytes.n)
		memcpy(whole + had, bytes.p, bytes.n);
	nx_str all = nx_str_n(whole, had + bytes.n);
	u->partial[i].n = last ? 0 : unfinished(all);
	memcpy(u->partial[i].bytes, all.p + all.n - u->partial[i].n, u->partial[i].n);
	all.n -= u->partial[i].n;
	if (all.n == 0)
		return;
	if (nx_json_add_str(d, o, "text", nx_utf8_repair(a, all)) && nx_json_write(a, o, false, &json, NULL) == 0)
		(void)push_text(u->stream, i ? "stderr" : "stdout", json);
}

static void on_output(struct nx_exec *x, int fd, nx_str bytes)
{
	struct run *u = x->ctx;
	(void)pthread_mutex_lock(&u->lock);
	push_output(u, fd, bytes, false);
	(void)pthread_mutex_unlock(&u->lock);
}

static void end_stream(struct nx_request *r)
{
	struct run *u = r->ctx;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *d = a ? nx_json_new(a) : NULL;
	nx_str json;
	push_output(u, 1, NX_STR(""), true);
	push_output(u, 2, NX_STR(""), true);
	if (d && nx_json_write(a, nx_exec_result_json(&u->x, d), false, &json, NULL) == 0)
		(void)push_text(u->stream, "result", json);
	else
		(void)push_text(u->stream, "error", nx_problem_no_memory());
	nx_stream_end(u->stream);
	nx_stream_unref(u->stream);
	(void)pthread_mutex_destroy(&u->lock);
	nx_request_unref(r);
}

static void streamed_done(struct nx_exec *x, struct nx_error *err)
{
	struct run *u = x->ctx;
	struct nx_request *r = u->r;
	leave_table(u);
	if (!err) {
		nx_request_work(r, end_stream, false);
		return;
	}
	struct nx_problem p = {.err = err, .instance = r->path, .trace = r->trace.trace};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	(void)push_text(u->stream, "error", nx_problem_json(&p, a, NULL));
	nx_stream_end(u->stream);
	nx_stream_unref(u->stream);
	(void)pthread_mutex_destroy(&u->lock);
	nx_request_unref(r);
}

/* The client went away, or all was said. */
static void on_closed(struct nx_stream *s, void *ctx)
{
	struct nx_request *r = ctx;
	const struct run *u = r->ctx;
	(void)s;
	nx_execution_cancel(r->api->parts.execution, u->id);
	nx_request_unref(r);
}

static void start_stream(struct run *u)
{
	struct nx_request *r = u->r;
	struct nx_stream_events ev = {.on_closed = on_closed, .ctx = r};
	char id[NX_ID_TEXT], text[64 + NX_ID_TEXT];
	u->stream = nx_stream_new((size_t)r->api->parts.config->api_stream_buffer_bytes, &ev);
	if (!u->stream) {
		nx_request_reply_value(r, 200, NULL);
		nx_request_unref(r);
		return;
	}
	struct nx_stream *s = u->stream;
	(void)pthread_mutex_init(&u->lock, NULL);
	u->x.on_output = on_output;
	u->x.done = streamed_done;
	nx_stream_ref(s);  /* ours, until the reply */
	nx_request_ref(r); /* the stream's, until it is closed */
	(void)pthread_mutex_lock(&u->lock);
	start(u);
	nx_id_format(u->id, id);
	(void)snprintf(text, sizeof(text), "{\"id\":\"%s\"}", id);
	(void)push_text(s, "started", nx_str_z(text));
	(void)pthread_mutex_unlock(&u->lock);
	nx_request_reply_stream(r, s);
	nx_stream_unref(s);
}

/* ---- start ---- */

int nx_execution_files_decode(struct nx_request *r, const struct nx_list *files, struct nx_exec_file **ret,
			      size_t *ret_n, struct nx_error **err)
{
	int64_t max = r->api->parts.config->sandbox_max_files;
	if (files->n > (size_t)max) {
		nx_error_set(err, NX_ELIMIT, "%zu files came; sandbox.max_files is %lld", files->n, (long long)max);
		return nx_error_at(err, "/files");
	}
	struct nx_exec_file *list = nx_arena_array(r->arena, struct nx_exec_file, files->n ? files->n : 1);
	if (!list)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the files");
	for (size_t i = 0; i < files->n; i++) {
		const struct file_body *f = nx_list_at(*files, struct file_body, i);
		list[i].path = f->path;
		if (nx_base64_decode(r->arena, f->content, &list[i].bytes, err))
			return nx_error_at(err, "/files/%zu/content_base64", i);
	}
	*ret = list;
	*ret_n = files->n;
	return 0;
}

static int fill(struct nx_request *r, struct nx_exec *x, struct nx_error **err)
{
	const struct run_body *b = r->args;
	*x = (struct nx_exec){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.trace = r->trace,
		.language = b->language,
		.code = b->code,
		.stdin_text = b->stdin_text,
		.image = b->image,
		.policy = (enum nx_scan_policy)b->policy,
		.is_cold = !b->warm,
		.hook = r->hook,
		.done = run_done,
	};
	if (b->session_id.n && !nx_id_parse(b->session_id, &x->session)) {
		nx_error_set(err, NX_ENOTFOUND, "no such sandbox session");
		return nx_error_at(err, "/session_id");
	}
	int rc = nx_constraints_fill(b->constraints, r->arena, &x->constraints, err);
	if (!rc && b->session_id.n && x->constraints.files.is_granted) {
		nx_error_set(err, NX_EUNSUPPORTED,
			     "a run in a session has the directories that the session was granted");
		nx_error_hint(err, "grant them in the constraints of the session");
		rc = nx_error_at(err, "/constraints/file_system_access");
	}
	if (!rc && b->session_id.n && b->image.n) {
		nx_error_set(err, NX_EUNSUPPORTED, "a run in a session is in the image that the session was begun in");
		nx_error_hint(err, "name the image when the session is made");
		rc = nx_error_at(err, "/image");
	}
	return rc ? rc : nx_execution_files_decode(r, &b->files, &x->files, &x->nfiles, err);
}

void nx_run_code(struct nx_request *r)
{
	const struct run_body *b = r->args;
	struct nx_error *err = NULL;
	struct run *u = nx_arena_new_of(r->arena, struct run);
	if (!u)
		nx_error_set(&err, NX_ENOMEM, "out of memory for a run");
	if (!u || fill(r, &u->x, &err)) {
		nx_request_reply_error(r, err);
		return;
	}
	u->r = r;
	u->table = r->api->runs;
	u->x.ctx = u;
	r->ctx = u;
	nx_request_ref(r); /* the run's, until it is done */
	if (b->stream) {
		start_stream(u);
		return;
	}
	nx_request_ref(r);
	start(u);
	nx_request_on_gone(r, cancel_run);
	nx_request_unref(r);
}
