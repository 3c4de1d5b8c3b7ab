#include "tests/unit/core/rig.h"

#define TWO_STEPS                                                                   \
	"{\"id\":\"a\",\"tool\":\"math.eval\",\"input\":{\"expression\":\"6*7\"}}," \
	"{\"id\":\"b\",\"tool\":\"math.eval\",\"depends_on\":[\"a\"],\"input\":{\"expression\":{\"$ref\":\"/steps/a/output/result\"}}}"
#define PLAN(steps) "{\"input\":\"x\",\"plan\":{\"steps\":[" steps "]}}"
#define PLAN_WITH(steps, rest) "{\"input\":\"x\"," rest ",\"plan\":{\"steps\":[" steps "]}}"
#define STEP(id, tool, rest) "{\"id\":\"" id "\",\"tool\":\"" tool "\",\"input\":{\"word\":\"" id "\"}" rest "}"

TEST(arithmetic_is_answered_in_one_commit)
{
	struct rig r;
	struct answer a;
	struct nx_store_stats before, after;

	rig_open(&r, "one");
	nx_store_stats(r.store, &before);
	rig_submit(&r, "{\"input\":\"12.5% of 80\",\"wait\":true}", &a);
	nx_store_stats(r.store, &after);

	ASSERT_TRUE(a.done && a.submit.finished);
	ASSERT_STREQ(nx_json_str(nx_json_get(a.task, "result"), "text").p, "10");
	ASSERT_EQ(after.commits - before.commits, 1);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "succeeded");
	rig_close(&r);
}

TEST(a_client_that_does_not_wait_hears_of_the_task_after_its_commit)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "accept");
	rig_submit(&r, PLAN(STEP("h", "test.hold", "")), &a);

	ASSERT_TRUE(a.done && !a.submit.finished);
	ASSERT_EQ(rig_count(&r, "SELECT count(*) FROM tasks"), 1);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "queued");
	rig_finish(&r, 0, true);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "succeeded");
	ASSERT_EQ(nx_core_pending(r.core), 0);
	rig_close(&r);
}

TEST(a_step_takes_what_another_gave)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "refs");
	rig_submit(&r, PLAN_WITH(TWO_STEPS, "\"wait\":true"), &a);
	ASSERT_STREQ(nx_json_str(nx_json_get(a.task, "result"), "text").p, "42");
	rig_close(&r);
}

TEST(independent_steps_run_side_by_side_and_dependants_after_both)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "dag");
	rig_submit(&r,
		   PLAN(STEP("a", "test.hold", "") "," STEP("b", "test.hold", "") "," STEP(
			   "c", "test.log", ",\"depends_on\":[\"a\",\"b\"]")),
		   &a);
	ASSERT_EQ(r.nheld, 2);
	rig_finish(&r, 0, true);
	ASSERT_STREQ(rig_step(&r, a.submit.id, "c", "state"), "pending");
	rig_finish(&r, 1, true);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "succeeded");
	ASSERT_STREQ(r.order, "a b c");
	rig_close(&r);
}

TEST(a_plan_that_cannot_run_is_refused_with_its_place)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "refuse");
	rig_submit(&r,
		   PLAN(STEP("a", "test.log", ",\"depends_on\":[\"b\"]") "," STEP("b", "test.log",
										  ",\"depends_on\":[\"a\"]")),
		   &a);
	ASSERT_EQ(a.code, NX_EINVAL);
	ASSERT_CONTAINS(a.message, "cycle");
	rig_submit(&r, PLAN(STEP("a", "math.evil", "")), &a);
	ASSERT_CONTAINS(a.message, "no tool `math.evil`");
	ASSERT_STREQ(a.pointer, "/plan/steps/0");
	rig_submit(&r, PLAN(STEP("a", "test.log", "") "," STEP("a", "test.log", "")), &a);
	ASSERT_CONTAINS(a.message, "used twice");
	rig_submit(&r, PLAN("{\"id\":\"a\",\"tool\":\"test.log\",\"input\":{\"word\":{\"$ref\":\"/steps/z/output\"}}}"),
		   &a);
	ASSERT_CONTAINS(a.message, "depends_on");
	rig_submit(&r, PLAN(""), &a);
	ASSERT_CONTAINS(a.message, "at least one step");
	ASSERT_EQ(rig_count(&r, "SELECT count(*) FROM tasks"), 0);
	ASSERT_EQ(nx_core_pending(r.core), 0);
	rig_close(&r);
}

