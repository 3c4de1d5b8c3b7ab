/* What hybrid search follows: names of questions, relations, names that passages share. Without vectors (graph mode). */
#include "knowledge/relation_words.h"

#include "tests/unit/knowledge/fixture.h"

#include <stdio.h>

static struct fixture f;

static void put(const char *name, const char *title, const char *text)
{
	ASSERT_OK(fixture_put(&f, name, title, text));
}

/* The names of the documents of the hits, best first. */
static const char *found(const char *query, struct nx_search *s)
{
	static char out[512];
	size_t at = 0;
	*s = (struct nx_search){0};
	ASSERT_OK(fixture_search(&f, query, NX_SEARCH_GRAPH, s));
	out[0] = '\0';
	for (size_t i = 0; i < s->nhits && at < sizeof(out); i++)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.*s", at ? " " : "",
				       NX_FMT(s->hits[i].document_name));
	return out;
}

static bool starts(const char *text, const char *with)
{
	bool ok = strncmp(text, with, strlen(with)) == 0;
	if (!ok)
		print_message("%s\n  does not begin with %s\n", text, with);
	return ok;
}

static void put_films(void)
{
	put("glass", "The Glass Lantern",
	    "The Glass Lantern is a film directed by Oda Renn, with Timo Alvar and Pia Holm.");
	put("renn", "Oda Renn", "Oda Renn lived in a town by the sea.");
	put("alvar", "Timo Alvar", "Timo Alvar lived in a town by the sea.");
	put("holm", "Pia Holm", "Pia Holm lived in a town by the sea.");
	put("other", "The Glass Cage", "The Glass Cage is a film about a lantern, made of glass.");
	put("last", "Paper Moon River", "Paper Moon River is a film.");
}

TEST(the_relation_that_is_asked_for_leads)
{
	struct nx_search s;
	fixture_open(&f, "relation");
	put_films();
	ASSERT_TRUE(starts(found("Where did the director of The Glass Lantern live?", &s), "glass renn "));
	ASSERT_EQ(s.hits[1].npath, 1);
	ASSERT_TRUE(nx_str_eqz(s.hits[1].path[0], "The Glass Lantern"));
	fixture_close(&f);
}

TEST(what_a_question_names_stands_above_what_is_like_it)
{
	struct nx_search s;
	fixture_open(&f, "named");
	put_films();
	const char *got = found("Which is older, Paper Moon River or The Glass Cage?", &s);
	ASSERT_TRUE(starts(got, "last other") || starts(got, "other last"));
	fixture_close(&f);
}

TEST(of_two_documents_with_one_title_the_whole_title_chooses)
{
	struct nx_search s;
	fixture_open(&f, "whole");
	put("first", "Possession (1919 film)", "A film that was shot in the north.");
	put("second", "Possession (1922 film)", "A film that was shot in the south.");
	ASSERT_TRUE(starts(found("Who was in Possession (1922 Film)?", &s), "second"));
	ASSERT_TRUE(starts(found("Who was in Possession (1919 Film)?", &s), "first"));
	fixture_close(&f);
}

TEST(a_place_that_two_passages_share_joins_them)
{
	struct nx_search s;
	fixture_open(&f, "shared");
	put("river", "Bubwe River", "The river rises in the hills and flows through Zanvia to the sea.");
	put("falls", "Smoke Falls", "This waterfall is the highest in Zanvia.");
	put("alpine", "Alpine Falls", "A waterfall of the mountains.");
	put("cascade", "Cascade Falls", "A waterfall of the plain.");
	ASSERT_TRUE(starts(found("Which waterfall is in the country of the Bubwe River?", &s), "river falls"));
	ASSERT_TRUE(nx_str_eqz(s.hits[1].path[0], "Bubwe River"));
	fixture_close(&f);
}

TEST(a_second_hop_tells_the_whole_way)
{
	struct nx_search s;
	fixture_open(&f, "second");
	put("song", "Harvest of Tin", "Harvest of Tin is a song performed by Ana Quell.");
	put("singer", "Ana Quell", "She was raised by the miller of Brostad.");
	put("town", "Brostad", "Its river is called Ymmer.");
	put("noise", "Paper", "The river of paper.");
	(void)found("What is the river in the town of the performer of Harvest of Tin?", &s);
	for (size_t i = 0; i < s.nhits; i++) {
		if (!nx_str_eqz(s.hits[i].document_name, "town"))
			continue;
		ASSERT_EQ(s.hits[i].npath, 2);
		ASSERT_TRUE(nx_str_eqz(s.hits[i].path[0], "Harvest of Tin"));
		ASSERT_TRUE(nx_str_eqz(s.hits[i].path[1], "Ana Quell"));
		fixture_close(&f);
		return;
	}
	fail_msg("the town was not found");
}

TEST(common_words_are_hardly_a_name)
{
	struct nx_search s;
	fixture_open(&f, "common");
	put("birth", "Place of birth", "The place where a person was born, as forms ask for it.");
	put("changed", "Changed It", "Changed It is a song by Mira Tolm.");
	put("tolm", "Mira Tolm", "Mira Tolm was born in Ostwick.");
	ASSERT_TRUE(starts(found("What is the place of birth of the performer of Changed It?", &s), "changed"));
	fixture_close(&f);
}

TEST(words_of_one_relation_share_a_group)
{
	uint8_t director = nx_relation_group(NX_STR("director"));
	ASSERT_TRUE(director != NX_RELATION_NONE);
	ASSERT_EQ(director, nx_relation_group(NX_STR("direct")));
	ASSERT_TRUE(director != nx_relation_group(NX_STR("mother")));
	ASSERT_EQ(nx_relation_group(NX_STR("lantern")), NX_RELATION_NONE);
	ASSERT_EQ(nx_relation_group(NX_STR("")), NX_RELATION_NONE);
	ASSERT_TRUE(nx_relation_group(NX_STR("مخرج")) == director);
}
