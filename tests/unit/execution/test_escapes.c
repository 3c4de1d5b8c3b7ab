/*
 * The ways out of other container runtimes, by their published names, tried on ours. What was left open by the server
 * before the spawner was started is part of each.
 */
#include "tests/unit/execution/sandbox_fixture.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct box B;

static void holds(const char *code)
{
	holds_in(&B, "python", code, "");
}

/* As a careless library would: without close-on-exec, at low and at high numbers. */
static void leak(void)
{
	int root = open("/", O_RDONLY | O_DIRECTORY), secret = open("/etc/shadow", O_RDONLY), pair[2];
	ASSERT_GE(root, 0);
	ASSERT_GE(dup2(root, 57), 0);
	ASSERT_GE(dup2(root, 903), 0);
	if (secret >= 0)
		ASSERT_GE(dup2(secret, 904), 0);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	setenv("NEXUS_SECRET_OF_THE_SERVER", "hunter2", 1);
	setenv("LD_PRELOAD_SECRET", "hunter2", 1);
}

TEST(the_sandbox_opens_in_a_careless_server)
{
	leak();
	box_open(&B, (const char *[]){"sandbox.uid_base=1900500000", "sandbox.max_running=2", NULL});
}

/* runc CVE-2016-9962 and CVE-2024-21626: a descriptor of the host, or a working directory behind one. */
TEST(no_descriptor_and_no_directory_of_the_server_is_left)
{
	holds_c(&B, "descriptors.c", "");
	holds("import os\n"
	      "r = [(f, os.readlink(f'/proc/self/fd/{f}')) for f in os.listdir('/proc/self/fd') if int(f) > 2 and os.path.exists(f'/proc/self/fd/{f}')]\n"
	      "if os.getcwd() != '/box/work' or os.readlink('/proc/self/cwd') != '/box/work' or os.readlink('/proc/self/root') != '/': r.append(os.getcwd())\n"
	      "for n in list(range(3, 70)) + [903, 904]:\n"
	      "    for p in (f'/proc/self/fd/{n}/etc/passwd', f'/dev/fd/{n}/../../etc/shadow', f'/proc/1/fd/{n}/etc/passwd'):\n"
	      "        try: open(p).close(); r.append(p)\n"
	      "        except OSError: pass\n"
	      "print(r or 'held')");
}

TEST(nor_is_one_left_by_a_spawner_that_was_started_again)
{
	struct trial t;
	pid_t before = spawner_pid(&B);
	ASSERT_EQ(kill(before, SIGKILL), 0);
	for (int i = 0; i < 100; i++) { /* until it is noticed, runs are refused */
		trial_init(&t, &B, "python", "print(1)");
		trial_start(&t);
		trial_wait(&t);
		int code = nx_error_code(t.err);
		trial_done(&t);
		if (code == 0)
			break;
		usleep(50000);
	}
	ASSERT_NE(spawner_pid(&B), before);
	holds_c(&B, "descriptors.c", "");
}

/* runc CVE-2019-5736: the runtime's own program, by the names that /proc has for it. A warm interpreter has its files from
 * the template, which the kernel calls /root, and the door that it waited at. */
TEST(the_program_of_the_server_is_not_reached)
{
	holds("import os, stat, subprocess\n"
	      "r = []\n"
	      "def tell(what): r.append(what)\n"
	      "for p in ('/proc/1/exe', '/proc/1/root/proc/1/exe', '/proc/1/task/1/exe'):\n"
	      "    for f in (os.O_RDONLY, os.O_PATH, os.O_WRONLY | os.O_APPEND):\n"
	      "        try: os.open(p, f); tell(p)\n"
	      "        except OSError: pass\n"
	      "    try: subprocess.run([p, '--version'], timeout=5); tell('ran ' + p)\n"
	      "    except OSError: pass\n"
	      "for by in ('/proc/1/exe', '/proc/self/exe'):\n"
	      "    with open('script', 'w') as f: f.write(f'#!{by} --version\\n')\n"
	      "    os.chmod('script', 0o755)\n"
	      "    try:\n"
	      "        o = subprocess.run(['./script'], capture_output=True, timeout=5).stdout\n"
	      "        if b'nexus' in o.lower(): tell(o)\n"
	      "    except OSError: pass\n"
	      "for f in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND):\n"
	      "    try: os.open('/proc/self/exe', f); tell('exe is writable')\n"
	      "    except OSError: pass\n"
	      "for line in open('/proc/self/maps'):\n"
	      "    name = line.split(None, 5)[5].strip() if len(line.split(None, 5)) > 5 else ''\n"
	      "    if name.startswith('/') and not name.removeprefix('/root').startswith(('/usr/', '/lib', '/bin/', '/run/nexus-door.so')): tell(name)\n"
	      "print(r or 'held')");
}

