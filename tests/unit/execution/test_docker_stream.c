#include "execution/docker_internal.h"
#include "tests/unit/nx_test.h"

struct seen {
	char text[64];
	size_t n;
};

static void keep(void *ctx, int fd, nx_str bytes)
{
	struct seen *s = ctx;
	int n = snprintf(s->text + s->n, sizeof(s->text) - s->n, "%d:%.*s|", fd, NX_FMT(bytes));
	s->n += (size_t)n;
}

TEST(frames_are_told_apart_by_their_stream)
{
	struct nx_docker_demux x = {0};
	struct seen s = {{0}, 0};
	static const char bytes[] = "\1\0\0\0\0\0\0\2hi\2\0\0\0\0\0\0\1!\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1x";
	ASSERT_TRUE(nx_docker_demux_feed(&x, nx_str_n(bytes, sizeof(bytes) - 1), keep, &s));
	ASSERT_STREQ(s.text, "1:hi|2:!|");
}

TEST(a_frame_may_come_in_any_parts)
{
	struct nx_docker_demux x = {0};
	struct seen s = {{0}, 0};
	static const char bytes[] = "\2\0\0\0\0\0\0\3abc";
	for (size_t i = 0; i < sizeof(bytes) - 1; i++)
		ASSERT_TRUE(nx_docker_demux_feed(&x, nx_str_n(bytes + i, 1), keep, &s));
	ASSERT_STREQ(s.text, "2:a|2:b|2:c|");
}

TEST(what_is_no_stream_is_refused_for_good)
{
	struct nx_docker_demux x = {0};
	struct seen s = {{0}, 0};
	ASSERT_FALSE(nx_docker_demux_feed(&x, NX_STR("OCI runtime exec failed"), keep, &s));
	ASSERT_FALSE(nx_docker_demux_feed(&x, nx_str_n("\1\0\0\0\0\0\0\1a", 9), keep, &s));
	ASSERT_EQ(s.n, 0);
}

TEST(statistics_are_read_and_never_below_zero)
{
	struct nx_docker_stats s;
	struct nx_arena *a = nx_arena_new(0);
	nx_str json = NX_STR("{\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":5000000}},\"memory_stats\":{\"usage\":7,"
			     "\"max_usage\":-3},\"pids_stats\":{\"current\":2}}");
	ASSERT_TRUE(nx_docker_read_stats(a, json, &s));
	ASSERT_EQ(s.cpu_us, 5000);
	ASSERT_EQ(s.memory_bytes, 7);
	ASSERT_EQ(s.peak_bytes, 0);
	ASSERT_EQ(s.processes, 2);
	ASSERT_FALSE(nx_docker_read_stats(a, NX_STR("nonsense"), &s));
	nx_arena_free(a);
}

TEST(an_id_is_hexadecimal)
{
	char id[NX_DOCKER_ID_MAX];
	struct nx_arena *a = nx_arena_new(0);
	ASSERT_TRUE(nx_docker_read_id(a, NX_STR("{\"Id\":\"0fa9\"}"), id));
	ASSERT_STREQ(id, "0fa9");
	ASSERT_FALSE(nx_docker_read_id(a, NX_STR("{\"Id\":\"../x\"}"), id));
	ASSERT_FALSE(nx_docker_read_id(a, NX_STR("{\"Id\":\"\"}"), id));
	ASSERT_FALSE(nx_docker_read_id(a, NX_STR("{}"), id));
	nx_arena_free(a);
}

TEST(names_of_images_cannot_leave_their_place_in_a_path)
{
	ASSERT_TRUE(nx_docker_is_image("python:3-slim"));
	ASSERT_TRUE(nx_docker_is_image("127.0.0.1:5000/a/b:1"));
	ASSERT_TRUE(nx_docker_is_image("a@sha256:00"));
	ASSERT_FALSE(nx_docker_is_image(""));
	ASSERT_FALSE(nx_docker_is_image("a/../b"));
	ASSERT_FALSE(nx_docker_is_image("a?x=1"));
	ASSERT_FALSE(nx_docker_is_image("/a"));
}
