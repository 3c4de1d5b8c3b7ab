#include "base/http_client.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>

struct seen {
	struct nx_buf text; /* "event|data|id;" of each */
};

static void on_event(nx_str event, nx_str data, nx_str id, void *ctx)
{
	struct seen *s = ctx;
	nx_buf_addf(&s->text, "%.*s|%.*s|%.*s;", NX_FMT(event), NX_FMT(data), NX_FMT(id));
}

/* The same text in pieces of every size must give the same events. */
static void check(const char *text, size_t n, const char *want)
{
	for (size_t piece = 1; piece <= n; piece++) {
		struct nx_sse_parser p = {0};
		struct seen s = {NX_BUF_INIT};
		for (size_t at = 0; at < n; at += piece)
			nx_sse_feed(&p, nx_str_n(text + at, nx_min(piece, n - at)), on_event, &s);
		ASSERT_FALSE(p.failed);
		ASSERT_STREQ(s.text.p ? s.text.p : "", want);
		nx_sse_done(&p);
		nx_buf_done(&s.text);
	}
}
#define CHECK(text, want) check("" text, sizeof(text) - 1, (want))

TEST(an_event_ends_with_an_empty_line)
{
	CHECK("data: a\n\ndata: b\n\n", "message|a|;message|b|;");
	CHECK("event: done\ndata: x\nid: 7\n\n", "done|x|7;");
}

TEST(all_three_ends_of_line_count_once)
{
	CHECK("data: a\r\ndata: b\r\n\r\n", "message|a\nb|;");
	CHECK("data: a\rdata: b\r\r", "message|a\nb|;");
	CHECK("data: a\r\n\ndata: b\n\r\n", "message|a|;message|b|;");
}

TEST(the_examples_of_the_standard_read_as_it_says)
{
	CHECK("data: YHOO\ndata: +2\ndata: 10\n\n", "message|YHOO\n+2\n10|;");
	CHECK(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
	      "message|first event|1;message|second event|;message| third event|;");
	CHECK("data\n\ndata\ndata\n\ndata:", "message||;message|\n|;");
	CHECK("data:test\n\ndata: test\n\n", "message|test|;message|test|;");
}

TEST(an_id_stays_until_another_comes_and_one_with_a_nul_is_ignored)
{
	CHECK("id: 1\ndata: a\n\ndata: b\n\nid: 2\0\ndata: c\n\n", "message|a|1;message|b|1;message|c|1;");
}

TEST(an_event_without_data_is_none_and_its_name_is_forgotten)
{
	CHECK("event: ping\n\ndata: a\n\n", "message|a|;");
	CHECK("retry: 10\nunknown: x\n\n", "");
}

TEST(a_byte_order_mark_is_dropped_at_the_beginning_only)
{
	CHECK("\xef\xbb\xbf"
	      "data: a\n\n\xef\xbb\xbf"
	      "data: b\n\n",
	      "message|a|;");
}

TEST(an_event_that_was_cut_off_is_not_given)
{
	CHECK("data: a\n\ndata: b\n", "message|a|;");
}

TEST(an_event_over_the_bound_fails_the_parser_for_good)
{
	struct nx_sse_parser p = {0};
	struct seen s = {NX_BUF_INIT};
	static char line[1 << 16];
	memset(line, 'x', sizeof(line));
	for (size_t n = 0; n <= NX_SSE_MAX_EVENT && !p.failed; n += sizeof(line))
		nx_sse_feed(&p, nx_str_n(line, sizeof(line)), on_event, &s);
	ASSERT_TRUE(p.failed);
	nx_sse_feed(&p, NX_STR("\n\ndata: a\n\n"), on_event, &s);
	ASSERT_EQ(s.text.n, 0);
	nx_sse_done(&p);
}