/* CVE-2022-0492: release_agent and other doors of cgroups; sysfs and what is mounted below it. */
TEST(neither_cgroups_nor_sysfs_are_there)
{
	holds("import os\n"
	      "r = [p for p in ('/sys/fs/cgroup', '/sys/kernel/debug', '/sys/kernel/tracing', '/sys/kernel/security', '/sys/firmware',\n"
	      "                 '/sys/fs/bpf', '/sys/fs/selinux', '/sys/power/state', '/sys/kernel/uevent_helper', '/sys/module',\n"
	      "                 '/proc/sys/fs/binfmt_misc/register', '/proc/sys/kernel/modprobe', '/dev/mem', '/dev/kmsg', '/dev/fuse',\n"
	      "                 '/dev/kvm', '/dev/net/tun', '/dev/vsock', '/dev/userfaultfd', '/dev/mqueue', '/dev/loop-control',\n"
	      "                 '/run/docker.sock', '/var/run/docker.sock', '/run/systemd') if os.path.exists(p)]\n"
	      "if os.path.isdir('/sys') and os.listdir('/sys'): r.append(os.listdir('/sys'))\n"
	      "for line in open('/proc/self/cgroup'):\n"
	      "    if line.strip().split(':', 2)[2] != '/': r.append(line)\n"
	      "for line in open('/proc/self/mountinfo'):\n"
	      "    kind = line.split(' - ')[1].split()[0]\n"
	      "    if kind in ('sysfs', 'cgroup', 'cgroup2', 'debugfs', 'tracefs', 'securityfs', 'devtmpfs', 'devpts', 'mqueue', 'bpf'): r.append(line)\n"
	      "    if ' shared:' in line or ' master:' in line: r.append(line)\n"
	      "print(r or 'held')");
}

/* A handler of core dumps is the host's, and root's: CVE-2025-4598 and many before. */
TEST(a_crash_starts_nothing_and_leaves_nothing)
{
	struct trial t;
	run_python(&t, &B, "import os\nos.kill(os.getpid(), 11)");
	ASSERT_STREQ(trial_status(&t), "error");
	ASSERT_EQ(t.x.result.signal, SIGSEGV);
	ASSERT_EQ(t.x.result.nartifacts, 0);
	trial_done(&t);
	holds("import os\n"
	      "pid = os.fork()\n"
	      "if pid == 0: os.abort()\n"
	      "status = os.waitpid(pid, 0)[1]\n"
	      "print('held' if not os.WCOREDUMP(status) and os.listdir('/work') == [] else (status, os.listdir('/work')))");
}

TEST(there_is_no_terminal_to_type_into)
{
	holds("import fcntl, os\n"
	      "r = []\n"
	      "if open('/proc/self/stat').read().rsplit(')', 1)[1].split()[4] != '0': r.append('has a terminal')\n"
	      "if os.getsid(0) != os.getpid() and os.getsid(0) != 1: r.append(os.getsid(0))\n"
	      "for fd in (0, 1, 2):\n"
	      "    if os.isatty(fd): r.append(fd)\n"
	      "    for what in (0x5412, 0x541c, 0x540e, 0x5423):\n"
	      "        try: fcntl.ioctl(fd, what, b'x'); r.append((fd, what))\n"
	      "        except OSError: pass\n"
	      "for f in (os.openpty, lambda: os.open('/dev/tty', os.O_RDWR), lambda: os.open('/dev/ptmx', os.O_RDWR)):\n"
	      "    try: f(); r.append('opened')\n"
	      "    except OSError: pass\n"
	      "print(r or 'held')");
}

