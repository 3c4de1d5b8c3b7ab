/*
 * Group commit against the disk it runs on: how many durable writes a second, beside how many syncs a second the same
 * thread, at the same priority, gets out of the same disk in the same run.
 *
 *   nexus bench store [--dir DIR] [--rounds N] [--seconds S]
 *
 * The floor writes what one small commit writes to the log (two pages at the end of a file of fixed size, as the log has
 * once it was folded back) and calls fdatasync. Rounds alternate between the floor and the store.
 */
#include "store/store.h"
#include "base/clock.h"
#include "base/io.h"
#include "bench/bench.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#define MAX_IN_FLIGHT 64
#define MAX_ROUNDS 101
#define MAX_SAMPLES (1 << 20)

struct options {
	const char *dir;
	unsigned rounds;
	double seconds;
};

static NX_NORETURN void die(const char *what, struct nx_error *err)
{
	(void)fprintf(stderr, "%s: %s\n", what, err ? nx_error_message(err) : strerror(errno));
	exit(1);
}

/* ---- the store ---- */

struct run;
struct one {
	struct nx_write w;
	struct run *run;
	int64_t sent_us;
};

struct run {
	struct nx_store *store;
	int64_t end_us;
	_Atomic unsigned in_flight;
	sem_t finished;
	uint64_t done;
	size_t nsamples;
	int64_t samples[MAX_SAMPLES]; /* microseconds from sending to the acknowledgement */
	struct one ones[MAX_IN_FLIGHT];
};

static int apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	return nx_db_exec(
		db,
		"INSERT INTO usage_ledger(tenant_id, kind, name, created_at) VALUES ($1, 'bench', 'a small row', $2)",
		NX_PARAMS(nx_v_int(NX_STORE_TENANT), nx_v_int(nx_time_wall_us())), err);
}

static void done(struct nx_write *w, struct nx_error *err)
{
	struct one *o = nx_container_of(w, struct one, w);
	struct run *r = o->run;
	if (err)
		die("write", err);
	int64_t now = nx_time_mono_us();
	r->done++;
	if (r->nsamples < MAX_SAMPLES)
		r->samples[r->nsamples++] = now - o->sent_us;
	if (now < r->end_us) {
		o->sent_us = now;
		nx_store_write(r->store, w);
	} else if (atomic_fetch_sub(&r->in_flight, 1) == 1) {
		(void)sem_post(&r->finished);
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

struct result {
	double writes, commits, p50_ms, p99_ms, max_ms;
};

static struct result measure_store(const struct options *o, struct nx_store *store, unsigned in_flight)
{
	static struct run r;
	struct nx_store_stats before, after;
	r = (struct run){.store = store, .in_flight = in_flight};
	(void)sem_init(&r.finished, 0, 0);
	nx_store_stats(store, &before);
	int64_t start = nx_time_mono_us();
	r.end_us = start + (int64_t)(o->seconds * 1e6);
	for (unsigned i = 0; i < in_flight; i++) {
		r.ones[i] = (struct one){.w = {.apply = apply, .done = done}, .run = &r, .sent_us = start};
		nx_store_write(store, &r.ones[i].w);
	}
	while (sem_wait(&r.finished))
		continue;
	double took = (double)(nx_time_mono_us() - start) / 1e6;
	nx_store_stats(store, &after);
	(void)sem_destroy(&r.finished);
	qsort(r.samples, r.nsamples, sizeof(r.samples[0]), by_value);
	return (struct result){
		.writes = (double)r.done / took,
		.commits = (double)(after.commits - before.commits) / took,
		.p50_ms = (double)r.samples[r.nsamples / 2] / 1e3,
		.p99_ms = (double)r.samples[r.nsamples * 99 / 100] / 1e3,
		.max_ms = (double)r.samples[r.nsamples - 1] / 1e3,
	};
}

/* ---- the report ---- */

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void report(const char *name, double *values, unsigned n, const char *unit, bool is_last)
{
	qsort(values, n, sizeof(*values), by_double);
	(void)fprintf(stderr, "%-28s %10.2f %10.2f %10.2f  %s\n", name, values[0], values[n / 2], values[n - 1], unit);
	(void)printf("\"%s\":{\"min\":%.3f,\"median\":%.3f,\"max\":%.3f}%s", name, values[0], values[n / 2],
		     values[n - 1], is_last ? "}\n" : ",");
}

static struct options parse(int argc, char **argv)
{
	struct options o = {.dir = NULL, .rounds = 5, .seconds = 1};
	int64_t n;
	for (int i = 1; i + 1 < argc; i += 2) {
		nx_str v = nx_str_z(argv[i + 1]);
		if (strcmp(argv[i], "--dir") == 0)
			o.dir = argv[i + 1];
		else if (strcmp(argv[i], "--rounds") == 0 && nx_str_to_i64(v, &n) && n > 0 && n < MAX_ROUNDS)
			o.rounds = (unsigned)n;
		else if (strcmp(argv[i], "--seconds") != 0 || !nx_str_to_f64(v, &o.seconds) || o.seconds <= 0)
			argc = 0;
	}
	if (argc % 2)
		return o;
	(void)fprintf(stderr, "usage: %s [--dir DIR] [--rounds N] [--seconds S]\n", argv[0]);
	exit(2);
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	char made[] = "/var/tmp/nx-bench-XXXXXX";
	if (!o.dir && !(o.dir = mkdtemp(made)))
		die(made, NULL);
	struct nx_store *store = NULL;
	struct nx_error *err = NULL;
	struct nx_store_options so = {.dir = o.dir, .readers = 1};
	if (nx_store_open(&so, &store, &err))
		die("open", err);
	static double floor_s[MAX_ROUNDS], one_s[MAX_ROUNDS], ratio[MAX_ROUNDS], many_s[MAX_ROUNDS],
		many_ratio[MAX_ROUNDS], one_p99[MAX_ROUNDS], many_p50[MAX_ROUNDS], many_p99[MAX_ROUNDS],
		many_max[MAX_ROUNDS];
	for (unsigned i = 0; i < o.rounds; i++) {
		floor_s[i] = bench_floor(o.dir, o.seconds);
		struct result one = measure_store(&o, store, 1), many = measure_store(&o, store, MAX_IN_FLIGHT);
		one_s[i] = one.writes;
		one_p99[i] = one.p99_ms;
		ratio[i] = one.writes / floor_s[i];
		many_s[i] = many.writes;
		many_ratio[i] = many.writes / floor_s[i];
		many_p50[i] = many.p50_ms;
		many_p99[i] = many.p99_ms;
		many_max[i] = many.max_ms;
	}
	nx_store_close(store);
	if (o.dir == made)
		(void)nx_rmtree(made, NULL);
	(void)fprintf(stderr, "%-28s %10s %10s %10s\n", "", "min", "median", "max");
	(void)printf("{\"bench\":\"store\",\"rounds\":%u,", o.rounds);
	report("floor_syncs", floor_s, o.rounds, "/s", false);
	report("writes_1_in_flight", one_s, o.rounds, "/s", false);
	report("ratio_1_in_flight", ratio, o.rounds, "x floor", false);
	report("p99_1_in_flight", one_p99, o.rounds, "ms", false);
	report("writes_64_in_flight", many_s, o.rounds, "/s", false);
	report("ratio_64_in_flight", many_ratio, o.rounds, "x floor", false);
	report("p50_64_in_flight", many_p50, o.rounds, "ms", false);
	report("p99_64_in_flight", many_p99, o.rounds, "ms", false);
	report("max_64_in_flight", many_max, o.rounds, "ms", true);
	return 0;
}
