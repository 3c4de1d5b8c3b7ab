/*
 * Analysis by rules: what a request wants, how hard it is, what it needs, what it may cost, what to be careful with.
 *
 * Intents are tried from the most certain to the most general: a plan of the client's says itself what it wants; an
 * arithmetic expression is one when the expression parser accepts it; code is in a fence; the rest go by the words a
 * request opens with, in English and Arabic; whatever is left is a question.
 */
#include "agents/math.h"
#include "core/core_internal.h"
#include "knowledge/text.h"

/*
 * Words are folded as nx_word_fold and nx_arabic_normalise do: lower case, no apostrophe, no Arabic marks, one alef, ى as ي
 * and ة as ه. After the last word stands a blank or a mark, but
 *   *  the word may go on, and what goes on is the subject ("ب" is written onto the name that follows it)
 *   +  the word may go on with a pronoun, and then the whole word belongs to the subject ("أن" becomes "أنني")
 */
struct opening {
	const char *words;
	const char *intent;
	/* When nothing follows; NULL: then it is no opening. "me" and "أنا" are stop words, with which the newest come. */
	const char *subject;
};

static const struct opening openings[] = {
	{"remember that", "remember"},
	{"remember", "remember"},
	{"please remember that", "remember"},
	{"please remember", "remember"},
	{"note that", "remember"},
	{"تذكر ان+", "remember"},
	{"تذكري ان+", "remember"},
	{"تذكر:", "remember"},
	{"من فضلك تذكر ان+", "remember"},
	{"احفظ ان+", "remember"},
	{"احفظ:", "remember"},
	{"احفظي ان+", "remember"},
	{"لا تنس ان+", "remember"},
	{"لاحظ ان+", "remember"},
	{"what do you remember about", "recall"},
	{"what do you know about me", "recall", "me"},
	{"what did i say about", "recall"},
	{"what did i tell you about", "recall"},
	{"do you remember", "recall"},
	{"recall", "recall"},
	{"ماذا تتذكر عن", "recall"},
	{"ماذا تتذكر عني", "recall", "أنا"},
	{"ماذا تعرف عني", "recall", "أنا"},
	{"ماذا قلت عن", "recall"},
	{"ماذا قلت لك عن", "recall"},
	{"ماذا اخبرتك عن", "recall"},
	{"هل تتذكر", "recall"},
	{"هل تتذكرين", "recall"},
	{"استرجع", "recall"},
	{"summarize", "summarize"},
	{"summarise", "summarize"},
	{"summary of", "summarize"},
	{"give a summary of", "summarize"},
	{"لخص", "summarize"},
	{"لخصي", "summarize"},
	{"لخص لي", "summarize"},
	{"ملخص", "summarize"},
	{"اعطني ملخصا عن", "summarize"},
	{"what is connected to", "connected"},
	{"what is related to", "connected"},
	{"who is connected to", "connected"},
	{"connections of", "connected"},
	{"ما الذي يرتبط ب*", "connected"},
	{"ما المرتبط ب*", "connected"},
	{"من الذي يرتبط ب*", "connected"},
	{"من يرتبط ب*", "connected"},
	{"ما علاقات", "connected"},
};
/* What a pronoun adds to "ان", folded. */
static const char *const pronouns[] = {"ني", "ي", "نا", "ك", "كم", "كن", "ه", "ها", "هم", "هن"};

static const struct {
	const char *intent, *capability;
	int64_t wall_ms, tokens;
} intents[] = {
	{"calculate", "calculation", 2, 0}, {"code", "code", 400, 0},          {"question", "retrieval", 60, 0},
	{"connected", "graph", 10, 0},      {"remember", "memory", 15, 0},     {"recall", "memory", 30, 0},
	{"summarize", "text", 20, 0},       {"plan", "orchestration", 100, 0},
};

static const char *const math_openings[] = {"what is",     "whats", "calculate",  "compute", "evaluate",
					    "how much is", "solve", "احسب",       "احسبي",   "كم يساوي",
					    "كم حاصل",     "كم",    "ما ناتج",    "ما هو",   "ما هو ناتج",
					    "كم ناتج",     "ما",    "ما هو حاصل", "ما حاصل", "اوجد"};

/* ---- openings ---- */

static bool is_blank(uint32_t cp)
{
	return cp == ' ' || (cp >= '\t' && cp <= '\r') || cp == 0xa0 || cp == 0x202f || cp == 0x3000;
}

