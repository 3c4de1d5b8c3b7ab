/* The way of a search: checked, its query embedded where the mode needs it, run on a worker, filled from the store. */
#include "knowledge/fuse.h"

#include "base/clock.h"
#include "base/log.h"

#include <math.h>

const char *const nx_search_mode_names[] = {"hybrid", "text", "vector", "graph", NULL};

static int check(struct nx_search_run *r, struct nx_error **err)
{
	const struct nx_search *s = r->s;
	const struct nx_config *c = r->k->config;
	if (nx_str_trim(s->query).n == 0) {
		(void)nx_error_set(err, NX_EINVAL, "the query is empty");
		return nx_error_at(err, "/query");
	}
	if ((int64_t)s->query.n > c->knowledge_max_query_bytes) {
		(void)nx_error_set(err, NX_ETOOBIG, "the query is %zu bytes long; knowledge.max_query_bytes is %lld",
				   s->query.n, (long long)c->knowledge_max_query_bytes);
		return nx_error_at(err, "/query");
	}
	if (nx_utf8_check(s->query, "query", err) < 0)
		return nx_error_at(err, "/query");
	if (s->limit == 0 || (int64_t)s->limit > c->knowledge_max_limit) {
		(void)nx_error_set(err, NX_ELIMIT,
				   "limit is %zu; it must be from 1 to knowledge.max_limit, which is %lld", s->limit,
				   (long long)c->knowledge_max_limit);
		return nx_error_at(err, "/limit");
	}
	if (s->mode == NX_SEARCH_VECTOR && !nx_knowledge_has_vectors(r->k)) {
		(void)nx_error_set(err, NX_EUNSUPPORTED, "vector search is disabled: no embedding model is configured");
		(void)nx_error_hint(err, "set model.embedding to minilm, or search with mode hybrid or text");
		return nx_error_at(err, "/mode");
	}
	return nx_filter_new(s->filters, s->arena, &r->filter, err);
}

/* ---- text ---- */

static bool accepts(void *ctx, uint32_t slot)
{
	struct nx_search_run *r = ctx;
	if (!nx_slot_alive(r->p, slot) || !(r->p->docs[r->p->slots[slot].doc].indexes & NX_INDEX_TEXT))
		return false;
	return nx_filter_accepts(r->filter, r->p, slot);
}

int nx_search_best_text(struct nx_search_run *r, const struct nx_term *t, size_t n, size_t k, struct nx_scored **ret,
			size_t *ret_n, struct nx_error **err)
{
	struct nx_text_query q = {.k1 = NX_BM25_K1, .b = NX_BM25_B, .accept = accepts, .ctx = r};
	*ret = nx_arena_array(r->s->arena, struct nx_scored, k + 1);
	if (!*ret)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu hits", k);
	return nx_text_search(&r->p->text, t, n, k, &q, r->s->arena, *ret, ret_n, err);
}

static struct nx_hit *new_hits(struct nx_search_run *r, size_t n, struct nx_error **err)
{
	struct nx_hit *h = nx_arena_array(r->s->arena, struct nx_hit, n + 1);
	if (!h)
		(void)nx_error_set(err, NX_ENOMEM, "no memory for %zu hits", n);
	return h;
}

void nx_hit_of_slot(const struct nx_partition *p, uint32_t slot, struct nx_hit *ret)
{
	const struct nx_slot *s = &p->slots[slot];
	*ret = (struct nx_hit){.kind = NX_KIND_CHUNK,
			       .key = s->key,
			       .chunk = s->uid,
			       .document = p->docs[s->doc].uid,
			       .text_score = NAN,
			       .vector_score = NAN,
			       .graph_score = NAN};
}

static int search_text(struct nx_search_run *r, const struct nx_term *t, size_t n, struct nx_error **err)
{
	struct nx_scored *best;
	size_t nbest = 0;
	int e = nx_search_best_text(r, t, n, r->s->limit, &best, &nbest, err);
	for (size_t i = 0; e == 0 && i < nbest; i++) {
		struct nx_hit *h = &r->s->hits[r->s->nhits++];
		nx_hit_of_slot(r->p, best[i].slot, h);
		h->score = h->text_score = best[i].score;
	}
	return e;
}

/* ---- vector ---- */

static bool accepts_vector(void *ctx, uint32_t slot)
{
	struct nx_search_run *r = ctx;
	return nx_slot_alive(r->p, slot) && nx_filter_accepts(r->filter, r->p, slot);
}