TEST(a_failed_step_is_tried_again_after_its_back_off)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "retry");
	r.failures = 2;
	rig_submit(&r, PLAN(STEP("f", "test.fail", ",\"retry\":{\"max\":3,\"backoff_ms\":1000}")), &a);
	ASSERT_EQ(r.runs, 1);
	rig_advance(&r, 0.4);
	ASSERT_EQ(r.runs, 1);
	rig_advance(&r, 0.7);
	ASSERT_EQ(r.runs, 2);
	rig_advance(&r, 2.1);
	ASSERT_EQ(r.runs, 3);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "succeeded");
	ASSERT_STREQ(rig_step(&r, a.submit.id, "f", "attempts"), "3");
	rig_close(&r);
}

TEST(a_step_that_fails_for_good_fails_the_task_and_skips_what_depends_on_it)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "fail");
	r.failures = 9;
	rig_submit(&r,
		   PLAN(STEP("f", "test.fail", "") "," STEP("g", "test.log",
							    ",\"depends_on\":[\"f\"]") "," STEP("h", "test.log", "")),
		   &a);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "failed");
	ASSERT_STREQ(rig_step(&r, a.submit.id, "g", "state"), "skipped");
	ASSERT_STREQ(rig_step(&r, a.submit.id, "h", "state"), "succeeded");
	ASSERT_CONTAINS(nx_json_str(nx_json_get(rig_task(&r, a.submit.id), "error"), "message").p, "it did not work");
	rig_close(&r);
}

TEST(when_decides_whether_a_step_runs)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "when");
	rig_submit(
		&r,
		PLAN(STEP("a", "test.log", "") "," STEP("yes", "test.log", ",\"depends_on\":[\"a\"],\"when\":\"/steps/a/output/n == 7\"") "," STEP(
			"no", "test.log", ",\"depends_on\":[\"a\"],\"when\":\"!/steps/a/output/n\"")),
		&a);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "succeeded");
	ASSERT_STREQ(rig_step(&r, a.submit.id, "yes", "state"), "succeeded");
	ASSERT_STREQ(rig_step(&r, a.submit.id, "no", "state"), "skipped");
	rig_close(&r);
}

TEST(a_step_s_clock_stops_it)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "timeout");
	rig_submit(&r, PLAN(STEP("h", "test.hold", ",\"timeout_s\":2")), &a);
	rig_advance(&r, 1.9);
	ASSERT_STREQ(rig_step(&r, a.submit.id, "h", "state"), "running");
	rig_advance(&r, 0.2);
	ASSERT_STREQ(rig_step(&r, a.submit.id, "h", "state"), "timed_out");
	ASSERT_STREQ(rig_state(&r, a.submit.id), "failed");
	rig_close(&r);
}

TEST(the_total_clock_ends_the_task_as_timed_out)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "total");
	rig_submit(&r,
		   PLAN_WITH(STEP("h", "test.hold", "") "," STEP("k", "test.log", ",\"depends_on\":[\"h\"]"),
			     "\"timeout_s\":5"),
		   &a);
	rig_advance(&r, 5.1);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "timed_out");
	ASSERT_STREQ(rig_step(&r, a.submit.id, "k", "state"), "cancelled");
	rig_close(&r);
}

TEST(a_wait_that_is_over_is_answered_with_the_task_as_it_is)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "wait");
	rig_submit(&r, PLAN_WITH(STEP("h", "test.hold", ""), "\"wait\":3"), &a);
	ASSERT_FALSE(a.done);
	rig_advance(&r, 3.1);
	ASSERT_TRUE(a.done && !a.submit.finished);
	rig_finish(&r, 0, true);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "succeeded");
	rig_close(&r);
}

TEST(cancelled_means_stopped)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "cancel");
	rig_submit(&r, PLAN(STEP("s", "test.stubborn", "") "," STEP("t", "test.log", ",\"depends_on\":[\"s\"]")), &a);
	rig_cancel(&r, a.submit.id);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "running");
	ASSERT_TRUE(yyjson_is_str(nx_json_get(rig_task(&r, a.submit.id), "cancel_requested_at")));
	rig_finish(&r, 0, false);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "cancelled");
	ASSERT_STREQ(rig_step(&r, a.submit.id, "t", "state"), "cancelled");
	rig_close(&r);
}

