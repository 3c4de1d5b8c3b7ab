/* Calls into the kernel that open new ground. Each must be refused; what it says instead is printed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, long nr, long a, long b, long c, long d, long e)
{
	errno = 0;
	long r = syscall(nr, a, b, c, d, e, 0L);
	if (r < 0 && (errno == EPERM || errno == ENOSYS))
		return;
	printf("%s: %ld %s\n", name, r, strerror(errno));
	reached = 1;
}
#define REFUSED(nr, ...) refused(#nr, nr, __VA_ARGS__)

static void mounts(void)
{
	REFUSED(SYS_mount, (long)"x", (long)"/box", (long)"tmpfs", 0, 0);
	REFUSED(SYS_umount2, (long)"/box", 2, 0, 0, 0);
	REFUSED(SYS_pivot_root, (long)".", (long)".", 0, 0, 0);
	REFUSED(SYS_chroot, (long)"/box", 0, 0, 0, 0);
	REFUSED(SYS_fsopen, (long)"tmpfs", 0, 0, 0, 0);
	REFUSED(SYS_fspick, AT_FDCWD, (long)"/box", 0, 0, 0);
	REFUSED(SYS_fsconfig, 3, 6, 0, 0, 0);
	REFUSED(SYS_fsmount, 3, 0, 0, 0, 0);
	REFUSED(SYS_open_tree, AT_FDCWD, (long)"/box", 1, 0, 0);
	REFUSED(SYS_move_mount, AT_FDCWD, (long)"/box", AT_FDCWD, (long)"/", 0);
	REFUSED(442 /* mount_setattr */, AT_FDCWD, (long)"/box", 0, 0, 0);
	REFUSED(SYS_swapon, (long)"/work/x", 0, 0, 0, 0);
	REFUSED(SYS_swapoff, (long)"/work/x", 0, 0, 0, 0);
	REFUSED(SYS_quotactl, 0x800002, (long)"/dev/vda", 0, 0, 0);
	REFUSED(443 /* quotactl_fd */, 0, 0x800002, 0, 0, 0);
	REFUSED(SYS_open_by_handle_at, AT_FDCWD, (long)"\0\0\0\0", 0, 0, 0);
	REFUSED(SYS_name_to_handle_at, AT_FDCWD, (long)"/usr", 0, 0, 0);
	REFUSED(SYS_fanotify_init, 0, 0, 0, 0, 0);
	REFUSED(SYS_fanotify_mark, 0, 1, 2, AT_FDCWD, (long)"/usr");
	REFUSED(SYS_inotify_init, 0, 0, 0, 0, 0);
	REFUSED(SYS_inotify_init1, 0, 0, 0, 0, 0);
	REFUSED(SYS_acct, 0, 0, 0, 0, 0);
	REFUSED(SYS_sync, 0, 0, 0, 0, 0); /* of every file system of the host */
	REFUSED(SYS_syncfs, 0, 0, 0, 0, 0);
}

static void namespaces(void)
{
	static const long kinds[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
				     CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET, 0x80 /* CLONE_NEWTIME */};
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		REFUSED(SYS_unshare, kinds[i], 0, 0, 0, 0);
		if (kinds[i] != 0x80)
			REFUSED(SYS_clone, kinds[i] | 17, 0, 0, 0, 0);
	}
	REFUSED(SYS_clone3, 0, 0, 0, 0, 0);
	REFUSED(SYS_setns, 0, 0, 0, 0, 0);
	REFUSED(SYS_sethostname, (long)"x", 1, 0, 0, 0);
	REFUSED(SYS_setdomainname, (long)"x", 1, 0, 0, 0);
}

