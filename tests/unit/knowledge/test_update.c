/* What an update keeps, and that nothing is left of what is gone: every index is set beside one that was built anew. */
#include "base/fault.h"
#include "tests/unit/knowledge/fixture.h"

#include <stdio.h>

#define PARAGRAPHS 12

static struct fixture f;

/* Paragraphs long enough to be chunks of their own; `changed` says something else in one of them. */
static nx_str long_text(struct nx_arena *a, int changed)
{
	struct nx_buf b = NX_BUF_INIT;
	for (int i = 0; i < PARAGRAPHS; i++) {
		nx_buf_addf(&b, "Paragraph %d speaks of the harbour of Varnholm%d. ", i, i);
		for (int j = 0; j < 12; j++)
			nx_buf_addf(&b, "Sentence %d of part %d tells how the %s was %s by Marta Halden in %d. ", j, i,
				    i == changed ? "observatory" : "lighthouse", j % 2 ? "built" : "repaired",
				    1900 + j);
		nx_buf_addz(&b, "\n\n");
	}
	nx_str s = nx_str_dup(a, nx_buf_str(&b));
	nx_buf_done(&b);
	return s;
}

static void put(struct fixture *x, const char *name, nx_str text)
{
	struct nx_document d = {.name = nx_str_z(name), .title = NX_STR("Harbours"), .text = text};
	ASSERT_OK(fixture_ingest(x, &d, 1, NULL));
}

TEST(an_update_keeps_the_ids_and_vectors_of_what_did_not_change)
{
	fixture_open(&f, "keeps");
	put(&f, "doc", long_text(f.arena, -1));
	int64_t n = fixture_count(&f, "SELECT count(*) FROM chunks");
	ASSERT_GT(n, 6);
	struct nx_search s = {0};
	ASSERT_OK(fixture_search(&f, "Varnholm0 lighthouse", NX_SEARCH_TEXT, &s));
	nx_id first = s.hits[0].chunk, document = s.hits[0].document;
	put(&f, "doc", long_text(f.arena, PARAGRAPHS - 1));
	ASSERT_OK(fixture_search(&f, "Varnholm0 lighthouse", NX_SEARCH_TEXT, &s));
	ASSERT_TRUE(nx_id_eq(s.hits[0].chunk, first));
	ASSERT_TRUE(nx_id_eq(s.hits[0].document, document));
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM chunks WHERE length(uid) <> 16 OR keeps IS NOT NULL"), 0);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM documents"), 1);
	fixture_reopen(&f);
	ASSERT_OK(fixture_search(&f, "Varnholm0 lighthouse", NX_SEARCH_TEXT, &s));
	ASSERT_TRUE(nx_id_eq(s.hits[0].chunk, first));
	fixture_close(&f);
}

TEST(an_update_that_fails_halfway_leaves_the_version_before)
{
	if (nx_fault_plan("ingest_keep=3", NULL) == NX_EUNSUPPORTED)
		SKIP("this build has no fault points");
	fixture_open(&f, "halfway");
	put(&f, "doc", long_text(f.arena, -1));
	int64_t n = fixture_count(&f, "SELECT count(*) FROM chunks");
	struct nx_document d = {
		.name = NX_STR("doc"), .text = long_text(f.arena, PARAGRAPHS - 1), .title = NX_STR("Harbours")};
	ASSERT_OK(nx_fault_plan("ingest_keep=3", NULL));
	ASSERT_ERR(fixture_ingest(&f, &d, 1, NULL), NX_EIO);
	ASSERT_OK(nx_fault_plan(NULL, NULL));
	struct nx_search s = {0};
	ASSERT_OK(fixture_search(&f, "observatory", NX_SEARCH_TEXT, &s));
	ASSERT_EQ(s.nhits, 0);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM chunks"), n);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) FROM documents"), 1);
	put(&f, "doc", d.text);
	ASSERT_OK(fixture_search(&f, "observatory", NX_SEARCH_TEXT, &s));
	ASSERT_GT(s.nhits, 0);
	fixture_close(&f);
}

TEST(equal_chunks_keep_an_id_each)
{
	fixture_open(&f, "equal");
	nx_str once = long_text(f.arena, -1);
	char *twice = nx_arena_printf(f.arena, "%.*s%.*s", NX_FMT(once), NX_FMT(once));
	put(&f, "doc", nx_str_z(twice));
	put(&f, "doc", nx_str_z(nx_arena_printf(f.arena, "%sOne more line at the end.", twice)));
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) - count(DISTINCT uid) FROM chunks"), 0);
	put(&f, "doc", once);
	ASSERT_EQ(fixture_count(&f, "SELECT count(*) - count(DISTINCT uid) FROM chunks"), 0);
	fixture_close(&f);
}

/* ---- a fresh build ---- */

static const char *const names[] = {"orin", "selne", "lund", "halden", "varnholm", "gauge"};

