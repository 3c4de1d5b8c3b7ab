#include "tests/unit/memory/fixture.h"

static struct fixture f;

#define DAY (INT64_C(86400) * NX_USEC_PER_SEC)

static struct nx_memory_recall r;

/* The code; the answer is in `r`. */
static int ask(const char *query, const char *filters)
{
	r = (struct nx_memory_recall){.user_id = NX_STR("u1"), .query = nx_str_z(query), .limit = 50};
	ASSERT_OK(nx_json_read(f.arena, nx_str_z(filters), NULL, &r.filters, NULL));
	return fixture_recall(&f, &r);
}

static void say(const char *text, const char *role, const char *agent, const char *metadata, int64_t at)
{
	struct nx_memory_turn t = {.user_id = NX_STR("u1"),
				   .session = NX_STR("s1"),
				   .role = nx_str_z(role),
				   .agent_id = nx_str_z(agent),
				   .text = nx_str_z(text),
				   .occurred_at = at,
				   .importance = 0.9};

	if (metadata)
		ASSERT_OK(nx_json_read(f.arena, nx_str_z(metadata), NULL, &t.metadata, NULL));
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, &t, 1));
}

static void open_three(const char *name)
{
	fixture_open(&f, name);
	say("I like the old weir", "user", "", "{\"year\":1950,\"tags\":[\"river\",\"stone\"]}", NOW - 10 * DAY);
	say("The weir is of stone", "assistant", "librarian", "{\"year\":1960}", NOW - 5 * DAY);
	say("I like the new weir", "user", "", NULL, NOW);
}

#define ASSERT_RANKED(filters, n)                \
	do {                                     \
		ASSERT_OK(ask("weir", filters)); \
		ASSERT_EQ(r.nranked, n);         \
	} while (0)

TEST(metadata_is_filtered_by_value_list_and_range)
{
	open_three("metadata");
	ASSERT_RANKED("{}", 3);
	ASSERT_RANKED("null", 3);
	ASSERT_RANKED("{\"year\":1950}", 1);
	ASSERT_RANKED("{\"year\":{\"in\":[1950,1960]}}", 2);
	ASSERT_RANKED("{\"year\":{\"gte\":1951,\"lte\":1970}}", 1);
	ASSERT_RANKED("{\"tags\":\"river\"}", 1);
	ASSERT_RANKED("{\"nosuch\":1}", 0);
	fixture_close(&f);
}

TEST(role_agent_and_time_are_filtered)
{
	open_three("own");
	ASSERT_RANKED("{\"role\":\"assistant\"}", 1);
	ASSERT_RANKED("{\"role\":{\"in\":[\"assistant\",\"user\"]}}", 3);
	ASSERT_RANKED("{\"agent_id\":\"librarian\"}", 1);
	ASSERT_RANKED("{\"agent_id\":\"other\"}", 0);
	char early[NX_TIME_TEXT];
	nx_time_format(NOW - 5 * DAY, early);
	ASSERT_RANKED(nx_arena_printf(f.arena, "{\"occurred_at\":{\"gte\":\"%s\"}}", early), 2);
	ASSERT_RANKED(nx_arena_printf(f.arena, "{\"occurred_at\":{\"lte\":\"%s\"}}", early), 2);
	ASSERT_RANKED(nx_arena_printf(f.arena, "{\"occurred_at\":\"%s\"}", early), 1);
	ASSERT_RANKED(nx_arena_printf(f.arena, "{\"occurred_at\":\"%s\",\"year\":1950}", early), 0);
	fixture_close(&f);
}

TEST(filters_hold_for_every_list)
{
	open_three("lists");
	struct nx_memory_task task = {.tenant = NX_STORE_TENANT,
				      .id = nx_id_new(),
				      .user_id = NX_STR("u1"),
				      .input = NX_STR("read the weir gauge"),
				      .intent = NX_STR("plan"),
				      .plan = NX_STR("{\"steps\":[]}"),
				      .succeeded = true};
	nx_memory_consolidate(f.memory, &task);
	ASSERT_OK(ask("weir", "{\"year\":{\"lte\":1950}}"));
	ASSERT_EQ(r.nworking, 1);
	ASSERT_EQ(r.nepisodic, 1);
	ASSERT_EQ(r.nsemantic, 1);
	ASSERT_EQ(r.nprocedural, 0);
	ASSERT_TRUE(nx_str_find(r.semantic[0].text, NX_STR("old weir")) >= 0);
	const char *layers[] = {"working", "episodic", "semantic", "procedural"};
	for (size_t i = 0; i < nx_countof(layers); i++) {
		ASSERT_OK(ask("weir", nx_arena_printf(f.arena, "{\"layer\":\"%s\"}", layers[i])));
		ASSERT_EQ(r.nworking > 0, i == 0);
		ASSERT_EQ(r.nepisodic > 0, i == 1);
		ASSERT_EQ(r.nsemantic > 0, i == 2);
		ASSERT_EQ(r.nprocedural > 0, i == 3);
	}
	ASSERT_OK(ask("weir", "{\"role\":\"plan\"}"));
	ASSERT_EQ(r.nprocedural, 1);
	ASSERT_EQ(r.nranked, 0);
	fixture_close(&f);
}

TEST(without_a_query_the_newest_that_pass_are_ranked)
{
	open_three("newest");
	ASSERT_OK(ask("", "{\"role\":\"assistant\"}"));
	ASSERT_EQ(r.nranked, 1);
	ASSERT_OK(ask("", "{\"year\":1950}"));
	ASSERT_EQ(r.nranked, 1);
	fixture_close(&f);
}

TEST(a_filter_finds_what_the_newest_turns_hide)
{
	enum { MANY = 2100 };
	fixture_open(&f, "deep");
	say("the weir of old", "user", "", "{\"deep\":true}", NOW - 100 * DAY);
	struct nx_memory_turn *t = nx_arena_array(f.arena, struct nx_memory_turn, MANY);
	for (int i = 0; i < MANY; i++)
		t[i] = (struct nx_memory_turn){
			.user_id = NX_STR("u1"), .text = NX_STR("the weir again"), .importance = 0.1};
	ASSERT_OK(fixture_store(&f, NX_STORE_TENANT, t, MANY));
	ASSERT_RANKED("{\"deep\":true}", 1);
	fixture_close(&f);
}

TEST(what_cannot_be_compared_is_refused)
{
	static const char *const wrong[] = {
		"5",
		"{\"year\":{\"above\":3}}",
		"{\"year\":[1]}",
		"{\"year\":{\"in\":5}}",
		"{\"layer\":\"dreams\"}",
		"{\"layer\":{\"gte\":\"episodic\"}}",
		"{\"role\":\"god\"}",
		"{\"role\":{\"in\":[\"user\",7]}}",
		"{\"agent_id\":7}",
		"{\"occurred_at\":\"yesterday\"}",
		"{\"occurred_at\":7}",
		"{\"occurred_at\":{\"gte\":\"2026\"}}",
		"{\"occurred_at\":{\"in\":[\"2026\"]}}",
	};

	open_three("refused");
	for (size_t i = 0; i < nx_countof(wrong); i++)
		ASSERT_ERR(ask("weir", wrong[i]), NX_EINVAL);
	ASSERT_ERR(ask("weir", "{\"layer\":\"dreams\"}"), NX_EINVAL);
	ASSERT_CONTAINS(fixture_message(), "there are working, episodic");
	fixture_close(&f);
}
