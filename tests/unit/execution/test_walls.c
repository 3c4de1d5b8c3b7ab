/* What a guest cannot see or do. Each program prints "held" when the wall holds, else what it reached. */
#include "tests/unit/execution/sandbox_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct box B;

static void holds(const char *code)
{
	holds_in(&B, "python", code, "");
}

/* The call fails with one of these errno names. */
static void refused(const char *call, const char *names)
{
	char code[2048];
	snprintf(
		code, sizeof(code),
		"import ctypes, errno, os\n"
		"libc = ctypes.CDLL(None, use_errno=True)\n"
		"def sys(nr, *a):\n"
		"    r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(x) if isinstance(x, int) else x for x in a])\n"
		"    return errno.errorcode[ctypes.get_errno()] if r < 0 else 'reached'\n"
		"r = %s\n"
		"print('held' if r in '%s'.split() else r)\n",
		call, names);
	holds(code);
}

TEST(the_sandbox_opens)
{
	setenv("NEXUS_SECRET_OF_THE_SERVER", "hunter2", 1);
	box_open(&B, (const char *[]){"sandbox.uid_base=1900200000", NULL});
}

TEST(files_of_the_host_are_not_there)
{
	char code[1024];
	snprintf(
		code, sizeof(code),
		"import os\n"
		"seen = [p for p in ('/etc/shadow', '/home', '/var/lib', '/sys/kernel', '/boot', '/srv', '/opt', '%s', '/proc/1/root/etc/shadow')"
		" if os.path.exists(p) and (not os.path.isdir(p) or os.listdir(p))]\n"
		"print(seen or 'held')",
		nx_test_dir());
	holds(code);
}

TEST(the_root_directory_holds_what_was_meant)
{
	struct trial t;
	run_python(&t, &B, "import os; print(sorted(os.listdir('/')), os.listdir('/etc') != [])");
	ASSERT_CONTAINS(trial_out(&t), "'box'");
	trial_done(&t);
}

TEST(nothing_but_the_box_can_be_written)
{
	holds("import os\n"
	      "reached = []\n"
	      "for p in ('/x', '/usr/x', '/etc/passwd', '/dev/x', '/bin/x', '/proc/self/oom_score_adj2', '/code/main.py', '/code/x', '/etc/hosts', '/root/x'):\n"
	      "    try: open(p, 'a').close(); reached.append(p)\n"
	      "    except OSError: pass\n"
	      "print(reached or 'held')");
}

TEST(other_processes_cannot_be_seen_or_signalled)
{
	char code[512];
	snprintf(code, sizeof(code),
		 "import os\n"
		 "pids = [int(p) for p in os.listdir('/proc') if p.isdigit()]\n"
		 "try: os.kill(%d, 0); pids.append('signal')\n"
		 "except ProcessLookupError: pass\n"
		 "print('held' if pids == [1, 2] or pids == [1, os.getpid()] else pids)",
		 getpid());
	holds(code);
}

TEST(the_reaper_cannot_be_read)
{
	holds("r = []\n"
	      "for f in ('environ', 'mem', 'maps', 'cwd/x', 'fd/3'):\n"
	      "    try: open('/proc/1/' + f).close(); r.append(f)\n"
	      "    except OSError: pass\n"
	      "print(r or 'held')");
}

TEST(the_environment_of_the_server_stays_there)
{
	holds("import os\nprint('held' if set(os.environ) <= {'PATH', 'HOME', 'USER', 'LANG', 'TMPDIR', 'PYTHONPATH', 'PYTHONUTF8', 'TERM', 'TZ', 'LC_CTYPE'} else os.environ)");
}

TEST(no_descriptor_of_the_server_is_inherited)
{
	int leak = open("/etc/passwd", O_RDONLY); /* without close-on-exec, as a careless library would */
	holds("import os\nfds = sorted(int(f) for f in os.listdir('/proc/self/fd'))\nprint('held' if fds[:3] == [0, 1, 2] and len(fds) == 4 else [(f, os.readlink(f'/proc/self/fd/{f}')) for f in fds if os.path.exists(f'/proc/self/fd/{f}')])");
	close(leak);
}

