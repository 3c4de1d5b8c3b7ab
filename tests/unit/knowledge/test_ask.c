#include "base/io.h"
#include "tests/unit/knowledge/fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define CORPUS "examples/corpus"

static struct fixture f;

static void ingest_file(const char *name)
{
	char path[512];
	struct nx_document *d;
	size_t n;
	(void)snprintf(path, sizeof(path), CORPUS "/%s", name);
	ASSERT_OK(nx_knowledge_read_file(path, f.arena, &d, &n, NULL));
	ASSERT_OK(fixture_ingest(&f, d, n, NULL));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void ingest_corpus(void)
{
	char *names[64];
	size_t n = 0;
	DIR *d = opendir(CORPUS);
	ASSERT_NOT_NULL(d);
	for (struct dirent *e; (e = readdir(d)) && n < 64;)
		if (e->d_name[0] != '.')
			names[n++] = nx_arena_strdup(f.arena, e->d_name);
	(void)closedir(d);
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++)
		ingest_file(names[i]);
	ASSERT_GT(n, 20);
}

static bool contains(nx_str text, yyjson_val *wanted)
{
	return nx_str_find(text, nx_json_val_str(wanted)) >= 0;
}

static bool is_right(const struct nx_ask *a, yyjson_val *q)
{
	size_t i, n;
	yyjson_val *v;
	if (a->found != nx_json_bool(q, "found", false))
		return false;
	yyjson_arr_foreach (yyjson_obj_get(q, "expect"), i, n, v)
		if (!contains(a->answer, v))
			return false;
	return true;
}

static void print_wrong(const struct nx_ask *a)
{
	print_message("%.*s\n  %s %.2f: %.*s\n", NX_FMT(a->question), a->found ? "found" : "not found", a->confidence,
		      NX_FMT(a->answer));
	for (size_t i = 0; i < a->search.nhits && i < 5; i++)
		print_message("    %.2f %.*s\n", a->search.hits[i].score, NX_FMT(a->search.hits[i].title));
}

TEST(questions_on_the_example_corpus_are_answered_with_citations)
{
	nx_str text;
	yyjson_val *list, *q;
	size_t i, n, wrong = 0;
	fixture_open(&f, "corpus");
	ingest_corpus();
	ASSERT_OK(nx_file_read(f.arena, "examples/questions.json", 1 << 20, &text, NULL));
	ASSERT_OK(nx_json_read(f.arena, text, NULL, &list, NULL));
	yyjson_arr_foreach (list, i, n, q) {
		struct nx_ask a;
		ASSERT_OK(fixture_ask(&f, nx_json_str(q, "question").p, &a));
		if (!is_right(&a, q) || getenv("NX_TEST_SHOW")) {
			wrong += !is_right(&a, q);
			print_wrong(&a);
		}
		ASSERT_EQ(a.found, a.ncitations > 0);
		ASSERT_LE(a.ncitations, 3);
		for (size_t c = 0; c < a.ncitations; c++)
			ASSERT_TRUE(nx_str_find(a.answer, a.citations[c].quote) >= 0);
	}
	ASSERT_EQ(wrong, 0);
	fixture_close(&f);
}