static nx_str text_of(struct nx_arena *a, size_t i, int version)
{
	return nx_str_z(nx_arena_printf(
		a,
		"# Part %zu\n\nLake %s lies north of Mount Karden. Its station was founded by Professor Ada Lund %zu years "
		"ago, and version %d of the %s gauge measures it.\n\n## Rivers\n\nThe river Selne feeds Lake %s. Nothing "
		"else does, says Marta Halden of the %s institute.",
		i, names[i], i, version, names[i], names[i], names[(i + 1) % 6]));
}

static void put_version(struct fixture *x, size_t i, int version)
{
	struct nx_document d = {
		.name = nx_str_z(names[i]), .text = text_of(x->arena, i, version), .mime = NX_STR("text/markdown")};
	ASSERT_OK(fixture_ingest(x, &d, 1, NULL));
}

/* Documents 0, 2 and 4 in version 2, by way of much that came and went; or at once. */
static void build(struct fixture *x, const char *dir, bool has_history)
{
	fixture_open(x, dir);
	if (has_history) {
		for (size_t i = 0; i < 6; i++)
			put_version(x, i, 1);
		put_version(x, 0, 2);
		put_version(x, 0, 3);
		for (size_t i = 1; i < 6; i += 2)
			ASSERT_OK(fixture_delete(x, names[i]));
		put_version(x, 3, 9);
		ASSERT_OK(fixture_delete(x, names[3]));
	}
	for (size_t i = 0; i < 6; i += 2)
		put_version(x, i, 2);
}

static const char *const tables[] = {
	"SELECT count(*) FROM documents",     "SELECT count(*) FROM chunks",       "SELECT count(*) FROM mentions",
	"SELECT count(*) FROM entities",      "SELECT count(*) FROM entity_names", "SELECT count(*) FROM embeddings",
	"SELECT count(*) FROM relationships",
};
static const char *const queries[] = {
	"Who founded the station?", "Lake Orin",    "version 1", "gauge of varnholm", "Marta Halden institute",
	"river Selne feeds",        "Mount Karden", "lund",      "Part 3 rivers",     "professor",
};

static bool has_hit(const struct nx_search *s, const struct nx_hit *h)
{
	for (size_t i = 0; i < s->nhits; i++)
		if (nx_str_eq(s->hits[i].document_name, h->document_name) && nx_str_eq(s->hits[i].text, h->text))
			return true;
	return false;
}

/* Scores count with what is dead until the text index is compacted, or loaded. */
static void compare_hits(const char *query, enum nx_search_mode mode, struct fixture *a, struct fixture *b,
			 bool exactly)
{
	struct nx_search x = {0}, y = {0};
	ASSERT_OK(fixture_search(a, query, mode, &x));
	ASSERT_OK(fixture_search(b, query, mode, &y));
	ASSERT_EQ(x.nhits, y.nhits);
	for (size_t i = 0; i < x.nhits; i++) {
		ASSERT_TRUE(has_hit(&y, &x.hits[i]));
		if (exactly)
			ASSERT_DOUBLE_NEAR(x.hits[i].score, y.hits[i].score, 1e-6);
	}
}

static void compare(struct fixture *a, struct fixture *b, bool exactly)
{
	static const enum nx_search_mode modes[] = {NX_SEARCH_TEXT, NX_SEARCH_GRAPH, NX_SEARCH_HYBRID};
	struct nx_knowledge_state x, y;
	nx_knowledge_state(a->k, &x);
	nx_knowledge_state(b->k, &y);
	ASSERT_EQ(x.documents, y.documents);
	ASSERT_EQ(x.chunks, y.chunks);
	ASSERT_EQ(x.entities, y.entities);
	ASSERT_EQ(x.relationships, y.relationships);
	for (size_t i = 0; i < nx_countof(tables); i++)
		ASSERT_EQ(fixture_count(a, tables[i]), fixture_count(b, tables[i]));
	for (size_t m = 0; m < nx_countof(modes); m++)
		for (size_t i = 0; i < nx_countof(queries); i++)
			compare_hits(queries[i], modes[m], a, b, exactly);
}

TEST(after_updates_and_deletes_every_index_is_as_if_built_anew)
{
	struct fixture old, fresh;
	build(&fresh, "fresh", false);
	build(&old, "old", true);
	compare(&old, &fresh, false);
	fixture_reopen(&old); /* its directory was opened last */
	compare(&old, &fresh, true);
	fixture_close(&old);
	fixture_close(&fresh);
}

TEST(when_all_is_deleted_nothing_is_left)
{
	build(&f, "empty", true);
	for (size_t i = 0; i < 6; i += 2)
		ASSERT_OK(fixture_delete(&f, names[i]));
	for (size_t i = 0; i < nx_countof(tables); i++)
		ASSERT_EQ(fixture_count(&f, tables[i]), 0);
	struct nx_search s = {0};
	for (size_t i = 0; i < nx_countof(queries); i++) {
		ASSERT_OK(fixture_search(&f, queries[i], NX_SEARCH_HYBRID, &s));
		ASSERT_EQ(s.nhits, 0);
	}
	fixture_close(&f);
}
