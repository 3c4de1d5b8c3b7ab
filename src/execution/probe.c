/* What this host lets us do, found by trying: a guest is made and told to stop before its program would start. */
#include "execution/bare.h"
#include "execution/hostfs.h"
#include "execution/proxy_internal.h"

#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define TRIALS_MAX 8
#define LANDLOCK_TRUNCATE_ABI 3 /* the first that sees truncate(2) */

unsigned nx_force_parse(const char *text)
{
	static const struct {
		const char *word;
		unsigned flag;
	} words[] = {
		{"no-cgroup", NX_FORCE_NO_CGROUP},     {"no-userns", NX_FORCE_NO_USERNS},
		{"no-netns", NX_FORCE_NO_NETNS},       {"no-landlock", NX_FORCE_NO_LANDLOCK},
		{"no-seccomp", NX_FORCE_NO_SECCOMP},   {"no-namespaces", NX_FORCE_NO_NAMESPACES},
		{"no-proc", NX_FORCE_NO_PROC},         {"no-memory", NX_FORCE_NO_MEMORY},
		{"no-pids", NX_FORCE_NO_PIDS},         {"no-cpu", NX_FORCE_NO_CPU},
		{"no-cgroup-v2", NX_FORCE_NO_V2},      {"no-clone3", NX_FORCE_NO_CLONE3},
		{"no-pidfd", NX_FORCE_NO_PIDFD},       {"no-mount-api", NX_FORCE_NO_MOUNT_API},
		{"no-cgroupns", NX_FORCE_NO_CGROUPNS},
	};
	unsigned force = 0;
	for (const char *p = text; p && *p;) {
		size_t n = strcspn(p, ",");
		for (size_t i = 0; i < nx_countof(words); i++)
			if (strlen(words[i].word) == n && strncmp(words[i].word, p, n) == 0)
				force |= words[i].flag;
		p += n + (p[n] == ',');
	}
	return force;
}

unsigned nx_forced(void)
{
#ifdef NX_FAULTS_ENABLED
	return nx_force_parse(getenv("NEXUS_SANDBOX_FORCE"));
#else
	return 0;
#endif
}

static int write_own(const char *file, const char *text)
{
	nx_auto_fd int fd = open(file, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);
	return fd >= 0 && write(fd, text, n) == (ssize_t)n ? 0 : -1;
}

