/*
 * Facts by rules: what a turn says of its speaker, in English and Arabic.
 *
 * A fact is a key, a value and the words that state it: "I live in Tyre" is lives_in = tyre. What can be true in one way
 * only shares a key (a name, a home, a feeling about one thing), so that a later value contradicts the earlier. Words are
 * compared folded, so that case, accents and the forms of alef do not matter. Precision comes before reach: questions,
 * conditions and hearsay state nothing, and an object that goes on for more than eight words is no fact.
 */
#include "knowledge/text.h"
#include "memory/memory_internal.h"

#define MAX_WORDS 200 /* of a sentence that is looked at */
#define MAX_OBJECT 8
#define MAX_FACTS 16 /* of one turn */

enum kind {
	KIND_VALUE,   /* key = object */
	KIND_MEMBER,  /* key:object = yes */
	KIND_LIKE,    /* feeling:object = like */
	KIND_DISLIKE, /* feeling:object = dislike */
	KIND_PREFER,  /* preference:what is compared = object */
	KIND_END      /* key is object no longer */
};

struct pattern {
	const char *words; /* folded */
	enum kind kind;
	const char *key;
};

static const struct pattern patterns[] = {
	{"call me", KIND_VALUE, "attribute:name"},
	{"i am called", KIND_VALUE, "attribute:name"},
	{"im called", KIND_VALUE, "attribute:name"},
	{"i live in", KIND_VALUE, "lives_in"},
	{"i now live in", KIND_VALUE, "lives_in"},
	{"i am living in", KIND_VALUE, "lives_in"},
	{"im living in", KIND_VALUE, "lives_in"},
	{"i moved to", KIND_VALUE, "lives_in"},
	{"i just moved to", KIND_VALUE, "lives_in"},
	{"i have moved to", KIND_VALUE, "lives_in"},
	{"ive moved to", KIND_VALUE, "lives_in"},
	{"i no longer live in", KIND_END, "lives_in"},
	{"i dont live in", KIND_END, "lives_in"},
	{"i do not live in", KIND_END, "lives_in"},
	{"i work at", KIND_VALUE, "works_at"},
	{"i work for", KIND_VALUE, "works_at"},
	{"i now work at", KIND_VALUE, "works_at"},
	{"i now work for", KIND_VALUE, "works_at"},
	{"i am working at", KIND_VALUE, "works_at"},
	{"im working at", KIND_VALUE, "works_at"},
	{"i no longer work at", KIND_END, "works_at"},
	{"i no longer work for", KIND_END, "works_at"},
	{"i dont work at", KIND_END, "works_at"},
	{"i work as", KIND_VALUE, "job"},
	{"i am working as", KIND_VALUE, "job"},
	{"i come from", KIND_VALUE, "origin"},
	{"i am from", KIND_VALUE, "origin"},
	{"im from", KIND_VALUE, "origin"},
	{"i was born in", KIND_VALUE, "born_in"},
	{"i was born on", KIND_VALUE, "attribute:birthday"},
	{"i am allergic to", KIND_MEMBER, "allergic"},
	{"im allergic to", KIND_MEMBER, "allergic"},
	{"i speak", KIND_MEMBER, "speaks"},
	{"i like", KIND_LIKE, NULL},
	{"i love", KIND_LIKE, NULL},
	{"i enjoy", KIND_LIKE, NULL},
	{"i really like", KIND_LIKE, NULL},
	{"i really love", KIND_LIKE, NULL},
	{"i hate", KIND_DISLIKE, NULL},
	{"i dislike", KIND_DISLIKE, NULL},
	{"i dont like", KIND_DISLIKE, NULL},
	{"i do not like", KIND_DISLIKE, NULL},
	{"i no longer like", KIND_DISLIKE, NULL},
	{"i cant stand", KIND_DISLIKE, NULL},
	{"i prefer", KIND_PREFER, NULL},
	{"اسمي", KIND_VALUE, "attribute:name"},
	{"عمري", KIND_VALUE, "attribute:age"},
	{"عيد ميلادي", KIND_VALUE, "attribute:birthday"},
	{"اعيش في", KIND_VALUE, "lives_in"},
	{"اسكن في", KIND_VALUE, "lives_in"},
	{"اقيم في", KIND_VALUE, "lives_in"},
	{"انتقلت الى", KIND_VALUE, "lives_in"},
	{"انتقلت للعيش في", KIND_VALUE, "lives_in"},
	{"لم اعد اعيش في", KIND_END, "lives_in"},
	{"لم اعد اسكن في", KIND_END, "lives_in"},
	{"اعمل في", KIND_VALUE, "works_at"},
	{"اعمل لدى", KIND_VALUE, "works_at"},
	{"لم اعد اعمل في", KIND_END, "works_at"},
	{"ولدت في", KIND_VALUE, "born_in"},
	{"لدي حساسية من", KIND_MEMBER, "allergic"},
	{"عندي حساسية من", KIND_MEMBER, "allergic"},
	{"احب", KIND_LIKE, NULL},
	{"اعشق", KIND_LIKE, NULL},
	{"اكره", KIND_DISLIKE, NULL},
	{"لا احب", KIND_DISLIKE, NULL},
	{"لم اعد احب", KIND_DISLIKE, NULL},
	{"افضل", KIND_PREFER, NULL},
};

