#include "base/clock.h"
#include "base/json.h"
#include "model/model_internal.h"
#include "tests/unit/nx_test.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* ---- an endpoint that answers its requests from a list, the last one for good ---- */

struct answer {
	const char *status, *headers, *body; /* status NULL: the connection is kept and nothing said */
	size_t cut;                          /* bytes of the body after which the connection ends; 0: all */
};

static struct {
	int fd, port;
	pthread_t thread;
	const struct answer *answers;
	size_t nanswers;
	atomic_size_t nrequests;
	char requests[8][16384];
} server;

static void read_request(int fd, char *ret, size_t size)
{
	size_t n = 0;
	ret[0] = '\0';
	while (n + 1 < size) {
		ssize_t r = recv(fd, ret + n, size - 1 - n, 0);
		if (r <= 0)
			return;
		n += (size_t)r;
		ret[n] = '\0';
		const char *end = strstr(ret, "\r\n\r\n"), *length = strcasestr(ret, "\r\ncontent-length:");
		if (end != NULL && n >= (size_t)(end + 4 - ret) + (length != NULL ? strtoul(length + 17, NULL, 10) : 0))
			return;
	}
}

static void answer_request(int fd, const struct answer *a)
{
	char head[1024];
	size_t n = a->cut != 0 ? a->cut : strlen(a->body);
	int h = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
			 a->status, strlen(a->body), a->headers != NULL ? a->headers : "");
	(void)send(fd, head, (size_t)h, MSG_NOSIGNAL);
	(void)send(fd, a->body, n, MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
	int kept[16];
	size_t nkept = 0;
	(void)arg;
	for (int fd; (fd = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
		size_t i = atomic_load(&server.nrequests);
		const struct answer *a = &server.answers[i < server.nanswers ? i : server.nanswers - 1];
		read_request(fd, server.requests[i % 8], sizeof(server.requests[0]));
		atomic_store(&server.nrequests, i + 1);
		if (a->status == NULL && nkept < 16) {
			kept[nkept++] = fd;
			continue;
		}
		answer_request(fd, a);
		(void)shutdown(fd, SHUT_WR);
		(void)close(fd);
	}
	while (nkept > 0)
		(void)close(kept[--nkept]);
	return NULL;
}

static void start_server(const struct answer *answers, size_t n)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(to);
	server.answers = answers;
	server.nanswers = n;
	atomic_store(&server.nrequests, 0);
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_OK(bind(server.fd, (struct sockaddr *)&to, sizeof(to)));
	ASSERT_OK(listen(server.fd, 16));
	ASSERT_OK(getsockname(server.fd, (struct sockaddr *)&to, &size));
	server.port = ntohs(to.sin_port);
	ASSERT_OK(pthread_create(&server.thread, NULL, serve, NULL));
}

static void stop_server(void)
{
	(void)shutdown(server.fd, SHUT_RDWR);
	(void)pthread_join(server.thread, NULL);
	(void)close(server.fd);
}

/* ---- the models, and one call ---- */

static struct nx_config config = {.home = "/nonexistent",
				  .model_api_key = "sk-secret",
				  .model_chat = "gpt-x",
				  .model_embedding = "embed-x",
				  .model_embedding_dims = 3,
				  .model_max_response_bytes = 1 << 20,
				  .model_max_tokens = 100,
				  .model_price_input = 2,
				  .model_price_output = 10,
				  .model_retries = 2,
				  .model_timeout = 10000};
static struct nx_http_client *net;
static struct nx_models *models;

#define OPEN(...)                                              \
	static const struct answer answers_[] = {__VA_ARGS__}; \
	open_models(answers_, sizeof(answers_) / sizeof(answers_[0]))

static void open_models(const struct answer *answers, size_t n)
{
	static char url[64];
	start_server(answers, n);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/", server.port);
	config.model_base_url = url;
	ASSERT_OK(nx_http_client_new(&net, NULL));
	ASSERT_OK(nx_models_new(&config, net, &models, NULL));
	ASSERT_TRUE(nx_models_has_chat(models));
}

static void close_models(void)
{
	nx_models_free(models);
	nx_http_client_free(net);
	stop_server();
}

struct ask {
	struct nx_chat chat;
	struct nx_chat_message message;
	uv_sem_t done;
	int code;
	char said[600], hint[256], shown[256];
};

static void on_delta(struct nx_chat *c, nx_str text)
{
	struct ask *a = c->ctx;
	size_t n = strlen(a->shown);
	(void)snprintf(a->shown + n, sizeof(a->shown) - n, "%.*s|", NX_FMT(text));
}