/* Between an opening and its subject. */
static bool is_separator(uint32_t cp)
{
	return is_blank(cp) || cp == ',' || cp == ':' || cp == ';' || cp == 0x60c || cp == 0x61b;
}

static bool is_end_mark(uint32_t cp)
{
	return cp == '?' || cp == '!' || cp == 0x61f;
}

/* The code point at *i as openings have it; 0 bytes: a mark or a sign that is not seen. */
static size_t fold_next(nx_str s, size_t *i, char ret[NX_WORD_MAX])
{
	char folded[NX_WORD_MAX];
	size_t from = *i;

	if (is_blank(nx_utf8_next(s, i))) {
		ret[0] = ' ';
		return 1;
	}
	size_t n = nx_word_fold(nx_str_slice(s, from, *i), folded);
	return nx_arabic_normalise(nx_str_n(folded, n), ret);
}

/* Where `words`, which are folded, end in `s`, with the marks of their last letter; 0: `s` does not begin with them. */
static size_t match_folded(nx_str s, nx_str words)
{
	char b[NX_WORD_MAX];
	size_t i = 0, at = 0, n;

	while (at < words.n) {
		if (i >= s.n)
			return 0;
		n = fold_next(s, &i, b);
		if (n == 0 || (b[0] == ' ' && at > 0 && words.p[at - 1] == ' '))
			continue;
		if (at + n > words.n || memcmp(words.p + at, b, n) != 0)
			return 0;
		at += n;
	}
	for (size_t next = i; next < s.n && fold_next(s, &next, b) == 0;)
		i = next;
	return i;
}

static bool ends_word(nx_str rest)
{
	size_t i = 0;

	if (rest.n == 0)
		return true;
	uint32_t cp = nx_utf8_next(rest, &i);
	return is_separator(cp) || is_end_mark(cp);
}

/* The rest of the word is a pronoun. */
static bool goes_on_with_pronoun(nx_str rest)
{
	for (size_t i = 0; i < nx_countof(pronouns); i++) {
		size_t end = match_folded(rest, nx_str_z(pronouns[i]));
		if (end > 0 && ends_word(nx_str_slice(rest, end, rest.n)))
			return true;
	}
	return false;
}

static nx_str without_separators(nx_str s)
{
	size_t i = 0;

	while (s.n > 0 && is_separator(nx_utf8_next(s, &i))) {
		s = nx_str_slice(s, i, s.n);
		i = 0;
	}
	return s;
}

/* Where the word begins that `end` stands in. */
static size_t word_start(nx_str s, size_t end)
{
	size_t start = 0;

	for (size_t i = 0; i < end;) {
		if (is_blank(nx_utf8_next(s, &i)))
			start = i;
	}
	return start;
}

/* The rest after `words` when `s` opens with them; else p NULL. */
static nx_str after_opening(nx_str s, const char *words)
{
	nx_str w = nx_str_z(words);
	bool continues = nx_str_ends(w, NX_STR("*")), takes_pronoun = nx_str_ends(w, NX_STR("+"));
	bool marked = nx_str_ends(w, NX_STR(":"));

	if (continues || takes_pronoun)
		w = nx_str_slice(w, 0, w.n - 1);
	size_t end = match_folded(s, w);
	if (end == 0)
		return NX_STR_NULL;
	nx_str rest = nx_str_slice(s, end, s.n);
	if (!continues && !marked && !ends_word(rest)) {
		bool pronoun = takes_pronoun && goes_on_with_pronoun(rest);
		return pronoun ? nx_str_slice(s, word_start(s, end), s.n) : NX_STR_NULL;
	}
	rest = without_separators(rest);
	return rest.p ? rest : NX_STR("");
}

/* Without blanks and the invisible signs of direction that pasted Arabic brings along. */
static nx_str without_signs(nx_str s)
{
	static const char *const signs[] = {"\u200e", "\u200f", "\u061c", "\u202a", "\u202b", "\u202c",
					    "\u2066", "\u2067", "\u2068", "\u2069", "\ufeff"};
	size_t n;

	do {
		s = nx_str_trim(s);
		n = s.n;
		for (size_t i = 0; i < nx_countof(signs); i++) {
			nx_str sign = nx_str_z(signs[i]);
			if (nx_str_starts(s, sign))
				s = nx_str_slice(s, sign.n, s.n);
			if (nx_str_ends(s, sign))
				s = nx_str_slice(s, 0, s.n - sign.n);
		}
	} while (s.n < n);
	return s;
}

