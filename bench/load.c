#include "bench/load.h"

#include "base/clock.h"
#include "base/macros.h"
#include "bench/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MAX_CONNECTIONS 16384
#define HEAD_BYTES 4096 /* of an answer; more is read away */
#define REQUEST_BYTES 4096
#define SETTLE_US 300000               /* users are connected before their requests come */
#define DRAIN_US (5 * NX_USEC_PER_SEC) /* what is under way when the time is up may still be answered */

struct connection {
	int fd;
	bool is_busy;
	int64_t due_us;
	size_t nhead; /* bytes of the head so far */
	bool in_body;
	uint64_t left; /* of the body */
	int status;
	char head[HEAD_BYTES];
	struct connection *next; /* idle the longest first */
};

struct run {
	struct bench_load *l;
	int epoll, timer;
	struct connection *connections, *first_idle, **last_idle;
	uint64_t sent, under_way;
	int64_t start_us, end_us, next_due_us;
	uint64_t random;
	int64_t *latencies;
	size_t nlatencies, room;
};

/* ---- requests ---- */

/* xorshift64*, from a fixed seed: the same arrivals in every run. */
static double random_unit(struct run *r)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return ((double)((r->random * UINT64_C(2685821657736338717)) >> 11) + 1) / 9007199254740993.0;
}

static void idle(struct run *r, struct connection *c)
{
	c->is_busy = false;
	c->next = NULL;
	*r->last_idle = c;
	r->last_idle = &c->next;
}

static struct connection *take_idle(struct run *r)
{
	struct connection *c = r->first_idle;
	if (c && !(r->first_idle = c->next))
		r->last_idle = &r->first_idle;
	return c;
}

static void send_request(struct run *r, struct connection *c, int64_t due_us)
{
	char body[REQUEST_BYTES / 2], text[REQUEST_BYTES];
	size_t n = r->l->body(body, sizeof(body), r->sent++);
	int len = snprintf(text, sizeof(text),
			   "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
			   "Content-Length: %zu\r\n\r\n%.*s",
			   r->l->path, r->l->port, n, (int)n, body);
	c->is_busy = true;
	c->due_us = due_us;
	c->nhead = 0;
	c->in_body = false;
	r->under_way++;
	/* A request of some hundred bytes always fits into the empty buffer of a socket that is kept alive. */
	if (write(c->fd, text, (size_t)len) != len)
		bench_die("send a request");
}

static void record(struct run *r, int64_t us)
{
	if (r->nlatencies == r->room) {
		r->room = r->room ? 2 * r->room : 65536;
		r->latencies = realloc(r->latencies, r->room * sizeof(*r->latencies));
		if (!r->latencies)
			bench_die("memory for the latencies");
	}
	r->latencies[r->nlatencies++] = us;
}

static void answered(struct run *r, struct connection *c)
{
	int64_t now = nx_time_mono_us();
	r->under_way--;
	if (c->status == 200) {
		r->l->done++;
		record(r, now - c->due_us);
	} else if (r->l->failed++ == 0) {
		(void)fprintf(stderr, "an answer with status %d: %.*s\n", c->status, (int)c->nhead, c->head);
	}
	if (r->l->rate > 0)
		idle(r, c);
	else if (now < r->end_us)
		send_request(r, c, now);
}

/* ---- answers ---- */

static void lost(struct run *r, struct connection *c)
{
	if (r->l->failed == 0)
		(void)fprintf(stderr, "a connection was lost\n");
	r->l->failed += c->is_busy;
	r->under_way -= c->is_busy;
	(void)close(c->fd);
	c->fd = -1;
}

/* Takes the head apart once it is whole; what follows it counts as body. */
static void take_head(struct connection *c)
{
	char *end = memmem(c->head, c->nhead, "\r\n\r\n", 4);
	if (!end)
		return;
	*end = 0;
	size_t head = (size_t)(end - c->head) + 4;
	const char *length = strcasestr(c->head, "\r\nContent-Length:");
	c->status = c->nhead > 12 ? (int)strtol(c->head + 9, NULL, 10) : 0;
	c->left = length ? strtoull(length + 17, NULL, 10) : 0;
	c->in_body = true;
	size_t surplus = c->nhead - head;
	c->left -= surplus < c->left ? surplus : c->left;
}

static bool read_some(struct run *r, struct connection *c)
{
	static char sink[65536];
	char *at = c->in_body ? sink : c->head + c->nhead;
	size_t room = c->in_body ? sizeof(sink) : sizeof(c->head) - 1 - c->nhead;
	ssize_t n = read(c->fd, at, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0 || !c->is_busy) {
		lost(r, c);
		return false;
	}
	if (c->in_body) {
		c->left -= (uint64_t)n < c->left ? (uint64_t)n : c->left;
	} else {
		c->nhead += (size_t)n;
		take_head(c);
	}
	if (c->in_body && c->left == 0)
		answered(r, c);
	return (size_t)n == room;
}

/* ---- the loop ---- */

