/*
 * Outgoing HTTP: libcurl multi on the net loop, the one thread that talks to the outside.
 *
 * Requests may be started from any thread; callbacks run on the net loop and post onwards. Exactly one `done` follows
 * every start, after a cancel too; `cancel` returns at once and never waits for a resolver (curl is used with its threaded
 * resolver, and a handle whose resolver is stuck is reaped in the background). Certificates are loaded once and shared.
 * Redirects are not followed unless asked, and each hop must pass `check`.
 */
#ifndef NX_BASE_HTTP_CLIENT_H
#define NX_BASE_HTTP_CLIENT_H

#include "base/loop.h"
#include "base/str.h"

struct nx_http_client;
struct nx_http_call;

struct nx_http_request {
	const char *method, *url;
	const char *const *headers; /* "Name: value", ended by NULL */
	nx_str body;
	int64_t connect_timeout_us; /* 0: 10 s */
	int64_t timeout_us;         /* total; 0: 120 s */
	int64_t idle_timeout_us;    /* no byte for so long; 0: none */
	size_t max_response_bytes;  /* 0: 64 MiB */
	unsigned max_redirects;     /* 0: none */
	/* All of these run on the net loop. on_data may be NULL: the body is then gathered and given to done. */
	void (*on_data)(nx_str bytes, void *ctx);
	void (*done)(int status, nx_str body, const char *retry_after, struct nx_error *err,
		     void *ctx); /* err is freed after */
	void *ctx;
};

int nx_http_client_new(struct nx_http_client **ret, struct nx_error **err); /* starts the net loop's thread */
void nx_http_client_free(struct nx_http_client *c);                         /* cancels what is under way */
struct nx_loop *nx_http_client_loop(struct nx_http_client *c);

/* Copies the request. The call is valid until `done` returns. */
int nx_http_start(struct nx_http_client *c, const struct nx_http_request *r, struct nx_http_call **ret,
		  struct nx_error **err);
/* Any thread, at any time between start and done; done comes with NX_ECANCELLED unless it was under way already. */
void nx_http_cancel(struct nx_http_client *c, uint64_t call_id);
uint64_t nx_http_call_id(const struct nx_http_call *call);

/* Server-sent events (WHATWG HTML 9.2): feed bytes, get events. Used by the model client and by tests. */
struct nx_sse_parser {
	struct nx_buf line, data, event, id;
	bool last_was_cr, started;
};
void nx_sse_feed(struct nx_sse_parser *p, nx_str bytes,
		 void (*on_event)(nx_str event, nx_str data, nx_str id, void *ctx), void *ctx);
void nx_sse_done(struct nx_sse_parser *p);

#endif
