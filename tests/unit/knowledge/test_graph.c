#include "tests/unit/knowledge/fixture.h"

#include <stdio.h>

static struct fixture f;
static nx_str answer;

static int put_graph(const char *json)
{
	return fixture_change(&f, nx_knowledge_graph_put, "", json, &answer);
}

static const char *connected(const char *id, unsigned depth, const char *type)
{
	static char out[512];
	nx_str json, types = nx_str_z(type);
	yyjson_val *v, *e;
	size_t i, n, at = 0;
	out[0] = '\0';
	ASSERT_OK(nx_knowledge_connected(f.k, NX_STORE_TENANT, nx_str_z(id), depth, &types, type ? 1 : 0, 50, f.arena,
					 &json, NULL));
	ASSERT_OK(nx_json_read(f.arena, json, NULL, &v, NULL));
	yyjson_arr_foreach (yyjson_obj_get(v, "items"), i, n, e)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.*s:%lld/%lld", at ? " " : "",
				       NX_FMT(nx_json_str(e, "id")), (long long)nx_json_int(e, "score", -1),
				       (long long)nx_json_int(e, "depth", -1));
	return out;
}

#define ENTITY(id) "{\"id\":\"" id "\",\"type\":\"T\"}"
#define EDGE(id, a, b, w)                                                                                          \
	"{\"id\":\"" id "\",\"source_id\":\"" a "\",\"target_id\":\"" b "\",\"relationship_type\":\"RELATES_TO\"," \
	"\"weight\":" w "}"

static const char chain[] = "{\"entities\":[" ENTITY("a") "," ENTITY("b") "," ENTITY("c") "," ENTITY("d") "," ENTITY(
	"e") "],\"relationships\":[" EDGE("ab", "a", "b",
					  "0.9") "," EDGE("bc", "b", "c",
							  "0.9") "," EDGE("ac", "a", "c",
									  "0.1") "," EDGE("cd", "d", "c",
											  "0.4") "," EDGE("de", "d",
													  "e",
													  "1") "]}";

TEST(connected_entities_are_scored_by_the_best_path)
{
	fixture_open(&f, "connected");
	ASSERT_OK(put_graph(chain));
	ASSERT_CONTAINS(answer.p, "\"inserted_count\":10");
	/* c: directly by a weak relationship, or by two strong ones over b. */
	ASSERT_STREQ(connected("a", 2, NULL), "c:2/1 b:1/1 d:0/2");
	ASSERT_STREQ(connected("a", 1, NULL), "b:1/1 c:0/1");
	ASSERT_STREQ(connected("a", 4, NULL), "e:3/3 c:2/1 d:2/2 b:1/1");
	ASSERT_STREQ(connected("a", 2, "PART_OF"), "");
	nx_str json;
	ASSERT_ERR(nx_knowledge_connected(f.k, NX_STORE_TENANT, NX_STR("zz"), 2, NULL, 0, 50, f.arena, &json, NULL),
		   NX_ENOTFOUND);
	ASSERT_ERR(nx_knowledge_connected(f.k, NX_STORE_TENANT, NX_STR("a"), 99, NULL, 0, 50, f.arena, &json, NULL),
		   NX_ELIMIT);
	ASSERT_ERR(nx_knowledge_connected(f.k, 2, NX_STR("a"), 2, NULL, 0, 50, f.arena, &json, NULL), NX_ENOTFOUND);
	fixture_close(&f);
}

TEST(the_graph_comes_back_after_a_restart_and_changes_are_seen)
{
	fixture_open(&f, "reload");
	ASSERT_OK(put_graph(chain));
	fixture_reopen(&f);
	ASSERT_STREQ(connected("a", 2, NULL), "c:2/1 b:1/1 d:0/2");
	ASSERT_OK(fixture_change(&f, nx_knowledge_relationship_delete, "bc", NULL, &answer));
	ASSERT_STREQ(connected("a", 2, NULL), "b:1/1 c:0/1 d:0/2");
	ASSERT_OK(fixture_change(
		&f, nx_knowledge_relationship_put, "ac",
		"{\"source_id\":\"a\",\"target_id\":\"c\",\"relationship_type\":\"RELATES_TO\",\"weight\":0.8}",
		&answer));
	ASSERT_CONTAINS(answer.p, "\"weight\":0.8");
	ASSERT_STREQ(connected("a", 1, NULL), "b:1/1 c:1/1");
	ASSERT_OK(fixture_change(&f, nx_knowledge_entity_delete, "c", NULL, &answer));
	ASSERT_STREQ(connected("a", 2, NULL), "b:1/1");
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM relationships"), 2);
	fixture_reopen(&f);
	ASSERT_STREQ(connected("a", 3, NULL), "b:1/1");
	fixture_close(&f);
}