/* Without the marks that end a question, in whatever script and number. */
static nx_str without_end(nx_str s)
{
	for (;;) {
		s = without_signs(s);
		if (s.n > 0 && strchr("?!=.", s.p[s.n - 1]))
			s = nx_str_slice(s, 0, s.n - 1);
		else if (nx_str_ends(s, NX_STR("؟")))
			s = nx_str_slice(s, 0, s.n - strlen("؟"));
		else
			return s;
	}
}

static bool find_expression(nx_str input, nx_str *ret)
{
	nx_str s = without_end(input);

	if (nx_math_is_expression(s)) {
		*ret = s;
		return true;
	}
	for (size_t i = 0; i < nx_countof(math_openings); i++) {
		nx_str rest = after_opening(s, math_openings[i]);
		if (rest.p && nx_math_is_expression(rest)) {
			*ret = rest;
			return true;
		}
	}
	return false;
}

/* ```python … ``` */
static bool find_code(nx_str input, nx_str *ret_code, nx_str *ret_language)
{
	ptrdiff_t open = nx_str_find(input, NX_STR("```"));
	if (open < 0)
		return false;
	nx_str rest = nx_str_slice(input, (size_t)open + 3, input.n);
	ptrdiff_t close = nx_str_find(rest, NX_STR("```"));
	if (close < 0)
		return false;
	nx_str body = nx_str_slice(rest, 0, (size_t)close);
	ptrdiff_t line = nx_str_find(body, NX_STR("\n"));
	nx_str language = line < 0 ? NX_STR("") : nx_str_trim(nx_str_slice(body, 0, (size_t)line));
	*ret_code = line < 0 ? body : nx_str_slice(body, (size_t)line + 1, body.n);
	if (nx_str_eqz(language, "py") || nx_str_eqz(language, "python3") || language.n == 0)
		language = NX_STR("python");
	else if (nx_str_eqz(language, "sh") || nx_str_eqz(language, "bash"))
		language = NX_STR("shell");
	else if (nx_str_eqz(language, "js"))
		language = NX_STR("javascript");
	*ret_language = language;
	return ret_code->n > 0;
}

static const struct opening *find_opening(nx_str input, nx_str *ret_rest)
{
	const struct opening *best = NULL;

	for (size_t i = 0; i < nx_countof(openings); i++) {
		nx_str rest = after_opening(input, openings[i].words);
		if (rest.p && without_end(rest).n == 0)
			rest = nx_str_z(openings[i].subject);
		if (rest.n > 0 && (!best || strlen(openings[i].words) > strlen(best->words))) {
			best = &openings[i];
			*ret_rest = rest;
		}
	}
	return best;
}

static void find_intent(const struct nx_task_request *r, struct nx_analysis *ret)
{
	nx_str input = without_signs(r->input), rest;
	const struct opening *o;

	ret->subject = input;
	if (r->plan) {
		ret->intent = "plan";
	} else if (find_code(input, &ret->subject, &ret->language)) {
		ret->intent = "code";
	} else if (find_expression(input, &ret->subject)) {
		ret->intent = "calculate";
	} else if ((o = find_opening(input, &rest)) != NULL) {
		ret->intent = o->intent;
		bool whole = strcmp(o->intent, "remember") != 0 && strcmp(o->intent, "summarize") != 0;
		ret->subject = whole ? without_end(rest) : rest;
	} else {
		ret->intent = "question";
	}
}

/* Several questions in one input ("Who …? When …?") are independent parts, answered side by side. */
static int find_parts(struct nx_analysis *an, struct nx_arena *a, struct nx_error **err)
{
	enum { MAX_PARTS = 8 };
	nx_str s = an->subject, parts[MAX_PARTS];
	size_t n = 0, from = 0;

	for (size_t i = 0; i < s.n && n < MAX_PARTS; i++) {
		bool latin = s.p[i] == '?';
		bool arabic = i + 1 < s.n && memcmp(s.p + i, "؟", 2) == 0;
		if (!latin && !arabic)
			continue;
		parts[n++] = nx_str_trim(nx_str_slice(s, from, i + (arabic ? 2 : 1)));
		from = i + (arabic ? 2 : 1);
	}
	bool rest = nx_str_trim(nx_str_slice(s, from, s.n)).n > 0;
	if (strcmp(an->intent, "question") != 0 || n < 2 || rest) {
		parts[0] = s;
		n = 1;
	}
	an->parts = nx_arena_memdup(a, parts, n * sizeof(parts[0]));
	an->nparts = n;
	return an->parts ? 0 : nx_error_set(err, NX_ENOMEM, "analyse the request");
}

