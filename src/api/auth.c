#include "api/auth_internal.h"

#include "api/api.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>

#define NX_X_(sym, name, help) name,
const char *const nx_scope_names[] = {NX_SCOPES(NX_X_) NULL};
#undef NX_X_

/* A use is kept when none was in the minute before it: a busy key costs one small write a minute. */
#define USE_KEPT_EVERY_US (60 * NX_USEC_PER_SEC)

struct key_row {
	unsigned char hash[NX_KEY_HASH];
	int64_t expires_at; /* 0: never */
	struct nx_identity who;
	_Atomic int64_t used_at; /* of the last use that was kept; relaxed: whoever moves it on keeps the use */
};

struct nx_auth {
	pthread_rwlock_t lock;
	struct key_row *rows; /* sorted by hash */
	size_t n;
	struct nx_store *uses; /* where uses are kept; NULL: nowhere */
};

int nx_auth_new(struct nx_auth **ret, struct nx_error **err)
{
	struct nx_auth *a = calloc(1, sizeof(*a));
	if (!a)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the keys");
	if (pthread_rwlock_init(&a->lock, NULL) != 0) {
		free(a);
		return nx_error_set(err, NX_ENOMEM, "no lock for the keys");
	}
	*ret = a;
	return 0;
}

void nx_auth_free(struct nx_auth *a)
{
	if (!a)
		return;
	(void)pthread_rwlock_destroy(&a->lock);
	free(a->rows);
	free(a);
}

/* ---- scopes ---- */

int nx_scopes_parse(nx_str text, uint32_t *ret, struct nx_error **err)
{
	uint32_t bits = 0;
	nx_str rest = text;
	while (rest.n > 0) {
		nx_str one = nx_str_cut(&rest, ' ');
		if (one.n == 0)
			continue;
		size_t i = 0;
		while (nx_scope_names[i] && !nx_str_eqz(one, nx_scope_names[i]))
			i++;
		if (!nx_scope_names[i]) {
			const char *near = nx_str_nearest(one, nx_scope_names, NX_SCOPE_MAX);
			nx_error_set(err, NX_EINVAL, "`%.*s` is not a scope", NX_FMT(one));
			return near ? nx_error_hint(err, "did you mean `%s`?", near) : NX_EINVAL;
		}
		bits |= 1u << i;
	}
	*ret = bits;
	return 0;
}

char *nx_scopes_text(uint32_t scopes, struct nx_arena *a)
{
	char *text = nx_arena_strdup(a, "");
	for (size_t i = 0; text && i < NX_SCOPE_MAX; i++)
		if (scopes & (1u << i))
			text = nx_arena_printf(a, "%s%s%s", text, *text ? " " : "", nx_scope_names[i]);
	return text;
}

/* ---- the table in memory ---- */

static int by_hash(const void *a, const void *b)
{
	return memcmp(((const struct key_row *)a)->hash, ((const struct key_row *)b)->hash, NX_KEY_HASH);
}

static int read_row(struct nx_rows *r, struct key_row *ret, struct nx_error **err)
{
	nx_str hash = nx_rows_blob(r, 0), user = nx_rows_text(r, 4);
	*ret = (struct key_row){.expires_at = nx_rows_int(r, 5)};
	atomic_init(&ret->used_at, nx_rows_int(r, 6));
	if (hash.n != NX_KEY_HASH || user.n >= sizeof(ret->who.user))
		return nx_error_set(err, NX_ECORRUPT, "key %lld in the store is damaged", (long long)nx_rows_int(r, 1));
	memcpy(ret->hash, hash.p, NX_KEY_HASH);
	ret->who.key_id = nx_rows_int(r, 1);
	ret->who.tenant = nx_rows_int(r, 2);
	if (user.n)
		memcpy(ret->who.user, user.p, user.n);
	return nx_scopes_parse(nx_rows_text(r, 3), &ret->who.scopes, err);
}

