/* Directories of the host: which are granted, what may be done in them, and who tries to reach more. */
#include "execution/hostfs.h"
#include "tests/unit/execution/hostfs_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the text of paths ---- */

TEST(a_path_is_plain_or_refused)
{
	static const char *const good[] = {"/data", "/data/a b", "/data/..a", "/data/a..", "/data/...", "/d/\xc3\xa4"};
	static const char *const bad[] = {"",        "/",        "data",  "/data/",  "//data", "/data//a", "/data/.",
					  "/./data", "/data/..", "/../a", "/a/../b", "/a\nb",  "/a\x7f",   "./a"};
	for (size_t i = 0; i < nx_countof(good); i++)
		ASSERT_TRUE(nx_hostfs_is_plain(good[i]));
	for (size_t i = 0; i < nx_countof(bad); i++)
		ASSERT_FALSE(nx_hostfs_is_plain(bad[i]));
}

TEST(a_path_is_inside_a_directory_by_whole_names)
{
	ASSERT_TRUE(nx_hostfs_is_inside("/data", "/data"));
	ASSERT_TRUE(nx_hostfs_is_inside("/data/a", "/data"));
	ASSERT_FALSE(nx_hostfs_is_inside("/data2", "/data"));
	ASSERT_FALSE(nx_hostfs_is_inside("/dat", "/data"));
}

TEST(a_guest_keeps_its_own_system)
{
	static const char *const own[] = {"/usr", "/usr/share/data", "/etc",  "/proc/1",
					  "/dev", "/tmp/a",          "/work", "/box/work"};
	static const char *const others[] = {"/usr2", "/srv", "/home/a", "/var/lib/a", "/opt", "/data"};
	for (size_t i = 0; i < nx_countof(own); i++)
		ASSERT_FALSE(nx_hostfs_may_cover(own[i]));
	for (size_t i = 0; i < nx_countof(others); i++)
		ASSERT_TRUE(nx_hostfs_may_cover(others[i]));
}

TEST(the_outermost_root_is_the_one_that_counts)
{
	char root[64];
	const char *roots = ":/srv/data/sub::/srv/data//:relative:/:/opt:";
	ASSERT_TRUE(nx_hostfs_root_of(roots, "/srv/data/sub/x", root, sizeof(root)));
	ASSERT_STREQ(root, "/srv/data");
	ASSERT_TRUE(nx_hostfs_root_of(roots, "/opt", root, sizeof(root)));
	ASSERT_STREQ(root, "/opt");
	ASSERT_FALSE(nx_hostfs_root_of(roots, "/srv", root, sizeof(root)));
	ASSERT_FALSE(nx_hostfs_root_of(roots, "/optional", root, sizeof(root)));
	ASSERT_FALSE(nx_hostfs_root_of("", "/srv", root, sizeof(root)));
}

/* ---- the scanner ---- */

static bool is_blocked(const char *language, const char *code, enum nx_scan_policy policy)
{
	static const nx_str granted[] = {NX_STR("/srv/out"), NX_STR("/home/a/data")};
	struct nx_scan_options o = {.policy = policy, .granted = granted, .ngranted = nx_countof(granted)};
	struct nx_scan_result r;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_OK(nx_scan(nx_str_z(language), nx_str_z(code), &o, a, &r, NULL));
	return !r.is_safe;
}

TEST(the_scanner_knows_what_was_granted)
{
	static const char *const within[][2] = {{"python", "import shutil\nshutil.rmtree('/srv/out/old')\n"},
						{"python", "import shutil\nshutil.rmtree('/srv/' + 'out')\n"},
						{"shell", "rm -rf /srv/out/*\n"},
						{"shell", "rm -rf /home/a/data/tmp\n"}};
	static const char *const outside[][2] = {{"python", "import shutil\nshutil.rmtree('/srv/out2')\n"},
						 {"python", "import shutil\nshutil.rmtree('/srv/out/../in')\n"},
						 {"python", "import shutil\nshutil.rmtree('/')\n"},
						 {"shell", "rm -rf /srv/out /\n"},
						 {"shell", "rm -rf /srv/out/..\n"},
						 {"shell", "rm -rf /srv\n"}};
	for (size_t i = 0; i < nx_countof(within); i++) {
		ASSERT_FALSE(is_blocked(within[i][0], within[i][1], NX_SCAN_STANDARD));
		ASSERT_TRUE(is_blocked(within[i][0], within[i][1], NX_SCAN_STRICT));
	}
	for (size_t i = 0; i < nx_countof(outside); i++)
		ASSERT_TRUE(is_blocked(outside[i][0], outside[i][1], NX_SCAN_STANDARD));
}

