/* What a tree of processes uses, read from /proc: the stand-in for cgroups, and the truth for tests. */
#include "execution/sandbox_internal.h"

#include "base/macros.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TREE_MAX 4096 /* processes looked at; more than a run may have */

static bool read_text(int proc_fd, const char *path, char *ret, size_t size)
{
	nx_auto_fd int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, ret, size - 1);
	if (n < 0)
		return false;
	ret[n] = '\0';
	return true;
}

struct stat_fields {
	unsigned long long utime, stime, cutime, cstime, threads, start, rss_pages;
};

/* proc(5), counted after the last ')': the name before it may hold anything. */
static bool read_stat(int proc_fd, pid_t pid, struct stat_fields *ret)
{
	char path[32], text[1024];
	snprintf(path, sizeof(path), "%ld/stat", (long)pid);
	if (!read_text(proc_fd, path, text, sizeof(text)))
		return false;
	const char *p = strrchr(text, ')');
	return p &&
	       sscanf(p + 1,
		      " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %llu %*d %llu %*u %llu",
		      &ret->utime, &ret->stime, &ret->cutime, &ret->cstime, &ret->threads, &ret->start,
		      &ret->rss_pages) == 7;
}

int64_t nx_proc_stat_start(int proc_fd, pid_t pid)
{
	struct stat_fields f;
	return read_stat(proc_fd, pid, &f) ? (int64_t)f.start : -1;
}

static size_t add_children(int proc_fd, pid_t pid, pid_t *list, size_t n)
{
	char path[64], text[8192];
	snprintf(path, sizeof(path), "%ld/task", (long)pid);
	int fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		if (fd >= 0)
			(void)close(fd);
		return n;
	}
	for (struct dirent *e; (e = readdir(d));) {
		char file[300];
		snprintf(file, sizeof(file), "%ld/task/%s/children", (long)pid, e->d_name);
		if (e->d_name[0] == '.' || !read_text(proc_fd, file, text, sizeof(text)))
			continue;
		char *save = NULL;
		for (char *w = strtok_r(text, " ", &save); w && n < TREE_MAX; w = strtok_r(NULL, " ", &save)) {
			int child;
			if (sscanf(w, "%d", &child) == 1 && child > 0)
				list[n++] = child;
		}
	}
	closedir(d);
	return n;
}

/* Pages shared by fork count once for each process in RSS; the proportional set size shares them out (proc(5), since Linux
 * 4.14). It costs a walk over the page tables, so it is asked for only when RSS says that the limit is passed. */
static int64_t read_pss(int proc_fd, pid_t pid, int64_t otherwise)
{
	char path[48], text[2048];
	long long kib;
	snprintf(path, sizeof(path), "%ld/smaps_rollup", (long)pid);
	if (!read_text(proc_fd, path, text, sizeof(text)))
		return otherwise;
	const char *p = strstr(text, "\nPss:");
	return p && sscanf(p, "\nPss: %lld", &kib) == 1 ? kib * 1024 : otherwise;
}

void nx_tree_usage(int proc_fd, pid_t root, int64_t rss_limit, struct nx_tree_usage *ret)
{
	static pid_t list[TREE_MAX];
	static long ticks, page;
	if (!ticks) {
		ticks = sysconf(_SC_CLK_TCK);
		page = sysconf(_SC_PAGESIZE);
	}
	*ret = (struct nx_tree_usage){0};
	list[0] = root;
	size_t n = 1;
	for (size_t i = 0; i < n; i++) {
		struct stat_fields f;
		if (!read_stat(proc_fd, list[i], &f))
			continue;
		ret->rss_bytes += (int64_t)f.rss_pages * page;
		ret->cpu_us += (int64_t)(f.utime + f.stime + f.cutime + f.cstime) * (1000000 / ticks);
		ret->tasks += (int64_t)f.threads;
		n = add_children(proc_fd, list[i], list, n);
	}
	if (ret->rss_bytes <= rss_limit)
		return;
	int64_t shared_out = 0;
	for (size_t i = 0; i < n; i++)
		shared_out += read_pss(proc_fd, list[i], 0);
	ret->rss_bytes = shared_out ? shared_out : ret->rss_bytes;
}
