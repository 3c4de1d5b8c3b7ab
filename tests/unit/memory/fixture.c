#include "tests/unit/memory/fixture.h"

#include <stdio.h>

static char message[512];
static int code;

static void keep(struct nx_error *err)
{
	code = nx_error_code(err);
	(void)snprintf(message, sizeof(message), "%s", nx_error_message(err));
}

void fixture_open(struct fixture *f, const char *name)
{
	char dir[512];

	*f = (struct fixture){.arena = nx_arena_new(0)};
	nx_fake_clock_install(&f->clock, NOW);
	(void)snprintf(dir, sizeof(dir), "%s/%s", nx_test_dir(), name);
	ASSERT_OK(nx_config_load(NULL, (const char *const[]){NULL}, &f->config, NULL));
	ASSERT_OK(nx_store_open(&(struct nx_store_options){.dir = dir, .inline_writer = true, .readers = 1}, &f->store,
				NULL));
	f->workers = nx_workers_new_sim();
	ASSERT_NOT_NULL(f->workers);
	ASSERT_OK(nx_memory_new(f->config, f->store, f->workers, NULL, NULL, &f->memory, NULL));
	fixture_sql(f, "INSERT INTO tenants(id, uid, name, created_at) VALUES(2, x'02', 'other', 0)");
}

void fixture_close(struct fixture *f)
{
	nx_memory_free(f->memory);
	nx_workers_free(f->workers);
	nx_store_close(f->store);
	nx_config_free(f->config);
	nx_arena_free(f->arena);
	nx_clock_set(NULL);
}

static void stored(struct nx_memory_store *s, struct nx_error *err)
{
	(void)s;
	keep(err);
}

int fixture_store(struct fixture *f, int64_t tenant, struct nx_memory_turn *turns, size_t n)
{
	struct nx_memory_store s = {.arena = f->arena, .tenant = tenant, .turns = turns, .nturns = n, .done = stored};

	nx_memory_store(f->memory, &s);
	return code;
}

static void recalled(struct nx_memory_recall *r, struct nx_error *err)
{
	(void)r;
	keep(err);
}

int fixture_recall(struct fixture *f, struct nx_memory_recall *r)
{
	r->arena = f->arena;
	r->tenant = r->tenant ? r->tenant : NX_STORE_TENANT;
	r->done = recalled;
	nx_memory_recall(f->memory, r);
	return code;
}

static void changed(struct nx_memory_change *c, struct nx_error *err)
{
	(void)c;
	keep(err);
}

int fixture_change(struct fixture *f, int64_t tenant, enum nx_memory_op op, nx_id id, const char *user,
		   const char *body)
{
	struct nx_memory_change c = {
		.arena = f->arena, .tenant = tenant, .op = op, .id = id, .user_id = nx_str_z(user), .done = changed};
	ASSERT_OK(nx_json_read(f->arena, nx_str_z(body ? body : "{}"), NULL, &c.body, NULL));
	nx_memory_change(f->memory, &c);
	return code;
}

nx_id fixture_say(struct fixture *f, const char *text)
{
	struct nx_memory_turn t = {
		.user_id = NX_STR("u1"), .session = NX_STR("s1"), .text = nx_str_z(text), .importance = -1};

	ASSERT_OK(fixture_store(f, NX_STORE_TENANT, &t, 1));
	return t.id;
}

struct nx_memory_recall fixture_ask(struct fixture *f, const char *user, const char *query)
{
	struct nx_memory_recall r = {.user_id = nx_str_z(user), .query = nx_str_z(query)};

	ASSERT_OK(fixture_recall(f, &r));
	return r;
}

const char *fixture_message(void)
{
	return message;
}

int64_t fixture_count(struct fixture *f, const char *sql)
{
	int64_t n = -1;

	ASSERT_OK(nx_db_get_int(nx_store_reader(f->store), sql, NX_NO_PARAMS, &n, NULL));
	return n;
}

static int run_sql(void *ctx, struct nx_db *db, struct nx_error **err)
{
	return nx_db_exec(db, ctx, NX_NO_PARAMS, err);
}

void fixture_sql(struct fixture *f, const char *sql)
{
	ASSERT_OK(nx_store_write_sync(f->store, run_sql, (void *)(uintptr_t)sql, NULL));
}
