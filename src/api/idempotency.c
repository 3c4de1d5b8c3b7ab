#include "api/idempotency_internal.h"

#include "api/api_internal.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

#include <stdio.h>

enum { BUCKETS = 256, HASH = 32, REMOVE_AT_ONCE = 16 };

struct nx_idempotency {
	struct nx_tx_hook hook;
	struct nx_idempotency_table *table;
	struct nx_idempotency *next; /* in its bucket, while at work */
	int64_t tenant;
	nx_str method, path, key;
	unsigned char hash[HASH];
	int status; /* of the answer when the effect is done */
	int64_t ttl_us;
};

struct nx_idempotency_table {
	pthread_mutex_t lock;
	struct nx_idempotency *buckets[BUCKETS]; /* keys at work */
	char boot[NX_ID_TEXT];                   /* which run of the server wrote a row */
};

int nx_idempotency_table_new(struct nx_idempotency_table **ret, struct nx_error **err)
{
	struct nx_idempotency_table *t = calloc(1, sizeof(*t));
	if (!t)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the idempotency keys");
	(void)pthread_mutex_init(&t->lock, NULL);
	nx_id_format(nx_id_new(), t->boot);
	*ret = t;
	return 0;
}

void nx_idempotency_table_free(struct nx_idempotency_table *t)
{
	if (!t)
		return;
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

int nx_idempotency_check_key(nx_str key, struct nx_error **err)
{
	bool ok = key.n >= 1 && key.n <= 255;
	for (size_t i = 0; ok && i < key.n; i++)
		ok = key.p[i] > ' ' && key.p[i] < 0x7f;
	return ok ? 0 : nx_error_set(err, NX_EINVAL, "Idempotency-Key must be 1 to 255 visible ASCII characters");
}

/* ---- keys at work ---- */

static struct nx_idempotency **bucket_of(const struct nx_idempotency *i)
{
	uint64_t h = nx_str_hash(i->key) ^ nx_str_hash(i->path) ^ (uint64_t)i->tenant;
	return &i->table->buckets[h % BUCKETS];
}

static bool same(const struct nx_idempotency *a, const struct nx_idempotency *b)
{
	return a->tenant == b->tenant && nx_str_eq(a->key, b->key) && nx_str_eq(a->path, b->path) &&
	       nx_str_eq(a->method, b->method);
}

static bool begin_work(struct nx_idempotency *i)
{
	(void)pthread_mutex_lock(&i->table->lock);
	struct nx_idempotency **head = bucket_of(i), *other = *head;
	while (other && !same(other, i))
		other = other->next;
	if (!other) {
		i->next = *head;
		*head = i;
	}
	(void)pthread_mutex_unlock(&i->table->lock);
	return !other;
}

void nx_idempotency_end(struct nx_idempotency *i)
{
	(void)pthread_mutex_lock(&i->table->lock);
	struct nx_idempotency **at = bucket_of(i);
	while (*at && *at != i)
		at = &(*at)->next;
	if (*at)
		*at = i->next;
	(void)pthread_mutex_unlock(&i->table->lock);
}

/* ---- the row ---- */

static int remove_old(struct nx_db *db, int64_t before, struct nx_error **err)
{
	return nx_db_exec(db,
			  "DELETE FROM idempotency_keys WHERE (tenant_id, method, path, key) IN "
			  "(SELECT tenant_id, method, path, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2)",
			  NX_PARAMS(nx_v_int(before), nx_v_int(REMOVE_AT_ONCE)), err);
}

static int run_hook(struct nx_tx_hook *h, struct nx_db *db, nx_id object, nx_str answer, struct nx_error **err)
{
	struct nx_idempotency *i = nx_container_of(h, struct nx_idempotency, hook);
	int64_t now = nx_time_wall_us();
	int rc = remove_old(db, now - i->ttl_us, err);
	if (rc)
		return rc;
	rc = nx_db_exec(
		db,
		"INSERT INTO idempotency_keys(tenant_id, method, path, key, body_hash, object, status, answer, boot, "
		"created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
		"ON CONFLICT(tenant_id, method, path, key) DO UPDATE SET body_hash = $5, object = $6, status = $7, "
		"answer = $8, boot = $9, created_at = $10 WHERE created_at < $11",
		NX_PARAMS(nx_v_int(i->tenant), nx_v_text(i->method), nx_v_text(i->path), nx_v_text(i->key),
			  nx_v_blob(nx_str_n((const char *)i->hash, HASH)), nx_v_id(&object), nx_v_int(i->status),
			  nx_v_text(answer), nx_v_textz(i->table->boot), nx_v_int(now), nx_v_int(now - i->ttl_us)),
		err);
	if (rc)
		return rc;
	return nx_db_changes(db) == 1 ? 0 : nx_error_set(err, NX_ECONFLICT, "this Idempotency-Key was used meanwhile");
}

struct stored {
	bool found, same_body;
	nx_id object;
	int status;
	nx_str answer;
};

static int read_stored(const struct nx_idempotency *i, struct nx_db *db, struct nx_arena *a, struct stored *ret,
		       struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	*ret = (struct stored){0};
	int rc = nx_db_query(db,
			     "SELECT body_hash, object, status, answer FROM idempotency_keys "
			     "WHERE tenant_id = $1 AND method = $2 AND path = $3 AND key = $4 AND created_at >= $5",
			     NX_PARAMS(nx_v_int(i->tenant), nx_v_text(i->method), nx_v_text(i->path), nx_v_text(i->key),
				       nx_v_int(nx_time_wall_us() - i->ttl_us)),
			     &rows, err);
	if (rc)
		return rc;
	rc = nx_rows_next(rows, err);
	if (rc <= 0)
		return rc;
	nx_str hash = nx_rows_blob(rows, 0);
	ret->found = true;
	ret->same_body = hash.n == HASH && memcmp(hash.p, i->hash, HASH) == 0;
	ret->object = nx_rows_id(rows, 1);
	ret->status = (int)nx_rows_int(rows, 2);
	if (!nx_rows_is_null(rows, 3)) {
		ret->answer = nx_rows_textdup(rows, 3, a);
		if (!ret->answer.p)
			return nx_error_set(err, NX_ENOMEM, "out of memory for a stored answer");
	}
	return 0;
}

/* ---- the way of a request ---- */

static void replay(struct nx_request *r, const struct stored *s)
{
	struct nx_error *err = NULL;
	nx_request_header(r, "Idempotent-Replayed", "true");
	if (s->answer.p && s->answer.n == 0) {
		nx_request_reply_empty(r, s->status);
	} else if (s->answer.p) {
		nx_request_reply_json(r, s->status, s->answer);
	} else if (r->route->replay && !nx_id_none(s->object)) {
		r->route->replay(r, s->object);
	} else {
		nx_error_set(&err, NX_ECONFLICT, "this request was done, but its answer was not kept");
		nx_request_reply_error(r, err);
	}
}

static void reply_plainly(struct nx_request *r, int status, nx_str json)
{
	if (json.n)
		nx_request_reply_json(r, status, json);
	else
		nx_request_reply_empty(r, status);
}

struct kept {
	struct nx_write write;
	struct nx_request *r;
	nx_str json;
};

static int apply_kept(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct kept *k = nx_container_of(w, struct kept, write);
	return run_hook(k->r->hook, db, NX_ID_NONE, k->json.n ? k->json : NX_STR(""), err);
}

static void reply_kept(struct nx_request *r)
{
	const struct kept *k = r->ctx;
	reply_plainly(r, r->idem->status, k->json);
}

/* The effect is there whether its row could be written or not. */
static void kept_written(struct nx_write *w, struct nx_error *err)
{
	struct kept *k = nx_container_of(w, struct kept, write);
	if (err)
		nx_log_warn("api", "an Idempotency-Key was not kept", NX_LERR(err));
	nx_request_work(k->r, reply_kept, false);
}

void nx_idempotency_reply(struct nx_request *r, int status, nx_str json)
{
	struct kept *k = r->idem ? nx_arena_new_of(r->arena, struct kept) : NULL;
	if (!k) {
		reply_plainly(r, status, json);
		return;
	}
	*k = (struct kept){.write = {.lane = NX_LANE_INTERACTIVE, .apply = apply_kept, .done = kept_written},
			   .r = r,
			   .json = json};
	r->idem->status = status;
	r->ctx = k;
	nx_store_write(r->api->parts.store, &k->write);
}

static int success_status(const struct nx_route *route)
{
	for (const struct nx_answer *a = route->answers; a && a->status; a++)
		if (a->status >= 200 && a->status < 300)
			return a->status;
	return 200;
}

/* Of the body, and of the query where there is one. */
static bool hash_request(const struct nx_request *r, unsigned char ret[HASH])
{
	nx_sha256(r->raw, ret);
	if (r->query_text.n == 0)
		return true;
	char *both = nx_arena_alloc(r->arena, HASH + r->query_text.n);
	if (!both)
		return false;
	memcpy(both, ret, HASH);
	memcpy(both + HASH, r->query_text.p, r->query_text.n);
	nx_sha256(nx_str_n(both, HASH + r->query_text.n), ret);
	return true;
}

static struct nx_idempotency *make(struct nx_request *r)
{
	struct nx_idempotency *i = nx_arena_new_of(r->arena, struct nx_idempotency);
	if (!i)
		return NULL;
	i->hook.run = run_hook;
	i->table = r->api->idempotency;
	i->tenant = r->who.tenant;
	i->method = nx_str_z(r->route->method);
	i->path = r->path;
	i->key = r->headers.idempotency_key;
	i->status = success_status(r->route);
	i->ttl_us = r->api->parts.config->api_idempotency_ttl * NX_USEC_PER_MSEC;
	return hash_request(r, i->hash) ? i : NULL;
}

bool nx_idempotency_begin(struct nx_request *r)
{
	struct nx_error *err = NULL;
	struct stored s;
	struct nx_idempotency *i = make(r);
	if (!i) {
		nx_error_set(&err, NX_ENOMEM, "out of memory for the Idempotency-Key");
		nx_request_reply_error(r, err);
		return false;
	}
	if (!begin_work(i)) {
		nx_error_set(&err, NX_ECONFLICT, "a request with this Idempotency-Key is still being answered");
		nx_error_hint(&err, "send it again when that one is done");
		nx_request_header(r, "Retry-After", "1");
		nx_request_reply_error(r, err);
		return false;
	}
	/* From here on the reply ends the work. The row is looked for after that began, so that none slips between. */
	r->idem = i;
	r->hook = &i->hook;
	if (read_stored(i, nx_store_reader(r->api->parts.store), r->arena, &s, &err)) {
		nx_request_reply_error(r, err);
		return false;
	}
	if (!s.found)
		return true;
	if (s.same_body) {
		replay(r, &s);
		return false;
	}
	nx_error_set(&err, NX_EIDEMPOTENCY, "this Idempotency-Key was used with another body");
	nx_error_hint(&err, "take a new key for a new request");
	nx_request_reply_error(r, err);
	return false;
}
