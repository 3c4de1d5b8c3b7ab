/*
 * Retrieval quality: Recall@k of gold documents on a data set in BEIR's layout (corpus.jsonl, queries.jsonl, qrels.tsv).
 *
 *   nexus bench retrieval --data DIR [--home DIR] [--limit N] [--verbose]
 *
 * Ingests the corpus into a store of its own, asks every question in each mode, and prints a table on stderr and one JSON
 * object as the last line of stdout. Whoever tunes a constant of ranking does it on the even questions, by their order in
 * the file; the odd ones are reported beside the whole. Below it stands where 95 % of the means of questions drawn anew
 * lie (bootstrap, Efron 1979). The store lives in a temporary directory, or in --home, where vectors once made are kept.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/io.h"
#include "cli/benches.h"
#include "knowledge/knowledge.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENTS_AT_ONCE 500
#define DEPTH 10
#define GOLD_MAX 32
#define DRAWS 2000

static const size_t cutoffs[] = {1, 2, 5, 10};

struct question {
	nx_str id, text;
	nx_str gold[GOLD_MAX];
	size_t ngold;
	bool is_odd;
};

struct bench {
	const char *data, *home;
	size_t limit;
	bool verbose;
	struct nx_arena *arena;
	struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_models *models;
	struct nx_knowledge *k;
	struct question *q;
	size_t nq;
};

/* One thing is waited for at a time. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_done;
static char failure[512];

static void finish(const struct nx_error *err)
{
	pthread_mutex_lock(&lock);
	is_done = true;
	(void)snprintf(failure, sizeof(failure), "%s", err ? nx_error_message(err) : "");
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static void wait_done(void)
{
	pthread_mutex_lock(&lock);
	while (!is_done)
		pthread_cond_wait(&changed, &lock);
	is_done = false;
	pthread_mutex_unlock(&lock);
	if (failure[0]) {
		(void)fprintf(stderr, "retrieval: %s\n", failure);
		exit(1);
	}
}

/* Takes the address of the error: arguments are evaluated in no order. */
static void must(int r, struct nx_error *const *err)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "retrieval: %s\n", nx_error_message(*err));
	exit(1);
}

/* ---- the data set ---- */

static nx_str read_data(struct bench *b, const char *name)
{
	struct nx_error *err = NULL;
	nx_str text;
	char *path = nx_path_join(b->arena, b->data, name);
	nx_assert(path);
	must(nx_file_read(b->arena, path, (size_t)1 << 30, &text, &err), &err);
	return text;
}

static void read_queries(struct bench *b)
{
	struct nx_error *err = NULL;
	nx_str text = read_data(b, "queries.jsonl");
	size_t cap = 1;
	for (size_t i = 0; i < text.n; i++)
		cap += text.p[i] == '\n';
	b->q = nx_arena_array(b->arena, struct question, cap);
	nx_assert(b->q);
	while (text.n) {
		yyjson_val *v;
		nx_str line = nx_str_trim(nx_str_cut(&text, '\n'));
		if (line.n == 0)
			continue;
		must(nx_json_read(b->arena, line, NULL, &v, &err), &err);
		b->q[b->nq] = (struct question){
			.id = nx_json_str(v, "_id"), .text = nx_json_str(v, "text"), .is_odd = b->nq & 1};
		b->nq++;
	}
}

static int by_id(const void *a, const void *b)
{
	return nx_str_cmp(((const struct question *)a)->id, ((const struct question *)b)->id);
}

static void read_gold(struct bench *b)
{
	nx_str text = read_data(b, "qrels.tsv");
	(void)nx_str_cut(&text, '\n'); /* the header */
	qsort(b->q, b->nq, sizeof(*b->q), by_id);
	while (text.n) {
		nx_str line = nx_str_cut(&text, '\n');
		struct question key = {.id = nx_str_cut(&line, '\t')};
		nx_str doc = nx_str_cut(&line, '\t');
		struct question *q = bsearch(&key, b->q, b->nq, sizeof(*b->q), by_id);
		if (q && q->ngold < GOLD_MAX)
			q->gold[q->ngold++] = doc;
	}
}

/* ---- ingest ---- */

static void ingested(struct nx_ingest *g, struct nx_error *err)
{
	finish(err);
}

