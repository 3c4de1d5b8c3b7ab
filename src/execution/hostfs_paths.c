/* Rules on the text of paths: pure, so that they can be tried without a host; see hostfs.h. */
#include "execution/hostfs.h"

#include "base/macros.h"

#include <string.h>

bool nx_hostfs_is_plain(const char *path)
{
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	if (path[0] != '/' || !path[1])
		return false;
	for (const char *p = path; *p;) {
		size_t n = strcspn(++p, "/");
		if (n == 0 || (n <= 2 && strncmp(p, "..", n) == 0))
			return false;
		p += n;
	}
	return true;
}

bool nx_hostfs_is_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

bool nx_hostfs_may_cover(const char *path)
{
	static const char *const own[] = {"/bin",    "/box",  "/code", "/dev", "/etc", "/lib", "/lib32", "/lib64",
					  "/libx32", "/proc", "/sbin", "/sys", "/tmp", "/usr", "/work"};
	for (size_t i = 0; i < nx_countof(own); i++)
		if (nx_hostfs_is_inside(path, own[i]))
			return false;
	return true;
}

bool nx_hostfs_next_root(const char **list, char *ret, size_t size)
{
	while (**list) {
		size_t n = strcspn(*list, ":"), kept = n;
		const char *start = *list;
		*list += n + (start[n] == ':');
		while (kept > 1 && start[kept - 1] == '/')
			kept--;
		if (kept == 0 || kept >= size)
			continue;
		memcpy(ret, start, kept);
		ret[kept] = '\0';
		return true;
	}
	return false;
}

bool nx_hostfs_root_of(const char *list, const char *path, char *ret, size_t size)
{
	char root[NX_SPAWN_TEXT_MAX];
	bool found = false;
	while (nx_hostfs_next_root(&list, root, sizeof(root))) {
		size_t n = strlen(root);
		if (!nx_hostfs_is_plain(root) || !nx_hostfs_is_inside(path, root) || n >= size ||
		    (found && n >= strlen(ret)))
			continue;
		memcpy(ret, root, n + 1);
		found = true;
	}
	return found;
}
