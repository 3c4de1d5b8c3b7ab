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
	intent("٥ × ٧", "calculate", "٥ × ٧");
	intent("٥ × ٧ = ؟", "calculate", "٥ × ٧");
	intent("ما هو ٥ × ٧؟", "calculate", "٥ × ٧");
	intent("كم ٥ × ٧؟؟", "calculate", "٥ × ٧");
	intent("كَم يُساوي ٣ ضرب ٤ ؟", "calculate", "٣ ضرب ٤");
	intent("اُحسب: ١٢٫٥٪ من ٨٠", "calculate", "١٢٫٥٪ من ٨٠");
	intent("\u200fاحسب ۷ ÷ ۲؟\u200f", "calculate", "۷ ÷ ۲");
	intent("What’s 2 + 2?", "calculate", "2 + 2");
	intent("What is the capital of Oman?", "question", NULL);
	intent("ما هي عاصمة عمان؟", "question", NULL);
	intent("كم عدد سكان صور؟", "question", NULL);
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
	intent("remember: the review", "remember", "the review");
	intent("Please  remember that it rains", "remember", "it rains");
	intent("what do you know about me?", "recall", "me");
	intent("Remember", "question", NULL);
}

TEST(arabic_openings_are_seen_with_and_without_marks)
{
	static const struct {
		const char *plain, *marked, *intent;
	} openings[] = {
		{"تذكر أن", "تَذَكَّرْ أَنَّ", "remember"},
		{"تذكر ان", "تذكّر إنّ", "remember"},
		{"تذكري أن", "تَذَكَّري أنّ", "remember"},
		{"تذكر:", "تذكّر:", "remember"},
		{"من فضلك تذكر أن", "مِن فضلِكَ تذكّر أنّ", "remember"},
		{"احفظ أن", "اِحفَظ أَنّ", "remember"},
		{"احفظ:", "اِحْفَظْ:", "remember"},
		{"احفظي أن", "إحفظي أنّ", "remember"},
		{"لا تنس أن", "لا تَنسَ أنّ", "remember"},
		{"لاحظ أن", "لاحِظ أنّ", "remember"},
		{"ماذا تتذكر عن", "ماذا تتذكّرُ عَن", "recall"},
		{"ماذا قلت عن", "ماذا قُلتُ عن", "recall"},
		{"ماذا قلت لك عن", "ماذا قلتُ لكَ عن", "recall"},
		{"ماذا أخبرتك عن", "ماذا أخبرتُكَ عن", "recall"},
		{"هل تتذكر", "هَل تتذكّـر", "recall"},
		{"هل تتذكرين", "هل تتذكّرينَ", "recall"},
		{"استرجع", "اِستَرجِع", "recall"},
		{"لخص", "لَخِّصْ", "summarize"},
		{"لخصي", "لخّصي", "summarize"},
		{"لخص لي", "لخّــص لي", "summarize"},
		{"ملخص", "مُلخَّص", "summarize"},
		{"أعطني ملخصا عن", "أعطِني ملخّصًا عن", "summarize"},
		{"ما علاقات", "ما عَلاقاتُ", "connected"},
	};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);

	for (size_t i = 0; i < nx_countof(openings); i++) {
		intent(nx_arena_printf(a, "%s الاجتماع", openings[i].plain), openings[i].intent, "الاجتماع");
		intent(nx_arena_printf(a, "%s الاجتماع", openings[i].marked), openings[i].intent, "الاجتماع");
	}
	static const char *const joined[] = {"ما الذي يرتبط ب", "ما الّذي يرتبِطُ بِـ", "ما المرتبط ب",   "ما المُرتبط بِ",
					     "من يرتبط ب",      "مَن يرتبط بِ",       "من الذي يرتبط ب"};
	for (size_t i = 0; i < nx_countof(joined); i++)
		intent(nx_arena_printf(a, "%sبحيرة أورين؟", joined[i]), "connected", "بحيرة أورين");
}

TEST(a_pronoun_written_onto_an_opening_stays_with_the_subject)
{
	intent("تذكّر أنّني أعيش في صور", "remember", "أنّني أعيش في صور");
	intent("تذكر أنه يوم الأحد", "remember", "أنه يوم الأحد");
	intent("تذكر أنواع القمح؟", "question", NULL);
	intent("ماذا تتذكر عني؟", "recall", "أنا");
	intent("ماذا تعرف عنّي؟", "recall", "أنا");
	intent("تذكر المصادر السد؟", "question", NULL);
	intent("تذكّر أن", "question", NULL);
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
