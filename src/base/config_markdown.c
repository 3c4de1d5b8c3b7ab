#include "base/config.h"

#include <ctype.h>
#include <stdio.h>

static nx_str group_of(const struct nx_config_option *o)
{
	nx_str name = nx_str_z(o->name), group = nx_str_cut(&name, '.');
	return name.n == 0 ? NX_STR_NULL : group;
}

/* A cell of a table: '|' would end it. */
static void put_cell(struct nx_buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '|' || *text == '<')
			nx_buf_addc(b, '\\');
		nx_buf_addc(b, *text);
	}
}

static void number(const struct nx_config_option *o, double v, char ret[NX_UNITS_TEXT])
{
	if (o->type == NX_CONFIG_SIZE)
		nx_size_format((int64_t)v, ret);
	else if (o->type == NX_CONFIG_TIME)
		nx_duration_format((int64_t)v, ret);
	else
		(void)snprintf(ret, NX_UNITS_TEXT, "%.15g", v);
}

static void put_allowed(struct nx_buf *b, const struct nx_config_option *o)
{
	static const char *const kinds[] = {"text", "whole number", "number", "true or false", "size", "time"};
	char min[NX_UNITS_TEXT], max[NX_UNITS_TEXT];
	if (nx_config_choices(o) != NULL) {
		nx_str left = nx_str_z(nx_config_choices(o));
		for (bool first = true; left.n > 0; first = false) {
			nx_str word = nx_str_cut(&left, ' ');
			nx_buf_addf(b, "%s`%.*s`", first ? "" : ", ", NX_FMT(word));
		}
		return;
	}
	nx_buf_addz(b, kinds[o->type]);
	if (o->min == 0 && o->max == 0)
		return;
	number(o, o->min, min);
	number(o, o->max, max);
	nx_buf_addf(b, ", %s to %s", min, max);
}

static void put_row(struct nx_buf *b, const struct nx_config_option *o)
{
	nx_buf_addf(b, "| `%s` | ", o->name);
	if (*o->def != '\0')
		nx_buf_addf(b, "`%s`", o->def);
	nx_buf_addz(b, " | ");
	put_allowed(b, o);
	nx_buf_addz(b, " | ");
	put_cell(b, o->help);
	if (o->flags & NX_CONFIG_SECRET)
		nx_buf_addz(b, " (secret: never shown)");
	if (o->flags & NX_CONFIG_HOT)
		nx_buf_addz(b, " (may change while the server runs)");
	nx_buf_addf(b, " | `%s` |\n", o->env);
}

static void put_heading(struct nx_buf *b, nx_str group)
{
	if (group.n == 0)
		nx_buf_addz(b, "\n## General\n\n");
	else
		nx_buf_addf(b, "\n## %c%.*s\n\n", toupper((unsigned char)group.p[0]), (int)group.n - 1, group.p + 1);
	nx_buf_addz(b, "| option | default | allowed | what it does | variable |\n|---|---|---|---|---|\n");
}

static void put_group(struct nx_buf *b, nx_str group)
{
	put_heading(b, group);
	for (size_t i = 0; i < nx_config_noptions; i++) {
		if (nx_str_eq(group_of(&nx_config_options[i]), group))
			put_row(b, &nx_config_options[i]);
	}
}

static const char introduction[] =
	"# Configuration\n"
	"\n"
	"Every option has a default; NEXUS runs without any configuration. An option can be given in four places, each of which\n"
	"goes before the ones above it:\n"
	"\n"
	"1. the built-in default;\n"
	"2. `nexus.yaml` in the data directory;\n"
	"3. an environment variable: `NEXUS_API_THREADS=2`;\n"
	"4. a flag: `nexus serve --api-threads 2`. A flag is the option's name with hyphens for dots and underscores.\n"
	"\n"
	"`nexus config` shows every option with its value and where that came from. A name that does not exist is an error, and\n"
	"the nearest one is suggested. In `nexus.yaml` options are grouped, or written with their dots:\n"
	"\n"
	"```yaml\n"
	"listen: 127.0.0.1:8600\n"
	"api:\n"
	"  max_body_bytes: 64MiB\n"
	"core.default_timeout: 5min\n"
	"```\n"
	"\n"
	"Sizes are `512B`, `64KiB`, `32MiB`, `1.5GiB` (1024) or `10MB` (1000), and a bare number is bytes. Times are `250ms`,\n"
	"`30s`, `5min`, `2h`, `7d` or `1h 30min`, always with a unit.\n";

void nx_config_markdown(struct nx_buf *b)
{
	nx_str last = NX_STR_NULL;
	nx_buf_addz(b, introduction);
	put_group(b, NX_STR_NULL);
	for (size_t i = 0; i < nx_config_noptions; i++) {
		nx_str group = group_of(&nx_config_options[i]);
		if (group.n > 0 && !nx_str_eq(group, last))
			put_group(b, group);
		last = group.n > 0 ? group : last;
	}
}
