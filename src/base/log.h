/*
 * Structured logs: a level, a component, a sentence and typed fields.
 *
 * On a terminal a line for people; elsewhere one JSON object a line (time, level, component, message, trace_id, fields).
 * A second sink, set by monitoring, keeps what belongs to a task, whatever the level of what is printed. Lines are built in a thread-local buffer and written by
 * one write(2), so that threads do not mix theirs. Logging never fails and never allocates on the way of an error.
 */
#ifndef NX_BASE_LOG_H
#define NX_BASE_LOG_H

#include "base/id.h"
#include "base/str.h"

enum nx_log_level { NX_LOG_DEBUG, NX_LOG_INFO, NX_LOG_WARN, NX_LOG_ERROR };
enum nx_log_format { NX_LOG_AUTO, NX_LOG_TEXT, NX_LOG_JSON };

struct nx_log_field {
	const char *key; /* NULL ends the list */
	enum { NX_LF_STR, NX_LF_INT, NX_LF_NUM, NX_LF_BOOL, NX_LF_ID, NX_LF_ERR } type;
	union {
		nx_str s;
		int64_t i;
		double d;
		bool b;
		nx_id id;
		const struct nx_error *e;
	};
};
#define NX_LSTR(k, v) ((struct nx_log_field){.key = (k), .type = NX_LF_STR, .s = (v)})
#define NX_LSTRZ(k, v) ((struct nx_log_field){.key = (k), .type = NX_LF_STR, .s = nx_str_z(v)})
#define NX_LINT(k, v) ((struct nx_log_field){.key = (k), .type = NX_LF_INT, .i = (int64_t)(v)})
#define NX_LNUM(k, v) ((struct nx_log_field){.key = (k), .type = NX_LF_NUM, .d = (v)})
#define NX_LBOOL(k, v) ((struct nx_log_field){.key = (k), .type = NX_LF_BOOL, .b = (v)})
#define NX_LID(k, v) ((struct nx_log_field){.key = (k), .type = NX_LF_ID, .id = (v)})
#define NX_LERR(v) ((struct nx_log_field){.key = "error", .type = NX_LF_ERR, .e = (v)})

void nx_log_write(enum nx_log_level level, const char *component, const char *message,
		  const struct nx_log_field *fields); /* ended by key NULL */

/* nx_log_info("api", "listening", NX_LSTRZ("address", a), NX_LINT("port", 8600)); */
#define nx_log_(level, component, message, ...)                                                               \
	do {                                                                                                  \
		if (nx_log_enabled(level))                                                                    \
			nx_log_write((level), (component), (message),                                         \
				     (const struct nx_log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}}); \
	} while (0)
#define nx_log_debug(...) nx_log_(NX_LOG_DEBUG, __VA_ARGS__)
#define nx_log_info(...) nx_log_(NX_LOG_INFO, __VA_ARGS__)
#define nx_log_warn(...) nx_log_(NX_LOG_WARN, __VA_ARGS__)
#define nx_log_error(...) nx_log_(NX_LOG_ERROR, __VA_ARGS__)

bool nx_log_enabled(enum nx_log_level level); /* printed, or kept for the task in hand */
void nx_log_setup(enum nx_log_level level, enum nx_log_format format, int fd);
int nx_log_level_parse(const char *s, enum nx_log_level *ret, struct nx_error **err);

/* What the lines of this thread belong to, until it is set again: the task and trace of the work in hand. */
struct nx_log_scope {
	int64_t tenant;
	nx_id task;
	nx_id trace;
};
struct nx_log_scope nx_log_scope_set(struct nx_log_scope s); /* returns the one before */
struct nx_log_scope nx_log_scope_get(void);

struct nx_log_record {
	int64_t time_us;
	enum nx_log_level level;
	const char *component, *message;
	struct nx_log_scope scope;
	nx_str fields_json; /* an object */
};
/* Called on the logging thread; must not log. NULL removes it. Set before threads start. */
void nx_log_sink_set(void (*sink)(const struct nx_log_record *r, void *ctx), void *ctx);

#endif
