/*
 * The filter of what a request's blocked_operations name: loaded last, right before the program, so that it fits a sandbox
 * that was made ahead. Written out by hand, because an interpreter at its door does not carry the compiler; loaded by
 * prctl, which the filter before it lets through.
 *
 * A program is started by the one execve whose path lies where the filter says: in a page at a random place, which the new
 * program does not have. Whoever wants to start a second would have to find 35 random bits by system calls that fail.
 */
#include "execution/sandbox_internal.h"

#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define FILTER_MAX 256
#define PAGE_BITS 35     /* of the number of the page */
#define PLACE_TRIES 4096 /* a thread sanitizer leaves one place in forty */
#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))
#define REFUSE(errnum) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (errnum))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define LOAD_LOW(arg) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[arg]))
#define LOAD_HIGH(arg) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[arg]) + 4)
#define IS_NOT(nr, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(nr), 0, (skip))

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half of an argument comes first");

struct filter {
	struct sock_filter code[FILTER_MAX];
	unsigned short n;
};

static void add(struct filter *f, const struct sock_filter *code, size_t n)
{
	for (size_t i = 0; i < n && f->n < FILTER_MAX; i++)
		f->code[f->n++] = code[i];
}
#define ADD(f, ...) \
	add(f, (const struct sock_filter[]){__VA_ARGS__}, nx_countof(((const struct sock_filter[]){__VA_ARGS__})))

static void refuse_calls(struct filter *f, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ADD(f, IS_NOT(calls[i], 1), REFUSE(EPERM));
}

static void block_network(struct filter *f)
{
	ADD(f, IS_NOT(SYS_socket, 4), LOAD_LOW(0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0), REFUSE(EPERM),
	    ALLOW);
}

/* Threads may be made. clone3, whose flags nobody sees, is refused by the filter before this one. */
static void block_processes(struct filter *f, const char *path)
{
	static const int calls[] = {
#ifdef SYS_fork
		SYS_fork,
		SYS_vfork,
#endif
		SYS_execveat,
	};
	uint64_t at = (uint64_t)(uintptr_t)path;
	refuse_calls(f, calls, nx_countof(calls));
	ADD(f, IS_NOT(SYS_clone, 4), LOAD_LOW(0), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
	    REFUSE(EPERM), ALLOW);
	if (!path)
		ADD(f, IS_NOT(SYS_execve, 1), REFUSE(EPERM));
	else
		ADD(f, IS_NOT(SYS_execve, 6), LOAD_LOW(0), IS_NOT(at, 3), LOAD_HIGH(0), IS_NOT(at >> 32, 1), ALLOW,
		    REFUSE(EPERM));
}

static void block_open(struct filter *f, int nr, unsigned flags)
{
	ADD(f, IS_NOT(nr, 4), LOAD_LOW(flags), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WRITES, 0, 1), REFUSE(EPERM),
	    ALLOW);
}

static void block_writes(struct filter *f)
{
	static const int calls[] = {
#ifdef SYS_creat
		SYS_creat,    SYS_rename,    SYS_unlink,    SYS_mkdir,       SYS_rmdir,        SYS_link,
		SYS_symlink,  SYS_mknod,     SYS_chmod,     SYS_chown,       SYS_lchown,       SYS_utime,
		SYS_utimes,   SYS_futimesat,
#endif
		SYS_truncate, SYS_renameat2, SYS_unlinkat,  SYS_mkdirat,     SYS_linkat,       SYS_symlinkat,
		SYS_mknodat,  SYS_fchmod,    SYS_fchmodat,  SYS_fchown,      SYS_fchownat,     SYS_utimensat,
		SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
#ifdef SYS_renameat
		SYS_renameat,
#endif
	};
	refuse_calls(f, calls, nx_countof(calls));
#ifdef SYS_open
	block_open(f, SYS_open, 1);
#endif
	block_open(f, SYS_openat, 2);
	ADD(f, IS_NOT(SYS_openat2, 1), REFUSE(ENOSYS)); /* its flags are out of sight, and libraries do without it */
}

/* A copy of the path in a page of its own at a random place. NULL with errno. */
static char *place(const char *path)
{
	size_t n = strlen(path) + 1;
	uint64_t at;
	for (int i = 0; i < PLACE_TRIES; i++) {
		if (getrandom(&at, sizeof(at), 0) != (ssize_t)sizeof(at))
			return NULL;
		at = (at >> (64 - PAGE_BITS)) << 12;
		void *p = mmap((void *)(uintptr_t)at, n, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (p != MAP_FAILED && (uintptr_t)p == at)
			return memcpy(p, path, n);
		if (p != MAP_FAILED)
			(void)munmap(p, n);
	}
	errno = ENOMEM;
	return NULL;
}

int nx_seccomp_block(unsigned blocked, char **path)
{
	static struct filter f;
	f.n = 0;
	if (blocked & NX_BLOCKED_PROCESS && path && !(*path = place(*path)))
		return -errno;
	ADD(&f, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	if (blocked & NX_BLOCKED_NETWORK)
		block_network(&f);
	if (blocked & NX_BLOCKED_PROCESS)
		block_processes(&f, path ? *path : NULL);
	if (blocked & NX_BLOCKED_FILE_WRITE)
		block_writes(&f);
	ADD(&f, ALLOW);
	struct sock_fprog prog = {.len = f.n, .filter = f.code};
	return f.n < FILTER_MAX && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0 ? 0 : -errno;
}
