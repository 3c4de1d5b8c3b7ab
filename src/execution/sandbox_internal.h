/*
 * The inside of the spawner process: what it found out about the host, the cgroups it keeps, and how a guest is made.
 *
 * Everything here runs in single-threaded processes (spawner, keepers, guests before exec), so state is plain. Failures
 * are a stage and an errno: there is nobody to format a message for until it has crossed the socket.
 *
 *   spawner ── owns the socket, the template of the guests' file system, the cgroups
 *     ├─ keeper (cgroup v1 only, one per cgroup set) ── sits in its cgroups and clones guests into them
 *     ├─ zygote (one per cgroup set with v1, else one) ── a keeper that is an interpreter at the door of its program
 *     └─ guest pid 1, the reaper ── child of the spawner also when a keeper cloned it (CLONE_PARENT)
 *           └─ guest pid 2 … ── the program
 *
 * Why keepers: moving a process into a v1 cgroup takes the kernel's thread-group lock for writing, which waits for an
 * RCU grace period (10 to 25 ms on an idle machine); a child is born in its parent's cgroups for nothing.
 */
#ifndef NX_EXECUTION_SANDBOX_INTERNAL_H
#define NX_EXECUTION_SANDBOX_INTERNAL_H

#include "execution/spawn_protocol.h"

#include <linux/filter.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NX_GUEST_UID 1000 /* inside the user namespace; on the host each sandbox has a uid of its own */

struct nx_fault_at { /* where it failed */
	const char *stage;
	int errnum;        /* 0: it did not */
	uint8_t why, path; /* of struct nx_spawn_failed */
};

static inline int nx_fault_at_set(struct nx_fault_at *f, const char *stage, int errnum)
{
	*f = (struct nx_fault_at){.stage = stage, .errnum = errnum};
	return -1;
}

/* ---- probe.c: what this host lets us do, found by trying ---- */

enum nx_force { /* NEXUS_SANDBOX_FORCE="no-cgroup,no-userns,…", in builds with fault points only */
		NX_FORCE_NO_CGROUP = 1,
		NX_FORCE_NO_USERNS = 2,
		NX_FORCE_NO_NETNS = 4,
		NX_FORCE_NO_LANDLOCK = 8,
		NX_FORCE_NO_SECCOMP = 16,
		NX_FORCE_NO_NAMESPACES = 32,
		NX_FORCE_NO_PROC = 64,
		NX_FORCE_NO_MEMORY = 128, /* one controller of the cgroups */
		NX_FORCE_NO_PIDS = 256,
		NX_FORCE_NO_CPU = 512,
		NX_FORCE_NO_V2 = 1024,
		NX_FORCE_NO_CLONE3 = 2048,
		NX_FORCE_NO_PIDFD = 4096,
		NX_FORCE_NO_MOUNT_API = 8192, /* open_tree, mount_setattr, fsopen */
		NX_FORCE_NO_CGROUPNS = 16384,
};
unsigned nx_force_parse(const char *text); /* unknown words are ignored; NULL: nothing is forced */
unsigned nx_forced(void);                  /* by the environment of this process */

struct nx_roots {           /* directories of the host; they have to outlive the spawner */
	const char *base;   /* what guests get as their root; "": the host's own */
	const char *images; /* "": none */
};

struct nx_host {
	bool is_root;      /* may use host uids other than its own */
	bool outer_userns; /* the spawner itself lives in a user namespace that it made, as an ordinary user's does */
	bool userns;       /* guests get a user namespace */
	bool namespaces;   /* mount, pid, ipc, uts */
	bool is_bare;      /* without them: bare.h. When neither is true nothing is run */
	bool netns;
	bool cgroupns;
	bool proc; /* a /proc of the guest's own can be mounted */
	bool seccomp;
	int landlock_abi;
	bool is_sealed; /* guests cannot run, nor write to, the program that they are cloned from */
	unsigned force;
	uid_t uid_base;
	const struct nx_roots *roots;
	char refusal[256];
};

