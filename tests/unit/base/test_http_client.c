#include "base/clock.h"
#include "base/http_client.h"
#include "tests/unit/nx_test.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a small server: a thread a connection, one answer each ---- */

#define MAX_CONNECTIONS 64

struct server {
	int fd, port;
	pthread_t thread, workers[MAX_CONNECTIONS];
	int n;
};

struct connection {
	int fd;
	char request[16384];
	size_t n;
};

static void say(int fd, const char *text)
{
	size_t n = strlen(text);
	while (n > 0) {
		ssize_t w = send(fd, text, n, MSG_NOSIGNAL);
		if (w <= 0)
			return;
		text += w;
		n -= (size_t)w;
	}
}

static void answer(int fd, const char *status, const char *headers, const char *body)
{
	char head[512];
	(void)snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", status,
		       strlen(body), headers);
	say(fd, head);
	say(fd, body);
}

/* Reads the head and as much body as Content-Length says. */
static void read_request(struct connection *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->request + c->n, sizeof(c->request) - 1 - c->n, 0);
		if (n <= 0)
			return;
		c->n += (size_t)n;
		c->request[c->n] = '\0';
		const char *end = strstr(c->request, "\r\n\r\n"),
			   *length = strcasestr(c->request, "\r\ncontent-length:");
		if (end && c->n >= (size_t)(end + 4 - c->request) + (length ? strtoul(length + 17, NULL, 10) : 0))
			return;
	}
}

static void wait_until_closed(int fd)
{
	char byte;
	while (recv(fd, &byte, 1, 0) > 0)
		;
}

static void stream(int fd, int n, useconds_t pause)
{
	say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
	for (int i = 0; i < n; i++) {
		char line[32];
		(void)snprintf(line, sizeof(line), "data: %d\n\n", i);
		say(fd, line);
		(void)usleep(pause);
	}
}

static bool asks(const struct connection *c, const char *path)
{
	const char *at = strchr(c->request, ' ');
	size_t n = strlen(path);
	return at && strncmp(at + 1, path, n) == 0 && strchr(" /?", at[1 + n]);
}

static void redirect(int fd, const char *status, const char *location)
{
	char header[256];
	(void)snprintf(header, sizeof(header), "Location: %s\r\n", location);
	answer(fd, status, header, "you should not see this");
}

static void redirect_down(struct connection *c)
{
	long left = strtol(strstr(c->request, "/down/") + 6, NULL, 10);
	char to[32];
	(void)snprintf(to, sizeof(to), "/down/%ld", left - 1);
	if (left > 0)
		redirect(c->fd, "302 Found", to);
	else
		answer(c->fd, "200 OK", "", "at the bottom");
}

/* To the query: "/to?http://…". */
static void redirect_to(struct connection *c, const char *status)
{
	char *to = strchr(c->request, '?') + 1;
	to[strcspn(to, " ")] = '\0';
	redirect(c->fd, status, to);
}

static void big(int fd, bool with_length)
{
	static char kib[1025];
	memset(kib, 'x', sizeof(kib) - 1);
	say(fd, with_length ? "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" : "HTTP/1.1 200 OK\r\n\r\n");
	for (int i = 0; i < 1024; i++)
		say(fd, kib);
}

