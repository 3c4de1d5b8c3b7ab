/*
 * The file system that all guests share, made once in a mount namespace of the spawner's own, and each run's box.
 *
 * The template is a small read-only tmpfs: /usr of the host bound into it, links for the merged directories, a few files
 * of /etc written here, device nodes, and empty places for /proc and the box. Everything that a guest can write is in its
 * box, one tmpfs of a fixed size: /work, /tmp, /code and /dev/shm lead there, so one limit covers every writable place. A
 * box is never attached in a namespace that outlives the run: it vanishes with its last descriptor.
 */
#include "execution/hostfs.h"

#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

#define AT "/tmp" /* exists on every host; only this namespace sees what is mounted over it */

int nx_tmpfs_new(const char *size, const char *inodes, unsigned attributes)
{
	nx_auto_fd int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -1;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "nr_inodes", inodes, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
}

static int make_owned(int box, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	if (mkdirat(box, name, mode) < 0 || fchownat(box, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return fchmodat(box, name, mode, 0); /* whatever the umask was */
}

/* Links inside the box are followed, as programs expect; what leaves it is collected without following any. */
int nx_box_new(int64_t bytes, int64_t inodes, uid_t uid, gid_t gid, struct nx_fault_at *ret)
{
	char size[32], count[32];
	snprintf(size, sizeof(size), "%lld", (long long)bytes);
	snprintf(count, sizeof(count), "%lld", (long long)inodes);
	nx_auto_fd int box = nx_tmpfs_new(size, count, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (box < 0)
		return nx_fault_at_set(ret, "make the work directory", errno);
	if (make_owned(box, "work", 0700, uid, gid) < 0 || make_owned(box, "tmp", 0700, uid, gid) < 0 ||
	    make_owned(box, "shm", 0700, uid, gid) < 0 || make_owned(box, "code", 0755, geteuid(), getegid()) < 0)
		return nx_fault_at_set(ret, "fill the work directory", errno);
	return nx_steal_fd(&box);
}

/* Binds a path of the host, with what is mounted below it, read-only. -ENOENT is the caller's to judge. */
static int bind_readonly(const char *from, int root, const char *to, unsigned attributes)
{
	nx_auto_fd int tree = (int)syscall(SYS_open_tree, AT_FDCWD, from,
					   OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	if (tree < 0)
		return -errno;
	struct mount_attr attr = {.attr_set = attributes};
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return syscall(SYS_move_mount, tree, "", root, to, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

#define SYSTEM_ATTR (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

/* /bin, /lib and the like: a link on merged systems, a directory of its own on others. */
static int add_system_dir(int root, const char *name)
{
	char path[32], target[128];
	snprintf(path, sizeof(path), "/%s", name);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = '\0';
		return symlinkat(target, root, name) < 0 ? -errno : 0;
	}
	if (access(path, F_OK) < 0)
		return 0;
	if (mkdirat(root, name, 0755) < 0)
		return -errno;
	return bind_readonly(path, root, name, SYSTEM_ATTR);
}

static int add_text(int root, const char *name, const char *text)
{
	nx_auto_fd int fd = openat(root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	size_t n = strlen(text);
	return write(fd, text, n) == (ssize_t)n && fchmod(fd, 0644) == 0 ? 0 : -EIO;
}

static int copy_file(int root, const char *from, const char *to)
{
	char block[16384];
	nx_auto_fd int in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return 0; /* the loader works without its cache */
	nx_auto_fd int out = openat(root, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (out < 0)
		return -errno;
	ssize_t n;
	while ((n = read(in, block, sizeof(block))) > 0)
		if (write(out, block, (size_t)n) != n)
			return -EIO;
	return n < 0 || fchmod(out, 0644) < 0 ? -EIO : 0;
}

static int add_etc(int root)
{
	static const char *const files[][2] = {
		{"etc/passwd", "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
			       "sandbox:x:1000:1000:sandbox:/work:/bin/sh\n"
			       "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
		{"etc/group", "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n"},
		{"etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"},
		{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"},
		{"etc/resolv.conf", ""},
		{"etc/hostname", "sandbox\n"},
	};
	if (mkdirat(root, "etc", 0755) < 0)
		return -errno;
	for (size_t i = 0; i < nx_countof(files); i++) {
		int r = add_text(root, files[i][0], files[i][1]);
		if (r < 0)
			return r;
	}
	if (mkdirat(root, "etc/alternatives", 0755) < 0)
		return -errno;
	int r = bind_readonly("/etc/alternatives", root, "etc/alternatives", SYSTEM_ATTR);
	if (r < 0 && r != -ENOENT)
		return r;
	return copy_file(root, "/etc/ld.so.cache", "etc/ld.so.cache");
}

static int add_device(int root, const char *name, unsigned minor_number, mode_t mode)
{
	char from[32], to[32];
	snprintf(from, sizeof(from), "/dev/%s", name);
	snprintf(to, sizeof(to), "dev/%s", name);
	if (mknodat(root, to, S_IFCHR | mode, makedev(1, minor_number)) == 0)
		return fchmodat(root, to, mode, 0) < 0 ? -errno : 0;
	if (errno != EPERM) /* an ordinary user cannot make nodes, but may bind those of the host */
		return -errno;
	int r = add_text(root, to, "");
	return r < 0 ? r : bind_readonly(from, root, to, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

static int add_dev(int root)
{
	static const struct {
		const char *name;
		unsigned minor_number;
		mode_t mode;
	} nodes[] = {
		{"null", 3, 0666}, {"zero", 5, 0444}, {"full", 7, 0666}, {"random", 8, 0666}, {"urandom", 9, 0666}};
	static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"},
					       {"/proc/self/fd/0", "dev/stdin"},
					       {"/proc/self/fd/1", "dev/stdout"},
					       {"/proc/self/fd/2", "dev/stderr"},
					       {"/box/shm", "dev/shm"}};
	if (mkdirat(root, "dev", 0755) < 0)
		return -errno;
	for (size_t i = 0; i < nx_countof(nodes); i++) {
		int r = add_device(root, nodes[i].name, nodes[i].minor_number, nodes[i].mode);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < nx_countof(links); i++)
		if (symlinkat(links[i][0], root, links[i][1]) < 0)
			return -errno;
	return 0;
}

static int add_places(int root)
{
	static const char *const dirs[] = {"proc", "box", "usr", "var", "run", "root", "home"};
	static const char *const links[][2] = {
		{"box/work", "work"}, {"box/tmp", "tmp"}, {"box/code", "code"}, {"/box/tmp", "var/tmp"}};
	for (size_t i = 0; i < nx_countof(dirs); i++)
		if (mkdirat(root, dirs[i], 0755) < 0)
			return -errno;
	for (size_t i = 0; i < nx_countof(links); i++)
		if (symlinkat(links[i][0], root, links[i][1]) < 0)
			return -errno;
	return 0;
}

int nx_make_dirs(int at, const char *path)
{
	char part[NX_SPAWN_TEXT_MAX];
	for (size_t n = 0; path[n];) {
		n += strspn(path + n, "/");
		n += strcspn(path + n, "/");
		if (n >= sizeof(part))
			return -ENAMETOOLONG;
		memcpy(part, path, n);
		part[n] = '\0';
		if (mkdirat(at, part, 0755) == 0 && fchmodat(at, part, 0755, 0) == 0) /* whatever the umask was */
			continue;
		if (errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* Where what is granted will be mounted: its first directory, as this file system cannot be written to later. */
static int add_granted_places(int root, const char *roots)
{
	char path[NX_SPAWN_TEXT_MAX];
	while (nx_hostfs_next_root(&roots, path, sizeof(path))) {
		if (!nx_hostfs_is_plain(path) || !nx_hostfs_may_cover(path))
			continue; /* what is asked for below it is refused */
		path[1 + strcspn(path + 1, "/")] = '\0';
		int r = nx_make_dirs(root, path + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill(int root, const struct nx_hostfs_rules *rules)
{
	static const char *const system_dirs[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
	int r = add_places(root);
	if (r == 0)
		r = bind_readonly("/usr", root, "usr", SYSTEM_ATTR);
	for (size_t i = 0; i < nx_countof(system_dirs) && r == 0; i++)
		r = add_system_dir(root, system_dirs[i]);
	if (r == 0)
		r = add_etc(root);
	if (r == 0)
		r = add_granted_places(root, rules->read_roots);
	if (r == 0)
		r = add_granted_places(root, rules->write_roots);
	return r == 0 ? add_dev(root) : r;
}

/* An empty "/" with the host's /proc (to write uid maps, and because a guest's own needs a visible one) and the template. */
static int build(const struct nx_hostfs_rules *rules)
{
	nx_auto_fd int outer = nx_tmpfs_new("64k", "16", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (outer < 0 || mkdirat(outer, "proc", 0755) < 0 || mkdirat(outer, "root", 0755) < 0 ||
	    syscall(SYS_move_mount, outer, "", AT_FDCWD, AT, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	int r = bind_readonly("/proc", outer, "proc", 0);
	if (r < 0)
		return r;
	nx_auto_fd int root = nx_tmpfs_new("4m", "256", MOUNT_ATTR_NOSUID);
	if (root < 0 || syscall(SYS_move_mount, root, "", outer, "root", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	r = fill(root, rules);
	if (r < 0)
		return r;
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	if (syscall(SYS_mount_setattr, root, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

int nx_template_enter(const struct nx_host *h, const struct nx_hostfs_rules *rules, struct nx_fault_at *ret)
{
	mode_t before = umask(0);
	int r = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
	if (r == 0 && h->force & NX_FORCE_NO_MOUNT_API)
		r = -ENOSYS;
	if (r < 0)
		return nx_fault_at_set(ret, "make mounts private", -r);
	r = build(rules);
	(void)umask(before);
	if (r < 0)
		return nx_fault_at_set(ret, "build the guests' file system", -r);
	if (chdir(AT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return nx_fault_at_set(ret, "leave the host's file system", errno);
	return 0;
}
