#include "cli/verbs.h"
#include "tests/unit/cli/capture.h"

static const char done[] =
	"{\"id\":\"t1\",\"state\":\"succeeded\",\"finished_at\":\"2026-01-01T00:00:02Z\",\"result\":{\"text\":\"It is 42.\","
	"\"citations\":[{\"title\":\"Gauge\",\"quote\":\"42\\u202e\"}]},\"error\":null,\"plan\":{\"steps\":[{\"id\":\"a\","
	"\"agent\":\"analyst\",\"state\":\"succeeded\",\"why\":\"fits\",\"started_at\":\"2026-01-01T00:00:00Z\","
	"\"finished_at\":\"2026-01-01T00:00:01.5Z\"}]},\"usage\":{\"wall_ms\":2000,\"input_tokens\":5,\"output_tokens\":7}}";
static const char failed[] =
	"{\"id\":\"t2\",\"state\":\"failed\",\"finished_at\":\"2026-01-01T00:00:02Z\",\"result\":null,"
	"\"error\":{\"code\":\"NX-PROVIDER\",\"message\":\"no\\u001b answer\"},\"plan\":{\"steps\":[]},\"usage\":{}}";
static const char running[] =
	"{\"id\":\"t3\",\"state\":\"running\",\"finished_at\":null,\"result\":null,\"error\":null}";

struct printed {
	struct capture out, err;
	int status;
};

static void print(struct printed *p, const char *json, bool as_json, bool quiet, const char *shown)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_cli c = {.arena = a, .json = as_json};
	yyjson_val *v;
	ASSERT_OK(nx_json_read(a, nx_str_z(json), NULL, &v, NULL));
	capture(&p->out, stdout);
	capture(&p->err, stderr);
	p->status = nx_cli_print_task(&c, v, quiet, nx_str_z(shown));
	(void)captured(&p->err);
	(void)captured(&p->out);
}

TEST(a_finished_task_shows_its_answer_its_sources_and_its_plan)
{
	struct printed p;
	print(&p, done, false, false, "");
	ASSERT_EQ(p.status, NX_EXIT_OK);
	ASSERT_STREQ(p.err.text, "");
	ASSERT_STREQ(p.out.text,
		     "It is 42.\n\nSources\n  [1] Gauge\n      42\\u{202E}\n\nPlan\n  ok a  analyst  1.5 s\n"
		     "      fits\n  2.0 s, 5 tokens in, 7 out, task t1\n");
}

TEST(quiet_is_the_answer_alone)
{
	struct printed p;
	print(&p, done, false, true, "");
	ASSERT_STREQ(p.out.text, "It is 42.\n");
}

TEST(json_is_the_task_as_it_came)
{
	struct printed p;
	print(&p, failed, true, false, "");
	ASSERT_EQ(p.status, NX_EXIT_FAILED);
	ASSERT_EQ(p.out.text[0], '{');
	ASSERT_CONTAINS(p.out.text, "\"state\":\"failed\"");
	ASSERT_STREQ(p.err.text, "");
}

TEST(a_failure_is_an_error_and_is_told_as_one)
{
	struct printed p;
	print(&p, failed, false, true, "");
	ASSERT_EQ(p.status, NX_EXIT_FAILED);
	ASSERT_STREQ(p.out.text, "");
	ASSERT_STREQ(p.err.text, "failed: no\\u{1B} answer [NX-PROVIDER]\n");
}

TEST(a_task_that_runs_has_not_failed)
{
	struct printed p;
	print(&p, running, false, true, "");
	ASSERT_EQ(p.status, NX_EXIT_OK);
}

TEST(an_answer_that_is_on_the_terminal_is_not_printed_again)
{
	struct printed p;
	print(&p, done, false, true, "Let me see.\nIt is 42.\n");
	ASSERT_STREQ(p.out.text, "");
	print(&p, done, false, true, "It is 42. Or is it?");
	ASSERT_STREQ(p.out.text, "It is 42.\n");
}
