/* Many runs leave nothing. A spawner that has been idle is as it was when it had started. */
#include "execution/traces_internal.h"
#include "tests/unit/execution/sandbox_fixture.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(two_hundred_runs_of_all_kinds_leave_nothing)
{
	struct box b;
	nx_str json;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	box_home = nx_test_dir();
	box_open(&b, (const char *[]){"sandbox.pool_idle=200ms", NULL});
	int r = nx_execution_soak(b.execution, box_home, 200, a, &json, &err);
	if (r < 0)
		print_message("%s\n", nx_error_message(err));
	ASSERT_OK(r);
	ASSERT_CONTAINS(json.p, "\"spawner_descriptors\"");
	box_close(&b);
}
