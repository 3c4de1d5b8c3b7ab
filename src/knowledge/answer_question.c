/* What a question asks for: its words, their weights, and the kind of thing. */
#include "knowledge/answer_internal.h"

#include <math.h>

#define HOW_SHARE 0.3 /* weight of "high" in "how high": the answer seldom repeats it */

bool nx_answer_is_asked(const struct answer_composer *c, nx_str stem)
{
	for (size_t i = 0; i < c->nwords; i++)
		if (nx_str_eq(c->words[i].stem, stem))
			return true;
	return false;
}

struct asking {
	const char *word;
	enum answer_kind kind;
};
/* Words that say what is asked for, not what it is about. */
static const struct asking askings[] = {
	{"who", ANSWER_KIND_NAME},    {"whom", ANSWER_KIND_NAME},   {"whose", ANSWER_KIND_NAME},
	{"where", ANSWER_KIND_NAME},  {"when", ANSWER_KIND_NUMBER}, {"what", ANSWER_KIND_ANY},
	{"which", ANSWER_KIND_ANY},   {"how", ANSWER_KIND_ANY},     {"why", ANSWER_KIND_ANY},
	{"many", ANSWER_KIND_NUMBER}, {"much", ANSWER_KIND_NUMBER}, {"year", ANSWER_KIND_NUMBER},
	{"name", ANSWER_KIND_ANY},    {"called", ANSWER_KIND_ANY},  {"long", ANSWER_KIND_ANY},
	{"من", ANSWER_KIND_NAME},     {"متى", ANSWER_KIND_NUMBER},  {"اين", ANSWER_KIND_NAME},
	{"كم", ANSWER_KIND_NUMBER},   {"ما", ANSWER_KIND_ANY},      {"ماذا", ANSWER_KIND_ANY},
	{"كيف", ANSWER_KIND_ANY},     {"لماذا", ANSWER_KIND_ANY},   {"عام", ANSWER_KIND_NUMBER},
	{"سنة", ANSWER_KIND_NUMBER},  {"هل", ANSWER_KIND_ANY},      {"اسم", ANSWER_KIND_ANY},
	{"tell", ANSWER_KIND_ANY},    {"give", ANSWER_KIND_ANY},    {"please", ANSWER_KIND_ANY},
	{"date", ANSWER_KIND_NUMBER}, {"person", ANSWER_KIND_NAME}, {"اي", ANSWER_KIND_ANY},
	{"first", ANSWER_KIND_ANY},   {"last", ANSWER_KIND_ANY},    {"earlier", ANSWER_KIND_ANY},
	{"later", ANSWER_KIND_ANY},   {"older", ANSWER_KIND_ANY},   {"younger", ANSWER_KIND_ANY},
	{"used", ANSWER_KIND_ANY},    {"located", ANSWER_KIND_ANY}, {"kind", ANSWER_KIND_ANY},
};

static const struct asking *asking_of(nx_str surface)
{
	for (size_t i = 0; i < nx_countof(askings); i++)
		if (nx_str_eqz(surface, askings[i].word))
			return &askings[i];
	return NULL;
}

static bool is_light(nx_str stem)
{
	static const char *const list[] = {"gave", "give", "given", "made", "make", "took",
					   "take", "get",  "got",   "go",   "went"};
	for (size_t i = 0; i < nx_countof(list); i++)
		if (nx_str_eqz(stem, list[i]))
			return true;
	return false;
}

/* Without this word an answer to who, when or where is none. English has it right after "who" and at the end after "when"
 * and "where"; Arabic has its verb first. */
static uint64_t key_of(const struct answer_composer *c)
{
	bool who = false, place_or_time = false;
	uint64_t key = 0;
	for (size_t i = 0; i < c->nq; i++) {
		who = who || nx_str_eqz(c->q[i].surface, "who") || nx_str_eqz(c->q[i].surface, "من");
		place_or_time =
			place_or_time || nx_str_eqz(c->q[i].surface, "when") || nx_str_eqz(c->q[i].surface, "where");
		who = who || nx_str_eqz(c->q[i].surface, "متى") || nx_str_eqz(c->q[i].surface, "اين");
	}
	for (size_t i = 0; i < c->nwords && (who || place_or_time); i++) {
		bool usable = !c->words[i].is_name && !is_light(c->words[i].stem);
		if (usable && (!key || !who))
			key = UINT64_C(1) << i;
	}
	return key;
}

void nx_answer_read_question(struct answer_composer *c, double (*idf)(void *ctx, const struct nx_term *t), void *ctx)
{
	double sum = 0;
	for (size_t i = 0; i < c->nq; i++) {
		const struct nx_term *t = &c->q[i];
		const struct asking *k = asking_of(t->surface);
		if (k && k->kind != ANSWER_KIND_ANY && (c->kind == ANSWER_KIND_ANY || k->kind == ANSWER_KIND_NUMBER))
			c->kind = k->kind;
		if (k || (t->flags & NX_W_STOP) || c->nwords == ANSWER_WORDS_MAX || nx_answer_is_asked(c, t->stem))
			continue;
		bool name = (t->flags & NX_W_CAPITAL) && i > 0;
		bool measure = i > 0 && nx_str_eqz(c->q[i - 1].surface, "how");
		if (measure) {
			c->kind = ANSWER_KIND_NUMBER;
			c->soft |= UINT64_C(1) << c->nwords;
		}
		if (name)
			c->names |= UINT64_C(1) << c->nwords;
		c->words[c->nwords++] = (struct answer_word){t->stem, t->flags & NX_W_ARABIC, name,
							     fmax(0.05, idf(ctx, t)) * (measure ? HOW_SHARE : 1)};
		sum += c->words[c->nwords - 1].weight;
	}
	for (size_t i = 0; i < c->nwords; i++)
		c->words[i].weight /= sum;
	c->key = key_of(c);
}
