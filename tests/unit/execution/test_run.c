/* What a run gives back: status, output, files, usage. */
#include "tests/unit/execution/sandbox_fixture.h"

static struct box B;

TEST(the_sandbox_opens)
{
	box_open(&B, NULL);
	struct nx_exec_check checks[16];
	size_t n = nx_execution_checks(B.execution, checks, nx_countof(checks));
	ASSERT_GT(n, 0);
	for (size_t i = 0; i < n; i++)
		print_message("%-20s %s %s\n", checks[i].what, checks[i].ok ? "yes" : "no ", checks[i].detail);
	ASSERT_TRUE(checks[0].ok);
}

TEST(a_program_prints_and_ends_with_zero)
{
	struct trial t;
	run_python(&t, &B, "print(6 * 7)");
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_STREQ(trial_out(&t), "42\n");
	ASSERT_EQ(t.x.result.exit_code, 0);
	trial_done(&t);
}

TEST(the_sandbox_closes)
{
	box_close(&B);
}
