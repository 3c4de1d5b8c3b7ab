/*
 * Time. Two clocks behind one table of functions that tests replace; nothing else in the program asks for the time.
 *
 * Units are int64 microseconds: wall time since the Unix epoch (UTC), monotonic time since an unspecified start that
 * counts suspend (CLOCK_BOOTTIME). The clock is process-wide and is set before any thread starts.
 */
#ifndef NX_BASE_CLOCK_H
#define NX_BASE_CLOCK_H

#include "base/str.h"

#include <stdint.h>

#define NX_USEC_PER_SEC INT64_C(1000000)
#define NX_USEC_PER_MSEC INT64_C(1000)

struct nx_clock {
	int64_t (*wall_us)(void *ctx);
	int64_t (*mono_us)(void *ctx);
	void *ctx;
};

int64_t nx_time_wall_us(void);
int64_t nx_time_mono_us(void);
/* CPU time of the calling thread and of the process. */
int64_t nx_time_thread_cpu_us(void);
int64_t nx_time_process_cpu_us(void);

/* NULL restores the real clock. */
void nx_clock_set(const struct nx_clock *c);

/* A clock that stands still until it is told to move. */
struct nx_fake_clock {
	int64_t wall, mono;
};
void nx_fake_clock_install(struct nx_fake_clock *c, int64_t wall_us);
void nx_fake_clock_advance(struct nx_fake_clock *c, int64_t us);

/* RFC 3339 in UTC with microseconds: "2026-03-01T12:00:00.000000Z", 27 bytes and NUL. */
#define NX_TIME_TEXT 28
void nx_time_format(int64_t wall_us, char ret[NX_TIME_TEXT]);
/* Takes any RFC 3339 offset. NX_EPARSE when it is not one. */
int nx_time_parse(nx_str s, int64_t *ret_us, struct nx_error **err);

#endif
