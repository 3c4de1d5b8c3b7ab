/*
 * Idempotency-Key: a write that is repeated is done once.
 *
 * The scope is tenant, method, path and key. The row that remembers it is written by a transaction hook in the very
 * transaction of the effect, with the answer or with the object that the answer is read from again. A key that is at work
 * in this process is refused with 409 meanwhile; the same key with another body is refused with 422; a replay carries
 * `Idempotent-Replayed: true`. Rows older than api.idempotency_ttl count no more and are removed as new ones come.
 *
 * A request that fails leaves no row: it may be repeated with the same key.
 */
#ifndef NX_API_IDEMPOTENCY_INTERNAL_H
#define NX_API_IDEMPOTENCY_INTERNAL_H

#include "store/store.h"

struct nx_request;
struct nx_idempotency;
struct nx_idempotency_table;

int nx_idempotency_table_new(struct nx_idempotency_table **ret, struct nx_error **err);
void nx_idempotency_table_free(struct nx_idempotency_table *t);

/* 1 to 255 visible ASCII characters. */
int nx_idempotency_check_key(nx_str key, struct nx_error **err);
/* On a worker, before the effect. True: go on, with r->hook set. False: it was replied to. */
bool nx_idempotency_begin(struct nx_request *r);
/*
 * The reply of a write whose effect is not in the store, files for example, and changes nothing when it is done again: the
 * row is committed after the effect, then the answer is sent. json null: no body. Any thread; without a key it only replies.
 */
void nx_idempotency_reply(struct nx_request *r, int status, nx_str json);
/* With the reply, before it is sent. */
void nx_idempotency_end(struct nx_idempotency *i);

#endif
