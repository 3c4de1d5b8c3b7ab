/*
 * Landlock: a second wall behind the mount namespace, from Linux 5.13. The numbers are the kernel's stable interface
 * (Documentation/userspace-api/landlock.rst), written out because the headers of older systems lack the newer ones.
 */
#include "execution/hostfs.h"

#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_ABI_1 = (1 << 13) - 1,
	FS_REFER = 1 << 13,     /* ABI 2 */
	FS_TRUNCATE = 1 << 14,  /* ABI 3 */
	FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
	NET_BIND_TCP = 1 << 0,  /* ABI 4 */
	NET_CONNECT_TCP = 1 << 1,
	SCOPE_ABSTRACT_UNIX = 1 << 0, /* ABI 6 */
	SCOPE_SIGNAL = 1 << 1,
	CREATE_VERSION = 1,
	RULE_PATH_BENEATH = 1,
};

struct ruleset_attr {
	uint64_t fs, net, scoped;
};
struct path_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

int nx_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
	return abi > 0 ? (int)abi : 0;
}

static uint64_t file_rights(int abi)
{
	uint64_t all = FS_ABI_1;
	all |= abi >= 2 ? FS_REFER : 0;
	all |= abi >= 3 ? FS_TRUNCATE : 0;
	all |= abi >= 5 ? FS_IOCTL_DEV : 0;
	return all;
}

static size_t attr_size(int abi)
{
	if (abi >= 6)
		return sizeof(struct ruleset_attr);
	return abi >= 4 ? offsetof(struct ruleset_attr, scoped) : offsetof(struct ruleset_attr, net);
}

static int allow_fd(int ruleset, int fd, uint64_t rights)
{
	struct path_beneath rule = {.allowed = rights, .parent_fd = fd};
	return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

static int allow(int ruleset, const char *path, uint64_t rights)
{
	nx_auto_fd int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return allow_fd(ruleset, fd, rights);
}

static int allow_all(int ruleset, const char *const *paths, size_t n, uint64_t rights)
{
	int r = 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = allow(ruleset, paths[i], rights);
	return r;
}

/* Not /dev/zero: what is written to a shared mapping of it is memory that no file's size bounds. */
static int allow_sinks(int ruleset, int abi)
{
	static const char *const sinks[] = {"/dev/null", "/dev/full", "/dev/random", "/dev/urandom"};
	return allow_all(ruleset, sinks, nx_countof(sinks),
			 (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE) & file_rights(abi));
}

/* Those that may only be read lie below "/". */
static int allow_trees(int ruleset, uint64_t all, const struct nx_guest_trees *t)
{
	const uint64_t doors = FS_MAKE_CHAR | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_BLOCK | FS_IOCTL_DEV;
	const char *path = t->paths;
	int r = 0;
	for (uint32_t i = 0; i < t->n && r == 0; i++, path += strlen(path) + 1)
		if (t->is_write[i])
			r = allow(ruleset, path, all & ~doors);
	return r;
}

int nx_landlock_restrict(int abi, bool has_loopback, const struct nx_guest_trees *trees)
{
	uint64_t all = file_rights(abi);
	struct ruleset_attr attr = {.fs = all,
				    .net = has_loopback ? 0 : NET_BIND_TCP | NET_CONNECT_TCP,
				    .scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL};
	nx_auto_fd int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size(abi), 0);
	if (ruleset < 0)
		return -errno;
	int r = allow(ruleset, "/", FS_EXECUTE | FS_READ_FILE | FS_READ_DIR);
	if (r == 0)
		r = allow(ruleset, "/box", all);
	if (r == 0)
		r = allow_sinks(ruleset, abi);
	if (r == 0)
		r = allow(ruleset, "/proc", (FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE) & all);
	if (r == 0)
		r = allow_trees(ruleset, all, trees);
	if (r < 0)
		return r;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

/* Of /etc what the loader, the compiler and the clock look up; of /proc the program's own process, where it can be seen. */
int nx_landlock_restrict_bare(int abi, int box)
{
	static const char *const system[] = {
		"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives", "/etc/fonts"};
	static const char *const files[] = {"/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/openssl.cnf", "/dev/zero"};
	struct ruleset_attr attr = {.fs = file_rights(abi),
				    .net = NET_BIND_TCP | NET_CONNECT_TCP,
				    .scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL};
	nx_auto_fd int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size(abi), 0);
	if (ruleset < 0)
		return -errno;
	int r = allow_all(ruleset, system, nx_countof(system), FS_EXECUTE | FS_READ_FILE | FS_READ_DIR);
	if (r == 0)
		r = allow_all(ruleset, files, nx_countof(files), FS_READ_FILE);
	if (r == 0)
		r = allow_sinks(ruleset, abi);
	if (r == 0)
		r = allow(ruleset, "/proc/self", FS_READ_FILE | FS_READ_DIR);
	if (r == 0)
		r = allow_fd(ruleset, box, attr.fs);
	if (r < 0)
		return r;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

int nx_landlock_restrict_proxy(int abi)
{
	static const char *const places[] = {"/etc",
					     "/usr",
					     "/lib",
					     "/lib64",
					     "/run/systemd/resolve",
					     "/run/resolvconf",
					     "/run/NetworkManager",
					     "/run/connman",
					     "/mnt/wsl"};
	struct ruleset_attr attr = {.fs = file_rights(abi), .scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL};
	nx_auto_fd int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size(abi), 0);
	if (ruleset < 0)
		return -errno;
	int r = allow_all(ruleset, places, nx_countof(places), FS_READ_FILE | FS_READ_DIR);
	if (r < 0)
		return r;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}
