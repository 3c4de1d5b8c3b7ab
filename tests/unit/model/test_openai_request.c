#include "base/json.h"
#include "model/openai_chat_internal.h"
#include "tests/unit/nx_test.h"

static struct nx_arena *arena;

static yyjson_val *body(const struct nx_chat *c, const struct nx_openai_dialect *d)
{
	struct nx_buf b = NX_BUF_INIT;
	yyjson_val *v = NULL;
	arena = nx_arena_new(0);
	ASSERT_OK(nx_openai_chat_body(c, d, &b, NULL));
	ASSERT_OK(nx_json_read(arena, nx_str_dup(arena, nx_buf_str(&b)), NULL, &v, NULL));
	nx_buf_done(&b);
	return v;
}

static void expect(yyjson_val *root, const char *pointer, const char *text)
{
	yyjson_val *v = yyjson_ptr_get(root, pointer);
	nx_str got = NX_STR("(absent)");
	if (v != NULL)
		ASSERT_OK(nx_json_write_val(arena, v, false, &got, NULL));
	ASSERT_STREQ(got.p, text);
}

TEST(messages_keep_their_roles_calls_and_answers)
{
	struct nx_chat_tool_call call = {NX_STR("c1"), NX_STR("math.eval"), NX_STR("{\"e\":\"1+1\"}")};
	struct nx_chat_message m[] = {{.role = NX_ROLE_SYSTEM, .content = NX_STR("Be brief.")},
				      {.role = NX_ROLE_USER, .content = NX_STR("\"quoted\"\n\xd9\x85")},
				      {.role = NX_ROLE_ASSISTANT, .calls = &call, .ncalls = 1},
				      {.role = NX_ROLE_TOOL, .content = NX_STR("2"), .tool_call_id = NX_STR("c1")}};
	struct nx_chat c = {.messages = m, .nmessages = 4, .temperature = -1};
	yyjson_val *v = body(&c, &(struct nx_openai_dialect){.model = NX_STR("m"), .max_tokens = 9});
	expect(v, "/messages/0", "{\"role\":\"system\",\"content\":\"Be brief.\"}");
	expect(v, "/messages/1/content", "\"\\\"quoted\\\"\\n\xd9\x85\"");
	expect(v, "/messages/2/content", "null");
	expect(v, "/messages/2/tool_calls/0/function",
	       "{\"name\":\"math.eval\",\"arguments\":\"{\\\"e\\\":\\\"1+1\\\"}\"}");
	expect(v, "/messages/3", "{\"role\":\"tool\",\"content\":\"2\",\"tool_call_id\":\"c1\"}");
	expect(v, "/temperature", "(absent)");
	expect(v, "/tools", "(absent)");
	expect(v, "/max_tokens", "9");
	expect(v, "/stream_options/include_usage", "true");
	nx_arena_free(arena);
}

TEST(tools_go_with_their_schemas)
{
	struct nx_chat_tool t[] = {
		{NX_STR("a"), NX_STR("does a"), NX_STR("{\"type\":\"object\",\"required\":[\"x\"]}")},
		{NX_STR("b"), NX_STR("does b"), NX_STR_NULL}};
	struct nx_chat c = {.tools = t, .ntools = 2, .temperature = 0.5};
	yyjson_val *v = body(&c, &(struct nx_openai_dialect){.model = NX_STR("m"), .max_tokens = 1});
	expect(v, "/tools/0/function/parameters", "{\"type\":\"object\",\"required\":[\"x\"]}");
	expect(v, "/tools/1/function/parameters/type", "\"object\"");
	expect(v, "/tools/1/type", "\"function\"");
	expect(v, "/temperature", "0.5");
	nx_arena_free(arena);
}

TEST(a_dialect_without_an_option_does_not_send_it)
{
	struct nx_chat c = {0};
	yyjson_val *v = body(&c, &(struct nx_openai_dialect){.model = NX_STR("m"),
							     .max_tokens = 7,
							     .lacks_stream_options = true,
							     .wants_completion_tokens = true});
	expect(v, "/stream_options", "(absent)");
	expect(v, "/max_tokens", "(absent)");
	expect(v, "/max_completion_tokens", "7");
	nx_arena_free(arena);
}

TEST(what_cannot_be_sent_is_refused_with_its_place)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	struct nx_openai_dialect d = {.model = NX_STR("m"), .max_tokens = 1};
	struct nx_chat_message m[] = {{.content = NX_STR("fine")}, {.content = NX_STR("caf\xe9")}};
	struct nx_error *err = NULL;
	ASSERT_ERR(nx_openai_chat_body(&(struct nx_chat){.messages = m, .nmessages = 2}, &d, &b, &err), NX_EENCODING);
	ASSERT_CONTAINS(nx_error_message(err), "messages[1]");
	nx_error_free(err);
	err = NULL;
	struct nx_chat_tool t = {NX_STR("a"), NX_STR(""), NX_STR("[1]")};
	ASSERT_ERR(nx_openai_chat_body(&(struct nx_chat){.tools = &t, .ntools = 1}, &d, &b, &err), NX_EINVAL);
	ASSERT_CONTAINS(nx_error_message(err), "tool a");
	nx_error_free(err);
}
