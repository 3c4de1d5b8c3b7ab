/* Titles and names of a partition. */
#include "knowledge/partition.h"

#include "base/assert.h"

/* A new title whose rarest word occurs more often than this is not looked for in what is there already. */
#define REVERSE_MAX 5000

int nx_partition_add_node(struct nx_partition *p, enum nx_node_kind kind, uint32_t ref, uint32_t *ret,
			  struct nx_error **err)
{
	if (p->graph.n == p->nodes_cap) {
		uint32_t cap = p->nodes_cap ? 2 * p->nodes_cap : 64;
		struct nx_node *v = realloc(p->nodes, cap * sizeof(*v));
		if (!v)
			return nx_error_set(err, NX_ENOMEM, "no memory for a node of the graph");
		p->nodes = v;
		p->nodes_cap = cap;
	}
	int r = nx_graph_add_node(&p->graph, ret, err);
	if (r == 0)
		p->nodes[*ret] = (struct nx_node){.kind = kind, .ref = ref};
	return r;
}

/* ---- forms ---- */

/* و ف ب ك ل س: all are two bytes long. */
static bool has_particle(nx_str s)
{
	static const char *const particles[] = {"و", "ف", "ب", "ك", "ل", "س"};
	if (s.n < 6)
		return false;
	for (size_t i = 0; i < nx_countof(particles); i++)
		if (memcmp(s.p, particles[i], 2) == 0)
			return true;
	return false;
}

static struct nx_form form_of(const struct nx_partition *p, const struct nx_term *t)
{
	struct nx_form f = {.capital = t->flags & NX_W_CAPITAL};
	if (!(t->flags & NX_W_ARABIC)) {
		f.form = nx_partition_find_term(p, NX_TERM_SURFACE, t->surface);
		return f;
	}
	f.form = nx_partition_find_term(p, NX_TERM_ARABIC, t->stem);
	if (has_particle(t->stem))
		f.without_particle = nx_partition_find_term(p, NX_TERM_ARABIC, nx_str_slice(t->stem, 2, t->stem.n));
	return f;
}

int nx_partition_forms(const struct nx_partition *p, const struct nx_term *t, size_t n, struct nx_arena *a,
		       struct nx_form **ret, struct nx_error **err)
{
	struct nx_form *f = nx_arena_array(a, struct nx_form, n + 1);
	if (!f)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu words", n);
	for (size_t i = 0; i < n; i++)
		f[i] = form_of(p, &t[i]);
	*ret = f;
	return 0;
}

/* ---- a new title among the passages there are ---- */

struct reverse {
	struct nx_partition *p;
	const struct nx_title *title;
	uint32_t number, doc;
	struct nx_error **err;
	int result;
};

static bool link_slot_to_title(void *ctx, uint32_t slot)
{
	struct reverse *r = ctx;
	struct nx_partition *p = r->p;
	const struct nx_slot *s = &p->slots[slot];
	if (s->doc == r->doc || s->node == NX_MAP_NONE)
		return true;
	pthread_rwlock_wrlock(&p->lock);
	r->result = nx_graph_add_edge(&p->graph, s->node, r->title->node, NX_EDGE_SAYS_TITLE,
				      NX_EDGE_SAYS_TITLE + NX_EDGE_BACK, r->number, 1, r->err);
	pthread_rwlock_unlock(&p->lock);
	return r->result == 0;
}

/* What to look for; false when its words are too common, or function words alone. */
static bool sequence_of(const struct nx_partition *p, const struct nx_title *t, struct nx_text_sequence *ret)
{
	uint32_t rarest = REVERSE_MAX;
	*ret = (struct nx_text_sequence){.n = t->n, .is_arabic = t->arabic, .needs_capital = t->n == 1 && !t->arabic};
	for (uint32_t i = 0; i < t->n; i++) {
		nx_str s = nx_dict_string(&p->dict, t->forms[i]);
		ret->words[i] = s;
		if (nx_stop_word(s, t->arabic ? NX_W_ARABIC : 0))
			continue;
		uint32_t df = nx_text_df(&p->text, t->arabic ? NX_TEXT_ROOT : NX_TEXT_SURFACE, s);
		rarest = nx_min(rarest, df ? df : rarest);
	}
	return rarest < REVERSE_MAX;
}

static int link_earlier(struct reverse *r, struct nx_arena *a)
{
	struct nx_text_sequence q;
	if (!sequence_of(r->p, r->title, &q))
		return 0;
	int e = nx_text_find_sequence(&r->p->text, &q, a, link_slot_to_title, r, r->err);
	return e < 0 ? e : r->result;
}

