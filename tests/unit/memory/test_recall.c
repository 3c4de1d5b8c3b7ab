#include "tests/unit/memory/fixture.h"

#include <stdio.h>

static struct fixture f;

static bool holds(const struct nx_memory_item *items, size_t n, const char *part)
{
	for (size_t i = 0; i < n; i++)
		if (nx_str_find(items[i].text, nx_str_z(part)) >= 0)
			return true;
	return false;
}

TEST(what_was_said_is_found_with_its_source_and_its_reason)
{
	fixture_open(&f, "found");
	nx_id id = fixture_say(&f, "The weir was repaired in March");
	fixture_say(&f, "Lunch is at noon");
	struct nx_memory_recall r = fixture_ask(&f, "u1", "when was the weir repaired?");
	ASSERT_EQ(r.nranked, 1);
	ASSERT_TRUE(nx_id_eq(r.ranked[0].id, id));
	ASSERT_TRUE(nx_id_eq(r.ranked[0].sources[0], id));
	ASSERT_CONTAINS(r.ranked[0].why.p, "2 of 2 words");
	fixture_close(&f);
}

TEST(a_layer_gives_at_most_5_working_10_episodic_15_semantic_and_5_procedural)
{
	char text[128];

	fixture_open(&f, "caps");
	for (int i = 0; i < 40; i++) {
		(void)snprintf(text, sizeof(text), "I like gauge number%c%c", 'a' + i % 26, 'a' + i / 26);
		struct nx_memory_turn t = {.user_id = NX_STR("u1"),
					   .session = NX_STR("s1"),
					   .text = nx_str_z(nx_arena_strdup(f.arena, text)),
					   .importance = 0.9};
		ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &t, 1));
		(void)snprintf(text, sizeof(text), "read gauge number%c%c", 'a' + i % 26, 'a' + i / 26);
		struct nx_memory_task task = {
			.tenant = NX_STORE_TENANT,
			.id = nx_id_new(),
			.user_id = NX_STR("u1"),
			.input = nx_str_z(text),
			.intent = NX_STR("plan"),
			.plan = NX_STR("{\"steps\":[{\"id\":\"a\",\"tool\":\"knowledge.search\"}]}"),
			.succeeded = true};
		nx_memory_consolidate(f.memory, &task);
	}
	const char *queries[] = {"gauge", ""};
	for (size_t i = 0; i < nx_countof(queries); i++) {
		struct nx_memory_recall r = {.user_id = NX_STR("u1"), .query = nx_str_z(queries[i]), .limit = 30};
		ASSERT_OK(fixture_recall(&f, &r));
		ASSERT_EQ(r.nworking, 5);
		ASSERT_EQ(r.nepisodic, 10);
		ASSERT_EQ(r.nsemantic, 15);
		ASSERT_EQ(r.nprocedural, 5);
		ASSERT_EQ(r.nranked, 30);
	}
	fixture_close(&f);
}

TEST(nobody_recalls_what_another_user_or_tenant_said)
{
	fixture_open(&f, "walls");
	struct nx_memory_turn mine = {
		.user_id = NX_STR("u1"), .text = NX_STR("My safe code is 4711"), .importance = 0.9};
	struct nx_memory_turn theirs = {
		.user_id = NX_STR("u1"), .text = NX_STR("My safe code is 9999"), .importance = 0.9};
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &mine, 1));
	ASSERT_OK(fixture_store(&f, OTHER_TENANT, &theirs, 1));
	struct nx_memory_recall r = fixture_ask(&f, "u2", "safe code");
	ASSERT_EQ(r.nranked + r.nworking + r.nepisodic + r.nsemantic + r.nprocedural, 0);
	r = fixture_ask(&f, "u1", "safe code");
	ASSERT_EQ(r.nranked, 1);
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_TRUE(holds(r.semantic, 1, "4711"));
	struct nx_memory_recall other = {.tenant = OTHER_TENANT, .user_id = NX_STR("u1"), .query = NX_STR("safe code")};
	ASSERT_OK(fixture_recall(&f, &other));
	ASSERT_EQ(other.nranked, 1);
	ASSERT_TRUE(holds(other.semantic, other.nsemantic, "9999"));
	nx_str json;
	ASSERT_ERR(nx_memory_get(f.memory, OTHER_TENANT, mine.id, f.arena, &json, NULL), NX_ENOTFOUND);
	ASSERT_ERR(fixture_change(&f, OTHER_TENANT, NX_MEMORY_DELETE, mine.id, NULL, NULL), NX_ENOTFOUND);
	fixture_close(&f);
}