static size_t progress_before, progress_total;
static void progress(struct nx_ingest *g, size_t done, size_t total)
{
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r  %zu of %zu documents, %zu of %zu chunks of these   ", progress_before,
			      progress_total, done, total);
}

static void ingest(struct bench *b)
{
	struct nx_error *err = NULL;
	struct nx_document *docs;
	size_t n;
	char *path = nx_path_join(b->arena, b->data, "corpus.jsonl");
	nx_assert(path);
	must(nx_knowledge_read_file(path, b->arena, &docs, &n, &err), &err);
	progress_total = n;
	for (size_t i = 0; i < n; i += DOCUMENTS_AT_ONCE) {
		struct nx_ingest g = {.arena = b->arena,
				      .tenant = NX_STORE_TENANT,
				      .docs = docs + i,
				      .ndocs = nx_min(n - i, (size_t)DOCUMENTS_AT_ONCE),
				      .indexes = NX_INDEX_ALL,
				      .progress = progress,
				      .done = ingested};
		progress_before = i;
		nx_knowledge_ingest(b->k, &g);
		wait_done();
	}
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\n");
}

/* ---- questions ---- */

struct answer {
	double recall[nx_countof(cutoffs)];
	double ms;
	bool is_odd;
};
struct result {
	struct answer *v;
	size_t n;
};

static void searched(struct nx_search *s, struct nx_error *err)
{
	finish(err);
}

/* Documents of the hits, each once, in order. */
static size_t documents_of(const struct nx_search *s, nx_str ret[DEPTH])
{
	size_t n = 0;
	for (size_t i = 0; i < s->nhits && n < DEPTH; i++) {
		bool known = false;
		for (size_t j = 0; j < n && !known; j++)
			known = nx_str_eq(ret[j], s->hits[i].document_name);
		if (!known)
			ret[n++] = s->hits[i].document_name;
	}
	return n;
}

static double recall(const struct question *q, const nx_str *docs, size_t n, size_t k)
{
	size_t found = 0;
	for (size_t g = 0; g < q->ngold; g++)
		for (size_t i = 0; i < n && i < k; i++)
			found += nx_str_eq(q->gold[g], docs[i]);
	return (double)found / (double)q->ngold;
}

static void show(const struct question *q, const struct nx_search *s)
{
	(void)printf("Q %.*s\n", NX_FMT(q->text));
	for (size_t i = 0; i < s->nhits; i++) {
		bool gold = false;
		for (size_t g = 0; g < q->ngold; g++)
			gold = gold || nx_str_eq(q->gold[g], s->hits[i].document_name);
		(void)printf("  %c %.3f text %.2f vector %.2f graph %.3f  %.*s\n", gold ? '*' : ' ', s->hits[i].score,
			     s->hits[i].text_score, s->hits[i].vector_score, s->hits[i].graph_score,
			     NX_FMT(s->hits[i].title));
	}
}

static void ask(struct bench *b, size_t i, enum nx_search_mode mode, struct result *r)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const struct question *q = &b->q[i];
	nx_str docs[DEPTH];
	nx_assert(a);
	struct nx_search s = {.arena = a,
			      .tenant = NX_STORE_TENANT,
			      .query = q->text,
			      .limit = (size_t)2 * DEPTH,
			      .mode = mode,
			      .kinds = NX_KIND_CHUNK,
			      .done = searched};
	int64_t start = nx_time_mono_us();
	nx_knowledge_search(b->k, &s);
	wait_done();
	struct answer *answer = &r->v[r->n++];
	*answer = (struct answer){.ms = (double)(nx_time_mono_us() - start) / 1e3, .is_odd = q->is_odd};
	size_t n = documents_of(&s, docs);
	if (b->verbose && mode == NX_SEARCH_HYBRID)
		show(q, &s);
	for (size_t c = 0; c < nx_countof(cutoffs); c++)
		answer->recall[c] = recall(q, docs, n, cutoffs[c]);
}

enum half { EVEN, ODD, ALL };

