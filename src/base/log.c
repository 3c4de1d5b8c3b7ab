#include "base/log.h"

#include "base/assert.h"
#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>

#define FIELDS_MAX_BYTES 4096
#define VALUE_MAX_BYTES 2048 /* of one string as it is written; what is longer is cut, with an ellipsis */
/* The fields, the component, the message, and less than 1 KiB for all that has a fixed form: a line always fits. */
#define LINE_MAX_BYTES (FIELDS_MAX_BYTES + 2 * VALUE_MAX_BYTES + 1024)

static _Atomic int the_level = NX_LOG_INFO;
static _Atomic bool the_json;
static _Atomic bool the_colours;
static _Atomic int the_fd = STDERR_FILENO;

/* Set before threads start, as log.h says: read without further care. */
static void (*the_sink)(const struct nx_log_record *r, void *ctx);
static void *the_sink_ctx;

static _Thread_local struct nx_log_scope scope;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static bool is_printed(enum nx_log_level level)
{
	return (int)level >= atomic_load_explicit(&the_level, memory_order_relaxed);
}

static bool is_kept(void)
{
	return the_sink != NULL && !nx_id_none(scope.task);
}

bool nx_log_enabled(enum nx_log_level level)
{
	return is_printed(level) || is_kept();
}

void nx_log_setup(enum nx_log_level level, enum nx_log_format format, int fd)
{
	bool terminal = isatty(fd) == 1;
	const char *no_colour = getenv("NO_COLOR");
	atomic_store(&the_level, (int)level);
	atomic_store(&the_json, format == NX_LOG_JSON || (format == NX_LOG_AUTO && !terminal));
	atomic_store(&the_colours, terminal && (no_colour == NULL || *no_colour == '\0'));
	atomic_store(&the_fd, fd);
}

int nx_log_level_parse(const char *s, enum nx_log_level *ret, struct nx_error **err)
{
	for (size_t i = 0; i < nx_countof(level_names); i++) {
		if (nx_str_ieq_ascii(nx_str_z(s), nx_str_z(level_names[i]))) {
			*ret = (enum nx_log_level)i;
			return 0;
		}
	}
	return nx_error_set(err, NX_EINVAL, "\"%s\" is no log level: it is debug, info, warn or error", s);
}

struct nx_log_scope nx_log_scope_set(struct nx_log_scope s)
{
	struct nx_log_scope before = scope;
	scope = s;
	return before;
}

struct nx_log_scope nx_log_scope_get(void)
{
	return scope;
}

void nx_log_sink_set(void (*sink)(const struct nx_log_record *r, void *ctx), void *ctx)
{
	the_sink = sink;
	the_sink_ctx = ctx;
}

/* Text in fixed memory: what does not fit sets `full`, and the writer goes back to where it still fitted. */
struct out {
	char *p;
	size_t n, cap;
	bool full;
};

static void put(struct out *o, const char *p, size_t n)
{
	if (o->full || n > o->cap - o->n) {
		o->full = true;
		return;
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void putz(struct out *o, const char *z)
{
	put(o, z, strlen(z));
}

NX_PRINTF(2, 3) static void putf(struct out *o, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(o->p + o->n, o->cap - o->n, fmt, ap);
	va_end(ap);
	if (o->full || n < 0 || (size_t)n >= o->cap - o->n)
		o->full = true;
	else
		o->n += (size_t)n;
}

static void put_escaped_byte(struct out *o, unsigned char c)
{
	switch (c) {
	case '"': putz(o, "\\\""); break;
	case '\\': putz(o, "\\\\"); break;
	case '\n': putz(o, "\\n"); break;
	case '\r': putz(o, "\\r"); break;
	case '\t': putz(o, "\\t"); break;
	default:
		if (c < 0x20 || c == 0x7F)
			putf(o, "\\u%04x", c);
		else
			put(o, (const char *)&c, 1);
	}
}

/* The inside of a JSON string. Bytes that are not UTF-8 become U+FFFD: logs must be readable whatever is logged. */
static void put_escaped(struct out *o, nx_str s)
{
	size_t end = o->n + VALUE_MAX_BYTES - 16; /* one escape more, and the ellipsis, fit */
	ptrdiff_t bad = nx_utf8_invalid_at(s);
	for (size_t i = 0, next; i < s.n; i = next) {
		next = i + 1;
		if (bad >= 0 && i == (size_t)bad) {
			putz(o, "\xEF\xBF\xBD");
			bad = nx_utf8_invalid_at(nx_str_slice(s, next, s.n));
			bad += bad >= 0 ? (ptrdiff_t)next : 0;
		} else if ((unsigned char)s.p[i] < 0x80) {
			put_escaped_byte(o, (unsigned char)s.p[i]);
		} else {
			next = i;
			(void)nx_utf8_next(s, &next);
			put(o, s.p + i, next - i);
		}
		if (o->n > end) {
			putz(o, next < s.n ? "…" : "");
			return;
		}
	}
}

static void put_string(struct out *o, nx_str s)
{
	putz(o, "\"");
	put_escaped(o, s);
	putz(o, "\"");
}

static void put_id(struct out *o, nx_id id)
{
	char text[NX_ID_TEXT];
	nx_id_format(id, text);
	putz(o, text);
}

/* A trace id as W3C Trace Context writes it: 32 hexadecimal digits. */
static void put_trace(struct out *o, nx_id id)
{
	for (size_t i = 0; i < sizeof(id.b); i++)
		putf(o, "%02x", id.b[i]);
}

static const char *error_name(const struct nx_error *e)
{
	const struct nx_error_info *info = nx_error_info(nx_error_code(e));
	return info == NULL ? "" : info->name;
}

static void put_number(struct out *o, double d)
{
	if (isfinite(d))
		putf(o, "%.15g", d);
	else
		putz(o, "null");
}

static void put_json_value(struct out *o, const struct nx_log_field *f)
{
	switch (f->type) {
	case NX_LF_STR: put_string(o, f->s); break;
	case NX_LF_INT: putf(o, "%lld", (long long)f->i); break;
	case NX_LF_NUM: put_number(o, f->d); break;
	case NX_LF_BOOL: putz(o, f->b ? "true" : "false"); break;
	case NX_LF_ID:
		putz(o, "\"");
		put_id(o, f->id);
		putz(o, "\"");
		break;
	case NX_LF_ERR:
		putf(o, "{\"code\":\"%s\",\"message\":", error_name(f->e));
		put_string(o, nx_str_z(nx_error_message(f->e)));
		putz(o, "}");
		break;
	}
}

static void put_json_fields(struct out *o, const struct nx_log_field *fields)
{
	/* Room is kept for the brace, so that what was cut is an object still. */
	o->cap -= 1;
	putz(o, "{");
	for (const struct nx_log_field *f = fields; f->key != NULL; f++) {
		size_t before = o->n;
		if (f != fields && o->n > 1)
			putz(o, ",");
		put_string(o, nx_str_z(f->key));
		putz(o, ":");
		put_json_value(o, f);
		if (o->full) {
			o->n = before;
			o->full = false;
		}
	}
	o->cap += 1;
	putz(o, "}");
}

static void put_json_line(struct out *o, const struct nx_log_record *r)
{
	char time[NX_TIME_TEXT];
	nx_time_format(r->time_us, time);
	putf(o, "{\"time\":\"%s\",\"level\":\"%s\",\"component\":", time, level_names[r->level]);
	put_string(o, nx_str_z(r->component));
	putz(o, ",\"message\":");
	put_string(o, nx_str_z(r->message));
	if (r->scope.tenant != 0)
		putf(o, ",\"tenant\":%lld", (long long)r->scope.tenant);
	if (!nx_id_none(r->scope.task)) {
		putz(o, ",\"task_id\":\"");
		put_id(o, r->scope.task);
		putz(o, "\"");
	}
	if (!nx_id_none(r->scope.trace)) {
		putz(o, ",\"trace_id\":\"");
		put_trace(o, r->scope.trace);
		putz(o, "\"");
	}
	if (r->fields_json.n > 2) {
		putz(o, ",\"fields\":");
		put(o, r->fields_json.p, r->fields_json.n);
	}
	putz(o, "}");
	nx_debug_assert(!o->full);
}

static bool is_plain(nx_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F)
			return false;
	}
	return s.n > 0 && nx_utf8_valid(s);
}

