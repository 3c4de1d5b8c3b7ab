#include "model/worker_protocol_internal.h"
#include "tests/unit/nx_test.h"

struct lines {
	char text[256];
	int n, fail_at;
};

static int collect(nx_str line, void *ctx, struct nx_error **err)
{
	struct lines *l = ctx;
	size_t used = strlen(l->text);
	(void)snprintf(l->text + used, sizeof(l->text) - used, "[%.*s]", NX_FMT(line));
	return ++l->n == l->fail_at ? nx_error_set(err, NX_EPARSE, "line %d", l->n) : 0;
}

TEST(lines_come_out_whole_however_they_arrive)
{
	const char bytes[] = "one\ntwo\n\nfour\nrest";
	for (size_t piece = 1; piece < sizeof(bytes); piece++) {
		struct lines l = {0};
		nx_auto_buf struct nx_buf in = NX_BUF_INIT;
		for (size_t at = 0; at < sizeof(bytes) - 1; at += piece) {
			ASSERT_TRUE(nx_buf_adds(&in, nx_str_slice(nx_str_z(bytes), at, at + piece)));
			ASSERT_OK(nx_worker_take_lines(&in, collect, &l, NULL));
		}
		ASSERT_STREQ(l.text, "[one][two][][four]");
		ASSERT_STREQ(in.p, "rest");
	}
}

TEST(a_refused_line_stops_the_reading)
{
	struct lines l = {.fail_at = 2};
	nx_auto_buf struct nx_buf in = NX_BUF_INIT;
	ASSERT_TRUE(nx_buf_addz(&in, "a\nb\nc\n"));
	ASSERT_ERR(nx_worker_take_lines(&in, collect, &l, NULL), NX_EPARSE);
	ASSERT_EQ(l.n, 2);
}

TEST(a_line_without_an_end_is_bounded)
{
	struct lines l = {0};
	nx_auto_buf struct nx_buf in = NX_BUF_INIT;
	ASSERT_TRUE(nx_buf_reserve(&in, NX_WORKER_MAX_LINE + 100));
	while (in.n <= NX_WORKER_MAX_LINE)
		ASSERT_TRUE(nx_buf_addz(&in, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
	ASSERT_ERR(nx_worker_take_lines(&in, collect, &l, NULL), NX_ETOOBIG);
}

TEST(an_event_reads_back_as_it_was_written)
{
	struct nx_worker_event events[] = {
		{.kind = NX_WORKER_READY, .context = 2048, .finish = "stop", .code = NX_EPROVIDER},
		{.kind = NX_WORKER_DELTA, .id = 7, .text = NX_STR("a\n\"\xd9\x85")},
		{.kind = NX_WORKER_DONE,
		 .id = 7,
		 .finish = "length",
		 .input_tokens = 3,
		 .cached_tokens = 2,
		 .output_tokens = 9},
		{.kind = NX_WORKER_ERROR, .id = 8, .code = NX_ETOOBIG, .text = NX_STR("too long")}};
	for (size_t i = 0; i < 4; i++) {
		nx_auto_buf struct nx_buf line = NX_BUF_INIT;
		nx_auto_arena struct nx_arena *a = nx_arena_new(0);
		struct nx_worker_event e;
		ASSERT_OK(nx_worker_write_event(&events[i], &line, NULL));
		ASSERT_EQ(line.p[line.n - 1], '\n');
		ASSERT_OK(nx_worker_read_event(a, nx_str_trim(nx_buf_str(&line)), &e, NULL));
		ASSERT_EQ(e.kind, events[i].kind);
		ASSERT_EQ(e.id, events[i].id);
		ASSERT_TRUE(nx_str_eq(e.text, events[i].text));
		ASSERT_EQ(e.input_tokens + e.cached_tokens + e.output_tokens + e.context,
			  events[i].input_tokens + events[i].cached_tokens + events[i].output_tokens +
				  events[i].context);
		if (events[i].finish != NULL)
			ASSERT_STREQ(e.finish, events[i].finish);
		if (events[i].kind == NX_WORKER_ERROR)
			ASSERT_EQ(e.code, NX_ETOOBIG);
	}
}

TEST(a_command_reads_back_as_it_was_written)
{
	struct nx_chat_message m[] = {{.role = NX_ROLE_SYSTEM, .content = NX_STR("s")},
				      {.role = NX_ROLE_TOOL, .content = NX_STR_NULL}};
	struct nx_worker_command c = {
		.op = NX_WORKER_CHAT, .id = 3, .max_tokens = 5, .temperature = 0.25, .messages = m, .nmessages = 2};
	nx_auto_buf struct nx_buf line = NX_BUF_INIT;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_worker_command back;
	ASSERT_OK(nx_worker_write_command(&c, &line, NULL));
	ASSERT_OK(nx_worker_read_command(a, nx_str_trim(nx_buf_str(&line)), &back, NULL));
	ASSERT_EQ(back.id, 3);
	ASSERT_EQ(back.max_tokens, 5);
	ASSERT_DOUBLE_EQ(back.temperature, 0.25);
	ASSERT_EQ(back.nmessages, 2);
	ASSERT_EQ(back.messages[1].role, NX_ROLE_TOOL);
	ASSERT_STREQ(back.messages[0].content.p, "s");
}

TEST(what_is_no_event_or_command_is_refused)
{
	const char *bad[] = {"",
			     "{",
			     "[]",
			     "7",
			     "{}",
			     "{\"event\":\"boo\"}",
			     "{\"op\":\"boo\",\"id\":1}",
			     "{\"op\":\"cancel\"}",
			     "{\"op\":\"cancel\",\"id\":-1}",
			     "{\"op\":\"chat\",\"id\":1}",
			     "{\"op\":\"chat\",\"id\":1,\"messages\":[]}",
			     "{\"op\":\"chat\",\"id\":1,\"messages\":[{\"role\":\"god\"}]}"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		nx_auto_arena struct nx_arena *a = nx_arena_new(0);
		struct nx_worker_event e;
		struct nx_worker_command c;
		ASSERT_TRUE(nx_worker_read_event(a, nx_str_z(bad[i]), &e, NULL) < 0);
		ASSERT_TRUE(nx_worker_read_command(a, nx_str_z(bad[i]), &c, NULL) < 0);
	}
}

TEST(figures_that_make_no_sense_are_zero_and_unknown_codes_the_providers)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_worker_event e;
	ASSERT_OK(nx_worker_read_event(
		a,
		NX_STR("{\"event\":\"error\",\"id\":-5,\"code\":12345,\"input_tokens\":-1,\"output_tokens\":99999999999}"),
		&e, NULL));
	ASSERT_EQ(e.id, 0);
	ASSERT_EQ(e.code, NX_EPROVIDER);
	ASSERT_EQ(e.input_tokens, 0);
	ASSERT_EQ(e.output_tokens, 0);
}