static double mean(const struct result *r, size_t cutoff, enum half half)
{
	double sum = 0;
	size_t n = 0;
	for (size_t i = 0; i < r->n; i++) {
		if (half != ALL && r->v[i].is_odd != (half == ODD))
			continue;
		sum += r->v[i].recall[cutoff];
		n++;
	}
	return n ? 100 * sum / (double)n : 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double quantile(double *v, size_t n, double q)
{
	qsort(v, n, sizeof(*v), by_value);
	return n ? v[(size_t)(q * (double)(n - 1) + 0.5)] : 0;
}

/* Xorshift (Marsaglia 2003): the same intervals in each run. */
static size_t draw(uint64_t *state, size_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (size_t)(*state % n);
}

static void interval(const struct result *r, size_t cutoff, double ret[2])
{
	static double means[DRAWS];
	uint64_t state = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < DRAWS; i++) {
		double sum = 0;
		for (size_t j = 0; j < r->n; j++)
			sum += r->v[draw(&state, r->n)].recall[cutoff];
		means[i] = 100 * sum / (double)r->n;
	}
	ret[0] = quantile(means, DRAWS, 0.025);
	ret[1] = quantile(means, DRAWS, 0.975);
}

static void times(const struct bench *b, const struct result *r, double ret[2])
{
	double *ms = nx_arena_array(b->arena, double, r->n + 1);
	nx_assert(ms);
	for (size_t i = 0; i < r->n; i++)
		ms[i] = r->v[i].ms;
	ret[0] = quantile(ms, r->n, 0.5);
	ret[1] = quantile(ms, r->n, 0.99);
}

static void print_row(const char *mode, const char *half, const struct result *r, enum half which)
{
	(void)fprintf(stderr, "  %-8s %-6s", mode, half);
	for (size_t c = 0; c < nx_countof(cutoffs); c++)
		(void)fprintf(stderr, " %11.1f", mean(r, c, which));
}

static void print_rows(const struct bench *b, const char *mode, const struct result *r)
{
	double ms[2], range[2];
	times(b, r, ms);
	print_row(mode, "even", r, EVEN);
	(void)fprintf(stderr, "\n");
	print_row("", "odd", r, ODD);
	(void)fprintf(stderr, "\n");
	print_row("", "all", r, ALL);
	(void)fprintf(stderr, "  %6.2f %6.2f ms\n  %-8s %-6s", ms[0], ms[1], "", "95 %");
	for (size_t c = 0; c < nx_countof(cutoffs); c++) {
		interval(r, c, range);
		(void)fprintf(stderr, "  %4.1f..%4.1f", range[0], range[1]);
	}
	(void)fprintf(stderr, "\n");
}

static void print_mode(const struct bench *b, const char *mode, const struct result *r, struct nx_buf *out)
{
	double ms[2], range[2];
	nx_buf_addf(out, "\"%s\":{", mode);
	for (size_t c = 0; c < nx_countof(cutoffs); c++) {
		interval(r, c, range);
		nx_buf_addf(out, "\"recall_%zu\":%.1f,\"odd_recall_%zu\":%.1f,\"interval_%zu\":[%.1f,%.1f],",
			    cutoffs[c], mean(r, c, ALL), cutoffs[c], mean(r, c, ODD), cutoffs[c], range[0], range[1]);
	}
	times(b, r, ms);
	nx_buf_addf(out, "\"p50_ms\":%.2f,\"p99_ms\":%.2f}", ms[0], ms[1]);
}

static void print_json(const struct bench *b, const struct result *r, struct nx_buf *out)
{
	bool is_first = true;
	nx_buf_addf(out, "{\"bench\":\"retrieval\",\"data\":\"%s\",\"questions\":%zu,\"modes\":{",
		    strrchr(b->data, '/') ? strrchr(b->data, '/') + 1 : b->data, b->nq);
	for (int mode = 0; nx_search_mode_names[mode]; mode++) {
		if (r[mode].n == 0)
			continue;
		nx_buf_addz(out, is_first ? "" : ",");
		print_mode(b, nx_search_mode_names[mode], &r[mode], out);
		is_first = false;
	}
	nx_buf_addz(out, "}}");
}

