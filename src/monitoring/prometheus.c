/* The text exposition format 0.0.4 of Prometheus. */
#include "monitoring/monitoring_internal.h"

#include "base/clock.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>

static void add_escaped(struct nx_buf *b, const char *s, bool is_label)
{
	for (; *s; s++) {
		if (*s == '\\')
			nx_buf_addz(b, "\\\\");
		else if (*s == '\n')
			nx_buf_addz(b, "\\n");
		else if (*s == '"' && is_label)
			nx_buf_addz(b, "\\\"");
		else
			nx_buf_addc(b, *s);
	}
}

static void add_number(struct nx_buf *b, double v)
{
	if (isnan(v))
		nx_buf_addz(b, "NaN");
	else if (isinf(v))
		nx_buf_addz(b, v > 0 ? "+Inf" : "-Inf");
	else
		nx_buf_addf(b, "%.15g", v);
}

static void add_label(struct nx_buf *b, char *before, const char *name, const char *value)
{
	if (!name)
		return;
	nx_buf_addc(b, *before);
	*before = ',';
	nx_buf_addf(b, "%s=\"", name);
	add_escaped(b, value, true);
	nx_buf_addc(b, '"');
}

/* name_suffix{labels,le="…"} up to the value. `le` NULL: without. */
static void add_series(struct nx_buf *b, const struct nx_metric_view *v, const char *suffix, const char *le)
{
	char before = '{';
	nx_buf_addf(b, "%s%s", v->name, suffix);
	add_label(b, &before, v->l1_name, v->l1);
	add_label(b, &before, v->l2_name, v->l2);
	add_label(b, &before, le ? "le" : NULL, le);
	nx_buf_addz(b, before == '{' ? " " : "} ");
}

static void add_histogram(struct nx_buf *b, const struct nx_metric_view *v)
{
	for (size_t i = 0; i < v->nbounds; i++) {
		char le[32];
		(void)snprintf(le, sizeof(le), "%g", v->bounds[i]);
		add_series(b, v, "_bucket", le);
		nx_buf_addf(b, "%llu\n", (unsigned long long)v->buckets[i]);
	}
	add_series(b, v, "_bucket", "+Inf");
	nx_buf_addf(b, "%llu\n", (unsigned long long)v->count);
	add_series(b, v, "_sum", NULL);
	add_number(b, v->value);
	nx_buf_addc(b, '\n');
	add_series(b, v, "_count", NULL);
	nx_buf_addf(b, "%llu\n", (unsigned long long)v->count);
}

struct exposition {
	struct nx_buf *b;
	const char *last; /* name of the metric under way: its help and type come once */
};

static void add_view(const struct nx_metric_view *v, void *ctx)
{
	struct exposition *e = ctx;
	if (e->last != v->name) {
		e->last = v->name;
		nx_buf_addf(e->b, "# HELP %s ", v->name);
		add_escaped(e->b, v->help, false);
		nx_buf_addf(e->b, "\n# TYPE %s %s\n", v->name, v->kind);
	}
	if (v->buckets) {
		add_histogram(e->b, v);
		return;
	}
	add_series(e->b, v, "", NULL);
	add_number(e->b, v->value);
	nx_buf_addc(e->b, '\n');
}

/* The second figure of statm: resident pages. 0 where there is no /proc. */
static double resident_bytes(void)
{
	char text[128];
	nx_auto_fd int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	nx_str rest = nx_str_n(text, (size_t)n);
	(void)nx_str_cut(&rest, ' ');
	int64_t pages;
	if (!nx_str_to_i64(nx_str_cut(&rest, ' '), &pages))
		return 0;
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void measure_process(void)
{
	nx_metric_set(NX_M_RSS, NULL, NULL, resident_bytes());
	nx_metric_set(NX_M_CPU, NULL, NULL, (double)nx_time_process_cpu_us() / NX_USEC_PER_SEC);
	struct nx_monitoring *m = nx_monitoring_lock();
	for (size_t i = 0; m && i < m->nwatched; i++)
		nx_metric_set(NX_M_LOOP_DELAY, nx_loop_name(m->watched[i]), NULL,
			      (double)nx_loop_delay_us(m->watched[i]) / NX_USEC_PER_SEC);
	nx_monitoring_unlock();
}

void nx_monitoring_prometheus(struct nx_buf *b)
{
	measure_process();
	nx_metrics_visit(add_view, &(struct exposition){.b = b});
}
