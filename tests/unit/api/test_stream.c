#include "api/http_internal.h"
#include "api/stream_internal.h"
#include "tests/unit/nx_test.h"

static char connection; /* only its address is used */
static int suspended, closed, drained;

/* The daemon's part, played here. */
void nx_httpd_suspend(struct MHD_Connection *c)
{
	ASSERT_TRUE((void *)c == &connection);
	suspended++;
}

void nx_httpd_resume(struct MHD_Connection *c)
{
	ASSERT_TRUE((void *)c == &connection);
	suspended--;
}

static void on_closed(struct nx_stream *s, void *ctx)
{
	closed++;
}

static void on_drained(struct nx_stream *s, void *ctx)
{
	drained++;
}

static struct nx_stream *make(size_t limit)
{
	struct nx_stream_events ev = {.on_closed = on_closed, .on_drained = on_drained};
	struct nx_stream *s = nx_stream_new(limit, &ev);
	suspended = closed = drained = 0;
	nx_stream_attach(s, (void *)&connection);
	return s;
}

static void end(struct nx_stream *s)
{
	nx_stream_closed(s);
	ASSERT_EQ(closed, 1);
	nx_stream_unref(s);
}

TEST(bytes_come_in_order_and_the_connection_sleeps_between)
{
	char buf[8];
	struct nx_stream *s = make(100);
	ASSERT_EQ(nx_stream_read(s, buf, 8), 0);
	ASSERT_EQ(suspended, 1);
	ASSERT_TRUE(nx_stream_push_text(s, NX_STR("hello ")));
	ASSERT_EQ(suspended, 0);
	ASSERT_TRUE(nx_stream_push_text(s, NX_STR("world")));
	ASSERT_EQ(nx_stream_read(s, buf, 8), 8);
	ASSERT_MEMEQ(buf, "hello wo", 8);
	ASSERT_EQ(drained, 0);
	ASSERT_EQ(nx_stream_read(s, buf, 8), 3);
	ASSERT_EQ(drained, 1);
	nx_stream_end(s);
	ASSERT_EQ(nx_stream_read(s, buf, 8), -1);
	end(s);
}

TEST(a_slow_reader_is_reset_and_ended_at_the_start_of_a_frame)
{
	char buf[200];
	struct nx_stream *s = make(20);
	ASSERT_TRUE(nx_stream_push_text(s, NX_STR("0123456789")));
	ASSERT_EQ(nx_stream_read(s, buf, 4), 4);
	ASSERT_TRUE(nx_stream_push_text(s, NX_STR("abcdefghij")));
	ASSERT_FALSE(nx_stream_push_text(s, NX_STR("too much")));
	ASSERT_FALSE(nx_stream_push_text(s, NX_STR("more")));
	ssize_t n = nx_stream_read(s, buf, sizeof(buf) - 1);
	ASSERT_GT(n, 6);
	buf[n] = '\0';
	ASSERT_MEMEQ(buf, "456789event: reset\n", 19);
	ASSERT_EQ(nx_stream_read(s, buf, 8), -1);
	end(s);
}

TEST(one_frame_may_be_longer_than_the_limit)
{
	char buf[64];
	struct nx_stream *s = make(4);
	ASSERT_TRUE(nx_stream_push_text(s, NX_STR("longer than four")));
	ASSERT_EQ(nx_stream_read(s, buf, sizeof(buf)), 16);
	end(s);
}

TEST(a_client_that_is_gone_ends_it)
{
	char buf[8];
	struct nx_stream *s = make(100);
	ASSERT_EQ(nx_stream_read(s, buf, 8), 0);
	nx_stream_gone(s);
	ASSERT_EQ(suspended, 0);
	ASSERT_EQ(nx_stream_read(s, buf, 8), -2);
	ASSERT_FALSE(nx_stream_push_text(s, NX_STR("x")));
	ASSERT_TRUE(nx_stream_is_over(s));
	end(s);
}

TEST(silence_is_broken_by_a_comment)
{
	char buf[64];
	struct nx_stream *s = make(100);
	ASSERT_EQ(nx_stream_read(s, buf, 8), 0);
	nx_stream_tick(s, 0);
	ASSERT_EQ(suspended, 1);
	nx_stream_tick(s, INT64_MAX / 2);
	ASSERT_EQ(suspended, 0);
	ASSERT_EQ(nx_stream_read(s, buf, sizeof(buf)), 14);
	ASSERT_MEMEQ(buf, ": keep-alive\n\n", 14);
	end(s);
}

TEST(frames_are_shared)
{
	char buf[8];
	struct nx_frame *f = nx_frame_new(NX_STR("once"));
	struct nx_stream *a = make(100);
	ASSERT_TRUE(nx_stream_push(a, f));
	ASSERT_TRUE(nx_stream_push(a, f));
	nx_frame_unref(f);
	ASSERT_EQ(nx_stream_read(a, buf, 8), 8);
	ASSERT_MEMEQ(buf, "onceonce", 8);
	end(a);
}

TEST(an_event_is_written_as_its_lines)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	ASSERT_TRUE(nx_sse_format(&b, 7, "task.accepted", NX_STR("{}")));
	ASSERT_STREQ(b.p, "id: 7\nevent: task.accepted\ndata: {}\n\n");
	nx_buf_clear(&b);
	ASSERT_TRUE(nx_sse_format(&b, 0, "x", NX_STR("a\r\nb")));
	ASSERT_STREQ(b.p, "event: x\ndata: a\ndata: b\n\n");
}
