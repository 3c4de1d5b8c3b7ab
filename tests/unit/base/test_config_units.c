#include "base/config.h"
#include "tests/unit/nx_test.h"

static int64_t size_of(const char *text)
{
	int64_t v = -1;
	ASSERT_OK(nx_size_parse(nx_str_z(text), &v, NULL));
	return v;
}

static int64_t time_of(const char *text)
{
	int64_t v = -1;
	ASSERT_OK(nx_duration_parse(nx_str_z(text), &v, NULL));
	return v;
}

TEST(sizes_are_read_as_people_write_them)
{
	ASSERT_EQ(size_of("0"), 0);
	ASSERT_EQ(size_of("1200"), 1200);
	ASSERT_EQ(size_of("1200B"), 1200);
	ASSERT_EQ(size_of("64 KiB"), 65536);
	ASSERT_EQ(size_of("32mib"), 32 << 20);
	ASSERT_EQ(size_of("1.5GiB"), INT64_C(1610612736));
	ASSERT_EQ(size_of("0.1GB"), 100000000);
	ASSERT_EQ(size_of("10MB"), 10000000);
	ASSERT_EQ(size_of("2k"), 2048);
	ASSERT_EQ(size_of(" 7 T "), INT64_C(7) << 40);
	ASSERT_EQ(size_of("512 bytes"), 512);
}

TEST(times_are_read_as_people_write_them)
{
	ASSERT_EQ(time_of("0"), 0);
	ASSERT_EQ(time_of("250ms"), 250);
	ASSERT_EQ(time_of("30s"), 30000);
	ASSERT_EQ(time_of("1.5 s"), 1500);
	ASSERT_EQ(time_of("5 min"), 300000);
	ASSERT_EQ(time_of("5m"), 300000);
	ASSERT_EQ(time_of("2H"), 7200000);
	ASSERT_EQ(time_of("7d"), 604800000);
	ASSERT_EQ(time_of("1h 30min"), 5400000);
	ASSERT_EQ(time_of("1h30m5s"), 5405000);
	ASSERT_EQ(time_of("2 hours"), 7200000);
}

TEST(what_is_neither_is_refused)
{
	static const char *const sizes[] = {"",    "x",     "-1",           "1.5",  "1QB",   "1 2",
					    "KiB", "1KiB2", "99999999999T", "0.3B", "1..5K", "0x10",
					    "1e3", "١",     "1 KiB KiB"};
	static const char *const times[] = {"",     "s", "-1s", "1.0001s", "1 year", "1s 2", "99999999999999999d",
					    "1,5s", "s1"};
	nx_auto_error struct nx_error *last = NULL;
	int64_t v;
	for (size_t i = 0; i < nx_countof(sizes); i++)
		ASSERT_ERR(nx_size_parse(nx_str_z(sizes[i]), &v, NULL), NX_EINVAL);
	for (size_t i = 0; i < nx_countof(times); i++)
		ASSERT_ERR(nx_duration_parse(nx_str_z(times[i]), &v, NULL), NX_EINVAL);
	ASSERT_ERR(nx_duration_parse(NX_STR("30"), &v, &last), NX_EINVAL);
	ASSERT_STREQ(nx_error_message(last), "\"30\" has no unit: write 30s, 30min or 30h");
}

TEST(what_is_written_is_exact_and_is_read_back)
{
	static const int64_t values[] = {
		0, 1, 999, 1000, 1023, 1024, 1536, 60000, 90000, 1 << 20, 86400000, INT64_C(1) << 40, INT64_MAX};
	char text[NX_UNITS_TEXT];
	for (size_t i = 0; i < nx_countof(values); i++) {
		nx_size_format(values[i], text);
		ASSERT_EQ(size_of(text), values[i]);
		nx_duration_format(values[i], text);
		ASSERT_EQ(time_of(text), values[i]);
	}
	nx_size_format(1536, text);
	ASSERT_STREQ(text, "1536 B");
	nx_duration_format(90000, text);
	ASSERT_STREQ(text, "90 s");
}