TEST(a_contradiction_ends_the_older_fact_and_keeps_it_as_history)
{
	fixture_open(&f, "contradiction");
	fixture_say(&f, "I live in Beirut.");
	nx_fake_clock_advance(&f.clock, 3600 * NX_USEC_PER_SEC);
	nx_id moved = fixture_say(&f, "I moved to Tyre, and I live in Tyre now.");
	struct nx_memory_recall r = fixture_ask(&f, "u1", "where do I live?");
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_TRUE(holds(r.semantic, 1, "Tyre"));
	ASSERT_TRUE(nx_id_eq(r.semantic[0].sources[0], moved));
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM memories WHERE fact_key='lives_in'"), 2);
	ASSERT_EQ(fixture_count(&f, "SELECT valid_to-valid_from FROM memories WHERE fact_value='beirut'"),
		  3600 * NX_USEC_PER_SEC);
	fixture_close(&f);
}

TEST(the_same_fact_in_other_letters_is_one_fact_with_two_sources)
{
	fixture_open(&f, "same");
	nx_id first = fixture_say(&f, "I live in Beirut.");
	nx_id second = fixture_say(&f, "By the way, i LIVE in BEIRUT");
	struct nx_memory_recall r = fixture_ask(&f, "u1", "where do I live");
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_EQ(r.semantic[0].nsources, 2);
	ASSERT_TRUE(nx_id_eq(r.semantic[0].sources[0], first));
	ASSERT_TRUE(nx_id_eq(r.semantic[0].sources[1], second));
	fixture_close(&f);
}

TEST(what_is_told_late_of_an_earlier_time_does_not_replace_the_present)
{
	fixture_open(&f, "late");
	fixture_say(&f, "I live in Tyre.");
	struct nx_memory_turn old = {.user_id = NX_STR("u1"),
				     .text = NX_STR("I live in Beirut."),
				     .occurred_at = NOW - 1000 * NX_USEC_PER_SEC,
				     .importance = -1};
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &old, 1));
	struct nx_memory_recall r = fixture_ask(&f, "u1", "where do I live");
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_TRUE(holds(r.semantic, 1, "Tyre"));
	fixture_close(&f);
}

TEST(likes_become_dislikes_and_an_ended_fact_is_not_recalled)
{
	fixture_open(&f, "likes");
	fixture_say(&f, "I love coffee.");
	fixture_say(&f, "I work at the port.");
	nx_fake_clock_advance(&f.clock, NX_USEC_PER_SEC);
	fixture_say(&f, "I can't stand coffee");
	fixture_say(&f, "I no longer work at the port");
	struct nx_memory_recall r = fixture_ask(&f, "u1", "");
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_TRUE(holds(r.semantic, 1, "stand coffee"));
	fixture_close(&f);
}

TEST(arabic_is_found_by_another_form_of_its_words_and_contradicts_across_forms)
{
	fixture_open(&f, "arabic");
	fixture_say(&f, "أعيش في بيروت");
	nx_fake_clock_advance(&f.clock, NX_USEC_PER_SEC);
	fixture_say(&f, "لم أعد هناك، اعيش في صور");
	fixture_say(&f, "زرت المدرسة القديمة أمس");
	struct nx_memory_recall r = fixture_ask(&f, "u1", "هل أعيش في صور؟");
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_TRUE(holds(r.semantic, 1, "صور"));
	r = fixture_ask(&f, "u1", "مدرسة");
	ASSERT_GE(r.nranked, 1);
	ASSERT_TRUE(holds(r.ranked, 1, "المدرسة"));
	fixture_close(&f);
}