TEST(higher_priority_goes_first_and_nobody_starves)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "priority");
	ASSERT_OK(nx_config_set(r.config, "core.max_running", NX_STR("1"), NX_ORIGIN_FLAG, NULL));
	rig_submit(&r, PLAN(STEP("first", "test.hold", "")), &a);
	rig_submit(&r, PLAN_WITH(STEP("low", "test.hold", ""), "\"priority\":\"low\",\"timeout_s\":9999"), &a);
	rig_submit(&r, PLAN_WITH(STEP("medium", "test.hold", ""), "\"timeout_s\":9999"), &a);
	rig_submit(&r, PLAN_WITH(STEP("critical", "test.hold", ""), "\"priority\":\"critical\",\"timeout_s\":9999"),
		   &a);
	rig_advance(&r, 200);
	rig_submit(&r, PLAN_WITH(STEP("high", "test.hold", ""), "\"priority\":\"high\",\"timeout_s\":9999"), &a);
	for (size_t i = 0; i < 5; i++)
		rig_finish(&r, i, true);
	/* weights in seconds: critical 1000, medium 10, low 1; the late `high` (100) comes after what waited 200 s */
	ASSERT_STREQ(r.order, "first critical medium low high");
	rig_close(&r);
}

TEST(a_budget_of_steps_is_not_overspent)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "budget");
	rig_submit(&r,
		   PLAN_WITH(STEP("a", "test.log", "") "," STEP("b", "test.log", ",\"depends_on\":[\"a\"]"),
			     "\"budget\":{\"steps\":1}"),
		   &a);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "over_budget");
	ASSERT_EQ(r.runs, 1);
	rig_close(&r);
}

TEST(a_crash_repeats_a_step_without_effects)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "crash");
	rig_submit(&r, PLAN(STEP("a", "test.log", "") "," STEP("b", "test.hold", ",\"depends_on\":[\"a\"]")), &a);
	rig_crash(&r);
	ASSERT_EQ(r.nheld, 1);
	rig_finish(&r, 0, true);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "succeeded");
	ASSERT_STREQ(r.order, "a b b");
	rig_close(&r);
}

TEST(a_crash_never_repeats_a_step_with_effects_unasked)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "once");
	rig_submit(&r, PLAN_WITH(STEP("a", "test.hold_once", ""), "\"timeout_s\":80000"), &a);
	ASSERT_STREQ(rig_step(&r, a.submit.id, "a", "state"), "running");
	rig_crash(&r);
	ASSERT_EQ(r.nheld, 0);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "waiting");
	ASSERT_STREQ(nx_json_str(nx_json_get(rig_task(&r, a.submit.id), "waiting"), "reason").p, "repeat");
	rig_advance(&r, 3601);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "failed");
	ASSERT_EQ(r.runs, 1);
	rig_close(&r);
}

TEST(a_step_with_effects_starts_after_the_commit_that_says_so)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "commit");
	rig_submit(&r, PLAN(STEP("a", "test.once", "")), &a);
	ASSERT_EQ(rig_count(&r, "SELECT count(*) FROM events WHERE type='step.started'"), 1);
	ASSERT_STREQ(rig_state(&r, a.submit.id), "succeeded");
	rig_close(&r);
}

TEST(a_finished_task_is_not_taken_up_again)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "finished");
	rig_submit(&r, PLAN(STEP("a", "test.log", "")), &a);
	rig_crash(&r);
	ASSERT_EQ(r.runs, 1);
	ASSERT_EQ(nx_core_pending(r.core), 0);
	rig_close(&r);
}

TEST(events_are_numbered_without_gaps_in_the_order_of_what_happened)
{
	struct rig r;
	struct answer a;
	struct nx_event *e;
	size_t n;

	rig_open(&r, "events");
	rig_submit(&r, PLAN_WITH(TWO_STEPS, "\"wait\":true"), &a);
	ASSERT_OK(nx_events_read(nx_store_reader(r.store), NX_STORE_TENANT, &a.submit.id, NX_STR(""), 0, 100, r.arena,
				 &e, &n, NULL));
	ASSERT_EQ(n, 6);
	ASSERT_STREQ(e[0].type, "task.accepted");
	ASSERT_STREQ(e[1].type, "step.started");
	ASSERT_STREQ(e[5].type, "task.succeeded");
	for (size_t i = 1; i < n; i++)
		ASSERT_EQ(e[i].seq, e[i - 1].seq + 1);
	rig_close(&r);
}

TEST(a_dry_run_stores_nothing)
{
	struct rig r;
	struct answer a;

	rig_open(&r, "dry");
	rig_submit(&r, "{\"input\":\"2+2\",\"dry_run\":true}", &a);
	ASSERT_TRUE(a.done);
	ASSERT_STREQ(nx_json_str(nx_json_get(a.task, "analysis"), "intent").p, "calculate");
	ASSERT_EQ(rig_count(&r, "SELECT count(*) FROM tasks"), 0);
	rig_close(&r);
}
