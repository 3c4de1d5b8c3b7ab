/* nexus scan: what looks dangerous in files, printed as compilers do, or as SARIF. Needs no server. */
#include "base/io.h"
#include "cli/scan_sarif.h"
#include "cli/verbs.h"
#include "execution/scanner.h"

static const char *policy, *language, *format, *rules;
static const struct nx_cli_option options[] = {
	{"policy", "NAME", "strict, standard (default) or off", &policy, NULL},
	{"language", "NAME", "python, javascript, shell or c (default: by the file's name)", &language, NULL},
	{"rules", "DIR", "add the rules and policies of this directory (sandbox.rules_dir has the form)", &rules, NULL},
	{"format", "NAME", "text (default), json (as --json: a line a file) or sarif", &format, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static nx_str language_of(const char *path)
{
	const char *known = nx_cli_language_of(path);

	return nx_str_z(language ? language : known ? known : "python");
}

static bool is_program(const char *path)
{
	const char *known = nx_cli_language_of(path);

	return known && strcmp(known, "sql") != 0; /* which has no rules */
}

static int find_policy(enum nx_scan_policy *ret, struct nx_error **err)
{
	*ret = NX_SCAN_STANDARD;
	for (int i = 0; policy && nx_scan_policy_names[i]; i++)
		if (strcmp(policy, nx_scan_policy_names[i]) == 0) {
			*ret = (enum nx_scan_policy)i;
			return 0;
		}
	return policy ? nx_error_set(err, NX_EINVAL, "--policy takes strict, standard or off, not `%s`", policy) : 0;
}

static void print_findings(const char *path, const struct nx_scan_result *r)
{
	for (size_t i = 0; i < r->nfindings; i++) {
		const struct nx_finding *f = &r->findings[i];
		printf("%s:%u:%u: %s: ", path, f->line, f->column, nx_severity_name(f->severity));
		nx_cli_put_text(stdout, f->message);
		printf(" [%s]\n    ", f->rule);
		nx_cli_put_text(stdout, f->code);
		if (f->advice.n) {
			printf("\n    ");
			nx_cli_put_text(stdout, f->advice);
		}
		putchar('\n');
	}
	printf("%s: risk %s, %s\n", path, nx_severity_name(r->risk),
	       r->is_safe ? "safe under this policy" : "not safe");
}

static int print_json(struct nx_cli *c, const char *path, const struct nx_scan_result *r, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	nx_str text;

	if (!d)
		return nx_error_set(err, NX_ENOMEM, "scan");
	yyjson_mut_val *v = nx_scan_json(r, d);
	nx_json_add_strz(d, v, "path", path);
	int rc = nx_json_write(c->arena, v, false, &text, err);
	if (rc == 0)
		printf("%.*s\n", NX_FMT(text));
	return rc;
}

static int scan_file(struct nx_cli *c, const char *path, enum nx_scan_policy p, struct nx_sarif *sarif, bool *ret_safe,
		     struct nx_error **err)
{
	struct nx_scan_options o = {.policy = p};
	struct nx_scan_result r = {0};
	nx_str code;
	int rc;

	if ((rc = nx_cli_read(c, path, 64 << 20, &code, err)) < 0 ||
	    (rc = nx_scan(language_of(path), code, &o, c->arena, &r, err)) < 0)
		return nx_error_wrap(err, "%s", path);
	*ret_safe &= r.is_safe;
	if (sarif)
		return nx_sarif_add(sarif, path, &r, err);
	if (c->json)
		return print_json(c, path, &r, err);
	print_findings(path, &r);
	return 0;
}

static int find_format(struct nx_cli *c, struct nx_sarif **ret, struct nx_error **err)
{
	*ret = NULL;
	if (!format || strcmp(format, "text") == 0)
		return 0;
	if (strcmp(format, "json") == 0) {
		c->json = true;
		return 0;
	}
	if (strcmp(format, "sarif") != 0)
		return nx_error_set(err, NX_EINVAL, "--format takes text, json or sarif, not `%s`", format);
	*ret = nx_sarif_new(c->arena);
	return *ret ? 0 : nx_error_set(err, NX_ENOMEM, "scan");
}

static int print_sarif(struct nx_sarif *s, struct nx_error **err)
{
	nx_str text;
	int rc = nx_sarif_write(s, &text, err);

	if (rc == 0)
		printf("%.*s\n", NX_FMT(text));
	return rc;
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_cli_files files = {0};
	struct nx_error *err = NULL;
	struct nx_sarif *sarif;
	enum nx_scan_policy p;
	bool safe = true;

	if (argc == 0)
		return nx_cli_usage(&nx_verb_scan, "name files or directories, or - for standard input");
	if ((rules && nx_scan_rules_use(rules, &err) < 0) || find_policy(&p, &err) < 0 ||
	    find_format(c, &sarif, &err) < 0)
		return nx_cli_misuse(c, &nx_verb_scan, err);
	for (int i = 0; i < argc; i++)
		if (nx_cli_find_files(c, argv[i], is_program, &files, &err) < 0)
			return nx_cli_misuse(c, &nx_verb_scan, err);
	if (files.n == 0) {
		nx_error_set(&err, NX_ENOTFOUND, "no .py, .js, .mjs, .cjs, .sh, .bash or .c file there");
		return nx_cli_fail(c, err);
	}
	for (size_t i = 0; i < files.n; i++)
		if (scan_file(c, files.paths[i], p, sarif, &safe, &err) < 0)
			return nx_cli_misuse(c, &nx_verb_scan, err);
	if (sarif && print_sarif(sarif, &err) < 0)
		return nx_cli_fail(c, err);
	return safe ? NX_EXIT_OK : NX_EXIT_FAILED;
}

const struct nx_verb nx_verb_scan = {
	.name = "scan",
	.usage = "scan [options] FILE|DIR…|-",
	.summary = "say what looks dangerous in a program, without running it",
	.examples = "  nexus scan program.py\n"
		    "  nexus scan --policy strict src/\n"
		    "  nexus scan --format sarif src/ > findings.sarif\n"
		    "  nexus scan --json deploy.sh\n",
	.more = "Of a directory, every .py, .js, .mjs, .cjs, .sh, .bash and .c file below it is read; what begins with a dot\n"
		"is left out.\n"
		"Exit status: 0 when everything is safe under the policy, 1 when not.\n",
	.options = options,
	.run = run,
};
