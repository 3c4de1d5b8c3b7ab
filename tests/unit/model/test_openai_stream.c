#include "model/openai_stream_internal.h"
#include "tests/unit/nx_test.h"

static struct nx_buf shown;

static void on_text(nx_str text, void *ctx)
{
	(void)ctx;
	(void)nx_buf_adds(&shown, text);
}

/* The answer in pieces of `piece` bytes; its strings live in the stream, which the caller ends. */
static int decode(struct nx_openai_stream *s, const char *bytes, size_t piece, struct nx_chat *c, struct nx_error **err)
{
	nx_str all = nx_str_z(bytes);
	nx_buf_clear(&shown);
	*c = (struct nx_chat){0};
	ASSERT_OK(nx_openai_stream_init(s, 1 << 20, on_text, NULL, NULL));
	for (size_t at = 0; at < all.n; at += piece)
		nx_openai_stream_feed(s, nx_str_slice(all, at, at + piece));
	return nx_openai_stream_end(s, s->arena, c, err);
}

static int decode_once(const char *bytes, char *ret_message, size_t size)
{
	struct nx_openai_stream s;
	struct nx_chat c;
	nx_auto_error struct nx_error *err = NULL;
	int r = decode(&s, bytes, SIZE_MAX / 2, &c, &err);
	(void)snprintf(ret_message, size, "%s", nx_error_message(err));
	nx_openai_stream_done(&s);
	nx_buf_done(&shown);
	return r;
}

static const char text_stream[] =
	": keep-alive\n\n"
	"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\r\n\r\n"
	"data: {\"choices\":[{\"delta\":{\"content\":\"Hallo \xd8\xa7\xd9\x84\"},\"finish_reason\":null}]}\n\n"
	"data: {\"choices\":[{\"delta\":{\"content\":\"\\u0639\xf0\x9f\x90\x99.\"}}]}\n\n"
	"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n"
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":5,"
	"\"prompt_tokens_details\":{\"cached_tokens\":8}}}\n\n"
	"data: [DONE]\n\n";

TEST(text_usage_and_finish_come_out_the_same_split_at_every_byte)
{
	for (size_t piece = 1; piece < sizeof(text_stream); piece++) {
		struct nx_openai_stream s;
		struct nx_chat c;
		ASSERT_OK(decode(&s, text_stream, piece, &c, NULL));
		ASSERT_STREQ(c.text.p, "Hallo \xd8\xa7\xd9\x84\xd8\xb9\xf0\x9f\x90\x99.");
		ASSERT_TRUE(nx_str_eq(c.text, nx_buf_str(&shown)));
		ASSERT_STREQ(c.finish, "length");
		ASSERT_EQ(c.input_tokens, 12);
		ASSERT_EQ(c.cached_tokens, 8);
		ASSERT_EQ(c.output_tokens, 5);
		nx_openai_stream_done(&s);
	}
	nx_buf_done(&shown);
}

static const char tool_stream[] =
	"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a1\",\"type\":\"function\","
	"\"function\":{\"name\":\"math.eval\",\"arguments\":\"\"}}]}}]}\n\n"
	"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"e\"}}]}}]}\n\n"
	"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b2\",\"function\":{\"name\":\"clock\"}}]}}]}\n\n"
	"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\":1}\"}}]}}]}\n\n"
	"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
	"data: [DONE]\n\n";

TEST(tool_calls_are_put_together_from_pieces_of_several)
{
	for (size_t piece = 1; piece < sizeof(tool_stream); piece += 3) {
		struct nx_openai_stream s;
		struct nx_chat c;
		ASSERT_OK(decode(&s, tool_stream, piece, &c, NULL));
		ASSERT_EQ(c.ncalls, 2);
		ASSERT_STREQ(c.calls[0].id.p, "a1");
		ASSERT_STREQ(c.calls[0].name.p, "math.eval");
		ASSERT_STREQ(c.calls[0].arguments.p, "{\"e\":1}");
		ASSERT_STREQ(c.calls[1].name.p, "clock");
		ASSERT_EQ(c.calls[1].arguments.n, 0);
		ASSERT_STREQ(c.finish, "tool_calls");
		nx_openai_stream_done(&s);
	}
}

TEST(calls_without_an_index_are_told_apart_by_their_ids)
{
	struct nx_openai_stream s;
	struct nx_chat c;
	ASSERT_OK(decode(
		&s,
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"x\","
		"\"arguments\":{\"k\":[1,2]}}},{\"id\":\"b\",\"function\":{\"name\":\"y\",\"arguments\":\"{\"}}]}}]}\n\n"
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"}\"}}]},"
		"\"finish_reason\":\"tool_calls\"}]}\n\n",
		7, &c, NULL));
	ASSERT_EQ(c.ncalls, 2);
	ASSERT_STREQ(c.calls[0].arguments.p, "{\"k\":[1,2]}");
	ASSERT_STREQ(c.calls[1].arguments.p, "{}");
	nx_openai_stream_done(&s);
}