/* Queues have names of the kernel's, in no directory; and a namespace of their own is made for each run. */
TEST(queues_of_messages_are_not_made)
{
	holds("import ctypes\n"
	      "libc = ctypes.CDLL(None, use_errno=True)\n"
	      "q = libc.mq_open(b'/nexus-test', 0o102, 0o666, None)\n"
	      "print('held' if q < 0 else 'a queue')");
}

TEST(the_environment_is_clean_in_each_language)
{
	holds_in(&B, "shell", "env | grep -q -e SECRET -e hunter2 -e NEXUS || echo held", "");
	holds_in(&B, "shell", "tr '\\0' '\\n' < /proc/self/environ | grep -q -e SECRET -e hunter2 || echo held", "");
}

/* ---- keys, with the filter and without it ---- */

static void keys_are_not_shared(struct box *b)
{
	char id[16];
	long key = syscall(SYS_add_key, "user", "nexus-test-secret", "hunter2", 7L, KEY_SPEC_SESSION_KEYRING);
	snprintf(id, sizeof(id), "%ld", key);
	holds_c(b, "keyrings.c", id);
	if (key > 0)
		(void)syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_SESSION_KEYRING);
}

TEST(keys_of_the_server_are_not_found)
{
	keys_are_not_shared(&B);
}

TEST(the_sandbox_closes)
{
	box_close(&B);
}

/* Each wall is behind another: whatever is missing, the host is not reached. */
TEST(whatever_is_missing_the_host_is_not_reached)
{
#ifdef NX_FAULTS_ENABLED
	static const char *const missing[] = {"no-seccomp", "no-landlock", "no-userns",    "no-netns",   "no-proc",
					      "no-cgroup",  "no-clone3",   "no-cgroup-v2", "no-cgroupns"};
	char code[2048];
	snprintf(
		code, sizeof(code),
		"import os, socket\n"
		"r = [p for p in ('/etc/shadow', '/sys/kernel', '/var/lib', '/root/.ssh', '%s', '/proc/%d') if os.path.exists(p)]\n"
		"for p in ('/usr/x', '/x', '/etc/x', '/code/x', '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger'):\n"
		"    try: open(p, 'a').close(); r.append(p)\n"
		"    except OSError: pass\n"
		"for p in ('/proc/1/environ', '/proc/1/mem', '/proc/1/exe', '/proc/1/fd/4'):\n"
		"    try: open(p, 'rb').read(1) and r.append(p)\n"
		"    except OSError: pass\n"
		"try: os.kill(%d, 0); r.append('signal')\n"
		"except OSError: pass\n"
		"for f in (lambda: os.setuid(0), lambda: os.chroot('/work'), lambda: os.mknod('/work/d', 0o60600, os.makedev(8, 0)), lambda: os.nice(-5)):\n"
		"    try: f(); r.append(f)\n"
		"    except OSError: pass\n"
		"for at in (('127.0.0.1', 22), ('169.254.169.254', 80)):\n"
		"    try: socket.create_connection(at, 1); r.append(at)\n"
		"    except OSError: pass\n"
		"r += [e for e in os.environ if 'SECRET' in e]\n"
		"r += [f for f in range(3, 1024) if os.path.exists(f'/proc/self/fd/{f}') and f > 3]\n"
		"print(r or 'held')",
		nx_test_dir(), getpid(), getpid());
	for (size_t i = 0; i < nx_countof(missing); i++) {
		struct box b;
		if (geteuid() != 0 && strcmp(missing[i], "no-userns") == 0)
			continue;
		setenv("NEXUS_SANDBOX_FORCE", missing[i], 1);
		box_open(&b, (const char *[]){"sandbox.uid_base=1900500000", NULL});
		unsetenv("NEXUS_SANDBOX_FORCE");
		print_message("%s\n", missing[i]);
		holds_in(&b, "python", code, "");
		keys_are_not_shared(&b);
		box_close(&b);
	}
#else
	SKIP("built without fault points");
#endif
}
