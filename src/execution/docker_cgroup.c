/*
 * The cgroups of a container whose engine runs on this host, read directly: at once, and with what the engine does not tell
 * (processes killed for memory, forks refused). The engine's own statistics come once a second, and only when it is due.
 */
#include "execution/cgroup_internal.h"
#include "execution/docker_internal.h"

#include <fcntl.h>
#include <stdio.h>

#define MOUNTS_MAX ((size_t)256 << 10)

/* The process may be another one, of another host or namespace: a path that names the container is the proof. */
static int open_one(const char *mount, const char *text, const char *controller, const char *id)
{
	char path[512], whole[800];
	if (!*mount || !nx_cgroup_parse_path(text, controller, path, sizeof(path)) || !strstr(path, id))
		return -1;
	snprintf(whole, sizeof(whole), "%s%s", mount, path);
	return open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool nx_docker_cgroup_open(struct nx_docker_cgroup *g, int64_t pid, const char *id)
{
	char path[64];
	nx_str mounts, mine;
	struct nx_cgroup_mounts m;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	snprintf(path, sizeof(path), "/proc/%lld/cgroup", (long long)pid);
	if (!a || pid <= 1 || nx_file_read(a, path, MOUNTS_MAX, &mine, NULL) < 0 ||
	    nx_file_read(a, "/proc/self/mountinfo", MOUNTS_MAX, &mounts, NULL) < 0)
		return false;
	const char *text = nx_str_zdup(a, mine), *mount_text = nx_str_zdup(a, mounts);
	if (!text || !mount_text)
		return false;
	nx_cgroup_parse_mounts(mount_text, &m);
	g->mode = NX_CGROUP_V1;
	for (int c = 0; c < NX_CG_MAX; c++)
		g->dir[c] = open_one(m.v1[c], text, nx_controller_names[c], id);
	if (g->dir[NX_CG_MEMORY] >= 0 && g->dir[NX_CG_CPUACCT] >= 0)
		return true;
	nx_docker_cgroup_close(g);
	g->mode = NX_CGROUP_V2;
	g->dir[0] = open_one(m.v2, text, NULL, id);
	if (g->dir[0] >= 0 && nx_cg_read_int(g->dir[0], "memory.peak") >= 0)
		return true;
	nx_docker_cgroup_close(g);
	return false;
}

bool nx_docker_cgroup_read(const struct nx_docker_cgroup *g, struct nx_docker_stats *ret)
{
	struct nx_cgroup_usage u;
	if (g->mode == NX_CGROUP_NONE)
		return false;
	nx_cgroup_totals(g->mode, g->dir, &u);
	int64_t n = nx_cg_read_int(g->dir[g->mode == NX_CGROUP_V2 ? 0 : NX_CG_PIDS], "pids.current");
	*ret = (struct nx_docker_stats){.cpu_us = u.cpu_us,
					.peak_bytes = u.peak_bytes,
					.processes = n,
					.oom_kills = u.oom_kills,
					.refused = u.refused,
					.throttled = u.throttled};
	return u.cpu_us >= 0; /* -1: it is gone */
}

void nx_docker_cgroup_close(struct nx_docker_cgroup *g)
{
	for (int c = 0; c < NX_CG_MAX; c++)
		if (g->dir[c] >= 0)
			(void)close(nx_steal_fd(&g->dir[c]));
	g->mode = NX_CGROUP_NONE;
}
