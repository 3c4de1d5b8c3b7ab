/*
 * The file system that all guests share, made once in a mount namespace of the spawner's own, and each run's box.
 *
 * The template is a small read-only tmpfs: /usr of the host bound into it, links for the merged directories, a few files
 * of /etc written here, device nodes, and empty places for /proc and the box. Everything that a guest can write is in its
 * box, one tmpfs of a fixed size: /work, /tmp, /code and /dev/shm lead there, so one limit covers every writable place. A
 * box is never attached in a namespace that outlives the run: it vanishes with its last descriptor.
 */
#include "execution/hostfs.h"

#include "base/asset.h"
#include "base/fault.h"
#include "base/macros.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
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

int nx_box_fill(int box, uid_t uid, gid_t gid)
{
	if (make_owned(box, "work", 0700, uid, gid) < 0 || make_owned(box, "tmp", 0700, uid, gid) < 0 ||
	    make_owned(box, "shm", 0700, uid, gid) < 0)
		return -1;
	return make_owned(box, "code", 0755, geteuid(), getegid());
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
	if (nx_box_fill(box, uid, gid) < 0)
		return nx_fault_at_set(ret, "fill the work directory", errno);
	return nx_steal_fd(&box);
}

/* tmpfs(5): both can be changed while it is in use, but not to less than what is used. */
int nx_box_resize(int box, int64_t bytes, int64_t inodes, struct nx_fault_at *ret)
{
	char size[32], count[32];
	if (NX_FAULT(sandbox_resize))
		return nx_fault_at_set(ret, "resize the work directory", ENOSPC);
	snprintf(size, sizeof(size), "%lld", (long long)bytes);
	snprintf(count, sizeof(count), "%lld", (long long)inodes);
	nx_auto_fd int fs = (int)syscall(SYS_fspick, box, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "nr_inodes", count, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return nx_fault_at_set(ret, "resize the work directory", errno);
	return 0;
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

/* The file system that a template is made of: the host's, or a directory that others filled, whose links are never
 * followed, because they could lead to the host. */
struct source {
	int dir;
	bool is_host;
};

static int open_source(const struct source *s, const char *path, int flags)
{
	struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
			       .resolve = s->is_host ? 0 : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
	return (int)syscall(SYS_openat2, s->dir, path, &how, sizeof(how));
}

static int bind_fd(int from, int root, const char *to)
{
	nx_auto_fd int tree =
		(int)syscall(SYS_open_tree, from, "", OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	struct mount_attr attr = {.attr_set = SYSTEM_ATTR};
	if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return syscall(SYS_move_mount, tree, "", root, to, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int bind_source(const struct source *s, int root, const char *path)
{
	nx_auto_fd int from = open_source(s, path, O_PATH | O_DIRECTORY);
	return from < 0 ? -errno : bind_fd(from, root, path);
}

/* A link (as on merged systems), a directory of its own, or not there. */
static int add_system_dir(const struct source *s, int root, const char *name)
{
	char target[256];
	struct stat st;
	if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(s->dir, name, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		return symlinkat(target, root, name) < 0 ? -errno : 0;
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (mkdirat(root, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	return bind_source(s, root, name);
}

/* What else an image has at its top, /opt for example; but for the places that are the sandbox's own. */
static int add_other_dirs(const struct source *s, int root)
{
	static const char *const known[] = {"bin",   "box",   "code",   "dev",  "etc",  "home", "lib",
					    "lib32", "lib64", "libx32", "proc", "root", "run",  "sbin",
					    "sys",   "tmp",   "usr",    "var",  "work"};
	enum { OTHERS_MAX = 32 };
	int r = 0, copy = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), left = OTHERS_MAX;
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	if (!d) {
		if (copy >= 0)
			(void)close(copy);
		return -EIO;
	}
	for (struct dirent *e; r == 0 && left > 0 && (e = readdir(d));) {
		bool is_known = e->d_name[0] == '.';
		for (size_t i = 0; i < nx_countof(known); i++)
			is_known |= strcmp(e->d_name, known[i]) == 0;
		if (is_known || faccessat(root, e->d_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		left--;
		r = add_system_dir(s, root, e->d_name);
	}
	(void)closedir(d);
	return r;
}

static int add_text(int root, const char *name, const char *text)
{
	nx_auto_fd int fd = openat(root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	size_t n = strlen(text);
	return write(fd, text, n) == (ssize_t)n && fchmod(fd, 0644) == 0 ? 0 : -EIO;
}

NX_ASSETS(door);

/* Also visible to guests, who may read it: it does nothing without a plan. */
static int add_door(int root)
{
	const struct nx_asset *object = nx_asset_find(&nx_assets_door, "nexus-door.so");
	if (!object)
		return 0;
	nx_auto_fd int fd = openat(root, &NX_DOOR_OBJECT[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	return write(fd, object->data, object->size) == (ssize_t)object->size && fchmod(fd, 0644) == 0 ? 0 : -EIO;
}

static int copy_file(const struct source *s, int root, const char *path)
{
	char block[16384];
	nx_auto_fd int in = open_source(s, path, O_RDONLY | O_NONBLOCK);
	if (in < 0)
		return 0; /* the loader works without its cache */
	nx_auto_fd int out = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (out < 0)
		return -errno;
	ssize_t n;
	while ((n = read(in, block, sizeof(block))) > 0)
		if (write(out, block, (size_t)n) != n)
			return -EIO;
	return n < 0 || fchmod(out, 0644) < 0 ? -EIO : 0;
}

static int add_etc(const struct source *s, int root)
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
	static const char *const dirs[] = {"etc/alternatives", "etc/fonts"};
	if (mkdirat(root, "etc", 0755) < 0)
		return -errno;
	for (size_t i = 0; i < nx_countof(files); i++) {
		int r = add_text(root, files[i][0], files[i][1]);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < nx_countof(dirs) - (s->is_host ? 1 : 0); i++) {
		if (mkdirat(root, dirs[i], 0755) < 0)
			return -errno;
		int r = bind_source(s, root, dirs[i]);
		if (r < 0 && r != -ENOENT && r != -ELOOP)
			return r;
	}
	return copy_file(s, root, "etc/ld.so.cache");
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
	if (r == 0)
		r = bind_readonly(from, root, to, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (r == -ENOENT) { /* the host's are out of sight: those of the first template */
		snprintf(from, sizeof(from), NX_TEMPLATE "/dev/%s", name);
		r = bind_readonly(from, root, to, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	}
	return r;
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

/* A zygote sees the template itself, where the places of the box are there and empty. */
static int add_places(int root)
{
	static const char *const dirs[] = {"proc", "box",      "usr",     "var",     "run",     "root",
					   "home", "box/work", "box/tmp", "box/shm", "box/code"};
	static const char *const links[][2] = {
		{"box/work", "work"}, {"box/tmp", "tmp"}, {"box/code", "code"}, {"/box/tmp", "var/tmp"}};
	for (size_t i = 0; i < nx_countof(dirs); i++)
		if (mkdirat(root, dirs[i], 0755) < 0)
			return -errno;
	for (size_t i = 0; i < nx_countof(links); i++)
		if (symlinkat(links[i][0], root, links[i][1]) < 0)
			return -errno;
	int r = add_text(root, "box/code/main.py", "");
	return r < 0 ? r : add_door(root);
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

static const struct nx_hostfs_rules *granted; /* since nx_template_enter */

/* Granted places come before what an image has at its top, so that no link of an image takes their name. */
static int fill(const struct source *s, int root)
{
	static const char *const system_dirs[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
	int r = add_places(root);
	if (r == 0)
		r = bind_source(s, root, "usr");
	for (size_t i = 0; i < nx_countof(system_dirs) && r == 0; i++)
		r = add_system_dir(s, root, system_dirs[i]);
	if (r == 0)
		r = add_etc(s, root);
	if (r == 0)
		r = add_granted_places(root, granted->read_roots);
	if (r == 0)
		r = add_granted_places(root, granted->write_roots);
	if (r == 0 && !s->is_host)
		r = add_other_dirs(s, root);
	return r == 0 ? add_dev(root) : r;
}

/* Mounted at `path` first, because only then can its devices be bound into it. */
static int build_at(const struct source *s, int outer, const char *path)
{
	nx_auto_fd int root = nx_tmpfs_new("4m", "256", MOUNT_ATTR_NOSUID);
	if (root < 0 || syscall(SYS_move_mount, root, "", outer, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	int r = fill(s, root);
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	if (r == 0 && syscall(SYS_mount_setattr, root, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		r = -errno;
	return r;
}

/* An empty "/" with the host's /proc (to write uid maps, and because a guest's own needs a visible one), the template, and
 * the directory of the images with a place for the templates of some. */
static int build(const struct nx_host *h)
{
	static const char *const places[] = {"proc", "root", "images", "roots"};
	/* Before the outer root covers AT, below which they may lie. */
	nx_auto_fd int from = open(h->roots->base[0] ? h->roots->base : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	nx_auto_fd int images = h->roots->images[0] ? open(h->roots->images, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	nx_auto_fd int outer = nx_tmpfs_new("64k", "64", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (from < 0 || outer < 0 || (h->roots->images[0] && images < 0))
		return -errno;
	for (size_t i = 0; i < nx_countof(places); i++)
		if (mkdirat(outer, places[i], 0755) < 0)
			return -errno;
	if (syscall(SYS_move_mount, outer, "", AT_FDCWD, AT, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	int r = bind_readonly("/proc", outer, "proc", 0);
	if (r == 0 && images >= 0)
		r = bind_fd(images, outer, "images");
	struct source s = {.dir = from, .is_host = !h->roots->base[0]};
	return r == 0 ? build_at(&s, outer, "root") : r;
}

enum { IMAGES_MAX = 16 };
static struct {
	char name[NX_SPAWN_IMAGE_MAX];
} made[IMAGES_MAX]; /* in the order of making */

static void forget_oldest(void)
{
	char path[NX_TEMPLATE_MAX];
	snprintf(path, sizeof(path), "/roots/%s", made[0].name);
	(void)umount2(path, MNT_DETACH); /* guests have copies of their own */
	(void)rmdir(path);
	memmove(made, made + 1, sizeof(made) - sizeof(made[0]));
	made[IMAGES_MAX - 1].name[0] = '\0';
}

int nx_template_image(const char *image, char ret[NX_TEMPLATE_MAX], struct nx_fault_at *fault)
{
	char path[NX_TEMPLATE_MAX + 16];
	size_t n = 0;
	snprintf(ret, NX_TEMPLATE_MAX, "/roots/%s", image);
	for (; n < IMAGES_MAX && made[n].name[0]; n++)
		if (strcmp(made[n].name, image) == 0)
			return 0;
	if (n == IMAGES_MAX)
		forget_oldest();
	snprintf(path, sizeof(path), "/images/%s/root", image);
	nx_auto_fd int from = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return nx_fault_at_set(fault, "find the image", errno);
	if (mkdir(ret, 0755) < 0)
		return nx_fault_at_set(fault, "make a place for the image", errno);
	struct source s = {.dir = from};
	mode_t before = umask(0);
	int r = build_at(&s, AT_FDCWD, ret);
	(void)umask(before);
	if (r < 0) {
		(void)umount2(ret, MNT_DETACH);
		(void)rmdir(ret);
		return nx_fault_at_set(fault, "build the file system of the image", -r);
	}
	snprintf(made[nx_min(n, (size_t)IMAGES_MAX - 1)].name, sizeof(made[0].name), "%s", image);
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
	granted = rules;
	r = build(h);
	(void)umask(before);
	if (r < 0)
		return nx_fault_at_set(ret, "build the guests' file system", -r);
	if (chdir(AT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return nx_fault_at_set(ret, "leave the host's file system", errno);
	return 0;
}