static void on_done(struct nx_chat *c, struct nx_error *err)
{
	struct ask *a = c->ctx;
	a->code = nx_error_code(err);
	(void)snprintf(a->said, sizeof(a->said), "%s", nx_error_message(err));
	(void)snprintf(a->hint, sizeof(a->hint), "%s", nx_error_get_hint(err));
	uv_sem_post(&a->done);
}

static void start(struct ask *a, int64_t timeout_us, bool with_deltas)
{
	*a = (struct ask){.message = {.role = NX_ROLE_USER, .content = NX_STR("Hello?")}};
	ASSERT_OK(uv_sem_init(&a->done, 0));
	a->chat = (struct nx_chat){.arena = nx_arena_new(0),
				   .messages = &a->message,
				   .nmessages = 1,
				   .temperature = -1,
				   .timeout_us = timeout_us,
				   .on_delta = with_deltas ? on_delta : NULL,
				   .done = on_done,
				   .ctx = a};
	nx_chat_start(models, &a->chat);
}

static int finish(struct ask *a)
{
	uv_sem_wait(&a->done);
	uv_sem_destroy(&a->done);
	return a->code;
}

static int ask(struct ask *a)
{
	start(a, 0, true);
	return finish(a);
}

static void drop(struct ask *a)
{
	nx_arena_free(a->chat.arena);
}

#define EVENT(content) "data: {\"choices\":[{\"delta\":{\"content\":\"" content "\"}}]}\n\n"
#define END                                                                                               \
	"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10," \
	"\"completion_tokens\":3}}\n\ndata: [DONE]\n\n"
#define GOOD                                                                                         \
	{                                                                                            \
		"200 OK", "Content-Type: text/event-stream\r\n", EVENT("Good ") EVENT("day.") END, 0 \
	}

TEST(an_answer_streams_and_is_counted_and_priced)
{
	OPEN(GOOD);
	struct ask a;
	ASSERT_EQ(ask(&a), 0);
	ASSERT_STREQ(a.shown, "Good |day.|");
	ASSERT_STREQ(a.chat.text.p, "Good day.");
	ASSERT_STREQ(a.chat.finish, "stop");
	ASSERT_EQ(a.chat.input_tokens, 10);
	ASSERT_EQ(a.chat.usd_micros, 10 * 2 + 3 * 10);
	ASSERT_CONTAINS(server.requests[0], "POST /v1/chat/completions HTTP");
	ASSERT_CONTAINS(server.requests[0], "Authorization: Bearer sk-secret");
	ASSERT_CONTAINS(server.requests[0], "\"model\":\"gpt-x\"");
	ASSERT_CONTAINS(server.requests[0], "\"stream\":true");
	drop(&a);
	close_models();
}

TEST(a_server_error_is_tried_again_and_the_answer_is_the_last)
{
	OPEN({"503 Service Unavailable", NULL, "busy", 0}, {"500 Internal Server Error", NULL, "", 0}, GOOD);
	struct ask a;
	int64_t from = nx_time_mono_us();
	ASSERT_EQ(ask(&a), 0);
	ASSERT_GE(nx_time_mono_us() - from, NX_USEC_PER_SEC * 3 / 4); /* a quarter, then half a second at least */
	ASSERT_EQ(atomic_load(&server.nrequests), 3);
	ASSERT_STREQ(a.chat.text.p, "Good day.");
	drop(&a);
	close_models();
}

TEST(retry_after_is_honoured)
{
	OPEN({"429 Too Many Requests", "Retry-After: 1\r\n", "{\"error\":{\"message\":\"slow down\"}}", 0}, GOOD);
	struct ask a;
	int64_t from = nx_time_mono_us();
	ASSERT_EQ(ask(&a), 0);
	ASSERT_GE(nx_time_mono_us() - from, NX_USEC_PER_SEC);
	drop(&a);
	close_models();
}

TEST(a_retry_after_beyond_the_timeout_ends_the_call_at_once)
{
	OPEN({"429 Too Many Requests", "Retry-After: 60\r\n", "{\"error\":{\"message\":\"slow down\"}}", 0});
	struct ask a;
	ASSERT_EQ(ask(&a), NX_EBUSY);
	ASSERT_CONTAINS(a.said, "rate limit is reached (429): slow down");
	ASSERT_EQ(atomic_load(&server.nrequests), 1);
	drop(&a);
	close_models();
}

static void refused_once(const struct answer *answer, const char *said, const char *hint)
{
	struct ask a;
	open_models(answer, 1);
	ASSERT_EQ(ask(&a), NX_EPROVIDER);
	ASSERT_CONTAINS(a.said, "/v1/chat/completions: ");
	ASSERT_CONTAINS(a.said, said);
	ASSERT_CONTAINS(a.hint, hint);
	ASSERT_NULL(strstr(a.said, "sk-secret"));
	ASSERT_EQ(atomic_load(&server.nrequests), 1);
	drop(&a);
	close_models();
}