/* ---- hostfs.h: directories of the host that a run is granted ---- */

#define NX_HOSTFS_PATHS_MAX (2 * NX_SPAWN_PATHS_MAX)
#define NX_HOSTFS_TREES_MAX 32 /* and the ways to them */
struct nx_hostfs_rules {       /* lists separated by colons; what is below write_roots may be read, too */
	const char *read_roots, *write_roots;
	const char *data_dir; /* of the server */
};
struct nx_hostfs_keeper {
	int sock; /* -1: there is none */
	pid_t pid;
};
struct nx_guest_trees;

/* ---- cgroup_parse.c: pure text, tested and fuzzed ---- */

enum nx_controller { NX_CG_MEMORY, NX_CG_PIDS, NX_CG_CPU, NX_CG_CPUACCT, NX_CG_MAX };
extern const char *const nx_controller_names[NX_CG_MAX];

struct nx_cgroup_mounts {
	char v1[NX_CG_MAX][256]; /* "" when the controller is not mounted as v1 */
	char v2[256];
};
/* Reads the text of /proc/self/mountinfo. Paths that do not fit are left out. */
void nx_cgroup_parse_mounts(const char *mountinfo, struct nx_cgroup_mounts *ret);
/* The path of a v1 controller (or of v2: controller NULL) in the text of /proc/self/cgroup. */
bool nx_cgroup_parse_path(const char *text, const char *controller, char *ret, size_t size);
/* "key value" lines, as in memory.events or memory.oom_control; -1 when there is no such key. */
int64_t nx_cgroup_parse_key(const char *text, const char *key);
bool nx_cgroup_has_word(const char *text, const char *word);
/* nexus-<pid namespace>-<pid>-<start time>-<n>. */
struct nx_cgroup_name {
	unsigned long pidns, start;
	long pid;
	unsigned n;
};
void nx_cgroup_name_format(const struct nx_cgroup_name *name, char *ret, size_t size);
bool nx_cgroup_name_parse(const char *text, struct nx_cgroup_name *ret);

/* ---- cgroup.c ---- */

enum nx_cgroup_mode { NX_CGROUP_NONE, NX_CGROUP_V1, NX_CGROUP_V2 };

/* A set of cgroups for one run at a time; used again for the next. */
struct nx_cgroup {
	bool busy, broken; /* broken: not to be used again */
	bool hurries;      /* its processes come first, to die */
	unsigned n;
	int dir[NX_CG_MAX]; /* v1: a directory a controller, -1 where it is missing; v2: dir[0] */
	char name[96];
	struct nx_keeper *keeper;              /* v1 */
	struct nx_zygote *zygote;              /* v1 */
	int64_t memory_set, pids_set, cpu_set; /* limits in force; 0: none */
	int64_t cpu_base_us, oom_base, refused_base, throttled_base, peak_base;
};

struct nx_cgroups {
	enum nx_cgroup_mode mode;
	bool has[NX_CG_MAX]; /* which controllers work */
	int parent[NX_CG_MAX];
	struct nx_cgroup_name self;
	struct nx_cgroup *sets;
	unsigned nsets, max;
	char detail[160], fix[200];
};

/* Opens the hierarchies below the spawner's own cgroups, tries each controller, removes what dead spawners left. Must run
 * before the spawner leaves the host's file system. Never fails: the mode tells. */
void nx_cgroups_open(struct nx_cgroups *g, unsigned force, int proc_fd);
/* A free set, made when there is none. NULL in mode none, or with *ret set when it cannot be made. */
struct nx_cgroup *nx_cgroup_take(struct nx_cgroups *g, bool with_zygote, struct nx_fault_at *ret);
/* Puts a process that has started elsewhere into a set, so that what it has allocated is not charged there. */
int nx_cgroup_seat(struct nx_cgroups *g, struct nx_cgroup *c, pid_t pid, struct nx_fault_at *ret);
void nx_cgroup_rebase(struct nx_cgroups *g, struct nx_cgroup *c); /* usage counts from here */
int nx_cgroup_limit(struct nx_cgroups *g, struct nx_cgroup *c, const struct nx_spawn_prepare *p,
		    struct nx_fault_at *ret);
