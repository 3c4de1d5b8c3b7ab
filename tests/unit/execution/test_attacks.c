/* Attacks on the walls by programs in C, by pairs of programs, and on what outlives a run. Each prints "held". */
#include "tests/unit/execution/sandbox_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct box B;

static void holds(const char *code)
{
	holds_in(&B, "python", code, "");
}

TEST(the_sandbox_opens)
{
	/* Two at once: pairs meet, and each gets the cgroups, the keeper and the network namespace of one before. */
	box_open(&B, (const char *[]){"sandbox.uid_base=1900400000", "sandbox.max_running=2", NULL});
}

TEST(calls_that_open_new_ground_are_refused)
{
	holds_c(&B, "calls.c", "");
}

TEST(socket_families_are_plain_ones)
{
	holds_c(&B, "sockets.c", "");
}

TEST(there_is_no_way_out_of_the_empty_network)
{
	char port[16];
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	ASSERT_EQ(bind(tcp, (struct sockaddr *)&a, n), 0);
	ASSERT_EQ(listen(tcp, 1), 0);
	ASSERT_EQ(getsockname(tcp, (struct sockaddr *)&a, &n), 0);
	ASSERT_EQ(bind(udp, (struct sockaddr *)&a, n), 0);
	snprintf(port, sizeof(port), "%d", ntohs(a.sin_port));
	holds_c(&B, "network.c", port);
	char byte;
	ASSERT_EQ(recv(udp, &byte, 1, MSG_DONTWAIT), -1);
	close(tcp);
	close(udp);
}

TEST(a_program_cannot_hide_from_the_end_of_memory)
{
	holds("r = []\n"
	      "for who in ('self', '1'):\n"
	      "    for v in ('-1000', '-1', '0', '499'):\n"
	      "        try:\n"
	      "            with open(f'/proc/{who}/oom_score_adj', 'w') as f: f.write(v)\n"
	      "            r.append((who, v))\n"
	      "        except OSError: pass\n"
	      "if int(open('/proc/self/oom_score_adj').read()) < 500: r.append(open('/proc/self/oom_score_adj').read())\n"
	      "print(r or 'held')");
}

TEST(proc_takes_no_orders)
{
	holds("import os\n"
	      "r = []\n"
	      "for p in ('sys/kernel/core_pattern', 'sys/kernel/hostname', 'sys/net/ipv4/ip_forward', 'sys/vm/drop_caches',\n"
	      "          'sysrq-trigger', 'kcore', 'kmsg', 'keys', 'timer_list', 'sched_debug', 'interrupts', 'cmdline', 'config.gz',\n"
	      "          'modules', 'kallsyms', 'mounts/x', 'bus', 'fs', 'irq', 'acpi', 'scsi', 'vmcore', 'sys'):\n"
	      "    if os.path.exists('/proc/' + p): r.append(p)\n"
	      "for p in ('uid_map', 'gid_map', 'setgroups', 'projid_map', 'loginuid', 'attr/current', 'attr/exec'):\n"
	      "    try:\n"
	      "        with open('/proc/self/' + p, 'w') as f: f.write('0 0 1')\n"
	      "        r.append(p)\n"
	      "    except OSError: pass\n"
	      "for p in ('mem', 'oom_adj', 'coredump_filter', 'clear_refs', 'comm', 'autogroup', 'timerslack_ns', 'sched', 'attr/current'):\n"
	      "    try: open('/proc/1/' + p, 'w').close(); r.append('1/' + p)\n"
	      "    except OSError: pass\n"
	      "print(r or 'held')");
}

TEST(the_reaper_gives_nothing_away)
{
	holds("import os\n"
	      "r = []\n"
	      "for f in ('environ', 'mem', 'maps', 'smaps', 'stack', 'syscall', 'io', 'auxv', 'pagemap', 'personality', 'cwd', 'root', 'exe',\n"
	      "          'fd/0', 'fd/4', 'fdinfo/4', 'map_files', 'ns/net', 'ns/user', 'task/1/environ', 'task/1/mem'):\n"
	      "    p = '/proc/1/' + f\n"
	      "    try: os.readlink(p); r.append(f)\n"
	      "    except OSError: pass\n"
	      "    try: open(p, 'rb').read(1) and r.append(f)\n"
	      "    except OSError: pass\n"
	      "    try: os.listdir(p); r.append(f)\n"
	      "    except OSError: pass\n"
	      "print(r or 'held')");
}

