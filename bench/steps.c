/*
 * Durable steps a second, beside what the disk allows in the same run.
 *
 *   nexus bench steps [--rounds N] [--seconds S] [--length N]
 *
 * A chain is one task whose steps each depend on the one before and are declared to have effects, so that each is
 * committed before the next may start: with one chain at a time this is a sync per step, with 64 at a time the group
 * commit shares them. Short tasks are one step and one commit each. The floor writes what a small commit writes and syncs
 * it, in the same directory at the same priority, and alternates with the runs.
 */
#include "base/macros.h"
#include "bench/bench.h"
#include "bench/load.h"

#include <stdio.h>

#define MAX_LENGTH 20 /* steps of a chain: its request fits the load generator's buffer */

static double rounds = 5, seconds = 3, length = MAX_LENGTH;
static struct bench_series series[] = {
	{"floor_syncs", "/s"},         {"chain_1_steps", "steps/s"},  {"chain_1_ratio", "x floor"},
	{"chain_64_steps", "steps/s"}, {"chain_64_ratio", "x floor"}, {"short_1_tasks", "tasks/s"},
	{"short_64_tasks", "tasks/s"}, {"short_64_ratio", "x floor"}, {"failed", ""},
};

static size_t chain(char *buf, size_t size, uint64_t n)
{
	size_t at = (size_t)snprintf(buf, size, "{\"input\":\"count\",\"wait\":true,\"plan\":{\"steps\":[");
	for (unsigned i = 0; i < (unsigned)length && at < size; i++) {
		at += (size_t)snprintf(buf + at, size - at,
				       "%s{\"id\":\"s%u\",\"tool\":\"math.eval\",\"effects\":\"once\","
				       "\"input\":{\"expression\":\"%u+%u\"}",
				       i ? "," : "", i, (unsigned)(n % 1000), i);
		if (i > 0 && at < size)
			at += (size_t)snprintf(buf + at, size - at, ",\"depends_on\":[\"s%u\"]", i - 1);
		if (at < size)
			at += (size_t)snprintf(buf + at, size - at, "}");
	}
	if (at < size)
		at += (size_t)snprintf(buf + at, size - at, "]}}");
	if (at >= size)
		bench_die("write a plan");
	return at;
}

static size_t task(char *buf, size_t size, uint64_t n)
{
	return (size_t)snprintf(buf, size, "{\"input\":\"%u * 3\",\"wait\":true}", (unsigned)(n % 100000));
}

static double measure(struct bench_server *s, size_t (*body)(char *, size_t, uint64_t), unsigned connections)
{
	struct bench_load l = {
		.port = s->port, .connections = connections, .seconds = seconds, .body = body, .path = "/v1/tasks"};
	bench_load_run(&l);
	bench_add(&series[8], (double)l.failed);
	return l.per_second;
}

static void measure_round(struct bench_server *s)
{
	double floor = bench_floor(bench_dir(), 1);
	double one = measure(s, chain, 1) * length, many = measure(s, chain, 64) * length;
	double short_one = measure(s, task, 1), short_many = measure(s, task, 64);
	const double values[] = {floor,        one,       one / floor, many,
				 many / floor, short_one, short_many,  short_many / floor};
	for (size_t i = 0; i < nx_countof(values); i++)
		bench_add(&series[i], values[i]);
}

int main(int argc, char **argv)
{
	const struct bench_option options[] = {{"--rounds", &rounds}, {"--seconds", &seconds}, {"--length", &length}};
	struct bench_server s;
	char home[4096];
	bench_options(argc, argv, options, nx_countof(options));
	if (length > MAX_LENGTH)
		length = MAX_LENGTH;
	(void)snprintf(home, sizeof(home), "%s/home", bench_dir());
	bench_server_start(&s, home);
	for (unsigned i = 0; i < (unsigned)rounds; i++)
		measure_round(&s);
	bench_server_stop(&s);
	bench_report("steps", series, nx_countof(series));
	return 0;
}
