/*
 * The second filter of a program that was granted files of the host: everything is allowed but what turns a file into a door.
 * systemd.exec(5) describes the same set of calls under RestrictSUIDSGID=.
 */
#include "execution/sandbox_internal.h"

#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const uint64_t set_bits[] = {S_ISUID, S_ISGID};

static int refuse_mode(scmp_filter_ctx f, int nr, unsigned arg)
{
	int r = 0;
	for (size_t i = 0; i < nx_countof(set_bits) && r == 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), nr, 1,
				     SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, set_bits[i], set_bits[i]));
	return r;
}

/* Without these flags there is no mode, and what stands in its place means nothing. */
static int refuse_open(scmp_filter_ctx f, int nr, unsigned flags)
{
	static const uint64_t making[] = {O_CREAT, O_TMPFILE & ~O_DIRECTORY};
	int r = 0;
	for (size_t i = 0; i < nx_countof(set_bits); i++)
		for (size_t k = 0; k < nx_countof(making) && r == 0; k++)
			r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), nr, 2,
					     SCMP_CMP(flags, SCMP_CMP_MASKED_EQ, making[k], making[k]),
					     SCMP_CMP(flags + 1, SCMP_CMP_MASKED_EQ, set_bits[i], set_bits[i]));
	return r;
}

static int refuse_set_bits(scmp_filter_ctx f)
{
	static const struct {
		int nr;
		unsigned arg;
	} modes[] = {{SCMP_SYS(chmod), 1}, {SCMP_SYS(fchmod), 1}, {SCMP_SYS(fchmodat), 2},
		     {SCMP_SYS(creat), 1}, {SCMP_SYS(mknod), 1},  {SCMP_SYS(mknodat), 2}};
	int r = 0;
	for (size_t i = 0; i < nx_countof(modes) && r == 0; i++)
		if (modes[i].nr >= 0) /* another architecture has no such call */
			r = refuse_mode(f, modes[i].nr, modes[i].arg);
	if (r == 0 && SCMP_SYS(open) >= 0)
		r = refuse_open(f, SCMP_SYS(open), 1);
	if (r == 0)
		r = refuse_open(f, SCMP_SYS(openat), 2);
	/* Its flags and mode are out of a filter's sight, and libraries do without it. */
	return r == 0 ? seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0) : r;
}

/* A pair of streams is bound to itself; a datagram could still be sent to any name. */
static int refuse_names(scmp_filter_ctx f)
{
	int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	return r < 0 ? r
		     : seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socketpair), 1,
					SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM));
}

int nx_seccomp_compile_files(struct nx_seccomp *ret)
{
	*ret = (struct nx_seccomp){0};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	if (!f)
		return -ENOMEM;
	int r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	if (r == 0)
		r = refuse_set_bits(f);
	if (r == 0)
		r = refuse_names(f);
	if (r == 0)
		r = nx_seccomp_export(f, ret);
	seccomp_release(f);
	return r;
}