TEST(the_reaper_is_neither_stopped_nor_slowed)
{
	holds("import os, resource, signal\n"
	      "r = []\n"
	      "signal.signal(signal.SIGINT, signal.SIG_IGN)\n" /* one signal makes it interrupt the program */
	      "for s in range(1, 65):\n"
	      "    try: os.kill(1, s)\n"
	      "    except OSError: pass\n"
	      "for what, f in (('nice', lambda: os.setpriority(os.PRIO_PROCESS, 1, 19)), ('all', lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19)),\n"
	      "                ('idle', lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))),\n"
	      "                ('cpu', lambda: resource.prlimit(1, resource.RLIMIT_CPU, (0, 0))), ('core', lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))):\n"
	      "    try: f(); r.append(what)\n"
	      "    except (OSError, ValueError): pass\n"
	      "state = [l for l in open('/proc/1/status') if l.startswith('State')][0]\n"
	      "if 'T' in state.split()[1]: r.append(state)\n"
	      "if resource.getrlimit(resource.RLIMIT_CORE) != (1, 1): r.append('core')\n"
	      "print(r or 'held')");
}

TEST(what_the_host_does_with_shared_files_is_not_told)
{
	holds("import ctypes, errno\n"
	      "libc = ctypes.CDLL(None, use_errno=True)\n"
	      "fd = libc.inotify_init1(0)\n"
	      "print('held' if fd < 0 and ctypes.get_errno() == errno.ENOSYS else libc.inotify_add_watch(fd, b'/usr/bin', 0x20))");
}

TEST(setuid_programs_of_the_host_gain_nothing)
{
	holds("import os, subprocess, ctypes\n"
	      "r = []\n"
	      "if not os.statvfs('/usr/bin').f_flag & os.ST_NOSUID or not os.statvfs('/work').f_flag & os.ST_NOSUID: r.append('suid')\n"
	      "if not os.statvfs('/work').f_flag & 4 or not os.statvfs('/usr').f_flag & 4: r.append('dev')\n"
	      "if not os.statvfs('/usr').f_flag & os.ST_RDONLY or not os.statvfs('/').f_flag & os.ST_RDONLY: r.append('rw')\n"
	      "for p in ('/usr/bin/su', '/usr/bin/mount', '/usr/bin/passwd', '/usr/bin/newgrp', '/usr/bin/chsh'):\n"
	      "    if os.path.exists(p) and os.stat(p).st_mode & 0o4000:\n"
	      "        pid = os.fork()\n"
	      "        if pid == 0:\n"
	      "            for fd in (1, 2): os.dup2(os.open('/dev/null', os.O_WRONLY), fd)\n"
	      "            try: os.execv(p, [p, '--version'])\n"
	      "            finally: os._exit(9)\n"
	      "        os.waitpid(pid, 0)\n"
	      "if os.getresuid() != (1000, 1000, 1000): r.append(os.getresuid())\n"
	      "print(r or 'held')");
}

TEST(memory_of_another_size_than_the_own_is_not_shared)
{
	int id = shmget(0x4e58, 4096, IPC_CREAT | 0666);
	holds("import ctypes\n"
	      "libc = ctypes.CDLL(None)\n"
	      "print('held' if libc.shmget(0x4e58, 0, 0) < 0 and libc.msgget(0x4e58, 0) < 0 and libc.semget(0x4e58, 0, 0) < 0 else 'reached')");
	if (id >= 0)
		(void)shmctl(id, IPC_RMID, NULL);
}

/* ---- two programs at once ---- */

static void pair(const char *first, const char *second)
{
	struct trial t;
	trial_init(&t, &B, "python", first);
	trial_start(&t);
	for (int i = 0; i < 500 && !t.streamed; i++)
		usleep(10000);
	ASSERT_GT(t.streamed, 0);
	holds(second);
	nx_execution_cancel(B.execution, t.x.id);
	trial_wait(&t);
	trial_done(&t);
}

TEST(two_programs_at_once_do_not_meet)
{
	pair("import ctypes, fcntl, os, socket, time\n"
	     "libc = ctypes.CDLL(None)\n"
	     "for d in ('/work', '/tmp', '/dev/shm', '/var/tmp'): open(d + '/secret', 'w').write('secret')\n"
	     "os.mkfifo('/tmp/fifo')\n"
	     "s = socket.socket(socket.AF_UNIX); s.bind('\\0meet'); s.listen()\n"
	     "d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.bind('\\0meet-dgram')\n"
	     "libc.shmget(0x4e59, 4096, 0o1666); libc.msgget(0x4e59, 0o1666); libc.semget(0x4e59, 1, 0o1666)\n"
	     "print('on', flush=True)\n"
	     "time.sleep(30)",
	     "import ctypes, os, socket\n"
	     "libc = ctypes.CDLL(None)\n"
	     "r = [d for d in ('/work', '/tmp', '/dev/shm', '/var/tmp') if os.path.exists(d + '/secret')]\n"
	     "try: socket.socket(socket.AF_UNIX).connect('\\0meet'); r.append('abstract')\n"
	     "except OSError: pass\n"
	     "try: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', '\\0meet-dgram'); r.append('datagram')\n"
	     "except OSError: pass\n"
	     "if 'meet' in open('/proc/self/net/unix').read(): r.append('net/unix')\n"
	     "if libc.shmget(0x4e59, 0, 0) >= 0 or libc.msgget(0x4e59, 0) >= 0 or libc.semget(0x4e59, 0, 0) >= 0: r.append('ipc')\n"
	     "for p in range(2, 70000):\n"
	     "    try: os.kill(p, 0); p != os.getpid() and r.append(p)\n"
	     "    except OSError: pass\n"
	     "print(r or 'held')");
}