/* ---- runs ---- */

TEST(a_granted_directory_is_read_and_another_written)
{
	struct box b;
	struct stat st;
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	granted_prints(&b, "shell", host_sh(a, "cat $R/a/in.txt; cp $R/a/in.txt $W/b/out.txt; ls $R; ls $R/.. "),
		       host_at(host.read, "a"), host_at(host.write, "b"), "given\na\nr\nw\n");
	ASSERT_EQ(stat(host_at(host.write, "b/out.txt"), &st), 0);
	ASSERT_EQ(st.st_size, 6);
	ASSERT_EQ(st.st_uid, geteuid() == 0 ? HOST_OWNER : geteuid());
	ASSERT_EQ(st.st_gid, geteuid() == 0 ? HOST_OWNER : getegid());
	granted_prints(&b, "shell", host_sh(a, "cat $R/a/in.txt 2>/dev/null || echo nothing"), NULL,
		       host_at(host.write, "b"), "nothing\n");
	granted_prints(&b, "python",
		       nx_arena_printf(a, "import os\nprint(os.listdir('%s'), os.path.exists('%s/secret'))", host.write,
				       host.top),
		       NULL, host.write, "['b'] False\n");
	box_close(&b);
}

TEST(nothing_is_granted_that_nobody_asked_for)
{
	struct box b;
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct trial t;
	run_shell(&t, &b, host_sh(a, "ls -A /var; ls $R $W 2>/dev/null || echo none"));
	ASSERT_STREQ(trial_out(&t), "tmp\nnone\n");
	trial_done(&t);
	box_close(&b);
}

TEST(what_may_be_read_cannot_be_changed)
{
	struct box b;
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_EQ(chmod(host_at(host.read, "a/in.txt"), 0666), 0);
	ASSERT_EQ(chmod(host_at(host.read, "a"), 0777), 0);
	granted_prints(
		&b, "shell",
		host_sh(a,
			"cd $R/a; for c in 'echo x >in.txt' 'rm in.txt' 'touch new' 'mkdir d' 'ln -s / l' 'mv in.txt x' "
			"'chmod 0777 in.txt' 'truncate -s 0 in.txt'; do (eval \"$c\") 2>/dev/null && echo done: $c; done; cat in.txt"),
		host_at(host.read, "a"), NULL, "given\n");
	box_close(&b);
}

TEST(what_is_not_below_a_root_is_refused)
{
	struct box b;
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	granted_refused(&b, host.top, NULL, NX_EFORBIDDEN, "is not below");
	granted_refused(&b, "/etc", NULL, NX_EFORBIDDEN, "is not below");
	granted_refused(&b, "/", NULL, NX_EINVAL, "no absolute path");
	granted_refused(&b, nx_arena_printf(a, "%s2", host.read), NULL, NX_EFORBIDDEN, "is not below");
	granted_refused(&b, host_at(host.read, "../secret"), NULL, NX_EINVAL, "no absolute path");
	granted_refused(&b, host_at(host.read, "a/../.."), NULL, NX_EINVAL, "no absolute path");
	granted_refused(&b, "relative", NULL, NX_EINVAL, "no absolute path");
	granted_refused(&b, "", NULL, NX_EINVAL, "no absolute path");
	granted_refused(&b, host_at(host.read, "a\nb"), NULL, NX_EINVAL, "no absolute path");
	granted_refused(&b, NULL, host_at(host.read, "a"), NX_EFORBIDDEN, "sandbox.write_roots");
	granted_refused(&b, host_at(host.read, "missing"), NULL, NX_ENOTFOUND, "open the directory");
	granted_refused(&b, host_at(host.read, "a/in.txt"), NULL, NX_EINVAL, "open the directory");
	granted_refused(&b, host_at(host.write, "b"), host_at(host.write, "b"), NX_EINVAL, "named twice");
	box_close(&b);
}

