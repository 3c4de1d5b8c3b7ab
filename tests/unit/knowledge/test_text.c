#include "knowledge/text.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>

static const char *folded(const char *word)
{
	static char buf[NX_WORD_MAX + 1];
	buf[nx_word_fold(nx_str_z(word), buf)] = '\0';
	return buf;
}

static const char *stem(const char *word)
{
	static char buf[NX_WORD_MAX + 1];
	nx_auto_stemmer struct nx_stemmer *s = nx_stemmer_new();
	struct nx_words it;
	struct nx_word w;
	char form[NX_WORD_MAX];
	ASSERT_NOT_NULL(s);
	nx_words_init(&it, nx_str_z(word));
	ASSERT_TRUE(nx_words_next(&it, &w));
	size_t n = nx_word_fold(nx_str_n(word + w.start, w.length), form);
	buf[nx_word_stem(s, nx_str_n(form, n), w.flags, buf)] = '\0';
	return buf;
}

static const char *words(const char *text)
{
	static char out[512];
	struct nx_words it;
	struct nx_word w;
	size_t at = 0;
	nx_words_init(&it, nx_str_z(text));
	while (nx_words_next(&it, &w))
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.*s", at ? "|" : "", (int)w.length,
				       text + w.start);
	out[at] = '\0';
	return out;
}

TEST(words_are_letters_marks_and_digits)
{
	ASSERT_STREQ(words("Lake Orin's depth: 3.5 m (1,200 ft)."), "Lake|Orin's|depth|3.5|m|1,200|ft");
	ASSERT_STREQ(words("well-known e-mail"), "well|known|e|mail");
	ASSERT_STREQ(words(" ... !"), "");
	ASSERT_STREQ(words("東京 and كِتاب"), "東|京|and|كِتاب");
}

TEST(case_accents_and_compatibility_forms_fold_away)
{
	ASSERT_STREQ(folded("ÉCOLE"), "ecole");
	ASSERT_STREQ(folded("Straße"), "strasse");
	ASSERT_STREQ(folded("Łódź"), "lodz");
	ASSERT_STREQ(folded("Ørsted"), "orsted");
	ASSERT_STREQ(folded("ﬁeld"), "field");
	ASSERT_STREQ(folded("Marta's"), "marta");
	ASSERT_STREQ(folded("Marta’s"), "marta");
	ASSERT_STREQ(folded("O’Brien"), "obrien");
	ASSERT_STREQ(folded("1,200"), "1200");
}

TEST(arabic_surfaces_lose_marks_and_keep_what_tells_words_apart)
{
	static const struct {
		const char *word, *want;
	} cases[] = {
		{"مُحَمَّد", "محمد"},
		{"كـــتاب", "كتاب"},
		{"أحمد", "احمد"},
		{"إسلام", "اسلام"},
		{"آمال", "امال"},
		{"ٱلكتاب", "الكتاب"},
		{"هٰذا", "هذا"},
		{"علي", "علي"},
		{"على", "على"},
		{"كرة", "كرة"},
		{"کتاب", "كتاب"},
		{"ایران", "ايران"},
		{"٢٠٢٤", "2024"},
		{"۲۰۲۴", "2024"},
		{"ﷲ", "الله"},
		{"ﻛﺘﺎﺏ", "كتاب"},
		{"مى‌روم", "مىروم"},
		{"رحمٰن", "رحمن"},
	};
	for (size_t i = 0; i < nx_countof(cases); i++)
		ASSERT_STREQ(folded(cases[i].word), cases[i].want);
}

TEST(arabic_stems_meet_across_articles_particles_and_endings)
{
	static const struct {
		const char *a, *b;
	} same[] = {
		{"وللمدرسة", "المدرسة"}, {"بالمدرسة", "مدرسة"}, {"والكتاب", "كتاب"},      {"فالكتاب", "للكتاب"},
		{"مدرسه", "مدرسة"},      {"مستشفى", "مستشفي"},  {"المهندسون", "مهندسين"}, {"كتابها", "الكتاب"},
		{"مسؤول", "مسوول"},      {"ولبنان", "لبنان"},   {"بالله", "بالله"},       {"وباكستان", "باكستان"},
		{"محطتها", "المحطة"},    {"مدرسته", "مدرسة"},
	};
	for (size_t i = 0; i < nx_countof(same); i++) {
		char a[NX_WORD_MAX + 1];
		(void)snprintf(a, sizeof(a), "%s", stem(same[i].a));
		ASSERT_STREQ(stem(same[i].b), a);
	}
}

