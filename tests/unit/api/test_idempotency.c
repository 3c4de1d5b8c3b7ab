/* Idempotency-Keys against the clock: requests as an HTTP thread makes them, without a connection. */
#include "api/api_internal.h"
#include "base/clock.h"
#include "tests/unit/nx_test.h"

static const struct nx_answer answers[] = {{200, NULL, NULL, "done"}, {0}};
static const struct nx_route route = {
	.method = "POST", .path = "/v1/things", .id = "make_thing", .flags = NX_R_IDEMPOTENT, .answers = answers};

enum { HOUR_S = 3600 };

struct rig {
	struct nx_fake_clock clock;
	struct nx_config config;
	struct nx_api api;
};

static void rig_open(struct rig *g)
{
	struct nx_store_options o = {.dir = nx_test_dir(), .inline_writer = true, .readers = 1};
	*g = (struct rig){.config.api_idempotency_ttl = INT64_C(24) * HOUR_S * 1000};
	nx_fake_clock_install(&g->clock, INT64_C(1800000000) * NX_USEC_PER_SEC);
	g->api.parts.config = &g->config;
	ASSERT_OK(nx_store_open(&o, &g->api.parts.store, NULL));
	ASSERT_OK(nx_idempotency_table_new(&g->api.idempotency, NULL));
}

static void rig_close(struct rig *g)
{
	nx_idempotency_table_free(g->api.idempotency);
	nx_store_close(g->api.parts.store);
	nx_clock_set(NULL);
}

static struct nx_request *request(struct rig *g, const char *key, const char *body)
{
	struct nx_request *r = nx_request_new(&g->api, "/v1/things");
	ASSERT_TRUE(r != NULL);
	r->route = &route;
	r->path = r->target;
	r->method = nx_str_z("POST");
	r->who.tenant = NX_STORE_TENANT;
	r->headers.idempotency_key = nx_str_z(key);
	r->raw = nx_str_z(body);
	return r;
}

struct effect {
	struct nx_request *r;
	const char *answer;
};

static int apply_effect(void *ctx, struct nx_db *db, struct nx_error **err)
{
	struct effect *e = ctx;
	return nx_tx_hook_run(e->r->hook, db, nx_id_new(), nx_str_z(e->answer), err);
}

/* Sends a request whose effect answers with `answer`; true when it was done, false when an earlier answer came or it was
 * refused. */
static bool send(struct rig *g, const char *key, const char *body, const char *answer, int *ret_status,
		 char ret_text[64])
{
	struct nx_request *r = request(g, key, body);
	bool is_new = nx_idempotency_begin(r);
	if (is_new) {
		struct effect e = {r, answer};
		ASSERT_OK(nx_store_write_sync(g->api.parts.store, apply_effect, &e, NULL));
		nx_request_reply_json(r, 200, nx_str_z(answer));
	}
	*ret_status = r->reply.status;
	(void)snprintf(ret_text, 64, "%.*s", (int)nx_min(r->reply.body.n, (size_t)63), r->reply.body.p);
	nx_request_unref(r);
	return is_new;
}

static int64_t rows(struct rig *g)
{
	int64_t n = -1;
	ASSERT_OK(nx_db_get_int(nx_store_reader(g->api.parts.store), "SELECT count(*) FROM idempotency_keys",
				NX_NO_PARAMS, &n, NULL));
	return n;
}

TEST(a_key_counts_for_its_time_and_may_then_be_used_anew)
{
	struct rig g;
	char text[64];
	int status;
	rig_open(&g);
	ASSERT_TRUE(send(&g, "k", "{\"a\":1}", "\"first\"", &status, text));
	nx_fake_clock_advance(&g.clock, INT64_C(24) * HOUR_S * NX_USEC_PER_SEC);
	ASSERT_FALSE(send(&g, "k", "{\"a\":1}", "\"second\"", &status, text));
	ASSERT_EQ(status, 200);
	ASSERT_STREQ(text, "\"first\"");
	ASSERT_FALSE(send(&g, "k", "{\"a\":2}", "\"second\"", &status, text));
	ASSERT_EQ(status, 422);

	nx_fake_clock_advance(&g.clock, 1);
	ASSERT_TRUE(send(&g, "k", "{\"a\":2}", "\"second\"", &status, text));
	ASSERT_FALSE(send(&g, "k", "{\"a\":2}", "\"third\"", &status, text));
	ASSERT_STREQ(text, "\"second\"");
	ASSERT_EQ(rows(&g), 1);
	rig_close(&g);
}

TEST(rows_that_count_no_more_are_removed_as_new_ones_come)
{
	struct rig g;
	char text[64], key[16];
	int status;
	rig_open(&g);
	for (int i = 0; i < 20; i++) {
		(void)snprintf(key, sizeof(key), "old-%d", i);
		ASSERT_TRUE(send(&g, key, "{}", "1", &status, text));
	}
	ASSERT_EQ(rows(&g), 20);
	nx_fake_clock_advance(&g.clock, INT64_C(12) * HOUR_S * NX_USEC_PER_SEC);
	ASSERT_TRUE(send(&g, "young", "{}", "1", &status, text));
	ASSERT_EQ(rows(&g), 21);

	/* A few go with each that comes; what still counts stays. */
	nx_fake_clock_advance(&g.clock, INT64_C(12) * HOUR_S * NX_USEC_PER_SEC + 1);
	ASSERT_TRUE(send(&g, "new-1", "{}", "1", &status, text));
	ASSERT_TRUE(rows(&g) < 21);
	ASSERT_TRUE(send(&g, "new-2", "{}", "1", &status, text));
	ASSERT_EQ(rows(&g), 3);
	ASSERT_FALSE(send(&g, "young", "{}", "2", &status, text));
	rig_close(&g);
}