TEST(links_lead_nowhere)
{
	struct box b;
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_EQ(symlink("/etc", host_at(host.read, "out")), 0);
	ASSERT_EQ(symlink("a", host_at(host.read, "in")), 0);
	ASSERT_EQ(symlink(host.top, host_at(host.write, "b/up")), 0);
	granted_refused(&b, host_at(host.read, "out"), NULL, NX_EFORBIDDEN, "through a link");
	granted_refused(&b, host_at(host.read, "out/ssl"), NULL, NX_EFORBIDDEN, "through a link");
	granted_refused(&b, host_at(host.read, "in"), NULL, NX_EFORBIDDEN, "through a link");
	granted_prints(&b, "shell", host_sh(a, "cat $W/b/up/secret 2>/dev/null || echo held"), NULL,
		       host_at(host.write, "b"), "held\n");
	box_close(&b);
}

/* What a program puts in the place of a root inside the one that it may write leads nowhere either. */
TEST(a_root_that_is_a_link_is_refused)
{
	struct box b;
	char option[256];
	host_open(&b, NULL);
	box_close(&b);
	snprintf(option, sizeof(option), "sandbox.read_roots=%s/link:%s/b/sub", host.top, host.write);
	ASSERT_EQ(symlink("/etc", host_at(host.top, "link")), 0);
	ASSERT_EQ(symlink("/etc", host_at(host.write, "b/sub")), 0);
	const char *list[] = {option, host.options[1], NULL};
	box_open(&b, list);
	granted_refused(&b, host_at(host.top, "link"), NULL, NX_EFORBIDDEN, "through a link");
	granted_refused(&b, host_at(host.top, "link/ssl"), NULL, NX_EFORBIDDEN, "through a link");
	granted_refused(&b, host_at(host.write, "b/sub"), NULL, NX_EFORBIDDEN, "through a link");
	box_close(&b);
}

/* The keeper judges what it has opened, whatever the server saw: this asks it alone, while a directory and a link to the
 * secret one change places all the time. */
TEST(a_directory_that_becomes_a_link_is_never_the_link)
{
	struct box b;
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	host_make_dir(host_at(host.top, "private"));
	host_make_file(host_at(host.top, "private/in.txt"), "secret\n");
	ASSERT_EQ(symlink(host_at(host.top, "private"), host_at(host.read, "swap")), 0);
	pid_t racer = fork();
	if (racer == 0) {
		(void)alarm(30);
		for (unsigned i = 0;; i = i * 5 + 1) {
			(void)renameat2(AT_FDCWD, host_at(host.read, "a"), AT_FDCWD, host_at(host.read, "swap"),
					RENAME_EXCHANGE);
			usleep(i % 1024);
		}
	}
	unsigned read = 0, refusals = 0;
	for (int i = 0; i < 60; i++) {
		struct trial t;
		granted_run(&t, &b, "shell", host_sh(a, "cat $R/a/in.txt"), host_at(host.read, "a"), NULL);
		if (t.err)
			refusals++;
		else
			ASSERT_STREQ(trial_out(&t), "given\n");
		read += !t.err;
		trial_done(&t);
	}
	(void)kill(racer, SIGKILL);
	(void)waitpid(racer, NULL, 0);
	print_message("read %u times, refused %u times\n", read, refusals);
	ASSERT_EQ(read + refusals, 60);
	box_close(&b);
}

