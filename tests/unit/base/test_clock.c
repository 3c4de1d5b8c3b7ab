#include "base/clock.h"
#include "tests/unit/nx_test.h"

static const char *formatted(int64_t us)
{
	static char text[NX_TIME_TEXT];
	nx_time_format(us, text);
	return text;
}

static int64_t parsed(const char *text)
{
	int64_t us = 0;
	ASSERT_OK(nx_time_parse(nx_str_z(text), &us, NULL));
	return us;
}

TEST(known_moments_are_written_as_rfc_3339)
{
	ASSERT_STREQ(formatted(0), "1970-01-01T00:00:00.000000Z");
	ASSERT_STREQ(formatted(-1), "1969-12-31T23:59:59.999999Z");
	ASSERT_STREQ(formatted(INT64_C(951782400000000)), "2000-02-29T00:00:00.000000Z");
	ASSERT_STREQ(formatted(INT64_C(1772366400123456)), "2026-03-01T12:00:00.123456Z");
	ASSERT_STREQ(formatted(INT64_MIN), "0000-01-01T00:00:00.000000Z");
	ASSERT_STREQ(formatted(INT64_MAX), "9999-12-31T23:59:59.999999Z");
}

TEST(every_offset_is_taken)
{
	ASSERT_EQ(parsed("2026-03-01T12:00:00Z"), INT64_C(1772366400000000));
	ASSERT_EQ(parsed("2026-03-01T15:00:00+03:00"), INT64_C(1772366400000000));
	ASSERT_EQ(parsed("2026-03-01t06:30:00-05:30"), INT64_C(1772366400000000));
	ASSERT_EQ(parsed("2026-03-01 12:00:00.5z"), INT64_C(1772366400500000));
	ASSERT_EQ(parsed("2026-03-01T12:00:00.1234567891234Z"), INT64_C(1772366400123456));
	ASSERT_EQ(parsed("0000-01-01T00:00:00+23:59"), parsed("0000-01-01T00:00:00Z") - INT64_C(86340000000));
}

TEST(a_leap_second_is_the_first_of_the_next_day)
{
	ASSERT_EQ(parsed("2016-12-31T23:59:60Z"), parsed("2017-01-01T00:00:00Z"));
	ASSERT_EQ(parsed("2017-01-01T02:59:60+03:00"), parsed("2017-01-01T00:00:00Z"));
	int64_t us;
	ASSERT_ERR(nx_time_parse(NX_STR("2016-12-31T12:59:60Z"), &us, NULL), NX_EPARSE);
}

TEST(what_is_no_time_is_refused_with_an_example)
{
	static const char *const bad[] = {"",
					  "2026-03-01",
					  "2026-03-01T12:00:00",
					  "2026-13-01T00:00:00Z",
					  "2026-00-01T00:00:00Z",
					  "2026-02-29T00:00:00Z",
					  "1900-02-29T00:00:00Z",
					  "2026-04-31T00:00:00Z",
					  "2026-01-00T00:00:00Z",
					  "2026-01-01T24:00:00Z",
					  "2026-01-01T00:60:00Z",
					  "2026-01-01T00:00:61Z",
					  "2026-01-01T00:00:00.Z",
					  "2026-01-01T00:00:00+24:00",
					  "2026-01-01T00:00:00+0300",
					  "2026-01-01T00:00:00Zx",
					  "26-01-01T00:00:00Z",
					  "+2026-01-01T00:00:00Z",
					  "2026-01-01T00:00:0٣Z"};
	int64_t us = 42;
	for (size_t i = 0; i < nx_countof(bad); i++) {
		nx_auto_error struct nx_error *err = NULL;
		ASSERT_ERR(nx_time_parse(nx_str_z(bad[i]), &us, &err), NX_EPARSE);
		ASSERT_CONTAINS(nx_error_message(err), "2026-03-01T12:00:00Z");
	}
	ASSERT_EQ(us, 42);
}

TEST(writing_and_reading_agree_on_ten_thousand_days)
{
	for (int64_t day = -719528; day < 2932896; day += 367) {
		int64_t us = day * INT64_C(86400000000) + (day & 0xFFFF) * 12345;
		ASSERT_EQ(parsed(formatted(us)), us);
	}
}

TEST(the_real_clocks_go_forward)
{
	int64_t wall = nx_time_wall_us(), mono = nx_time_mono_us();
	ASSERT_GT(wall, INT64_C(1700000000000000));
	ASSERT_LE(mono, nx_time_mono_us());
	ASSERT_GE(nx_time_thread_cpu_us(), 0);
	ASSERT_LE(nx_time_thread_cpu_us(), nx_time_process_cpu_us() + 1000);
}

TEST(a_fake_clock_stands_still_until_it_is_moved)
{
	struct nx_fake_clock c;
	nx_fake_clock_install(&c, 1000);
	ASSERT_EQ(nx_time_wall_us(), 1000);
	int64_t mono = nx_time_mono_us();
	ASSERT_EQ(nx_time_mono_us(), mono);
	nx_fake_clock_advance(&c, 50);
	ASSERT_EQ(nx_time_wall_us(), 1050);
	ASSERT_EQ(nx_time_mono_us(), mono + 50);
	nx_clock_set(NULL);
	ASSERT_GT(nx_time_wall_us(), INT64_C(1700000000000000));
}
