#include "knowledge/answer_internal.h"

#include <math.h>

#define FOUND_COVER 0.6     /* of all words of the question, context counted in part */
#define FOUND_RELATION 0.55 /* of its words that are no names */
#define FOUND_NAMES 0.6     /* of its names */
#define CONTEXT_SHARE 0.6   /* what a word is worth that only the rest of the passage holds */
#define BRIDGE_VALUE 0.06   /* a sentence of another document that is linked by a thing the question does not name */
#define KEY_VALUE 0.15
#define FURTHER_COST 0.1
#define NEW_COVER 0.12 /* a further sentence covers at least so much */

/* ---- sets ---- */

static void evaluate(const struct answer_composer *c, struct answer_set *x)
{
	double rank = 0, own = 0;
	x->mask = x->context = 0;
	x->has_kind = false;
	for (size_t i = 0; i < x->n; i++) {
		const struct answer_sentence *s = &c->s[x->v[i]];
		x->mask |= s->all;
		x->context |= c->context_masks[s->passage];
		x->has_kind = x->has_kind || nx_answer_has_kind(c, s);
		rank += nx_answer_rank(c, s) / (double)x->n;
		own = fmax(own, nx_answer_weigh(c, s->own | (s->title & c->names)));
	}
	x->covered = nx_answer_weigh(c, x->mask) + CONTEXT_SHARE * nx_answer_weigh(c, x->context & ~x->mask);
	x->value = x->covered + 0.25 * own + ANSWER_KIND_VALUE * x->has_kind + ANSWER_RANK_VALUE * rank +
		   BRIDGE_VALUE * (x->bridges > 0) + KEY_VALUE * ((c->key & x->mask) != 0) -
		   FURTHER_COST * (double)(x->n - 1);
}

/* The strongest link of a sentence with the set, ANSWER_LINK_NONE when it may not join: each of several must say something of what
 * is asked beside names, and the newcomer something new. */
static enum answer_link link_with(const struct answer_composer *c, const struct answer_set *x, size_t i)
{
	const struct answer_sentence *s = &c->s[i];
	enum answer_link best = ANSWER_LINK_NONE;
	if (!(s->own & ~c->names))
		return ANSWER_LINK_NONE;
	for (size_t j = 0; j < x->n; j++) {
		const struct answer_sentence *o = &c->s[x->v[j]];
		if (x->v[j] == i || !(o->own & ~c->names))
			return ANSWER_LINK_NONE;
		enum answer_link l = nx_answer_link(c, o, s);
		best = nx_max(best, l);
	}
	uint64_t fresh = (best == ANSWER_LINK_COMPARE ? s->all : s->own) & ~x->mask;
	double gain =
		nx_answer_weigh(c, fresh & ~x->context) + (1 - CONTEXT_SHARE) * nx_answer_weigh(c, fresh & x->context);
	bool brings = gain >= NEW_COVER || (fresh & c->key) || (!x->has_kind && nx_answer_has_kind(c, s));
	return brings ? best : ANSWER_LINK_NONE;
}

static void grow(const struct answer_composer *c, const struct answer_set *from, struct answer_set *best)
{
	size_t n = nx_min(c->ns, (size_t)ANSWER_KEPT_MAX);
	if (from->value > best->value)
		*best = *from;
	if (from->n == NX_ANSWER_SENTENCES)
		return;
	for (size_t i = 0; i < n; i++) {
		struct answer_set next = *from;
		enum answer_link l = link_with(c, from, i);
		if (l == ANSWER_LINK_NONE)
			continue;
		next.v[next.n++] = i;
		next.bridges += l == ANSWER_LINK_BRIDGE;
		evaluate(c, &next);
		if (next.value > from->value)
			grow(c, &next, best);
	}
}

/* The order of telling: from what the question names to what it asks for. */
static void put_in_order(const struct answer_composer *c, struct answer_set *x)
{
	for (size_t i = 1; i < x->n; i++) {
		for (size_t j = i; j > 0; j--) {
			const struct answer_sentence *a = &c->s[x->v[j - 1]], *b = &c->s[x->v[j]];
			bool same = a->passage == b->passage;
			bool swap =
				same ? b->text.p < a->text.p
				     : nx_answer_weigh(c, b->all & c->names) > nx_answer_weigh(c, a->all & c->names);
			if (!swap)
				break;
			size_t t = x->v[j];
			x->v[j] = x->v[j - 1];
			x->v[j - 1] = t;
		}
	}
}

static void write_answer(const struct answer_composer *c, struct answer_set *x, struct nx_answer *ret)
{
	put_in_order(c, x);
	for (size_t i = 0; i < x->n; i++)
		ret->v[ret->n++] = (struct nx_answer_sentence){c->s[x->v[i]].passage, c->s[x->v[i]].text};
	uint64_t seen = x->mask | x->context, all = c->nwords ? UINT64_MAX >> (64 - c->nwords) : 0;
	double names = nx_answer_weigh(c, c->names), relation = nx_answer_weigh(c, all & ~c->names & ~c->soft);
	bool names_seen = nx_answer_weigh(c, c->names & seen) >= FOUND_NAMES * names;
	bool relation_seen = nx_answer_weigh(c, x->mask & ~c->names & ~c->soft) >= FOUND_RELATION * relation;
	ret->covered = x->covered;
	ret->sentences = c->ns;
	ret->found =
		x->n && x->covered >= FOUND_COVER && x->has_kind && names_seen && relation_seen && !(c->key & ~x->mask);
	ret->confidence = fmin(1, fmax(0, x->covered * (x->has_kind ? 1 : 0.5) * (ret->found ? 1 : 0.5)));
}

int nx_answer_compose(nx_str question, const struct nx_passage *p, size_t n,
		      double (*idf)(void *ctx, const struct nx_term *t), void *ctx, struct nx_arena *a,
		      struct nx_answer *ret, struct nx_error **err)
{
	nx_auto_stemmer struct nx_stemmer *stemmer = nx_stemmer_new();
	struct answer_composer c = {.p = p, .np = n, .a = a, .stemmer = stemmer};
	struct answer_set best = {.value = -1};
	struct nx_term *q;
	*ret = (struct nx_answer){0};
	if (!stemmer)
		return nx_error_set(err, NX_ENOMEM, "no memory for an answer");
	int r = nx_text_analyse(stemmer, question, a, &q, &c.nq, err);
	if (r < 0)
		return r;
	c.q = q;
	nx_answer_read_question(&c, idf, ctx);
	if (c.nwords == 0 || n == 0)
		return 0;
	r = nx_answer_read_titles(&c, err);
	if (r == 0)
		r = nx_answer_read_sentences(&c, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < nx_min(c.ns, (size_t)ANSWER_KEPT_MAX); i++) {
		struct answer_set one = {.v = {i}, .n = 1};
		evaluate(&c, &one);
		grow(&c, &one, &best);
	}
	if (best.n)
		write_answer(&c, &best, ret);
	return 0;
}