TEST(the_servers_own_data_is_not_granted)
{
	struct box b;
	char home[256];
	host_open(&b, NULL);
	box_close(&b);
	snprintf(home, sizeof(home), "home=%s/a/nexus", host.read);
	host_make_dir(host_at(host.read, "a/nexus"));
	host_make_dir(host_at(host.read, "a/nexus/artifacts"));
	host_make_dir(host_at(host.read, "a/beside"));
	const char *list[] = {host.options[0], host.options[1], home, NULL};
	box_open(&b, list);
	granted_refused(&b, host_at(host.read, "a/nexus"), NULL, NX_EFORBIDDEN, "server's own data");
	granted_refused(&b, host_at(host.read, "a/nexus/artifacts"), NULL, NX_EFORBIDDEN, "server's own data");
	granted_refused(&b, host_at(host.read, "a"), NULL, NX_EFORBIDDEN, "server's own data");
	granted_refused(&b, host.read, NULL, NX_EFORBIDDEN, "server's own data");
	granted_prints(&b, "shell", "echo ran", host_at(host.read, "a/beside"), NULL, "ran\n");
	if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0) { /* by another name, too */
		ASSERT_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
		ASSERT_EQ(mount(host_at(host.read, "a"), host_at(host.write, "b"), NULL, MS_BIND, NULL), 0);
		int fd = nx_hostfs_open(host.write, host_at(host.write, "b"));
		ASSERT_GE(fd, 0);
		ASSERT_EQ(nx_hostfs_check_apart(fd, host_at(host.read, "a/nexus")), -EPERM);
		(void)close(fd);
		ASSERT_EQ(umount(host_at(host.write, "b")), 0);
	}
	box_close(&b);
}

TEST(what_is_mounted_below_a_directory_is_not_granted_with_it)
{
	struct box b;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		SKIP("mounting needs root");
	ASSERT_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	host_open(&b, NULL);
	box_close(&b);
	host_make_dir(host_at(host.read, "a/inner"));
	host_make_dir(host_at(host.read, "proc"));
	ASSERT_EQ(mount("tmpfs", host_at(host.read, "a/inner"), "tmpfs", 0, NULL), 0);
	ASSERT_EQ(mount("/proc", host_at(host.read, "proc"), NULL, MS_BIND, NULL), 0);
	host_make_file(host_at(host.read, "a/inner/deep"), "deep\n");
	box_open(&b, host.list);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	granted_prints(&b, "shell", host_sh(a, "ls -A $R/a/inner; cat $R/a/in.txt"), host_at(host.read, "a"), NULL,
		       "given\n");
	granted_prints(&b, "shell", host_sh(a, "cat $R/a/inner/deep"), host_at(host.read, "a/inner"), NULL, "deep\n");
	granted_refused(&b, host_at(host.read, "proc"), NULL, NX_EFORBIDDEN, "files of the kernel");
	granted_refused(&b, host_at(host.read, "proc/1"), NULL, NX_EFORBIDDEN, "files of the kernel");
	box_close(&b);
	ASSERT_EQ(umount(host_at(host.read, "proc")), 0);
	ASSERT_EQ(umount(host_at(host.read, "a/inner")), 0);
}

TEST(devices_and_setuid_programs_are_dead_there)
{
	struct box b;
	if (geteuid() != 0)
		SKIP("making devices needs root");
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_EQ(mknod(host_at(host.read, "a/null"), S_IFCHR | 0666, makedev(1, 3)), 0);
	ASSERT_EQ(chmod(host_at(host.read, "a/null"), 0666), 0);
	FILE *p = popen(nx_arena_printf(a, "cp /usr/bin/id %s/a/id && chmod 6755 %s/a/id", host.read, host.read), "r");
	ASSERT_NOT_NULL(p);
	ASSERT_EQ(pclose(p), 0);
	granted_prints(
		&b, "shell",
		host_sh(a,
			"(: <$R/a/null) 2>/dev/null || echo no device; (echo >$R/a/null) 2>/dev/null || echo none; $R/a/id -u"),
		host_at(host.read, "a"), NULL, "no device\nnone\n1000\n");
	box_close(&b);
}

