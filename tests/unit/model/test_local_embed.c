#include "base/build.h"
#include "base/clock.h"
#include "base/fault.h"
#include "model/model_internal.h"
#include "tests/unit/nx_test.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <uv.h>

static struct nx_config config = {.model_base_url = "",
				  .model_api_key = "",
				  .model_chat = "",
				  .model_embedding = "minilm",
				  .model_embedding_idle = 60000,
				  .home = "/nonexistent"};

static struct nx_models *open_models(void)
{
	struct nx_models *m = NULL;
	ASSERT_OK(nx_models_new(&config, NULL, &m, NULL));
	if (!nx_models_has_embedding(m)) {
		struct nx_model_info info[4];
		ASSERT_EQ(nx_models_list(m, info, 4), 1);
		nx_models_free(m);
		SKIP(info[0].state);
	}
	return m;
}

static double cosine(const float *a, const float *b)
{
	double sum = 0;
	for (size_t i = 0; i < NX_MINILM_DIMS; i++)
		sum += (double)a[i] * (double)b[i];
	return sum;
}

static const float *embed(struct nx_models *m, struct nx_arena *a, const nx_str *texts, size_t n)
{
	float *v = NULL;
	ASSERT_OK(nx_embed_sync(m, a, texts, n, false, &v, NULL));
	return v;
}

TEST(a_paraphrase_is_nearer_than_another_subject)
{
	struct nx_models *m = open_models();
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str texts[] = {NX_STR("How do I reset my password?"), NX_STR("I forgot my login secret and want a new one."),
			  NX_STR("The volcano erupted in the summer of 1783.")};
	const float *v = embed(m, a, texts, 3);
	ASSERT_DOUBLE_NEAR(cosine(v, v), 1, 1e-5);
	ASSERT_GT(cosine(v, v + NX_MINILM_DIMS), 0.4);
	ASSERT_LT(cosine(v, v + 2 * NX_MINILM_DIMS), 0.15);
	nx_models_free(m);
}

TEST(nothing_is_loaded_before_the_first_text)
{
	struct nx_models *m = open_models();
	struct nx_model_info info;
	ASSERT_EQ(nx_models_list(m, &info, 1), 1);
	ASSERT_STREQ(info.state, "idle");
	ASSERT_STREQ(nx_embed_model(m), "minilm-l6-v2");
	ASSERT_EQ(nx_embed_dims(m), 384);
	nx_models_free(m);
}

TEST(the_same_text_has_the_same_vector_whatever_is_embedded_with_it)
{
	struct nx_models *m = open_models();
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str many[40];
	for (size_t i = 0; i < 40; i++)
		many[i] =
			i % 8 == 3
				? NX_STR("Marie Curie won two Nobel prizes.")
				: nx_str_z(nx_arena_printf(a, "passage %zu of another length %0*zu", i, (int)i * 9, i));
	const float *alone = embed(m, a, &many[3], 1);
	const float *together = embed(m, a, many, 40);
	for (size_t i = 3; i < 40; i += 8)
		ASSERT_MEMEQ(together + i * NX_MINILM_DIMS, alone, NX_MINILM_DIMS * sizeof(float));
	nx_models_free(m);

	m = open_models();
	ASSERT_MEMEQ(embed(m, a, &many[3], 1), alone, NX_MINILM_DIMS * sizeof(float));
	nx_models_free(m);
}

TEST(what_follows_256_word_pieces_does_not_count)
{
	struct nx_models *m = open_models();
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_buf struct nx_buf text = NX_BUF_INIT;
	for (int i = 0; i < 300; i++)
		ASSERT_TRUE(nx_buf_addz(&text, "red "));
	nx_str both[2] = {nx_str_dup(a, nx_buf_str(&text))};
	for (int i = 0; i < 20000; i++)
		ASSERT_TRUE(nx_buf_addz(&text, "blue \xd8\xa7 "));
	both[1] = nx_buf_str(&text);
	const float *v = embed(m, a, both, 2);
	ASSERT_MEMEQ(v, v + NX_MINILM_DIMS, NX_MINILM_DIMS * sizeof(float));
	nx_models_free(m);
}

TEST(empty_and_strange_texts_have_vectors_too)
{
	struct nx_models *m = open_models();
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str texts[] = {NX_STR_NULL, NX_STR(""), NX_STR("[SEP] [CLS] [MASK]"),
			  NX_STR("\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7"),
			  NX_STR("\xf0\x9f\x90\x99\xe2\x80\x8d\xf0\x9f\x90\x99")};
	const float *v = embed(m, a, texts, nx_countof(texts));
	for (size_t i = 0; i < nx_countof(texts); i++)
		ASSERT_DOUBLE_NEAR(cosine(v + i * NX_MINILM_DIMS, v + i * NX_MINILM_DIMS), 1, 1e-5);
	float *none = NULL;
	ASSERT_OK(nx_embed_sync(m, a, NULL, 0, true, &none, NULL));
	nx_models_free(m);
}

