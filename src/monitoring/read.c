/* Traces and logs of a task, as the API shows them: what is in the store, and what still waits to get there. */
#include "monitoring/monitoring_internal.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

#include <stdio.h>

#define MAX_SPANS 10000

static const struct nx_field span_fields[] = {
	{.name = "span_id", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "16 hex digits (W3C Trace Context)"},
	{.name = "parent_id", .type = NX_T_STRING, .flags = NX_F_REQUIRED | NX_F_NULL, .help = "span it is part of"},
	{.name = "name", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "what was done"},
	{.name = "step_id", .type = NX_T_ID, .flags = NX_F_REQUIRED | NX_F_NULL, .help = "step it belongs to"},
	{.name = "start", .type = NX_T_TIME, .flags = NX_F_REQUIRED, .help = "begun"},
	{.name = "end", .type = NX_T_TIME, .flags = NX_F_REQUIRED, .help = "ended"},
	{.name = "duration_ms", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED, .help = "time between the two"},
	{.name = "error", .type = NX_T_STRING, .flags = NX_F_REQUIRED | NX_F_NULL, .help = "code, when it failed"},
	{.name = "attributes", .type = NX_T_MAP, .flags = NX_F_REQUIRED, .help = "details, by OpenTelemetry's names"},
};
static const struct nx_schema span_schema = {
	.name = "Span",
	.help = "one part of a task's work",
	.fields = span_fields,
	.nfields = nx_countof(span_fields),
};

static const struct nx_field trace_fields[] = {
	{.name = "task_id", .type = NX_T_ID, .flags = NX_F_REQUIRED, .help = "the task"},
	{.name = "trace_id", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "32 hex digits (W3C Trace Context)"},
	{.name = "spans",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &span_schema,
	 .max_len = MAX_SPANS,
	 .flags = NX_F_REQUIRED,
	 .help = "by start"},
};
const struct nx_schema nx_trace_schema = {
	.name = "Trace",
	.help = "what a task did and how long each part took",
	.fields = trace_fields,
	.nfields = nx_countof(trace_fields),
};

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const struct nx_field log_fields[] = {
	{.name = "time", .type = NX_T_TIME, .flags = NX_F_REQUIRED, .help = "when it was written"},
	{.name = "level", .type = NX_T_ENUM, .names = levels, .flags = NX_F_REQUIRED, .help = "how much it matters"},
	{.name = "component", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "who says it"},
	{.name = "message", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "what happened"},
	{.name = "trace_id", .type = NX_T_STRING, .flags = NX_F_REQUIRED | NX_F_NULL, .help = "32 hex digits"},
	{.name = "fields", .type = NX_T_MAP, .flags = NX_F_REQUIRED, .help = "figures and names"},
};
const struct nx_schema nx_log_line_schema = {
	.name = "LogLine",
	.help = "a line of a task's log",
	.fields = log_fields,
	.nfields = nx_countof(log_fields),
};

/* Both kinds, as they are shown. */
struct shown {
	int64_t id, start_us, end_us;
	uint64_t span, parent;
	nx_id step, trace;
	nx_str name, text, fields;
	const char *word; /* span: the error's name, or NULL; log: the level */
};

struct shown_list {
	struct nx_arena *a;
	struct shown *items;
	size_t n, cap;
};

static int list_reserve(struct shown_list *l, size_t more, struct nx_error **err)
{
	if (more <= l->cap - l->n)
		return 0;
	size_t cap = nx_max(l->cap * 2, l->n + more + 32);
	struct shown *items = nx_arena_realloc(l->a, l->items, l->cap * sizeof(*l->items), cap * sizeof(*l->items));
	if (!items)
		return nx_error_set(err, NX_ENOMEM, "no memory for a trace of %zu parts", cap);
	l->items = items;
	l->cap = cap;
	return 0;
}

/* The trace id of the task; it must be the tenant's. */
static int find_task(struct nx_db *db, int64_t tenant, nx_id task, nx_id *ret_trace, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(db, "SELECT trace_id FROM tasks WHERE tenant_id = $1 AND uid = $2",
			    NX_PARAMS(nx_v_int(tenant), nx_v_id(&task)), &rows, err);
	if (r < 0)
		return r;
	r = nx_rows_next(rows, err);
	if (r < 0)
		return r;
	if (r == 0) {
		char text[NX_ID_TEXT];
		nx_id_format(task, text);
		return nx_error_set(err, NX_ENOTFOUND, "there is no task %s", text);
	}
	*ret_trace = nx_rows_id(rows, 0);
	return 0;
}

static int check_texts(const struct shown *s, struct nx_error **err)
{
	if (s->name.p && s->text.p && s->fields.p)
		return 0;
	return nx_error_set(err, NX_ENOMEM, "no memory for a trace");
}