/* Whoever runs them later would be their owner. */
TEST(a_program_leaves_no_setuid_file)
{
	struct box b;
	struct stat st;
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *code = nx_arena_printf(
		a,
		"import os, ctypes\n"
		"os.chdir('%s/b')\n"
		"open('f', 'w').close()\n"
		"d = os.open('.', os.O_RDONLY)\n"
		"f = os.open('f', os.O_RDONLY)\n"
		"libc = ctypes.CDLL(None, use_errno=True)\n"
		"tries = [lambda m: os.chmod('f', m), lambda m: os.fchmod(f, m),\n"
		"  lambda m: os.chmod('f', m, dir_fd=d),\n"
		"  lambda m: os.close(os.open('g', os.O_CREAT | os.O_WRONLY, m)),\n"
		"  lambda m: os.close(os.open('.', os.O_TMPFILE | os.O_WRONLY, m)),\n"
		"  lambda m: os.close(os.open('h', os.O_CREAT | os.O_WRONLY, m, dir_fd=d)),\n"
		"  lambda m: os.mknod('i', 0o100000 | m),\n"
		"  lambda m: os.mknod('j', 0o100000 | m, dir_fd=d)]\n"
		"os.umask(0)\n"
		"for t in tries:\n"
		"  for bit in (0o4000, 0o2000, 0o6000):\n"
		"    try: t(0o755 | bit); print('made', tries.index(t), oct(bit))\n"
		"    except PermissionError: pass\n"
		"if libc.syscall(85, b'k', 0o4755) >= 0: print('made by creat')\n"
		"if libc.syscall(452, -100, b'f', 0o4755, 0) == 0: print('made by fchmodat2')\n"
		"if libc.syscall(437, -100, b'l', (ctypes.c_uint64 * 3)(0o101, 0o4755, 0), 24) >= 0: print('made by openat2')\n"
		"os.chmod('f', 0o755); os.mkdir('m', 0o7755)\n"
		"print(sorted(os.listdir()))\n",
		host.write);
	granted_prints(&b, "python", code, NULL, host_at(host.write, "b"), "['f', 'm']\n");
	ASSERT_EQ(stat(host_at(host.write, "b/f"), &st), 0);
	ASSERT_EQ(st.st_mode & 07777, 0755);
	box_close(&b);
}