static int find_capabilities(const struct nx_task_request *r, const char *capability, struct nx_analysis *an,
			     struct nx_arena *a, struct nx_error **err)
{
	an->capabilities = nx_arena_array(a, nx_str, r->capabilities.n + 1);
	if (!an->capabilities)
		return nx_error_set(err, NX_ENOMEM, "analyse the request");
	an->capabilities[an->ncapabilities++] = nx_str_z(capability);
	for (size_t i = 0; i < r->capabilities.n; i++)
		if (!nx_str_eqz(*nx_list_at(r->capabilities, nx_str, i), capability))
			an->capabilities[an->ncapabilities++] = *nx_list_at(r->capabilities, nx_str, i);
	return 0;
}

static const char *plan_risk(const struct nx_task_request *r)
{
	const struct nx_plan_spec *p = r->plan;

	for (size_t i = 0; p && i < p->steps.n; i++)
		if (nx_str_eqz(nx_list_at(p->steps, struct nx_step_spec, i)->tool, "code.run"))
			return "medium";
	return "low";
}

static int write_json(struct nx_analysis *an, struct nx_arena *a, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "analyse the request");
	yyjson_mut_val *o = yyjson_mut_obj(d);
	yyjson_mut_obj_add_str(d, o, "intent", an->intent);
	yyjson_mut_obj_add_str(d, o, "complexity", an->complexity);
	yyjson_mut_val *caps = yyjson_mut_obj_add_arr(d, o, "capabilities");
	for (size_t i = 0; i < an->ncapabilities; i++)
		yyjson_mut_arr_add_strncpy(d, caps, an->capabilities[i].p, an->capabilities[i].n);
	yyjson_mut_val *e = yyjson_mut_obj_add_obj(d, o, "estimate");
	yyjson_mut_obj_add_int(d, e, "steps", an->estimate_steps);
	yyjson_mut_obj_add_int(d, e, "wall_ms", an->estimate_wall_ms);
	yyjson_mut_obj_add_int(d, e, "tokens", an->estimate_tokens);
	yyjson_mut_val *s = yyjson_mut_obj_add_obj(d, o, "safety");
	yyjson_mut_obj_add_str(d, s, "risk", an->risk);
	yyjson_mut_val *rules = yyjson_mut_obj_add_arr(d, s, "constraints");
	if (strcmp(an->intent, "code") == 0) {
		yyjson_mut_arr_add_str(d, rules, "sandbox");
		yyjson_mut_arr_add_str(d, rules, "no network");
		yyjson_mut_arr_add_str(d, rules, "no host files");
	}
	return nx_json_write(a, o, false, &an->json, err);
}

int nx_analysis_run(const struct nx_task_request *r, struct nx_arena *a, struct nx_analysis *ret, struct nx_error **err)
{
	size_t kind = 0;
	int rc;

	*ret = (struct nx_analysis){0};
	find_intent(r, ret);
	if ((rc = find_parts(ret, a, err)) < 0)
		return rc;
	while (kind + 1 < nx_countof(intents) && strcmp(intents[kind].intent, ret->intent) != 0)
		kind++;
	if ((rc = find_capabilities(r, intents[kind].capability, ret, a, err)) < 0)
		return rc;

	size_t steps = r->plan ? r->plan->steps.n : ret->nparts;
	ret->estimate_steps = (int64_t)steps;
	ret->estimate_wall_ms = intents[kind].wall_ms * (int64_t)steps;
	ret->estimate_tokens = intents[kind].tokens * (int64_t)steps;
	ret->complexity = steps > 3 ? "complex" : steps > 1 || strcmp(ret->intent, "code") == 0 ? "moderate" : "simple";
	if (strcmp(ret->intent, "question") == 0 && ret->subject.n > 200)
		ret->complexity = "moderate";
	ret->risk = strcmp(ret->intent, "code") == 0        ? "medium"
		    : strcmp(ret->intent, "calculate") == 0 ? "none"
							    : plan_risk(r);
	return write_json(ret, a, err);
}