TEST(the_network_is_empty_also_the_host_s_loopback)
{
	char code[512];
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	ASSERT_EQ(bind(s, (struct sockaddr *)&a, n), 0);
	ASSERT_EQ(listen(s, 1), 0);
	ASSERT_EQ(getsockname(s, (struct sockaddr *)&a, &n), 0);
	snprintf(code, sizeof(code),
		 "import socket\n"
		 "reached = []\n"
		 "for at in (('127.0.0.1', %d), ('169.254.169.254', 80), ('1.1.1.1', 53)):\n"
		 "    try: socket.create_connection(at, 1); reached.append(at)\n"
		 "    except OSError: pass\n"
		 "print(reached or 'held')",
		 ntohs(a.sin_port));
	holds(code);
	close(s);
}

TEST(an_abstract_socket_of_the_host_is_not_reached)
{
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char code[256];
	snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "nexus-test-%d", getpid());
	socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a.sun_path + 1));
	ASSERT_EQ(bind(s, (struct sockaddr *)&a, n), 0);
	ASSERT_EQ(listen(s, 1), 0);
	snprintf(
		code, sizeof(code),
		"import socket\ntry: socket.socket(socket.AF_UNIX).connect('\\0nexus-test-%d'); print('reached')\nexcept OSError: print('held')",
		getpid());
	holds(code);
	close(s);
}

TEST(socket_families_that_cross_namespaces_are_refused)
{
	holds("import socket\n"
	      "reached = []\n"
	      "for f in (16, 17, 38, 40, 15, 29, 31, 44):\n"
	      "    for k in (1, 2, 3, 5):\n"
	      "        try: socket.socket(f, k); reached.append(f)\n"
	      "        except OSError: pass\n"
	      "print(reached or 'held')");
}

TEST(namespaces_mounts_and_the_like_are_refused)
{
	refused("sys(272, 0x10000000)", "EPERM");                    /* unshare(CLONE_NEWUSER) */
	refused("sys(56, 0x10000011, 0, 0, 0, 0)", "EPERM");         /* clone */
	refused("sys(435, 0, 0)", "ENOSYS");                         /* clone3 */
	refused("sys(308, 3, 0)", "EPERM");                          /* setns */
	refused("sys(165, b'x', b'/box', b'tmpfs', 0, 0)", "EPERM"); /* mount */
	refused("sys(155, b'.', b'.')", "EPERM");                    /* pivot_root */
	refused("sys(161, b'/box')", "EPERM");                       /* chroot */
	refused("sys(430, b'tmpfs', 0)", "EPERM ENOSYS");            /* fsopen */
	refused("sys(166, b'/box', 2)", "EPERM");                    /* umount2 */
}

TEST(calls_that_reach_round_namespaces_are_refused)
{
	refused("sys(101, 0, 0, 0, 0)", "EPERM");                 /* ptrace */
	refused("sys(310, 1, 0, 0, 0, 0, 0)", "EPERM");           /* process_vm_readv */
	refused("sys(425, 8, 0)", "EPERM");                       /* io_uring_setup */
	refused("sys(248, b'user', b'x', b'y', 1, -3)", "EPERM"); /* add_key */
	refused("sys(250, 0, -3, 0)", "EPERM");                   /* keyctl */
	refused("sys(321, 0, 0, 0)", "EPERM");                    /* bpf */
	refused("sys(298, 0, 0, 0, 0, 0)", "EPERM");              /* perf_event_open */
	refused("sys(323, 0)", "EPERM");                          /* userfaultfd */
	refused("sys(304, 0, 0, 0)", "EPERM");                    /* open_by_handle_at */
	refused("sys(135, 0x0400000)", "EPERM");                  /* personality */
	refused("sys(16, 0, 0x5412, b'x')", "EPERM");             /* TIOCSTI */
	refused("sys(227, 0, 0)", "EPERM");                       /* clock_settime */
	refused("sys(169, 0, 0, 0, 0)", "EPERM");                 /* reboot */
	refused("sys(175, 0, 0, b'')", "EPERM");                  /* init_module */
	refused("sys(462, 0, 0, 0)", "ENOSYS");                   /* newer than the list */
	refused("sys(0x40000000 + 39)", "ENOSYS");                /* x32 */
}