TEST(a_batch_with_faults_stores_nothing_and_names_each)
{
	fixture_open(&f, "faults");
	ASSERT_ERR(
		put_graph("{\"entities\":[" ENTITY(
			"a") ",{\"id\":\"b\"},{\"id\":\"c\",\"type\":\"T\",\"confidence\":3}],"
			     "\"relationships\":[{\"id\":\"r\",\"source_id\":1,\"target_id\":\"a\",\"relationship_type\":\"X\"}]}"),
		NX_EINVAL);
	ASSERT_STREQ(fixture_pointer(), "/entities/1/type");
	ASSERT_CONTAINS(answer.p, "\"success\":false");
	ASSERT_CONTAINS(answer.p, "/entities/2/confidence");
	ASSERT_CONTAINS(answer.p, "/relationships/0/source_id");
	ASSERT_ERR(put_graph("{\"entities\":[" ENTITY("a") "],\"relationships\":[" EDGE("r", "a", "nobody", "1") "]}"),
		   NX_EINVAL);
	ASSERT_STREQ(fixture_pointer(), "/relationships/0/target_id");
	ASSERT_CONTAINS(answer.p, "no entity has the id nobody");
	ASSERT_ERR(put_graph("{\"entities\":[" ENTITY("a") "," ENTITY("a") "]}"), NX_EINVAL);
	ASSERT_ERR(put_graph("{\"entities\":3}"), NX_EINVAL);
	ASSERT_ERR(put_graph("{}"), NX_EINVAL);
	ASSERT_ERR(fixture_change(&f, nx_knowledge_entity_put, "a", "{\"type\":7}", &answer), NX_EINVAL);
	ASSERT_STREQ(fixture_pointer(), "/type");
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM entities"), 0);
	ASSERT_ERR(fixture_change(&f, nx_knowledge_entity_delete, "a", NULL, &answer), NX_ENOTFOUND);
	fixture_close(&f);
}

static const char *entity_hits(const char *query)
{
	static char out[256];
	struct nx_search s = {.kinds = NX_KIND_ENTITY};
	size_t at = 0;
	out[0] = '\0';
	ASSERT_OK(fixture_search(&f, query, NX_SEARCH_HYBRID, &s));
	for (size_t i = 0; i < s.nhits; i++) {
		ASSERT_EQ(s.hits[i].kind, NX_KIND_ENTITY);
		ASSERT_TRUE(s.hits[i].entity_json.n > 0);
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.*s", at ? "|" : "", NX_FMT(s.hits[i].title));
	}
	return out;
}

TEST(names_in_documents_are_entities_until_somebody_declares_them)
{
	nx_str json;
	fixture_open(&f, "adopt");
	ASSERT_OK(fixture_put(&f, "station", "Orin Station", "It was founded by Marta Halden in 1962."));
	ASSERT_STREQ(entity_hits("Who is Marta Halden?"), "Marta Halden");
	ASSERT_OK(nx_knowledge_entity_get(f.k, NX_STORE_TENANT, NX_STR("name:marta halden"), f.arena, &json, NULL));
	ASSERT_CONTAINS(json.p, "\"mentions\":1");
	ASSERT_OK(fixture_change(
		&f, nx_knowledge_entity_put, "halden",
		"{\"type\":\"PERSON\",\"properties\":{\"name\":\"Marta Halden\",\"trade\":\"hydrologist\"}}", &answer));
	ASSERT_CONTAINS(answer.p, "\"mentions\":1");
	ASSERT_STREQ(entity_hits("a hydrologist"), "Marta Halden");
	ASSERT_ERR(nx_knowledge_entity_get(f.k, NX_STORE_TENANT, NX_STR("name:marta halden"), f.arena, &json, NULL),
		   NX_ENOTFOUND);
	fixture_reopen(&f);
	ASSERT_STREQ(entity_hits("Marta Halden"), "Marta Halden");
	ASSERT_OK(fixture_change(&f, nx_knowledge_entity_delete, "halden", NULL, &answer));
	ASSERT_OK(nx_knowledge_entity_get(f.k, NX_STORE_TENANT, NX_STR("name:marta halden"), f.arena, &json, NULL));
	ASSERT_STREQ(entity_hits("a hydrologist"), "");
	fixture_close(&f);
}

TEST(passages_are_reached_over_titles_and_explain_the_way)
{
	fixture_open(&f, "hops");
	ASSERT_OK(fixture_put(&f, "station", "Orin Station", "The station reads the Vantor gauge."));
	ASSERT_OK(fixture_put(&f, "gauge", "Vantor gauge", "It was drawn by Ilsa Brandvik."));
	ASSERT_OK(fixture_put(&f, "other", "Cape Istra", "A cape in the west."));
	struct nx_search s = {0};
	ASSERT_OK(fixture_search(&f, "What does the Orin Station read?", NX_SEARCH_GRAPH, &s));
	ASSERT_EQ(s.nhits, 2);
	ASSERT_TRUE(nx_str_eqz(s.hits[1].document_name, "gauge"));
	ASSERT_EQ(s.hits[1].npath, 1);
	ASSERT_TRUE(nx_str_eqz(s.hits[1].path[0], "Orin Station"));
	fixture_close(&f);
}

TEST(a_title_that_comes_later_is_found_in_what_was_there_before)
{
	fixture_open(&f, "later");
	ASSERT_OK(fixture_put(&f, "station", "Orin Station", "The station reads the Vantor gauge."));
	ASSERT_OK(fixture_put(&f, "ar", "محطة الواحة", "تقيس المحطة الغبار بمقياس نسيم."));
	ASSERT_OK(fixture_put(&f, "gauge", "Vantor gauge (1957)", "It was drawn by Ilsa Brandvik."));
	ASSERT_OK(fixture_put(&f, "gauge-ar", "مقياس نسيم", "صممته المهندسة ليلى الحداد."));
	struct nx_search s = {0}, ar = {0};
	ASSERT_OK(fixture_search(&f, "What does the Orin Station read?", NX_SEARCH_GRAPH, &s));
	ASSERT_EQ(s.nhits, 2);
	ASSERT_OK(fixture_search(&f, "محطة الواحة", NX_SEARCH_GRAPH, &ar));
	ASSERT_EQ(ar.nhits, 2);
	fixture_close(&f);
}
