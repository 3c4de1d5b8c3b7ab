/* nexus scan: what looks dangerous in a file, printed as compilers do. Needs no server. */
#include "base/io.h"
#include "cli/verbs.h"
#include "execution/scanner.h"

static const char *policy, *language;
static const struct nx_cli_option options[] = {
	{"policy", "NAME", "strict, standard (default) or off", &policy, NULL},
	{"language", "NAME", "python or shell (default: by the file's name)", &language, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static nx_str language_of(const char *path)
{
	nx_str s = nx_str_z(path);

	if (language)
		return nx_str_z(language);
	return nx_str_ends(s, NX_STR(".sh")) || nx_str_ends(s, NX_STR(".bash")) ? NX_STR("shell") : NX_STR("python");
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

static int scan_file(struct nx_cli *c, const char *path, enum nx_scan_policy p, bool *ret_safe, struct nx_error **err)
{
	struct nx_scan_options o = {.policy = p};
	struct nx_scan_result r = {0};
	nx_str code, text;
	int rc;

	if ((rc = nx_cli_read(c, path, 64 << 20, &code, err)) < 0 ||
	    (rc = nx_scan(language_of(path), code, &o, c->arena, &r, err)) < 0)
		return rc;
	*ret_safe &= r.is_safe;
	if (!c->json) {
		print_findings(path, &r);
		return 0;
	}
	yyjson_mut_doc *d = nx_json_new(c->arena);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "scan");
	yyjson_mut_val *v = nx_scan_json(&r, d);
	nx_json_add_strz(d, v, "path", path);
	if ((rc = nx_json_write(c->arena, v, false, &text, err)) < 0)
		return rc;
	printf("%.*s\n", NX_FMT(text));
	return 0;
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_error *err = NULL;
	enum nx_scan_policy p;
	bool safe = true;

	if (argc == 0)
		return nx_cli_usage(&nx_verb_scan, "name files, or - for standard input");
	if (find_policy(&p, &err) < 0)
		return nx_cli_misuse(c, &nx_verb_scan, err);
	for (int i = 0; i < argc; i++)
		if (scan_file(c, argv[i], p, &safe, &err) < 0)
			return nx_cli_misuse(c, &nx_verb_scan, err);
	return safe ? NX_EXIT_OK : NX_EXIT_FAILED;
}

const struct nx_verb nx_verb_scan = {
	.name = "scan",
	.usage = "scan [options] FILE…|-",
	.summary = "say what looks dangerous in a program, without running it",
	.examples = "  nexus scan program.py\n"
		    "  nexus scan --policy strict *.py\n"
		    "  nexus scan --json deploy.sh\n",
	.more = "Exit status: 0 when everything is safe under the policy, 1 when not.\n",
	.options = options,
	.run = run,
};
