#include "execution/traces_internal.h"

#include "base/io.h"
#include "execution/cgroup_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FAMILY_MAX = 8192, TEXT_MAX = 65536, DEPTH_MAX = 8, PAUSE_US = 100000, SETTLE_MS_MAX = 10000 };
#define MAIN_LEAF "/nexus-main" /* of cgroup v2: the spawner may sit one below the place of its sets */

static int64_t count_entries(const char *path)
{
	DIR *d = opendir(path);
	int64_t n = 0;
	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static int64_t count_lines(pid_t pid)
{
	char path[64];
	int64_t n = 0;
	int c;
	(void)snprintf(path, sizeof(path), "/proc/%ld/mountinfo", (long)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	(void)fclose(f);
	return n;
}

int64_t nx_traces_memory(pid_t pid)
{
	char path[64], line[256];
	long long kib = -1;
	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %lld", &kib) == 1)
			break;
	if (f)
		(void)fclose(f);
	return kib;
}

/* `root` first, then all its descendants, dead ones that nobody has waited for included. */
static size_t list_family(pid_t root, pid_t *ret)
{
	size_t n = 1;
	ret[0] = root;
	for (size_t i = 0; i < n; i++) {
		char path[96];
		int child;
		(void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)ret[i], (long)ret[i]);
		FILE *f = fopen(path, "re");
		while (f && n < FAMILY_MAX && fscanf(f, "%d", &child) == 1)
			ret[n++] = child;
		if (f)
			(void)fclose(f);
	}
	return n;
}

static void count_family(pid_t spawner, struct nx_traces *ret)
{
	static pid_t family[FAMILY_MAX];
	size_t n = list_family(spawner, family);
	ret->processes = (int64_t)n - 1;
	ret->spawner_fds = 0;
	for (size_t i = 0; i < n; i++) {
		char path[64];
		(void)snprintf(path, sizeof(path), "/proc/%ld/fd", (long)family[i]);
		int64_t fds = count_entries(path);
		ret->spawner_fds += fds > 0 ? fds : 0; /* the dead have none */
	}
}

/* ---- cgroups ---- */

static int64_t count_sets(const char *dir, pid_t spawner, unsigned long pidns)
{
	DIR *d = opendir(dir);
	int64_t n = 0;
	struct nx_cgroup_name name;
	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d));)
		n += nx_cgroup_name_parse(e->d_name, &name) && name.pid == spawner && name.pidns == pidns;
	(void)closedir(d);
	return n;
}

/* Below the spawner's own cgroup, or the root where that cannot be seen, as the spawner chose it. */
static int64_t count_below(const char *mount, const char *own, pid_t spawner, unsigned long pidns)
{
	char dir[1024];
	if (snprintf(dir, sizeof(dir), "%s%s", mount, own) >= (int)sizeof(dir))
		return 0;
	size_t n = strlen(dir), leaf = strlen(MAIN_LEAF);
	if (n > leaf && strcmp(dir + n - leaf, MAIN_LEAF) == 0)
		dir[n - leaf] = '\0';
	int64_t found = count_sets(dir, spawner, pidns);
	return found >= 0 ? found : nx_max(count_sets(mount, spawner, pidns), (int64_t)0);
}

/* In every hierarchy. cpu and cpuacct are often one. */
static int64_t count_cgroups(pid_t spawner)
{
	static char mountinfo[TEXT_MAX], text[TEXT_MAX];
	char path[512];
	struct nx_cgroup_mounts m;
	struct stat st;
	(void)snprintf(path, sizeof(path), "/proc/%ld/ns/pid", (long)spawner);
	unsigned long pidns = stat(path, &st) == 0 ? (unsigned long)st.st_ino : 0;
	nx_auto_fd int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%ld/cgroup", (long)spawner);
	if (proc < 0 || nx_cg_read(proc, "self/mountinfo", mountinfo, sizeof(mountinfo)) < 0 ||
	    nx_cg_read(proc, path, text, sizeof(text)) < 0)
		return -1;
	nx_cgroup_parse_mounts(mountinfo, &m);
	int64_t n = 0;
	for (int c = 0; c < NX_CG_MAX; c++) {
		bool is_seen = c == NX_CG_CPUACCT && strcmp(m.v1[c], m.v1[NX_CG_CPU]) == 0;
		if (m.v1[c][0] && !is_seen && nx_cgroup_parse_path(text, nx_controller_names[c], path, sizeof(path)))
			n += count_below(m.v1[c], path, spawner, pidns);
	}
	if (m.v2[0] && nx_cgroup_parse_path(text, NULL, path, sizeof(path)))
		n += count_below(m.v2, path, spawner, pidns);
	return n;
}

/* ---- files ---- */

static int64_t count_files(const char *dir, unsigned depth)
{
	DIR *d = opendir(dir);
	int64_t n = 0;
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[1024];
		if (nx_is_dots(e->d_name))
			continue;
		n++;
		if (e->d_type == DT_DIR && depth < DEPTH_MAX &&
		    snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int)sizeof(path))
			n += count_files(path, depth + 1);
	}
	if (d)
		(void)closedir(d);
	return n;
}

/* ---- all of it ---- */

void nx_traces_count(pid_t spawner, const char *dir, struct nx_traces *ret)
{
	*ret = (struct nx_traces){0};
	count_family(spawner, ret);
	ret->cgroups = count_cgroups(spawner);
	ret->mounts = count_lines(spawner) + count_lines(getpid());
	ret->server_fds = count_entries("/proc/self/fd");
	ret->files = dir ? count_files(dir, 0) : 0;
	ret->spawner_kib = nx_traces_memory(spawner);
}

static bool is_same(const struct nx_traces *a, const struct nx_traces *b)
{
	return a->processes == b->processes && a->cgroups == b->cgroups && a->mounts == b->mounts &&
	       a->spawner_fds == b->spawner_fds && a->server_fds == b->server_fds && a->files == b->files;
}

void nx_traces_settle(pid_t spawner, const char *dir, int64_t still_ms, struct nx_traces *ret)
{
	struct nx_traces last;
	int64_t same_ms = 0;
	nx_traces_count(spawner, dir, &last);
	for (int64_t ms = 0; ms < SETTLE_MS_MAX + still_ms && same_ms < still_ms; ms += PAUSE_US / 1000) {
		(void)usleep(PAUSE_US);
		nx_traces_count(spawner, dir, ret);
		same_ms = is_same(ret, &last) ? same_ms + PAUSE_US / 1000 : 0;
		last = *ret;
	}
	*ret = last;
}
