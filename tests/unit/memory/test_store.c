#include "base/fault.h"
#include "tests/unit/memory/fixture.h"

#include <stdio.h>

static struct fixture f;

#define WORKING "SELECT count(*) FROM memories WHERE layer='working'"
#define EPISODES "SELECT count(*) FROM memories WHERE layer='episodic'"

/* Turns without importance, `seconds` apart. */
static void fill(size_t n, int64_t seconds)
{
	char text[64];

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "reading number %zu of the gauge", i);
		struct nx_memory_turn t = {.user_id = NX_STR("u1"),
					   .session = NX_STR("s1"),
					   .text = nx_str_z(nx_arena_strdup(f.arena, text)),
					   .importance = 0.2};
		ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &t, 1));
		nx_fake_clock_advance(&f.clock, seconds * NX_USEC_PER_SEC);
	}
}

TEST(a_new_item_has_one_access_and_full_attention)
{
	fixture_open(&f, "new");
	fixture_say(&f, "the gauge at the weir is broken");
	ASSERT_EQ(fixture_count(&f, WORKING " AND accesses=1 AND attention=1.0"), 1);
	fixture_close(&f);
}

TEST(a_full_working_memory_goes_from_100_to_90_and_the_new_item_makes_91)
{
	fixture_open(&f, "capacity");
	fill(100, 1);
	ASSERT_EQ(fixture_count(&f, WORKING), 100);
	fill(1, 1); /* the same words again: no second place */
	ASSERT_EQ(fixture_count(&f, WORKING), 100);
	fixture_say(&f, "one item more than it holds");
	ASSERT_EQ(fixture_count(&f, WORKING), 91);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM turns"), 102);
	fixture_close(&f);
}

TEST(the_lowest_keep_scores_go)
{
	fixture_open(&f, "keep");
	fill(100, 100);
	/* 0.4*accesses - 0.0001*age + 0.6*attention: the two oldest are saved by what they are worth, not by their age. */
	fixture_sql(&f, "UPDATE memories SET attention=0.5, accesses=1");
	fixture_sql(&f, "UPDATE memories SET accesses=4 WHERE id=1");
	fixture_sql(&f, "UPDATE memories SET attention=0.7, accesses=3 WHERE id=2");
	fixture_say(&f, "and now one more");
	ASSERT_EQ(fixture_count(&f, WORKING " AND id IN (1,2)"), 2);
	ASSERT_EQ(fixture_count(&f, WORKING " AND id BETWEEN 3 AND 12"), 0);
	ASSERT_EQ(fixture_count(&f, WORKING " AND id BETWEEN 13 AND 100"), 88);
	ASSERT_EQ(fixture_count(&f, EPISODES), 0);
	fixture_close(&f);
}

TEST(age_counts_a_tenth_of_a_thousandth_per_second)
{
	fixture_open(&f, "age");
	fill(100, 0);
	/* Eleven compete for ten: 0.8 - 0.4 of ten old ones is less than 0.45 of one young one that nobody minds. */
	fixture_sql(&f, "UPDATE memories SET attention=1.0, accesses=9");
	fixture_sql(&f, "UPDATE memories SET attention=0.0, accesses=2, created_at=created_at-4000000000 WHERE id<=10");
	fixture_sql(&f, "UPDATE memories SET attention=0.0833333, accesses=1 WHERE id=11");
	fixture_say(&f, "and now one more");
	ASSERT_EQ(fixture_count(&f, WORKING " AND id<=10"), 0);
	ASSERT_EQ(fixture_count(&f, WORKING " AND id=11"), 1);
	fixture_close(&f);
}

TEST(what_leaves_with_attention_above_seven_tenths_becomes_an_episode)
{
	fixture_open(&f, "attention");
	fill(100, 10000); /* age decides */
	fixture_sql(&f, "UPDATE memories SET attention=0.1");
	fixture_sql(&f, "UPDATE memories SET attention=0.71 WHERE id IN (1,2,3)");
	fixture_sql(&f, "UPDATE memories SET attention=0.7 WHERE id=4");
	fixture_say(&f, "one more");
	ASSERT_EQ(fixture_count(&f, WORKING), 91);
	ASSERT_EQ(fixture_count(&f, EPISODES), 3);
	ASSERT_EQ(fixture_count(&f, EPISODES " AND id IN (1,2,3)"), 3);
	fixture_close(&f);
}

