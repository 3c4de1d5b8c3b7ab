/* The benchmark runs and its numbers are there; how large they are is for `nexus bench sandbox` to say. */
#include "tests/unit/execution/sandbox_fixture.h"

TEST(the_benchmark_alternates_and_answers_in_json)
{
	struct nx_config *c;
	struct nx_spawner *sp;
	nx_str json;
	const char *none[] = {NULL};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *runs = getenv("NEXUS_BENCH_RUNS");
	int64_t n = 2;
	(void)nx_str_to_i64(nx_str_z(runs), &n);
	ASSERT_OK(nx_config_load(NULL, none, &c, NULL));
	ASSERT_OK(nx_spawner_start(c, &sp, NULL));
	ASSERT_OK(nx_execution_bench(sp, &(struct nx_execution_peers){0}, n > 2 ? 5 : 1, (unsigned)n, a, &json, NULL));
	print_message("%.*s\n", NX_FMT(json));
	ASSERT_CONTAINS(json.p, "\"nexus_above_bare\"");
	ASSERT_CONTAINS(json.p, "\"met\"");
	nx_spawner_free(sp);
	nx_config_free(c);
}
