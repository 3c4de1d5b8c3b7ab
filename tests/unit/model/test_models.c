/* The registry, with a provider of one's own: tests/support/scripted_model. */
#include "base/clock.h"
#include "model/model.h"
#include "tests/support/scripted_model.h"
#include "tests/unit/nx_test.h"

static struct nx_config config = {.home = "/nonexistent",
				  .model_base_url = "",
				  .model_api_key = "",
				  .model_chat = "",
				  .model_embedding = "none",
				  .model_price_input = 0.5};
static struct nx_models *models;
static struct nx_scripted_model *script;

static void open_models(const char *text)
{
	nx_auto_error struct nx_error *err = NULL;
	if (nx_scripted_model_new(nx_str_z(text), &script, &err) != 0)
		print_message("%s\n", nx_error_message(err));
	ASSERT_NOT_NULL(script);
	ASSERT_OK(nx_models_new(&config, NULL, &models, NULL));
	ASSERT_FALSE(nx_models_has_chat(models));
	nx_models_set_chat_provider(models, nx_scripted_model_provider(script));
	ASSERT_TRUE(nx_models_has_chat(models));
}

static void close_models(void)
{
	nx_models_free(models);
	nx_scripted_model_free(script);
	script = NULL;
}

struct ask {
	struct nx_chat chat;
	struct nx_chat_message message;
	int ndeltas, ndone, code;
	char shown[128], said[128];
};

static void on_delta(struct nx_chat *c, nx_str text)
{
	struct ask *a = c->ctx;
	size_t n = strlen(a->shown);
	a->ndeltas++;
	(void)snprintf(a->shown + n, sizeof(a->shown) - n, "%.*s", NX_FMT(text));
}

static void on_done(struct nx_chat *c, struct nx_error *err)
{
	struct ask *a = c->ctx;
	a->ndone++;
	a->code = nx_error_code(err);
	(void)snprintf(a->said, sizeof(a->said), "%s", nx_error_message(err));
}

static void start(struct ask *a, const char *text, struct nx_loop *reply)
{
	*a = (struct ask){.message = {.role = NX_ROLE_USER, .content = nx_str_z(text)}};
	a->chat = (struct nx_chat){.arena = nx_arena_new(0),
				   .messages = &a->message,
				   .nmessages = 1,
				   .on_delta = on_delta,
				   .done = on_done,
				   .reply = reply,
				   .ctx = a};
	nx_chat_start(models, &a->chat);
}

static void drop(struct ask *a)
{
	nx_arena_free(a->chat.arena);
}

TEST(answers_are_given_in_order_to_the_messages_they_want)
{
	open_models("answers:\n"
		    "  - {when: weather, text: It rains today., pieces: 3, usage: {input: 100, output: 4}}\n"
		    "  - {text: Hello.}\n");
	struct ask a, b, c;
	start(&a, "hi", NULL);
	start(&b, "the weather?", NULL);
	start(&c, "and now?", NULL);
	ASSERT_STREQ(a.chat.text.p, "Hello.");
	ASSERT_STREQ(b.chat.text.p, "It rains today.");
	ASSERT_STREQ(b.shown, "It rains today.");
	ASSERT_EQ(b.ndeltas, 3);
	ASSERT_EQ(b.chat.usd_micros, 50);
	ASSERT_EQ(c.code, NX_EPROVIDER);
	ASSERT_CONTAINS(c.said, "no answer left for \"and now?\"");
	ASSERT_EQ(nx_scripted_model_count(script), 3);
	ASSERT_STREQ(nx_scripted_model_call(script, 1).last.p, "the weather?");
	drop(&a);
	drop(&b);
	drop(&c);
	close_models();
}

TEST(tool_calls_and_errors_come_from_the_script_too)
{
	open_models("{\"answers\":[{\"calls\":[{\"name\":\"math.eval\",\"arguments\":{\"expression\":\"1+1\"}}]},"
		    "{\"error\":{\"code\":\"NX-BUSY\",\"message\":\"later\"},\"repeat\":true}]}");
	struct ask a, b;
	start(&a, "x", NULL);
	ASSERT_EQ(a.chat.ncalls, 1);
	ASSERT_STREQ(a.chat.calls[0].arguments.p, "{\"expression\":\"1+1\"}");
	ASSERT_STREQ(a.chat.calls[0].id.p, "call_0");
	ASSERT_STREQ(a.chat.finish, "tool_calls");
	for (int i = 0; i < 3; i++) {
		start(&b, "x", NULL);
		ASSERT_EQ(b.code, NX_EBUSY);
		drop(&b);
	}
	drop(&a);
	close_models();
}

TEST(deltas_and_the_end_run_on_the_reply_loop_in_order)
{
	open_models("answers: [{text: one two three four, pieces: 4}]");
	struct nx_loop *sim = nx_loop_new_sim("sim");
	struct ask a;
	int64_t next = 0;
	start(&a, "x", sim);
	ASSERT_EQ(a.ndeltas + a.ndone, 0);
	while (nx_loop_step(sim, &next))
		;
	ASSERT_EQ(a.ndone, 1);
	ASSERT_STREQ(a.shown, "one two three four");
	drop(&a);
	close_models();
	nx_loop_free(sim);
}

TEST(a_call_that_hangs_ends_when_it_is_cancelled_and_only_then)
{
	open_models("answers: [{hang: true, repeat: true}]");
	struct ask a, b;
	start(&a, "x", NULL);
	start(&b, "x", NULL);
	nx_chat_cancel(models, a.chat.id);
	nx_chat_cancel(models, a.chat.id);
	ASSERT_EQ(a.ndone, 1);
	ASSERT_EQ(a.code, NX_ECANCELLED);
	ASSERT_EQ(b.ndone, 0);
	ASSERT_NE(a.chat.id, b.chat.id);
	close_models();
	ASSERT_EQ(b.code, NX_ECANCELLED);
	drop(&a);
	drop(&b);
}

TEST(without_a_chat_model_a_call_says_what_to_set)
{
	ASSERT_OK(nx_models_new(&config, NULL, &models, NULL));
	struct ask a;
	start(&a, "x", NULL);
	ASSERT_EQ(a.code, NX_EMISSING);
	ASSERT_CONTAINS(a.said, "no chat model");
	ASSERT_EQ(nx_models_list(models, NULL, 0), 0);
	drop(&a);
	nx_models_free(models);
}

TEST(a_script_that_is_none_is_refused)
{
	struct nx_scripted_model *s = NULL;
	ASSERT_ERR(nx_scripted_model_new(NX_STR("answers: 7"), &s, NULL), NX_EINVAL);
	ASSERT_TRUE(nx_scripted_model_new(NX_STR("answers: [}"), &s, NULL) < 0);
}