TEST(text_that_is_not_utf8_fails_its_job_with_its_number)
{
	struct nx_models *m = open_models();
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	nx_str texts[] = {NX_STR("fine"), NX_STR("caf\xe9")};
	float *v = NULL;
	ASSERT_ERR(nx_embed_sync(m, a, texts, 2, false, &v, &err), NX_EENCODING);
	ASSERT_CONTAINS(nx_error_message(err), "text 1");
	ASSERT_OK(nx_embed_sync(m, a, texts, 1, false, &v, NULL));
	nx_models_free(m);
}

struct client {
	struct nx_models *models;
	float sum;
	int failed;
};

static void *run_client(void *arg)
{
	struct client *c = arg;
	for (int i = 0; i < 8; i++) {
		struct nx_arena *a = nx_arena_new(0);
		nx_str texts[] = {NX_STR("many threads ask at once"), NX_STR("and each gets its own answer")};
		float *v = NULL;
		c->failed |= nx_embed_sync(c->models, a, texts, 2, i % 2 == 0, &v, NULL);
		if (v != NULL)
			c->sum = v[0] + v[NX_MINILM_DIMS];
		nx_arena_free(a);
	}
	return NULL;
}

TEST(several_threads_may_ask_at_once)
{
	struct nx_models *m = open_models();
	struct client clients[6];
	pthread_t threads[6];
	for (int i = 0; i < 6; i++) {
		clients[i] = (struct client){.models = m};
		ASSERT_EQ(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
	}
	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
		ASSERT_EQ(clients[i].failed, 0);
		ASSERT_TRUE(clients[i].sum == clients[0].sum);
	}
	nx_models_free(m);
}

struct waiting {
	struct nx_embed embed;
	_Atomic int order; /* 0: not done; else its place */
	int code;
	uv_sem_t *sem;
};
static _Atomic int places;

static void note(struct nx_embed *e, struct nx_error *err)
{
	struct waiting *w = e->ctx;
	w->code = nx_error_code(err);
	w->order = ++places;
	uv_sem_post(w->sem);
}

static void start(struct nx_models *m, struct waiting *w, struct nx_arena *a, const nx_str *texts, size_t n,
		  bool is_query, uv_sem_t *sem)
{
	*w = (struct waiting){.sem = sem};
	w->embed = (struct nx_embed){.arena = a, .texts = texts, .n = n, .is_query = is_query, .done = note, .ctx = w};
	nx_embed_start(m, &w->embed);
}

TEST(a_query_does_not_wait_for_the_passages_before_it)
{
	struct nx_models *m = open_models();
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str passages[100], query = NX_STR("who waits?");
	for (size_t i = 0; i < 100; i++)
		passages[i] =
			NX_STR("A passage that takes its time, because it is not one of the shortest that there are.");
	uv_sem_t sem;
	struct waiting p, q;
	places = 0;
	ASSERT_EQ(uv_sem_init(&sem, 0), 0);
	start(m, &p, a, passages, 100, false, &sem);
	start(m, &q, a, &query, 1, true, &sem);
	uv_sem_wait(&sem);
	uv_sem_wait(&sem);
	ASSERT_EQ(q.order, 1);
	ASSERT_EQ(p.order, 2);
	ASSERT_EQ(p.code, 0);
	uv_sem_destroy(&sem);
	nx_models_free(m);
}

TEST(closing_ends_what_waits_with_cancelled)
{
	struct nx_models *m = open_models();
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str texts[200];
	for (size_t i = 0; i < 200; i++)
		texts[i] = NX_STR("never embedded, or only half");
	uv_sem_t sem;
	struct waiting w[3];
	ASSERT_EQ(uv_sem_init(&sem, 0), 0);
	for (int i = 0; i < 3; i++)
		start(m, &w[i], a, texts, 200, false, &sem);
	nx_models_free(m);
	for (int i = 0; i < 3; i++) {
		uv_sem_wait(&sem);
		ASSERT_EQ(w[i].code, NX_ECANCELLED);
	}
	uv_sem_destroy(&sem);
}

