#include "api/api.h"
#include "api/auth_internal.h"
#include "base/clock.h"
#include "tests/unit/nx_test.h"

static struct nx_store *open_store(void)
{
	static int n;
	struct nx_store *s;
	char dir[512];
	(void)snprintf(dir, sizeof(dir), "%s/%d", nx_test_dir(), n++);
	struct nx_store_options o = {.dir = dir, .inline_writer = true, .readers = 1};
	ASSERT_OK(nx_store_open(&o, &s, NULL));
	return s;
}

struct make {
	struct nx_identity who;
	struct nx_key_new key;
	nx_id revoke;
};

static int apply_make(void *ctx, struct nx_db *db, struct nx_error **err)
{
	struct make *m = ctx;
	return nx_id_none(m->revoke) ? nx_key_insert(db, &m->who, &m->key, err)
				     : nx_key_revoke(db, &m->who, m->revoke, err);
}

static const struct nx_identity operator_ = {.tenant = NX_STORE_TENANT, .scopes = 1u << NX_SCOPE_ADMIN};

static int make(struct nx_store *s, uint32_t scopes, int64_t expires, struct make *m)
{
	*m = (struct make){.who = operator_, .key = {.name = NX_STR("k"), .scopes = scopes, .expires_at = expires}};
	return nx_store_write_sync(s, apply_make, m, NULL);
}

static struct nx_auth *load(struct nx_store *s)
{
	struct nx_auth *a;
	ASSERT_OK(nx_auth_new(&a, NULL));
	ASSERT_OK(nx_auth_load(a, nx_store_reader(s), NULL));
	return a;
}

static int check(struct nx_auth *a, const char *header, int64_t now, struct nx_identity *who)
{
	return nx_auth_check(a, nx_str_z(header), now, who, NULL);
}

static char *bearer(struct nx_arena *a, const char *key)
{
	return nx_arena_printf(a, "Bearer %s", key);
}

TEST(without_keys_everyone_is_the_operator)
{
	struct nx_store *s = open_store();
	struct nx_auth *a = load(s);
	struct nx_identity who;
	ASSERT_FALSE(nx_auth_required(a));
	ASSERT_OK(check(a, NULL, 0, &who));
	ASSERT_OK(check(a, "Bearer nonsense", 0, &who));
	ASSERT_TRUE(nx_identity_is_operator(&who));
	nx_auth_free(a);
	nx_store_close(s);
}

TEST(a_key_is_known_by_its_hash_and_nothing_less)
{
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	struct nx_store *s = open_store();
	struct make m;
	ASSERT_OK(make(s, 1u << NX_SCOPE_ADMIN, 0, &m));
	struct nx_auth *a = load(s);
	struct nx_identity who = {0};
	ASSERT_EQ(strlen(m.key.text), NX_KEY_TEXT);
	ASSERT_OK(check(a, bearer(arena, m.key.text), 1, &who));
	ASSERT_EQ(who.tenant, NX_STORE_TENANT);
	ASSERT_TRUE(nx_identity_has(&who, NX_SCOPE_TASKS_READ));

	static const char *const wrong[] = {NULL, "", "Bearer", "Bearer ", "Bearer null", "Basic x", "Bearer ' OR 1=1"};
	for (size_t i = 0; i < nx_countof(wrong); i++)
		ASSERT_ERR(check(a, wrong[i], 1, &who), NX_EUNAUTHORIZED);
	ASSERT_ERR(check(a, m.key.text, 1, &who), NX_EUNAUTHORIZED);
	m.key.text[NX_KEY_TEXT - 1] ^= 1;
	ASSERT_ERR(check(a, bearer(arena, m.key.text), 1, &who), NX_EUNAUTHORIZED);
	m.key.text[NX_KEY_TEXT - 1] = '\0';
	ASSERT_ERR(check(a, bearer(arena, m.key.text), 1, &who), NX_EUNAUTHORIZED);
	nx_auth_free(a);
	nx_store_close(s);
}

TEST(the_first_key_must_be_an_admins)
{
	struct nx_store *s = open_store();
	struct make m;
	ASSERT_ERR(make(s, 1u << NX_SCOPE_TASKS_READ, 0, &m), NX_ECONFLICT);
	ASSERT_ERR(make(s, 1u << NX_SCOPE_ADMIN, INT64_MAX, &m), NX_ECONFLICT);
	ASSERT_OK(make(s, 1u << NX_SCOPE_ADMIN, 0, &m));
	ASSERT_OK(make(s, 1u << NX_SCOPE_TASKS_READ, 0, &m));
	nx_store_close(s);
}

