/*
 * Outgoing HTTP: libcurl multi on the net loop, the one thread that talks to the outside.
 *
 * Requests may be started from any thread; callbacks run on the net loop and post onwards. Exactly one `done` follows
 * every start that returned 0, after a cancel too. `cancel` returns at once and never waits for a resolver: curl resolves
 * on threads of its own, and one that is stuck is left behind to end by itself. Certificates are loaded once and shared.
 *
 * Redirects are not followed unless asked; each hop must pass `check`, and headers that may carry a secret do not follow
 * to another origin. Only http and https. The proxy variables of the environment are honoured as curl does.
 */
#ifndef NX_BASE_HTTP_CLIENT_H
#define NX_BASE_HTTP_CLIENT_H

#include "base/loop.h"
#include "base/str.h"

struct nx_http_client;

struct nx_http_request {
	const char *method, *url;
	const char *unix_socket;    /* path of a socket to connect to, whatever host the URL names; NULL: none */
	const char *const *headers; /* "Name: value", ended by NULL; may be NULL */
	nx_str body;                /* p NULL: none */
	int64_t connect_timeout_us; /* 0: 10 s */
	int64_t timeout_us;         /* total, redirects included; 0: 120 s */
	int64_t idle_timeout_us;    /* no byte in either direction for so long; 0: none */
	size_t max_response_bytes;  /* 0: 64 MiB */
	unsigned max_redirects;     /* 0: none */
	/* All of these run on the net loop. */
	/* May the call go on to this redirect? 0, or a code with *err set, which becomes the error of the call. NULL: it may,
	 * but never from https to http. */
	int (*check)(const char *url, void *ctx, struct nx_error **err);
	/* The body of a 2xx answer as it arrives. NULL: it is gathered and given to done, as that of any other status is. */
	void (*on_data)(nx_str bytes, void *ctx);
	/* err NULL: an answer came, whatever its status. retry_after: that header's text, or NULL. All are freed after. */
	void (*done)(int status, nx_str body, const char *retry_after, struct nx_error *err, void *ctx);
	void *ctx;
};

int nx_http_client_new(struct nx_http_client **ret, struct nx_error **err); /* starts the net loop's thread */
/* Cancels what is under way, with its done, and ends the thread. Not on the net loop; nobody may start any more. Accepts
 * NULL. */
void nx_http_client_free(struct nx_http_client *c);
struct nx_loop *nx_http_client_loop(struct nx_http_client *c);

/* Copies the request. *ret_id (may be NULL) is set before anything can call back. NX_EINVAL, NX_ENOMEM. */
int nx_http_start(struct nx_http_client *c, const struct nx_http_request *r, uint64_t *ret_id, struct nx_error **err);
/* Any thread, any time, with the id of any call: nothing happens when its done has come. Else it comes, with
 * NX_ECANCELLED unless the call ended by itself first. */
void nx_http_cancel(struct nx_http_client *c, uint64_t id);

/*
 * Server-sent events (WHATWG HTML 9.2): feed bytes, get events. Bytes are passed on as they are: what must be UTF-8 is
 * checked by who decodes it. `retry` is ignored, because reconnecting is the caller's. An event or line over 8 MiB, or
 * memory that runs out, sets `failed`; the parser then takes nothing more. Start from zeros.
 */
#define NX_SSE_MAX_EVENT (8 << 20)
struct nx_sse_parser {
	struct nx_buf line, data, event, id;
	bool last_was_cr, started, failed;
};
/* on_event's strings are valid during the call. `event` is "message" when the stream names none. */
void nx_sse_feed(struct nx_sse_parser *p, nx_str bytes,
		 void (*on_event)(nx_str event, nx_str data, nx_str id, void *ctx), void *ctx);
void nx_sse_done(struct nx_sse_parser *p);

#endif