TEST(refusals_are_not_repeated_and_say_what_to_do)
{
	refused_once(&(struct answer){"401 Unauthorized", NULL, "{\"error\":{\"message\":\"bad key sk-secret!\"}}", 0},
		     "refuses the key (401): bad key [key]!", "model.api_key");
	refused_once(&(struct answer){"404 Not Found", NULL, "{\"error\":\"no such model\"}", 0}, "has no model gpt-x",
		     "model.base_url");
	refused_once(&(struct answer){"400 Bad Request", NULL, "{\"message\":\"too\\nlong\"}", 0},
		     "refuses the request (400): too long", "");
	refused_once(&(struct answer){"429 Too Many", NULL,
				      "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"pay\"}}", 0},
		     "no quota left", "");
	refused_once(&(struct answer){"307 Temporary Redirect", "Location: http://127.0.0.1:1/\r\n", "", 0},
		     "elsewhere (307)", "model.base_url");
	refused_once(&(struct answer){"418 Teapot", NULL, "\xff\x01<html>", 0}, "(418)", "");
}

TEST(a_stream_that_was_shown_is_not_repeated_when_it_breaks)
{
	OPEN({"200 OK", NULL, EVENT("Half ") EVENT("never"), sizeof(EVENT("Half ")) - 1});
	struct ask a;
	ASSERT_NE(ask(&a), 0);
	ASSERT_STREQ(a.shown, "Half |");
	ASSERT_EQ(atomic_load(&server.nrequests), 1);
	ASSERT_EQ(a.chat.text.n, 0);
	drop(&a);
	close_models();
}

TEST(a_stream_that_broke_unseen_is_repeated)
{
	OPEN({"200 OK", NULL, EVENT("Half ") EVENT("never"), sizeof(EVENT("Half ")) - 1},
	     {"200 OK", NULL, EVENT("no end"), 0}, GOOD);
	struct ask a;
	start(&a, 0, false);
	ASSERT_EQ(finish(&a), 0);
	ASSERT_STREQ(a.chat.text.p, "Good day.");
	ASSERT_EQ(atomic_load(&server.nrequests), 3);
	drop(&a);
	close_models();
}

TEST(an_endpoint_that_says_nothing_runs_into_the_timeout)
{
	OPEN({NULL, NULL, NULL, 0});
	struct ask a;
	int64_t from = nx_time_mono_us();
	start(&a, NX_USEC_PER_SEC / 4, true);
	ASSERT_EQ(finish(&a), NX_ETIMEOUT);
	ASSERT_LT(nx_time_mono_us() - from, 2 * NX_USEC_PER_SEC);
	drop(&a);
	close_models();
}

TEST(a_cancel_ends_a_call_that_hangs_and_one_that_waits_for_its_retry)
{
	OPEN({NULL, NULL, NULL, 0}, {"503 Service Unavailable", "Retry-After: 5\r\n", "", 0});
	struct ask a, b;
	int64_t from = nx_time_mono_us();
	start(&a, 0, true);
	while (atomic_load(&server.nrequests) < 1)
		(void)usleep(1000);
	start(&b, 0, true);
	while (atomic_load(&server.nrequests) < 2)
		(void)usleep(1000);
	(void)usleep(50000);
	nx_chat_cancel(models, a.chat.id);
	nx_chat_cancel(models, b.chat.id);
	nx_chat_cancel(models, 999);
	ASSERT_EQ(finish(&a), NX_ECANCELLED);
	ASSERT_EQ(finish(&b), NX_ECANCELLED);
	ASSERT_LT(nx_time_mono_us() - from, 2 * NX_USEC_PER_SEC);
	drop(&a);
	drop(&b);
	close_models();
}

TEST(closing_ends_what_is_under_way_with_cancelled)
{
	OPEN({NULL, NULL, NULL, 0});
	struct ask a, b;
	start(&a, 0, true);
	start(&b, 0, true);
	while (atomic_load(&server.nrequests) < 1)
		(void)usleep(1000);
	nx_models_free(models);
	models = NULL;
	ASSERT_EQ(finish(&a), NX_ECANCELLED);
	ASSERT_EQ(finish(&b), NX_ECANCELLED);
	drop(&a);
	drop(&b);
	close_models();
}

TEST(after_five_failures_calls_fail_without_being_sent)
{
	OPEN({"500 Internal Server Error", NULL, "{\"error\":{\"message\":\"on fire\"}}", 0});
	struct ask a;
	config.model_retries = 0;
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(ask(&a), NX_EPROVIDER);
		drop(&a);
	}
	ASSERT_EQ(ask(&a), NX_EPROVIDER);
	ASSERT_CONTAINS(a.said, "failed 5 times in a row");
	ASSERT_EQ(atomic_load(&server.nrequests), 5);
	drop(&a);
	config.model_retries = 2;
	close_models();
}

