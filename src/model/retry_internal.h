/*
 * When to try again: back-off with jitter, Retry-After, and a circuit breaker.
 *
 * Waits double from half a second up to twenty, and each is drawn from the upper half of its range ("equal jitter",
 * Brooker 2015), so that callers that failed together do not return together. A server's Retry-After is never undercut.
 *
 * The breaker (Nygard, Release It!, 2007) keeps a dead endpoint from costing every caller its timeout:
 *
 *   closed     calls pass; NX_BREAKER_FAILURES failures in a row open it      nx_breaker_failure
 *   open       calls are refused at once, for 5 s, doubling up to 60 s        nx_breaker_allow
 *   half-open  the time is over: one call passes and decides                  nx_breaker_success, _failure, _abandon
 *
 * Time is an argument; nothing here reads a clock. Owner: the thread of the endpoint.
 */
#ifndef NX_MODEL_RETRY_INTERNAL_H
#define NX_MODEL_RETRY_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#define NX_BREAKER_FAILURES 5

struct nx_breaker {
	unsigned failures;     /* in a row, while closed */
	unsigned times_opened; /* in a row */
	int64_t open_until_us; /* monotonic; 0: closed */
	bool is_trying;        /* half-open, and its one call is under way */
};

/* True: the call may go, and one of the three below must follow. False: *ret_wait_us until one may. */
bool nx_breaker_allow(struct nx_breaker *b, int64_t now_us, int64_t *ret_wait_us);
void nx_breaker_success(struct nx_breaker *b);
void nx_breaker_failure(struct nx_breaker *b, int64_t now_us);
void nx_breaker_abandon(struct nx_breaker *b); /* the call ended without telling anything: it was cancelled */

/* The wait before attempt `attempt` + 1 (the first attempt is 0). `unit` is a random number in [0, 1); `retry_after_us` is
 * what the server asked for, or 0. */
int64_t nx_retry_delay_us(unsigned attempt, int64_t retry_after_us, double unit);

/* The value of a Retry-After header (RFC 9110 10.2.3: seconds, or a date) as a wait from now; 0 when it is neither, NULL,
 * or past. Never above an hour. */
int64_t nx_retry_after_us(const char *value, int64_t wall_us);

#endif