TEST(what_is_pinned_stays)
{
	fixture_open(&f, "pinned");
	fixture_say(&f, "the key is under the blue pot");
	fixture_sql(&f, "UPDATE memories SET pinned=1, attention=0, created_at=0");
	fill(150, 100);
	ASSERT_EQ(fixture_count(&f, WORKING " AND pinned=1"), 1);
	fixture_close(&f);
}

TEST(sessions_have_a_working_memory_each)
{
	fixture_open(&f, "sessions");
	fill(100, 0);
	struct nx_memory_turn t = {
		.user_id = NX_STR("u1"), .session = NX_STR("s2"), .text = NX_STR("elsewhere"), .importance = 0.2};
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &t, 1));
	ASSERT_EQ(fixture_count(&f, WORKING), 101);
	fixture_close(&f);
}

TEST(importance_above_seven_tenths_is_an_episode)
{
	fixture_open(&f, "episode");
	struct nx_memory_turn t[] = {
		{.user_id = NX_STR("u1"), .text = NX_STR("just so much"), .importance = 0.7},
		{.user_id = NX_STR("u1"), .text = NX_STR("a little more"), .importance = 0.71},
	};
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, t, 2));
	ASSERT_STREQ(t[0].layer, "working");
	ASSERT_STREQ(t[1].layer, "episodic");
	ASSERT_EQ(fixture_count(&f, EPISODES), 1);
	fixture_close(&f);
}

TEST(a_bad_turn_stores_none_of_its_batch)
{
	fixture_open(&f, "batch");
	struct nx_memory_turn t[] = {{.user_id = NX_STR("u1"), .text = NX_STR("good")},
				     {.user_id = NX_STR("u1"), .text = NX_STR(" \n")}};
	ASSERT_ERR(fixture_store(&f, NX_STORE_TENANT, t, 2), NX_EINVAL);
	struct nx_memory_turn nobody = {.text = NX_STR("good")};
	ASSERT_ERR(fixture_store(&f, NX_STORE_TENANT, &nobody, 1), NX_EINVAL);
	char *huge = nx_arena_calloc(f.arena, 1, 70000);
	memset(huge, 'a', 69999);
	struct nx_memory_turn large = {.user_id = NX_STR("u1"), .text = nx_str_z(huge)};
	ASSERT_ERR(fixture_store(&f, NX_STORE_TENANT, &large, 1), NX_ETOOBIG);
	ASSERT_CONTAINS(fixture_message(), "memory.max_text_bytes");
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM turns"), 0);
	fixture_close(&f);
}

TEST(each_fault_on_the_way_stores_everything_or_nothing)
{
	fixture_open(&f, "faults");
	if (nx_fault_plan("memory_store=1", NULL) == NX_EUNSUPPORTED) {
		fixture_close(&f);
		SKIP("fault points are compiled out");
	}
	int rc = -1;
	for (int n = 1; rc != 0 && n < 500; n++) {
		char plan[32];
		(void)snprintf(plan, sizeof(plan), "%d", n);
		ASSERT_OK(nx_fault_plan(plan, NULL));
		struct nx_memory_turn t = {.user_id = NX_STR("u1"),
					   .session = NX_STR("s1"),
					   .text = NX_STR("I live in Tyre, remember it"),
					   .importance = 0.9};
		rc = fixture_store(&f, NX_STORE_TENANT, &t, 1);
		ASSERT_OK(nx_fault_plan(NULL, NULL));
		ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM turns"), rc == 0);
		ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM memories"), rc == 0 ? 3 : 0);
		ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM sessions"), rc == 0);
	}
	ASSERT_OK(rc);
	fixture_close(&f);
}