static int64_t anonymous_kib(void)
{
	char line[128];
	long long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");
	while (f != NULL && kib < 0 && fgets(line, sizeof(line), f) != NULL)
		(void)sscanf(line, "RssAnon: %lld", &kib);
	if (f != NULL)
		(void)fclose(f);
	return kib;
}

TEST(idle_threads_give_the_model_back_and_the_next_text_loads_it_again)
{
	config.model_embedding_idle = 50;
	struct nx_models *m = open_models();
	config.model_embedding_idle = 60000;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str text = NX_STR("loaded, released, loaded again");
	const float *first = embed(m, a, &text, 1);
	int64_t loaded = anonymous_kib();
	struct nx_model_info info = {.state = "ready"};
	for (int i = 0; i < 200 && strcmp(info.state, "idle") != 0; i++) {
		(void)usleep(20000);
		(void)nx_models_list(m, &info, 1);
	}
	ASSERT_STREQ(info.state, "idle");
	print_message("anonymous memory: %lld KiB loaded, %lld KiB released\n", (long long)loaded,
		      (long long)anonymous_kib());
	for (int i = 0; i < 5; i++) { /* around the moment at which the threads leave */
		ASSERT_MEMEQ(embed(m, a, &text, 1), first, NX_MINILM_DIMS * sizeof(float));
		(void)usleep(49000 + 500 * (unsigned)i);
	}
	nx_models_free(m);
}

TEST(a_missing_model_is_said_with_the_places_and_what_to_do)
{
	nx_auto_error struct nx_error *err = NULL;
	nx_auto_free char *path = NULL;
	ASSERT_ERR(nx_model_path(&config, "no-such-model.gguf", &path, &err), NX_EMISSING);
	ASSERT_CONTAINS(nx_error_message(err), "/nonexistent/models");
	ASSERT_CONTAINS(nx_error_get_hint(err), "scripts/setup");
	ASSERT_ERR(nx_model_path(&config, "/no/such.gguf", &path, NULL), NX_EMISSING);
}

TEST(a_file_that_is_no_model_is_refused_with_its_name)
{
	struct nx_local_embed *l = NULL;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *path = nx_arena_printf(a, "%s/broken.gguf", nx_test_dir());
	FILE *f = fopen(path, "w");
	ASSERT_NOT_NULL(f);
	(void)fputs("GGUF or not", f);
	(void)fclose(f);
	ASSERT_OK(nx_local_embed_new(path, NX_USEC_PER_SEC, &l, NULL));
	uv_sem_t sem;
	nx_str text = NX_STR("x");
	struct waiting w = {.sem = &sem};
	ASSERT_EQ(uv_sem_init(&sem, 0), 0);
	w.embed = (struct nx_embed){.arena = a, .texts = &text, .n = 1, .done = note, .ctx = &w};
	w.embed.vectors = nx_arena_array(a, float, NX_MINILM_DIMS);
	nx_local_embed_start(l, &w.embed);
	uv_sem_wait(&sem);
	ASSERT_EQ(w.code, NX_WITH_LLAMA ? NX_ECORRUPT : NX_EUNSUPPORTED);
	uv_sem_destroy(&sem);
	nx_local_embed_free(l);
}

TEST(a_failed_load_thread_or_pass_fails_its_call_and_not_the_next)
{
	const char *const plans[] = {"model_call=1", "model_spawn=1", "model_load=1", "model_embed=1", "model_embed=2"};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str texts[] = {NX_STR("one"), NX_STR("two"), NX_STR("three")};
	for (size_t i = 0; i < nx_countof(plans); i++) {
		struct nx_models *m = open_models();
		float *v = NULL;
		if (nx_fault_plan(plans[i], NULL) != 0) {
			nx_models_free(m);
			SKIP("fault points are compiled out");
		}
		int r = nx_embed_sync(m, a, texts, 3, false, &v, NULL);
		ASSERT_OK(nx_fault_plan(NULL, NULL));
		ASSERT_NE(r, 0);
		ASSERT_OK(nx_embed_sync(m, a, texts, 3, false, &v, NULL));
		nx_models_free(m);
	}
}

TEST(without_embeddings_a_call_says_how_to_turn_them_on)
{
	struct nx_models *m = NULL;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	nx_str text = NX_STR("x");
	float *v = NULL;
	config.model_embedding = "none";
	ASSERT_OK(nx_models_new(&config, NULL, &m, NULL));
	config.model_embedding = "minilm";
	ASSERT_FALSE(nx_models_has_embedding(m));
	ASSERT_ERR(nx_embed_sync(m, a, &text, 1, true, &v, &err), NX_EMISSING);
	ASSERT_CONTAINS(nx_error_message(err), "model.embedding");
	nx_models_free(m);
}