static void *serve_one(void *arg)
{
	struct connection *c = arg;
	read_request(c);
	if (asks(c, "/hello"))
		answer(c->fd, "200 OK", "", "hello");
	else if (asks(c, "/echo"))
		answer(c->fd, "200 OK", "", c->request);
	else if (asks(c, "/stream"))
		stream(c->fd, 20, 2000);
	else if (asks(c, "/stall"))
		(void)(stream(c->fd, 1, 0), wait_until_closed(c->fd), 0);
	else if (asks(c, "/silent"))
		wait_until_closed(c->fd);
	else if (asks(c, "/busy"))
		answer(c->fd, "429 Too Many Requests", "Retry-After: 7\r\n", "slow down");
	else if (asks(c, "/big"))
		big(c->fd, true);
	else if (asks(c, "/endless"))
		big(c->fd, false);
	else if (asks(c, "/cut"))
		say(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
	else if (asks(c, "/down"))
		redirect_down(c);
	else if (asks(c, "/see"))
		redirect_to(c, "303 See Other");
	else if (asks(c, "/same"))
		redirect_to(c, "307 Temporary Redirect");
	else
		answer(c->fd, "404 Not Found", "", "no such page");
	(void)shutdown(c->fd, SHUT_WR);
	wait_until_closed(c->fd);
	(void)close(c->fd);
	free(c);
	return NULL;
}

static void *serve(void *arg)
{
	struct server *s = arg;
	for (;;) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;
		struct connection *c = calloc(1, sizeof(*c));
		if (!c || s->n == MAX_CONNECTIONS)
			abort();
		c->fd = fd;
		if (pthread_create(&s->workers[s->n++], NULL, serve_one, c) != 0)
			abort();
	}
}

static int listen_on_loopback(int backlog, int *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ASSERT_EQ(listen(fd, backlog), 0);
	ASSERT_EQ(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void server_start(struct server *s)
{
	*s = (struct server){.n = 0};
	s->fd = listen_on_loopback(64, &s->port);
	ASSERT_EQ(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	(void)shutdown(s->fd, SHUT_RDWR);
	ASSERT_EQ(pthread_join(s->thread, NULL), 0);
	for (int i = 0; i < s->n; i++)
		ASSERT_EQ(pthread_join(s->workers[i], NULL), 0);
	(void)close(s->fd);
}

/* ---- a call and its outcome ---- */

struct outcome {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int done, status, code;
	int64_t ended_us;
	char message[256], hint[256], body[32768], retry_after[32];
	size_t streamed, pieces;
	bool elsewhere;
	struct nx_http_client *client;
};

static void outcome_init(struct outcome *o, struct nx_http_client *c)
{
	*o = (struct outcome){.client = c};
	(void)pthread_mutex_init(&o->lock, NULL);
	(void)pthread_cond_init(&o->cond, NULL);
}

static void on_data(nx_str bytes, void *ctx)
{
	struct outcome *o = ctx;
	pthread_mutex_lock(&o->lock);
	o->streamed += bytes.n;
	o->pieces++;
	pthread_cond_broadcast(&o->cond);
	pthread_mutex_unlock(&o->lock);
}

static void on_done(int status, nx_str body, const char *retry_after, struct nx_error *err, void *ctx)
{
	struct outcome *o = ctx;
	pthread_mutex_lock(&o->lock);
	o->done++;
	o->status = status;
	o->code = nx_error_code(err);
	o->ended_us = nx_time_mono_us();
	o->elsewhere |= !nx_loop_is_current(nx_http_client_loop(o->client));
	(void)snprintf(o->message, sizeof(o->message), "%s", nx_error_message(err));
	(void)snprintf(o->hint, sizeof(o->hint), "%s", nx_error_get_hint(err));
	(void)snprintf(o->body, sizeof(o->body), "%.*s", NX_FMT(body));
	(void)snprintf(o->retry_after, sizeof(o->retry_after), "%s", retry_after ? retry_after : "");
	pthread_cond_broadcast(&o->cond);
	pthread_mutex_unlock(&o->lock);
}

static void outcome_wait(struct outcome *o)
{
	pthread_mutex_lock(&o->lock);
	while (!o->done)
		pthread_cond_wait(&o->cond, &o->lock);
	pthread_mutex_unlock(&o->lock);
}

static void outcome_wait_piece(struct outcome *o)
{
	pthread_mutex_lock(&o->lock);
	while (!o->done && !o->pieces)
		pthread_cond_wait(&o->cond, &o->lock);
	pthread_mutex_unlock(&o->lock);
}

struct fixture {
	struct server server;
	struct nx_http_client *client;
	struct outcome o;
	char url[256];
};

static void set_up(struct fixture *f)
{
	(void)unsetenv("http_proxy");
	(void)unsetenv("all_proxy");
	(void)unsetenv("ALL_PROXY");
	server_start(&f->server);
	ASSERT_OK(nx_http_client_new(&f->client, NULL));
	outcome_init(&f->o, f->client);
}

static void tear_down(struct fixture *f)
{
	nx_http_client_free(f->client);
	server_stop(&f->server);
}

static struct nx_http_request request_to(struct fixture *f, const char *path)
{
	(void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d%s", f->server.port, path);
	return (struct nx_http_request){.method = "GET", .url = f->url, .done = on_done, .ctx = &f->o};
}

static void fetch(struct fixture *f, const struct nx_http_request *r)
{
	ASSERT_OK(nx_http_start(f->client, r, NULL, NULL));
	outcome_wait(&f->o);
	ASSERT_FALSE(f->o.elsewhere);
}

/* ---- answers ---- */

TEST(an_answer_comes_with_its_status_and_body_on_the_net_loop)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/hello");
	fetch(&f, &r);
	ASSERT_EQ(f.o.code, 0);
	ASSERT_EQ(f.o.status, 200);
	ASSERT_STREQ(f.o.body, "hello");
	ASSERT_STREQ(f.o.retry_after, "");
	tear_down(&f);
}

TEST(method_headers_and_body_are_sent_as_given)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/echo");
	r.method = "PUT";
	r.headers = (const char *const[]){"X-Test: yes", "Content-Type: application/json", NULL};
	r.body = NX_STR("{\"a\":1}");
	fetch(&f, &r);
	ASSERT_CONTAINS(f.o.body, "PUT /echo HTTP/1.1\r\n");
	ASSERT_CONTAINS(f.o.body, "\r\nX-Test: yes\r\n");
	ASSERT_CONTAINS(f.o.body, "\r\nContent-Type: application/json\r\n");
	ASSERT_CONTAINS(f.o.body, "\r\n\r\n{\"a\":1}");
	ASSERT_NULL(strstr(f.o.body, "Expect"));
	tear_down(&f);
}

TEST(a_post_without_a_content_type_is_not_called_a_form)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/echo");
	r.method = "POST";
	r.body = NX_STR("x");
	fetch(&f, &r);
	ASSERT_CONTAINS(f.o.body, "POST /echo HTTP/1.1\r\n");
	ASSERT_NULL(strcasestr(f.o.body, "content-type"));
	tear_down(&f);
}

TEST(an_error_status_is_an_answer_with_its_body_and_retry_after)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/busy");
	r.on_data = on_data;
	fetch(&f, &r);
	ASSERT_EQ(f.o.code, 0);
	ASSERT_EQ(f.o.status, 429);
	ASSERT_STREQ(f.o.retry_after, "7");
	ASSERT_STREQ(f.o.body, "slow down");
	ASSERT_EQ(f.o.streamed, 0);
	tear_down(&f);
}

