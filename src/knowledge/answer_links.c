/* How two sentences belong together. */
#include "knowledge/answer_internal.h"

static bool says(const struct answer_sentence *s, const struct nx_term *title, size_t n)
{
	if (n == 0 || n > s->n)
		return false;
	for (size_t at = 0; at + n <= s->n; at++) {
		size_t i = 0;
		while (i < n) {
			nx_str a = s->t[at + i].stem, b = title[i].stem;
			bool arabic = title[i].flags & NX_W_ARABIC;
			if (!nx_str_eq(a, b) && !(i == 0 && arabic && nx_answer_is_behind_particle(a, b)))
				break;
			i++;
		}
		if (i == n)
			return true;
	}
	return false;
}

static bool is_new_name(const struct answer_composer *c, const struct nx_term *t)
{
	return (t->flags & NX_W_CAPITAL) && !(t->flags & NX_W_STOP) && !nx_answer_is_asked(c, t->stem);
}

/* A name of two words in both that the question does not hold. */
static bool share_name(const struct answer_composer *c, const struct answer_sentence *a,
		       const struct answer_sentence *b)
{
	for (size_t i = 0; i + 1 < a->n; i++) {
		if (!is_new_name(c, &a->t[i]) || !is_new_name(c, &a->t[i + 1]))
			continue;
		for (size_t j = 0; j + 1 < b->n; j++)
			if ((b->t[j].flags & b->t[j + 1].flags & NX_W_CAPITAL) &&
			    nx_str_eq(a->t[i].surface, b->t[j].surface) &&
			    nx_str_eq(a->t[i + 1].surface, b->t[j + 1].surface))
				return true;
	}
	return false;
}

/* The title of the passage is a thing that the question does not name, and `by` says it. */
static bool is_bridge(const struct answer_composer *c, const struct answer_sentence *by, size_t passage)
{
	bool is_new = false;
	for (size_t i = 0; i < c->ntitles[passage]; i++) {
		const struct nx_term *t = &c->titles[passage][i];
		is_new = is_new || (!(t->flags & NX_W_STOP) && !nx_answer_is_asked(c, t->stem));
	}
	return is_new && says(by, c->titles[passage], c->ntitles[passage]);
}

enum answer_link nx_answer_link(const struct answer_composer *c, const struct answer_sentence *a,
				const struct answer_sentence *b)
{
	if (nx_str_eq(c->p[a->passage].document, c->p[b->passage].document))
		return ANSWER_LINK_SAME;
	if (is_bridge(c, a, b->passage) || is_bridge(c, b, a->passage) || share_name(c, a, b))
		return ANSWER_LINK_BRIDGE;
	/* "… first, A or B?": each is about another name of the question. */
	if ((a->title & c->names & ~b->all) && (b->title & c->names & ~a->all))
		return ANSWER_LINK_COMPARE;
	return ANSWER_LINK_NONE;
}
