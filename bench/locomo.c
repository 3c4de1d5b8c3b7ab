/*
 * Memory on long conversations: how many of the turns that are evidence for a question recall finds (LoCoMo, categories
 * 1 to 4, no language model), and how long recall takes when one user has 20,000 turns.
 *
 *   locomo --data DIR [--turns N] [--recalls N]
 *
 * Every conversation is a user with its own memory, stored turn by turn as "SPEAKER: text" at the time of its session.
 * R@k is the share of a question's evidence turns among the first k of `ranked`, averaged over the questions. For the times,
 * the turns of all conversations are stored again and again for one user, each with a number of its own, and the questions
 * are asked one after the other. Prints a table on stderr and one JSON object as the last line of stdout.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/io.h"
#include "memory/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 200
#define DEPTH 20
#define EVIDENCE_MAX 32
#define FILES_MAX_BYTES ((size_t)1 << 28)

static const size_t cutoffs[] = {5, 10, 20};

struct turn {
	nx_str dia, text;
	int64_t at;
	nx_id id;
};
struct conversation {
	nx_str user;
	struct turn *turns;
	size_t nturns;
	yyjson_val *questions;
};
struct bench {
	const char *data;
	size_t want_turns, want_recalls;
	struct nx_arena *arena;
	struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_memory *memory;
	struct conversation *c;
	size_t nc;
	double recall[nx_countof(cutoffs)];
	size_t nquestions;
	char home[64];
};

static NX_NORETURN void die(const char *what, const struct nx_error *err)
{
	(void)fprintf(stderr, "locomo: %s: %s\n", what, err ? nx_error_message(err) : "failed");
	exit(1);
}

static void must(int rc, struct nx_error *err)
{
	if (rc < 0)
		die("error", err);
}

/* One thing is waited for at a time. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_done;

static void finish(const struct nx_error *err)
{
	if (err)
		die("memory", err);
	pthread_mutex_lock(&lock);
	is_done = true;
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
}

/* ---- the data ---- */

static void read_session(struct bench *b, struct conversation *c, yyjson_val *turns, int64_t at)
{
	yyjson_val *t;
	size_t i, n;

	yyjson_arr_foreach (turns, i, n, t) {
		nx_str speaker = nx_json_str(t, "speaker"), said = nx_json_str(t, "text");
		nx_str image = nx_json_str(t, "blip_caption");
		char *text = nx_arena_printf(b->arena, "%.*s: %.*s%s%.*s", NX_FMT(speaker), NX_FMT(said),
					     image.n ? " [image: " : "", NX_FMT(image));
		nx_assert(text);
		c->turns[c->nturns++] = (struct turn){.dia = nx_json_str(t, "dia_id"),
						      .text = nx_str_z(text),
						      .at = at + (int64_t)i * NX_USEC_PER_SEC};
	}
}

/* Sessions are a day apart: the order is what matters, and the questions are asked at the end. */
static void read_conversation(struct bench *b, yyjson_val *v, struct conversation *c)
{
	yyjson_val *talk = nx_json_get(v, "conversation"), *turns;
	int64_t start = nx_time_wall_us() - 60 * 86400 * NX_USEC_PER_SEC;
	char key[32];
	size_t cap = 1;

	for (int s = 1; s < 60; s++) {
		(void)snprintf(key, sizeof(key), "session_%d", s);
		cap += yyjson_arr_size(nx_json_get(talk, key));
	}
	*c = (struct conversation){.user = nx_json_str(v, "sample_id"), .questions = nx_json_get(v, "qa")};
	c->turns = nx_arena_array(b->arena, struct turn, cap);
	nx_assert(c->turns);
	for (int s = 1; s < 60; s++) {
		(void)snprintf(key, sizeof(key), "session_%d", s);
		if ((turns = nx_json_get(talk, key)))
			read_session(b, c, turns, start + s * 86400 * NX_USEC_PER_SEC);
	}
}