static int search_vector(struct nx_search_run *r, struct nx_error **err)
{
	size_t n = 0, k = r->s->limit;
	struct nx_hnsw_query q;
	struct nx_scored *best = nx_arena_array(r->s->arena, struct nx_scored, k + 1);
	if (!best)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu hits", k);
	if (r->p->vectors.n == 0)
		return 0;
	int e = nx_hnsw_query(&r->p->vectors, r->query_vector, r->s->arena, &q, err);
	if (e == 0)
		e = nx_hnsw_search(&r->p->vectors, &q, k, NX_HNSW_EF_SEARCH, accepts_vector, r, best, &n, err);
	for (size_t i = 0; e == 0 && i < n; i++) {
		struct nx_hit *h = &r->s->hits[r->s->nhits++];
		nx_hit_of_slot(r->p, best[i].slot, h);
		h->score = h->vector_score = best[i].score;
	}
	return e;
}

/* ---- hybrid and graph ---- */

int nx_search_passage(struct nx_search_run *r, uint32_t slot, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	*ret = NX_STR("");
	int e = nx_db_query(nx_store_reader(r->k->store), "SELECT text FROM chunks WHERE id = $1 AND tenant_id = $2",
			    NX_PARAMS(nx_v_int(r->p->slots[slot].key), nx_v_int(r->s->tenant)), &rows, err);
	if (e < 0 || (e = nx_rows_next(rows, err)) <= 0)
		return e;
	*ret = nx_rows_textdup(rows, 0, a);
	return ret->p ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for a passage");
}

/* Why it is there: the titles of the passages that led to it, the first one first. */
static int explain(struct nx_search_run *r, const struct nx_candidate *c, struct nx_hit *h, struct nx_error **err)
{
	const uint32_t way[] = {c->before, c->from};
	if (!r->s->explain || c->from == NX_MAP_NONE)
		return 0;
	h->path = nx_arena_array(r->s->arena, nx_str, nx_countof(way));
	for (size_t i = 0; h->path && i < nx_countof(way); i++) {
		if (way[i] == NX_MAP_NONE)
			continue;
		h->path[h->npath] = nx_str_dup(r->s->arena, r->p->docs[r->p->slots[way[i]].doc].title);
		if (!h->path[h->npath++].p)
			h->path = NULL;
	}
	return h->path ? 0 : nx_error_set(err, NX_ENOMEM, "no memory to explain a hit");
}

static int search_graph(struct nx_search_run *r, const struct nx_term *t, size_t n, struct nx_error **err)
{
	struct nx_candidate *v;
	size_t nv, limit = r->s->limit;
	int e = nx_fuse(r, t, n, r->s->mode == NX_SEARCH_HYBRID, &v, &nv, err);
	for (size_t i = 0; e == 0 && i < nv && r->s->nhits < limit; i++) {
		if (!nx_filter_accepts(r->filter, r->p, v[i].slot))
			continue;
		struct nx_hit *h = &r->s->hits[r->s->nhits++];
		nx_hit_of_slot(r->p, v[i].slot, h);
		h->score = v[i].score;
		h->text_score = v[i].text;
		h->vector_score = v[i].vector;
		h->graph_score = v[i].rank + v[i].cover;
		e = explain(r, &v[i], h, err);
	}
	return e;
}

/* Under the partition's lock. */
static int search_locked(struct nx_search_run *r, const struct nx_term *t, size_t n, struct nx_error **err)
{
	switch (r->s->mode) {
	case NX_SEARCH_TEXT: return search_text(r, t, n, err);
	case NX_SEARCH_VECTOR: return search_vector(r, err);
	case NX_SEARCH_HYBRID:
	case NX_SEARCH_GRAPH: return search_graph(r, t, n, err);
	}
	return nx_error_set(err, NX_EINTERNAL, "no such search mode: %d", (int)r->s->mode);
}

/* Both kinds in one list: each kind's scores are scaled to its best. */
static void merge(struct nx_search_run *r, const struct nx_hit *entities, size_t n)
{
	struct nx_search *s = r->s;
	size_t i = 0, j = 0, k = 0;
	struct nx_hit *chunks = nx_arena_memdup(s->arena, s->hits, (s->nhits + 1) * sizeof(*chunks));
	if (!chunks)
		return; /* passages alone, then */
	double best_chunk = s->nhits ? chunks[0].score : 1, best_entity = n ? entities[0].score : 1;
	for (; k < s->limit && (i < s->nhits || j < n); k++) {
		bool chunk =
			j >= n || (i < s->nhits && chunks[i].score / best_chunk >= entities[j].score / best_entity);
		s->hits[k] = chunk ? chunks[i++] : entities[j++];
	}
	s->nhits = k;
}

