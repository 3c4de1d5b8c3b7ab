#include "knowledge/knowledge.h"
#include "knowledge/names.h"
#include "knowledge/titles.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>

static const char *names(const char *text)
{
	static char out[1024];
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_stemmer struct nx_stemmer *s = nx_stemmer_new();
	struct nx_term *t;
	struct nx_name *v;
	size_t n, nv, at = 0;
	ASSERT_OK(nx_text_analyse(s, nx_str_z(text), a, &t, &n, NULL));
	ASSERT_OK(nx_names_find(nx_str_z(text), t, n, a, &v, &nv, NULL));
	for (size_t i = 0; i < nv; i++)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.*s", at ? "|" : "", NX_FMT(v[i].folded));
	out[at] = '\0';
	return out;
}

TEST(names_are_capitalised_spans_acronyms_and_quoted_terms)
{
	ASSERT_STREQ(names("The Orin Station was founded by Marta Halden."), "orin station|marta halden");
	ASSERT_STREQ(names("Adalbert II of Tuscany met J. R. Mora in New York City."),
		     "adalbert ii of tuscany|j r mora|new york city");
	ASSERT_STREQ(names("He works for NASA, not in it."), "nasa");
	ASSERT_STREQ(names("It is known as \"old greta\" here."), "old greta");
	ASSERT_STREQ(names("Anton Kestrel and Piet Kestrel"), "anton kestrel|piet kestrel");
	ASSERT_STREQ(names("Nothing here is one."), "");
	ASSERT_STREQ(names("يسمى «مقياس نسيم» هنا"), "مقياس نسيم");
}

TEST(a_title_with_a_disambiguation_suffix_is_the_same_name)
{
	ASSERT_TRUE(nx_str_eqz(nx_title_base(NX_STR("Lion (2016 film)")), "Lion"));
	ASSERT_TRUE(nx_str_eqz(nx_title_base(NX_STR("Lion")), "Lion"));
	ASSERT_TRUE(nx_str_eqz(nx_title_base(NX_STR("(untitled)")), "(untitled)"));
}

TEST(the_longest_title_is_matched_and_a_single_word_must_be_capitalised)
{
	struct nx_titles t = {0};
	bool is_new;
	uint32_t lake[] = {5}, lake_orin[] = {5, 6};
	ASSERT_EQ(nx_titles_add(&t, lake, 1, false, &is_new), 0);
	ASSERT_EQ(nx_titles_add(&t, lake_orin, 2, false, &is_new), 1);
	ASSERT_EQ(nx_titles_add(&t, lake, 1, false, &is_new), 0);
	ASSERT_FALSE(is_new);
	struct nx_form f[] = {
		{.form = 5, .capital = true}, {.form = 6}, {.form = 5}, {.form = 9, .without_particle = 5}};
	struct nx_title_match m;
	ASSERT_TRUE(nx_titles_match(&t, f, 4, 0, &m));
	ASSERT_EQ(m.title, 1);
	ASSERT_EQ(m.n, 2);
	ASSERT_FALSE(nx_titles_match(&t, f, 4, 2, &m));
	nx_titles_done(&t);
}

TEST(a_summary_is_the_central_sentences_in_their_order)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str s;
	ASSERT_OK(nx_text_summarize(
		NX_STR("The lake is fed by the river. Bread was cheap. The river rises from the glacier and feeds the "
		       "lake. The glacier feeds the river in summer. Cats sleep."),
		2, a, &s, NULL));
	ASSERT_CONTAINS(s.p, "The river rises from the glacier");
	ASSERT_TRUE(nx_str_find(s, NX_STR("Bread")) < 0);
	ASSERT_TRUE(nx_str_find(s, NX_STR("Cats")) < 0);
	ASSERT_ERR(nx_text_summarize(NX_STR(" "), 2, a, &s, NULL), NX_EINVAL);
}

TEST(terms_are_folded_stemmed_and_without_stop_words)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str *t;
	size_t n;
	ASSERT_OK(nx_text_terms(NX_STR("The stations في المدرسة"), a, &t, &n, NULL));
	ASSERT_EQ(n, 2);
	ASSERT_TRUE(nx_str_eqz(t[0], "station"));
	ASSERT_TRUE(nx_str_eqz(t[1], "مدرس"));
}