TEST(a_stream_comes_in_pieces_before_it_ends)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/stream");
	r.on_data = on_data;
	fetch(&f, &r);
	ASSERT_EQ(f.o.status, 200);
	ASSERT_GT(f.o.pieces, 1);
	ASSERT_EQ(f.o.streamed, 10 * strlen("data: 0\n\n") + 10 * strlen("data: 10\n\n"));
	ASSERT_STREQ(f.o.body, "");
	tear_down(&f);
}

TEST(many_calls_at_once_all_end)
{
	enum { N = 32 };
	struct fixture f;
	static struct outcome o[N];
	set_up(&f);
	for (int i = 0; i < N; i++) {
		struct nx_http_request r = request_to(&f, i % 2 ? "/hello" : "/stream");
		outcome_init(&o[i], f.client);
		r.ctx = &o[i];
		ASSERT_OK(nx_http_start(f.client, &r, NULL, NULL));
	}
	for (int i = 0; i < N; i++) {
		outcome_wait(&o[i]);
		ASSERT_EQ(o[i].status, 200);
		ASSERT_EQ(o[i].done, 1);
	}
	tear_down(&f);
}

/* ---- errors ---- */

TEST(a_refused_connection_says_who_refused_and_what_to_do)
{
	struct fixture f;
	set_up(&f);
	int port, fd = listen_on_loopback(1, &port);
	(void)close(fd);
	struct nx_http_request r = request_to(&f, "/");
	(void)snprintf(f.url, sizeof(f.url), "http://user:secret@127.0.0.1:%d/path?key=secret", port);
	fetch(&f, &r);
	char want[128];
	(void)snprintf(want, sizeof(want), "http://127.0.0.1:%d refused the connection", port);
	ASSERT_EQ(f.o.code, NX_ENETWORK);
	ASSERT_STREQ(f.o.message, want);
	ASSERT_CONTAINS(f.o.hint, "start the service");
	tear_down(&f);
}