TEST(a_plain_answer_to_a_streaming_request_is_taken_too)
{
	struct nx_openai_stream s;
	struct nx_chat c;
	ASSERT_OK(decode(
		&s,
		"{\n  \"id\": \"x\",\n  \"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": \"Yes.\",\n"
		"\"tool_calls\":[{\"id\":\"q\",\"function\":{\"name\":\"t\",\"arguments\":\"{}\"}}]}}],\n"
		"  \"usage\": {\"prompt_tokens\": 3, \"completion_tokens\": 1}\n}\n",
		5, &c, NULL));
	ASSERT_STREQ(c.text.p, "Yes.");
	ASSERT_EQ(c.ncalls, 1);
	ASSERT_EQ(c.input_tokens, 3);
	ASSERT_TRUE(nx_str_eqz(nx_buf_str(&shown), "Yes."));
	nx_openai_stream_done(&s);
	nx_buf_done(&shown);
}

TEST(a_stream_that_stops_in_the_middle_is_no_answer)
{
	char said[256];
	ASSERT_ERR(
		decode_once("data: {\"choices\":[{\"delta\":{\"content\":\"Half an ans\"}}]}\n\n", said, sizeof(said)),
		NX_EPROVIDER);
	ASSERT_CONTAINS(said, "in the middle");
	ASSERT_ERR(decode_once("", said, sizeof(said)), NX_EPROVIDER);
	ASSERT_ERR(decode_once("data: [DON", said, sizeof(said)), NX_EPROVIDER);
}

TEST(an_error_within_a_stream_is_the_endpoints)
{
	char said[256];
	ASSERT_ERR(decode_once("data: {\"error\":{\"message\":\"out of credits\",\"code\":402}}\n\ndata: [DONE]\n\n",
			       said, sizeof(said)),
		   NX_EPROVIDER);
	ASSERT_CONTAINS(said, "out of credits");
}

TEST(what_is_no_answer_is_refused)
{
	const char *bad[] = {
		"<html>502</html>",
		"data: {broken\n\n",
		"data: {\"a\":1,\"a\":2}\n\n",
		"{\"choices\":[]}",
		"[]",
		"\"text\"",
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\"}]},\"finish_reason\":\"stop\"}]}\n\n",
		"data: \xff\xfe\n\n"};
	char said[256];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ASSERT_ERR(decode_once(bad[i], said, sizeof(said)), NX_EPROVIDER);
}

TEST(odd_types_in_known_places_are_taken_as_absent)
{
	struct nx_openai_stream s;
	struct nx_chat c;
	ASSERT_OK(decode(
		&s,
		"data: {\"choices\":[{\"delta\":{\"content\":[1],\"tool_calls\":\"x\"},\"finish_reason\":{}}],\"usage\":7}\n\n"
		"data: {\"choices\":{\"0\":1}}\n\ndata: 5\n\ndata: null\n\n"
		"data: {\"usage\":{\"prompt_tokens\":-4,\"completion_tokens\":1e30}}\n\ndata: [DONE]\n\n",
		1, &c, NULL));
	ASSERT_EQ(c.text.n, 0);
	ASSERT_EQ(c.input_tokens, -1);
	ASSERT_EQ(c.output_tokens, -1);
	nx_openai_stream_done(&s);
}

TEST(an_answer_over_the_limit_ends_with_the_options_name)
{
	struct nx_openai_stream s;
	struct nx_chat c = {0};
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_OK(nx_openai_stream_init(&s, 1000, NULL, NULL, NULL));
	for (int i = 0; i < 100; i++)
		nx_openai_stream_feed(&s,
				      NX_STR("data: {\"choices\":[{\"delta\":{\"content\":\"more and more\"}}]}\n\n"));
	ASSERT_ERR(nx_openai_stream_end(&s, s.arena, &c, &err), NX_EPROVIDER);
	ASSERT_CONTAINS(nx_error_get_hint(err), "model.max_response_bytes");
	nx_openai_stream_done(&s);
}

TEST(more_tool_calls_than_the_limit_are_refused)
{
	char said[256];
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	for (int i = 0; i <= NX_OPENAI_MAX_CALLS; i++)
		ASSERT_TRUE(nx_buf_addf(
			&b,
			"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":\"i\",\"function\":"
			"{\"name\":\"f\"}}]}}]}\n\n",
			i));
	ASSERT_ERR(decode_once(b.p, said, sizeof(said)), NX_EPROVIDER);
	ASSERT_CONTAINS(said, "64 tool calls");
}