static void kernel(void)
{
	REFUSED(SYS_bpf, 0, 0, 0, 0, 0);
	REFUSED(SYS_perf_event_open, 0, 0, -1, -1, 0);
	REFUSED(SYS_userfaultfd, 0, 0, 0, 0, 0);
	REFUSED(SYS_userfaultfd, 1, 0, 0, 0, 0);
	REFUSED(SYS_io_uring_setup, 8, 0, 0, 0, 0);
	REFUSED(SYS_io_uring_enter, 0, 0, 0, 0, 0);
	REFUSED(SYS_io_uring_register, 0, 0, 0, 0, 0);
	REFUSED(SYS_io_setup, 1, 0, 0, 0, 0);
	REFUSED(SYS_kexec_load, 0, 0, 0, 0, 0);
	REFUSED(SYS_kexec_file_load, 0, 0, 0, 0, 0);
	REFUSED(SYS_init_module, 0, 0, (long)"", 0, 0);
	REFUSED(SYS_finit_module, 0, (long)"", 0, 0, 0);
	REFUSED(SYS_delete_module, (long)"x", 0, 0, 0, 0);
	REFUSED(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, 0, 0);
	REFUSED(SYS_settimeofday, 0, 0, 0, 0, 0);
	REFUSED(SYS_clock_settime, 0, 0, 0, 0, 0);
	REFUSED(SYS_clock_adjtime, 0, 0, 0, 0, 0);
	REFUSED(SYS_adjtimex, 0, 0, 0, 0, 0);
	REFUSED(SYS_syslog, 3, 0, 0, 0, 0);
	REFUSED(SYS_iopl, 3, 0, 0, 0, 0);
	REFUSED(SYS_ioperm, 0, 8, 1, 0, 0);
	REFUSED(SYS_modify_ldt, 0, 0, 0, 0, 0);
	REFUSED(SYS_vhangup, 0, 0, 0, 0, 0);
	REFUSED(SYS_lookup_dcookie, 0, 0, 0, 0, 0);
	REFUSED(SYS_uselib, (long)"/usr/lib/x", 0, 0, 0, 0);
	REFUSED(SYS_ustat, 0, 0, 0, 0, 0);
	REFUSED(SYS_sysfs, 3, 0, 0, 0, 0);
	REFUSED(SYS_personality, 0x0040000 /* ADDR_NO_RANDOMIZE */, 0, 0, 0, 0);
	REFUSED(SYS_personality, 0x0100000 /* MMAP_PAGE_ZERO */, 0, 0, 0, 0);
	REFUSED(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */, 0, 0, 0, 0);
	REFUSED(SYS_seccomp, 1, 8 /* NEW_LISTENER */, 0, 0, 0);
	REFUSED(447 /* memfd_secret */, 0, 0, 0, 0, 0);
}

static void others(void)
{
	REFUSED(SYS_ptrace, 16 /* PTRACE_ATTACH */, 1, 0, 0, 0);
	REFUSED(SYS_ptrace, 0 /* PTRACE_TRACEME */, 0, 0, 0, 0);
	REFUSED(SYS_process_vm_readv, 1, 0, 0, 0, 0);
	REFUSED(SYS_process_vm_writev, 1, 0, 0, 0, 0);
	REFUSED(440 /* process_madvise */, 0, 0, 0, 4, 0);
	REFUSED(448 /* process_mrelease */, 0, 0, 0, 0, 0);
	REFUSED(SYS_kcmp, 1, 2, 0, 0, 0);
	REFUSED(438 /* pidfd_getfd */, 0, 0, 0, 0, 0);
	REFUSED(SYS_migrate_pages, 1, 0, 0, 0, 0);
	REFUSED(SYS_move_pages, 1, 0, 0, 0, 0);
	REFUSED(SYS_add_key, (long)"user", (long)"x", (long)"y", 1, -3);
	REFUSED(SYS_request_key, (long)"user", (long)"x", 0, -3, 0);
	REFUSED(SYS_keyctl, 0, -3, 0, 0, 0);
	REFUSED(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, -4, 0, 0, 0);
	REFUSED(SYS_prlimit64, 1, 7, (long)&(long[2]){64, 64}, 0, 0);
	REFUSED(SYS_prlimit64, 0, 4 /* RLIMIT_CORE */, (long)&(long[2]){0, 0}, 0, 0);
	REFUSED(SYS_setrlimit, 4 /* RLIMIT_CORE */, (long)&(long[2]){0, 0}, 0, 0, 0);
	REFUSED(SYS_setpriority, 1, 0, 10, 0, 0);
	REFUSED(SYS_sched_setaffinity, 1, 8, (long)&(long){1}, 0, 0);
}

static void terminals(void)
{
	static const long bad[] = {0x5412 /* TIOCSTI */,  0x541c /* TIOCLINUX */,   0x5423 /* TIOCSETD */,
				   0x541d /* TIOCCONS */, 0x5441 /* TIOCGPTPEER */, 0x5414 /* TIOCSWINSZ */};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		REFUSED(SYS_ioctl, 0, bad[i], (long)"x", 0, 0);
		REFUSED(SYS_ioctl, 0, bad[i] | 1L << 32, (long)"x", 0, 0); /* the kernel reads 32 bits */
	}
	static const char *const names[] = {"/dev/tty", "/dev/ptmx", "/dev/pts/0", "/dev/tty0", "/dev/console"};
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (open(names[i], O_RDWR) >= 0) {
			printf("%s: opened\n", names[i]);
			reached = 1;
		}
}

/* The numbers of the 32-bit ABI, by its own gate and by x32's bit. */
static void other_abis(void)
{
	long r = 20; /* getpid */
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
	if (r != -ENOSYS && r != -EPERM) {
		printf("int 0x80: %ld\n", r);
		reached = 1;
	}
	REFUSED(0x40000000L + SYS_getpid, 0, 0, 0, 0, 0);
	REFUSED(0x40000000L + 521 /* x32 ptrace */, 0, 0, 0, 0, 0);
	REFUSED(500, 0, 0, 0, 0, 0); /* newer than the list */
}

int main(void)
{
	mounts();
	namespaces();
	kernel();
	others();
	terminals();
	other_abis();
	if (!reached)
		puts("held");
	return 0;
}