void nx_cgroup_give(struct nx_cgroups *g, struct nx_cgroup *c);
/* A set that nobody has taken, beyond the first of all; NULL: there is none. */
struct nx_cgroup *nx_cgroups_spare(const struct nx_cgroups *g);
void nx_cgroups_trim(struct nx_cgroups *g); /* removes one, with its keeper and its zygote */
/* Lifts the CPU quota, so that what is told to end can do so at once. */
void nx_cgroup_lift(struct nx_cgroups *g, struct nx_cgroup *c);
/* Lifts it and kills what is inside. */
void nx_cgroup_kill(struct nx_cgroups *g, struct nx_cgroup *c);

struct nx_cgroup_usage {
	int64_t cpu_us, peak_bytes; /* since the set was taken; -1: unknown */
	int64_t oom_kills, refused; /* processes killed for memory; forks refused */
	int64_t throttled;          /* periods in which the quota of CPU was used up */
};
void nx_cgroup_usage(struct nx_cgroups *g, struct nx_cgroup *c, struct nx_cgroup_usage *ret);
/* Since the cgroups were made; of anybody's, by their directories (v2: dir[0]). */
void nx_cgroup_totals(enum nx_cgroup_mode mode, const int dir[NX_CG_MAX], struct nx_cgroup_usage *ret);
void nx_cgroups_close(struct nx_cgroups *g); /* removes every set */

/* ---- keeper.c ---- */

struct nx_keeper {
	pid_t pid;
	int sock;
};
struct nx_guest;
/* A child that waits to clone guests. */
struct nx_keeper *nx_keeper_new(struct nx_fault_at *ret);
void nx_keeper_free(struct nx_keeper *k);
/* Has the guest cloned inside the keeper's cgroups, as a child of the caller. Its pid, or -1. */
pid_t nx_keeper_clone(struct nx_keeper *k, const struct nx_guest *g, struct nx_fault_at *ret);

/* ---- keeper_serve.c: the keeper's own side, also that of a zygote ---- */

/* Descriptors that come with a guest: ctl, status, box, out, err; control and processes, and its v2 cgroup where it has
 * them. */
enum { NX_KEEPER_FDS_LEAST = 5, NX_KEEPER_FDS = 8 };
/* Clones what it is asked for on `sock` until that closes: false. True only in a guest whose program may go on. */
bool nx_keeper_serve(int sock, bool has_net);
void nx_keeper_spare(void); /* the kernel must not choose the keeper when a guest's cgroup runs out of memory */

/* ---- zygote.c: an interpreter that has started, has not opened its program, and clones itself ---- */

/* Where the object that holds an interpreter at its door lies in the template (warm/door.c). */
#define NX_DOOR_OBJECT "/run/nexus-door.so"

/* An interpreter that waits in the sandbox of its run (door_started.c): the file at which it does, in its environment, and
 * where ctl is meanwhile, out of the way of the numbers that it will use. */
#define NX_DOOR_VARIABLE "NEXUS_DOOR"
enum { NX_DOOR_CTL_FD = 1000 };

/* What the zygote is told before it is exec'ed, in a sealed file at descriptor NX_ZYGOTE_PLAN_FD. */
enum { NX_ZYGOTE_SOCK_FD = 3, NX_ZYGOTE_PLAN_FD = 4, NX_ZYGOTE_ROOT_FD = 5 };
struct nx_zygote_plan {
	struct nx_host host;
	pid_t spawner;
	bool has_net;
	char door[256]; /* the path whose opening is the door */
	unsigned short nfilter;
	struct sock_filter filter[BPF_MAXINSNS];
};
enum nx_zygote_state { NX_ZYGOTE_STARTING, NX_ZYGOTE_READY, NX_ZYGOTE_DEAD };
struct nx_zygote {
	struct nx_keeper keeper;
	enum nx_zygote_state state;
	unsigned forks;
	int64_t started_us;
};
/* Execs args[0] of the command line in the template; in the network namespace of `net`, a process, when that is above 0. */
struct nx_zygote *nx_zygote_start(const struct nx_spawn_start *command, pid_t net, struct nx_fault_at *ret);
void nx_zygote_poll(struct nx_zygote *z); /* starting becomes ready, or dead after 5 s */
void nx_zygote_free(struct nx_zygote *z);

