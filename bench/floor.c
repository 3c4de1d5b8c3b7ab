#include "bench/bench.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FLOOR_BYTES 8240 /* two pages with their headers */
#define FLOOR_FILE (4 << 20)

struct floor {
	const char *dir;
	double seconds, per_second;
};

static int open_file(const char *path, const char *bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || posix_fallocate(fd, 0, FLOOR_FILE))
		bench_die(path);
	for (off_t at = 0; at + FLOOR_BYTES <= FLOOR_FILE; at += FLOOR_BYTES)
		if (pwrite(fd, bytes, FLOOR_BYTES, at) != FLOOR_BYTES)
			bench_die(path);
	if (fsync(fd))
		bench_die(path);
	return fd;
}

static void *run(void *ctx)
{
	static char bytes[FLOOR_BYTES];
	struct floor *f = ctx;
	char path[512];
	struct sched_param p = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p))
		(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), -20);
	(void)snprintf(path, sizeof(path), "%s/floor", f->dir);
	int fd = open_file(path, bytes);
	int64_t start = nx_time_mono_us(), end = start + (int64_t)(f->seconds * 1e6), now;
	uint64_t n = 0;
	off_t at = 0;
	do {
		if (pwrite(fd, bytes, FLOOR_BYTES, at) != FLOOR_BYTES || fdatasync(fd))
			bench_die(path);
		at = at + 2 * FLOOR_BYTES <= FLOOR_FILE ? at + FLOOR_BYTES : 0;
		n++;
		now = nx_time_mono_us();
	} while (now < end);
	f->per_second = (double)n * 1e6 / (double)(now - start);
	(void)close(fd);
	(void)unlink(path);
	return NULL;
}

double bench_floor(const char *dir, double seconds)
{
	struct floor f = {.dir = dir, .seconds = seconds};
	pthread_t t;
	int rc = pthread_create(&t, NULL, run, &f);
	if (rc == 0)
		rc = pthread_join(t, NULL);
	errno = rc;
	if (rc)
		bench_die("thread");
	return f.per_second;
}