TEST(there_is_no_privilege_and_none_to_be_had)
{
	holds("s = dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)\n"
	      "bad = {k: s[k] for k in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb') if int(s[k], 16)}\n"
	      "if s['NoNewPrivs'] != '1' or s['Seccomp'] != '2' or s['Groups'].strip() not in ('', '65534'): bad['x'] = s\n"
	      "print(bad or 'held')");
	holds("import os\n"
	      "bad = []\n"
	      "for f in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chown('/work', 0, 0)):\n"
	      "    try: f(); bad.append(f)\n"
	      "    except OSError: pass\n"
	      "print(bad or 'held')");
}

TEST(a_setuid_bit_made_inside_means_nothing)
{
	struct trial t;
	run_shell(&t, &B, "cp /usr/bin/id ./id 2>/dev/null; chmod 4755 id; ./id -u");
	ASSERT_STREQ(trial_out(&t), "1000\n");
	trial_done(&t);
}

TEST(devices_are_the_harmless_ones)
{
	holds("import os\n"
	      "have = set(os.listdir('/dev'))\n"
	      "bad = have - {'null', 'zero', 'full', 'random', 'urandom', 'fd', 'stdin', 'stdout', 'stderr', 'shm'}\n"
	      "try: os.mknod('/work/disk', 0o060666, os.makedev(254, 0)); open('/work/disk'); bad.add('disk')\n"
	      "except OSError: pass\n"
	      "open('/dev/null', 'w').write('x'); assert len(open('/dev/urandom', 'rb').read(4)) == 4\n"
	      "print(bad or 'held')");
}

TEST(two_runs_do_not_see_each_other_s_files)
{
	struct trial t;
	run_python(&t, &B, "open('/tmp/trace', 'w').write('x'); open('/dev/shm/trace', 'w').write('x')");
	ASSERT_STREQ(trial_status(&t), "ok");
	trial_done(&t);
	holds("import os\nprint(os.listdir('/tmp') + os.listdir('/dev/shm') + os.listdir('/work') or 'held')");
}

TEST(the_host_is_not_named)
{
	holds("import socket, os\nprint('held' if socket.gethostname() == 'sandbox' and os.uname().nodename == 'sandbox' else os.uname())");
}

TEST(core_files_are_not_written_and_limits_cannot_be_raised)
{
	holds("import resource as r\n"
	      "bad = [n for n, want in (('CORE', 1), ('MEMLOCK', 65536), ('NOFILE', 1024)) if r.getrlimit(getattr(r, 'RLIMIT_' + n))[1] > want]\n"
	      "try: r.setrlimit(r.RLIMIT_NOFILE, (4096, 4096)); bad.append('raised')\n"
	      "except (OSError, ValueError): pass\n"
	      "print(bad or 'held')");
}

TEST(every_limit_names_what_enforces_it)
{
	struct trial t;
	run_python(&t, &B, "");
	const struct nx_exec_enforced *e = &t.x.result.enforced;
	ASSERT_STREQ(e->filesystem, "namespace");
	ASSERT_STREQ(e->network, "namespace");
	ASSERT_STREQ(e->syscalls, "seccomp");
	ASSERT_STREQ(e->disk, "tmpfs");
	print_message("memory %s, cpu %s, processes %s, user %s, degraded %d\n", e->memory, e->cpu, e->processes,
		      e->user, e->degraded);
	trial_done(&t);
}

TEST(the_sandbox_closes)
{
	box_close(&B);
}
