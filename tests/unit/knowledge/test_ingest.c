#include "tests/unit/knowledge/fixture.h"

static struct fixture f;

#define LAKE "Lake Orin lies in the northern highlands. Its station was founded in 1962 by Marta Halden."
#define RIVER "The Selne is a river. It feeds the lake and is measured every hour."

static size_t hits(const char *query)
{
	struct nx_search s = {0};
	ASSERT_OK(fixture_search(&f, query, NX_SEARCH_TEXT, &s));
	return s.nhits;
}

TEST(an_ingested_document_is_found_with_its_text_and_title)
{
	fixture_open(&f, "found");
	ASSERT_OK(fixture_put(&f, "lake", "Lake Orin", LAKE));
	ASSERT_OK(fixture_put(&f, "river", "Selne", RIVER));
	struct nx_search s = {0};
	ASSERT_OK(fixture_search(&f, "Who founded the station?", NX_SEARCH_TEXT, &s));
	ASSERT_EQ(s.nhits, 1);
	ASSERT_TRUE(nx_str_eqz(s.hits[0].document_name, "lake"));
	ASSERT_TRUE(nx_str_eqz(s.hits[0].title, "Lake Orin"));
	ASSERT_TRUE(nx_str_eqz(s.hits[0].text, LAKE));
	ASSERT_GT(s.hits[0].score, 0);
	fixture_close(&f);
}

TEST(a_hit_says_where_it_stands)
{
	fixture_open(&f, "place");
	ASSERT_OK(fixture_put(&f, "lake", "Lakes", "\n\nThe first line.\nThe second of them speaks of Orin.\n"));
	struct nx_search s = {0};
	ASSERT_OK(fixture_search(&f, "Orin", NX_SEARCH_TEXT, &s));
	ASSERT_EQ(s.hits[0].start, 2);
	ASSERT_EQ(s.hits[0].length, 50);
	ASSERT_TRUE(nx_str_eqz(s.hits[0].place, "{\"line\":[3,4]}"));
	fixture_close(&f);
}

TEST(the_indexes_come_back_after_a_restart)
{
	fixture_open(&f, "restart");
	ASSERT_OK(fixture_put(&f, "lake", "Lake Orin", LAKE));
	fixture_reopen(&f);
	ASSERT_EQ(hits("founded"), 1);
	struct nx_knowledge_state now;
	nx_knowledge_state(f.k, &now);
	ASSERT_EQ(now.documents, 1);
	ASSERT_STREQ(now.text, "ready");
	fixture_close(&f);
}

TEST(the_same_document_again_is_unchanged_and_another_text_replaces_it_under_the_same_id)
{
	struct nx_document d = {.name = NX_STR("lake"), .title = NX_STR("Lake Orin"), .text = NX_STR(LAKE)};
	struct nx_ingest first, again, other;
	fixture_open(&f, "update");
	ASSERT_OK(fixture_ingest(&f, &d, 1, &first));
	ASSERT_EQ(first.inserted, 1);
	ASSERT_OK(fixture_ingest(&f, &d, 1, &again));
	ASSERT_EQ(again.unchanged, 1);
	ASSERT_EQ(again.inserted, 0);
	d.text = NX_STR("It dried up long ago.");
	ASSERT_OK(fixture_ingest(&f, &d, 1, &other));
	ASSERT_EQ(other.updated, 1);
	ASSERT_TRUE(nx_id_eq(first.ids[0], other.ids[0]));
	ASSERT_EQ(hits("founded"), 0);
	ASSERT_EQ(hits("dried"), 1);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM documents"), 1);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM chunks"), 1);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM entities WHERE name = 'name:marta halden'"), 0);
	fixture_reopen(&f);
	ASSERT_EQ(hits("founded"), 0);
	ASSERT_EQ(hits("dried"), 1);
	fixture_close(&f);
}