TEST(arabic_names_and_nouns_that_look_affixed_stay_whole)
{
	static const char *const whole[] = {"الله",    "والد", "وليد",   "وزير", "لبنان",
					    "باكستان", "عمان", "فلسطين", "رمضان"};
	for (size_t i = 0; i < nx_countof(whole); i++)
		ASSERT_STREQ(stem(whole[i]), whole[i]);
	ASSERT_STREQ(stem("علي"), "علي");
	ASSERT_STREQ(stem("بيت"), "بيت");
	ASSERT_STREQ(stem("كره"), "كره");
}

TEST(english_stems_are_porters)
{
	ASSERT_STREQ(stem("measurements"), "measur");
	ASSERT_STREQ(stem("Measuring"), "measur");
	ASSERT_STREQ(stem("stations"), "station");
	ASSERT_STREQ(stem("1998"), "1998");
}

static bool collect(void *ctx, nx_str part)
{
	char *out = ctx;
	size_t n = strlen(out);
	(void)snprintf(out + n, 256 - n, "%s%.*s", n ? " " : "", NX_FMT(part));
	return true;
}

TEST(arabic_stems_are_cut_into_grams_of_four)
{
	char out[256] = "";
	ASSERT_TRUE(nx_stem_parts(nx_str_z("مهندس"), true, collect, out));
	ASSERT_STREQ(out, "مهند هندس");
	out[0] = '\0';
	ASSERT_TRUE(nx_stem_parts(nx_str_z("كتب"), true, collect, out));
	ASSERT_STREQ(out, "كتب");
	out[0] = '\0';
	ASSERT_TRUE(nx_stem_parts(nx_str_z("measur"), false, collect, out));
	ASSERT_STREQ(out, "measur");
}

TEST(stop_words_are_compared_before_normalisation)
{
	ASSERT_TRUE(nx_stop_word(nx_str_z("على"), NX_W_ARABIC));
	ASSERT_FALSE(nx_stop_word(nx_str_z("علي"), NX_W_ARABIC));
	ASSERT_TRUE(nx_stop_word(nx_str_z("الى"), NX_W_ARABIC));
	ASSERT_TRUE(nx_stop_word(nx_str_z("the"), 0));
	ASSERT_FALSE(nx_stop_word(nx_str_z("lake"), 0));
}

TEST(the_language_of_a_text_is_found)
{
	ASSERT_STREQ(nx_text_language(nx_str_z("The lake is fed by the river that rises in the north.")), "en");
	ASSERT_STREQ(nx_text_language(nx_str_z("تقع البحيرة في شمال البلاد وتغذيها ثلاثة أنهار")), "ar");
	ASSERT_STREQ(nx_text_language(nx_str_z("El lago recibe agua del deshielo cada primavera")), "und");
}

static const char *sentences(const char *text)
{
	static char out[1024];
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_span_bytes *v;
	size_t n, at = 0;
	ASSERT_OK(nx_text_sentences(nx_str_z(text), a, &v, &n, NULL));
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "[%.*s]", (int)v[i].length, text + v[i].start);
	out[at] = '\0';
	return out;
}

TEST(sentences_end_where_readers_stop)
{
	ASSERT_STREQ(sentences("Dr. Mora came. She left at 3.5 p.m. yesterday! \"Why?\" he asked."),
		     "[Dr. Mora came.][She left at 3.5 p.m. yesterday!][\"Why?\" he asked.]");
	ASSERT_STREQ(sentences("J. R. Mora wrote it. It was good"), "[J. R. Mora wrote it.][It was good]");
	ASSERT_STREQ(sentences("# Title\nText one. Text\ntwo.\n\n- item\n- other"),
		     "[# Title][Text one.][Text\ntwo.][- item][- other]");
	ASSERT_STREQ(sentences("أين تقع البحيرة؟ تقع في الشمال. نعم"), "[أين تقع البحيرة؟][تقع في الشمال.][نعم]");
}