/* Forms of a title; 0 when it is no name: nothing but function words, or a lone number. */
static uint32_t title_forms(struct nx_partition *p, const struct nx_term *t, size_t n,
			    uint32_t forms[NX_TITLE_WORDS_MAX], bool *ret_arabic)
{
	bool is_name = false;
	*ret_arabic = n && (t[0].flags & NX_W_ARABIC);
	if (n == 0 || n > NX_TITLE_WORDS_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		bool arabic = t[i].flags & NX_W_ARABIC;
		forms[i] = nx_partition_add_term(p, arabic ? NX_TERM_ARABIC : NX_TERM_SURFACE,
						 arabic ? t[i].stem : t[i].surface);
		if (!forms[i])
			return 0;
		is_name = is_name || !(t[i].flags & (NX_W_STOP | NX_W_DIGIT));
	}
	return is_name ? (uint32_t)n : 0;
}

int nx_partition_add_title(struct nx_partition *p, uint32_t doc, struct nx_stemmer *s, struct nx_arena *scratch,
			   struct nx_error **err)
{
	uint32_t forms[NX_TITLE_WORDS_MAX];
	struct nx_term *t;
	size_t n;
	bool arabic, is_new = false;
	nx_arena_reset(scratch);
	int r = nx_text_analyse(s, nx_title_base(p->docs[doc].title), scratch, &t, &n, err);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&p->lock);
	uint32_t nforms = title_forms(p, t, n, forms, &arabic);
	uint32_t number = nforms ? nx_titles_add(&p->titles, forms, nforms, arabic, &is_new) : NX_MAP_NONE;
	if (nforms && number == NX_MAP_NONE)
		r = nx_error_set(err, NX_ENOMEM, "no memory for a title");
	if (is_new)
		r = nx_partition_add_node(p, NX_NODE_TITLE, number, &p->titles.v[number].node, err);
	if (number != NX_MAP_NONE && r == 0)
		p->titles.v[number].ndocs++;
	p->docs[doc].title_number = number;
	pthread_rwlock_unlock(&p->lock);
	if (!is_new || r < 0)
		return r;
	return link_earlier(&(struct reverse){p, &p->titles.v[number], number, doc, err, 0}, scratch);
}

/* ---- a new passage ---- */

static int link_titles(struct nx_partition *p, uint32_t slot, const struct nx_form *says, size_t n,
		       struct nx_error **err)
{
	uint32_t own = p->docs[p->slots[slot].doc].title_number, seen[64];
	size_t nseen = 0;
	for (size_t i = 0; i < n;) {
		struct nx_title_match m;
		if (!nx_titles_match(&p->titles, says, n, i, &m)) {
			i++;
			continue;
		}
		i += m.n;
		bool known = m.title == own;
		for (size_t j = 0; j < nseen && !known; j++)
			known = seen[j] == m.title;
		if (known || nseen == nx_countof(seen))
			continue;
		seen[nseen++] = m.title;
		int r = nx_graph_add_edge(&p->graph, p->slots[slot].node, p->titles.v[m.title].node, NX_EDGE_SAYS_TITLE,
					  NX_EDGE_SAYS_TITLE + NX_EDGE_BACK, m.title, 1, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int nx_partition_name_node(struct nx_partition *p, nx_str folded, uint32_t *ret, struct nx_error **err)
{
	uint32_t term = nx_partition_add_term(p, NX_TERM_NAME, folded);
	if (!term || !nx_map_reserve(&p->name_nodes, 1))
		return nx_error_set(err, NX_ENOMEM, "no memory for a name");
	*ret = nx_map_get(&p->name_nodes, term);
	if (*ret != NX_MAP_NONE)
		return 0;
	int r = nx_partition_add_node(p, NX_NODE_NAME, term, ret, err);
	if (r == 0)
		(void)nx_map_set(&p->name_nodes, term, *ret);
	return r;
}

int nx_partition_link_slot(struct nx_partition *p, uint32_t slot, const struct nx_form *says, size_t nsays,
			   const struct nx_name *names, size_t nnames, struct nx_error **err)
{
	struct nx_slot *s = &p->slots[slot];
	uint32_t title = p->docs[s->doc].title_number, name;
	int r = nx_partition_add_node(p, NX_NODE_CHUNK, slot, &s->node, err);
	if (r == 0 && title != NX_MAP_NONE)
		r = nx_graph_add_edge(&p->graph, s->node, p->titles.v[title].node, NX_EDGE_HAS_TITLE,
				      NX_EDGE_HAS_TITLE + NX_EDGE_BACK, title, 1, err);
	if (r == 0)
		r = link_titles(p, slot, says, nsays, err);
	for (size_t i = 0; i < nnames && r == 0; i++) {
		r = nx_partition_name_node(p, names[i].folded, &name, err);
		if (r == 0)
			r = nx_graph_add_edge(&p->graph, s->node, name, NX_EDGE_SAYS_NAME,
					      NX_EDGE_SAYS_NAME + NX_EDGE_BACK, names[i].count, 1, err);
	}
	return r;
}
