#include "knowledge/partition.h"

#include "base/assert.h"
#include "base/fault.h"

/* Varint of 32 bits. */
#define WORD_BYTES_MAX 5

/* One passage on its way in: its terms are found and numbered under the exclusive lock, everything else before. */
struct adder {
	struct nx_partition *p;
	struct nx_stemmer *stemmer;
	struct nx_arena *scratch;
	struct nx_term *title, *text;
	size_t ntitle, ntext;
	struct nx_name *names;
	size_t nnames;
	uint32_t *ids; /* terms with repetition */
	size_t nids, ids_cap;
};

static bool push_id(struct adder *a, uint32_t id)
{
	if (id == 0)
		return false;
	if (a->nids == a->ids_cap) {
		size_t cap = a->ids_cap ? 2 * a->ids_cap : 512;
		uint32_t *v = nx_arena_realloc(a->scratch, a->ids, a->ids_cap * sizeof(*v), cap * sizeof(*v));
		if (!v)
			return false;
		a->ids = v;
		a->ids_cap = cap;
	}
	a->ids[a->nids++] = id;
	return true;
}

static bool push_part(void *ctx, nx_str part)
{
	struct adder *a = ctx;
	return push_id(a, nx_partition_add_term(a->p, NX_TERM_STEM, part));
}

static bool set_root(struct nx_partition *p, uint32_t surface, uint32_t stem)
{
	if (surface >= p->roots_cap) {
		uint32_t cap = nx_max(p->dict.cap, surface + 1);
		uint32_t *v = realloc(p->roots, cap * sizeof(*v));
		if (!v)
			return false;
		memset(v + p->roots_cap, 0, (cap - p->roots_cap) * sizeof(*v));
		p->roots = v;
		p->roots_cap = cap;
	}
	p->roots[surface] = stem;
	return true;
}

static bool reserve_words(struct nx_partition *p, size_t words)
{
	uint64_t need = p->nwords + words * WORD_BYTES_MAX;
	if (need <= p->words_cap)
		return true;
	uint64_t cap = nx_max(need, p->words_cap + p->words_cap / 2);
	uint8_t *v = realloc(p->words, cap);
	if (!v)
		return false;
	p->words = v;
	p->words_cap = cap;
	return true;
}

