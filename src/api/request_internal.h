/*
 * A request, from the first byte of its target to the last of its answer.
 *
 * It is made by an HTTP thread, which reads, authorises and decodes it, and is then handed to whoever answers it: a
 * worker, or a callback of core or a module. Exactly one reply is given, from any thread, and after it the replier touches
 * the request no more. While nobody but a module works on it, its connection is suspended.
 *
 *   OPEN ──reply──▶ REPLIED      the connection is resumed and the answer sent
 *     └────gone───▶ GONE         the client went away: the connection is resumed to be closed, on_gone is called once,
 *                                and the reply, which still comes, is dropped
 *
 * References: one is the connection's, one the work's (taken when it starts, given back by the reply), one the watch's.
 * The arena belongs to whoever works on the request and lives until the last reference goes.
 */
#ifndef NX_API_REQUEST_INTERNAL_H
#define NX_API_REQUEST_INTERNAL_H

#include "api/auth_internal.h"
#include "api/route_internal.h"
#include "base/loop.h"
#include "base/trace.h"

#include <pthread.h>
#include <stdatomic.h>

struct nx_api;
struct nx_stream;
struct nx_idempotency;
struct MHD_Connection;

/* The headers that are read, each at most once; p NULL: absent. Copies, in the arena. */
struct nx_headers {
	nx_str accept, authorization, content_encoding, content_length, content_type, cors_headers, cors_method, host,
		idempotency_key, if_none_match, last_event_id, origin, fetch_site, traceparent, transfer_encoding;
};

struct nx_reply {
	int status;
	const char *mime; /* NULL: no body */
	nx_str body;      /* in the request's arena, or static */
	struct nx_stream *stream;
	struct {
		const char *name, *value;
	} headers[8];
	size_t nheaders;
};

enum nx_request_state { NX_REQUEST_OPEN, NX_REQUEST_REPLIED, NX_REQUEST_GONE };
enum nx_request_phase { NX_PHASE_HEADERS, NX_PHASE_BODY, NX_PHASE_WORK };

struct nx_request {
	/* what handlers read */
	struct nx_api *api;
	struct nx_arena *arena;
	const struct nx_route *route;
	nx_str params[NX_ROUTE_PARAMS_MAX]; /* decoded */
	void *args;                         /* the body, decoded by the route's schema; NULL when it has none */
	void *query;                        /* likewise */
	yyjson_val *body;
	nx_str raw; /* the body as it came */
	struct nx_headers headers;
	struct nx_identity who;
	struct nx_trace_ctx trace;
	void *ctx;               /* the handler's own, set before it hands the request on */
	nx_str problem_places;   /* JSON with "errors": every place that is wrong, where a module tells more than one */
	struct nx_tx_hook *hook; /* for what writes; NULL without an Idempotency-Key */

	/* life */
	_Atomic int refs;
	_Atomic int state; /* enum nx_request_state; release on change, acquire on read: the reply is read after it */
	enum nx_request_phase phase; /* the HTTP thread's */
	struct nx_reply reply;
	pthread_mutex_t lock; /* over on_gone */
	void (*on_gone)(struct nx_request *r);
	struct nx_job job;
	void (*work)(struct nx_request *r);

	/* the HTTP thread's */
	struct MHD_Connection *conn;
	bool suspended; /* written before the work starts */
	bool head, keyless_ok, cors;
	nx_str method, target, path, query_text;
	struct nx_buf gathered;
	size_t drained, reserved;
	uint64_t watch; /* handle; 0: not watched */
	struct nx_idempotency *idem;
	struct nx_span span;
	int64_t started_us;
};

/* NULL when out of memory. One reference, the connection's. */
struct nx_request *nx_request_new(struct nx_api *api, const char *target);
void nx_request_ref(struct nx_request *r);
void nx_request_unref(struct nx_request *r);

/*
 * Exactly one of these is called for each request. `json` and `bytes` are in the request's arena or static. err is taken.
 */
void nx_request_reply_json(struct nx_request *r, int status, nx_str json);
/* NULL: memory ran out while it was made. */
void nx_request_reply_value(struct nx_request *r, int status, const yyjson_mut_val *v);
void nx_request_reply_bytes(struct nx_request *r, int status, const char *mime, nx_str bytes);
void nx_request_reply_empty(struct nx_request *r, int status);
void nx_request_reply_error(struct nx_request *r, struct nx_error *err);
/* With a status that is not the code's (405, 431 …). */
void nx_request_reply_status(struct nx_request *r, int status, struct nx_error *err);
/* Takes a reference to the stream. */
void nx_request_reply_stream(struct nx_request *r, struct nx_stream *s);

/* A further header of the reply, before it. Literals, or in the arena. */
void nx_request_header(struct nx_request *r, const char *name, const char *value);

/* Called once when the client goes away before the reply, at once when it has already; on the watch's thread, and must be
 * short. NULL takes it back. */
void nx_request_on_gone(struct nx_request *r, void (*fn)(struct nx_request *r));
bool nx_request_is_gone(struct nx_request *r);
/* The watch: the client has gone. */
void nx_request_gone(struct nx_request *r);

/* Runs `fn` on a worker. */
void nx_request_work(struct nx_request *r, void (*fn)(struct nx_request *r), bool is_long);

/* ---- the HTTP thread ---- */
/* Match, guard, authorise: what can be told from the headers. What is wrong becomes the reply. */
void nx_request_begin(struct nx_request *r);
/* The body is here. True when the reply is ready, too: then nothing is suspended. */
bool nx_request_prepare(struct nx_request *r);
/* Starts the work; the connection is suspended by now. */
void nx_request_run(struct nx_request *r);

/* ---- for handlers ---- */
/* The i-th parameter as an id; false after a 404 was replied, because what is no id names nothing. */
bool nx_request_id(struct nx_request *r, size_t i, const char *what, nx_id *ret);
/* limit and cursor of a list. False after an error was replied. */
bool nx_request_page(struct nx_request *r, bool has_limit, int64_t limit, nx_str cursor, size_t *ret_limit,
		     int64_t *ret_after);
/* {"items":…,"next_cursor":…} */
void nx_request_reply_page(struct nx_request *r, nx_str items, int64_t next);
/* The user a request speaks for: the key's when it is bound, else `named`. False after a 403 was replied, when the key is
 * bound to another. */
bool nx_request_user(struct nx_request *r, nx_str named, nx_str *ret);
static inline nx_str nx_request_bound_user(const struct nx_request *r)
{
	return nx_str_z(r->who.user);
}

#endif