TEST(a_request_that_takes_too_long_in_all_times_out)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/silent");
	r.timeout_us = 50 * NX_USEC_PER_MSEC;
	fetch(&f, &r);
	ASSERT_EQ(f.o.code, NX_ETIMEOUT);
	ASSERT_CONTAINS(f.o.message, "did not finish within 0.05 s");
	tear_down(&f);
}

TEST(a_stream_that_falls_silent_times_out_and_one_that_speaks_does_not)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/stall");
	r.on_data = on_data;
	r.idle_timeout_us = 100 * NX_USEC_PER_MSEC;
	fetch(&f, &r);
	ASSERT_EQ(f.o.code, NX_ETIMEOUT);
	ASSERT_CONTAINS(f.o.message, "sent nothing for 0.1 s");
	ASSERT_GT(f.o.streamed, 0);

	struct outcome lively;
	outcome_init(&lively, f.client);
	r = request_to(&f, "/stream");
	r.idle_timeout_us = 30 * NX_USEC_PER_SEC;
	r.ctx = &lively;
	ASSERT_OK(nx_http_start(f.client, &r, NULL, NULL));
	outcome_wait(&lively);
	ASSERT_EQ(lively.status, 200);
	tear_down(&f);
}

static void check_too_big(const char *path, bool streamed)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, path);
	r.max_response_bytes = 100000;
	r.on_data = streamed ? on_data : NULL;
	fetch(&f, &r);
	ASSERT_EQ(f.o.code, NX_ETOOBIG);
	ASSERT_CONTAINS(f.o.message, "larger than 100000 bytes");
	ASSERT_LE(f.o.streamed, 100000);
	tear_down(&f);
}

TEST(an_answer_over_the_limit_is_refused_by_its_length_or_when_it_gets_there)
{
	check_too_big("/big", false);
	check_too_big("/endless", false);
	check_too_big("/endless", true);
}

TEST(an_answer_that_is_cut_off_is_an_error)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/cut");
	fetch(&f, &r);
	ASSERT_EQ(f.o.code, NX_ENETWORK);
	ASSERT_STREQ(f.o.body, "");
	tear_down(&f);
}

TEST(a_request_that_is_none_is_refused_at_the_start)
{
	struct fixture f;
	nx_auto_error struct nx_error *err = NULL, *broken = NULL;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/hello");
	r.url = "file:///etc/passwd";
	ASSERT_ERR(nx_http_start(f.client, &r, NULL, &err), NX_EINVAL);
	r.url = "not a url";
	ASSERT_ERR(nx_http_start(f.client, &r, NULL, NULL), NX_EINVAL);
	r.url = f.url;
	r.method = "GET /x";
	ASSERT_ERR(nx_http_start(f.client, &r, NULL, NULL), NX_EINVAL);
	r.method = "GET";
	r.headers = (const char *const[]){"X-Key: a\r\nX-Other: b", NULL};
	ASSERT_ERR(nx_http_start(f.client, &r, NULL, &broken), NX_EINVAL);
	ASSERT_STREQ(nx_error_message(broken), "the header `X-Key` holds a line break");
	tear_down(&f);
}

/* ---- cancelling ---- */

