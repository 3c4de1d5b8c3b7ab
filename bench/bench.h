/* What the benchmarks share: a server of their own, the disk floor, and reports of several rounds. */
#ifndef NX_BENCH_BENCH_H
#define NX_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_MAX_ROUNDS 101

/* "bench: WHAT: reason of errno", and ends the program. The server that runs is ended with it. */
__attribute__((noreturn)) void bench_die(const char *what);

/* A directory under /var/tmp (or TMPDIR) of this run; removed at exit. */
const char *bench_dir(void);

/* ---- the server under test: the nexus beside this program ---- */

struct bench_server {
	pid_t pid;
	uint16_t port;
	double ready_ms; /* from fork to its word that it is ready */
};

void bench_server_start(struct bench_server *s, const char *home);
void bench_server_stop(struct bench_server *s); /* SIGTERM, and waits; dies when it did not end well */

double bench_rss_mb(pid_t pid);      /* resident memory of the process, libraries included, in MB of 2^20 bytes */
pid_t bench_first_child(pid_t pid);  /* of a server: its spawner; 0: none */
double bench_cpu_seconds(pid_t pid); /* processor time of the process so far */

/* Puts count documents of about 600 bytes with names in them, from number first on. False when it is refused. */
bool bench_ingest(uint16_t port, unsigned first, unsigned count);

/* ---- the floor ---- */

/* fdatasyncs a second, after each write of what one small commit writes, at the priority of the store's writer. */
double bench_floor(const char *dir, double seconds);

/* ---- reports ---- */

struct bench_series {
	const char *name, *unit;
	double values[BENCH_MAX_ROUNDS];
	unsigned n;
};

void bench_add(struct bench_series *s, double value);
/* The table to stderr, the JSON object to stdout. */
void bench_report(const char *bench, struct bench_series *series, size_t n);

struct bench_option {
	const char *name; /* "--rounds" */
	double *value;    /* above 0 */
};

/* Ends the program with its usage when an option is unknown or its value is not above 0. */
void bench_options(int argc, char **argv, const struct bench_option *options, size_t n);

#endif