TEST(the_last_admin_stays_and_an_expired_key_still_closes_the_server)
{
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	struct nx_store *s = open_store();
	struct make first, second;
	struct nx_identity who;
	ASSERT_OK(make(s, 1u << NX_SCOPE_ADMIN, 0, &first));
	ASSERT_OK(make(s, 1u << NX_SCOPE_ADMIN, 1000, &second));
	struct make revoke = {.who = operator_, .revoke = first.key.id};
	ASSERT_ERR(nx_store_write_sync(s, apply_make, &revoke, NULL), NX_ECONFLICT);
	revoke.revoke = second.key.id;
	struct nx_auth *a = load(s);
	ASSERT_OK(check(a, bearer(arena, second.key.text), 999, &who));
	ASSERT_ERR(check(a, bearer(arena, second.key.text), 1000, &who), NX_EUNAUTHORIZED);
	ASSERT_TRUE(nx_auth_required(a));
	ASSERT_OK(nx_store_write_sync(s, apply_make, &revoke, NULL));
	ASSERT_ERR(nx_store_write_sync(s, apply_make, &revoke, NULL), NX_ENOTFOUND);
	ASSERT_OK(nx_auth_load(a, nx_store_reader(s), NULL));
	ASSERT_ERR(check(a, bearer(arena, second.key.text), 1, &who), NX_EUNAUTHORIZED);
	nx_auth_free(a);
	nx_store_close(s);
}

TEST(the_way_back_in_makes_an_admin)
{
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	struct nx_store *s = open_store();
	struct nx_identity who;
	nx_str key;
	ASSERT_OK(nx_api_key_make_admin(s, NX_STR("rescue"), arena, &key, NULL));
	struct nx_auth *a = load(s);
	ASSERT_OK(check(a, bearer(arena, key.p), 1, &who));
	ASSERT_TRUE(nx_identity_is_operator(&who));
	nx_auth_free(a);
	nx_store_close(s);
}

TEST(scopes_are_read_and_written_and_the_nearest_is_named)
{
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	uint32_t bits;
	ASSERT_OK(nx_scopes_parse(NX_STR("tasks:read  admin"), &bits, NULL));
	ASSERT_EQ(bits, 1u << NX_SCOPE_TASKS_READ | 1u << NX_SCOPE_ADMIN);
	ASSERT_STREQ(nx_scopes_text(bits, arena), "tasks:read admin");
	ASSERT_ERR(nx_scopes_parse(NX_STR("task:read"), &bits, &err), NX_EINVAL);
	ASSERT_CONTAINS(nx_error_get_hint(err), "tasks:read");
}

TEST(a_scope_gives_itself_alone)
{
	struct nx_identity w = {.tenant = 2, .scopes = 1u << NX_SCOPE_TASKS_READ};
	ASSERT_TRUE(nx_identity_has(&w, NX_SCOPE_TASKS_READ));
	ASSERT_TRUE(nx_identity_has(&w, NX_SCOPE_PUBLIC));
	ASSERT_FALSE(nx_identity_has(&w, NX_SCOPE_TASKS_WRITE));
	ASSERT_FALSE(nx_identity_has(&w, NX_SCOPE_ADMIN));
	w.scopes = 1u << NX_SCOPE_ADMIN;
	ASSERT_TRUE(nx_identity_has(&w, NX_SCOPE_TASKS_WRITE));
	ASSERT_FALSE(nx_identity_is_operator(&w));
}

static int64_t last_use(struct nx_store *s, const struct make *m)
{
	int64_t at = -1;
	ASSERT_OK(nx_db_get_int(nx_store_reader(s),
				"SELECT coalesce(last_used_at, 0) FROM api_keys WHERE tenant_id = $1 AND uid = $2",
				NX_PARAMS(nx_v_int(NX_STORE_TENANT), nx_v_id(&m->key.id)), &at, NULL));
	return at;
}

TEST(the_use_of_a_key_is_kept_once_a_minute)
{
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	struct nx_store *s = open_store();
	const int64_t start = 1000 * NX_USEC_PER_SEC, minute = 60 * NX_USEC_PER_SEC;
	struct make used, other;
	struct nx_identity who;
	ASSERT_OK(make(s, 1u << NX_SCOPE_ADMIN, 0, &used));
	ASSERT_OK(make(s, 1u << NX_SCOPE_ADMIN, start + 10 * minute, &other));
	struct nx_auth *a = load(s);
	nx_auth_keep_uses(a, s);
	const char *header = bearer(arena, used.key.text);

	ASSERT_OK(check(a, header, start, &who));
	ASSERT_EQ(last_use(s, &used), start);
	ASSERT_OK(check(a, header, start + minute - 1, &who));
	ASSERT_EQ(last_use(s, &used), start);
	ASSERT_OK(check(a, header, start + minute, &who));
	ASSERT_EQ(last_use(s, &used), start + minute);

	/* Another run of the server knows when it was. */
	nx_auth_free(a);
	a = load(s);
	nx_auth_keep_uses(a, s);
	ASSERT_OK(check(a, header, start + 2 * minute - 1, &who));
	ASSERT_EQ(last_use(s, &used), start + minute);

	/* What is refused is no use. */
	ASSERT_EQ(last_use(s, &other), 0);
	ASSERT_ERR(check(a, bearer(arena, other.key.text), start + 10 * minute, &who), NX_EUNAUTHORIZED);
	ASSERT_EQ(last_use(s, &other), 0);
	nx_auth_free(a);
	nx_store_close(s);
}
