#include "tests/unit/memory/fixture.h"

static struct nx_arena *arena;
static struct nx_memory_fact *facts;
static size_t nfacts;

static void read_facts(const char *text)
{
	nx_arena_free(arena);
	arena = nx_arena_new(0);
	ASSERT_OK(nx_memory_facts(nx_str_z(text), arena, &facts, &nfacts, NULL));
}

static void states(const char *text, const char *key, const char *value)
{
	read_facts(text);
	if (nfacts != 1)
		print_message("%s: %zu facts, the first %.*s\n", text, nfacts,
			      NX_FMT(nfacts ? facts[0].key : NX_STR("-")));
	ASSERT_EQ(nfacts, 1);
	ASSERT_STREQ(nx_str_zdup(arena, facts[0].key), key);
	ASSERT_STREQ(nx_str_zdup(arena, facts[0].value), value);
	ASSERT_FALSE(facts[0].ends);
}

static void states_nothing(const char *text)
{
	read_facts(text);
	if (nfacts)
		print_message("%s: %.*s = %.*s\n", text, NX_FMT(facts[0].key), NX_FMT(facts[0].value));
	ASSERT_EQ(nfacts, 0);
}

TEST(what_an_english_speaker_says_of_himself_is_a_fact)
{
	states("My name is Lina Haddad.", "attribute:name", "lina haddad");
	states("Please call me Lina", "attribute:name", "lina");
	states("I live in Beirut now.", "lives_in", "beirut");
	states("Hi! I've moved to Trinidad and Tobago, at last.", "lives_in", "trinidad and tobago");
	states("I work at Selne Labs because it is near.", "works_at", "selne labs");
	states("I work as a hydrologist.", "job", "a hydrologist");
	states("I'm from Tyre", "origin", "tyre");
	states("I am 34 years old.", "attribute:age", "34");
	states("I'm allergic to peanuts.", "allergic:peanuts", "yes");
	states("I don't like coffee anymore.", "feeling:coffee", "dislike");
	states("My favourite color is blue.", "attribute:favorite color", "blue");
	states("My wife's name is Anna", "attribute:wife name", "anna");
	states("My dog is called Rex.", "attribute:dog name", "rex");
	states("I prefer dark mode.", "preference:mode", "dark mode");
	nx_arena_free(nx_steal(arena));
}

TEST(what_an_arabic_speaker_says_is_a_fact_under_the_same_keys)
{
	states("اسمي لينا", "attribute:name", "لينا");
	states("أعيش في بيروت.", "lives_in", "بيروت");
	states("مرحبا، أنا أسكن في صور الآن", "lives_in", "صور");
	states("وأعمل في مختبر المياه", "works_at", "مختبر المياه");
	states("لا أحب القهوة", "feeling:القهوة", "dislike");
	states("أحب الشاي كثيرا", "feeling:الشاي", "like");
	states("عندي حساسية من الفول السوداني", "allergic:الفول السوداني", "yes");
	states("لوني المفضل هو الأزرق", "attribute:لوني المفضل", "الازرق");
	nx_arena_free(nx_steal(arena));
}

TEST(a_sentence_may_state_several_facts)
{
	read_facts("I live in Tyre and I work at the port, and I like tea and fishing. اسمي كريم وأعيش في صور");
	ASSERT_EQ(nfacts, 6);
	ASSERT_STREQ(nx_str_zdup(arena, facts[1].value), "the port");
	ASSERT_STREQ(nx_str_zdup(arena, facts[2].key), "feeling:tea");
	ASSERT_STREQ(nx_str_zdup(arena, facts[3].key), "feeling:fishing");
	ASSERT_STREQ(nx_str_zdup(arena, facts[4].value), "كريم");
	ASSERT_STREQ(nx_str_zdup(arena, facts[0].text), "I live in Tyre");
	nx_arena_free(nx_steal(arena));
}

TEST(questions_conditions_hearsay_and_rambling_state_nothing)
{
	states_nothing("Do I live in Beirut?");
	states_nothing("What is my name?");
	states_nothing("أين أعيش في رأيك؟");
	states_nothing("If I live in Beirut, taxes are lower.");
	states_nothing("My question is how it works.");
	states_nothing("I like it.");
	states_nothing("I would like a coffee.");
	states_nothing("عندما كنت أعيش في حلب");
	states_nothing("I like the way in which all of these many words go on and on");
	states_nothing("");
	states_nothing("my");
	states_nothing("I live in");
	nx_arena_free(nx_steal(arena));
}

TEST(two_ways_to_prefer_share_a_key_and_an_end_is_no_value)
{
	states("I prefer tea to coffee", "preference:coffee|tea", "tea");
	states("I prefer coffee over tea", "preference:coffee|tea", "coffee");
	read_facts("I no longer live in Beirut.");
	ASSERT_EQ(nfacts, 1);
	ASSERT_TRUE(facts[0].ends);
	ASSERT_STREQ(nx_str_zdup(arena, facts[0].value), "beirut");
	nx_arena_free(nx_steal(arena));
}
