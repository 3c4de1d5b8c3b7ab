#include "base/clock.h"
#include "cli/cli.h"
#include "cli/feed.h"
#include "tests/unit/cli/capture.h"

static const struct nx_verb verb = {
	.name = "try", .usage = "try WORDS…", .words = (const char *const[]){"list", "show", NULL}};

static const char *put(struct capture *k, nx_str s)
{
	capture(k, stdout);
	nx_cli_put_text(stdout, s);
	return captured(k);
}

TEST(text_from_outside_cannot_steer_the_terminal)
{
	struct capture k;
	ASSERT_STREQ(put(&k, NX_STR("a\tb\nc")), "a\tb\nc");
	ASSERT_STREQ(put(&k, NX_STR("\033[2Jx\r\x7f")), "\\u{1B}[2Jx\\u{D}\\u{7F}");
	ASSERT_STREQ(put(&k, NX_STR("\u202Eevil\u2066\u200F")), "\\u{202E}evil\\u{2066}\\u{200F}");
	ASSERT_STREQ(put(&k, NX_STR("محطة البحيرة")), "محطة البحيرة");
	ASSERT_STREQ(put(&k, NX_STR("\xC2\x9B"
				    "1m")),
		     "\\u{9B}1m");
	ASSERT_STREQ(put(&k, NX_STR("")), "");
}

TEST(durations_are_short)
{
	char ret[24];
	ASSERT_STREQ(nx_cli_duration(0.42, ret), "0.4 ms");
	ASSERT_STREQ(nx_cli_duration(12.3, ret), "12 ms");
	ASSERT_STREQ(nx_cli_duration(3125, ret), "3.1 s");
}

TEST(numbers_are_whole)
{
	int64_t n = 7;
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_OK(nx_cli_number("limit", NULL, &n, NULL));
	ASSERT_EQ(n, 7);
	ASSERT_OK(nx_cli_number("limit", "-3", &n, NULL));
	ASSERT_EQ(n, -3);
	ASSERT_ERR(nx_cli_number("limit", "3x", &n, &err), NX_EINVAL);
	ASSERT_STREQ(nx_error_message(err), "--limit takes a whole number, not `3x`");
}

static struct nx_error *error_of(int code)
{
	struct nx_error *err = NULL;
	(void)nx_error_set(&err, code, "it is \u202Ebroken\"");
	(void)nx_error_at(&err, "/plan/0");
	(void)nx_error_hint(&err, "mend it");
	return err;
}

TEST(an_error_is_told_to_people)
{
	struct nx_cli c = {0};
	struct capture k;
	capture(&k, stderr);
	int status = nx_cli_fail(&c, error_of(NX_ENOTFOUND));
	ASSERT_STREQ(captured(&k), "nexus: it is \\u{202E}broken\" (at /plan/0) [NX-NOT-FOUND]\n  mend it\n");
	ASSERT_EQ(status, NX_EXIT_FAILED);
}

TEST(an_error_is_told_to_programs)
{
	struct nx_cli c = {.json = true};
	struct capture k;
	capture(&k, stderr);
	int status = nx_cli_fail(&c, error_of(NX_EFORBIDDEN));
	ASSERT_STREQ(
		captured(&k),
		"{\"error\":{\"code\":\"NX-FORBIDDEN\",\"message\":\"it is \u202Ebroken\\\"\",\"pointer\":\"/plan/0\","
		"\"hint\":\"mend it\"}}\n");
	ASSERT_EQ(status, NX_EXIT_AUTH);
}

TEST(the_exit_status_tells_wrong_usage_from_failure)
{
	struct nx_cli c = {0};
	struct capture k;
	capture(&k, stderr);
	int misused = nx_cli_misuse(&c, &verb, error_of(NX_EINVAL)),
	    failed = nx_cli_misuse(&c, &verb, error_of(NX_EIO));
	int denied = nx_cli_fail(&c, error_of(NX_EUNAUTHORIZED));
	ASSERT_CONTAINS(captured(&k), "`nexus try --help` tells more.\n");
	ASSERT_EQ(misused, NX_EXIT_USAGE);
	ASSERT_EQ(failed, NX_EXIT_FAILED);
	ASSERT_EQ(denied, NX_EXIT_AUTH);
}

TEST(an_unknown_word_brings_the_nearest)
{
	struct capture k;
	capture(&k, stderr);
	int status = nx_cli_unknown_word(&verb, "shwo");
	ASSERT_CONTAINS(captured(&k), "`shwo` is not known: did you mean `nexus try show`?\nusage: nexus try WORDS…\n");
	ASSERT_EQ(status, NX_EXIT_USAGE);
	capture(&k, stderr);
	(void)nx_cli_unknown_word(&verb, "qqqqqqqq");
	ASSERT_NULL(strstr(captured(&k), "did you mean"));
}

TEST(colour_is_only_where_it_is_on)
{
	struct nx_cli plain = {0}, colour = {.colour = true};
	ASSERT_STREQ(nx_cli_bold(&plain), "");
	ASSERT_STREQ(nx_cli_red(&plain), "");
	ASSERT_STREQ(nx_cli_bold(&colour), "\033[1m");
	ASSERT_STREQ(nx_cli_reset(&colour), "\033[0m");
}

TEST(json_off_a_terminal_is_one_line)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_cli c = {.arena = a};
	struct capture k;
	yyjson_val *v;
	ASSERT_OK(nx_json_read(a, NX_STR("{\"a\": [1, \"\\u200f\"],\n\"b\": null}"), NULL, &v, NULL));
	capture(&k, stdout);
	nx_cli_print_json(&c, v);
	ASSERT_STREQ(captured(&k), "{\"a\":[1,\"\u200F\"],\"b\":null}\n");
}

TEST(progress_is_for_terminals_and_ends_its_line)
{
	struct nx_cli c = {.progress = true}, off = {0}, json = {.progress = true, .json = true};
	struct nx_feed f = {.bytes = 4000000, .bytes_done = 2000000, .documents_done = 20};
	struct capture k;
	f.started_us = nx_time_mono_us() - 10000000;
	capture(&k, stderr);
	f.cli = &off;
	nx_feed_draw(&f, false);
	f.cli = &json;
	nx_feed_draw(&f, false);
	ASSERT_STREQ(captured(&k), "");
	capture(&k, stderr);
	f.cli = &c;
	nx_feed_draw(&f, false);
	ASSERT_CONTAINS(captured(&k),
			"\ringest [###############...............] 2.0 of 4.0 MB  20 documents  2/s  10 s left");
	ASSERT_NULL(strchr(k.text, '\n'));
	capture(&k, stderr);
	nx_feed_draw(&f, true);
	ASSERT_CONTAINS(captured(&k), "[##############################] ");
	ASSERT_EQ(k.text[strlen(k.text) - 1], '\n');
}

TEST(a_slow_start_is_explained_once_and_only_to_people)
{
	struct nx_cli c = {.progress = true}, off = {0}, json = {.progress = true, .json = true};
	struct capture k;
	capture(&k, stderr);
	nx_cli_note_slow(&off, "slow");
	nx_cli_note_slow(&json, "slow");
	nx_cli_note_slow(&c, NULL);
	ASSERT_STREQ(captured(&k), "");
	capture(&k, stderr);
	nx_cli_note_slow(&c, "slow");
	nx_cli_note_slow(&c, "slower");
	ASSERT_STREQ(captured(&k), "\r\033[Kslow\n");
}