/* Before a pattern these make it no statement; Arabic "was" makes it a past one. */
static const char *const not_after[] = {"if",  "whether", "suppose", "think", "wish", "when", "unless", "than",
					"did", "do",      "should",  "can",   "لو",   "اذا",  "كنت",    "هل",
					"متى", "اين",     "من",      "هو",    "هي",   "ما",   "مما"};
static const char *const ends[] = {"because", "since", "but",   "which", "who", "so",  "although", "though",
				   "when",    "while", "where", "if",    "i",   "my",  "im",       "ive",
				   "لكن",     "ولكن",  "لان",   "لاني",  "منذ", "حيث", "عندما",    "لو"};
static const char *const trailing[] = {"and",       "or",   "now", "too",   "either", "anymore", "any",
				       "currently", "الان", "جدا", "كثيرا", "ايضا",   "these",   "days"};
static const char *const no_object[] = {"it",  "this",    "that", "them",  "him",   "her",   "you", "your", "how",
					"why", "what",    "if",   "about", "being", "going", "to",  "when", "which",
					"as",  "because", "هذا",  "هذه",   "ذلك",   "ان",    "كيف", "لماذا"};
static const char *const no_last[] = {"in", "of", "to", "at", "on", "for", "with", "by", "from", "the", "a", "an"};
static const char *const no_subject[] = {"question", "point", "guess",   "problem", "issue",  "idea",
					 "answer",   "plan",  "opinion", "goal",    "advice", "bad",
					 "fault",    "سوالي", "رايي",    "مشكلتي",  "فكرتي",  "سؤالي"};

struct token {
	nx_str folded, word;
	uint32_t start, end;
	bool boundary; /* a mark that ends a clause stands before it */
};

struct reader {
	struct nx_arena *arena;
	nx_str text; /* the sentence */
	struct token tokens[MAX_WORDS];
	size_t ntokens;
	struct nx_memory_fact *facts;
	size_t nfacts;
};

static bool is_one_of(nx_str s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (nx_str_eqz(s, list[i]))
			return true;
	return false;
}
#define IS_ONE_OF(s, list) is_one_of(s, list, nx_countof(list))

static bool has_boundary(nx_str gap)
{
	static const char *const marks[] = {",", ";", ":", ".", "!", "?", "(", ")", "\n", "،", "؛", "؟", "—", "–"};

	for (size_t i = 0; i < nx_countof(marks); i++)
		if (nx_str_find(gap, nx_str_z(marks[i])) >= 0)
			return true;
	return false;
}

/* False when out of memory. */
static bool read_tokens(struct reader *r)
{
	struct nx_words words;
	struct nx_word w;
	uint32_t before = 0;

	r->ntokens = 0;
	nx_words_init(&words, r->text);
	while (r->ntokens < MAX_WORDS && nx_words_next(&words, &w)) {
		char folded[NX_WORD_MAX];
		nx_str word = nx_str_slice(r->text, w.start, w.start + w.length);
		size_t n = nx_word_fold(word, folded);
		if (n == 0)
			continue;
		struct token *t = &r->tokens[r->ntokens++];
		*t = (struct token){.folded = nx_str_dup(r->arena, nx_str_n(folded, n)),
				    .word = word,
				    .start = w.start,
				    .end = w.start + w.length,
				    .boundary = has_boundary(nx_str_slice(r->text, before, w.start))};
		if (!t->folded.p)
			return false;
		before = t->end;
	}
	return true;
}

/* Arabic writes "and" onto the word that follows it. */
static bool token_is(const struct token *t, nx_str word, bool first)
{
	nx_str and = NX_STR("و");

	return nx_str_eq(t->folded, word) ||
	       (first && (unsigned char)word.p[0] >= 0x80 && nx_str_starts(t->folded, and) &&
		nx_str_eq(nx_str_slice(t->folded, and.n, t->folded.n), word));
}

