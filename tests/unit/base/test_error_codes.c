#include "base/str.h"
#include "tests/unit/nx_test.h"

/* At least one letter of the Arabic block (U+0600 to U+06FF). */
static bool has_arabic(const char *text)
{
	nx_str s = nx_str_z(text);
	for (size_t i = 0; i < s.n;) {
		uint32_t cp = nx_utf8_next(s, &i);
		if (cp >= 0x620 && cp <= 0x64A)
			return true;
	}
	return false;
}

TEST(every_code_is_told_in_both_languages)
{
	size_t n = 0;
	for (const struct nx_error_info *i; (i = nx_error_info_at(n)) != NULL; n++) {
		const char *const texts[] = {i->title, i->why, i->how, i->title_ar, i->why_ar, i->how_ar};
		ASSERT_EQ(i->code, -1 - (long long)n);
		ASSERT_TRUE(nx_str_starts(nx_str_z(i->name), NX_STR("NX-")));
		for (size_t t = 0; t < nx_countof(texts); t++) {
			ASSERT_NOT_NULL(texts[t]);
			ASSERT_GT(strlen(texts[t]), 5);
			ASSERT_TRUE(nx_utf8_valid(nx_str_z(texts[t])));
			ASSERT_EQ(has_arabic(texts[t]), t >= 3);
		}
	}
	ASSERT_EQ(n, 31);
}

TEST(a_code_finds_its_entry)
{
	ASSERT_STREQ(nx_error_info(NX_EPARSE)->name, "NX-PARSE");
	ASSERT_STREQ(nx_error_info(NX_ELATER)->name, "NX-NOT-YET");
	ASSERT_NULL(nx_error_info(0));
	ASSERT_NULL(nx_error_info(1));
	ASSERT_NULL(nx_error_info(NX_ELATER - 1));
	ASSERT_NULL(nx_error_info(INT32_MIN));
}

TEST(a_name_is_found_as_people_type_it)
{
	static const char *const spellings[] = {"NX-NO-MEMORY", "no-memory", "nx_no_memory", " No Memory "};
	for (size_t i = 0; i < nx_countof(spellings); i++)
		ASSERT_EQ(nx_error_info_by_name(spellings[i])->code, NX_ENOMEM);
	for (size_t i = 0; nx_error_info_at(i) != NULL; i++)
		ASSERT_TRUE(nx_error_info_by_name(nx_error_info_at(i)->name) == nx_error_info_at(i));
	ASSERT_NULL(nx_error_info_by_name("NX-NOTHING"));
	ASSERT_NULL(nx_error_info_by_name(""));
	ASSERT_NULL(nx_error_info_by_name("NX-"));
}
