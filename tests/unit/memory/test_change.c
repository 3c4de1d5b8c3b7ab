#include "tests/unit/memory/fixture.h"

static struct fixture f;

static int64_t rows(const char *table)
{
	return fixture_count(&f, nx_arena_printf(f.arena, "SELECT count(*) FROM %s", table));
}

/* Of all users: what is kept beside the turns and what the turns themselves say. */
static void check_figures(void)
{
	ASSERT_EQ(fixture_count(&f, "SELECT coalesce(sum(turns), 0) FROM turn_figures"), rows("turns"));
	ASSERT_EQ(fixture_count(&f, "SELECT coalesce(sum(length), 0) FROM turn_figures"),
		  fixture_count(&f, "SELECT coalesce(sum(length), 0) FROM turns"));
	ASSERT_EQ(rows("turn_terms w JOIN turns t ON t.id=w.turn_id WHERE w.length<>t.length OR "
		       "coalesce(w.session_id, 0)<>coalesce(t.session_id, 0)"),
		  0);
}

TEST(the_figures_of_turns_follow_every_change)
{
	fixture_open(&f, "figures");
	nx_id first = fixture_say(&f, "The weir was repaired in March by the miller of Tyre");
	nx_id second = fixture_say(&f, "Lunch is at noon");
	check_figures();
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_PATCH, first, NULL, "{\"text\":\"The weir broke\"}"));
	check_figures();
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_DELETE, second, NULL, NULL));
	check_figures();
	ASSERT_EQ(rows("turn_figures WHERE user_id='u1' AND turns=1"), 1);
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_FORGET, NX_ID_NONE, "u1", NULL));
	ASSERT_EQ(rows("turn_figures"), 0);
	fixture_close(&f);
}

TEST(a_deleted_memory_leaves_nothing_behind)
{
	fixture_open(&f, "delete");
	nx_id id = fixture_say(&f, "Remember that I live in Tyre, my name is Lina");
	ASSERT_GE(rows("memories"), 4);
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_DELETE, id, NULL, NULL));
	ASSERT_EQ(rows("turns") + rows("memories") + rows("turn_terms"), 0);
	ASSERT_ERR(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_DELETE, id, NULL, NULL), NX_ENOTFOUND);
	fixture_close(&f);
}

TEST(a_fact_stays_on_its_other_source_when_one_goes)
{
	fixture_open(&f, "sources");
	nx_id first = fixture_say(&f, "I live in Tyre.");
	nx_id second = fixture_say(&f, "As I said, I live in Tyre!");
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_DELETE, first, NULL, NULL));
	struct nx_memory_recall r = fixture_ask(&f, "u1", "");
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_EQ(r.semantic[0].nsources, 1);
	ASSERT_TRUE(nx_id_eq(r.semantic[0].sources[0], second));
	fixture_close(&f);
}

TEST(deleting_a_contradiction_makes_what_it_ended_valid_again)
{
	fixture_open(&f, "reopen");
	fixture_say(&f, "I live in Beirut.");
	nx_fake_clock_advance(&f.clock, NX_USEC_PER_SEC);
	nx_id second = fixture_say(&f, "I live in Tyre.");
	nx_fake_clock_advance(&f.clock, NX_USEC_PER_SEC);
	nx_id third = fixture_say(&f, "I live in Sidon.");
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_DELETE, second, NULL, NULL));
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM memories WHERE layer='semantic' AND valid_to IS NULL"), 1);
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_DELETE, third, NULL, NULL));
	struct nx_memory_recall r = fixture_ask(&f, "u1", "");
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_TRUE(nx_str_eqz(r.semantic[0].text, "I live in Beirut"));
	fixture_close(&f);
}

TEST(a_corrected_text_is_found_by_its_new_words_and_states_the_new_fact)
{
	fixture_open(&f, "patch");
	nx_id id = fixture_say(&f, "I live in Beirut.");
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_PATCH, id, NULL,
				 "{\"text\":\"I live in Tyre.\",\"importance\":0.9}"));
	ASSERT_EQ(fixture_ask(&f, "u1", "Beirut").nranked, 0);
	struct nx_memory_recall r = fixture_ask(&f, "u1", "Tyre");
	ASSERT_EQ(r.nranked, 1);
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_TRUE(nx_str_eqz(r.semantic[0].text, "I live in Tyre"));
	ASSERT_ERR(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_PATCH, id, NULL, "{\"text\":\" \"}"), NX_EINVAL);
	fixture_close(&f);
}

TEST(a_turn_that_left_every_layer_can_be_pinned)
{
	fixture_open(&f, "pin");
	nx_id id = fixture_say(&f, "the key is under the pot");
	fixture_sql(&f, "DELETE FROM memories");
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_PIN, id, NULL, NULL));
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM memories WHERE pinned=1 AND layer='episodic'"), 1);
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_PIN, id, NULL, "{\"pinned\":false}"));
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM memories WHERE pinned=1"), 0);
	fixture_close(&f);
}

TEST(a_forgotten_user_is_gone_and_nobody_else_is)
{
	fixture_open(&f, "forget");
	struct nx_memory_turn other = {.user_id = NX_STR("u2"),
				       .session = NX_STR("s1"),
				       .text = NX_STR("I live in Sidon."),
				       .importance = 0.9};
	fixture_say(&f, "I live in Tyre.");
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &other, 1));
	other.user_id = NX_STR("u1");
	other.id = NX_ID_NONE;
	ASSERT_OK(fixture_store(&f, OTHER_TENANT, &other, 1));
	struct nx_memory_task task = {.tenant = NX_STORE_TENANT,
				      .user_id = NX_STR("u1"),
				      .input = NX_STR("read the gauge"),
				      .intent = NX_STR("plan"),
				      .plan = NX_STR("{}"),
				      .succeeded = true};
	nx_memory_consolidate(f.memory, &task);
	ASSERT_EQ(rows("procedures"), 1);
	ASSERT_OK(fixture_change(&f, NX_STORE_TENANT, NX_MEMORY_FORGET, NX_ID_NONE, "u1", NULL));
	ASSERT_EQ(rows("turns"), 2);
	ASSERT_EQ(rows("procedures"), 0);
	ASSERT_EQ(rows("sessions"), 2);
	ASSERT_EQ(rows("memories WHERE tenant_id=1 AND user_id='u1'"), 0);
	ASSERT_EQ(rows("turn_terms WHERE tenant_id=1 AND user_id='u1'"), 0);
	ASSERT_EQ(fixture_ask(&f, "u2", "Sidon").nsemantic, 1);
	ASSERT_EQ(rows("forget_log WHERE count=2"), 1);
	fixture_close(&f);
}
