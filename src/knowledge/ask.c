/* A question: hybrid search, then the sentences of the evidence that answer it. */
#include "knowledge/answer.h"
#include "knowledge/knowledge_internal.h"

#include "base/clock.h"

struct ask_run {
	struct nx_knowledge *k;
	struct nx_ask *a;
	struct nx_partition *p;
	struct nx_answer answer;
	struct nx_error *err;
	struct nx_job job;
	int64_t started_us;
};

static const char not_found_en[] = "The documents do not answer this question.";
static const char not_found_ar[] = "لا تجيب الوثائق عن هذا السؤال.";

static int add_step(struct nx_ask *a, const char *name, nx_str detail, int64_t us)
{
	if (!a->steps)
		a->steps = nx_arena_array(a->arena, struct nx_ask_step, 4);
	if (!a->steps || a->nsteps == 4 || !detail.p)
		return NX_ENOMEM;
	a->steps[a->nsteps++] = (struct nx_ask_step){name, detail, us};
	return 0;
}

/* ---- weights ---- */

/* A word that no document holds weighs as one that a single document does. */
static double idf(void *ctx, const struct nx_term *t)
{
	struct ask_run *r = ctx;
	return nx_text_idf(&r->p->text, nx_max(nx_text_word_df(&r->p->text, t), UINT32_C(1)));
}

/* ---- the answer ---- */

static int cite(struct nx_ask *a, const struct nx_answer *x, struct nx_buf *b)
{
	a->citations = nx_arena_array(a->arena, struct nx_citation, x->n + 1);
	if (!a->citations)
		return NX_ENOMEM;
	for (size_t i = 0; i < x->n; i++) {
		const struct nx_hit *h = &a->search.hits[x->v[i].passage];
		a->citations[a->ncitations++] = (struct nx_citation){.document = h->document,
								     .chunk = h->chunk,
								     .document_name = h->document_name,
								     .title = h->title,
								     .quote = x->v[i].text};
		nx_buf_addf(b, "%s%.*s [%zu]", i ? " " : "", NX_FMT(x->v[i].text), i + 1);
	}
	return 0;
}