TEST(taint_is_carried_and_what_is_tainted_states_no_fact)
{
	fixture_open(&f, "taint");
	struct nx_memory_turn t = {.user_id = NX_STR("u1"),
				   .text = NX_STR("I live in Mallory's castle."),
				   .tainted = true,
				   .importance = 0.9};
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &t, 1));
	struct nx_memory_turn said = {
		.user_id = NX_STR("u1"), .role = NX_STR("assistant"), .text = NX_STR("I live in a castle of cards")};
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &said, 1));
	struct nx_memory_recall r = fixture_ask(&f, "u1", "castle");
	ASSERT_EQ(r.nsemantic, 0);
	ASSERT_EQ(r.nranked, 2);
	ASSERT_EQ(r.nepisodic, 1);
	ASSERT_TRUE(r.episodic[0].tainted);
	ASSERT_NE(r.ranked[0].tainted, r.ranked[1].tainted);
	fixture_close(&f);
}

TEST(a_session_bounds_everything_that_is_recalled)
{
	fixture_open(&f, "session");
	fixture_say(&f, "the weir is open");
	struct nx_memory_turn t = {.user_id = NX_STR("u1"),
				   .session = NX_STR("s2"),
				   .text = NX_STR("the weir is shut"),
				   .importance = 0.9};
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &t, 1));
	struct nx_memory_recall r = {.user_id = NX_STR("u1"), .session = NX_STR("s1"), .query = NX_STR("weir")};
	ASSERT_OK(fixture_recall(&f, &r));
	ASSERT_EQ(r.nranked, 1);
	ASSERT_TRUE(holds(r.ranked, 1, "open"));
	ASSERT_EQ(r.nepisodic, 0);
	ASSERT_EQ(r.nworking, 1);
	fixture_close(&f);
}

TEST(what_is_recalled_has_been_accessed_once_more)
{
	fixture_open(&f, "touch");
	fixture_say(&f, "the weir is open");
	fixture_say(&f, "lunch is at noon");
	fixture_ask(&f, "u1", "weir");
	ASSERT_EQ(fixture_count(&f, "SELECT accesses FROM memories WHERE text LIKE '%weir%'"), 2);
	ASSERT_EQ(fixture_count(&f, "SELECT accesses FROM memories WHERE text LIKE '%lunch%'"), 1);
	fixture_close(&f);
}

TEST(an_old_turn_that_answers_well_comes_before_new_ones_that_answer_badly)
{
	char text[128];

	fixture_open(&f, "bound");
	struct nx_memory_turn old = {.user_id = NX_STR("u1"),
				     .text = NX_STR("The weir keeper is called Hassan"),
				     .occurred_at = NOW - INT64_C(90) * 86400 * NX_USEC_PER_SEC,
				     .importance = 0.8};
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &old, 1));
	for (int i = 0; i < 60; i++) {
		(void)snprintf(text, sizeof(text), "The weir has gate %d open", i);
		struct nx_memory_turn t = {.user_id = NX_STR("u1"),
					   .text = nx_str_z(nx_arena_strdup(f.arena, text)),
					   .importance = i % 10 / 10.0};
		ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &t, 1));
	}
	struct nx_memory_recall r = fixture_ask(&f, "u1", "who is the keeper of the weir?");
	ASSERT_TRUE(nx_id_eq(r.ranked[0].id, old.id));
	ASSERT_TRUE(nx_id_eq(r.working[0].id, old.id));
	ASSERT_TRUE(nx_id_eq(r.episodic[0].id, old.id));
	for (size_t i = 1; i < r.nworking; i++)
		ASSERT_TRUE(r.working[i - 1].score >= r.working[i].score);
	fixture_close(&f);
}

TEST(a_fact_of_before_facts_carried_their_words_is_found)
{
	fixture_open(&f, "words");
	fixture_say(&f, "I moved to Tyre.");
	fixture_sql(&f, "UPDATE memories SET words=NULL");
	struct nx_memory_recall r = fixture_ask(&f, "u1", "where do I live?");
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_TRUE(holds(r.semantic, 1, "Tyre"));
	ASSERT_EQ(fixture_ask(&f, "u1", "weir").nsemantic, 0);
	fixture_close(&f);
}
