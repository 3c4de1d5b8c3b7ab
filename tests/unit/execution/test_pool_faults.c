/* What is made ahead fails on its way, a step at a time: runs are cold then, or one of them is refused with its reason. */
#include "tests/unit/execution/sandbox_fixture.h"

#include <stdio.h>
#include <unistd.h>

enum { TRIES = 400, WARM = 3 };

#ifdef NX_FAULTS_ENABLED
/* Programs of two lengths, so that a sandbox that waits is resized when it is taken. */
static bool run_on(struct box *b, bool is_long, unsigned *ret_refused)
{
	struct trial t;
	trial_init(&t, b, "python", is_long ? "print(1) # and this is the longer one" : "print(1)");
	trial_start(&t);
	trial_wait(&t);
	if (t.err) {
		ASSERT_TRUE(nx_error_code(t.err) == NX_ESANDBOX || nx_error_code(t.err) == NX_EBUSY);
		print_message("  %s\n", nx_error_message(t.err));
		++*ret_refused;
	} else {
		ASSERT_STREQ(trial_out(&t), "1\n");
	}
	bool is_warm = !t.err && t.x.result.is_warm;
	trial_done(&t);
	return is_warm;
}

/* The n-th time that this step is taken it fails: at most that run is refused, and runs are warm in the end. */
static void survive(const char *point, int n)
{
	struct box b;
	char plan[64];
	unsigned refused = 0, warm = 0;
	(void)snprintf(plan, sizeof(plan), "%s=%d", point, n);
	print_message("%s\n", plan);
	(void)setenv("NEXUS_FAULTS", plan, 1);
	box_open(&b, (const char *[]){"sandbox.pool_size=2", NULL});
	(void)unsetenv("NEXUS_FAULTS");
	pid_t spawner = spawner_pid(&b);
	for (int i = 0; i < TRIES && warm < WARM; i++) {
		warm += run_on(&b, i % 2, &refused);
		(void)usleep(10000);
	}
	ASSERT_EQ(warm, WARM);
	ASSERT_LE(refused, 1);
	box_close(&b);
	ASSERT_EQ(count_cgroups_of(spawner), 0);
}
#endif

TEST(a_step_that_fails_costs_one_run_at_most)
{
#ifdef NX_FAULTS_ENABLED
	static const char *const points[] = {"sandbox_cgroup", "sandbox_clone", "sandbox_door",  "sandbox_keeper",
					     "sandbox_limit",  "sandbox_plan",  "sandbox_pipe",  "sandbox_ready",
					     "sandbox_resize", "sandbox_seat",  "sandbox_spawn", "sandbox_workdir",
					     "sandbox_zygote"};
	for (size_t i = 0; i < nx_countof(points); i++)
		for (int n = 1; n <= 2; n++)
			survive(points[i], n);
#else
	SKIP("built without fault points");
#endif
}
