/* What comes from the engine, decoded: pure functions over outside bytes. */
#include "execution/docker_internal.h"

#include <ctype.h>

enum { STDIN, STDOUT, STDERR };

static bool take_head(struct nx_docker_demux *x, nx_str *rest)
{
	while (x->nhead < sizeof(x->head) && rest->n) {
		x->head[x->nhead++] = (unsigned char)rest->p[0];
		*rest = nx_str_n(rest->p + 1, rest->n - 1);
	}
	if (x->nhead < sizeof(x->head))
		return true;
	const unsigned char *h = x->head;
	x->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
	return h[0] <= STDERR && !h[1] && !h[2] && !h[3];
}

bool nx_docker_demux_feed(struct nx_docker_demux *x, nx_str bytes, void (*on_bytes)(void *ctx, int fd, nx_str bytes),
			  void *ctx)
{
	while (bytes.n && !x->failed) {
		if (x->nhead < sizeof(x->head)) {
			x->failed = !take_head(x, &bytes);
		} else {
			size_t n = nx_min(bytes.n, (size_t)x->left);
			if (n && x->head[0] != STDIN)
				on_bytes(ctx, x->head[0], nx_str_n(bytes.p, n));
			x->left -= (uint32_t)n;
			bytes = nx_str_n(bytes.p + n, bytes.n - n);
		}
		if (x->nhead == sizeof(x->head) && x->left == 0)
			x->nhead = 0;
	}
	return !x->failed;
}

static int64_t count(yyjson_val *obj, const char *key)
{
	return nx_max(nx_json_int(obj, key, 0), (int64_t)0);
}

bool nx_docker_read_stats(struct nx_arena *a, nx_str json, struct nx_docker_stats *ret)
{
	yyjson_val *v;
	*ret = (struct nx_docker_stats){0};
	if (nx_json_read(a, json, NULL, &v, NULL) < 0)
		return false;
	yyjson_val *memory = nx_json_get(v, "memory_stats"), *cpu = nx_json_get(v, "cpu_stats");
	ret->memory_bytes = count(memory, "usage");
	ret->peak_bytes = count(memory, "max_usage");
	ret->cpu_us = count(nx_json_get(cpu, "cpu_usage"), "total_usage") / 1000;
	ret->throttled = count(nx_json_get(cpu, "throttling_data"), "throttled_periods");
	ret->processes = count(nx_json_get(v, "pids_stats"), "current");
	return true;
}

bool nx_docker_read_id(struct nx_arena *a, nx_str json, char ret[NX_DOCKER_ID_MAX])
{
	yyjson_val *v;
	if (nx_json_read(a, json, NULL, &v, NULL) < 0)
		return false;
	nx_str id = nx_json_str(v, "Id");
	if (id.n == 0 || id.n >= NX_DOCKER_ID_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!isxdigit((unsigned char)id.p[i]))
			return false;
	memcpy(ret, id.p, id.n);
	ret[id.n] = '\0';
	return true;
}

bool nx_docker_is_image(const char *name)
{
	size_t n = strlen(name);
	if (n == 0 || n > 255 || !isalnum((unsigned char)name[0]) || strstr(name, ".."))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._/:@-", name[i]))
			return false;
	return true;
}
