#include "cli/scan_sarif.h"

#include "base/build.h"

#define SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"

struct nx_sarif {
	struct nx_arena *arena;
	yyjson_mut_doc *d;
	yyjson_mut_val *root, *rules, *results;
	const char **ids; /* of the rules, in their order */
	size_t n, cap;
};

struct nx_sarif *nx_sarif_new(struct nx_arena *a)
{
	struct nx_sarif *s = nx_arena_new_of(a, struct nx_sarif);
	yyjson_mut_doc *d = s ? nx_json_new(a) : NULL;
	if (!d)
		return NULL;
	yyjson_mut_val *root = yyjson_mut_obj(d);
	nx_json_add_strz(d, root, "$schema", SCHEMA);
	nx_json_add_strz(d, root, "version", "2.1.0");
	yyjson_mut_val *run = yyjson_mut_arr_add_obj(d, yyjson_mut_obj_add_arr(d, root, "runs"));
	yyjson_mut_val *tool = yyjson_mut_obj_add_obj(d, run, "tool");
	yyjson_mut_val *driver = yyjson_mut_obj_add_obj(d, tool, "driver");
	nx_json_add_strz(d, driver, "name", "nexus scan");
	nx_json_add_strz(d, driver, "semanticVersion", NX_VERSION);
	nx_json_add_strz(d, run, "columnKind", "unicodeCodePoints");
	*s = (struct nx_sarif){.arena = a,
			       .d = d,
			       .root = root,
			       .rules = yyjson_mut_obj_add_arr(d, driver, "rules"),
			       .results = yyjson_mut_obj_add_arr(d, run, "results")};
	return s->rules && s->results ? s : NULL;
}

static const char *level_of(enum nx_severity s)
{
	return s >= NX_SEV_HIGH ? "error" : s == NX_SEV_MEDIUM ? "warning" : "note";
}

static bool grow(struct nx_sarif *s)
{
	if (s->n < s->cap)
		return true;
	size_t cap = s->cap ? s->cap * 2 : 16;
	const char **ids = nx_arena_realloc(s->arena, s->ids, s->cap * sizeof(*ids), cap * sizeof(*ids));
	if (!ids)
		return false;
	s->ids = ids;
	s->cap = cap;
	return true;
}

static void add_text(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, nx_str text)
{
	nx_json_add_str(d, yyjson_mut_obj_add_obj(d, o, key), "text", text);
}

/* The index of the finding's rule in the list; SIZE_MAX when out of memory. */
static size_t rule_index(struct nx_sarif *s, const struct nx_finding *f)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->ids[i], f->rule) == 0)
			return i;
	yyjson_mut_val *rule = grow(s) ? yyjson_mut_arr_add_obj(s->d, s->rules) : NULL;
	if (!rule)
		return SIZE_MAX;
	nx_json_add_strz(s->d, rule, "id", f->rule);
	add_text(s->d, rule, "shortDescription", f->message);
	if (f->advice.n)
		add_text(s->d, rule, "help", f->advice);
	nx_json_add_strz(s->d, yyjson_mut_obj_add_obj(s->d, rule, "defaultConfiguration"), "level",
			 level_of(f->severity));
	yyjson_mut_val *properties = yyjson_mut_obj_add_obj(s->d, rule, "properties");
	nx_json_add_strz(s->d, properties, "severity", nx_severity_name(f->severity));
	if (f->cwe)
		nx_json_add_strz(s->d, properties, "cwe", f->cwe);
	s->ids[s->n] = f->rule;
	return s->n++;
}

static void add_location(yyjson_mut_doc *d, yyjson_mut_val *result, const char *path, const struct nx_finding *f)
{
	yyjson_mut_val *location = yyjson_mut_arr_add_obj(d, yyjson_mut_obj_add_arr(d, result, "locations"));
	yyjson_mut_val *physical = yyjson_mut_obj_add_obj(d, location, "physicalLocation");
	nx_json_add_strz(d, yyjson_mut_obj_add_obj(d, physical, "artifactLocation"), "uri", path);
	yyjson_mut_val *region = yyjson_mut_obj_add_obj(d, physical, "region");
	yyjson_mut_obj_add_uint(d, region, "startLine", f->line);
	yyjson_mut_obj_add_uint(d, region, "startColumn", f->column);
	add_text(d, region, "snippet", f->code);
}

int nx_sarif_add(struct nx_sarif *s, const char *path, const struct nx_scan_result *r, struct nx_error **err)
{
	for (size_t i = 0; i < r->nfindings; i++) {
		const struct nx_finding *f = &r->findings[i];
		size_t rule = rule_index(s, f);
		yyjson_mut_val *result = rule < SIZE_MAX ? yyjson_mut_arr_add_obj(s->d, s->results) : NULL;
		if (!result)
			return nx_error_set(err, NX_ENOMEM, "no memory for the findings");
		nx_json_add_strz(s->d, result, "ruleId", f->rule);
		yyjson_mut_obj_add_uint(s->d, result, "ruleIndex", rule);
		nx_json_add_strz(s->d, result, "level", level_of(f->severity));
		add_text(s->d, result, "message", f->message);
		add_location(s->d, result, path, f);
	}
	return 0;
}

int nx_sarif_write(struct nx_sarif *s, nx_str *ret, struct nx_error **err)
{
	return nx_json_write(s->arena, s->root, true, ret, err);
}
