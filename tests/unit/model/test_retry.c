#include "base/clock.h"
#include "model/retry_internal.h"
#include "tests/unit/nx_test.h"

#define SECOND NX_USEC_PER_SEC

static void fail_often(struct nx_breaker *b, int n, int64_t now)
{
	for (int i = 0; i < n; i++)
		nx_breaker_failure(b, now);
}

TEST(waits_double_and_lie_in_the_upper_half_of_their_range)
{
	ASSERT_EQ(nx_retry_delay_us(0, 0, 0), SECOND / 4);
	ASSERT_EQ(nx_retry_delay_us(0, 0, 0.5), SECOND * 3 / 8);
	ASSERT_EQ(nx_retry_delay_us(1, 0, 0), SECOND / 2);
	ASSERT_EQ(nx_retry_delay_us(4, 0, 0), SECOND * 4);
	ASSERT_LT(nx_retry_delay_us(0, 0, 0.999), SECOND / 2);
}

TEST(waits_end_at_twenty_seconds)
{
	ASSERT_EQ(nx_retry_delay_us(6, 0, 0), SECOND * 10);
	ASSERT_EQ(nx_retry_delay_us(4000000000U, 0, 0), SECOND * 10);
}

TEST(what_the_server_asks_for_is_never_undercut)
{
	ASSERT_EQ(nx_retry_delay_us(0, 3 * SECOND, 0), 3 * SECOND);
	ASSERT_GT(nx_retry_delay_us(0, 3 * SECOND, 0.5), 3 * SECOND);
	ASSERT_EQ(nx_retry_delay_us(9, SECOND, 0), 10 * SECOND);
}

TEST(retry_after_is_seconds_or_a_date)
{
	int64_t now = 0;
	ASSERT_OK(nx_time_parse(NX_STR("1994-11-06T08:49:30Z"), &now, NULL));
	ASSERT_EQ(nx_retry_after_us("120", now), 120 * SECOND);
	ASSERT_EQ(nx_retry_after_us(" 1 ", now), SECOND);
	ASSERT_EQ(nx_retry_after_us("Sun, 06 Nov 1994 08:49:37 GMT", now), 7 * SECOND);
	ASSERT_EQ(nx_retry_after_us("Sun, 06 Nov 1994 08:49:20 GMT", now), 0);
}

TEST(a_retry_after_that_makes_no_sense_is_none)
{
	const char *bad[] = {"",
			     "soon",
			     "-5",
			     "1.5",
			     "99999999999999999999",
			     "Sun, 06 Foo 1994 08:49:37 GMT",
			     "Sun, 06 ovD 1994 08:49:37 GMT",
			     "Sun, 99 Nov 1994 08:49:37 GMT",
			     "Sun, 06 Nov 1994 08:49:37 CET"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ASSERT_EQ(nx_retry_after_us(bad[i], 0), 0);
	ASSERT_EQ(nx_retry_after_us(NULL, 0), 0);
	ASSERT_EQ(nx_retry_after_us("86400", 0), 3600 * SECOND);
}

TEST(five_failures_in_a_row_open_the_breaker_and_a_success_between_does_not)
{
	struct nx_breaker b = {0};
	int64_t wait = 0;
	fail_often(&b, 4, 0);
	nx_breaker_success(&b);
	fail_often(&b, 4, 0);
	ASSERT_TRUE(nx_breaker_allow(&b, 0, &wait));
	nx_breaker_failure(&b, 0);
	ASSERT_FALSE(nx_breaker_allow(&b, 0, &wait));
	ASSERT_EQ(wait, 5 * SECOND);
	ASSERT_FALSE(nx_breaker_allow(&b, 2 * SECOND, &wait));
	ASSERT_EQ(wait, 3 * SECOND);
}

TEST(half_open_lets_one_call_through_which_decides)
{
	struct nx_breaker b = {0};
	int64_t wait = 0;
	fail_often(&b, 5, 0);
	ASSERT_TRUE(nx_breaker_allow(&b, 5 * SECOND, &wait));
	ASSERT_FALSE(nx_breaker_allow(&b, 5 * SECOND, &wait));
	ASSERT_GT(wait, 0);
	nx_breaker_success(&b);
	ASSERT_TRUE(nx_breaker_allow(&b, 5 * SECOND, &wait));
	ASSERT_TRUE(nx_breaker_allow(&b, 5 * SECOND, &wait));
}

TEST(each_failed_trial_doubles_the_time_up_to_a_minute)
{
	struct nx_breaker b = {0};
	int64_t now = 0, wait = 0;
	fail_often(&b, 5, now);
	for (int64_t expected = 5; expected <= 40; expected *= 2) {
		ASSERT_FALSE(nx_breaker_allow(&b, now, &wait));
		ASSERT_EQ(wait, expected * SECOND);
		now += wait;
		ASSERT_TRUE(nx_breaker_allow(&b, now, &wait));
		nx_breaker_failure(&b, now);
	}
	for (int i = 0; i < 3; i++) {
		ASSERT_FALSE(nx_breaker_allow(&b, now, &wait));
		ASSERT_EQ(wait, 60 * SECOND);
		now += wait;
		ASSERT_TRUE(nx_breaker_allow(&b, now, &wait));
		nx_breaker_failure(&b, now);
	}
}

TEST(a_cancelled_trial_leaves_the_next_call_to_try)
{
	struct nx_breaker b = {0};
	int64_t wait = 0;
	fail_often(&b, 5, 0);
	ASSERT_TRUE(nx_breaker_allow(&b, 6 * SECOND, &wait));
	nx_breaker_abandon(&b);
	ASSERT_TRUE(nx_breaker_allow(&b, 6 * SECOND, &wait));
}

TEST(calls_that_began_before_it_opened_do_not_prolong_it)
{
	struct nx_breaker b = {0};
	int64_t wait = 0;
	fail_often(&b, 5, 0);
	fail_often(&b, 20, 4 * SECOND);
	ASSERT_TRUE(nx_breaker_allow(&b, 5 * SECOND, &wait));
}