static void put_text_value(struct out *o, const struct nx_log_field *f)
{
	switch (f->type) {
	case NX_LF_STR:
		if (is_plain(f->s) && f->s.n <= VALUE_MAX_BYTES)
			put(o, f->s.p, f->s.n);
		else
			put_string(o, f->s);
		break;
	case NX_LF_ERR:
		put_string(o, nx_str_z(nx_error_message(f->e)));
		putf(o, " (%s)", error_name(f->e));
		break;
	case NX_LF_ID: put_id(o, f->id); break;
	default: put_json_value(o, f);
	}
}

static void put_text_line(struct out *o, const struct nx_log_record *r, const struct nx_log_field *fields)
{
	static const char *const colours[] = {"\033[2m", "\033[32m", "\033[33m", "\033[31m"};
	bool colours_on = atomic_load_explicit(&the_colours, memory_order_relaxed);
	char time[NX_TIME_TEXT];
	nx_time_format(r->time_us, time);
	putf(o, "%.12s %s%-5s%s %s: ", time + 11, colours_on ? colours[r->level] : "", level_names[r->level],
	     colours_on ? "\033[0m" : "", r->component);
	put_escaped(o, nx_str_z(r->message));
	for (const struct nx_log_field *f = fields; f->key != NULL; f++) {
		size_t before = o->n;
		putf(o, " %s%s=%s", colours_on ? "\033[2m" : "", f->key, colours_on ? "\033[0m" : "");
		put_text_value(o, f);
		if (o->full) {
			o->n = before;
			o->full = false;
		}
	}
}

/* One write a line. A log that cannot be written is lost: there is nobody to tell. */
static void emit(const char *p, size_t n)
{
	ssize_t rc;
	do {
		rc = write(atomic_load_explicit(&the_fd, memory_order_relaxed), p, n);
	} while (rc < 0 && errno == EINTR);
}

static void print(const struct nx_log_record *r, const struct nx_log_field *fields)
{
	char line[LINE_MAX_BYTES];
	struct out o = {.p = line, .cap = sizeof(line) - 1}; /* the line feed */
	if (atomic_load_explicit(&the_json, memory_order_relaxed))
		put_json_line(&o, r);
	else
		put_text_line(&o, r, fields);
	line[o.n++] = '\n';
	emit(line, o.n);
}

void nx_log_write(enum nx_log_level level, const char *component, const char *message,
		  const struct nx_log_field *fields)
{
	char json[FIELDS_MAX_BYTES];
	int saved_errno = errno;
	struct out fields_out = {.p = json, .cap = sizeof(json)};
	put_json_fields(&fields_out, fields);

	struct nx_log_record r = {.time_us = nx_time_wall_us(),
				  .level = level,
				  .component = component,
				  .message = message,
				  .scope = scope,
				  .fields_json = nx_str_n(json, fields_out.n)};
	if (is_printed(level))
		print(&r, fields);
	if (is_kept())
		the_sink(&r, the_sink_ctx);
	errno = saved_errno;
}
