/*
 * The proxy of one run: one thread, one poll loop, a fixed table of connections. It holds no privilege and no secret; it is
 * the only way out of the run's network namespace, and what it refuses it tells before it answers.
 *
 *   HEAD ──asked──> RESOLVING ──addresses──> CONNECTING ──> RELAY ──> (closed)
 *     │ refused, malformed      │ none may be reached  │ nobody answers
 *     └─────────────────────────┴──────────────────────┴──> SAYING: one last answer, then it waits until it was read
 */
#include "execution/proxy_internal.h"

#include "base/clock.h"
#include "base/macros.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum {
	BUFFER = 16384, /* also the longest head of a request */
	ADDRESSES_MAX = 16,
	LOOKUP_S = 15,
	CONNECT_US = 10 * 1000000,
	SAYING_US = 2 * 1000000,
};

enum state { FREE, HEAD, RESOLVING, CONNECTING, RELAY, SAYING };

struct stream { /* bytes on their way in one direction */
	char bytes[BUFFER];
	size_t from, to;
	bool eof, is_shut;
};

struct conn {
	enum state state;
	bool is_socks, is_greeted;
	int client, remote, lookup;
	struct nx_proxy_request ask;
	int head;    /* bytes of the request in `up` */
	size_t seen; /* bytes of it that are no new reason to read it */
	struct nx_ip ips[ADDRESSES_MAX];
	unsigned nips, next;
	struct stream up, down; /* to the server, to the guest */
	int64_t deadline_us;
};

static struct {
	struct nx_proxy_rules rules;
	const struct nx_spawn_network *limits;
	struct nx_proxy_fds fds;
	struct nx_proxy_counts *counts;
	struct conn *conns;
	struct pollfd *polls; /* listener, report, then client, remote and lookup of each connection */
	size_t nconns;
	unsigned told;
	int64_t lookups;
	bool is_spent; /* the limit of bytes was met */
} P;

