#include "api/problem_internal.h"
#include "tests/unit/nx_test.h"

static yyjson_val *problem(struct nx_arena *a, const struct nx_error *err, int status)
{
	yyjson_val *v = NULL;
	struct nx_problem p = {.status = status, .err = err, .instance = NX_STR("/v1/x"), .trace = {{1, 2, 3}}};
	ASSERT_OK(nx_json_read(a, nx_problem_json(&p, a, NULL), NULL, &v, NULL));
	ASSERT_OK(nx_schema_check(&nx_problem_schema, v, NULL));
	return v;
}

TEST(every_code_has_a_status_of_its_own_kind)
{
	const struct nx_error_info *e;
	for (size_t i = 0; (e = nx_error_info_at(i)) != NULL; i++) {
		int status = nx_problem_status(e->code);
		ASSERT_TRUE(status >= 400 && status < 600);
	}
	ASSERT_EQ(nx_problem_status(NX_EINVAL), 400);
	ASSERT_EQ(nx_problem_status(NX_ENOTFOUND), 404);
	ASSERT_EQ(nx_problem_status(NX_EIDEMPOTENCY), 422);
	ASSERT_EQ(nx_problem_status(NX_ELATER), 501);
	ASSERT_EQ(nx_problem_status(-9999), 500);
}

TEST(a_problem_names_code_place_and_remedy)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_EINVAL, "tool `math.evil` is not known");
	nx_error_at(&err, "/steps/2/tool");
	nx_error_hint(&err, "did you mean `math.eval`?");
	yyjson_val *v = problem(a, err, 0);
	ASSERT_TRUE(nx_str_eqz(nx_json_str(v, "code"), "NX-INVALID"));
	ASSERT_TRUE(nx_str_eqz(nx_json_str(v, "pointer"), "/steps/2/tool"));
	ASSERT_TRUE(nx_str_eqz(nx_json_str(v, "instance"), "/v1/x"));
	ASSERT_EQ(nx_json_int(v, "status", 0), 400);
	ASSERT_EQ(yyjson_arr_size(nx_json_get(v, "errors")), 1);
	ASSERT_TRUE(nx_str_starts(nx_json_str(v, "trace_id"), NX_STR("010203")));
}

TEST(what_is_our_own_fault_is_not_told_to_clients)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_EIO, "read /secret/path: input/output error");
	nx_str detail = nx_json_str(problem(a, err, 0), "detail");
	ASSERT_TRUE(nx_str_find(detail, NX_STR("secret")) < 0);
	ASSERT_TRUE(nx_str_find(detail, NX_STR("010203")) > 0);
}

TEST(without_memory_there_is_still_a_problem)
{
	struct nx_problem p = {.err = NULL};
	int status = 0;
	nx_str text = nx_problem_json(&p, NULL, &status);
	ASSERT_EQ(status, 503);
	ASSERT_TRUE(nx_str_find(text, NX_STR("NX-NO-MEMORY")) > 0);
}
