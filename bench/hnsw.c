/*
 * The vector index on vectors that its peers index too; bench/hnsw_peers.py runs all of them in turn on the same files.
 *
 *   bench_hnsw --vectors FILE --queries FILE --truth FILE --dims N [--kept codes|bf16|f32] [--m N] [--ef-build N]
 *
 * Files hold float32 rows of unit length; the truth 10 numbers (int32) a query. One thread. Prints a line of JSON about
 * the build, then one for each line "EF SECONDS" that it reads: recall@10 and queries a second over whole passes.
 */
#include "knowledge/hnsw.h"
#include "base/clock.h"
#include "knowledge/vector_kernels.h"

#include <stdio.h>
#include <stdlib.h>

#define K 10

struct options {
	const char *vectors, *queries, *truth, *kept;
	uint32_t dims, m, ef_build;
};

static NX_NORETURN void die(const char *what)
{
	fprintf(stderr, "bench hnsw: %s\n", what);
	exit(1);
}

static void *read_all(const char *path, size_t *ret_bytes)
{
	FILE *f = path ? fopen(path, "rb") : NULL;
	if (!f || fseek(f, 0, SEEK_END) < 0)
		die("--vectors, --queries and --truth name files that can be read");
	long n = ftell(f);
	rewind(f);
	void *p = n > 0 ? malloc((size_t)n) : NULL;
	if (!p || fread(p, 1, (size_t)n, f) != (size_t)n)
		die("a file cannot be read");
	fclose(f);
	*ret_bytes = (size_t)n;
	return p;
}

static uint32_t number(const char *text)
{
	int64_t v;
	if (!text || !nx_str_to_i64(nx_str_z(text), &v) || v < 1 || v > 1000000)
		die("a number from 1 to 1,000,000 is expected");
	return (uint32_t)v;
}

static struct options read_options(int argc, char **argv)
{
	struct options o = {.kept = "codes"};
	for (int i = 1; i < argc; i += 2) {
		const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (!value)
			die("every option takes a value");
		if (strcmp(name, "--vectors") == 0)
			o.vectors = value;
		else if (strcmp(name, "--queries") == 0)
			o.queries = value;
		else if (strcmp(name, "--truth") == 0)
			o.truth = value;
		else if (strcmp(name, "--kept") == 0)
			o.kept = value;
		else if (strcmp(name, "--dims") == 0)
			o.dims = number(value);
		else if (strcmp(name, "--m") == 0)
			o.m = number(value);
		else if (strcmp(name, "--ef-build") == 0)
			o.ef_build = number(value);
		else
			die("an unknown option; the head of bench/hnsw.c lists them");
	}
	if (!o.dims)
		die("--dims N is needed");
	return o;
}

static double seconds(int64_t since_us)
{
	return (double)(nx_time_mono_us() - since_us) / NX_USEC_PER_SEC;
}

static double build(struct nx_hnsw *h, const struct options *o, const float *v, size_t n)
{
	struct nx_hnsw_options ho = {.dims = o->dims, .m = o->m, .ef_build = o->ef_build};
	struct nx_hnsw_plan plan;
	uint32_t index;
	ho.kept = strcmp(o->kept, "f32") == 0    ? NX_HNSW_F32
		  : strcmp(o->kept, "bf16") == 0 ? NX_HNSW_BF16
						 : NX_HNSW_CODES;
	int64_t start = nx_time_mono_us();
	if (nx_hnsw_init(h, &ho, NULL) < 0)
		die("no memory");
	for (size_t i = 0; i < n; i++)
		if (nx_hnsw_add(h, (uint32_t)i, v + i * o->dims, &index, NULL) < 0 ||
		    nx_hnsw_plan(h, &plan, NULL) < 0 || nx_hnsw_commit(h, &plan, NULL) < 0)
			die("no memory");
	return seconds(start);
}

struct pass {
	const float *queries;
	const int32_t *truth;
	size_t n;
	struct nx_arena *arena;
};

/* All queries once; returns how many of the true nearest were found. */
static size_t run(struct nx_hnsw *h, const struct pass *p, uint32_t ef)
{
	size_t found = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct nx_hnsw_query q;
		struct nx_scored hit[K];
		size_t n;
		nx_arena_reset(p->arena);
		if (nx_hnsw_query(h, p->queries + i * h->dims, p->arena, &q, NULL) < 0 ||
		    nx_hnsw_search(h, &q, K, ef, NULL, NULL, hit, &n, NULL) < 0)
			die("no memory");
		for (size_t j = 0; j < n; j++)
			for (size_t k = 0; k < K; k++)
				found += (int32_t)hit[j].slot == p->truth[i * K + k];
	}
	return found;
}

static void answer(struct nx_hnsw *h, const struct pass *p, uint32_t ef, double for_seconds)
{
	double recall = (double)run(h, p, ef) / (double)(p->n * K);
	size_t done = 0;
	int64_t start = nx_time_mono_us();
	for (; seconds(start) < for_seconds; done += p->n)
		(void)run(h, p, ef);
	printf("{\"ef\":%u,\"recall\":%.4f,\"qps\":%.0f}\n", ef, recall, done ? (double)done / seconds(start) : 0);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	size_t bytes;
	nx_auto_free float *vectors = read_all(o.vectors, &bytes);
	size_t n = bytes / sizeof(float) / o.dims;
	nx_auto_free float *queries = read_all(o.queries, &bytes);
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	struct pass p = {.queries = queries, .n = bytes / sizeof(float) / o.dims, .arena = arena};
	nx_auto_free int32_t *truth = read_all(o.truth, &bytes);
	p.truth = truth;
	if (!arena || bytes != p.n * K * sizeof(*truth))
		die("the truth has not 10 numbers a query");
	struct nx_hnsw h;
	nx_auto_error struct nx_error *err = NULL;
	double built = build(&h, &o, vectors, n);
	if (nx_hnsw_check(&h, &err) < 0)
		die(nx_error_message(err));
	printf("{\"kernels\":\"%s\",\"kept\":\"%s\",\"n\":%zu,\"build_s\":%.2f,\"bytes\":%.0f}\n",
	       nx_vector_kernels()->name, o.kept, n, built, (double)nx_hnsw_bytes(&h) / (double)n);
	fflush(stdout);
	unsigned ef;
	double for_seconds;
	while (scanf("%u %lf", &ef, &for_seconds) == 2)
		answer(&h, &p, ef, for_seconds);
	nx_hnsw_done(&h);
	return 0;
}