static int read_rows(struct nx_db *db, struct key_row **ret, size_t *ret_n, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	nx_auto_free struct key_row *rows = NULL;
	size_t n = 0, cap = 0;
	int rc = nx_db_query(db,
			     "SELECT hash, id, tenant_id, scopes, user_id, expires_at, last_used_at FROM api_keys "
			     "WHERE revoked_at IS NULL",
			     NX_NO_PARAMS, &r, err);
	if (rc)
		return rc;
	while ((rc = nx_rows_next(r, err)) == 1) {
		if (n == cap) {
			cap = cap ? cap * 2 : 16;
			struct key_row *more = reallocarray(rows, cap, sizeof(*rows));
			if (!more)
				return nx_error_set(err, NX_ENOMEM, "out of memory for %zu keys", cap);
			rows = more;
		}
		rc = read_row(r, &rows[n++], err);
		if (rc)
			return rc;
	}
	if (rc < 0)
		return rc;
	if (n > 1)
		qsort(rows, n, sizeof(*rows), by_hash);
	*ret = nx_steal(rows);
	*ret_n = n;
	return 0;
}

int nx_auth_load(struct nx_auth *a, struct nx_db *db, struct nx_error **err)
{
	struct key_row *rows = NULL;
	size_t n = 0;
	int rc = read_rows(db, &rows, &n, err);
	if (rc)
		return nx_error_wrap(err, "read the keys");
	(void)pthread_rwlock_wrlock(&a->lock);
	struct key_row *old = a->rows;
	a->rows = rows;
	a->n = n;
	(void)pthread_rwlock_unlock(&a->lock);
	free(old);
	return 0;
}

bool nx_auth_required(struct nx_auth *a)
{
	(void)pthread_rwlock_rdlock(&a->lock);
	bool any = a->n > 0;
	(void)pthread_rwlock_unlock(&a->lock);
	return any;
}

void nx_auth_keep_uses(struct nx_auth *a, struct nx_store *s)
{
	a->uses = s;
}

struct use {
	struct nx_write write;
	int64_t tenant, key, at;
};

static int apply_use(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	const struct use *u = nx_container_of(w, struct use, write);
	/* The table in memory may have been read again before an earlier use was committed. */
	return nx_db_exec(
		db,
		"UPDATE api_keys SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2 AND "
		"(last_used_at IS NULL OR last_used_at <= $4)",
		NX_PARAMS(nx_v_int(u->tenant), nx_v_int(u->key), nx_v_int(u->at), nx_v_int(u->at - USE_KEPT_EVERY_US)),
		err);
}

static void use_done(struct nx_write *w, struct nx_error *err)
{
	if (err)
		nx_log_warn("api", "the use of a key was not kept", NX_LERR(err));
	free(nx_container_of(w, struct use, write));
}

/* Nobody waits for it, and nothing is lost but a minute's exactness when it fails. */
static void keep_use(struct nx_store *s, const struct nx_identity *who, int64_t now_us)
{
	struct use *u = calloc(1, sizeof(*u));
	if (!u)
		return;
	*u = (struct use){.write = {.lane = NX_LANE_BULK, .apply = apply_use, .done = use_done},
			  .tenant = who->tenant,
			  .key = who->key_id,
			  .at = now_us};
	nx_store_write(s, &u->write);
}

/* True for one caller a minute. */
static bool use_is_due(struct key_row *row, int64_t now_us)
{
	int64_t last = atomic_load_explicit(&row->used_at, memory_order_relaxed);
	return now_us - last >= USE_KEPT_EVERY_US &&
	       atomic_compare_exchange_strong_explicit(&row->used_at, &last, now_us, memory_order_relaxed,
						       memory_order_relaxed);
}