static int search_all(struct nx_search_run *r, struct nx_error **err)
{
	nx_auto_stemmer struct nx_stemmer *stemmer = nx_stemmer_new();
	struct nx_hit *entities = NULL;
	struct nx_term *t;
	size_t n, nentities = 0;
	if (!stemmer)
		return nx_error_set(err, NX_ENOMEM, "no memory for a search");
	int e = nx_text_analyse(stemmer, r->s->query, r->s->arena, &t, &n, err);
	if (e < 0)
		return e;
	pthread_rwlock_rdlock(&r->p->lock);
	if (r->s->kinds & NX_KIND_CHUNK)
		e = search_locked(r, t, n, err);
	if (e == 0 && (r->s->kinds & NX_KIND_ENTITY))
		e = nx_search_entities(r, t, n, &entities, &nentities, err);
	pthread_rwlock_unlock(&r->p->lock);
	if (e == 0 && nentities)
		merge(r, entities, nentities);
	return e;
}

/* ---- filling ---- */

static int fill_chunk(struct nx_search_run *r, struct nx_db *db, struct nx_hit *h, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	struct nx_arena *a = r->s->arena;
	int e = nx_db_query(
		db,
		"SELECT c.title, c.text, d.name, c.start, c.length, c.place FROM chunks c JOIN documents d ON d.id = c.document_id"
		" WHERE c.id = $1 AND c.tenant_id = $2",
		NX_PARAMS(nx_v_int(h->key), nx_v_int(r->s->tenant)), &rows, err);
	if (e < 0 || (e = nx_rows_next(rows, err)) <= 0)
		return e;
	h->title = nx_rows_textdup(rows, 0, a);
	h->text = nx_rows_textdup(rows, 1, a);
	h->document_name = nx_rows_textdup(rows, 2, a);
	h->start = nx_rows_int(rows, 3);
	h->length = nx_rows_int(rows, 4);
	h->place = nx_rows_textdup(rows, 5, a);
	if (!h->title.p || !h->text.p || !h->document_name.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a hit");
	return 1;
}

int nx_search_fill(struct nx_search_run *r, struct nx_error **err)
{
	struct nx_db *db = nx_store_reader(r->k->store);
	size_t n = 0;
	for (size_t i = 0; i < r->s->nhits; i++) {
		struct nx_hit *h = &r->s->hits[i];
		int e = h->kind == NX_KIND_CHUNK ? fill_chunk(r, db, h, err) : nx_search_fill_entity(r, db, h, err);
		if (e < 0)
			return e;
		if (e > 0) /* else it was deleted between the search and now */
			r->s->hits[n++] = r->s->hits[i];
	}
	r->s->nhits = n;
	return 0;
}

/* ---- the way ---- */

static int run(struct nx_search_run *r, struct nx_error **err)
{
	r->p = nx_knowledge_find_partition(r->k, r->s->tenant, r->s->space.p ? r->s->space : NX_STR(""));
	if (!r->p)
		return 0;
	r->s->hits = new_hits(r, r->s->limit, err);
	if (!r->s->hits)
		return NX_ENOMEM;
	int e = search_all(r, err);
	return e < 0 ? e : nx_search_fill(r, err);
}

static void job_run(struct nx_job *j)
{
	struct nx_search *s = nx_container_of(j, struct nx_search, job);
	struct nx_search_run *r = s->priv;
	struct nx_span span;
	nx_span_start(&span, s->trace, "knowledge.search");
	span.tenant = s->tenant;
	nx_span_attr_str(&span, "mode", nx_str_z(nx_search_mode_names[s->mode]));
	if (!r->err)
		(void)run(r, &r->err);
	nx_span_attr_int(&span, "hits", (int64_t)s->nhits);
	nx_span_end(&span, nx_error_code(r->err));
	s->took_us = nx_time_mono_us() - r->started_us;
	nx_metric_observe(NX_M_SEARCH_TIME, nx_search_mode_names[s->mode], NULL, (double)s->took_us / 1e6);
}

static void job_done(struct nx_job *j)
{
	struct nx_search *s = nx_container_of(j, struct nx_search, job);
	struct nx_search_run *r = s->priv;
	struct nx_knowledge *k = r->k;
	struct nx_error *err = r->err;
	nx_filter_done(r->filter);
	s->priv = NULL;
	nx_knowledge_leave(k);
	s->done(s, err);
	nx_error_free(err);
}

static void post(struct nx_search *s, struct nx_knowledge *k)
{
	s->job = (struct nx_job){.run = job_run, .done = job_done, .reply = s->reply};
	nx_workers_post(k->workers, &s->job);
}

static void embedded(struct nx_embed *e, struct nx_error *err)
{
	struct nx_search *s = nx_container_of(e, struct nx_search, embed);
	struct nx_search_run *r = s->priv;
	if (!err)
		r->query_vector = e->vectors;
	else if (s->mode == NX_SEARCH_VECTOR)
		r->err = nx_error_copy(err);
	else
		nx_log_warn("knowledge", "searching without vectors: the query could not be embedded", NX_LERR(err));
	post(s, r->k);
}

static void out_of_memory(struct nx_job *j)
{
}

static void out_of_memory_done(struct nx_job *j)
{
	struct nx_search *s = nx_container_of(j, struct nx_search, job);
	struct nx_error *err = NULL;
	(void)nx_error_set(&err, NX_ENOMEM, "no memory for a search");
	s->done(s, err);
	nx_error_free(err);
}

/* MiniLM knows English alone: to an Arabic question its neighbours are noise (R@1 of 0.3 on XQuAD-ar). */
static bool wants_vector(const struct nx_knowledge *k, const struct nx_search *s)
{
	if (!nx_knowledge_has_vectors(k) || (s->mode != NX_SEARCH_HYBRID && s->mode != NX_SEARCH_VECTOR))
		return false;
	bool english_only = strncmp(nx_embed_model(k->models), "minilm", 6) == 0;
	return s->mode == NX_SEARCH_VECTOR || !english_only || strcmp(nx_text_language(s->query), "ar") != 0;
}

void nx_knowledge_search(struct nx_knowledge *k, struct nx_search *s)
{
	struct nx_search_run *r = nx_arena_new_of(s->arena, struct nx_search_run);
	s->hits = NULL;
	s->nhits = 0;
	s->priv = r;
	if (!r) {
		s->job = (struct nx_job){.run = out_of_memory, .done = out_of_memory_done, .reply = s->reply};
		nx_workers_post(k->workers, &s->job);
		return;
	}
	*r = (struct nx_search_run){.k = k, .s = s, .started_us = nx_time_mono_us()};
	nx_knowledge_enter(k);
	if (check(r, &r->err) < 0 || !wants_vector(k, s)) {
		post(s, k);
		return;
	}
	s->embed = (struct nx_embed){.arena = s->arena, .texts = &s->query, .n = 1, .is_query = true, .done = embedded};
	nx_embed_start(k->models, &s->embed);
}

/* ---- JSON ---- */

static bool add_score(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, double v)
{
	return isnan(v) ? yyjson_mut_obj_add_null(d, o, key) : yyjson_mut_obj_add_real(d, o, key, v);
}

static yyjson_mut_val *hit_json(const struct nx_hit *h, bool explain, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d), *scores = yyjson_mut_obj(d), *path = yyjson_mut_arr(d);
	bool chunk = h->kind == NX_KIND_CHUNK;
	bool ok = nx_json_add_strz(d, o, "kind", chunk ? "chunk" : "entity") &&
		  nx_json_add_id(d, o, "document_id", h->document) &&
		  nx_json_add_str(d, o, "document", h->document_name) && nx_json_add_id(d, o, "chunk_id", h->chunk) &&
		  nx_json_add_str(d, o, "title", h->title) && nx_json_add_str(d, o, "text", h->text) &&
		  (!chunk ||
		   (yyjson_mut_obj_add_int(d, o, "start", h->start) &&
		    yyjson_mut_obj_add_int(d, o, "length", h->length) && nx_json_add_raw(d, o, "place", h->place))) &&
		  nx_json_add_raw(d, o, "entity", h->entity_json) && yyjson_mut_obj_add_real(d, o, "score", h->score) &&
		  add_score(d, scores, "text", h->text_score) && add_score(d, scores, "vector", h->vector_score) &&
		  add_score(d, scores, "graph", h->graph_score) && yyjson_mut_obj_add_val(d, o, "scores", scores);
	for (size_t i = 0; ok && i < h->npath; i++)
		ok = yyjson_mut_arr_add_strncpy(d, path, h->path[i].p, h->path[i].n);
	return ok && yyjson_mut_obj_add_val(d, o, "path", path) ? o : NULL;
}

yyjson_mut_val *nx_search_json(const struct nx_search *s, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d), *hits = yyjson_mut_arr(d);
	for (size_t i = 0; i < s->nhits; i++)
		if (!yyjson_mut_arr_append(hits, hit_json(&s->hits[i], s->explain, d)))
			return NULL;
	bool ok = yyjson_mut_obj_add_val(d, o, "hits", hits) &&
		  yyjson_mut_obj_add_real(d, o, "took_ms", (double)s->took_us / 1e3);
	return ok ? o : NULL;
}