/* Words of `p` that stand at `at`; 0: it does not. */
static size_t match_words(const struct reader *r, size_t at, const char *words)
{
	nx_str rest = nx_str_z(words);
	size_t n = 0;

	while (rest.n > 0) {
		nx_str word = nx_str_cut(&rest, ' ');
		if (at + n >= r->ntokens || (n > 0 && r->tokens[at + n].boundary) ||
		    !token_is(&r->tokens[at + n], word, n == 0))
			return 0;
		n++;
	}
	return n;
}

static const struct pattern *match(const struct reader *r, size_t at, size_t *ret_n)
{
	const struct pattern *best = NULL;

	*ret_n = 0;
	if (at > 0 && !r->tokens[at].boundary && IS_ONE_OF(r->tokens[at - 1].folded, not_after))
		return NULL;
	for (size_t i = 0; i < nx_countof(patterns); i++) {
		size_t n = match_words(r, at, patterns[i].words);
		if (n > *ret_n) {
			best = &patterns[i];
			*ret_n = n;
		}
	}
	/* The word also means "best": it prefers only where a clause begins. */
	bool begins = at == 0 || r->tokens[at].boundary || nx_str_eqz(r->tokens[at - 1].folded, "انا");
	return best && best->kind == KIND_PREFER && (unsigned char)best->words[0] >= 0x80 && !begins ? NULL : best;
}

static bool is_capital(const struct token *t)
{
	return t->word.p[0] >= 'A' && t->word.p[0] <= 'Z' && t->word.n > 1;
}

/* One past the last word of the object that begins at `from`. `list`: "and" divides it. */
static size_t object_end(const struct reader *r, size_t from, bool list)
{
	size_t end = from, n;

	for (; end < r->ntokens; end++) {
		const struct token *t = &r->tokens[end];
		bool joins = nx_str_eqz(t->folded, "and") || nx_str_eqz(t->folded, "or");
		if ((end > from && t->boundary) || IS_ONE_OF(t->folded, ends) || match(r, end, &n))
			break;
		if (joins && (list || end + 1 >= r->ntokens || !is_capital(&r->tokens[end + 1])))
			break;
	}
	return end;
}

static size_t without_trailing(const struct reader *r, size_t from, size_t end)
{
	while (end > from && IS_ONE_OF(r->tokens[end - 1].folded, trailing))
		end--;
	return end;
}

static nx_str join(const struct reader *r, const char *prefix, size_t from, size_t end)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;

	nx_buf_addz(&b, prefix);
	for (size_t i = from; i < end; i++) {
		if (i > from)
			nx_buf_addc(&b, ' ');
		nx_buf_adds(&b, r->tokens[i].folded);
	}
	return nx_buf_failed(&b) ? NX_STR_NULL : nx_str_dup(r->arena, nx_buf_str(&b));
}

static int add_fact(struct reader *r, nx_str key, nx_str value, bool ends_it, size_t first, size_t end,
		    struct nx_error **err)
{
	nx_str text = nx_str_slice(r->text, r->tokens[first].start, r->tokens[end - 1].end);

	if (!key.p || !value.p)
		return nx_error_set(err, NX_ENOMEM, "read the facts of a memory");
	if (r->nfacts < MAX_FACTS)
		r->facts[r->nfacts++] =
			(struct nx_memory_fact){.key = key, .value = value, .text = text, .ends = ends_it};
	return 0;
}

/* "dark mode" and "light mode" compete by their last word; "tea to coffee" and "coffee over tea" by both. */
static int add_preference(struct reader *r, size_t first, size_t from, size_t end, struct nx_error **err)
{
	static const char *const over[] = {"to", "over", "than", "على"};
	size_t at = from;

	while (at < end && !IS_ONE_OF(r->tokens[at].folded, over))
		at++;
	if (at == from)
		return 0;
	nx_str value = join(r, "", from, nx_min(at, end));
	if (at >= end || at + 1 >= end)
		return add_fact(r, join(r, "preference:", nx_min(at, end) - 1, nx_min(at, end)), value, false, first,
				end, err);
	nx_str other = join(r, "", at + 1, end);
	if (!value.p || !other.p)
		return nx_error_set(err, NX_ENOMEM, "read the facts of a memory");
	bool swap = nx_str_cmp(value, other) > 0;
	char *key = nx_arena_printf(r->arena, "preference:%.*s|%.*s", NX_FMT(swap ? other : value),
				    NX_FMT(swap ? value : other));
	return add_fact(r, nx_str_z(key), value, false, first, end, err);
}

