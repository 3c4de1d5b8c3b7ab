/*
 * The two halves of the HTTP client: http_client.c keeps the calls and feeds curl's multi handle from the loop;
 * http_transfer.c configures one transfer and turns its outcome into an answer, an error or the next hop.
 */
#ifndef NX_BASE_HTTP_INTERNAL_H
#define NX_BASE_HTTP_INTERNAL_H

#include "base/curl.h"
#include "base/http_client.h"

#include <pthread.h>
#include <uv.h>

struct nx_http_client {
	struct nx_loop *loop;
	CURLM *multi;     /* net loop; NULL until the first request */
	uv_timer_t timer; /* curl's own deadline; net loop */
	struct nx_msg close_msg;
	const char *ca_file; /* NULL: curl's default */

	pthread_mutex_t lock; /* what follows */
	struct nx_http_call *calls;
	uint64_t last_id;
	bool closing;
};

struct nx_http_call {
	struct nx_msg start_msg, cancel_msg;
	struct nx_http_client *client;
	uint64_t id;
	struct nx_http_call *next, **prev; /* client->lock */
	bool cancel_posted;                /* client->lock */

	/* The request: set before the start, then the net loop's. url, method and body change from hop to hop. */
	struct nx_arena *arena;
	struct nx_http_request request;
	const char **request_headers; /* request.headers is this */
	const char
		*origin; /* "https://host:port" of url, or the socket: what errors name, for paths may hold secrets */
	int64_t deadline_us;
	unsigned hops;

	/* One transfer. Net loop. */
	CURL *easy;
	struct curl_slist *headers;
	char curl_error[CURL_ERROR_SIZE];
	struct nx_timer idle;
	int64_t last_byte_us;
	curl_off_t progress;
	struct nx_buf body;
	size_t received;
	bool is_added; /* to the multi handle */
	bool finished; /* done has been called: only the cancel message still holds the call */
	bool too_big, no_memory;
};

enum { NX_HTTP_FINISHED, NX_HTTP_NEXT_HOP };

/* "https://host:port" of an http or https URL, in the arena. NX_EINVAL says what is wrong with it. */
int nx_http_origin(struct nx_arena *a, const char *url, const char **ret, struct nx_error **err);
/* Is the method a token and each header one line with a name? */
int nx_http_check_request(const struct nx_http_request *r, struct nx_error **err);
/* Makes call->easy ready for call->request. */
int nx_http_transfer_init(struct nx_http_call *call, struct nx_error **err);
/* Keeps the easy handle for the next hop. */
void nx_http_transfer_reset(struct nx_http_call *call);
/* What became of a transfer: NX_HTTP_FINISHED with *ret_status, NX_HTTP_NEXT_HOP (call->request is changed), or a code. */
int nx_http_transfer_result(struct nx_http_call *call, CURLcode code, int *ret_status, struct nx_error **err);

#endif
