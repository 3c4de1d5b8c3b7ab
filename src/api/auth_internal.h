/*
 * Who is asking: keys, their scopes and tenants.
 *
 * A key is `nxk_` and 43 characters (32 random bytes in base64url). Stored are its BLAKE2b-256 hash and its first
 * NX_KEY_PREFIX characters, which lists show; the text itself is told once, when it is made. 256 random bits need no slow
 * hash. A request hashes what it was given and looks the hash up in a table in memory, where it is compared in constant
 * time; the table is read again after every change, before the change is answered, so that a revoked key is dead at once.
 *
 * Keys are required as soon as one exists that is not revoked; an expired one counts, so that time alone never opens a
 * server. The first key must have the scope admin, and the last one that has it cannot be revoked.
 *
 * Any thread: the table is behind a read-write lock, held for the look-up alone.
 */
#ifndef NX_API_AUTH_INTERNAL_H
#define NX_API_AUTH_INTERNAL_H

#include "base/id.h"
#include "store/store.h"

/* X(symbol, name, help), in the order in which /v1/keys lists them. */
#define NX_SCOPES(X)                                                                            \
	X(TASKS_READ, "tasks:read", "see tasks, their events, traces and logs")                 \
	X(TASKS_WRITE, "tasks:write", "submit, cancel and rate tasks")                          \
	X(KNOWLEDGE_READ, "knowledge:read", "search, ask and read documents and the graph")     \
	X(KNOWLEDGE_WRITE, "knowledge:write", "add, change and delete documents and the graph") \
	X(MEMORY_READ, "memory:read", "recall and read memories and sessions")                  \
	X(MEMORY_WRITE, "memory:write", "store, change and forget memories")                    \
	X(SANDBOX_RUN, "sandbox:run", "run and scan code")                                      \
	X(AGENTS_READ, "agents:read", "see agents and tools")                                   \
	X(AGENTS_WRITE, "agents:write", "add, change and delete agents")                        \
	X(MODELS_READ, "models:read", "see models")                                             \
	X(MODELS_USE, "models:use", "call models directly")                                     \
	X(METRICS_READ, "metrics:read", "read /metrics and alerts")                             \
	X(ADMIN, "admin", "everything, and keys")

#define NX_X_(sym, name, help) NX_SCOPE_##sym,
enum nx_scope { NX_SCOPES(NX_X_) NX_SCOPE_MAX, NX_SCOPE_PUBLIC /* needs no key */ };
#undef NX_X_

extern const char *const nx_scope_names[]; /* by enum nx_scope, ended by NULL; NX_SCOPE_PUBLIC is "public" elsewhere */

enum { NX_KEY_TEXT = 4 + 43, NX_KEY_PREFIX = 12, NX_KEY_HASH = 32 };

struct nx_identity {
	int64_t tenant;
	int64_t key_id;  /* 0: no key exists */
	uint32_t scopes; /* bits by enum nx_scope */
	char user[129];  /* of a key bound to a user; "": it may name any */
};

static inline bool nx_identity_has(const struct nx_identity *w, enum nx_scope s)
{
	return s == NX_SCOPE_PUBLIC || (w->scopes & (1u << NX_SCOPE_ADMIN | 1u << s)) != 0;
}
/* An admin of the tenant that exists from the start may make keys of other tenants. */
static inline bool nx_identity_is_operator(const struct nx_identity *w)
{
	return w->tenant == NX_STORE_TENANT && nx_identity_has(w, NX_SCOPE_ADMIN) && w->user[0] == '\0';
}

struct nx_auth;
int nx_auth_new(struct nx_auth **ret, struct nx_error **err);
void nx_auth_free(struct nx_auth *a);
/* Reads the keys of the store. The old table stands when it fails. */
int nx_auth_load(struct nx_auth *a, struct nx_db *db, struct nx_error **err);
bool nx_auth_required(struct nx_auth *a);
/* From now on a key that is used has the time of it in last_used_at, once a minute at most, by a bulk write that nobody waits
 * for. Before any thread asks. */
void nx_auth_keep_uses(struct nx_auth *a, struct nx_store *s);

/* `header`: the Authorization header, p NULL when absent. NX_EUNAUTHORIZED says what is wrong, never which part of a key
 * was right. Without keys: the tenant that exists from the start and all scopes, whatever the header says. */
int nx_auth_check(struct nx_auth *a, nx_str header, int64_t now_us, struct nx_identity *ret, struct nx_error **err);

struct nx_key_new {
	nx_str name, user_id;
	const char *tenant; /* a name; NULL: that of the identity */
	uint32_t scopes;
	int64_t expires_at; /* 0: never */
	/* out */
	nx_id id;
	char text[NX_KEY_TEXT + 1];
	int64_t created_at;
};
/* Writes the row and an audit line; called inside the writer's transaction. */
int nx_key_insert(struct nx_db *db, const struct nx_identity *who, struct nx_key_new *k, struct nx_error **err);
/* NX_ENOTFOUND, or NX_ECONFLICT for the last one with the scope admin. */
int nx_key_revoke(struct nx_db *db, const struct nx_identity *who, nx_id id, struct nx_error **err);
/* Draws a key and its hash. */
void nx_key_draw(char ret_text[NX_KEY_TEXT + 1], unsigned char ret_hash[NX_KEY_HASH]);
void nx_key_hash(nx_str text, unsigned char ret[NX_KEY_HASH]);
/* "tasks:read tasks:write" → bits. NX_EINVAL with the nearest name. */
int nx_scopes_parse(nx_str text, uint32_t *ret, struct nx_error **err);
char *nx_scopes_text(uint32_t scopes, struct nx_arena *a);

#endif
