/*
 * A load generator: one thread, one epoll, HTTP/1.1 kept alive.
 *
 * Closed loop: each connection sends its next request when the answer has come; the figure of interest is requests/s.
 * Open loop: requests are due at moments of their own (a Poisson process of the given rate, from a fixed seed), whatever
 * the server does, and a latency counts from the moment a request was due, not from when it could be sent: a server that
 * stalls is charged for everybody who would have come meanwhile. The connection idle the longest takes the next request,
 * so that all of them stay in use.
 */
#ifndef NX_BENCH_LOAD_H
#define NX_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_load {
	uint16_t port;        /* on 127.0.0.1 */
	unsigned connections; /* up to 16384 */
	double rate;          /* requests a second; 0: closed loop */
	double seconds;
	/* Writes the body of the n-th request and returns its length. */
	size_t (*body)(char *buf, size_t size, uint64_t n);
	const char *path;

	uint64_t done, failed; /* failed: another status than 200, or a connection that was lost */
	double per_second, p50_ms, p99_ms, max_ms;
	pid_t watch;        /* 0, or the process whose memory is looked at in the middle of the run */
	double rss_mb;      /* its resident memory then */
	double cpu_percent; /* processor time of `watch` over the run; 100 is one core */
};

/* Runs it to its end; ends the program with a message when the server cannot be reached. */
void bench_load_run(struct bench_load *l);

/* One request on a connection of its own; the status, or 0. What was answered is cut to `size`, a NUL included. */
int bench_request(uint16_t port, const char *method, const char *path, const char *body, char *ret, size_t size);

#endif
