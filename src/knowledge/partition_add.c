#include "knowledge/partition.h"

#include "base/assert.h"
#include "base/fault.h"

/* One passage on its way in: its terms are found and numbered under the exclusive lock, everything else before. */
struct adder {
	struct nx_partition *p;
	struct nx_stemmer *stemmer;
	struct nx_arena *scratch;
	struct nx_term *title, *text;
	size_t ntitle, ntext;
	struct nx_name *names;
	size_t nnames;
};

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
	if (!reserve_slot(p) || !nx_map_reserve(&p->slot_by_key, 1))
		return nx_error_set(err, NX_ENOMEM, "no memory for a passage");
	int r = nx_text_index_add(&p->text, p->nslots, c->key, a->title, a->ntitle, a->text, a->ntext, err);
	if (r < 0)
		return r;
	p->slots[p->nslots] =
		(struct nx_slot){.key = c->key, .uid = c->uid, .doc = doc, .node = NX_MAP_NONE, .vector = NX_HNSW_NONE};
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
