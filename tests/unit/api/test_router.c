#include "api/api.h"
#include "api/route_internal.h"
#include "base/trace.h"
#include "tests/unit/nx_test.h"

static const char *match(const char *method, const char *path, struct nx_match *m)
{
	nx_route_match(nx_str_z(method), nx_str_z(path), m);
	return m->route ? m->route->id : NULL;
}

TEST(paths_lead_to_their_operations)
{
	struct nx_match m;
	ASSERT_STREQ(match("GET", "/v1/tasks", &m), "list_tasks");
	ASSERT_STREQ(match("POST", "/v1/tasks", &m), "submit_task");
	ASSERT_STREQ(match("HEAD", "/v1/tasks", &m), "list_tasks");
	ASSERT_STREQ(match("GET", "/v1/tasks/abc", &m), "get_task");
	ASSERT_TRUE(nx_str_eqz(m.params[0], "abc"));
	ASSERT_STREQ(match("GET", "/v1/knowledge/entities/a%2Fb/connected", &m), "get_connected");
	ASSERT_TRUE(nx_str_eqz(m.params[0], "a%2Fb"));
	ASSERT_STREQ(match("GET", "/", &m), "get_console");
}

TEST(a_literal_wins_over_a_name)
{
	struct nx_match m;
	ASSERT_STREQ(match("POST", "/v1/memory/recall", &m), "recall_memory");
	ASSERT_STREQ(match("DELETE", "/v1/memory/recall", &m), "delete_memory");
}

TEST(what_is_not_there_is_not_matched)
{
	static const char *const paths[] = {"",           "v1/tasks",  "/v1/tasks/",      "//v1/tasks",
					    "/v1//tasks", "/V1/tasks", "/v1/tasks/a/b/c", "/v1"};
	for (size_t i = 0; i < nx_countof(paths); i++) {
		struct nx_match m;
		ASSERT_NULL(match("GET", paths[i], &m));
		ASSERT_EQ(m.methods, 0);
	}
}

TEST(a_wrong_method_knows_the_right_ones)
{
	struct nx_match m;
	char allow[64];
	ASSERT_NULL(match("PUT", "/v1/tasks", &m));
	nx_methods_text(m.methods, allow, sizeof(allow));
	ASSERT_STREQ(allow, "GET, HEAD, POST, OPTIONS");
	ASSERT_NULL(match("BREW", "/v1/tasks", &m));
	ASSERT_NE(m.methods, 0);
}

TEST(an_unknown_path_has_a_near_one)
{
	ASSERT_STREQ(nx_route_nearest(NX_STR("/v1/taks")), "/v1/tasks");
	ASSERT_NULL(nx_route_nearest(NX_STR("/completely/different/thing")));
}

TEST(the_table_is_sound)
{
	const struct nx_route *r, *o;
	for (size_t i = 0; (r = nx_route_at(i)) != NULL; i++) {
		ASSERT_NOT_NULL(r->id);
		ASSERT_NOT_NULL(r->tag);
		ASSERT_EQ(r->path[0], '/');
		ASSERT_TRUE(!r->handle || (r->summary[0] && r->answers && r->since));
		bool is_write = strcmp(r->method, "PUT") == 0 || strcmp(r->method, "PATCH") == 0 ||
				strcmp(r->method, "DELETE") == 0;
		ASSERT_TRUE(!r->handle || !is_write || (r->flags & NX_R_IDEMPOTENT));
		for (size_t j = 0; j < i && (o = nx_route_at(j)) != NULL; j++) {
			ASSERT_TRUE(strcmp(r->id, o->id) != 0);
			ASSERT_TRUE(strcmp(r->path, o->path) != 0 || strcmp(r->method, o->method) != 0);
		}
	}
}

TEST(the_document_is_written_from_the_table)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_val *doc = NULL, *list = NULL;
	nx_str text;
	ASSERT_OK(nx_api_openapi_json(a, &text, NULL));
	ASSERT_OK(nx_json_read(a, text, NULL, &doc, NULL));
	ASSERT_NOT_NULL(nx_json_get(nx_json_get(nx_json_get(doc, "paths"), "/v1/tasks"), "post"));
	ASSERT_NULL(nx_json_get(nx_json_get(doc, "paths"), "/mcp"));
	ASSERT_OK(nx_api_routes_json(a, &text, NULL));
	ASSERT_OK(nx_json_read(a, text, NULL, &list, NULL));
	ASSERT_TRUE(yyjson_arr_size(list) > 80);
}

/* request.c labels the time of a request with its operation, or "none", and the class of its status. */
TEST(every_operation_has_series_of_its_own_for_its_times)
{
	size_t n = 1;
	while (nx_route_at(n - 1))
		n++;
	ASSERT_TRUE(n > 50);
	ASSERT_TRUE(n * 5 <= nx_metric_series(NX_M_REQUEST_TIME));
}
