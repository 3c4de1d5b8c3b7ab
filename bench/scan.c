/*
 * How long the scanner takes for 1,000 lines of ordinary code in each language.
 *
 *   nexus bench scan [--rounds N] [--scans N]
 *
 * A round is the median of its scans, each with an arena of its own, rules and grammars loaded before.
 */
#include "base/clock.h"
#include "base/str.h"
#include "bench/bench.h"
#include "execution/scanner.h"

#include <stdlib.h>

#define LINES 1000
#define SCANS_MAX 1000

static double rounds = 5, scans = 41;

/* Each piece has ten lines, and its number in it. */
static const struct language {
	const char *name, *head, *piece;
} languages[] = {
	{"python", "import os, re\n",
	 "def f%1$d(a, b=None):\n    x = [i * %1$d for i in range(a) if i %% 3]\n    if b is None:\n"
	 "        b = {'k': x, 'v': re.sub('a', 'b', 'text %1$d')}\n    for k, v in b.items():\n"
	 "        print(os.path.join(str(k), str(v)), end='')\n    if not x:\n        raise ValueError(f'no {a}')\n"
	 "    return sum(x) + len(b)\n\n"},
	{"javascript", "const path = require('path');\n",
	 "function f%1$d(a, b) {\n  const x = [...Array(a).keys()].filter((i) => i %% 3).map((i) => i * %1$d);\n"
	 "  if (!b) {\n    b = { k: x, v: 'text %1$d'.replace(/a/g, 'b') };\n  }\n"
	 "  for (const [k, v] of Object.entries(b)) {\n    console.log(path.join(String(k), String(v)));\n  }\n"
	 "  return x.reduce((s, i) => s + i, 0);\n}\n"},
	{"shell", "set -eu\n",
	 "f%1$d() {\n  local x=\"$1\" n=%1$d\n  if [ -z \"$x\" ]; then\n    echo \"no argument\" >&2\n    return 1\n  fi\n"
	 "  for i in 1 2 3; do\n    printf '%%s %%d\\n' \"$x\" $((i * n)) | sort\n  done\n}\n"},
	{"c", "#include <stdio.h>\n#include <string.h>\n",
	 "static int f%1$d(const char *a, int n)\n{\n\tint sum = %1$d;\n\tfor (int i = 0; i < n; i++)\n"
	 "\t\tsum += a[i] * i;\n\tif (sum > 1000 && strlen(a) > 3)\n\t\tprintf(\"%%d %%s\\n\", sum, a);\n\treturn sum;\n}\n\n"},
};

static void write_program(const struct language *l, struct nx_buf *b)
{
	nx_buf_addz(b, l->head);
	for (int i = 0; i < LINES / 10; i++)
		nx_buf_addf(b, l->piece, i);
	if (b->failed)
		bench_die("write a program");
}

static double scan_once(const struct language *l, nx_str code)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_scan_options o = {.policy = NX_SCAN_STANDARD};
	struct nx_scan_result r;
	int64_t start = nx_time_mono_us();
	if (!a || nx_scan(nx_str_z(l->name), code, &o, a, &r, NULL) < 0 || r.parse_errors)
		bench_die("scan a program");
	return (double)(nx_time_mono_us() - start) / NX_USEC_PER_MSEC;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double median_scan(const struct language *l, nx_str code)
{
	static double ms[SCANS_MAX];
	double most = nx_min(scans, (double)SCANS_MAX);
	unsigned n = (unsigned)nx_max(most, 1.0);
	for (unsigned i = 0; i < n; i++)
		ms[i] = scan_once(l, code);
	qsort(ms, n, sizeof(*ms), by_value);
	return ms[n / 2];
}

int main(int argc, char **argv)
{
	const struct bench_option options[] = {{"--rounds", &rounds}, {"--scans", &scans}};
	struct bench_series series[nx_countof(languages)];
	struct nx_buf programs[nx_countof(languages)];
	bench_options(argc, argv, options, nx_countof(options));
	for (size_t i = 0; i < nx_countof(languages); i++) {
		series[i] = (struct bench_series){.name = languages[i].name, .unit = "ms"};
		programs[i] = NX_BUF_INIT;
		write_program(&languages[i], &programs[i]);
		(void)scan_once(&languages[i], nx_buf_str(&programs[i]));
	}
	for (unsigned round = 0; round < (unsigned)rounds; round++)
		for (size_t i = 0; i < nx_countof(languages); i++)
			bench_add(&series[i], median_scan(&languages[i], nx_buf_str(&programs[i])));
	bench_report("scan", series, nx_countof(series));
	for (size_t i = 0; i < nx_countof(languages); i++)
		nx_buf_done(&programs[i]);
	return 0;
}