static void put_word(struct nx_partition *p, uint32_t v)
{
	while (v >= 0x80) {
		p->words[p->nwords++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	p->words[p->nwords++] = (uint8_t)v;
}

static bool add_term(struct adder *a, const struct nx_term *t)
{
	struct nx_partition *p = a->p;
	bool arabic = t->flags & NX_W_ARABIC;
	uint32_t surface = nx_partition_add_term(p, NX_TERM_SURFACE, t->surface);
	uint32_t root = nx_partition_add_term(p, arabic ? NX_TERM_ARABIC : NX_TERM_STEM, t->stem);
	if (!surface || !root || !set_root(p, surface, root))
		return false;
	put_word(p, (arabic ? root : surface) << 1 | ((t->flags & NX_W_CAPITAL) != 0));
	if (t->flags & NX_W_STOP)
		return true;
	return push_id(a, surface) && nx_stem_parts(t->stem, arabic, push_part, a);
}

static bool add_terms(struct adder *a)
{
	for (size_t i = 0; i < a->ntitle; i++)
		if (!add_term(a, &a->title[i]))
			return false;
	put_word(a->p, 0);
	for (size_t i = 0; i < a->ntext; i++)
		if (!add_term(a, &a->text[i]))
			return false;
	return true;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* Terms with their frequencies. */
static struct nx_term_freq *count_terms(struct adder *a, size_t *ret_n)
{
	struct nx_term_freq *f = nx_arena_array(a->scratch, struct nx_term_freq, a->nids + 1);
	size_t n = 0;
	if (!f)
		return NULL;
	if (a->nids)
		qsort(a->ids, a->nids, sizeof(*a->ids), by_number);
	for (size_t i = 0; i < a->nids; i++) {
		if (n && f[n - 1].term == a->ids[i])
			f[n - 1].tf++;
		else
			f[n++] = (struct nx_term_freq){a->ids[i], 1};
	}
	*ret_n = n;
	return f;
}

static bool reserve_slot(struct nx_partition *p)
{
	if (p->nslots < p->slots_cap)
		return true;
	uint32_t cap = p->slots_cap ? p->slots_cap * 2 : 256;
	struct nx_slot *slots = realloc(p->slots, cap * sizeof(*slots));
	if (!slots)
		return false;
	p->slots = slots;
	uint64_t *alive = realloc(p->alive, cap / 64 * sizeof(*alive));
	if (!alive)
		return false;
	p->alive = alive;
	memset(alive + p->slots_cap / 64, 0, (cap - p->slots_cap) / 64 * sizeof(*alive));
	p->slots_cap = cap;
	return true;
}

static int link_slot(struct adder *a, uint32_t slot, struct nx_error **err)
{
	struct nx_form *title, *text;
	int r = nx_partition_forms(a->p, a->title, a->ntitle, a->scratch, &title, err);
	if (r == 0)
		r = nx_partition_forms(a->p, a->text, a->ntext, a->scratch, &text, err);
	if (r < 0)
		return r;
	/* One sequence with a gap, so that no title is found across title and text. */
	struct nx_form *says = nx_arena_array(a->scratch, struct nx_form, a->ntitle + a->ntext + 1);
	if (!says)
		return nx_error_set(err, NX_ENOMEM, "no memory for a passage");
	memcpy(says, title, a->ntitle * sizeof(*says));
	memcpy(says + a->ntitle + 1, text, a->ntext * sizeof(*says));
	return nx_partition_link_slot(a->p, slot, says, a->ntitle + a->ntext + 1, a->names, a->nnames, err);
}

static int index_slot(struct adder *a, uint32_t doc, const struct nx_prepared_chunk *c, struct nx_error **err)
{
	struct nx_partition *p = a->p;
	size_t n = a->ntitle + a->ntext + 1;
	if (!reserve_slot(p) || !reserve_words(p, n) || !nx_map_reserve(&p->slot_by_key, 1))
		return nx_error_set(err, NX_ENOMEM, "no memory for a passage");
	uint64_t words = p->nwords;
	struct nx_term_freq *f = NULL;
	size_t nf = 0;
	if (add_terms(a))
		f = count_terms(a, &nf);
	if (!f || nx_postings_add(&p->text, p->nslots, f, nf, NULL) < 0) {
		p->nwords = words;
		return nx_error_set(err, NX_ENOMEM, "no memory for the words of a passage");
	}
	p->slots[p->nslots] = (struct nx_slot){.key = c->key,
					       .uid = c->uid,
					       .doc = doc,
					       .node = NX_MAP_NONE,
					       .vector = NX_HNSW_NONE,
					       .nwords = (uint32_t)n,
					       .words = words};
	(void)nx_map_set(&p->slot_by_key, (uint64_t)c->key, p->nslots);
	p->nslots++;
	p->docs[doc].n++;
	return p->docs[doc].indexes & NX_PARTITION_GRAPH ? link_slot(a, p->nslots - 1, err) : 0;
}

/* A passage is about what its document's title names. */
static int add_title_name(struct adder *a, uint32_t doc, struct nx_error **err)
{
	nx_str base = nx_title_base(a->p->docs[doc].title), folded;
	int r = nx_name_fold(base, a->scratch, &folded, err);
	if (r < 0 || folded.n == 0 || folded.n > NX_TITLE_NAME_MAX)
		return r;
	for (size_t i = 0; i < a->nnames; i++)
		if (nx_str_eq(a->names[i].folded, folded))
			return 0;
	struct nx_name *v = nx_arena_array(a->scratch, struct nx_name, a->nnames + 1);
	if (!v)
		return nx_error_set(err, NX_ENOMEM, "no memory for a passage");
	if (a->nnames)
		memcpy(v, a->names, a->nnames * sizeof(*v));
	v[a->nnames++] = (struct nx_name){.folded = folded, .surface = base, .kind = NX_NAME_TITLE, .count = 1};
	a->names = v;
	return 0;
}

static int add_chunk(struct adder *a, uint32_t doc, const struct nx_prepared_chunk *c, struct nx_error **err)
{
	nx_arena_reset(a->scratch);
	a->ids = NULL;
	a->nids = a->ids_cap = 0;
	int r = nx_text_analyse(a->stemmer, c->title, a->scratch, &a->title, &a->ntitle, err);
	if (r == 0)
		r = nx_text_analyse(a->stemmer, c->text, a->scratch, &a->text, &a->ntext, err);
	if (r == 0)
		r = nx_names_find(c->text, a->text, a->ntext, a->scratch, &a->names, &a->nnames, err);
	if (r == 0)
		r = add_title_name(a, doc, err);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&a->p->lock);
	r = index_slot(a, doc, c, err);
	pthread_rwlock_unlock(&a->p->lock);
	return r;
}

static nx_str append(char *buf, size_t *at, nx_str s)
{
	if (s.n)
		memcpy(buf + *at, s.p, s.n);
	nx_str r = {buf + *at, s.n};
	*at += s.n;
	return r;
}

/* The document's row in the tables, hidden. NX_MAP_NONE when it is known already; *ret_failed when out of memory. */
static uint32_t new_doc(struct nx_partition *p, const struct nx_prepared_doc *d, bool *ret_failed)
{
	*ret_failed = false;
	if (nx_map_get(&p->doc_by_key, (uint64_t)d->key) != NX_MAP_NONE)
		return NX_MAP_NONE;
	*ret_failed = true;
	if (p->ndocs == p->docs_cap) {
		uint32_t cap = p->docs_cap ? 2 * p->docs_cap : 64;
		struct nx_doc *v = realloc(p->docs, cap * sizeof(*v));
		if (!v)
			return NX_MAP_NONE;
		p->docs = v;
		p->docs_cap = cap;
	}
	char *buf = malloc(d->name.n + d->title.n + d->metadata.n + 1);
	if (!buf || !nx_map_set(&p->doc_by_key, (uint64_t)d->key, p->ndocs)) {
		free(buf);
		return NX_MAP_NONE;
	}
	*ret_failed = false;
	size_t at = 0;
	struct nx_doc *doc = &p->docs[p->ndocs];
	*doc = (struct nx_doc){
		.key = d->key, .uid = d->uid, .first = p->nslots, .title_number = NX_MAP_NONE, .indexes = d->indexes};
	doc->name = append(buf, &at, d->name);
	doc->title = append(buf, &at, d->title);
	doc->metadata = append(buf, &at, d->metadata);
	return p->ndocs++;
}

static int add_doc(struct adder *a, const struct nx_prepared_doc *d, struct nx_error **err)
{
	bool failed;
	pthread_rwlock_wrlock(&a->p->lock);
	uint32_t doc = new_doc(a->p, d, &failed);
	pthread_rwlock_unlock(&a->p->lock);
	if (failed)
		return nx_error_set(err, NX_ENOMEM, "no memory for a document");
	if (doc == NX_MAP_NONE)
		return 0;
	int r = d->indexes & NX_PARTITION_GRAPH ? nx_partition_add_title(a->p, doc, a->stemmer, a->scratch, err) : 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < d->nchunks; i++) {
		r = add_chunk(a, doc, &d->chunks[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int nx_partition_add_hidden(struct nx_partition *p, const struct nx_prepared_doc *d, struct nx_error **err)
{
	nx_auto_stemmer struct nx_stemmer *stemmer = nx_stemmer_new();
	nx_auto_arena struct nx_arena *scratch = nx_arena_new(0);
	if (!stemmer || !scratch)
		return nx_error_set(err, NX_ENOMEM, "no memory to index a document");
	struct adder a = {.p = p, .stemmer = stemmer, .scratch = scratch};
	pthread_mutex_lock(&p->builder);
	int r = add_doc(&a, d, err);
	pthread_mutex_unlock(&p->builder);
	return r;
}

/* ---- queries ---- */

/* Beside its stem, a word's exact form counts for a part: "Williams" is nearer to "Williams" than "William" is. */
#define SURFACE_WEIGHT 0.4

struct query {
	const struct nx_partition *p;
	struct nx_query_term *v;
	size_t n, cap;
	double weight;
};

static bool add_query_term(struct query *q, uint32_t term, double weight)
{
	if (term == 0)
		return true;
	for (size_t i = 0; i < q->n; i++) {
		if (q->v[i].term == term) {
			q->v[i].weight += weight;
			return true;
		}
	}
	if (q->n < q->cap)
		q->v[q->n++] = (struct nx_query_term){term, weight};
	return true;
}

static bool add_query_part(void *ctx, nx_str part)
{
	struct query *q = ctx;
	return add_query_term(q, nx_partition_find_term(q->p, NX_TERM_STEM, part), q->weight);
}

int nx_partition_query_terms(const struct nx_partition *p, const struct nx_term *t, size_t n, struct nx_arena *a,
			     struct nx_query_term **ret, size_t *ret_n, struct nx_error **err)
{
	struct query q = {.p = p, .weight = 1, .cap = 0};
	for (size_t i = 0; i < n; i++) {
		q.cap += 1 + t[i].stem.n;
	}
	q.v = nx_arena_array(a, struct nx_query_term, q.cap + 1);
	if (!q.v)
		return nx_error_set(err, NX_ENOMEM, "no memory for a query of %zu words", n);
	for (size_t i = 0; i < n; i++) {
		if (t[i].flags & NX_W_STOP)
			continue;
		(void)add_query_term(&q, nx_partition_find_term(p, NX_TERM_SURFACE, t[i].surface), SURFACE_WEIGHT);
		(void)nx_stem_parts(t[i].stem, t[i].flags & NX_W_ARABIC, add_query_part, &q);
	}
	*ret = q.v;
	*ret_n = q.n;
	return 0;
}