TEST(options_that_an_endpoint_does_not_know_are_left_out_from_then_on)
{
	OPEN({"400 Bad Request", NULL, "{\"error\":{\"message\":\"Unknown parameter: stream_options\"}}", 0},
	     {"400 Bad Request", NULL, "{\"error\":{\"message\":\"Use 'max_completion_tokens' instead.\"}}", 0}, GOOD);
	struct ask a, b;
	ASSERT_EQ(ask(&a), 0);
	ASSERT_EQ(ask(&b), 0);
	ASSERT_EQ(atomic_load(&server.nrequests), 4);
	ASSERT_NULL(strstr(server.requests[3], "stream_options"));
	ASSERT_CONTAINS(server.requests[3], "\"max_completion_tokens\":100");
	drop(&a);
	drop(&b);
	close_models();
}

TEST(usage_that_is_not_told_is_estimated)
{
	OPEN({"200 OK", NULL, EVENT("twelve bytes") "data: [DONE]\n\n", 0});
	struct ask a;
	ASSERT_EQ(ask(&a), 0);
	ASSERT_EQ(a.chat.input_tokens, 1);
	ASSERT_EQ(a.chat.output_tokens, 3);
	drop(&a);
	close_models();
}

TEST(embeddings_come_in_the_order_of_their_texts_and_with_length_1)
{
	OPEN({"200 OK", NULL, "{\"data\":[{\"index\":1,\"embedding\":[0,0,2]},{\"index\":0,\"embedding\":[3,4,0]}]}",
	      0});
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str texts[] = {NX_STR("a"), NX_STR("")};
	float *v = NULL;
	ASSERT_STREQ(nx_embed_model(models), "embed-x");
	ASSERT_EQ(nx_embed_dims(models), 3);
	ASSERT_OK(nx_embed_sync(models, a, texts, 2, false, &v, NULL));
	ASSERT_DOUBLE_NEAR(v[0], 0.6, 1e-6);
	ASSERT_DOUBLE_NEAR(v[1], 0.8, 1e-6);
	ASSERT_DOUBLE_NEAR(v[5], 1, 1e-6);
	ASSERT_CONTAINS(server.requests[0], "POST /v1/embeddings HTTP");
	ASSERT_CONTAINS(server.requests[0], "\"input\":[\"a\",\" \"]");
	close_models();
}

TEST(embeddings_that_are_not_what_was_asked_for_are_refused)
{
	config.model_retries = 0;
	OPEN({"200 OK", NULL, "{\"data\":[{\"index\":0,\"embedding\":[1,2]}]}", 0},
	     {"200 OK", NULL, "{\"data\":[]}", 0},
	     {"200 OK", NULL, "{\"data\":[{\"index\":7,\"embedding\":[1,2,3]}]}", 0},
	     {"200 OK", NULL, "{\"data\":[{\"embedding\":[0,0,0]}]}", 0}, {"200 OK", NULL, "nothing", 0},
	     {"200 OK", NULL, "{\"data\":[{\"embedding\":[1,2,3]},{\"index\":0,\"embedding\":[1,2,3]}]}", 0});
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str text = NX_STR("a");
	float *v = NULL;
	for (int i = 0; i < 6; i++) {
		struct nx_error *err = NULL;
		ASSERT_ERR(nx_embed_sync(models, a, &text, 1, true, &v, &err), NX_EPROVIDER);
		if (i == 0)
			ASSERT_CONTAINS(nx_error_get_hint(err), "model.embedding_dims");
		nx_error_free(err);
	}
	config.model_retries = 2;
	close_models();
}

TEST(a_configuration_that_makes_no_sense_is_refused)
{
	struct nx_config c = config;
	struct nx_models *m = NULL;
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_OK(nx_http_client_new(&net, NULL));
	c.model_base_url = "ftp://x";
	ASSERT_ERR(nx_models_new(&c, net, &m, &err), NX_EINVAL);
	ASSERT_CONTAINS(nx_error_message(err), "http:// or https://");
	c.model_base_url = "http://127.0.0.1:1/v1";
	c.model_api_key = "a\r\nX-Evil: 1";
	ASSERT_ERR(nx_models_new(&c, net, &m, NULL), NX_EINVAL);
	c.model_api_key = "";
	c.model_embedding_dims = 0;
	ASSERT_ERR(nx_models_new(&c, net, &m, NULL), NX_EINVAL);
	c.model_embedding = "text-embedding-3-small";
	ASSERT_OK(nx_models_new(&c, net, &m, NULL));
	ASSERT_EQ(nx_embed_dims(m), 1536);
	nx_models_free(m);
	nx_http_client_free(net);
}
