#include "base/clock.h"
#include "base/trace.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define WHOLE "00-" TRACE "-" PARENT "-01"

TEST(a_traceparent_is_read_and_written_again)
{
	struct nx_trace_ctx c;
	char text[56];
	ASSERT_TRUE(nx_traceparent_parse(NX_STR(WHOLE), &c));
	ASSERT_EQ(c.span, 0x00f067aa0ba902b7);
	ASSERT_EQ(c.trace.b[0], 0x4b);
	ASSERT_EQ(c.trace.b[15], 0x36);
	nx_traceparent_format(c, text);
	ASSERT_STREQ(text, WHOLE);
}

TEST(a_later_version_may_say_more_after_a_dash)
{
	struct nx_trace_ctx c;
	ASSERT_TRUE(nx_traceparent_parse(NX_STR("01-" TRACE "-" PARENT "-01-more"), &c));
	ASSERT_TRUE(nx_traceparent_parse(NX_STR("cc-" TRACE "-" PARENT "-00"), &c));
	ASSERT_FALSE(nx_traceparent_parse(NX_STR("01-" TRACE "-" PARENT "-01more"), &c));
	ASSERT_FALSE(nx_traceparent_parse(NX_STR(WHOLE "-more"), &c));
}

TEST(what_is_no_traceparent_is_refused_and_leaves_the_answer_alone)
{
	static const char *const bad[] = {
		"",
		"00",
		"ff-" TRACE "-" PARENT "-01",
		"00-" TRACE "-" PARENT "-0",
		"00-" TRACE "-" PARENT "-0g",
		"00-" TRACE "_" PARENT "-01",
		"00-00000000000000000000000000000000-" PARENT "-01",
		"00-" TRACE "-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
		"0g-" TRACE "-" PARENT "-01",
	};
	for (size_t i = 0; i < nx_countof(bad); i++) {
		struct nx_trace_ctx c = {.span = 7};
		ASSERT_FALSE(nx_traceparent_parse(nx_str_z(bad[i]), &c));
		ASSERT_EQ(c.span, 7);
	}
}

static struct nx_span last;
static int ended;

static void keep(const struct nx_span *s, void *ctx)
{
	last = *s;
	ended += ctx == &ended;
}

TEST(a_span_goes_to_the_sink_with_its_times_and_parent)
{
	struct nx_fake_clock clock;
	struct nx_trace_ctx parent = {.trace = nx_id_new(), .span = 42};
	struct nx_span s;
	nx_fake_clock_install(&clock, 1000000);
	nx_span_sink_set(keep, &ended);
	ended = 0;
	nx_span_start(&s, parent, "step");
	nx_fake_clock_advance(&clock, 250);
	nx_span_end(&s, NX_ETIMEOUT);
	nx_span_sink_set(NULL, NULL);
	nx_clock_set(NULL);
	ASSERT_EQ(ended, 1);
	ASSERT_STREQ(last.name, "step");
	ASSERT_EQ(last.parent, 42);
	ASSERT_TRUE(nx_id_eq(last.ctx.trace, parent.trace));
	ASSERT_NE(last.ctx.span, 0);
	ASSERT_EQ(last.end_us - last.start_us, 250);
	ASSERT_EQ(last.error, NX_ETIMEOUT);
}

TEST(a_span_without_a_parent_begins_a_trace)
{
	struct nx_span a, b;
	nx_span_start(&a, (struct nx_trace_ctx){.span = 0}, "a");
	nx_span_start(&b, (struct nx_trace_ctx){.span = 0}, "b");
	ASSERT_FALSE(nx_id_none(a.ctx.trace));
	ASSERT_FALSE(nx_id_eq(a.ctx.trace, b.ctx.trace));
	ASSERT_EQ(a.parent, 0);
	nx_span_end(&a, 0);
}

TEST(attributes_are_members_of_a_json_object)
{
	struct nx_span s;
	nx_span_start(&s, (struct nx_trace_ctx){.span = 0}, "a");
	nx_span_attr_str(&s, "tool", NX_STR("math \"eval\"\\\n"));
	nx_span_attr_int(&s, "tokens", INT64_MIN);
	nx_span_attr_str(&s, "bad", nx_str_n("ok\xff", 3));
	ASSERT_STREQ(s.attrs,
		     "\"tool\":\"math \\\"eval\\\"\\\\\\u000a\",\"tokens\":-9223372036854775808,\"bad\":\"ok\"");
	ASSERT_EQ(s.nattrs, strlen(s.attrs));
}

TEST(an_attribute_that_does_not_fit_is_left_out_whole)
{
	struct nx_span s;
	char big[sizeof(s.attrs)];
	memset(big, 'x', sizeof(big));
	nx_span_start(&s, (struct nx_trace_ctx){.span = 0}, "a");
	nx_span_attr_str(&s, "big", nx_str_n(big, sizeof(big)));
	ASSERT_EQ(s.nattrs, 0);
	ASSERT_STREQ(s.attrs, "");
	nx_span_attr_int(&s, "n", 1);
	nx_span_attr_str(&s, "big", nx_str_n(big, 500));
	ASSERT_EQ(s.nattrs, 5);
	nx_span_attr_str(&s, "fits", nx_str_n(big, sizeof(s.attrs) - 1 - 5 - strlen(",\"fits\":\"\"")));
	ASSERT_EQ(s.nattrs, sizeof(s.attrs) - 1);
	nx_span_attr_int(&s, "n", 2);
	ASSERT_EQ(strlen(s.attrs), sizeof(s.attrs) - 1);
}