static void read_data(struct bench *b)
{
	struct nx_error *err = NULL;
	yyjson_val *doc, *v;
	char *path = nx_path_join(b->arena, b->data, "locomo_first5.json");
	nx_str text;
	size_t i, n;

	nx_assert(path);
	must(nx_file_read(b->arena, path, FILES_MAX_BYTES, &text, &err), err);
	must(nx_json_read(b->arena, text, NULL, &doc, &err), err);
	b->c = nx_arena_array(b->arena, struct conversation, yyjson_arr_size(doc) + 1);
	nx_assert(b->c);
	yyjson_arr_foreach (doc, i, n, v)
		read_conversation(b, v, &b->c[b->nc++]);
}

/* ---- storing and asking ---- */

static void stored(struct nx_memory_store *s, struct nx_error *err)
{
	finish(err);
}

/* `number` 0: as it is; else the turns carry it, so that no two are the same. */
static void store(struct bench *b, struct conversation *c, nx_str user, size_t n, size_t number)
{
	for (size_t from = 0; from < n; from += BATCH) {
		nx_auto_arena struct nx_arena *a = nx_arena_new(0);
		size_t count = nx_min((size_t)BATCH, n - from);
		struct nx_memory_turn *t = nx_arena_array(a, struct nx_memory_turn, count);
		nx_assert(t);
		for (size_t i = 0; i < count; i++) {
			const struct turn *from_turn = &c->turns[from + i];
			char *text = nx_arena_printf(a, "%.*s", NX_FMT(from_turn->text));
			if (number)
				text = nx_arena_printf(a, "%.*s (%zu)", NX_FMT(from_turn->text), number);
			t[i] = (struct nx_memory_turn){.user_id = user,
						       .text = nx_str_z(text),
						       .occurred_at = from_turn->at,
						       .importance = -1};
		}
		struct nx_memory_store s = {
			.arena = a, .tenant = NX_STORE_TENANT, .turns = t, .nturns = count, .done = stored};
		nx_memory_store(b->memory, &s);
		wait_done();
		for (size_t i = 0; i < count && !number; i++)
			c->turns[from + i].id = t[i].id;
	}
}

static void recalled(struct nx_memory_recall *r, struct nx_error *err)
{
	finish(err);
}

static int64_t ask(struct bench *b, struct nx_arena *a, nx_str user, nx_str query, struct nx_memory_recall *ret)
{
	int64_t start = nx_time_mono_us();

	*ret = (struct nx_memory_recall){.arena = a,
					 .tenant = NX_STORE_TENANT,
					 .user_id = user,
					 .query = query,
					 .limit = DEPTH,
					 .done = recalled};
	nx_memory_recall(b->memory, ret);
	wait_done();
	return nx_time_mono_us() - start;
}

static bool is_asked(yyjson_val *q)
{
	int64_t category = nx_json_int(q, "category", 0);

	return category >= 1 && category <= 4 && yyjson_arr_size(nx_json_get(q, "evidence")) > 0;
}

static const struct turn *find_turn(const struct conversation *c, nx_str dia)
{
	for (size_t i = 0; i < c->nturns; i++)
		if (nx_str_eq(c->turns[i].dia, dia))
			return &c->turns[i];
	return NULL;
}

static void score(struct bench *b, const struct conversation *c, yyjson_val *q)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_memory_recall r;
	size_t found[nx_countof(cutoffs)] = {0}, gold = 0, i, n;
	yyjson_val *e;

	ask(b, a, c->user, nx_json_str(q, "question"), &r);
	yyjson_arr_foreach (nx_json_get(q, "evidence"), i, n, e) {
		const struct turn *t = find_turn(c, nx_json_val_str(e));
		if (!t)
			continue; /* a few of the set's references are malformed */
		gold++;
		for (size_t k = 0; k < r.nranked; k++)
			if (nx_id_eq(r.ranked[k].id, t->id))
				for (size_t at = 0; at < nx_countof(cutoffs); at++)
					found[at] += k < cutoffs[at];
	}
	if (gold == 0)
		return;
	b->nquestions++;
	for (size_t at = 0; at < nx_countof(cutoffs); at++)
		b->recall[at] += (double)found[at] / (double)gold;
}