/* A socket in a directory is a door to whoever listens, read-only mount or not; so is a FIFO. */
TEST(sockets_and_fifos_of_the_host_are_shut)
{
	struct box b;
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/a/s", host.read);
	ASSERT_EQ(bind(s, (const struct sockaddr *)&un, sizeof(un)), 0);
	ASSERT_EQ(listen(s, 1), 0);
	ASSERT_EQ(chmod(host_at(host.read, "a/s"), 0777), 0);
	ASSERT_EQ(mkfifo(host_at(host.read, "a/fifo"), 0666), 0);
	ASSERT_EQ(chmod(host_at(host.read, "a/fifo"), 0666), 0);
	int reader = open(host_at(host.read, "a/fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	const char *code = nx_arena_printf(
		a,
		"import os, socket\n"
		"try: socket.socket(socket.AF_UNIX).connect('%s/a/s'); print('connected')\n"
		"except OSError as e: print('socket', e.strerror)\n"
		"try: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', '%s/a/s'); print('sent')\n"
		"except OSError: print('no datagram')\n"
		"p = socket.socketpair(); p[0].send(b'x'); print('pair', p[1].recv(1))\n",
		host.read, host.read);
	granted_prints(&b, "python", code, host_at(host.read, "a"), NULL,
		       "socket Address family not supported by protocol\nno datagram\npair b'x'\n");
	if (nx_landlock_abi() > 0) {
		granted_prints(&b, "shell", host_sh(a, "(echo x 1<>$R/a/fifo >$R/a/fifo) 2>/dev/null || echo held"),
			       host_at(host.read, "a"), NULL, "held\n");
		granted_prints(
			&b, "shell",
			host_sh(a,
				"cd $W/b; mkfifo f 2>/dev/null || echo held; mkfifo /work/f && ln -s x l && mkdir d && ls"),
			NULL, host_at(host.write, "b"), "held\nd\nl\n");
	}
	(void)close(reader);
	(void)close(s);
	box_close(&b);
}

TEST(who_writes_is_the_owner_of_the_directory_and_nobody_else)
{
	struct box b;
	if (geteuid() != 0)
		SKIP("other owners need root");
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	host_make_file(host_at(host.write, "b/roots"), "root's\n");
	ASSERT_EQ(chmod(host_at(host.write, "b/roots"), 0666), 0);
	host_make_file(host_at(host.write, "b/private"), "own\n");
	ASSERT_EQ(chmod(host_at(host.write, "b/private"), 0600), 0);
	ASSERT_EQ(chown(host_at(host.write, "b/private"), HOST_OWNER, HOST_OWNER), 0);
	granted_prints(
		&b, "shell",
		host_sh(a, "cd $W/b; cat private; (echo x >roots) 2>/dev/null || echo held; stat -c %u private roots"),
		NULL, host_at(host.write, "b"), "own\nheld\n1000\n65534\n");
	host_make_dir(host_at(host.write, "c"));
	ASSERT_EQ(chown(host_at(host.write, "c"), 0, 0), 0);
	granted_refused(&b, NULL, host_at(host.write, "c"), NX_EFORBIDDEN, "belongs to root");
	host_make_file(host_at(host.read, "a/private"), "root's\n"); /* to read is to be anybody */
	ASSERT_EQ(chmod(host_at(host.read, "a/private"), 0600), 0);
	granted_prints(&b, "shell", host_sh(a, "cat $R/a/private 2>/dev/null || echo held"), host_at(host.read, "a"),
		       NULL, "held\n");
	box_close(&b);
}

TEST(grants_may_overlap_and_the_inner_one_counts)
{
	struct box b;
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	host_make_dir(host_at(host.write, "b/c"));
	const char *code =
		host_sh(a, "cd $W; (echo x >b/f) 2>/dev/null || echo f; (echo x >b/c/g) 2>/dev/null || echo g");
	granted_prints(&b, "shell", code, host.write, host_at(host.write, "b/c"), "f\n");
	granted_prints(&b, "shell", code, host_at(host.write, "b/c"), host_at(host.write, "b"), "g\n");
	granted_prints(&b, "shell", host_sh(a, "mv $W/b $W/moved; (echo x >$W/moved/c/h) 2>/dev/null || echo h; ls $W"),
		       host_at(host.write, "b/c"), host.write, "h\nmoved\n");
	box_close(&b);
}

TEST(everything_is_every_root)
{
	struct box b;
	struct trial t;
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	trial_init(&t, &b, "shell", host_sh(a, "cat $R/a/in.txt; echo x >$W/b/y; cat $W/b/y"));
	t.x.constraints.files = (struct nx_exec_files){.is_granted = true, .all = true};
	trial_run(&t);
	ASSERT_STREQ(trial_out(&t), "given\nx\n");
	trial_done(&t);
	box_close(&b);
	box_open(&b, NULL);
	trial_init(&t, &b, "shell", "echo ran");
	t.x.constraints.files = (struct nx_exec_files){.is_granted = true, .all = true};
	trial_start(&t);
	trial_wait(&t);
	ASSERT_ERR(nx_error_code(t.err), NX_EFORBIDDEN);
	trial_done(&t);
	box_close(&b);
}

TEST(agents_grant_files_where_the_operator_says_so)
{
	struct box b;
	struct trial t;
	nx_str path;
	for (int i = 0; i < 2; i++) {
		host_open(&b, i ? "sandbox.files_agents=true" : NULL);
		path = nx_str_z(host_at(host.read, "a"));
		trial_init(&t, &b, "shell", "echo ran");
		t.x.is_agents = true;
		t.x.constraints.files = (struct nx_exec_files){.is_granted = true, .read = &path, .nread = 1};
		trial_start(&t);
		trial_wait(&t);
		ASSERT_ERR(nx_error_code(t.err), i ? 0 : NX_EFORBIDDEN);
		trial_done(&t);
		box_close(&b);
	}
}