#define PROMPT (100 * NX_USEC_PER_MSEC)
#define TRIES 5 /* on a busy machine a thread may sleep longer than that for no fault of ours */

/* Time from the cancel to done. */
static int64_t cancel_once(struct fixture *f, const struct nx_http_request *r, bool wait_for_data)
{
	uint64_t id = 0;
	outcome_init(&f->o, f->client);
	ASSERT_OK(nx_http_start(f->client, r, &id, NULL));
	if (wait_for_data)
		outcome_wait_piece(&f->o);
	else
		(void)usleep(30000);
	int64_t asked_us = nx_time_mono_us();
	nx_http_cancel(f->client, id);
	nx_http_cancel(f->client, id);
	outcome_wait(&f->o);
	ASSERT_EQ(f->o.code, NX_ECANCELLED);
	nx_http_cancel(f->client, id);
	ASSERT_EQ(f->o.done, 1);
	return f->o.ended_us - asked_us;
}

static void check_cancel(struct fixture *f, const struct nx_http_request *r, bool wait_for_data)
{
	int64_t best_us = INT64_MAX;
	for (int i = 0; i < TRIES && best_us >= PROMPT; i++) {
		int64_t us = cancel_once(f, r, wait_for_data);
		best_us = nx_min(best_us, us);
	}
	ASSERT_LT(best_us, PROMPT);
}

TEST(a_stream_is_cancelled_at_once)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/stall");
	r.on_data = on_data;
	check_cancel(&f, &r, true);
	tear_down(&f);
}

/* A listener whose queue is full drops what else comes: a connection to it hangs as one to nowhere does. */
static int black_hole(int fds[4], int port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (int i = 0; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		ASSERT_GE(fds[i], 0);
		(void)connect(fds[i], (struct sockaddr *)&a, sizeof(a));
	}
	return 0;
}

TEST(connecting_to_a_black_hole_is_cancelled_at_once_and_times_out_by_itself)
{
	struct fixture f;
	int port, fds[4], hole = listen_on_loopback(0, &port);
	black_hole(fds, port);
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/");
	(void)snprintf(f.url, sizeof(f.url), "http://127.0.0.1:%d/", port);
	check_cancel(&f, &r, false);

	struct outcome o;
	outcome_init(&o, f.client);
	r.ctx = &o;
	r.connect_timeout_us = 50 * NX_USEC_PER_MSEC;
	ASSERT_OK(nx_http_start(f.client, &r, NULL, NULL));
	outcome_wait(&o);
	ASSERT_EQ(o.code, NX_ETIMEOUT);
	ASSERT_CONTAINS(o.message, "no connection to http://127.0.0.1:");
	tear_down(&f);
	for (int i = 0; i < 4; i++)
		(void)close(fds[i]);
	(void)close(hole);
}

#define RESOLVER_US 2000000

/* Stands in front of the C library's, for curl's resolver threads too. */
static atomic_int resolving;
int getaddrinfo(const char *restrict name NX_UNUSED, const char *restrict service NX_UNUSED,
		const struct addrinfo *restrict hints NX_UNUSED, struct addrinfo **restrict ret NX_UNUSED)
{
	resolving++;
	(void)usleep(RESOLVER_US);
	resolving--;
	return EAI_AGAIN;
}

TEST(a_resolver_that_is_stuck_holds_up_neither_a_cancel_nor_the_end)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/");
	(void)snprintf(f.url, sizeof(f.url), "http://stuck.invalid/");
	check_cancel(&f, &r, false);
	ASSERT_GT(resolving, 0);
	int64_t asked_us = nx_time_mono_us();
	tear_down(&f);
	ASSERT_LT(nx_time_mono_us() - asked_us, RESOLVER_US / 2);
	while (resolving > 0)
		(void)usleep(10000);
	(void)usleep(50000); /* the resolver's thread frees what was left to it */
}

TEST(freeing_the_client_cancels_what_is_under_way)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/silent");
	ASSERT_OK(nx_http_start(f.client, &r, NULL, NULL));
	(void)usleep(20000);
	nx_http_client_free(f.client);
	ASSERT_EQ(f.o.done, 1);
	ASSERT_EQ(f.o.code, NX_ECANCELLED);
	server_stop(&f.server);
}

