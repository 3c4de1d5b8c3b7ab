/*
 * The system-call filter: an allow-list, compiled once when the spawner starts, loaded by each guest.
 *
 * What is not listed fails with EPERM, and what this list cannot know yet fails with ENOSYS, because libraries fall back
 * on that and nothing else. Nothing is killed: filters that kill broke with every new libc. The list follows the families
 * of moby's default profile, less what a guest without a capability or a terminal has no use for.
 */
#include "execution/sandbox_internal.h"

#include "base/macros.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The last call that the list below was written for (set_mempolicy_home_node, Linux 5.17). */
#define LAST_KNOWN_NR 450
#define NAMESPACE_FLAGS \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static const char *const allowed[] = {
	/* files */
	"access",
	"chdir",
	"chmod",
	"chown",
	"close",
	"close_range",
	"copy_file_range",
	"creat",
	"dup",
	"dup2",
	"dup3",
	"faccessat",
	"faccessat2",
	"fadvise64",
	"fallocate",
	"fchdir",
	"fchmod",
	"fchmodat",
	"fchown",
	"fchownat",
	"fcntl",
	"fdatasync",
	"fgetxattr",
	"flistxattr",
	"flock",
	"fremovexattr",
	"fsetxattr",
	"fstat",
	"fstatfs",
	"fsync",
	"ftruncate",
	"futimesat",
	"getcwd",
	"getdents",
	"getdents64",
	"getxattr",
	"lchown",
	"lgetxattr",
	"link",
	"linkat",
	"listxattr",
	"llistxattr",
	"lremovexattr",
	"lseek",
	"lsetxattr",
	"lstat",
	"mkdir",
	"mkdirat",
	"mknod",
	"mknodat",
	"newfstatat",
	"open",
	"openat",
	"openat2",
	"pipe",
	"pipe2",
	"pread64",
	"preadv",
	"preadv2",
	"pwrite64",
	"pwritev",
	"pwritev2",
	"read",
	"readahead",
	"readlink",
	"readlinkat",
	"readv",
	"removexattr",
	"rename",
	"renameat",
	"renameat2",
	"rmdir",
	"sendfile",
	"setxattr",
	"splice",
	"stat",
	"statfs",
	"statx",
	"symlink",
	"symlinkat",
	"sync_file_range",
	"tee",
	"umask",
	"unlink",
	"unlinkat",
	"utime",
	"utimensat",
	"utimes",
	"write",
	"writev",
	/* memory */
	"brk",
	"get_mempolicy",
	"madvise",
	"mincore",
	"mlock",
	"mlock2",
	"mlockall",
	"mprotect",
	"mremap",
	"msync",
	"munlock",
	"munlockall",
	"munmap",
	"pkey_alloc",
	"pkey_free",
	"pkey_mprotect",
	"remap_file_pages",
	"membarrier",
	/* processes and threads */
	"arch_prctl",
	"capget",
	"execve",
	"execveat",
	"exit",
	"exit_group",
	"fork",
	"futex",
	"futex_waitv",
	"get_robust_list",
	"get_thread_area",
	"getcpu",
	"getegid",
	"geteuid",
	"getgid",
	"getgroups",
	"getpgid",
	"getpgrp",
	"getpid",
	"getppid",
	"getpriority",
	"getresgid",
	"getresuid",
	"getrlimit",
	"getrusage",
	"getsid",
	"gettid",
	"getuid",
	"ioprio_get",
	"kill",
	"pause",
	"pidfd_open",
	"pidfd_send_signal",
	"prctl",
	"restart_syscall",
	"rseq",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"sched_getaffinity",
	"sched_getattr",
	"sched_getparam",
	"sched_getscheduler",
	"sched_rr_get_interval",
	"sched_yield",
	"set_robust_list",
	"set_thread_area",
	"set_tid_address",
	"setfsgid",
	"setfsuid",
	"setgid",
	"setgroups",
	"setpgid",
	"setregid",
	"setresgid",
	"setresuid",
	"setreuid",
	"setsid",
	"setuid",
	"tgkill",
	"times",
	"tkill",
	"uname",
	"vfork",
	"wait4",
	"waitid",
	"sysinfo",
	"getrandom",
	/* signals and waiting */
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"eventfd",
	"eventfd2",
	"poll",
	"ppoll",
	"pselect6",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigqueueinfo",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"rt_tgsigqueueinfo",
	"select",
	"sigaltstack",
	"signalfd",
	"signalfd4",
	/* time */
	"alarm",
	"clock_getres",
	"clock_gettime",
	"clock_nanosleep",
	"getitimer",
	"gettimeofday",
	"nanosleep",
	"setitimer",
	"time",
	"timer_create",
	"timer_delete",
	"timer_getoverrun",
	"timer_gettime",
	"timer_settime",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	/* talk between the processes of one guest */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getsockname",
	"getsockopt",
	"listen",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shmat",
	"shmctl",
	"shmdt",
	"shutdown",
};