/* ---- template.c: the read-only file system that all guests share ---- */

/* Leaves the host's mounts for a mount namespace that holds "/" (empty), "/proc" (the host's) and NX_TEMPLATE, in which the
 * first directory of each root is. */
int nx_template_enter(const struct nx_host *h, const struct nx_hostfs_rules *rules, struct nx_fault_at *ret);
/* A detached tmpfs, or -1 with errno. */
int nx_tmpfs_new(const char *size, const char *inodes, unsigned attributes);
int nx_make_dirs(int at, const char *path);     /* relative; every missing part. 0 or -errno */
int nx_box_fill(int box, uid_t uid, gid_t gid); /* makes these four. 0, or -1 with errno */
#define NX_TEMPLATE "/root"
#define NX_TEMPLATE_MAX (NX_SPAWN_IMAGE_MAX + 16)
/* The template of an image, made when it is first asked for. */
int nx_template_image(const char *image, char ret[NX_TEMPLATE_MAX], struct nx_fault_at *fault);
/* A detached tmpfs for one run with work/, tmp/, shm/ (the guest's) and code/. Returns its descriptor or -1. */
int nx_box_new(int64_t bytes, int64_t inodes, uid_t uid, gid_t gid, struct nx_fault_at *ret);
int nx_box_resize(int box, int64_t bytes, int64_t inodes, struct nx_fault_at *ret);

/* ---- seal.c ---- */

/* A copy of this program in memory that nobody can write to: a descriptor, close-on-exec, or -errno. */
int nx_seal_program(void);
/* In a program that was started from such a copy: nobody can start it from now on. False elsewhere. */
bool nx_seal_hold(void);

/* ---- seccomp.c ---- */

struct nx_seccomp {
	struct sock_fprog prog; /* len 0: none */
};
enum nx_seccomp_flag {
	NX_SECCOMP_INET = 1,        /* TCP and UDP sockets may be made (into an empty network namespace) */
	NX_SECCOMP_NO_NAMES = 2,    /* no socket that could reach another by name: the abstract ones are the host's */
	NX_SECCOMP_SEEN_MEMORY = 4, /* no memory but what is mapped and so seen by the watchdog, or in the box */
	NX_SECCOMP_SHARED_IPC = 8,  /* no System V objects or message queues: they are the host's */
	NX_SECCOMP_TRUNCATE = 16,   /* no truncate(2), which Landlock does not see before ABI 3; ftruncate remains */
};
/* flags: enum nx_seccomp_flag. 0 or -errno. */
int nx_seccomp_compile(unsigned flags, struct nx_seccomp *ret);
/* One more for who was granted files of the host, which is loaded before the other: no socket that has a name, because those
 * that lie in a granted directory are doors to the host's programs; no file that runs as its owner (setuid, setgid). */
int nx_seccomp_compile_files(struct nx_seccomp *ret);
int nx_seccomp_export(void *filter, struct nx_seccomp *ret); /* of libseccomp */
int nx_seccomp_install(const struct nx_seccomp *s);
void nx_seccomp_free(struct nx_seccomp *s);

/* seccomp_blocked.c: the last filter of a program, of enum nx_blocked. *path is moved to where the filter lets it be executed
 * from; NULL: nothing more is executed. 0 or -errno. */
int nx_seccomp_block(unsigned blocked, char **path);

/* ---- landlock.c ---- */
int nx_landlock_abi(void); /* 0: none */
/* Everything below "/" may be read and executed, /box written; no TCP, unless loopback is all
 * there is of it, in a network namespace of its own; no signals or abstract sockets to the outside. In granted directories
 * that may be written nothing is made but files, directories and links. */
