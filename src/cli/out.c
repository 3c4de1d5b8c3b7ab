/* What people see. */
#include "cli/cli.h"

static const char *when(const struct nx_cli *c, const char *code)
{
	return c->colour ? code : "";
}
const char *nx_cli_bold(const struct nx_cli *c)
{
	return when(c, "\033[1m");
}
const char *nx_cli_dim(const struct nx_cli *c)
{
	return when(c, "\033[2m");
}
const char *nx_cli_green(const struct nx_cli *c)
{
	return when(c, "\033[32m");
}
const char *nx_cli_red(const struct nx_cli *c)
{
	return when(c, "\033[31m");
}
const char *nx_cli_yellow(const struct nx_cli *c)
{
	return when(c, "\033[33m");
}
const char *nx_cli_reset(const struct nx_cli *c)
{
	return when(c, "\033[0m");
}

static bool shown_escaped(uint32_t cp)
{
	return (cp < 0x20 && cp != '\n' && cp != '\t') || (cp >= 0x7F && cp < 0xA0) || (cp >= 0x202A && cp <= 0x202E) ||
	       (cp >= 0x2066 && cp <= 0x2069) || cp == 0x200E || cp == 0x200F || (cp >= 0xE0000 && cp <= 0xE007F);
}

void nx_cli_put_text(FILE *f, nx_str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t from = i;
		uint32_t cp = nx_utf8_next(s, &i);
		if (shown_escaped(cp))
			fprintf(f, "\\u{%X}", cp);
		else
			fwrite(s.p + from, 1, i - from, f);
	}
}

static void fail_json(const struct nx_error *err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *d = a ? nx_json_new(a) : NULL;
	const struct nx_error_info *info = nx_error_info(nx_error_code(err));
	nx_str text;

	if (!d)
		return;
	yyjson_mut_val *o = yyjson_mut_obj(d), *e = yyjson_mut_obj_add_obj(d, o, "error");
	nx_json_add_strz(d, e, "code", info ? info->name : "NX-INTERNAL");
	nx_json_add_strz(d, e, "message", nx_error_message(err));
	if (nx_error_pointer(err)[0])
		nx_json_add_strz(d, e, "pointer", nx_error_pointer(err));
	if (nx_error_get_hint(err)[0])
		nx_json_add_strz(d, e, "hint", nx_error_get_hint(err));
	if (nx_json_write(a, o, false, &text, NULL) == 0)
		fprintf(stderr, "%.*s\n", NX_FMT(text));
}

int nx_cli_fail(struct nx_cli *c, struct nx_error *err)
{
	int code = nx_error_code(err);
	const struct nx_error_info *info = nx_error_info(code);
	bool colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR");

	if (c->json) {
		fail_json(err);
	} else {
		fprintf(stderr, "%snexus:%s ", colour ? "\033[31m" : "", colour ? "\033[0m" : "");
		nx_cli_put_text(stderr, nx_str_z(nx_error_message(err)));
		if (nx_error_pointer(err)[0])
			fprintf(stderr, " (at %s)", nx_error_pointer(err));
		if (info)
			fprintf(stderr, " [%s]", info->name);
		fputc('\n', stderr);
		if (nx_error_get_hint(err)[0]) {
			fputs("  ", stderr);
			nx_cli_put_text(stderr, nx_str_z(nx_error_get_hint(err)));
			fputc('\n', stderr);
		}
	}
	nx_error_free(err);
	return code == NX_EUNAUTHORIZED || code == NX_EFORBIDDEN ? NX_EXIT_AUTH : NX_EXIT_FAILED;
}

int nx_cli_misuse(struct nx_cli *c, const struct nx_verb *v, struct nx_error *err)
{
	bool misuse = nx_error_code(err) == NX_EINVAL;
	int status = nx_cli_fail(c, err);

	if (!misuse)
		return status;
	if (!c->json)
		fprintf(stderr, "`nexus %s --help` tells more.\n", v->name);
	return NX_EXIT_USAGE;
}

int nx_cli_unknown_word(const struct nx_verb *v, const char *word)
{
	size_t n = 0;

	while (v->words[n])
		n++;
	const char *nearest = nx_str_nearest(nx_str_z(word), v->words, n);
	if (nearest)
		return nx_cli_usage(v, "`%s` is not known: did you mean `nexus %s %s`?", word, v->name, nearest);
	return nx_cli_usage(v, "`%s` is not known", word);
}

int nx_cli_number(const char *option, const char *text, int64_t *ret, struct nx_error **err)
{
	if (!text || nx_str_to_i64(nx_str_z(text), ret))
		return 0;
	return nx_error_set(err, NX_EINVAL, "--%s takes a whole number, not `%s`", option, text);
}

int nx_cli_usage(const struct nx_verb *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("nexus: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: nexus %s\n`nexus %s --help` tells more.\n", v->usage, v->name);
	return NX_EXIT_USAGE;
}

void nx_cli_print_json(struct nx_cli *c, yyjson_val *v)
{
	nx_str text;

	if (nx_json_write_val(c->arena, v, isatty(STDOUT_FILENO), &text, NULL) == 0)
		printf("%.*s\n", NX_FMT(text));
}

const char *nx_cli_duration(double ms, char ret[24])
{
	if (ms < 10)
		snprintf(ret, 24, "%.1f ms", ms);
	else if (ms < 1000)
		snprintf(ret, 24, "%.0f ms", ms);
	else
		snprintf(ret, 24, "%.1f s", ms / 1000);
	return ret;
}