static int add_object(struct reader *r, const struct pattern *p, size_t first, size_t from, size_t end,
		      struct nx_error **err)
{
	char *prefix = nx_arena_printf(r->arena, "%s:", p->key ? p->key : "feeling");

	if (!prefix)
		return nx_error_set(err, NX_ENOMEM, "read the facts of a memory");
	if (end == from || end - from > MAX_OBJECT || IS_ONE_OF(r->tokens[from].folded, no_object) ||
	    IS_ONE_OF(r->tokens[end - 1].folded, no_last))
		return 0;
	switch (p->kind) {
	case KIND_VALUE:
	case KIND_END:
		return add_fact(r, nx_str_z(p->key), join(r, "", from, end), p->kind == KIND_END, first, end, err);
	case KIND_MEMBER: return add_fact(r, join(r, prefix, from, end), NX_STR("yes"), false, first, end, err);
	case KIND_LIKE: return add_fact(r, join(r, prefix, from, end), NX_STR("like"), false, first, end, err);
	case KIND_DISLIKE: return add_fact(r, join(r, prefix, from, end), NX_STR("dislike"), false, first, end, err);
	case KIND_PREFER: return add_preference(r, first, from, end, err);
	}
	return 0;
}

/* What a pattern at `at` states; *ret_next is where reading goes on. */
static int read_pattern(struct reader *r, const struct pattern *p, size_t at, size_t n, size_t *ret_next,
			struct nx_error **err)
{
	bool list = p->kind == KIND_LIKE || p->kind == KIND_DISLIKE || p->kind == KIND_MEMBER;
	size_t from = at + n, end;
	int rc = 0;

	if (from < r->ntokens && (nx_str_eqz(r->tokens[from].folded, "هو") || nx_str_eqz(r->tokens[from].folded, "في")))
		from++;
	if (from < r->ntokens && r->tokens[from].boundary)
		from = r->ntokens; /* "Call me, please" */
	for (;;) {
		end = object_end(r, from, list);
		rc = add_object(r, p, at, from, without_trailing(r, from, end), err);
		bool more = list && end + 1 < r->ntokens && nx_str_eqz(r->tokens[end].folded, "and") &&
			    !r->tokens[end].boundary && end > from;
		if (rc < 0 || !more || object_end(r, end + 1, list) == end + 1)
			break;
		from = end + 1;
	}
	*ret_next = nx_max(end, at + n);
	return rc;
}

/* The key of "my …": "wife's name" and "wife is called" are one. */
static nx_str attribute_key(struct reader *r, size_t from, size_t end, bool named)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;

	nx_buf_addz(&b, "attribute:");
	for (size_t i = from; i < end; i++) {
		nx_str w = r->tokens[i].folded, whole = r->tokens[i].word;
		bool owns = nx_str_ends(whole, NX_STR("'s")) || nx_str_ends(whole, NX_STR("’s"));
		if (owns && nx_str_ends(w, NX_STR("s")))
			w = nx_str_slice(w, 0, w.n - 1);
		nx_buf_addz(&b, i > from ? " " : "");
		nx_buf_adds(&b, nx_str_eqz(w, "favourite") ? NX_STR("favorite") : w);
	}
	nx_buf_addz(&b, named ? " name" : "");
	return nx_buf_failed(&b) ? NX_STR_NULL : nx_str_dup(r->arena, nx_buf_str(&b));
}

/* "My X is Y": at `at` stands "my". */
static int read_my(struct reader *r, size_t at, size_t *ret_next, struct nx_error **err)
{
	size_t is = at + 1;

	*ret_next = at + 1;
	while (is < r->ntokens && is <= at + 5 && !r->tokens[is].boundary && !nx_str_eqz(r->tokens[is].folded, "is"))
		is++;
	if (is >= r->ntokens || is == at + 1 || is > at + 5 || r->tokens[is].boundary ||
	    IS_ONE_OF(r->tokens[is - 1].folded, no_subject) || IS_ONE_OF(r->tokens[at + 1].folded, no_subject))
		return 0;
	bool asked = at > 0 && !r->tokens[at].boundary &&
		     (nx_str_eqz(r->tokens[at - 1].folded, "is") || IS_ONE_OF(r->tokens[at - 1].folded, not_after));
	size_t from = is + 1;
	bool denied = from < r->ntokens && nx_str_eqz(r->tokens[from].folded, "not");
	bool named = !denied && from + 1 < r->ntokens &&
		     (nx_str_eqz(r->tokens[from].folded, "called") || nx_str_eqz(r->tokens[from].folded, "named"));
	from += denied || named;
	size_t end = object_end(r, from, false), last = without_trailing(r, from, end);
	if (asked || last <= from || last - from > MAX_OBJECT || r->tokens[from].boundary ||
	    IS_ONE_OF(r->tokens[from].folded, no_object))
		return 0;
	*ret_next = end;
	return add_fact(r, attribute_key(r, at + 1, is, named), join(r, "", from, last), denied, at, last, err);
}