int nx_landlock_restrict(int abi, bool has_loopback, const struct nx_guest_trees *trees);
/* Where "/" is the host's: /usr and what else programs start from may be read, the box written. */
int nx_landlock_restrict_bare(int abi, int box);
/* For a proxy: reads what name resolution needs and nothing else. TCP is open. */
int nx_landlock_restrict_proxy(int abi);

/* ---- child.c and its parts: from clone to exec ---- */

struct nx_guest {
	int ctl; /* socket pair to the spawner: one byte when the uid map is written, then nx_spawn_start; errors back */
	int status; /* pipe: the reaper's last word */
	int box, out, err;
	int control;         /* -1: none */
	int processes;       /* the reaper's end of process_protocol.h; there is one where there is a control */
	int into_cgroup;     /* of cgroup v2, for a zygote; -1: none */
	bool leave_cgroupns; /* it was put into its cgroup by clone3, so that the namespace has to be left after that */
	bool has_net;        /* the parent sits in an empty network namespace already */
	bool is_trial;       /* stop before the fork and say that all went well */
	bool has_proxy;      /* a network namespace of its own, with a listener for proxy_internal.h */
	bool has_files;      /* struct nx_guest_trees follows on ctl */
	int64_t nproc; /* RLIMIT_NPROC: above the pids cgroup where there is one, since that counts what it refuses */
	int64_t file_bytes, cpu_us;
	int64_t memory_bytes;       /* 0: a cgroup holds it */
	uid_t uid;                  /* host uid, used when there is no user namespace */
	char root[NX_TEMPLATE_MAX]; /* its template */
};
/* What the guest says on ctl when something fails (or, in a trial, goes well: errnum 0). */
#define NX_GUEST_INTERRUPT SIGUSR1 /* to the reaper, which passes it on as SIGINT */
struct nx_guest_error {
	char stage[48];
	int32_t errnum;
};
/* Or, with a descriptor, this one byte: the listener is there. */
#define NX_GUEST_LISTENS 'n'
/* Or this one: the interpreter that was started ahead waits. */
#define NX_GUEST_AT_DOOR 'd'
/* The last word of the reaper. */
struct nx_guest_status {
	int32_t wait_status;
	int64_t exit_mono_us;          /* nx_time_mono_us */
	int64_t cpu_us, max_rss_bytes; /* by getrusage, of all that was waited for */
};

/* What an interpreter needs around a fork. */
struct nx_warm_hooks {
	void (*before_fork)(void);
	void (*after_fork)(void); /* in the child */
};

/* Set once, before any guest is made. */
struct nx_guest_env {
	const struct nx_host *host;
	const struct nx_seccomp *seccomp;
	const struct nx_seccomp *files_seccomp; /* len 0: nothing is granted here */
	pid_t spawner;
	const struct nx_warm_hooks *warm; /* of a zygote; NULL: programs are exec'ed */
	int ctl;                          /* where it is now; 0: in its first place */
};
extern struct nx_guest_env nx_guest_env;

/* clone3 with every namespace the host has; into_cgroup -1: none; as_sibling: CLONE_PARENT. -1 with errno. 0 only in the
 * guest of a zygote: its program has been asked for, and the interpreter may go on. */
pid_t nx_guest_clone(const struct nx_guest *g, int into_cgroup, bool as_sibling);
/* Parts of child.c, each for the program alone; what fails is said on ctl, and the process ends. */
enum { NX_GUEST_STATUS_FD = 4, NX_GUEST_BOX_FD = 5 }; /* since the descriptors have their places */
void nx_guest_give_up(const char *stage, int errnum) __attribute__((noreturn));
void nx_guest_reset_signals(void);
void nx_guest_read_start(union nx_spawn_msg *ret, char **ret_argv, char **ret_envp); /* they point into it */
/* Where /work and /code are below `box`. */
void nx_guest_enter_program(const struct nx_spawn_start *s, const char *box);
void nx_guest_exec(const struct nx_spawn_start *s, char **argv, char **envp) __attribute__((noreturn));
/* And for the reaper. */
void nx_guest_leave_ends(void);                                            /* of the program's descriptors */
void nx_guest_report(struct nx_guest_status *s) __attribute__((noreturn)); /* adds what all children used, and ends */

