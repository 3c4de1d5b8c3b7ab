#include "tests/unit/memory/fixture.h"

static struct fixture f;

#define PLAN "{\"steps\":[{\"id\":\"a\",\"tool\":\"knowledge.search\"},{\"id\":\"b\",\"tool\":\"text.summarize\"}]}"

static struct nx_memory_task task(const char *intent, const char *input, const char *answer)
{
	return (struct nx_memory_task){.tenant = NX_STORE_TENANT,
				       .id = nx_id_new(),
				       .user_id = NX_STR("u1"),
				       .session = NX_STR("s1"),
				       .agent_id = NX_STR("researcher"),
				       .input = nx_str_z(input),
				       .answer = nx_str_z(answer),
				       .intent = nx_str_z(intent),
				       .asked_at = NOW,
				       .answered_at = NOW + 5,
				       .succeeded = true};
}

static int64_t turns(const char *where)
{
	return fixture_count(&f, nx_arena_printf(f.arena, "SELECT count(*) FROM turns WHERE %s", where));
}

TEST(the_question_and_the_answer_become_turns_of_the_task)
{
	fixture_open(&f, "turns");
	struct nx_memory_task t = task("question", "Who founded the station?", "Marta Halden founded it in 1962.");
	nx_memory_consolidate(f.memory, &t);
	ASSERT_EQ(turns("role='user' AND tainted=0 AND task_uid IS NOT NULL AND agent_id IS NULL"), 1);
	ASSERT_EQ(turns("role='assistant' AND agent_id='researcher' AND occurred_at>created_at-10"), 1);
	ASSERT_EQ(fixture_ask(&f, "u1", "founded station").nranked, 2);
	fixture_close(&f);
}

TEST(nothing_is_kept_without_a_user_or_of_what_memory_itself_did)
{
	fixture_open(&f, "none");
	struct nx_memory_task t = task("question", "Who?", "Marta.");
	t.user_id = NX_STR_NULL;
	nx_memory_consolidate(f.memory, &t);
	t = task("remember", "Remember that the weir is open", "Remembered");
	nx_memory_consolidate(f.memory, &t);
	t = task("recall", "What do you remember about the weir?", "the weir is open");
	nx_memory_consolidate(f.memory, &t);
	ASSERT_EQ(turns("1"), 0);
	fixture_close(&f);
}

TEST(what_was_recalled_is_not_stored_again_as_said)
{
	fixture_open(&f, "loop");
	fixture_say(&f, "I live in Tyre.");
	/* Word for word: not a second turn. */
	struct nx_memory_task t = task("question", "Where is my house?", "I live in Tyre.");
	t.recalled = true;
	nx_memory_consolidate(f.memory, &t);
	ASSERT_EQ(turns("text='I live in Tyre.'"), 1);
	ASSERT_EQ(turns("text='Where is my house?'"), 1);
	/* In other words: the assistant's, tainted, and no fact. */
	t = task("question", "And whose is it?", "You told me: my name is Mallory.");
	t.recalled = true;
	nx_memory_consolidate(f.memory, &t);
	ASSERT_EQ(turns("role='assistant' AND tainted=1"), 1);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM memories WHERE layer='semantic'"), 1);
	fixture_close(&f);
}

TEST(taint_of_the_task_is_on_the_answer_and_not_on_the_users_words)
{
	fixture_open(&f, "taint");
	struct nx_memory_task t = task("question", "I live in Sidon. What is new?", "A page says so.");
	t.tainted = true;
	nx_memory_consolidate(f.memory, &t);
	ASSERT_EQ(turns("role='user' AND tainted=0"), 1);
	ASSERT_EQ(turns("role='assistant' AND tainted=1"), 1);
	ASSERT_EQ(fixture_ask(&f, "u1", "").nsemantic, 1);
	fixture_close(&f);
}

TEST(a_task_that_failed_keeps_the_question_alone)
{
	fixture_open(&f, "failed");
	struct nx_memory_task t = task("code", "run this", "half an answer");
	t.succeeded = false;
	nx_memory_consolidate(f.memory, &t);
	ASSERT_EQ(turns("role='user'"), 1);
	ASSERT_EQ(turns("1"), 1);
	fixture_close(&f);
}

TEST(a_plan_that_worked_is_recalled_for_a_like_request)
{
	fixture_open(&f, "plan");
	struct nx_memory_task t = task("question", "Summarize the 12 gauge reports of March", "done");
	t.plan = NX_STR(PLAN);
	nx_memory_consolidate(f.memory, &t);
	t = task("question", "of March: summarize the 99 gauge reports", "done");
	t.plan = NX_STR(PLAN);
	nx_memory_consolidate(f.memory, &t);
	t.succeeded = false;
	nx_memory_consolidate(f.memory, &t);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM procedures WHERE uses=3 AND successes=2"), 1);
	struct nx_memory_recall r = fixture_ask(&f, "u1", "summarize gauge reports");
	ASSERT_EQ(r.nprocedural, 1);
	ASSERT_TRUE(nx_str_eqz(r.procedural[0].text, "question: knowledge.search → text.summarize"));
	ASSERT_CONTAINS(r.procedural[0].why.p, "worked 2 of 3 times");
	ASSERT_EQ(fixture_ask(&f, "u1", "boil potatoes").nprocedural, 0);
	ASSERT_EQ(fixture_ask(&f, "u2", "summarize gauge reports").nprocedural, 0);
	fixture_close(&f);
}

TEST(plans_that_never_worked_and_tainted_ones_are_not_kept)
{
	fixture_open(&f, "noplan");
	struct nx_memory_task t = task("question", "Summarize it", "done");
	t.plan = NX_STR(PLAN);
	t.succeeded = false;
	nx_memory_consolidate(f.memory, &t);
	t.succeeded = t.tainted = true;
	nx_memory_consolidate(f.memory, &t);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM procedures"), 0);
	fixture_close(&f);
}
