#include "memory/memory_internal.h"
#include "tests/unit/nx_test.h"

static double of(const char *text)
{
	return nx_memory_importance(NX_STR("user"), nx_str_z(text));
}

TEST(what_is_to_be_remembered_matters_more_than_talk_and_greetings_least)
{
	ASSERT_TRUE(of("Please remember that I'm allergic to nuts") > 0.7);
	ASSERT_TRUE(of("The weather was mild") < 0.5);
	ASSERT_TRUE(of("Thanks!") < 0.2);
	ASSERT_TRUE(of("DON’T FORGET the keys") > 0.7);
	ASSERT_TRUE(of("He told him to swim") < 0.5); /* "im" is a word, not a part of one */
}

TEST(arabic_counts_the_same_with_and_without_marks)
{
	static const char *const pairs[][2] = {
		{"تذكر أن لدي موعد", "تذكّر أنّ لديّ مَوعِد"},
		{"أعيش في صور", "اعيشُ في صور"},
		{"لا تنس المفتاح", "لا تَنْسَ المفتاح"},
		{"لدي حساسية من الجوز", "لديّ حسّاسيّة من الجوز"},
		{"شكرا", "شُكراً!"},
	};

	for (size_t i = 0; i < nx_countof(pairs); i++)
		ASSERT_TRUE(of(pairs[i][0]) >= of(pairs[i][1]) && of(pairs[i][0]) <= of(pairs[i][1]));
	ASSERT_TRUE(of("تذكّر أنّ لدي موعد") > 0.7);
	ASSERT_TRUE(of("مرحباً") < 0.2);
	ASSERT_TRUE(of("الغرفة ٤٧") > of("الغرفة"));
}