int nx_guest_mounts(const struct nx_host *h, const char *root, int box, const char **ret_stage);
/* Brings loopback up and sends the listener over `ctl`; nx_guest_hear receives that, or an error: bytes, or -1 with errno. */
int nx_guest_network(int ctl, const char **ret_stage);
ssize_t nx_guest_hear(int ctl, struct nx_guest_error *ret, int *ret_fd);
int nx_guest_limits(const struct nx_guest *g, const char **ret_stage);
/* Lowers what a guest that was made ahead was generously given. */
int nx_guest_limits_lower(const struct nx_spawn_rlimits *l);
int nx_guest_drop(const struct nx_host *h, uid_t uid, const char **ret_stage);
/* child_processes.c: waits for the program, and starts what the server asks for on `sock` meanwhile. Its wait status. */
int nx_guest_serve_processes(pid_t program, int sock);

/* ---- guest.c: the parent's side of making one ---- */

struct nx_guest_ends {
	pid_t pid;
	int pidfd, ctl, status; /* kept by the spawner */
	int box, out, err;      /* handed to the server */
	int control, processes; /* likewise; -1: none */
};
#define NX_GUEST_ENDS_NONE ((struct nx_guest_ends){-1, -1, -1, -1, -1, -1, -1, -1, -1})
struct nx_guest_order {
	const struct nx_host *host;
	struct nx_cgroups *cgroups;
	struct nx_cgroup *cgroup; /* NULL: none */
	struct nx_zygote *zygote; /* NULL: none */
	const struct nx_spawn_prepare *prepare;
	const char *root;             /* template; NULL: that of all */
	struct nx_guest_trees *trees; /* NULL: no directory is granted; its descriptors are taken */
	uid_t uid;                    /* as the spawner sees it */
	int proc_fd;                  /* the host's /proc */
	bool is_trial;
};
/* Makes the box, the pipes and the guest, writes its uid map and lets it go on. On failure nothing is left. */
int nx_guest_make(const struct nx_guest_order *o, struct nx_guest_ends *ret, struct nx_fault_at *fault);
void nx_guest_ends_close(struct nx_guest_ends *e);
/* RLIMIT_NPROC and the like for these limits. */
struct nx_spawn_rlimits nx_guest_rlimits(const struct nx_cgroups *g, bool has_cgroup, const struct nx_spawn_prepare *p);

/* ---- probe.c ---- */

struct nx_net_keeper { /* net_keeper.c */
	pid_t pid;
	int sock;
};
struct nx_probe {
	struct nx_host host;
	struct nx_net_keeper net;
	struct nx_cgroups cgroups;
	struct nx_seccomp seccomp, files_seccomp;
	const struct nx_hostfs_rules *rules;
	struct nx_hostfs_keeper files;
	int proc_fd;
};
/* Finds out what works and takes the spawner there. Never fails: host.refusal tells why nothing can be run. */
void nx_probe(struct nx_probe *p, uid_t uid_base, const struct nx_hostfs_rules *rules, const struct nx_roots *roots);
void nx_probe_hello(const struct nx_probe *p, struct nx_spawn_hello *ret);

/* ---- watch.c: what stands in for cgroups ---- */

struct nx_tree_usage {
	int64_t rss_bytes, cpu_us;
	int64_t tasks; /* processes and threads */
};
/* Sums over `root` and all its descendants, by the host's /proc. Above `rss_limit` shared pages are counted once. */
void nx_tree_usage(int proc_fd, pid_t root, int64_t rss_limit, struct nx_tree_usage *ret);
int64_t nx_proc_stat_start(int proc_fd, pid_t pid); /* start time in ticks, -1 when there is no such process */

#endif