/* ---- one after the other, in the same cgroups and network namespace ---- */

static void pass_nothing_on(void)
{
	static const char leave[] =
		"import array, ctypes, os, socket\n"
		"libc = ctypes.CDLL(None)\n"
		"a, b = socket.socketpair()\n"
		"s = socket.socket(socket.AF_UNIX); s.bind('\\0left'); s.listen()\n"
		"c = socket.socket(socket.AF_UNIX); c.connect('\\0left'); c.send(b'secret')\n"
		"for x, y in ((a, b), (b, a)): x.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [s.fileno(), y.fileno(), c.fileno()]))])\n"
		"try: u = socket.socket(); u.bind(('0.0.0.0', 7777)); u.listen()\n"
		"except PermissionError: pass\n" /* Landlock's, from Linux 6.7 */
		"v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.bind(('0.0.0.0', 7777))\n"
		"libc.shmget(0x4e5a, 4096, 0o1666); libc.msgget(0x4e5a, 0o1666); libc.semget(0x4e5a, 1, 0o1666)\n"
		"open('/dev/shm/left', 'w').write('x'); open('/tmp/left', 'w').write('x')\n"
		"if os.fork() == 0: os.setsid(); os.execv('/usr/bin/sleep', ['sleep', '60'])\n";
	for (int i = 0; i < 5; i++) {
		struct trial t;
		run_python(&t, &B, leave);
		if (t.x.result.status != NX_EXEC_OK)
			print_message("stderr: %.*s\n", NX_FMT(t.x.result.err_out));
		ASSERT_STREQ(trial_status(&t), "ok");
		trial_done(&t);
		holds("import ctypes, os, socket\n"
		      "libc = ctypes.CDLL(None)\n"
		      "r = os.listdir('/tmp') + os.listdir('/dev/shm') + os.listdir('/work')\n"
		      "try: socket.socket(socket.AF_UNIX).connect('\\0left'); r.append('abstract')\n"
		      "except OSError: pass\n"
		      "try: socket.socket().bind(('0.0.0.0', 7777)); socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(('0.0.0.0', 7777))\n"
		      "except PermissionError: pass\n"
		      "except OSError as e: r.append(e)\n"
		      "if libc.shmget(0x4e5a, 0, 0) >= 0 or libc.msgget(0x4e5a, 0) >= 0 or libc.semget(0x4e5a, 0, 0) >= 0: r.append('ipc')\n"
		      "r += [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 2 and int(p) != os.getpid()]\n"
		      "for f in ('tcp', 'udp', 'raw', 'packet', 'netlink', 'igmp'):\n"
		      "    if len([l for l in open('/proc/self/net/' + f) if ':1E61' in l]): r.append(f)\n"
		      "print(r or 'held')");
	}
}

TEST(nothing_passes_to_the_next_run_of_the_same_keeper)
{
	pass_nothing_on();
}

TEST(the_network_of_all_runs_cannot_be_set_up_differently)
{
	holds("import os, socket\n"
	      "r = [p for p in ('/proc/sys', '/proc/self/net/../../sys/net', '/sys/class/net', '/proc/self/net/rpc') if os.path.isdir(p) and os.listdir(p)]\n"
	      "for root, dirs, files in os.walk('/proc/self/net'):\n"
	      "    for f in files:\n"
	      "        try: open(os.path.join(root, f), 'w').close(); r.append(f)\n"
	      "        except OSError: pass\n"
	      "print(r or 'held')");
}

TEST(the_sandbox_closes)
{
	box_close(&B);
}

TEST(nor_does_it_on_kernels_whose_landlock_knows_no_sockets)
{
#ifdef NX_FAULTS_ENABLED
	setenv("NEXUS_SANDBOX_FORCE", "no-landlock", 1);
	box_open(&B, (const char *[]){"sandbox.uid_base=1900400000", "sandbox.max_running=1", NULL});
	unsetenv("NEXUS_SANDBOX_FORCE");
	pass_nothing_on();
	box_close(&B);
#else
	SKIP("built without fault points");
#endif
}