static void measure(struct bench *b)
{
	struct result r[4] = {0};
	bool vectors = nx_models_has_embedding(b->models);
	(void)fprintf(stderr, "  %-8s %-6s %11s %11s %11s %11s     p50    p99\n", "mode", "half", "R@1", "R@2", "R@5",
		      "R@10");
	for (int mode = 0; nx_search_mode_names[mode]; mode++) {
		if (mode == NX_SEARCH_VECTOR && !vectors)
			continue;
		r[mode].v = nx_arena_array(b->arena, struct answer, b->nq + 1);
		nx_assert(r[mode].v);
		for (size_t i = 0; i < b->nq && (!b->limit || i < b->limit); i++)
			if (b->q[i].ngold)
				ask(b, i, (enum nx_search_mode)mode, &r[mode]);
		if (r[mode].n)
			print_rows(b, nx_search_mode_names[mode], &r[mode]);
	}
	nx_auto_buf struct nx_buf out = NX_BUF_INIT;
	print_json(b, r, &out);
	(void)printf("%s\n", out.p);
}

/* ---- setting up ---- */

static void open_all(struct bench *b)
{
	struct nx_error *err = NULL;
	must(nx_config_load(NULL, (const char *const[]){NULL}, &b->config, &err), &err);
	must(nx_workers_new(0, &b->workers, &err), &err);
	must(nx_store_open(&(struct nx_store_options){.dir = b->home, .readers = nx_workers_count(b->workers)},
			   &b->store, &err),
	     &err);
	must(nx_models_new(b->config, NULL, &b->models, &err), &err);
	must(nx_knowledge_new(b->config, b->store, b->workers, b->models, &b->k, &err), &err);
	nx_knowledge_load(b->k);
	struct nx_knowledge_state s;
	do {
		(void)usleep(20000);
		nx_knowledge_state(b->k, &s);
	} while (strcmp(s.text, "loading") == 0 || s.pending_vectors > 0);
}

static void close_all(struct bench *b)
{
	nx_knowledge_free(b->k);
	nx_workers_free(b->workers);
	nx_models_free(b->models);
	nx_store_close(b->store);
	nx_config_free(b->config);
}

static bool read_arguments(struct bench *b, int argc, char **argv)
{
	const char *limit = NULL;
	int64_t n = 0;
	for (int i = 1; i < argc; i++) {
		const char **ret = strcmp(argv[i], "--data") == 0    ? &b->data
				   : strcmp(argv[i], "--home") == 0  ? &b->home
				   : strcmp(argv[i], "--limit") == 0 ? &limit
								     : NULL;
		if (strcmp(argv[i], "--verbose") == 0)
			b->verbose = true;
		else if (ret && i + 1 < argc)
			*ret = argv[++i];
		else
			return false;
	}
	if (limit && (!nx_str_to_i64(nx_str_z(limit), &n) || n <= 0))
		return false;
	b->limit = (size_t)n;
	return b->data != NULL;
}

static void run(struct bench *b)
{
	read_queries(b);
	read_gold(b);
	open_all(b);
	int64_t start = nx_time_mono_us();
	ingest(b);
	struct nx_knowledge_state s;
	nx_knowledge_state(b->k, &s);
	(void)fprintf(stderr, "  %lld documents, %lld chunks, ingested in %.1f s\n", (long long)s.documents,
		      (long long)s.chunks, (double)(nx_time_mono_us() - start) / 1e6);
	measure(b);
	close_all(b);
}

static char temporary[PATH_MAX];

static void remove_temporary(void)
{
	(void)nx_rmtree(temporary, NULL);
}

static int make_temporary(struct bench *b)
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(temporary, sizeof(temporary), "%s/nexus-retrieval-XXXXXX", tmp && tmp[0] ? tmp : "/var/tmp");
	if (n < 0 || (size_t)n >= sizeof(temporary) || !mkdtemp(temporary)) {
		(void)fprintf(stderr, "retrieval: make a directory for the store: %s\n", strerror(errno));
		return -1;
	}
	(void)atexit(remove_temporary);
	b->home = temporary;
	return 0;
}

int nx_bench_retrieval(int argc, char **argv)
{
	struct bench b = {0};
	if (!read_arguments(&b, argc, argv)) {
		(void)fprintf(stderr,
			      "usage: retrieval --data DIR [--home DIR] [--limit N] [--verbose]\n"
			      "DIR holds corpus.jsonl, queries.jsonl and qrels.tsv, as data sets of BEIR do.\n");
		return 2;
	}
	if (!b.home && make_temporary(&b) < 0)
		return 1;
	b.arena = nx_arena_new(0);
	nx_assert(b.arena);
	run(&b);
	nx_arena_free(b.arena);
	return 0;
}