static void measure_quality(struct bench *b)
{
	yyjson_val *q;
	size_t k, n;

	for (size_t i = 0; i < b->nc; i++) {
		store(b, &b->c[i], b->c[i].user, b->c[i].nturns, 0);
		yyjson_arr_foreach (b->c[i].questions, k, n, q)
			if (is_asked(q))
				score(b, &b->c[i], q);
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static size_t fill(struct bench *b, nx_str user)
{
	size_t total = 0;

	for (size_t number = 1; total < b->want_turns; number++)
		for (size_t i = 0; i < b->nc && total < b->want_turns; i++) {
			size_t n = nx_min(b->c[i].nturns, b->want_turns - total);
			store(b, &b->c[i], user, n, number);
			total += n;
		}
	return total;
}

static size_t measure_time(struct bench *b, nx_str user, int64_t *ret)
{
	size_t done = 0;

	for (size_t k = 0; done < b->want_recalls; k++) {
		yyjson_val *all = b->c[k % b->nc].questions;
		nx_auto_arena struct nx_arena *a = nx_arena_new(0);
		struct nx_memory_recall r;
		yyjson_val *q = yyjson_arr_get(all, (k / b->nc) % yyjson_arr_size(all));
		ret[done++] = ask(b, a, user, nx_json_str(q, "question"), &r);
	}
	qsort(ret, done, sizeof(*ret), by_value);
	return done;
}

static void report(struct bench *b)
{
	nx_str user = NX_STR("one");
	int64_t *us = nx_arena_array(b->arena, int64_t, b->want_recalls + 1);
	int64_t start = nx_time_mono_us();
	double n = (double)nx_max(b->nquestions, (size_t)1);

	nx_assert(us);
	size_t turns = fill(b, user);
	double store_s = (double)(nx_time_mono_us() - start) / 1e6;
	size_t asked = measure_time(b, user, us);
	double p50 = (double)us[asked / 2] / 1000, p99 = (double)us[asked * 99 / 100] / 1000;
	double r5 = 100 * b->recall[0] / n, r10 = 100 * b->recall[1] / n, r20 = 100 * b->recall[2] / n;
	(void)fprintf(stderr, "  %zu questions: R@5 %.1f  R@10 %.1f  R@20 %.1f\n", b->nquestions, r5, r10, r20);
	(void)fprintf(stderr, "  %zu turns of one user, stored at %.0f/s; %zu recalls: p50 %.2f ms, p99 %.2f ms\n",
		      turns, (double)turns / store_s, asked, p50, p99);
	(void)printf("{\"questions\":%zu,\"r5\":%.2f,\"r10\":%.2f,\"r20\":%.2f,\"turns\":%zu,\"stores_per_s\":%.0f,"
		     "\"recalls\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
		     b->nquestions, r5, r10, r20, turns, (double)turns / store_s, asked, p50, p99);
}

static void read_arguments(struct bench *b, int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--data") == 0)
			b->data = argv[++i];
		else if (strcmp(argv[i], "--turns") == 0)
			b->want_turns = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--recalls") == 0)
			b->want_recalls = strtoul(argv[++i], NULL, 10);
	}
}

int main(int argc, char **argv)
{
	struct bench b = {.arena = nx_arena_new(0),
			  .want_turns = 20000,
			  .want_recalls = 1000,
			  .home = "/tmp/nexus-locomo-XXXXXX"};
	struct nx_error *err = NULL;

	read_arguments(&b, argc, argv);
	if (!b.data || !b.arena || !mkdtemp(b.home)) {
		(void)fprintf(stderr, "usage: locomo --data DIR [--turns N] [--recalls N]\n");
		return 2;
	}
	read_data(&b);
	must(nx_config_load(NULL, (const char *const[]){NULL}, &b.config, &err), err);
	must(nx_workers_new(0, &b.workers, &err), err);
	must(nx_store_open(&(struct nx_store_options){.dir = b.home, .readers = nx_workers_count(b.workers)}, &b.store,
			   &err),
	     err);
	must(nx_memory_new(b.config, b.store, b.workers, NULL, NULL, &b.memory, &err), err);
	measure_quality(&b);
	report(&b);
	nx_workers_free(b.workers);
	nx_memory_free(b.memory);
	nx_store_close(b.store);
	nx_config_free(b.config);
	must(nx_rmtree(b.home, &err), err);
	nx_arena_free(b.arena);
	return 0;
}
