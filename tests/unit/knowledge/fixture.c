#include "tests/unit/knowledge/fixture.h"

#include <stdio.h>

static char message[512], pointer[256];
static int code;

static void keep(struct nx_error *err)
{
	code = nx_error_code(err);
	(void)snprintf(message, sizeof(message), "%s", nx_error_message(err));
	(void)snprintf(pointer, sizeof(pointer), "%s", nx_error_pointer(err));
}

static char dir[512];

static void begin(struct fixture *f)
{
	ASSERT_OK(nx_store_open(&(struct nx_store_options){.dir = dir, .inline_writer = true, .readers = 1}, &f->store,
				NULL));
	f->workers = nx_workers_new_sim();
	ASSERT_NOT_NULL(f->workers);
	ASSERT_OK(nx_knowledge_new(f->config, f->store, f->workers, f->models, &f->k, NULL));
	nx_knowledge_load(f->k);
}

static void stop(struct fixture *f)
{
	nx_knowledge_free(f->k);
	nx_workers_free(f->workers);
	nx_store_close(f->store);
}

void fixture_open(struct fixture *f, const char *name)
{
	*f = (struct fixture){.arena = nx_arena_new(0)};
	(void)snprintf(dir, sizeof(dir), "%s/%s", nx_test_dir(), name);
	ASSERT_OK(nx_config_load(NULL, (const char *const[]){NULL}, &f->config, NULL));
	begin(f);
}

void fixture_close(struct fixture *f)
{
	stop(f);
	nx_config_free(f->config);
	nx_arena_free(f->arena);
}

void fixture_reopen(struct fixture *f)
{
	stop(f);
	begin(f);
}

static void ingested(struct nx_ingest *g, struct nx_error *err)
{
	keep(err);
}

int fixture_ingest(struct fixture *f, const struct nx_document *docs, size_t n, struct nx_ingest *ret)
{
	struct nx_ingest g = {.arena = f->arena,
			      .tenant = NX_STORE_TENANT,
			      .docs = nx_arena_memdup(f->arena, docs, n * sizeof(*docs)),
			      .ndocs = n,
			      .indexes = NX_INDEX_ALL,
			      .done = ingested};
	nx_knowledge_ingest(f->k, &g);
	if (ret)
		*ret = g;
	return code;
}

int fixture_put(struct fixture *f, const char *name, const char *title, const char *text)
{
	struct nx_document d = {.name = nx_str_z(name), .title = nx_str_z(title), .text = nx_str_z(text)};
	return fixture_ingest(f, &d, 1, NULL);
}

static void searched(struct nx_search *s, struct nx_error *err)
{
	keep(err);
}

int fixture_search(struct fixture *f, const char *query, enum nx_search_mode mode, struct nx_search *ret)
{
	unsigned kinds = ret->kinds ? ret->kinds : NX_KIND_CHUNK;
	*ret = (struct nx_search){.arena = f->arena,
				  .tenant = ret->tenant ? ret->tenant : NX_STORE_TENANT,
				  .space = ret->space,
				  .query = nx_str_z(query),
				  .limit = ret->limit ? ret->limit : 10,
				  .mode = mode,
				  .kinds = kinds,
				  .filters = ret->filters,
				  .done = searched,
				  .explain = true};
	nx_knowledge_search(f->k, ret);
	return code;
}

static void asked(struct nx_ask *a, struct nx_error *err)
{
	keep(err);
}

int fixture_ask(struct fixture *f, const char *question, struct nx_ask *ret)
{
	*ret = (struct nx_ask){.arena = f->arena,
			       .tenant = NX_STORE_TENANT,
			       .question = nx_str_z(question),
			       .limit = 12,
			       .done = asked};
	nx_knowledge_ask(f->k, ret);
	return code;
}

static void changed(struct nx_knowledge_change *c, struct nx_error *err)
{
	keep(err);
}

int fixture_change(struct fixture *f, void (*start)(struct nx_knowledge *k, struct nx_knowledge_change *c),
		   const char *id, const char *json, nx_str *ret_answer)
{
	struct nx_knowledge_change c = {
		.arena = f->arena, .tenant = NX_STORE_TENANT, .id = nx_str_z(id), .done = changed};
	if (json)
		ASSERT_OK(nx_json_read(f->arena, nx_str_z(json), NULL, &c.body, NULL));
	start(f->k, &c);
	*ret_answer = c.answer;
	return code;
}

int fixture_delete(struct fixture *f, const char *name)
{
	struct nx_knowledge_change c = {
		.arena = f->arena, .tenant = NX_STORE_TENANT, .id = nx_str_z(name), .done = changed};
	nx_knowledge_document_delete(f->k, &c);
	return code;
}

const char *fixture_message(void)
{
	return message;
}

const char *fixture_pointer(void)
{
	return pointer;
}

int64_t fixture_count(struct fixture *f, const char *sql)
{
	int64_t n = -1;
	ASSERT_OK(nx_db_get_int(nx_store_reader(f->store), sql, NX_NO_PARAMS, &n, NULL));
	return n;
}
