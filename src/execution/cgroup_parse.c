#include "execution/sandbox_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const nx_controller_names[NX_CG_MAX] = {"memory", "pids", "cpu", "cpuacct"};

/* A line of at most `size` - 1 bytes into `line`; the start of the next one, or NULL at the end. */
static const char *next_line(const char *text, char *line, size_t size)
{
	if (!*text)
		return NULL;
	size_t n = strcspn(text, "\n");
	size_t take = n < size ? n : 0; /* a line that does not fit is skipped, not cut */
	memcpy(line, text, take);
	line[take] = '\0';
	return text[n] ? text + n + 1 : text + n;
}

static bool has_option(const char *options, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = options; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

static void keep_path(char *ret, size_t size, const char *path)
{
	if (*ret || strchr(path, '\\') || strlen(path) >= size) /* the first mount counts; escaped paths are left out */
		return;
	memcpy(ret, path, strlen(path) + 1);
}

/* proc(5): "36 35 98:0 /root /mount options [tags] - type source super-options". Only whole hierarchies are of use. */
static void parse_mount(char *line, struct nx_cgroup_mounts *ret)
{
	char *tail = strstr(line, " - ");
	if (!tail)
		return;
	*tail = '\0';
	tail += 3;
	char *save = NULL, *path = NULL;
	int field = 0;
	for (char *f = strtok_r(line, " ", &save); f; f = strtok_r(NULL, " ", &save))
		if (++field == 5)
			path = f;
	char *type = strtok_r(tail, " ", &save);
	char *source = strtok_r(NULL, " ", &save);
	char *options = strtok_r(NULL, " ", &save);
	if (!path || !type || !source || !options)
		return;
	if (strcmp(type, "cgroup2") == 0)
		keep_path(ret->v2, sizeof(ret->v2), path);
	if (strcmp(type, "cgroup") != 0)
		return;
	for (int c = 0; c < NX_CG_MAX; c++)
		if (has_option(options, nx_controller_names[c]))
			keep_path(ret->v1[c], sizeof(ret->v1[c]), path);
}

void nx_cgroup_parse_mounts(const char *mountinfo, struct nx_cgroup_mounts *ret)
{
	*ret = (struct nx_cgroup_mounts){0};
	char line[1024];
	for (const char *p = mountinfo; (p = next_line(p, line, sizeof(line)));)
		parse_mount(line, ret);
}

bool nx_cgroup_parse_path(const char *text, const char *controller, char *ret, size_t size)
{
	char line[1024];
	for (const char *p = text; (p = next_line(p, line, sizeof(line)));) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path || path[1] != '/' || strlen(path + 1) >= size || strstr(path, ".."))
			continue;
		*path++ = '\0';
		controllers++;
		if (controller ? !has_option(controllers, controller) : (*controllers || line[0] != '0'))
			continue;
		memcpy(ret, path, strlen(path) + 1);
		return true;
	}
	return false;
}

int64_t nx_cgroup_parse_key(const char *text, const char *key)
{
	char line[128];
	size_t n = strlen(key);
	for (const char *p = text; (p = next_line(p, line, sizeof(line)));) {
		if (strncmp(line, key, n) != 0 || line[n] != ' ')
			continue;
		char *end;
		errno = 0;
		long long v = strtoll(line + n + 1, &end, 10);
		return errno || end == line + n + 1 || v < 0 ? -1 : v;
	}
	return -1;
}

bool nx_cgroup_has_word(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = text; *(p += strspn(p, " \n"));) {
		size_t len = strcspn(p, " \n");
		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len;
	}
	return false;
}

void nx_cgroup_name_format(const struct nx_cgroup_name *name, char *ret, size_t size)
{
	snprintf(ret, size, "nexus-%lu-%ld-%lu-%u", name->pidns, name->pid, name->start, name->n);
}

/* Exactly what nx_cgroup_name_format writes: what does not come back the same is somebody else's. */
bool nx_cgroup_name_parse(const char *text, struct nx_cgroup_name *ret)
{
	char again[96];
	int used = 0;
	if (sscanf(text, "nexus-%lu-%ld-%lu-%u%n", &ret->pidns, &ret->pid, &ret->start, &ret->n, &used) != 4)
		return false;
	nx_cgroup_name_format(ret, again, sizeof(again));
	return ret->pid > 0 && strcmp(again, text) == 0;
}