static struct key_row *lookup(const struct nx_auth *a, const unsigned char hash[NX_KEY_HASH])
{
	/* The search compares hashes, of which a caller controls nothing; what matches is compared again in constant time. */
	size_t lo = 0, hi = a->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = memcmp(a->rows[mid].hash, hash, NX_KEY_HASH);
		if (order == 0)
			return nx_secret_eq(a->rows[mid].hash, hash, NX_KEY_HASH) ? &a->rows[mid] : NULL;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

struct found {
	struct nx_identity who;
	bool known, expired, use_is_due;
};

static struct found find_key(struct nx_auth *a, nx_str text, int64_t now_us)
{
	unsigned char hash[NX_KEY_HASH];
	struct found f = {0};
	if (text.n != NX_KEY_TEXT || !nx_str_starts(text, NX_STR("nxk_")))
		return f;
	nx_key_hash(text, hash);
	(void)pthread_rwlock_rdlock(&a->lock);
	struct key_row *row = lookup(a, hash);
	if (row) {
		f.known = true;
		f.who = row->who;
		f.expired = row->expires_at && row->expires_at <= now_us;
		f.use_is_due = !f.expired && use_is_due(row, now_us);
	}
	(void)pthread_rwlock_unlock(&a->lock);
	return f;
}

static int bearer(nx_str header, nx_str *ret, struct nx_error **err)
{
	nx_str rest = header;
	if (!header.p) {
		nx_error_set(err, NX_EUNAUTHORIZED, "a key is needed");
		return nx_error_hint(err, "send `Authorization: Bearer nxk_…`");
	}
	nx_str scheme = nx_str_cut(&rest, ' ');
	if (!nx_str_ieq_ascii(scheme, NX_STR("bearer"))) {
		nx_error_set(err, NX_EUNAUTHORIZED, "the Authorization header is not of the scheme Bearer");
		return nx_error_hint(err, "send `Authorization: Bearer nxk_…`");
	}
	*ret = nx_str_trim(rest);
	return 0;
}

int nx_auth_check(struct nx_auth *a, nx_str header, int64_t now_us, struct nx_identity *ret, struct nx_error **err)
{
	nx_str text = NX_STR_NULL;
	(void)pthread_rwlock_rdlock(&a->lock);
	bool open = a->n == 0;
	(void)pthread_rwlock_unlock(&a->lock);
	if (open) {
		*ret = (struct nx_identity){.tenant = NX_STORE_TENANT, .scopes = 1u << NX_SCOPE_ADMIN};
		return 0;
	}
	int rc = bearer(header, &text, err);
	if (rc)
		return rc;
	struct found f = find_key(a, text, now_us);
	if (!f.known)
		return nx_error_set(err, NX_EUNAUTHORIZED, "the key is not valid");
	if (f.expired)
		return nx_error_set(err, NX_EUNAUTHORIZED, "the key has expired");
	if (f.use_is_due && a->uses)
		keep_use(a->uses, &f.who, now_us);
	*ret = f.who;
	return 0;
}

/* ---- rows ---- */

void nx_key_hash(nx_str text, unsigned char ret[NX_KEY_HASH])
{
	(void)crypto_generichash(ret, NX_KEY_HASH, (const unsigned char *)text.p, text.n, NULL, 0);
}

void nx_key_draw(char ret_text[NX_KEY_TEXT + 1], unsigned char ret_hash[NX_KEY_HASH])
{
	unsigned char secret[32];
	nx_random_bytes(secret, sizeof(secret));
	memcpy(ret_text, "nxk_", 4);
	sodium_bin2base64(ret_text + 4, NX_KEY_TEXT + 1 - 4, secret, sizeof(secret),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(secret, sizeof(secret));
	nx_key_hash(nx_str_n(ret_text, NX_KEY_TEXT), ret_hash);
}

static int audit(struct nx_db *db, const struct nx_identity *who, const char *action, nx_id key, nx_str detail,
		 int64_t now, struct nx_error **err)
{
	char id[NX_ID_TEXT];
	nx_id_format(key, id);
	return nx_db_exec(db,
			  "INSERT INTO audit(tenant_id, key_id, action, object, detail, created_at) "
			  "VALUES ($1, $2, $3, $4, $5, $6)",
			  NX_PARAMS(nx_v_int(who->tenant), nx_v_int0(who->key_id), nx_v_textz(action), nx_v_textz(id),
				    nx_v_text(detail), nx_v_int(now)),
			  err);
}

static int tenant_row(struct nx_db *db, const char *name, int64_t now, int64_t *ret, struct nx_error **err)
{
	nx_id uid = nx_id_new();
	int rc = nx_db_exec(
		db, "INSERT INTO tenants(uid, name, created_at) VALUES ($1, $2, $3) ON CONFLICT(name) DO NOTHING",
		NX_PARAMS(nx_v_id(&uid), nx_v_textz(name), nx_v_int(now)), err);
	if (rc)
		return rc;
	return nx_db_get_int(db, "SELECT id FROM tenants WHERE name = $1", NX_PARAMS(nx_v_textz(name)), ret, err);
}

/* Without any key, the one that is made must be able to make others. */
static int check_first(struct nx_db *db, const struct nx_key_new *k, int64_t tenant, struct nx_error **err)
{
	int64_t admins = 0;
	int rc = nx_db_get_int(db,
			       "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND tenant_id = $1 AND "
			       "' ' || scopes || ' ' LIKE '% admin %'",
			       NX_PARAMS(nx_v_int(NX_STORE_TENANT)), &admins, err);
	if (rc || admins > 0)
		return rc;
	if (tenant == NX_STORE_TENANT && (k->scopes & 1u << NX_SCOPE_ADMIN) && k->user_id.n == 0 && k->expires_at == 0)
		return 0;
	nx_error_set(err, NX_ECONFLICT,
		     "the first key must have the scope admin, no user, no expiry and no other tenant");
	return nx_error_hint(err, "from the first key on every request needs one: make that one for yourself");
}

int nx_key_insert(struct nx_db *db, const struct nx_identity *who, struct nx_key_new *k, struct nx_error **err)
{
	unsigned char hash[NX_KEY_HASH];
	int64_t now = nx_time_wall_us(), tenant = who->tenant;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	char *scopes = a ? nx_scopes_text(k->scopes, a) : NULL;
	if (!scopes)
		return nx_error_set(err, NX_ENOMEM, "out of memory for a key");

	int rc = k->tenant ? tenant_row(db, k->tenant, now, &tenant, err) : 0;
	if (!rc)
		rc = check_first(db, k, tenant, err);
	if (rc)
		return rc;
	nx_key_draw(k->text, hash);
	k->id = nx_id_new();
	k->created_at = now;
	rc = nx_db_exec(
		db,
		"INSERT INTO api_keys(uid, tenant_id, name, hash, prefix, scopes, user_id, created_at, expires_at) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		NX_PARAMS(nx_v_id(&k->id), nx_v_int(tenant), nx_v_text(k->name),
			  nx_v_blob(nx_str_n((const char *)hash, sizeof(hash))),
			  nx_v_text(nx_str_n(k->text, NX_KEY_PREFIX)), nx_v_textz(scopes),
			  nx_v_text(k->user_id.n ? k->user_id : NX_STR_NULL), nx_v_int(now), nx_v_int0(k->expires_at)),
		err);
	return rc ? rc : audit(db, who, "key.create", k->id, k->name, now, err);
}

int nx_key_revoke(struct nx_db *db, const struct nx_identity *who, nx_id id, struct nx_error **err)
{
	int64_t now = nx_time_wall_us(), others = 0, is_admin = 0;
	int rc = nx_db_get_int(db,
			       "SELECT ' ' || scopes || ' ' LIKE '% admin %' FROM api_keys "
			       "WHERE tenant_id = $1 AND uid = $2 AND revoked_at IS NULL",
			       NX_PARAMS(nx_v_int(who->tenant), nx_v_id(&id)), &is_admin, err);
	if (rc)
		return rc == NX_ENOTFOUND ? nx_error_wrap(err, "no such key") : rc;
	rc = nx_db_get_int(
		db,
		"SELECT count(*) FROM api_keys WHERE tenant_id = $1 AND uid <> $2 AND revoked_at IS NULL AND "
		"expires_at IS NULL AND user_id IS NULL AND ' ' || scopes || ' ' LIKE '% admin %'",
		NX_PARAMS(nx_v_int(who->tenant), nx_v_id(&id)), &others, err);
	if (rc)
		return rc;
	if (is_admin && others == 0) {
		nx_error_set(err, NX_ECONFLICT, "this is the last key with the scope admin");
		return nx_error_hint(err, "make another with that scope first");
	}
	rc = nx_db_exec(db, "UPDATE api_keys SET revoked_at = $3 WHERE tenant_id = $1 AND uid = $2",
			NX_PARAMS(nx_v_int(who->tenant), nx_v_id(&id), nx_v_int(now)), err);
	return rc ? rc : audit(db, who, "key.revoke", id, NX_STR_NULL, now, err);
}

/* ---- the way back in ---- */

struct admin_key {
	struct nx_key_new key;
	struct nx_identity who;
};

static int apply_admin_key(void *ctx, struct nx_db *db, struct nx_error **err)
{
	struct admin_key *k = ctx;
	return nx_key_insert(db, &k->who, &k->key, err);
}

int nx_api_key_make_admin(struct nx_store *s, nx_str name, struct nx_arena *a, nx_str *ret_key, struct nx_error **err)
{
	struct admin_key k = {
		.key = {.name = name, .scopes = 1u << NX_SCOPE_ADMIN},
		.who = {.tenant = NX_STORE_TENANT, .scopes = 1u << NX_SCOPE_ADMIN},
	};
	int rc = nx_store_write_sync(s, apply_admin_key, &k, err);
	if (rc)
		return rc;
	*ret_key = nx_str_dup(a, nx_str_n(k.key.text, NX_KEY_TEXT));
	return ret_key->p ? 0 : nx_error_set(err, NX_ENOMEM, "out of memory for the key's text");
}