/* ---- spans ---- */

static int read_span(struct nx_rows *rows, struct nx_arena *a, struct shown *s, struct nx_error **err)
{
	*s = (struct shown){.id = nx_rows_int(rows, 0),
			    .span = (uint64_t)nx_rows_int(rows, 1),
			    .parent = (uint64_t)nx_rows_int(rows, 2),
			    .step = nx_rows_id(rows, 3),
			    .name = nx_rows_textdup(rows, 4, a),
			    .start_us = nx_rows_int(rows, 5),
			    .end_us = nx_rows_int(rows, 6),
			    .text = NX_STR(""),
			    .fields = nx_rows_textdup(rows, 8, a)};
	if (!nx_rows_is_null(rows, 7) && !(s->word = nx_str_zdup(a, nx_rows_text(rows, 7))))
		return nx_error_set(err, NX_ENOMEM, "no memory for a trace");
	return check_texts(s, err);
}

static int read_spans(struct nx_db *db, int64_t tenant, nx_id task, struct shown_list *l, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(db,
			    "SELECT id, span_id, parent_id, step_uid, name, start_us, end_us, error, attrs FROM spans "
			    "WHERE tenant_id = $1 AND task_uid = $2 ORDER BY start_us LIMIT $3",
			    NX_PARAMS(nx_v_int(tenant), nx_v_id(&task), nx_v_int(MAX_SPANS)), &rows, err);
	while (r == 0 && (r = nx_rows_next(rows, err)) == 1) {
		r = list_reserve(l, 1, err);
		if (r == 0)
			r = read_span(rows, l->a, &l->items[l->n++], err);
	}
	return r;
}

static struct shown show_waiting(const struct nx_record *r)
{
	const struct nx_error_info *info = r->error ? nx_error_info(r->error) : NULL;
	return (struct shown){.id = r->id,
			      .start_us = r->start_us,
			      .end_us = r->end_us,
			      .span = r->span,
			      .parent = r->parent,
			      .step = r->step,
			      .trace = r->trace,
			      .name = r->name,
			      .text = r->text,
			      .fields = r->fields,
			      .word = r->kind == NX_RECORD_LOG ? levels[r->level]
				      : info                   ? info->name
							       : NULL};
}

/* Of what waited when we looked, the part that had not been committed when the store was read. Keys are committed in
 * order, so it is what lies above the last that the store gave. */
static int add_waiting(struct shown_list *l, const struct nx_record *waiting, size_t n, int64_t after, size_t max,
		       struct nx_error **err)
{
	for (size_t i = 0; i < l->n; i++)
		after = nx_max(after, l->items[i].id);
	for (size_t i = 0; i < n && l->n < max; i++) {
		if (waiting[i].id <= after)
			continue;
		int r = list_reserve(l, 1, err);
		if (r < 0)
			return r;
		l->items[l->n++] = show_waiting(&waiting[i]);
	}
	return 0;
}

static int by_start(const void *x, const void *y)
{
	const struct shown *a = x, *b = y;
	if (a->start_us != b->start_us)
		return a->start_us < b->start_us ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static bool add_span_id(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, uint64_t span)
{
	char text[20];
	(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)span);
	return nx_json_add_strz(d, o, key, span ? text : NULL);
}

static bool add_span(yyjson_mut_doc *d, yyjson_mut_val *spans, const struct shown *s)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, spans);
	return add_span_id(d, o, "span_id", s->span) && add_span_id(d, o, "parent_id", s->parent) &&
	       nx_json_add_str(d, o, "name", s->name) && nx_json_add_id(d, o, "step_id", s->step) &&
	       nx_json_add_time(d, o, "start", s->start_us) && nx_json_add_time(d, o, "end", s->end_us) &&
	       yyjson_mut_obj_add_real(d, o, "duration_ms", (double)(s->end_us - s->start_us) / NX_USEC_PER_MSEC) &&
	       nx_json_add_strz(d, o, "error", s->word) && nx_json_add_raw(d, o, "attributes", s->fields);
}

static int write_trace(struct nx_arena *a, nx_id task, nx_id trace, const struct shown_list *l, nx_str *ret,
		       struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *root = d ? yyjson_mut_obj(d) : NULL, *spans = d ? yyjson_mut_arr(d) : NULL;
	const char *trace_hex = nx_hex(a, trace.b, sizeof(trace.b));
	bool ok = trace_hex && nx_json_add_id(d, root, "task_id", task) &&
		  nx_json_add_strz(d, root, "trace_id", trace_hex) && yyjson_mut_obj_add_val(d, root, "spans", spans);
	for (size_t i = 0; ok && i < l->n; i++)
		ok = add_span(d, spans, &l->items[i]);
	if (!ok)
		return nx_error_set(err, NX_ENOMEM, "no memory for a trace of %zu spans", l->n);
	return nx_json_write(a, root, false, ret, err);
}

