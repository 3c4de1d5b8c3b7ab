/*
 * The OpenAI-compatible endpoint: what chat and embeddings share.
 *
 * An exchange is one request of a caller, with all its attempts: it asks the breaker, sends, reads, decides whether to try
 * again and when, and ends once. What is particular (how the body is made, what an answer means) is its kind's table.
 *
 *   waiting ──breaker, nx_http_start──▶ in flight ──done──▶ answer taken ──more──▶ in flight
 *      ▲                                    │                    └─────────────▶ ended
 *      └──────── timer, after a failure ────┴── no attempts or time left ──────▶ ended
 *
 * Owner: the net loop, but for nx_openai_exchange_start, which may be called anywhere and posts there.
 */
#ifndef NX_MODEL_OPENAI_INTERNAL_H
#define NX_MODEL_OPENAI_INTERNAL_H

#include "model/model_internal.h"
#include "model/retry_internal.h"

#include <uv.h>

struct nx_openai {
	const struct nx_config *config;
	struct nx_http_client *net;
	struct nx_loop *loop;
	char *chat_url, *embed_url;
	char *authorization; /* the header; NULL without a key */
	struct nx_breaker breaker;
	struct nx_exchange *exchanges; /* doubly linked */
	bool is_closing;
	uv_sem_t closed; /* posted when closing and nothing is left */
	/* Learned from refusals: members that this endpoint does not know. */
	bool lacks_stream_options, wants_completion_tokens;

	uv_mutex_t mutex; /* the failure that is shown to others */
	char failure[256];
};

struct nx_exchange;
struct nx_exchange_kind {
	/* The request's body, malloc'ed; again for each attempt. */
	int (*build)(struct nx_exchange *x, struct nx_buf *ret, struct nx_error **err);
	/* Bytes of a 2xx answer; NULL: they are gathered for `take`. */
	void (*on_data)(nx_str bytes, void *exchange);
	/* A 2xx answer has ended. *ret_more: another request follows. */
	int (*take)(struct nx_exchange *x, nx_str body, bool *ret_more, struct nx_error **err);
	/* Takes err; frees the exchange. */
	void (*end)(struct nx_exchange *x, struct nx_error *err);
};

struct nx_exchange {
	const struct nx_exchange_kind *kind;
	struct nx_openai *openai;
	const char *url;
	nx_str model;
	uint64_t id;        /* for cancel; 0: none */
	int64_t timeout_us; /* all attempts together */
	bool is_shown;      /* a part of the answer has reached the caller: it cannot be taken back */

	/* private to openai.c */
	struct nx_exchange *prev, *next;
	struct nx_msg msg;
	struct nx_timer timer;
	int64_t deadline_us;
	unsigned attempts; /* that were sent for the request in hand */
	bool is_sent, is_cancelled;
	uint64_t http_id;
};

void nx_openai_exchange_start(struct nx_exchange *x);

/* openai_error.c: what a status other than 2xx means. Sets *err, returns its code; *ret_retry: it may pass by itself. */
int nx_openai_status_error(const struct nx_openai *o, const struct nx_exchange *x, int status, nx_str body,
			   bool *ret_retry, struct nx_error **err);
/* Learns from a 400 which member the endpoint does not take. True: the request, built again, may succeed. */
bool nx_openai_adapt(struct nx_openai *o, int status, nx_str body);

#endif