TEST(one_bad_document_keeps_all_of_them_out_and_is_named)
{
	struct nx_document d[] = {{.name = NX_STR("a"), .text = NX_STR("Good text about granite.")},
				  {.name = NX_STR("b"), .text = NX_STR("  \n ")}};
	fixture_open(&f, "atomic");
	ASSERT_ERR(fixture_ingest(&f, d, 2, NULL), NX_EINVAL);
	ASSERT_STREQ(fixture_pointer(), "/documents/1/text");
	ASSERT_EQ(hits("granite"), 0);
	d[1].text = NX_STR("bad \xff byte");
	ASSERT_ERR(fixture_ingest(&f, d, 2, NULL), NX_EENCODING);
	d[1].text = NX_STR("fine");
	d[1].name = NX_STR("a");
	ASSERT_ERR(fixture_ingest(&f, d, 2, NULL), NX_EINVAL);
	ASSERT_STREQ(fixture_pointer(), "/documents/1/id");
	d[1].name = NX_STR("b");
	d[1].metadata = NX_STR("[1]");
	ASSERT_ERR(fixture_ingest(&f, d, 2, NULL), NX_EINVAL);
	ASSERT_STREQ(fixture_pointer(), "/documents/1/metadata");
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM documents"), 0);
	fixture_close(&f);
}

static int refuse(struct nx_tx_hook *h, struct nx_db *db, nx_id object, nx_str answer, struct nx_error **err)
{
	return nx_error_set(err, NX_EIO, "the hook says no");
}

static int ended;
static void note_end(struct nx_ingest *g, struct nx_error *err)
{
	ended = nx_error_code(err);
}

TEST(a_failure_in_the_last_slice_leaves_nothing_behind)
{
	struct nx_tx_hook hook = {.run = refuse};
	struct nx_document d = {.name = NX_STR("a"), .text = NX_STR("Granite and basalt.")};
	fixture_open(&f, "abandon");
	struct nx_ingest g = {.arena = f.arena,
			      .tenant = NX_STORE_TENANT,
			      .docs = &d,
			      .ndocs = 1,
			      .indexes = NX_INDEX_ALL,
			      .hook = &hook,
			      .done = note_end};
	nx_knowledge_ingest(f.k, &g);
	ASSERT_EQ(ended, NX_EIO);
	ASSERT_EQ(hits("granite"), 0);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM documents"), 0);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM chunks"), 0);
	fixture_close(&f);
}

TEST(a_deleted_document_is_gone_from_search_and_store)
{
	fixture_open(&f, "delete");
	ASSERT_OK(fixture_put(&f, "lake", "Lake Orin", LAKE));
	ASSERT_OK(fixture_delete(&f, "lake"));
	ASSERT_EQ(hits("founded"), 0);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM documents"), 0);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM mentions"), 0);
	ASSERT_ERR(fixture_delete(&f, "lake"), NX_ENOTFOUND);
	fixture_close(&f);
}

TEST(documents_are_shown_by_id_and_by_name)
{
	struct nx_document d = {.name = NX_STR("lake"),
				.text = NX_STR("# Lake Orin\n\nIt is deep."),
				.mime = NX_STR("text/markdown"),
				.metadata = NX_STR("{\"year\":1962}")};
	struct nx_ingest g;
	nx_str json, by_id;
	char id[NX_ID_TEXT];
	int64_t next;
	fixture_open(&f, "show");
	ASSERT_OK(fixture_ingest(&f, &d, 1, &g));
	ASSERT_OK(nx_knowledge_document_get(f.k, NX_STORE_TENANT, NX_STR("lake"), f.arena, &json, NULL));
	ASSERT_CONTAINS(json.p, "\"title\":\"Lake Orin\"");
	ASSERT_CONTAINS(json.p, "\"metadata\":{\"year\":1962}");
	nx_id_format(g.ids[0], id);
	ASSERT_OK(nx_knowledge_document_get(f.k, NX_STORE_TENANT, nx_str_z(id), f.arena, &by_id, NULL));
	ASSERT_TRUE(nx_str_eq(json, by_id));
	ASSERT_ERR(nx_knowledge_document_get(f.k, 2, nx_str_z(id), f.arena, &by_id, NULL), NX_ENOTFOUND);
	ASSERT_OK(nx_knowledge_document_list(f.k, NX_STORE_TENANT, NX_STR(""), 0, 10, f.arena, &json, &next, NULL));
	ASSERT_CONTAINS(json.p, "\"name\":\"lake\"");
	ASSERT_EQ(next, 0);
	fixture_close(&f);
}