int nx_monitoring_trace_json(struct nx_monitoring *m NX_UNUSED, struct nx_db *db, int64_t tenant, nx_id task,
			     struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	struct shown_list l = {.a = a};
	struct nx_record *waiting;
	size_t nwaiting;
	nx_id trace;
	int r = find_task(db, tenant, task, &trace, err);
	if (r == 0)
		r = nx_monitoring_waiting(NX_RECORD_SPAN, tenant, task, a, &waiting, &nwaiting, err);
	if (r == 0)
		r = read_spans(db, tenant, task, &l, err);
	if (r == 0)
		r = add_waiting(&l, waiting, nwaiting, 0, MAX_SPANS, err);
	if (r < 0)
		return r;
	if (l.n)
		qsort(l.items, l.n, sizeof(l.items[0]), by_start);
	return write_trace(a, task, trace, &l, ret, err);
}

/* ---- logs ---- */

static int read_line(struct nx_rows *rows, struct nx_arena *a, struct shown *s, struct nx_error **err)
{
	*s = (struct shown){.id = nx_rows_int(rows, 0),
			    .trace = nx_rows_id(rows, 1),
			    .start_us = nx_rows_int(rows, 2),
			    .word = nx_str_zdup(a, nx_rows_text(rows, 3)),
			    .name = nx_rows_textdup(rows, 4, a),
			    .text = nx_rows_textdup(rows, 5, a),
			    .fields = nx_rows_textdup(rows, 6, a)};
	if (!s->word)
		return nx_error_set(err, NX_ENOMEM, "no memory for a log");
	return check_texts(s, err);
}

static int read_lines(struct nx_db *db, int64_t tenant, nx_id task, int64_t after, size_t max, struct shown_list *l,
		      struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(db,
			    "SELECT id, trace_id, time_us, level, component, message, fields FROM logs "
			    "WHERE tenant_id = $1 AND task_uid = $2 AND id > $3 ORDER BY id LIMIT $4",
			    NX_PARAMS(nx_v_int(tenant), nx_v_id(&task), nx_v_int(after), nx_v_int((int64_t)max)), &rows,
			    err);
	while (r == 0 && (r = nx_rows_next(rows, err)) == 1) {
		r = list_reserve(l, 1, err);
		if (r == 0)
			r = read_line(rows, l->a, &l->items[l->n++], err);
	}
	return r;
}

static bool add_line(struct nx_arena *a, yyjson_mut_doc *d, yyjson_mut_val *lines, const struct shown *s)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, lines);
	const char *trace = nx_id_none(s->trace) ? NULL : nx_hex(a, s->trace.b, sizeof(s->trace.b));
	return nx_json_add_time(d, o, "time", s->start_us) && nx_json_add_strz(d, o, "level", s->word) &&
	       nx_json_add_str(d, o, "component", s->name) && nx_json_add_str(d, o, "message", s->text) &&
	       nx_json_add_strz(d, o, "trace_id", trace) && nx_json_add_raw(d, o, "fields", s->fields);
}

static int write_lines(struct nx_arena *a, const struct shown_list *l, size_t n, nx_str *ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *lines = d ? yyjson_mut_arr(d) : NULL;
	bool ok = lines != NULL;
	for (size_t i = 0; ok && i < n; i++)
		ok = add_line(a, d, lines, &l->items[i]);
	if (!ok)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu lines of a log", n);
	return nx_json_write(a, lines, false, ret, err);
}

int nx_monitoring_logs_json(struct nx_monitoring *m NX_UNUSED, struct nx_db *db, int64_t tenant, nx_id task,
			    int64_t after, size_t limit, struct nx_arena *a, nx_str *ret_items, int64_t *ret_next,
			    struct nx_error **err)
{
	struct shown_list l = {.a = a};
	struct nx_record *waiting;
	size_t nwaiting;
	nx_id trace;
	/* One more than asked for tells whether there is another page. */
	int r = find_task(db, tenant, task, &trace, err);
	if (r == 0)
		r = nx_monitoring_waiting(NX_RECORD_LOG, tenant, task, a, &waiting, &nwaiting, err);
	if (r == 0)
		r = read_lines(db, tenant, task, after, limit + 1, &l, err);
	if (r == 0)
		r = add_waiting(&l, waiting, nwaiting, after, limit + 1, err);
	if (r < 0)
		return r;
	size_t n = nx_min(l.n, limit);
	*ret_next = l.n > limit && n > 0 ? l.items[n - 1].id : 0;
	return write_lines(a, &l, n, ret_items, err);
}