/* Numbers of the terminal and file ioctls that runtimes, shells and editors use. They reach what a descriptor that the
 * guest was given leads to, and the only terminal it can be given was made for its session. TIOCSTI and TIOCLINUX, which
 * type into a terminal, are not among them, nor what changes a line discipline (TIOCSETD) or opens another (TIOCGPTPEER). */
static const uint64_t allowed_ioctls[] = {
	0x5401 /* TCGETS */,      0x5413 /* TIOCGWINSZ */,  0x540f /* TIOCGPGRP */,    0x541b /* FIONREAD */,
	0x5421 /* FIONBIO */,     0x5450 /* FIONCLEX */,    0x5451 /* FIOCLEX */,      0x5452 /* FIOASYNC */,
	0x40049409 /* FICLONE */, 0x5402 /* TCSETS */,      0x5403 /* TCSETSW */,      0x5404 /* TCSETSF */,
	0x5409 /* TCSBRK */,      0x540a /* TCXONC */,      0x540b /* TCFLSH */,       0x540e /* TIOCSCTTY */,
	0x5410 /* TIOCSPGRP */,   0x5411 /* TIOCOUTQ */,    0x5422 /* TIOCNOTTY */,    0x5429 /* TIOCGSID */,
	0x802c542a /* TCGETS2 */, 0x402c542b /* TCSETS2 */, 0x402c542c /* TCSETSW2 */, 0x402c542d /* TCSETSF2 */,
};

static const uint64_t allowed_personalities[] = {0, 0x8, 0x20000, 0x20008, 0xffffffff};

/* The errno of these makes libraries fall back: clone3, whose flags are out of a filter's sight; inotify, which would tell
 * of every use that anybody on the host makes of the files that all share. */
static const char *const absent[] = {"clone3", "inotify_init", "inotify_init1", "inotify_add_watch",
				     "inotify_rm_watch"};

static int allow_calls(scmp_filter_ctx f)
{
	for (size_t i = 0; i < nx_countof(allowed); i++) {
		int nr = seccomp_syscall_resolve_name(allowed[i]);
		if (nr == __NR_SCMP_ERROR || nr < 0) /* another architecture has no such call */
			continue;
		int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < nx_countof(absent); i++) {
		int nr = seccomp_syscall_resolve_name(absent[i]);
		if (nr == __NR_SCMP_ERROR || nr < 0)
			continue;
		int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int allow_values(scmp_filter_ctx f, int nr, unsigned arg, const uint64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 1, SCMP_CMP(arg, SCMP_CMP_EQ, values[i], 0));
		if (r < 0)
			return r;
	}
	return 0;
}

/* AF_UNIX; and TCP and UDP, so that programs meet an unreachable network rather than a refused call, where a network
 * namespace holds them. Not AF_NETLINK, AF_VSOCK, AF_ALG, AF_PACKET, nor protocols that load kernel modules. */
static int allow_inet(scmp_filter_ctx f)
{
	static const uint64_t families[] = {AF_INET, AF_INET6}, protocols[] = {0, 6, 17};
	int r = 0;
	for (size_t i = 0; i < nx_countof(families); i++)
		for (size_t k = 0; k < nx_countof(protocols) && r == 0; k++)
			r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, families[i]),
					     SCMP_A2(SCMP_CMP_EQ, protocols[k]));
	return r;
}

/* A pair of streams is bound to itself; a datagram could still be sent to any name. */
static int allow_unix(scmp_filter_ctx f, bool with_names)
{
	static const uint64_t types[] = {SOCK_STREAM, SOCK_SEQPACKET};
	int r = 0;
	if (with_names) {
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
		return r < 0 ? r
			     : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
						SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	}
	for (size_t i = 0; i < nx_countof(types) && r == 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 2, SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, types[i]));
	return r;
}

static int allow_sockets(scmp_filter_ctx f, unsigned flags)
{
	int r = allow_unix(f, !(flags & NX_SECCOMP_NO_NAMES));
	return r == 0 && flags & NX_SECCOMP_INET ? allow_inet(f) : r;
}

/* Where no cgroup counts memory: shared memory stays when nobody maps it, and then no sum over processes shows it. */
static int allow_memory(scmp_filter_ctx f, unsigned flags)
{
	static const int hidden[] = {SCMP_SYS(memfd_create), SCMP_SYS(shmget)};
	bool is_seen = flags & NX_SECCOMP_SEEN_MEMORY;
	uint32_t action = is_seen ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_ALLOW;
	int r = 0;
	for (size_t i = 0; i < nx_countof(hidden) && r == 0; i++)
		r = seccomp_rule_add(f, action, hidden[i], 0);
	if (r < 0 || !is_seen)
		return r < 0 ? r : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 0);
	r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, 0));
	return r < 0 ? r
		     : seccomp_rule_add(
			       f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			       SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS | MAP_TYPE, MAP_ANONYMOUS | MAP_PRIVATE));
}

