#include "core/core_internal.h"
#include "tests/unit/nx_test.h"

static struct nx_analysis analyse(struct nx_arena *a, const char *input)
{
	struct nx_task_request r = {.input = nx_str_z(input)};
	struct nx_analysis an;

	ASSERT_OK(nx_analysis_run(&r, a, &an, NULL));
	return an;
}

static void intent(const char *input, const char *want, const char *subject)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_analysis an = analyse(a, input);

	nx_test_streq(an.intent, want, input, __FILE__, __LINE__);
	if (subject)
		nx_test_streq(nx_str_zdup(a, an.subject), subject, input, __FILE__, __LINE__);
}

TEST(arithmetic_is_seen_in_words_and_signs)
{
	intent("2 + 2", "calculate", "2 + 2");
	intent("What is 12.5% of 80?", "calculate", "12.5% of 80");
	intent("calculate sqrt(16)", "calculate", "sqrt(16)");
	intent("كم يساوي ٣ ضرب ٤؟", "calculate", "٣ ضرب ٤");
	intent("What is the capital of Oman?", "question", NULL);
}

TEST(a_fence_is_code)
{
	intent("run this\n```python\nprint(1)\n```", "code", "print(1)\n");
	intent("```sh\nls\n```", "code", "ls\n");
}

TEST(requests_to_the_memory_are_told_from_questions)
{
	intent("Remember that the review is on Sunday", "remember", "the review is on Sunday");
	intent("what do you remember about the review?", "recall", "the review");
	intent("تذكر أن الاجتماع يوم الأحد", "remember", "الاجتماع يوم الأحد");
	intent("rememberable things are rare?", "question", NULL);
}

TEST(other_verbs_have_their_intents)
{
	intent("Summarize: one. two. three.", "summarize", "one. two. three.");
	intent("what is connected to Lake Orin?", "connected", "Lake Orin");
}

TEST(several_questions_are_several_parts)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);

	ASSERT_EQ(analyse(a, "Who built it? When was it built?").nparts, 2);
	ASSERT_EQ(analyse(a, "Who built it? I wonder.").nparts, 1);
	ASSERT_EQ(analyse(a, "من صممها؟ ومتى بنيت؟").nparts, 2);
}