/* "Xي … هو Y": at `at` stands the pronoun, before it up to three words of which the first is the speaker's. */
static int read_arabic_attribute(struct reader *r, size_t at, size_t *ret_next, struct nx_error **err)
{
	size_t first = at;

	*ret_next = at + 1;
	while (first > 0 && at - first < 3 && !r->tokens[first].boundary)
		first--;
	while (first < at && (!nx_str_ends(r->tokens[first].folded, NX_STR("ي")) || r->tokens[first].folded.n < 6))
		first++;
	if (first == at || r->tokens[at].boundary || IS_ONE_OF(r->tokens[first].folded, no_subject))
		return 0;
	size_t from = at + 1, end = object_end(r, from, false), last = without_trailing(r, from, end);
	if (last <= from || last - from > MAX_OBJECT || r->tokens[from].boundary ||
	    IS_ONE_OF(r->tokens[from].folded, no_object))
		return 0;
	*ret_next = end;
	return add_fact(r, join(r, "attribute:", first, at), join(r, "", from, last), false, first, last, err);
}

/* "I am 34 years old" */
static int read_age(struct reader *r, size_t at, size_t *ret_next, struct nx_error **err)
{
	size_t n = match_words(r, at, "i am");

	*ret_next = at;
	if (n == 0)
		n = match_words(r, at, "im");
	if (n == 0 || at + n + 3 > r->ntokens || !match_words(r, at + n + 1, "years old"))
		return 0;
	*ret_next = at + n + 3;
	return add_fact(r, NX_STR("attribute:age"), r->tokens[at + n].folded, false, at, at + n + 3, err);
}

static int read_at(struct reader *r, size_t at, size_t *ret_next, struct nx_error **err)
{
	nx_str w = r->tokens[at].folded;
	size_t n;
	int rc = read_age(r, at, ret_next, err);

	if (rc < 0 || *ret_next > at)
		return rc;
	const struct pattern *p = match(r, at, &n);
	if (p)
		return read_pattern(r, p, at, n, ret_next, err);
	if (nx_str_eqz(w, "my"))
		return read_my(r, at, ret_next, err);
	if (nx_str_eqz(w, "هو") || nx_str_eqz(w, "هي"))
		return read_arabic_attribute(r, at, ret_next, err);
	*ret_next = at + 1;
	return 0;
}

static bool is_question(nx_str text, size_t end)
{
	nx_str upto = nx_str_slice(text, 0, end), after = nx_str_slice(text, end, text.n);

	return nx_str_ends(upto, NX_STR("?")) || nx_str_ends(upto, NX_STR("؟")) || nx_str_starts(after, NX_STR("?")) ||
	       nx_str_starts(after, NX_STR("؟"));
}

int nx_memory_facts(nx_str text, struct nx_arena *a, struct nx_memory_fact **ret, size_t *ret_n, struct nx_error **err)
{
	struct reader *r = nx_arena_new_of(a, struct reader);
	struct nx_span_bytes *sentences;
	size_t n, next;
	int rc = nx_text_sentences(text, a, &sentences, &n, err);

	if (rc == 0 && r)
		r->facts = nx_arena_array(a, struct nx_memory_fact, MAX_FACTS);
	if (rc < 0 || !r || !r->facts)
		return rc < 0 ? rc : nx_error_set(err, NX_ENOMEM, "read the facts of a memory");
	r->arena = a;
	for (size_t i = 0; i < n && r->nfacts < MAX_FACTS; i++) {
		size_t end = (size_t)sentences[i].start + sentences[i].length;
		if (is_question(text, end))
			continue;
		r->text = nx_str_slice(text, sentences[i].start, end);
		if (!read_tokens(r))
			return nx_error_set(err, NX_ENOMEM, "read the facts of a memory");
		for (size_t at = 0; at < r->ntokens; at = next)
			if ((rc = read_at(r, at, &next, err)) < 0)
				return rc;
	}
	for (size_t i = 0; i < r->nfacts; i++)
		if ((rc = nx_memory_fact_words(r->facts[i].text, r->facts[i].key, a, &r->facts[i].words, err)) < 0)
			return rc;
	*ret = r->facts;
	*ret_n = r->nfacts;
	return 0;
}
