/*
 * The text index on passages that its peers index too; bench/text_peers.py runs all of them in turn on the same files.
 *
 *   bench_text --passages FILE --queries FILE
 *
 * One passage a line, "title TAB text"; one query a line. One thread. Prints a line of JSON about the build; then, for each
 * line that it reads, asks every query once for its 10 best and prints the times in microseconds.
 */
#include "base/clock.h"
#include "base/io.h"
#include "knowledge/text_index.h"

#include <stdio.h>
#include <stdlib.h>

#define K 10

static void die(const char *what)
{
	fprintf(stderr, "bench text: %s\n", what);
	exit(1);
}

static nx_str read_all(struct nx_arena *a, const char *path)
{
	nx_str s;
	nx_auto_error struct nx_error *err = NULL;
	if (nx_file_read(a, path, (size_t)4 << 30, &s, &err) < 0)
		die(nx_error_message(err));
	return s;
}

static void add(struct nx_text_index *x, struct nx_stemmer *s, struct nx_arena *a, uint32_t number, nx_str title,
		nx_str text)
{
	struct nx_term *t, *u;
	size_t n, m;
	nx_auto_error struct nx_error *err = NULL;
	nx_arena_reset(a);
	if (nx_text_analyse(s, title, a, &t, &n, &err) < 0 || nx_text_analyse(s, text, a, &u, &m, &err) < 0 ||
	    nx_text_index_add(x, number, (int64_t)number + 1, t, n, u, m, &err) < 0)
		die(nx_error_message(err));
}

static void tend(struct nx_text_index *x, bool everything)
{
	nx_auto_error struct nx_error *err = NULL;
	for (;;) {
		struct nx_text_merge m;
		nx_text_merge_plan(x, everything, NULL, NULL, &m);
		if (m.n == 0)
			return;
		if (nx_text_merge_build(&m, NULL, NULL, &err) < 0)
			die(nx_error_message(err));
		nx_text_merge_commit(x, &m);
	}
}

static uint32_t build(struct nx_text_index *x, struct nx_stemmer *s, struct nx_arena *a, nx_str passages)
{
	uint32_t n = 0;
	for (; passages.n; n++) {
		nx_str line = nx_str_cut(&passages, '\n'), title = nx_str_cut(&line, '\t');
		add(x, s, a, n, title, line);
		tend(x, false);
	}
	tend(x, true);
	return n;
}

static size_t ask(struct nx_text_index *x, struct nx_stemmer *s, struct nx_arena *a, nx_str query,
		  struct nx_scored *ret)
{
	struct nx_term *t;
	size_t n, found = 0;
	struct nx_text_query o = {.k1 = NX_BM25_K1, .b = NX_BM25_B};
	nx_auto_error struct nx_error *err = NULL;
	nx_arena_reset(a);
	if (nx_text_analyse(s, query, a, &t, &n, &err) < 0 || nx_text_search(x, t, n, K, &o, a, ret, &found, &err) < 0)
		die(nx_error_message(err));
	return found;
}

static void pass(struct nx_text_index *x, struct nx_stemmer *s, struct nx_arena *a, nx_str queries)
{
	printf("[");
	for (bool first = true; queries.n; first = false) {
		struct nx_scored hit[K];
		nx_str query = nx_str_cut(&queries, '\n');
		int64_t start = nx_time_mono_us();
		size_t n = ask(x, s, a, query, hit);
		printf("%s[%lld", first ? "" : ",", (long long)(nx_time_mono_us() - start));
		for (size_t i = 0; i < n; i++)
			printf(",%u", hit[i].slot);
		printf("]");
	}
	printf("]\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc != 5 || strcmp(argv[1], "--passages") != 0 || strcmp(argv[3], "--queries") != 0)
		die("--passages FILE --queries FILE");
	nx_auto_arena struct nx_arena *files = nx_arena_new(0), *a = nx_arena_new(0);
	nx_auto_stemmer struct nx_stemmer *s = nx_stemmer_new();
	if (!files || !a || !s)
		die("no memory");
	nx_str passages = read_all(files, argv[2]), queries = read_all(files, argv[4]);
	struct nx_text_index x;
	nx_text_index_init(&x);
	int64_t start = nx_time_mono_us();
	uint32_t n = build(&x, s, a, passages);
	double built = (double)(nx_time_mono_us() - start) / NX_USEC_PER_SEC;
	printf("{\"n\":%u,\"build_s\":%.2f,\"bytes\":%zu}\n", n, built, nx_text_index_bytes(&x));
	fflush(stdout);
	while (getchar() != EOF)
		pass(&x, s, a, queries);
	nx_text_index_done(&x);
	return 0;
}