TEST(tenants_and_spaces_do_not_see_each_other)
{
	fixture_open(&f, "walls");
	ASSERT_OK(fixture_put(&f, "lake", "Lake Orin", LAKE));
	struct nx_search other = {.tenant = 2}, space = {.space = NX_STR("user:u1")};
	ASSERT_OK(fixture_search(&f, "founded", NX_SEARCH_TEXT, &other));
	ASSERT_EQ(other.nhits, 0);
	ASSERT_OK(fixture_search(&f, "founded", NX_SEARCH_TEXT, &space));
	ASSERT_EQ(space.nhits, 0);
	fixture_close(&f);
}

static size_t filtered(const char *filters)
{
	yyjson_val *v;
	ASSERT_OK(nx_json_read(f.arena, nx_str_z(filters), NULL, &v, NULL));
	struct nx_search s = {.filters = v};
	int r = fixture_search(&f, "granite", NX_SEARCH_TEXT, &s);
	return r < 0 ? 99 : s.nhits;
}

TEST(filters_choose_by_metadata)
{
	struct nx_document d[] = {{.name = NX_STR("a"),
				   .text = NX_STR("granite one"),
				   .metadata = NX_STR("{\"year\":1962,\"kind\":\"rock\"}")},
				  {.name = NX_STR("b"),
				   .text = NX_STR("granite two"),
				   .metadata = NX_STR("{\"year\":1990,\"kind\":\"hill\"}")},
				  {.name = NX_STR("c"), .text = NX_STR("granite three")}};
	fixture_open(&f, "filters");
	ASSERT_OK(fixture_ingest(&f, d, 3, NULL));
	ASSERT_EQ(filtered("{}"), 3);
	ASSERT_EQ(filtered("{\"kind\":\"rock\"}"), 1);
	ASSERT_EQ(filtered("{\"year\":{\"gte\":1962,\"lte\":1989}}"), 1);
	ASSERT_EQ(filtered("{\"kind\":{\"in\":[\"rock\",\"hill\"]},\"year\":{\"gte\":1963}}"), 1);
	ASSERT_EQ(filtered("{\"kind\":\"lake\"}"), 0);
	ASSERT_EQ(filtered("{\"year\":{\"above\":1}}"), 99);
	fixture_close(&f);
}

TEST(a_search_that_cannot_be_is_refused_with_the_limit)
{
	fixture_open(&f, "refused");
	struct nx_search s = {0}, many = {.limit = 100000};
	ASSERT_ERR(fixture_search(&f, "  ", NX_SEARCH_TEXT, &s), NX_EINVAL);
	ASSERT_STREQ(fixture_pointer(), "/query");
	ASSERT_ERR(fixture_search(&f, "x", NX_SEARCH_TEXT, &many), NX_ELIMIT);
	ASSERT_CONTAINS(fixture_message(), "knowledge.max_limit");
	struct nx_search v = {0};
	ASSERT_ERR(fixture_search(&f, "x", NX_SEARCH_VECTOR, &v), NX_EUNSUPPORTED);
	fixture_close(&f);
}

TEST(arabic_is_found_across_articles_and_endings)
{
	fixture_open(&f, "arabic");
	ASSERT_OK(fixture_put(&f, "ar", "بحيرة أورين",
			      "تقع بحيرة أورين في المرتفعات الشمالية، وأسست المهندسة مارتا هالدن محطتها."));
	ASSERT_EQ(hits("أين تقع البحيرة؟"), 1);
	ASSERT_EQ(hits("من أسس المحطة"), 1);
	fixture_close(&f);
}
