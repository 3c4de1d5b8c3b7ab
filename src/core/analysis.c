/*
 * Analysis by rules: what a request wants, how hard it is, what it needs, what it may cost, what to be careful with.
 *
 * Intents are tried from the most certain to the most general: a plan of the client's says itself what it wants; an
 * arithmetic expression is one when the expression parser accepts it; code is in a fence; the rest go by the words a
 * request opens with, in English and Arabic; whatever is left is a question.
 */
#include "agents/math.h"
#include "core/core_internal.h"

struct opening {
	const char *words; /* folded: lower case */
	const char *intent;
};

static const struct opening openings[] = {
	{"remember that", "remember"},
	{"remember:", "remember"},
	{"remember", "remember"},
	{"please remember that", "remember"},
	{"note that", "remember"},
	{"تذكر أن", "remember"},
	{"تذكر ان", "remember"},
	{"احفظ أن", "remember"},
	{"what do you remember about", "recall"},
	{"what do you know about me", "recall"},
	{"what did i say about", "recall"},
	{"what did i tell you about", "recall"},
	{"do you remember", "recall"},
	{"recall", "recall"},
	{"ماذا تتذكر عن", "recall"},
	{"هل تتذكر", "recall"},
	{"summarize", "summarize"},
	{"summarise", "summarize"},
	{"summary of", "summarize"},
	{"give a summary of", "summarize"},
	{"لخص", "summarize"},
	{"لخّص", "summarize"},
	{"what is connected to", "connected"},
	{"what is related to", "connected"},
	{"who is connected to", "connected"},
	{"connections of", "connected"},
	{"ما الذي يرتبط ب", "connected"},
};

static const struct {
	const char *intent, *capability;
	int64_t wall_ms, tokens;
} intents[] = {
	{"calculate", "calculation", 2, 0}, {"code", "code", 400, 0},          {"question", "retrieval", 60, 0},
	{"connected", "graph", 10, 0},      {"remember", "memory", 15, 0},     {"recall", "memory", 30, 0},
	{"summarize", "text", 20, 0},       {"plan", "orchestration", 100, 0},
};

static const char *const math_openings[] = {"what is",  "what's",      "whats",  "calculate", "compute",
					    "evaluate", "how much is", "solve",  "احسب",      "كم يساوي",
					    "ما ناتج",  "ما هو ناتج",  "كم ناتج"};

/* The rest after `words` when `s` opens with them (ASCII case ignored) and a word ends there; else p NULL. */
static nx_str after_opening(nx_str s, const char *words)
{
	nx_str w = nx_str_z(words);

	if (s.n < w.n || !nx_str_ieq_ascii(nx_str_slice(s, 0, w.n), w))
		return NX_STR_NULL;
	nx_str rest = nx_str_slice(s, w.n, s.n);
	bool open_end = w.p[w.n - 1] == ':' || (unsigned char)w.p[w.n - 1] >= 0x80;
	if (rest.n > 0 && !open_end && strchr(" \t\n,:;?!", rest.p[0]) == NULL)
		return NX_STR_NULL;
	while (rest.n > 0 && strchr(" \t\n,:;", rest.p[0]))
		rest = nx_str_slice(rest, 1, rest.n);
	return rest.p ? rest : NX_STR("");
}

static nx_str without_end(nx_str s)
{
	s = nx_str_trim(s);
	while (s.n > 0 && strchr("?!=.", s.p[s.n - 1]))
		s = nx_str_trim(nx_str_slice(s, 0, s.n - 1));
	if (nx_str_ends(s, NX_STR("؟")))
		s = nx_str_trim(nx_str_slice(s, 0, s.n - strlen("؟")));
	return s;
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
		if (rest.p && (!best || strlen(openings[i].words) > strlen(best->words))) {
			best = &openings[i];
			*ret_rest = rest;
		}
	}
	return best;
}

static void find_intent(const struct nx_task_request *r, struct nx_analysis *ret)
{
	nx_str input = nx_str_trim(r->input), rest;
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