static int connect_to(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		bench_die("connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void open_connections(struct run *r)
{
	for (unsigned i = 0; i < r->l->connections; i++) {
		struct connection *c = &r->connections[i];
		c->fd = connect_to(r->l->port);
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
		if (fcntl(c->fd, F_SETFL, O_NONBLOCK) || epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &e))
			bench_die("watch a connection");
		idle(r, c);
	}
}

static void send_due(struct run *r)
{
	int64_t now = nx_time_mono_us();
	struct connection *c;
	while (r->next_due_us <= now && r->next_due_us < r->end_us && (c = take_idle(r))) {
		send_request(r, c, r->next_due_us);
		r->next_due_us += (int64_t)(-log(random_unit(r)) * 1e6 / r->l->rate);
	}
	int64_t wait = r->next_due_us > now ? r->next_due_us - now : 1000;
	struct itimerspec t = {.it_value = {wait / NX_USEC_PER_SEC, wait % NX_USEC_PER_SEC * 1000 + 1}};
	(void)timerfd_settime(r->timer, 0, &t, NULL);
}

static void look_at_memory(struct run *r)
{
	if (r->l->watch && r->l->rss_mb == 0 && nx_time_mono_us() > (r->start_us + r->end_us) / 2)
		r->l->rss_mb = bench_rss_mb(r->l->watch);
}

static void loop(struct run *r)
{
	struct epoll_event events[256];
	for (;;) {
		int64_t now = nx_time_mono_us();
		bool is_over = now >= r->end_us && (r->l->rate == 0 || r->next_due_us >= r->end_us);
		if (is_over && (r->under_way == 0 || now > r->end_us + DRAIN_US))
			return;
		int n = epoll_wait(r->epoll, events, nx_countof(events), 100);
		for (int i = 0; i < n; i++) {
			uint64_t ticks;
			struct connection *c = events[i].data.ptr;
			if (!c)
				(void)!read(r->timer, &ticks, sizeof(ticks));
			while (c && c->fd >= 0 && read_some(r, c))
				continue;
		}
		if (r->l->rate > 0)
			send_due(r);
		look_at_memory(r);
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void sum_up(struct run *r, double seconds)
{
	struct bench_load *l = r->l;
	l->failed += r->under_way;
	l->per_second = (double)l->done / seconds;
	l->p50_ms = l->p99_ms = l->max_ms = 0;
	if (r->nlatencies == 0)
		return;
	qsort(r->latencies, r->nlatencies, sizeof(*r->latencies), by_value);
	l->p50_ms = (double)r->latencies[r->nlatencies / 2] / 1e3;
	l->p99_ms = (double)r->latencies[r->nlatencies * 99 / 100] / 1e3;
	l->max_ms = (double)r->latencies[r->nlatencies - 1] / 1e3;
}

void bench_load_run(struct bench_load *l)
{
	struct run r = {.l = l, .random = 88172645463325252, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	r.last_idle = &r.first_idle;
	r.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	r.connections = l->connections <= MAX_CONNECTIONS ? calloc(l->connections, sizeof(*r.connections)) : NULL;
	struct epoll_event e = {.events = EPOLLIN};
	if (!r.connections || r.epoll < 0 || r.timer < 0 || epoll_ctl(r.epoll, EPOLL_CTL_ADD, r.timer, &e))
		bench_die("make the load generator");
	l->done = l->failed = 0;
	l->rss_mb = 0;
	open_connections(&r);
	(void)usleep(SETTLE_US);
	double cpu = l->watch ? bench_cpu_seconds(l->watch) : 0;
	r.start_us = r.next_due_us = nx_time_mono_us();
	r.end_us = r.start_us + (int64_t)(l->seconds * 1e6);
	if (l->rate == 0)
		for (struct connection *c; (c = take_idle(&r));)
			send_request(&r, c, nx_time_mono_us());
	else
		send_due(&r);
	loop(&r);
	double took = (double)(nx_time_mono_us() - r.start_us) / 1e6;
	l->cpu_percent = l->watch ? 100 * (bench_cpu_seconds(l->watch) - cpu) / took : 0;
	sum_up(&r, took);
	for (unsigned i = 0; i < l->connections; i++)
		if (r.connections[i].fd >= 0)
			(void)close(r.connections[i].fd);
	(void)close(r.epoll);
	(void)close(r.timer);
	free(r.connections);
	free(r.latencies);
}

int bench_request(uint16_t port, const char *method, const char *path, const char *body, char *ret, size_t size)
{
	int fd = connect_to(port), status = 0;
	size_t n = 0, length = strlen(body);
	if (dprintf(fd,
		    "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n"
		    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		    method, path, port, length) > 0 &&
	    write(fd, body, length) == (ssize_t)length) {
		for (ssize_t got; n < size - 1 && (got = read(fd, ret + n, size - 1 - n)) > 0;)
			n += (size_t)got;
	}
	(void)close(fd);
	ret[n] = 0;
	if (n > 12)
		status = (int)strtol(ret + 9, NULL, 10);
	char *start = strstr(ret, "\r\n\r\n");
	if (start)
		memmove(ret, start + 4, strlen(start + 4) + 1);
	return status;
}