static void count(uint64_t *where, uint64_t n)
{
	(void)__atomic_fetch_add(where, n, __ATOMIC_RELAXED);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void drop(struct conn *c)
{
	close_fd(&c->client);
	close_fd(&c->remote);
	close_fd(&c->lookup);
	c->state = FREE;
}

static void touch(struct conn *c, int64_t us)
{
	c->deadline_us = nx_time_mono_us() + us;
}

/* ---- answers ---- */

static void put(struct stream *s, const void *bytes, size_t n)
{
	n = nx_min(n, sizeof(s->bytes) - s->to);
	memcpy(s->bytes + s->to, bytes, n);
	s->to += n;
}

static void put_socks(struct conn *c, uint8_t reply)
{
	const uint8_t answer[] = {5, reply, 0, 1, 0, 0, 0, 0, 0, 0};
	put(&c->down, answer, sizeof(answer));
}

/* One last answer. `status` is HTTP's, `reply` that of SOCKS. */
static void end_with(struct conn *c, int status, uint8_t reply, const char *text)
{
	char body[512], answer[1024];
	close_fd(&c->remote);
	close_fd(&c->lookup);
	c->state = SAYING;
	touch(c, SAYING_US);
	if (c->is_socks) {
		put_socks(c, reply);
		return;
	}
	snprintf(body, sizeof(body), "nexus: %s%s%s\n", c->ask.host, c->ask.host[0] ? ": " : "", text);
	int n = snprintf(
		answer, sizeof(answer),
		"HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
		status, text, strlen(body), body);
	if (n > 0)
		put(&c->down, answer, nx_min((size_t)n, sizeof(answer) - 1));
}

static void tell(const char *host, uint16_t port, const char *reason)
{
	struct nx_proxy_refusal r = {.port = port};
	count(&P.counts->refused, 1);
	if (++P.told > NX_PROXY_REFUSALS_MAX)
		return;
	snprintf(r.host, sizeof(r.host), "%s", host);
	snprintf(r.reason, sizeof(r.reason), "%s",
		 P.told < NX_PROXY_REFUSALS_MAX ? reason : "further refusals of this run are only counted");
	(void)send(P.fds.report, &r, sizeof(r), MSG_NOSIGNAL);
}

static void refuse(struct conn *c, const char *reason)
{
	char text[160];
	tell(c->ask.host, c->ask.port, reason);
	snprintf(text, sizeof(text), "Refused by the sandbox: %s", reason);
	end_with(c, 403, 2, text);
}

/* ---- names ---- */

static void __attribute__((noreturn)) look_up(const char *host, int out)
{
	struct nx_ip ips[ADDRESSES_MAX];
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
	size_t n = 0;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(LOOKUP_S);
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		_exit(1);
	for (const struct addrinfo *a = list; a && n < ADDRESSES_MAX; a = a->ai_next) {
		ips[n] = (struct nx_ip){.is_v4 = a->ai_family == AF_INET};
		if (a->ai_family == AF_INET)
			memcpy(ips[n++].b, &((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr, 4);
		else if (a->ai_family == AF_INET6)
			memcpy(ips[n++].b, &((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr, 16);
	}
	(void)!write(out, ips, n * sizeof(ips[0])); /* less than PIPE_BUF: at once */
	_exit(0);
}

static socklen_t to_sockaddr(const struct nx_ip *ip, uint16_t port, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){0};
	if (ip->is_v4) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
		memcpy(&in.sin_addr, ip->b, 4);
		memcpy(ret, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	memcpy(&in6.sin6_addr, ip->b, 16);
	memcpy(ret, &in6, sizeof(in6));
	return sizeof(in6);
}

/* Whether the way to an address begins and ends at it. Connecting a UDP socket sends nothing. */
static bool is_own(const struct nx_ip *ip)
{
	struct sockaddr_storage to, from;
	socklen_t n = to_sockaddr(ip, 53, &to), m = sizeof(from);
	nx_auto_fd int s = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || connect(s, (struct sockaddr *)&to, n) < 0 || getsockname(s, (struct sockaddr *)&from, &m) < 0)
		return false; /* there is no way to it at all */
	if (ip->is_v4)
		return memcmp(&((struct sockaddr_in *)(void *)&from)->sin_addr, ip->b, 4) == 0;
	return memcmp(&((struct sockaddr_in6 *)(void *)&from)->sin6_addr, ip->b, 16) == 0;
}

static void connect_next(struct conn *c)
{
	struct sockaddr_storage to;
	close_fd(&c->remote);
	while (c->next < c->nips) {
		socklen_t n = to_sockaddr(&c->ips[c->next++], c->ask.port, &to);
		c->remote = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (c->remote < 0)
			continue;
		(void)setsockopt(c->remote, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		if (connect(c->remote, (struct sockaddr *)&to, n) == 0 || errno == EINPROGRESS) {
			c->state = CONNECTING;
			touch(c, CONNECT_US);
			return;
		}
		close_fd(&c->remote);
	}
	end_with(c, 502, 5, "Nobody answers there");
}

/* Keeps the addresses that may be reached: from here on nothing is resolved again. */
static void choose(struct conn *c)
{
	const char *first = NULL;
	unsigned kept = 0;
	for (unsigned i = 0; i < c->nips; i++) {
		const char *why = nx_proxy_check_ip(&P.rules, c->ask.host, &c->ips[i], is_own(&c->ips[i]), c->ask.port);
		if (!why)
			c->ips[kept++] = c->ips[i];
		first = first ? first : why;
	}
	c->nips = kept;
	c->next = 0;
	if (kept)
		connect_next(c);
	else
		refuse(c, first ? first : "it has no address");
}

static void on_lookup(struct conn *c)
{
	ssize_t n = read(c->lookup, c->ips, sizeof(c->ips));
	close_fd(&c->lookup);
	c->nips = n > 0 ? (unsigned)((size_t)n / sizeof(c->ips[0])) : 0;
	if (c->nips)
		choose(c);
	else
		end_with(c, 502, 4, "No such host");
}

static void resolve(struct conn *c)
{
	int p[2];
	if (nx_ip_parse(c->ask.host, &c->ips[0])) {
		c->nips = 1;
		choose(c);
		return;
	}
	if (P.lookups++ >= P.limits->lookups) {
		refuse(c, "the run's look-ups of names are spent (sandbox.network_max_lookups)");
		return;
	}
	if (pipe2(p, O_CLOEXEC) < 0) {
		end_with(c, 503, 1, "Out of descriptors");
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		look_up(c->ask.host, p[1]);
	(void)close(p[1]);
	c->lookup = p[0];
	c->state = RESOLVING;
	touch(c, (LOOKUP_S + 1) * INT64_C(1000000));
	if (pid < 0)
		end_with(c, 503, 1, "Out of processes");
}

/* ---- the request ---- */

static void on_asked(struct conn *c, int size)
{
	c->head = size;
	const char *why = P.is_spent ? "the run's bytes are spent (sandbox.network_max_bytes)"
				     : nx_proxy_check_host(&P.rules, c->ask.host, c->ask.port);
	if (why)
		refuse(c, why);
	else
		resolve(c);
}

static void parse_socks(struct conn *c)
{
	const uint8_t *p = (const uint8_t *)c->up.bytes;
	uint8_t reply = 1;
	if (!c->is_greeted) {
		int n = nx_proxy_socks_greeting(p, c->up.to);
		const uint8_t answer[] = {5, n > 0 ? 0 : 0xff};
		if (n == NX_PROXY_MORE)
			return;
		put(&c->down, answer, sizeof(answer));
		if (n < 0) {
			c->state = SAYING;
			touch(c, SAYING_US);
			return;
		}
		c->is_greeted = true;
		c->up.to -= (size_t)n;
		memmove(c->up.bytes, c->up.bytes + n, c->up.to);
	}
	int n = nx_proxy_socks_request(p, c->up.to, &c->ask, &reply);
	if (n > 0)
		on_asked(c, n);
	else if (n < 0)
		end_with(c, 400, reply, "");
}

static void parse_head(struct conn *c)
{
	c->is_socks = c->up.bytes[0] == 5;
	if (c->is_socks) {
		parse_socks(c);
		return;
	}
	bool is_full = c->up.to == sizeof(c->up.bytes);
	const char *news = memchr(c->up.bytes + c->seen, '\n', c->up.to - c->seen);
	c->seen = c->up.to;
	if (!news && !is_full)
		return; /* or a head that comes byte by byte would be read as often */
	int n = nx_proxy_http_parse(c->up.bytes, c->up.to, &c->ask);
	if (n > 0)
		on_asked(c, n);
	else if (n == NX_PROXY_UNSUPPORTED)
		end_with(c, 400, 1, "This is a proxy: it takes CONNECT and http:// only");
	else if (n == NX_PROXY_MALFORMED)
		end_with(c, 400, 1, "Malformed request");
	else if (n == NX_PROXY_FLOOD)
		end_with(c, 431, 1, "The request has more than 100 header fields");
	else if (is_full)
		end_with(c, 431, 1, "The head of the request is longer than 16 KiB");
}

/* What the guest sent goes on; of the head itself only what the server is to see. */
static void on_connected(struct conn *c)
{
	static char head[BUFFER];
	size_t rest = c->up.to - (size_t)c->head;
	int n = 0;
	if (c->is_socks)
		put_socks(c, 0);
	else if (c->ask.verb == NX_PROXY_CONNECT)
		put(&c->down, "HTTP/1.1 200 Connection established\r\n\r\n", 39);
	else
		n = nx_proxy_http_rewrite(c->up.bytes, (size_t)c->head, head, sizeof(head));
	if (n < 0 || (size_t)n + rest > sizeof(c->up.bytes)) {
		end_with(c, 431, 1, "The head of the request is too long, or malformed");
		return;
	}
	memmove(c->up.bytes + n, c->up.bytes + c->head, rest);
	memcpy(c->up.bytes, head, (size_t)n);
	c->up.from = 0;
	c->up.to = (size_t)n + rest;
	c->state = RELAY;
	touch(c, P.limits->idle_us);
}

static void on_connecting(struct conn *c)
{
	int e = 0;
	socklen_t n = sizeof(e);
	if (getsockopt(c->remote, SOL_SOCKET, SO_ERROR, &e, &n) < 0 || e)
		connect_next(c);
	else
		on_connected(c);
}

/* ---- bytes ---- */

static bool has_room(const struct stream *s)
{
	return !s->eof && s->to < sizeof(s->bytes);
}

/* False: the connection is to be dropped. */
static bool fill(struct conn *c, struct stream *s, int fd)
{
	ssize_t n = recv(fd, s->bytes + s->to, sizeof(s->bytes) - s->to, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		s->eof = true;
		return true;
	}
	s->to += (size_t)n;
	if (s == &c->down)
		count(&P.counts->in, (uint64_t)n);
	if (c->state == RELAY)
		touch(c, P.limits->idle_us);
	return true;
}

static bool flush(struct conn *c, struct stream *s, int fd)
{
	ssize_t n = send(fd, s->bytes + s->from, s->to - s->from, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	s->from += (size_t)n;
	if (s == &c->up)
		count(&P.counts->out, (uint64_t)n);
	if (s->from == s->to)
		s->from = s->to = 0;
	if (c->state == RELAY)
		touch(c, P.limits->idle_us);
	return true;
}

static void pass_end(struct stream *s, int fd)
{
	if (!s->eof || s->is_shut || s->from < s->to)
		return;
	(void)shutdown(fd, SHUT_WR);
	s->is_shut = true;
}

/* No more than was granted: what ends the bytes ends every connection. */
static void check_spent(void)
{
	if (P.is_spent || P.counts->in + P.counts->out <= (uint64_t)P.limits->bytes)
		return;
	P.is_spent = true;
	tell("", 0, "the run's bytes are spent (sandbox.network_max_bytes)");
	for (size_t i = 0; i < P.nconns; i++)
		if (P.conns[i].state == RELAY)
			drop(&P.conns[i]);
}

static void relay(struct conn *c, short client, short remote)
{
	bool ok = true;
	if (client & (POLLIN | POLLHUP | POLLERR) && has_room(&c->up))
		ok = fill(c, &c->up, c->client);
	if (ok && remote & (POLLIN | POLLHUP | POLLERR) && has_room(&c->down))
		ok = fill(c, &c->down, c->remote);
	if (ok && c->up.from < c->up.to)
		ok = flush(c, &c->up, c->remote);
	if (ok && c->down.from < c->down.to)
		ok = flush(c, &c->down, c->client);
	if (ok) {
		pass_end(&c->up, c->remote);
		pass_end(&c->down, c->client);
	}
	if (!ok || (c->up.is_shut && c->down.is_shut))
		drop(c);
}

/* Its input is read and forgotten: closing over unread bytes would reset the connection under the answer. */
static void finish(struct conn *c, short events)
{
	if (c->down.from < c->down.to && !flush(c, &c->down, c->client)) {
		drop(c);
		return;
	}
	c->down.eof = true;
	pass_end(&c->down, c->client);
	c->up.from = c->up.to = 0;
	if (events & (POLLIN | POLLHUP | POLLERR) && (!fill(c, &c->up, c->client) || c->up.eof))
		drop(c);
}

/* ---- the loop ---- */

static void on_client_asks(struct conn *c, short events)
{
	if (events & (POLLIN | POLLHUP | POLLERR)) {
		if (!fill(c, &c->up, c->client) || c->up.eof) {
			drop(c);
			return;
		}
		parse_head(c);
	}
	if (c->state == HEAD && c->down.from < c->down.to && !flush(c, &c->down, c->client))
		drop(c);
}

static void accept_one(void)
{
	struct conn *c = NULL;
	for (size_t i = 0; i < P.nconns && !c; i++)
		if (P.conns[i].state == FREE)
			c = &P.conns[i];
	int fd = accept4(P.fds.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (!c) {
		(void)close(fd);
		return;
	}
	c->state = HEAD;
	c->is_socks = c->is_greeted = false;
	c->client = fd;
	c->remote = c->lookup = -1;
	c->ask = (struct nx_proxy_request){0};
	c->nips = c->next = 0;
	c->seen = 0;
	c->up.from = c->up.to = c->down.from = c->down.to = 0;
	c->up.eof = c->up.is_shut = c->down.eof = c->down.is_shut = false;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	touch(c, P.limits->idle_us);
}

static void set_polls(struct conn *c, struct pollfd *p)
{
	bool asks = c->state == HEAD, relays = c->state == RELAY;
	short in = asks || c->state == SAYING || (relays && has_room(&c->up)) ? POLLIN : 0;
	short out = c->state != FREE && c->down.from < c->down.to ? POLLOUT : 0;
	/* One that wants nothing is left out: its end would be told again and again. */
	p[0] = (struct pollfd){.fd = in || out ? c->client : -1, .events = in | out};
	in = relays && has_room(&c->down) ? POLLIN : 0;
	out = c->state == CONNECTING || (relays && c->up.from < c->up.to) ? POLLOUT : 0;
	p[1] = (struct pollfd){.fd = in || out ? c->remote : -1, .events = in | out};
	p[2] = (struct pollfd){.fd = c->state == RESOLVING ? c->lookup : -1, .events = POLLIN};
}

static void serve_one(struct conn *c, const struct pollfd *p)
{
	enum state was = c->state;
	if (was == HEAD && p[0].revents)
		on_client_asks(c, p[0].revents);
	else if (was == RESOLVING && p[2].revents)
		on_lookup(c);
	else if (was == CONNECTING && p[1].revents)
		on_connecting(c);
	else if (was == RELAY && (p[0].revents || p[1].revents))
		relay(c, p[0].revents, p[1].revents);
	else if (was == SAYING)
		finish(c, p[0].revents);
}

static void expire(struct conn *c)
{
	if (c->state == RESOLVING)
		end_with(c, 504, 4, "The name was not resolved in time");
	else if (c->state == CONNECTING)
		connect_next(c);
	else
		drop(c);
}

/* False: the run is over. */
static bool turn(void)
{
	size_t active = 0;
	int64_t next = INT64_MAX, now = nx_time_mono_us();
	for (size_t i = 0; i < P.nconns; i++) {
		struct conn *c = &P.conns[i];
		if (c->state != FREE && now >= c->deadline_us)
			expire(c);
		set_polls(c, P.polls + 2 + 3 * i);
		active += c->state != FREE;
		next = c->state != FREE ? nx_min(next, c->deadline_us) : next;
	}
	P.polls[0] = (struct pollfd){.fd = active < P.nconns ? P.fds.listener : -1, .events = POLLIN};
	P.polls[1] = (struct pollfd){.fd = P.fds.report, .events = POLLIN};
	int64_t left_ms = nx_max((next - now) / 1000 + 1, (int64_t)0);
	int wait = active ? (int)nx_min(left_ms, (int64_t)60000) : -1;
	if (poll(P.polls, (nfds_t)(2 + 3 * P.nconns), wait) < 0)
		return errno == EINTR;
	if (P.polls[1].revents)
		return false; /* nothing is ever said there */
	for (size_t i = 0; i < P.nconns; i++)
		if (P.conns[i].state != FREE)
			serve_one(&P.conns[i], P.polls + 2 + 3 * i);
	check_spent();
	if (P.polls[0].revents)
		accept_one();
	return true;
}

void nx_proxy_main(const struct nx_spawn_network *n, const struct nx_proxy_fds *fds)
{
	P.limits = n;
	P.fds = *fds;
	P.nconns = n->connections;
	P.conns = calloc(P.nconns, sizeof(*P.conns));
	P.polls = calloc(2 + 3 * P.nconns, sizeof(*P.polls));
	P.counts = mmap(NULL, sizeof(*P.counts), PROT_READ | PROT_WRITE, MAP_SHARED, fds->counts, 0);
	if (!P.conns || !P.polls || P.counts == MAP_FAILED || !nx_proxy_rules_read(n, &P.rules))
		_exit(1);
	for (size_t i = 0; i < P.nconns; i++)
		P.conns[i].client = P.conns[i].remote = P.conns[i].lookup = -1;
	(void)signal(SIGCHLD, SIG_IGN); /* lookups need no wait */
	(void)signal(SIGPIPE, SIG_IGN);
	while (turn())
		continue;
	_exit(0);
}