static int write_answer(struct ask_run *r, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	struct nx_ask *a = r->a;
	bool arabic = strcmp(nx_text_language(a->question), "ar") == 0;
	int e = 0;
	if (r->answer.found)
		e = cite(a, &r->answer, &b);
	else
		nx_buf_addz(&b, arabic ? not_found_ar : not_found_en);
	a->answer = nx_str_dup(a->arena, nx_buf_str(&b));
	if (e < 0 || nx_buf_failed(&b) || !a->answer.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for an answer");
	a->found = r->answer.found;
	a->confidence = r->answer.confidence;
	return 0;
}

static int compose(struct ask_run *r, struct nx_error **err)
{
	struct nx_ask *a = r->a;
	size_t n = a->search.nhits;
	struct nx_passage *p = nx_arena_array(a->arena, struct nx_passage, n + 1);
	if (!p)
		return nx_error_set(err, NX_ENOMEM, "no memory for an answer");
	for (size_t i = 0; i < n; i++) {
		const struct nx_hit *h = &a->search.hits[i];
		p[i] = (struct nx_passage){
			.title = h->title, .text = h->text, .document = h->document_name, .score = h->score};
	}
	r->p = nx_knowledge_find_partition(r->k, a->tenant, a->space.p ? a->space : NX_STR(""));
	if (!r->p)
		return 0; /* nothing was ever stored here */
	pthread_rwlock_rdlock(&r->p->lock);
	int e = nx_answer_compose(a->question, p, n, idf, r, a->arena, &r->answer, err);
	pthread_rwlock_unlock(&r->p->lock);
	return e;
}

static void compose_run(struct nx_job *j)
{
	struct ask_run *r = nx_container_of(j, struct ask_run, job);
	struct nx_ask *a = r->a;
	int64_t start = nx_time_mono_us();
	if (r->err)
		return;
	int e = compose(r, &r->err);
	if (e == 0)
		e = write_answer(r, &r->err);
	if (e < 0)
		return;
	size_t documents = 0;
	for (size_t i = 0; i < a->ncitations; i++) {
		bool known = false;
		for (size_t j2 = 0; j2 < i && !known; j2++)
			known = nx_id_eq(a->citations[i].document, a->citations[j2].document);
		documents += !known;
	}
	char *z = nx_arena_printf(a->arena, "%zu of %zu sentences, from %zu documents; %.0f %% of the question covered",
				  a->ncitations, r->answer.sentences, documents, 100 * r->answer.covered);
	if (add_step(a, "compose", nx_str_z(z), nx_time_mono_us() - start) < 0)
		(void)nx_error_set(&r->err, NX_ENOMEM, "no memory for an answer");
}

static void compose_done(struct nx_job *j)
{
	struct ask_run *r = nx_container_of(j, struct ask_run, job);
	struct nx_ask *a = r->a;
	struct nx_error *err = r->err;
	a->priv = NULL;
	nx_knowledge_leave(r->k);
	a->done(a, err);
	nx_error_free(err);
}

static void post_compose(struct ask_run *r)
{
	r->job = (struct nx_job){.run = compose_run, .done = compose_done, .reply = r->a->reply};
	nx_workers_post(r->k->workers, &r->job);
}

static void searched(struct nx_search *s, struct nx_error *err)
{
	struct ask_run *r = s->ctx;
	if (err) {
		r->err = nx_error_copy(err);
		if (strcmp(nx_error_pointer(err), "/query") == 0)
			(void)nx_error_at(&r->err, "/question");
	} else {
		char *z = nx_arena_printf(r->a->arena, "%zu passages", s->nhits);
		if (add_step(r->a, "search", nx_str_z(z), s->took_us) < 0)
			(void)nx_error_set(&r->err, NX_ENOMEM, "no memory for an answer");
	}
	post_compose(r);
}

void nx_knowledge_ask(struct nx_knowledge *k, struct nx_ask *a)
{
	struct ask_run *r = nx_arena_new_of(a->arena, struct ask_run);
	a->answer = NX_STR_NULL;
	a->found = false;
	a->confidence = 0;
	a->citations = NULL;
	a->steps = NULL;
	a->ncitations = a->nsteps = 0;
	a->priv = r;
	a->search = (struct nx_search){.arena = a->arena,
				       .tenant = a->tenant,
				       .space = a->space,
				       .query = a->question,
				       .limit = nx_max(a->limit, (size_t)1),
				       .mode = NX_SEARCH_HYBRID,
				       .kinds = NX_KIND_CHUNK,
				       .explain = true,
				       .trace = a->trace,
				       .done = searched,
				       .ctx = r};
	if (!r) {
		nx_auto_error struct nx_error *err = NULL;
		(void)nx_error_set(&err, NX_ENOMEM, "no memory for a question");
		a->done(a, err);
		return;
	}
	*r = (struct ask_run){.k = k, .a = a, .started_us = nx_time_mono_us()};
	nx_knowledge_enter(k);
	nx_knowledge_search(k, &a->search);
}

/* ---- JSON ---- */

static bool add_citations(const struct nx_ask *a, yyjson_mut_doc *d, yyjson_mut_val *o)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, "citations");
	for (size_t i = 0; list && i < a->ncitations; i++) {
		const struct nx_citation *c = &a->citations[i];
		yyjson_mut_val *x = yyjson_mut_arr_add_obj(d, list);
		if (!x || !nx_json_add_id(d, x, "document_id", c->document) ||
		    !nx_json_add_str(d, x, "document", c->document_name) ||
		    !nx_json_add_id(d, x, "chunk_id", c->chunk) || !nx_json_add_str(d, x, "title", c->title) ||
		    !nx_json_add_str(d, x, "quote", c->quote))
			return false;
	}
	return list != NULL;
}

static bool add_steps(const struct nx_ask *a, yyjson_mut_doc *d, yyjson_mut_val *o)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, "steps");
	for (size_t i = 0; list && i < a->nsteps; i++) {
		yyjson_mut_val *x = yyjson_mut_arr_add_obj(d, list);
		if (!x || !nx_json_add_strz(d, x, "name", a->steps[i].name) ||
		    !nx_json_add_str(d, x, "detail", a->steps[i].detail) ||
		    !yyjson_mut_obj_add_real(d, x, "ms", (double)a->steps[i].us / 1e3))
			return false;
	}
	return list != NULL;
}

yyjson_mut_val *nx_ask_json(const struct nx_ask *a, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d), *hits = nx_search_json(&a->search, d);
	bool ok = hits && nx_json_add_str(d, o, "answer", a->answer) &&
		  yyjson_mut_obj_add_bool(d, o, "found", a->found) &&
		  yyjson_mut_obj_add_real(d, o, "confidence", a->confidence) && add_citations(a, d, o) &&
		  add_steps(a, d, o) && yyjson_mut_obj_add_val(d, o, "hits", yyjson_mut_obj_remove_key(hits, "hits"));
	return ok ? o : NULL;
}