/* A user namespace in which the spawner is root and its own uid is the only one. */
static bool enter_userns(struct nx_host *h)
{
	char uid_map[64], gid_map[64];
	snprintf(uid_map, sizeof(uid_map), "0 %lu 1", (unsigned long)geteuid());
	snprintf(gid_map, sizeof(gid_map), "0 %lu 1", (unsigned long)getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	h->outer_userns = true;
	(void)write_own("/proc/self/setgroups", "deny");
	return write_own("/proc/self/uid_map", uid_map) == 0 && write_own("/proc/self/gid_map", gid_map) == 0;
}

static bool enter_mount_namespace(struct nx_host *h)
{
	if (h->force & NX_FORCE_NO_NAMESPACES)
		errno = EPERM;
	else if (unshare(CLONE_NEWNS) == 0 || (!(h->force & NX_FORCE_NO_USERNS) && enter_userns(h)))
		return true;
	snprintf(h->refusal, sizeof(h->refusal),
		 "no mount namespace can be made (%s), so the host's files cannot be hidden", strerror(errno));
	return false;
}

static const struct nx_spawn_prepare trial_limits = {
	.memory_bytes = 64 << 20,
	.cpu_percent = 100,
	.max_processes = 8,
	.box_bytes = 1 << 20,
	.box_inodes = 64,
	.file_bytes = 1 << 20,
	.cpu_us = 1000000,
	.wall_us = 1000000,
};

static int try_guest(const struct nx_probe *p, struct nx_fault_at *fault)
{
	static struct nx_guest_error last; /* its text outlives the call, as fault's stage */
	struct nx_guest_order o = {
		.host = &p->host,
		.prepare = &trial_limits,
		.uid = p->host.outer_userns ? 0 : p->host.uid_base,
		.proc_fd = p->proc_fd,
		.is_trial = true,
	};
	struct nx_guest_ends e;
	if (nx_guest_make(&o, &e, fault) < 0)
		return -1;
	ssize_t n = recv(e.ctl, &last, sizeof(last), 0);
	nx_guest_ends_close(&e);
	while (waitpid(e.pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (n != (ssize_t)sizeof(last))
		return nx_fault_at_set(fault, "start a guest", ECHILD);
	last.stage[sizeof(last.stage) - 1] = '\0';
	return last.errnum ? nx_fault_at_set(fault, last.stage, last.errnum) : 0;
}

/* Gives up what a failed trial points at; false when nothing is left to give up. */
static bool retreat(struct nx_host *h, const struct nx_fault_at *fault)
{
	if (strcmp(fault->stage, "mount proc") == 0 && h->proc)
		h->proc = false;
	else if (strcmp(fault->stage, "landlock") == 0 && h->landlock_abi)
		h->landlock_abi = 0;
	else if (strcmp(fault->stage, "seccomp") == 0 && h->seccomp)
		h->seccomp = false;
	else if (strcmp(fault->stage, "clone") == 0 && h->cgroupns)
		h->cgroupns = false;
	else if (strcmp(fault->stage, "clone") == 0 && h->netns)
		h->netns = false;
	else if (h->userns && h->is_root)
		h->userns = false;
	else
		return false;
	return true;
}

/* Needs Landlock and seccomp, since there is nothing else, and root, which has users to give away. Why it cannot be done goes
 * behind why there are no namespaces. */
static void try_bare(struct nx_probe *p)
{
	struct nx_host *h = &p->host;
	struct nx_fault_at fault = {0};
	size_t n = strlen(h->refusal);
	h->landlock_abi = h->force & NX_FORCE_NO_LANDLOCK ? 0 : nx_landlock_abi();
	unsigned flags = NX_SECCOMP_NO_NAMES | NX_SECCOMP_SEEN_MEMORY | NX_SECCOMP_SHARED_IPC;
	if (h->landlock_abi < LANDLOCK_TRUNCATE_ABI)
		flags |= NX_SECCOMP_TRUNCATE;
	h->seccomp = !(h->force & NX_FORCE_NO_SECCOMP) && nx_seccomp_compile(flags, &p->seccomp) == 0;
	if (!h->is_root || !h->landlock_abi || !h->seccomp) {
		snprintf(h->refusal + n, sizeof(h->refusal) - n, "; nor is there %s",
			 !h->is_root  ? "root, to give each run a user of its own"
			 : h->seccomp ? "Landlock, to keep programs from them"
				      : "seccomp, to keep programs from the network");
		return;
	}
	p->cgroups.mode =
		NX_CGROUP_NONE; /* the reaper must be able to fork beside a program that took all that it was given */
	int r = nx_bare_open(p->proc_fd, h->uid_base);
	h->is_bare = true;
	if (r < 0)
		(void)nx_fault_at_set(&fault, "make a directory for runs", -r);
	else
		r = try_guest(p, &fault);
	h->is_bare = r == 0;
	if (r == 0)
		return;
	nx_bare_close();
	snprintf(h->refusal + n, sizeof(h->refusal) - n, "; nor can programs be run without (%s: %s)", fault.stage,
		 strerror(fault.errnum));
}

static void try_features(struct nx_probe *p)
{
	struct nx_host *h = &p->host;
	h->userns = !(h->force & NX_FORCE_NO_USERNS);
	h->netns = !(h->force & NX_FORCE_NO_NETNS);
	h->proc = !(h->force & NX_FORCE_NO_PROC);
	h->seccomp = p->seccomp.prog.len > 0;
	h->landlock_abi = h->force & NX_FORCE_NO_LANDLOCK ? 0 : nx_landlock_abi();
	h->cgroupns = !(h->force & NX_FORCE_NO_CGROUPNS);
	struct nx_fault_at fault = {0};
	for (int i = 0; i < TRIALS_MAX; i++) {
		h->namespaces = try_guest(p, &fault) == 0;
		if (h->namespaces || !retreat(h, &fault))
			break;
	}
	if (!h->namespaces)
		snprintf(h->refusal, sizeof(h->refusal), "a trial failed to %s: %s", fault.stage,
			 strerror(fault.errnum));
	else if (!h->netns && !h->seccomp)
		snprintf(h->refusal, sizeof(h->refusal),
			 "neither a network namespace nor seccomp works, so the network is open");
	if (h->refusal[0])
		h->namespaces = false;
}

/* Without a network namespace the abstract sockets are the host's; Landlock refuses them from ABI 6 on. */
static unsigned filter_flags(const struct nx_probe *p, bool has_netns)
{
	bool counted = p->cgroups.mode != NX_CGROUP_NONE && p->cgroups.has[NX_CG_MEMORY];
	unsigned flags = counted ? 0 : NX_SECCOMP_SEEN_MEMORY;
	if (has_netns)
		return flags | NX_SECCOMP_INET;
	return p->host.landlock_abi >= 6 ? flags : flags | NX_SECCOMP_NO_NAMES;
}

static int compile_filter(struct nx_probe *p, bool has_netns)
{
	if (p->host.force & NX_FORCE_NO_SECCOMP)
		return 0;
	nx_seccomp_free(&p->seccomp);
	return nx_seccomp_compile(filter_flags(p, has_netns), &p->seccomp);
}

void nx_probe(struct nx_probe *p, uid_t uid_base, const struct nx_hostfs_rules *rules, const struct nx_roots *roots)
{
	struct nx_host *h = &p->host;
	*p = (struct nx_probe){
		.host = {.force = nx_forced(), .is_sealed = nx_seal_hold(), .uid_base = uid_base, .roots = roots},
		.net = {-1, -1},
		.files.sock = -1,
		.rules = rules};
	p->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	h->is_root = geteuid() == 0 && setgroups(0, NULL) == 0;
	nx_net_keeper_start(&p->net, h);
	nx_cgroups_open(&p->cgroups, h->force, p->proc_fd);
	nx_guest_env = (struct nx_guest_env){
		.host = h, .seccomp = &p->seccomp, .files_seccomp = &p->files_seccomp, .spawner = getpid()};

	struct nx_fault_at fault = {0};
	if (!enter_mount_namespace(h)) {
		try_bare(p);
		return;
	}
	h->is_root = h->is_root && !h->outer_userns;
	(void)nx_hostfs_keeper_start(h, rules, &p->files); /* without it no directory is granted */
	if (nx_template_enter(h, rules, &fault) < 0) {
		snprintf(h->refusal, sizeof(h->refusal), "failed to %s: %s (Linux 5.12 or newer is needed)",
			 fault.stage, strerror(fault.errnum));
		return;
	}
	(void)compile_filter(p, !(h->force & NX_FORCE_NO_NETNS));
	try_features(p);
	if (p->files.sock >= 0 && (!h->seccomp || nx_seccomp_compile_files(&p->files_seccomp) < 0))
		nx_hostfs_keeper_end(&p->files); /* sockets and setuid files would be open */
	if (!h->netns && h->seccomp)
		(void)compile_filter(p, false);
}

/* ---- what to tell the server ---- */

static uint8_t by_cgroup(const struct nx_cgroups *g, enum nx_controller c, enum nx_mechanism otherwise)
{
	if (g->mode == NX_CGROUP_NONE || !g->has[c])
		return (uint8_t)otherwise;
	return g->mode == NX_CGROUP_V2 ? NX_MECH_CGROUP_V2 : NX_MECH_CGROUP_V1;
}

static void list_features(const struct nx_probe *p, struct nx_spawn_features *f)
{
	const struct nx_host *h = &p->host;
	*f = (struct nx_spawn_features){
		.memory = by_cgroup(&p->cgroups, NX_CG_MEMORY, NX_MECH_WATCHDOG),
		.cpu = by_cgroup(&p->cgroups, NX_CG_CPU, NX_MECH_WATCHDOG),
		.processes = by_cgroup(&p->cgroups, NX_CG_PIDS, NX_MECH_RLIMIT),
		.time = NX_MECH_WATCHDOG,
		.output = NX_MECH_WATCHDOG,
		.disk = h->is_bare ? NX_MECH_WATCHDOG : NX_MECH_TMPFS,
		.network = h->netns     ? NX_MECH_NAMESPACE
			   : h->seccomp ? NX_MECH_SECCOMP
					: NX_MECH_NONE,
		.filesystem = h->is_bare ? NX_MECH_LANDLOCK : NX_MECH_NAMESPACE,
		.syscalls = h->seccomp ? NX_MECH_SECCOMP : NX_MECH_NONE,
		.user = h->userns ? NX_MECH_NAMESPACE : NX_MECH_UID,
		.usable = h->namespaces || h->is_bare,
		.is_bare = h->is_bare,
		.landlock_abi = (uint8_t)nx_min(h->landlock_abi, 255),
		.is_root = h->is_root,
	};
	f->degraded = h->is_bare || f->memory == NX_MECH_WATCHDOG || f->cpu == NX_MECH_WATCHDOG ||
		      f->processes == NX_MECH_RLIMIT || !h->seccomp;
}

static void __attribute__((format(printf, 5, 6)))
add_check(struct nx_spawn_hello *hello, const char *what, bool ok, const char *fix, const char *fmt, ...)
{
	if (hello->nchecks == NX_SPAWN_CHECKS_MAX)
		return;
	struct nx_spawn_check *c = &hello->checks[hello->nchecks++];
	c->ok = ok;
	snprintf(c->what, sizeof(c->what), "%s", what);
	snprintf(c->fix, sizeof(c->fix), "%s", ok ? "" : fix);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
	va_end(ap);
}

void nx_probe_hello(const struct nx_probe *p, struct nx_spawn_hello *ret)
{
	const struct nx_host *h = &p->host;
	list_features(p, &ret->features);
	snprintf(ret->refusal, sizeof(ret->refusal), "%s", h->refusal);
	add_check(
		ret, "sandbox", h->namespaces,
		h->is_bare
			? "for these few: sandbox.without_namespaces=true. For all, in a container: --cap-add SYS_ADMIN "
			  "--security-opt seccomp=unconfined --security-opt apparmor=unconfined"
			: "run as root or allow user namespaces; in a container: --cap-add SYS_ADMIN --security-opt "
			  "seccomp=unconfined --security-opt apparmor=unconfined, or sandbox.backend=docker",
		h->is_bare ? "few walls (Landlock, seccomp, a user for each run): %s" : "%s",
		h->refusal[0] ? h->refusal
		: h->is_root  ? "as root, a user of its own for each run"
			      : "as an ordinary user");
	add_check(ret, "user namespaces", h->userns,
		  "sysctl -w user.max_user_namespaces=10000 "
		  "kernel.apparmor_restrict_unprivileged_userns=0",
		  "%s",
		  h->userns ? "guests have no uid of the host"
			    : "guests run under a uid of the host that nobody else has");
	add_check(ret, "network namespaces", h->netns, "sysctl -w user.max_net_namespaces=10000", "%s",
		  h->netns ? "guests see an empty network" : "seccomp refuses sockets instead");
	add_check(ret, "private /proc", h->proc, "run outside a container, or with an unmasked /proc", "%s",
		  h->proc ? "guests see their own processes only" : "guests have no /proc");
	for (int c = 0; c <= NX_CG_CPU; c++) {
		char what[40];
		snprintf(what, sizeof(what), "cgroup %s", nx_controller_names[c]);
		add_check(ret, what, p->cgroups.mode != NX_CGROUP_NONE && p->cgroups.has[c], p->cgroups.fix, "%s",
			  p->cgroups.detail);
	}
	add_check(ret, "seccomp", h->seccomp, "a kernel with CONFIG_SECCOMP_FILTER", "%u instructions",
		  p->seccomp.prog.len);
	if (p->rules->read_roots[0] || p->rules->write_roots[0])
		add_check(ret, "granted files", p->files.sock >= 0, "a kernel with CONFIG_SECCOMP_FILTER", "%s",
			  p->files.sock < 0 ? "no directory is granted: there is no seccomp"
			  : h->is_root      ? "read as anybody, written as the owner of the directory"
					    : "read and written as the user of NEXUS");
	add_check(ret, "landlock", h->landlock_abi > 0, "a kernel with CONFIG_SECURITY_LANDLOCK and landlock in lsm=",
		  h->landlock_abi ? "ABI %d" : "none (a second wall only)", h->landlock_abi);
}