/* The reaper, pid 1, has the guest's own user: what it needs to end the run in time is not for the program to take away. Nor
 * may RLIMIT_CORE leave 1, the value at which the kernel starts no handler of core dumps (core(5)); at 0 it would. */
static int spare_reaper(scmp_filter_ctx f)
{
	static const int by_pid[] = {SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_setattr), SCMP_SYS(sched_setparam),
				     SCMP_SYS(sched_setscheduler)};
	int r = 0;
	for (size_t i = 0; i < nx_countof(by_pid) && r == 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, by_pid[i], 1, SCMP_A0_32(SCMP_CMP_NE, 1));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setpriority), 2, SCMP_A0_32(SCMP_CMP_EQ, PRIO_PROCESS),
				     SCMP_A1_32(SCMP_CMP_NE, 1));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setrlimit), 1, SCMP_A0_32(SCMP_CMP_NE, RLIMIT_CORE));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0_32(SCMP_CMP_EQ, 0),
				     SCMP_A1_32(SCMP_CMP_NE, RLIMIT_CORE));
	if (r == 0) /* reading is harmless */
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2_64(SCMP_CMP_EQ, 0));
	return r;
}

/* What the flags take away: allowed, or EPERM as all that is not listed. */
static int allow_unless(scmp_filter_ctx f, bool is_refused, const int *calls, size_t n)
{
	int r = 0;
	for (size_t i = 0; i < n && r == 0 && !is_refused; i++)
		if (calls[i] >= 0) /* another architecture has no such call */
			r = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

static int allow_shared(scmp_filter_ctx f, unsigned flags)
{
	static const int ipc[] = {SCMP_SYS(mq_getsetattr),   SCMP_SYS(mq_notify),    SCMP_SYS(mq_open),
				  SCMP_SYS(mq_timedreceive), SCMP_SYS(mq_timedsend), SCMP_SYS(mq_unlink),
				  SCMP_SYS(msgctl),          SCMP_SYS(msgget),       SCMP_SYS(msgrcv),
				  SCMP_SYS(msgsnd),          SCMP_SYS(semctl),       SCMP_SYS(semget),
				  SCMP_SYS(semop),           SCMP_SYS(semtimedop)};
	static const int truncate_call[] = {SCMP_SYS(truncate)};
	int r = allow_unless(f, flags & NX_SECCOMP_SHARED_IPC, ipc, nx_countof(ipc));
	return r < 0 ? r : allow_unless(f, flags & NX_SECCOMP_TRUNCATE, truncate_call, nx_countof(truncate_call));
}

static int add_rules(scmp_filter_ctx f, unsigned flags)
{
	int r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)); /* the 32-bit ABI */
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = allow_calls(f);
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACE_FLAGS, 0));
	if (r == 0)
		r = allow_values(f, SCMP_SYS(ioctl), 1, allowed_ioctls, nx_countof(allowed_ioctls));
	if (r == 0)
		r = allow_values(f, SCMP_SYS(personality), 0, allowed_personalities, nx_countof(allowed_personalities));
	if (r == 0)
		r = spare_reaper(f);
	if (r == 0)
		r = allow_memory(f, flags);
	if (r == 0)
		r = allow_shared(f, flags);
	return r == 0 ? allow_sockets(f, flags) : r;
}

/* libseccomp writes to a file; ours lies in memory. Three instructions go before it: what is newer than the list is
 * ENOSYS, whatever the architecture (x32's numbers are above the limit, too). */
int nx_seccomp_export(scmp_filter_ctx f, struct nx_seccomp *ret)
{
	static const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_KNOWN_NR, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	nx_auto_fd int fd = memfd_create("nexus-seccomp", MFD_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return -errno;
	int r = seccomp_export_bpf(f, fd);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	size_t n = (size_t)st.st_size / sizeof(struct sock_filter);
	if (n == 0 || n + nx_countof(head) > BPF_MAXINSNS)
		return -E2BIG;
	struct sock_filter *code = calloc(n + nx_countof(head), sizeof(*code));
	if (!code)
		return -ENOMEM;
	memcpy(code, head, sizeof(head));
	if (pread(fd, code + nx_countof(head), n * sizeof(*code), 0) != st.st_size) {
		free(code);
		return -EIO;
	}
	ret->prog = (struct sock_fprog){.len = (unsigned short)(n + nx_countof(head)), .filter = code};
	return 0;
}

int nx_seccomp_compile(unsigned flags, struct nx_seccomp *ret)
{
	*ret = (struct nx_seccomp){0};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!f)
		return -ENOMEM;
	int r = add_rules(f, flags);
	if (r == 0)
		r = nx_seccomp_export(f, ret);
	seccomp_release(f);
	return r;
}

void nx_seccomp_free(struct nx_seccomp *s)
{
	free(s->prog.filter);
	*s = (struct nx_seccomp){0};
}