/* ---- redirects ---- */

TEST(a_redirect_is_the_answer_unless_following_was_asked_for)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/down/1");
	fetch(&f, &r);
	ASSERT_EQ(f.o.status, 302);
	ASSERT_STREQ(f.o.body, "you should not see this");
	tear_down(&f);
}

static void check_down(int hops, unsigned max, int code, const char *body)
{
	struct fixture f;
	char path[32];
	set_up(&f);
	(void)snprintf(path, sizeof(path), "/down/%d", hops);
	struct nx_http_request r = request_to(&f, path);
	r.max_redirects = max;
	fetch(&f, &r);
	ASSERT_EQ(f.o.code, code);
	ASSERT_STREQ(f.o.body, body);
	if (code < 0)
		ASSERT_CONTAINS(f.o.message, "redirects more than 3 times");
	tear_down(&f);
}

TEST(redirects_are_followed_up_to_the_limit)
{
	check_down(3, 3, 0, "at the bottom");
	check_down(4, 3, NX_ELIMIT, "");
}

static int refuse_other_ports(const char *url, void *ctx, struct nx_error **err)
{
	struct outcome *o = ctx;
	(void)o;
	return strstr(url, ":1/") ? nx_error_set(err, NX_EBLOCKED, "port 1 is not allowed") : 0;
}

TEST(each_hop_must_pass_the_check)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/see?http://127.0.0.1:1/");
	r.max_redirects = 5;
	r.check = refuse_other_ports;
	fetch(&f, &r);
	ASSERT_EQ(f.o.code, NX_EBLOCKED);
	ASSERT_CONTAINS(f.o.message, "port 1 is not allowed");
	tear_down(&f);
}

TEST(a_redirect_to_another_scheme_is_refused)
{
	struct fixture f;
	set_up(&f);
	struct nx_http_request r = request_to(&f, "/see?file:///etc/passwd");
	r.max_redirects = 5;
	fetch(&f, &r);
	ASSERT_EQ(f.o.code, NX_EINVAL);
	tear_down(&f);
}

static void send_around(struct fixture *f, const char *how, const struct server *to)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s?http://127.0.0.1:%d/echo", how, to->port);
	struct nx_http_request r = request_to(f, path);
	r.method = "POST";
	r.headers = (const char *const[]){"Authorization: Bearer secret", "X-Api-Key: secret", "Accept: text/plain",
					  "Content-Type: text/plain", NULL};
	r.body = NX_STR("payload");
	r.max_redirects = 1;
	fetch(f, &r);
	ASSERT_EQ(f->o.status, 200);
}

TEST(secrets_do_not_follow_to_another_origin_and_stay_on_the_same)
{
	struct fixture f;
	struct server other;
	set_up(&f);
	server_start(&other);
	send_around(&f, "/same", &other);
	ASSERT_NULL(strstr(f.o.body, "secret"));
	ASSERT_CONTAINS(f.o.body, "Accept: text/plain");
	outcome_init(&f.o, f.client);
	send_around(&f, "/same", &f.server);
	ASSERT_CONTAINS(f.o.body, "Authorization: Bearer secret");
	tear_down(&f);
	server_stop(&other);
}

TEST(a_303_becomes_a_get_without_body_and_a_307_stays_what_it_was)
{
	struct fixture f;
	set_up(&f);
	send_around(&f, "/see", &f.server);
	ASSERT_CONTAINS(f.o.body, "GET /echo HTTP/1.1");
	ASSERT_NULL(strstr(f.o.body, "payload"));
	ASSERT_NULL(strstr(f.o.body, "Content-Type"));
	outcome_init(&f.o, f.client);
	send_around(&f, "/same", &f.server);
	ASSERT_CONTAINS(f.o.body, "POST /echo HTTP/1.1");
	ASSERT_CONTAINS(f.o.body, "payload");
	tear_down(&f);
}
