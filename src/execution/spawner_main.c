/*
 * The program of `nexus spawner`: one thread, one epoll, runs by their number. It relays no output and reads no artifact;
 * what it does for a run is make it, watch what no cgroup watches, kill it, read its usage, and say how it ended. When the
 * server's socket closes it ends every guest, removes every cgroup and exits.
 */
#include "execution/bare.h"
#include "execution/execution.h"
#include "execution/hostfs.h"
#include "execution/spawner_internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	SERVER_FD = 3,
	TICK_MS = 50,
	START_POLL_MS = 5,
	EVENTS_MAX = 64,
	FILES_WAIT_US = 11000000, /* for granted directories; the keeper gives up before */
};

enum source { SRC_SERVER, SRC_CTL, SRC_STATUS, SRC_PIDFD, SRC_PROXY, SRC_FILES };

static struct {
	struct nx_probe probe;
	struct nx_hostfs_rules rules;
	struct nx_roots roots;
	struct nx_spawner_run runs[NX_SPAWN_RUNS_MAX];
	unsigned nruns; /* below which runs[] is in use */
	unsigned active;
	int epoll;
	uint32_t last_age;
	struct nx_pool pool;
	bool quit, is_warm;
} S;

static int watch(int fd, enum source src, const struct nx_spawner_run *r)
{
	uint64_t index = r ? (uint64_t)(r - S.runs) : 0, age = r ? r->age : 0;
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uint64_t)src << 60 | index << 32 | age};
	return epoll_ctl(S.epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* Closing alone would not do: the server holds a copy of the pidfd, and epoll watches what is behind the copies. */
static void unwatch(int *fd)
{
	if (*fd < 0)
		return;
	(void)epoll_ctl(S.epoll, EPOLL_CTL_DEL, *fd, NULL);
	(void)close(nx_steal_fd(fd));
}

static void say(const union nx_spawn_msg *m, const int *fds, size_t nfds)
{
	if (nx_spawn_send(SERVER_FD, m, fds, nfds) < 0)
		S.quit = true;
}

/* ---- the end of a run ---- */

void nx_spawner_stop(struct nx_spawner_run *r, enum nx_spawn_end why)
{
	if (r->end == NX_SPAWN_END_EXIT)
		r->end = why;
	if (r->cgroup)
		nx_cgroup_kill(&S.probe.cgroups, r->cgroup);
	/* The reaper, which ends the others, shares its cgroup with them: ahead of a crowd that burns, it is done in time. */
	if (r->ends.pid > 0)
		(void)setpriority(PRIO_PROCESS, (id_t)r->ends.pid, -20);
	int sig = S.probe.host.is_bare ? SIGTERM : SIGKILL; /* there it is the reaper who ends the others */
	if (r->ends.pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, r->ends.pidfd, sig, NULL, 0);
}

/* The quota comes back with the next measurement. */
static void interrupt(struct nx_spawner_run *r)
{
	if (r->cgroup)
		nx_cgroup_lift(&S.probe.cgroups, r->cgroup);
	if (r->ends.pidfd >= 0 && r->started_us)
		(void)syscall(SYS_pidfd_send_signal, r->ends.pidfd, NX_GUEST_INTERRUPT, NULL, 0);
}

static void measure(struct nx_spawner_run *r)
{
	union nx_spawn_msg m;
	struct nx_fault_at fault = {0};
	struct nx_cgroup_usage u = {.cpu_us = -1, .peak_bytes = -1};
	struct nx_tree_usage tree = {0};
	if (r->cgroup && r->end == NX_SPAWN_END_EXIT)
		(void)nx_cgroup_limit(&S.probe.cgroups, r->cgroup, &r->limits, &fault);
	if (r->cgroup)
		nx_cgroup_usage(&S.probe.cgroups, r->cgroup, &u);
	if (u.cpu_us < 0 || u.peak_bytes < 0)
		nx_tree_usage(S.probe.proc_fd, r->ends.pid, r->limits.memory_bytes, &tree);
	r->max_rss_bytes = nx_max(r->max_rss_bytes, tree.rss_bytes);
	r->max_cpu_us = nx_max(r->max_cpu_us, tree.cpu_us);
	nx_spawn_init(&m, NX_SPAWN_MEASURED, r->id);
	m.measured.cpu_us = u.cpu_us >= 0 ? u.cpu_us : r->max_cpu_us;
	m.measured.max_rss_bytes = nx_max(u.peak_bytes, r->max_rss_bytes);
	struct nx_proxy_counts n;
	nx_proxy_read(&r->proxy, &n);
	m.measured.net_in = (int64_t)(n.in & INT64_MAX);
	m.measured.net_out = (int64_t)(n.out & INT64_MAX);
	m.measured.net_refused = (int64_t)(n.refused & INT64_MAX);
	say(&m, NULL, 0);
}

static void fill_usage(struct nx_spawner_run *r, struct nx_spawn_exited *e)
{
	struct nx_cgroup_usage u = {.cpu_us = -1, .peak_bytes = -1};
	if (r->cgroup)
		nx_cgroup_usage(&S.probe.cgroups, r->cgroup, &u);
	int64_t cpu = nx_max(r->max_cpu_us, r->has_status ? r->status.cpu_us : 0);
	e->cpu_us = u.cpu_us >= 0 ? u.cpu_us : cpu;
	int64_t rss = nx_max(r->max_rss_bytes, r->has_status ? r->status.max_rss_bytes : 0);
	e->max_rss_bytes = nx_max(u.peak_bytes, rss);
	e->memory_hit = u.oom_kills > 0 || r->end == NX_SPAWN_END_MEMORY || nx_spawner_failed_above(&S.probe, r);
	e->processes_hit = u.refused > 0 || r->met_processes;
	e->cpu_hit = u.throttled > 0 || r->end == NX_SPAWN_END_CPU;
	int64_t until = r->has_status ? r->status.exit_mono_us : nx_time_mono_us();
	e->wall_us = r->started_us ? nx_max(until - r->started_us, (int64_t)0) : 0;
	e->exec_mono_us = r->started_us;
	struct nx_proxy_counts n;
	nx_proxy_read(&r->proxy, &n);
	e->net_in = (int64_t)(n.in & INT64_MAX);
	e->net_out = (int64_t)(n.out & INT64_MAX);
	e->net_refused = (int64_t)(n.refused & INT64_MAX);
}

static bool tell_refusal(const struct nx_spawner_run *r)
{
	struct nx_proxy_refusal f;
	union nx_spawn_msg m;
	if (recv(r->proxy.report, &f, sizeof(f), MSG_DONTWAIT) != (ssize_t)sizeof(f))
		return false;
	nx_spawn_init(&m, NX_SPAWN_REFUSED, r->id);
	m.refused.port = f.port;
	snprintf(m.refused.host, sizeof(m.refused.host), "%.*s", (int)sizeof(f.host) - 1, f.host);
	snprintf(m.refused.reason, sizeof(m.refused.reason), "%.*s", (int)sizeof(f.reason) - 1, f.reason);
	say(&m, NULL, 0);
	return true;
}

/* What it refused is told before the end of the run is. */
static void end_proxy(struct nx_spawner_run *r)
{
	if (r->proxy.report < 0)
		return;
	for (int i = 0; i < NX_PROXY_REFUSALS_MAX && tell_refusal(r); i++)
		continue;
	(void)epoll_ctl(S.epoll, EPOLL_CTL_DEL, r->proxy.report, NULL);
	nx_proxy_stop(&r->proxy);
}

static void report(struct nx_spawner_run *r)
{
	if (r->reported || r->is_waiting)
		return;
	union nx_spawn_msg m;
	nx_spawn_init(&m, NX_SPAWN_EXITED, r->id);
	fill_usage(r, &m.exited);
	end_proxy(r);
	m.exited.wait_status = r->status.wait_status;
	m.exited.end = (uint8_t)r->end;
	m.exited.ready = (uint8_t)r->is;
	if ((r->end == NX_SPAWN_END_EXIT || r->end == NX_SPAWN_END_SETUP) && r->has_error) {
		m.exited.end = NX_SPAWN_END_SETUP;
		m.exited.errnum = r->error.errnum;
		snprintf(m.exited.stage, sizeof(m.exited.stage), "%.*s", (int)sizeof(r->error.stage) - 1,
			 r->error.stage);
	} else if (r->end == NX_SPAWN_END_EXIT && !r->has_status) {
		m.exited.end = m.exited.memory_hit ? NX_SPAWN_END_MEMORY : NX_SPAWN_END_LOST;
	}
	r->reported = true;
	say(&m, NULL, 0);
}

/* ---- boxes that are directories ---- */

static int open_tree(struct nx_spawner_run *r, struct nx_fault_at *fault)
{
	if (!S.probe.host.is_bare)
		return 0;
	r->tree = nx_bare_box_reopen(r->ends.box);
	return r->tree < 0 ? nx_fault_at_set(fault, "open the work directory", errno) : 0;
}

static void release(struct nx_spawner_run *r)
{
	while (waitpid(r->ends.pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	end_proxy(r);
	unwatch(&r->ends.pidfd);
	unwatch(&r->ends.ctl);
	unwatch(&r->ends.status);
	nx_guest_ends_close(&r->ends);
	nx_closep(&r->tree);
	nx_cgroup_give(&S.probe.cgroups, r->cgroup);
	if (r->is_waiting)
		S.pool.waiting[r->is]--;
	else
		S.active--;
	*r = (struct nx_spawner_run){.ends = NX_GUEST_ENDS_NONE, .proxy = NX_PROXY_END_NONE, .tree = -1};
	S.pool.has_work = true; /* a set of cgroups is free */
	while (S.nruns > 0 && S.runs[S.nruns - 1].id == 0)
		S.nruns--;
}

static void on_status(struct nx_spawner_run *r)
{
	ssize_t n = read(r->ends.status, &r->status, sizeof(r->status));
	r->has_status = n == (ssize_t)sizeof(r->status);
	unwatch(&r->ends.status);
	if (r->has_status)
		report(r); /* only the reaper is alive; the end of its namespaces is not worth waiting for */
}

static void set_error(struct nx_spawner_run *r, const struct nx_guest_error *e)
{
	r->error = *e;
	r->error.stage[sizeof(r->error.stage) - 1] = '\0';
	r->has_error = true;
}

/* The guest listens. What its program says before the proxy is there waits in the backlog. */
static void start_proxy(struct nx_spawner_run *r, int listener)
{
	const struct nx_host *h = &S.probe.host;
	struct nx_fault_at fault = {"start the proxy", EPROTO};
	uid_t uid = h->uid_base + NX_SPAWN_RUNS_MAX + (uid_t)(r - S.runs);
	if (!r->limits.network.is_granted || r->proxy.report >= 0 ||
	    nx_proxy_start(&S.probe.net, &r->limits.network, listener, uid, &r->proxy, &fault) < 0 ||
	    watch(r->proxy.report, SRC_PROXY, r) < 0) {
		struct nx_guest_error e = {.errnum = fault.errnum};
		snprintf(e.stage, sizeof(e.stage), "%s", fault.stage);
		set_error(r, &e);
		nx_spawner_stop(r, NX_SPAWN_END_SETUP);
	}
}

/* False: nothing more is there. */
static bool on_ctl(struct nx_spawner_run *r)
{
	struct nx_guest_error e;
	int fd;
	ssize_t n = nx_guest_hear(r->ends.ctl, &e, &fd);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (fd >= 0) {
		start_proxy(r, fd);
		(void)close(fd);
		return true;
	}
	if (n == 1 && *(const char *)&e == NX_GUEST_AT_DOOR) {
		r->is_at_door = true;
		return true;
	}
	if (n == (ssize_t)sizeof(e))
		set_error(r, &e);
	unwatch(&r->ends.ctl); /* the end means: the program runs */
	return false;
}

/* The proxy says something, or is gone: then the run goes on without a network. */
static void on_proxy(struct nx_spawner_run *r)
{
	if (!tell_refusal(r))
		(void)epoll_ctl(S.epoll, EPOLL_CTL_DEL, r->proxy.report, NULL);
}

static void on_pidfd(struct nx_spawner_run *r)
{
	while (r->ends.ctl >= 0 && on_ctl(r))
		continue;
	if (r->ends.status >= 0)
		on_status(r);
	report(r);
	if (r->is_waiting && r->end == NX_SPAWN_END_EXIT)
		S.pool.failures[r->is]++;
	release(r);
}

/* ---- requests ---- */

static struct nx_spawner_run *find_run(uint64_t id)
{
	for (unsigned i = 0; i < S.nruns; i++)
		if (S.runs[i].id == id)
			return &S.runs[i];
	return NULL;
}

static struct nx_spawner_run *free_run(void)
{
	for (unsigned i = 0; i < NX_SPAWN_RUNS_MAX; i++) {
		if (S.runs[i].id)
			continue;
		S.nruns = nx_max(S.nruns, i + 1);
		return &S.runs[i];
	}
	return NULL;
}

static void refuse(uint64_t id, const struct nx_fault_at *fault)
{
	union nx_spawn_msg m;
	nx_spawn_init(&m, NX_SPAWN_FAILED, id);
	m.failed.errnum = fault->errnum;
	m.failed.why = fault->why;
	m.failed.path = fault->path;
	snprintf(m.failed.stage, sizeof(m.failed.stage), "%s", fault->stage);
	say(&m, NULL, 0);
}

static uid_t uid_of(const struct nx_spawner_run *r)
{
	return S.probe.host.outer_userns ? 0 : S.probe.host.uid_base + (uid_t)(r - S.runs);
}

static int take_cgroup(struct nx_spawner_run *r, enum nx_ready how, struct nx_fault_at *fault)
{
	struct nx_cgroups *g = &S.probe.cgroups;
	r->cgroup = nx_cgroup_take(g, how == NX_READY_FORKED, fault);
	if (!r->cgroup)
		return g->mode == NX_CGROUP_NONE ? 0 : -1;
	return nx_cgroup_limit(g, r->cgroup, &r->limits, fault);
}

/* A zygote that fails is given up, and the run gets along without. */
static int make_guest(struct nx_spawner_run *r, struct nx_guest_order *o, struct nx_fault_at *fault)
{
	o->zygote = r->is == NX_READY_FORKED ? nx_pool_zygote(&S.pool, r->cgroup, r->command) : NULL;
	if (o->zygote) {
		if (nx_guest_make(o, &r->ends, fault) == 0) {
			nx_pool_count_fork(&S.pool, r->cgroup);
			return 0;
		}
		nx_pool_drop_zygote(&S.pool, r->cgroup);
		o->zygote = NULL;
	}
	if (r->is != NX_READY_STARTED)
		r->is = r->is_lenient ? NX_READY_BOX : NX_READY_NOTHING;
	return nx_guest_make(o, &r->ends, fault);
}

/* The interpreter begins, in the sandbox of a run that nobody has asked for yet. */
static int start_ahead(struct nx_spawner_run *r, struct nx_fault_at *fault)
{
	union nx_spawn_msg m;
	nx_spawn_init(&m, NX_SPAWN_START, r->id);
	const struct nx_spawn_head head = m.head;
	m.start = S.pool.starts[NX_READY_STARTED];
	m.start.head = head;
	m.start.is_ahead = 1;
	m.start.is_warm = m.start.has_stdin = m.start.blocked = 0;
	m.start.rlimits = (struct nx_spawn_rlimits){0};
	ssize_t n = send(r->ends.ctl, &m, sizeof(m.start), MSG_NOSIGNAL | MSG_DONTWAIT);
	return n == (ssize_t)sizeof(m.start) ? 0 : nx_fault_at_set(fault, "start an interpreter", errno);
}

static int make(struct nx_spawner_run *r, enum nx_ready how, struct nx_guest_trees *trees, struct nx_fault_at *fault)
{
	struct nx_spawn_prepare given = r->is_lenient ? nx_pool_lenient(&r->limits) : r->limits;
	char root[NX_TEMPLATE_MAX] = NX_TEMPLATE;
	if (r->limits.image[0] && !S.probe.host.landlock_abi && !S.probe.host.is_sealed)
		return nx_fault_at_set(fault, "hide this program from an image", EPERM);
	if (r->limits.image[0] && nx_template_image(r->limits.image, root, fault) < 0)
		return -1;
	r->age = ++S.last_age;
	r->is = how;
	if (take_cgroup(r, how, fault) < 0)
		return -1;
	struct nx_guest_order o = {
		.host = &S.probe.host,
		.cgroups = &S.probe.cgroups,
		.cgroup = r->cgroup,
		.prepare = &given,
		.root = root,
		.trees = trees,
		.uid = uid_of(r),
		.proc_fd = S.probe.proc_fd,
	};
	if (make_guest(r, &o, fault) < 0 || open_tree(r, fault) < 0)
		return -1;
	if (watch(r->ends.ctl, SRC_CTL, r) < 0 || watch(r->ends.status, SRC_STATUS, r) < 0 ||
	    watch(r->ends.pidfd, SRC_PIDFD, r) < 0)
		return nx_fault_at_set(fault, "watch a guest", errno);
	return how == NX_READY_STARTED ? start_ahead(r, fault) : 0;
}

/* What could not be made leaves nothing. */
static void unmake(struct nx_spawner_run *r)
{
	if (r->ends.pid > 0) {
		nx_spawner_stop(r, NX_SPAWN_END_SETUP);
		release(r);
		return;
	}
	if (r->cgroup)
		r->cgroup->broken = true;
	nx_cgroup_give(&S.probe.cgroups, r->cgroup);
	if (r->is_waiting)
		S.pool.waiting[r->is]--;
	else
		S.active--;
	*r = (struct nx_spawner_run){.ends = NX_GUEST_ENDS_NONE, .proxy = NX_PROXY_END_NONE, .tree = -1};
}

/* ---- what is made ahead ---- */

static void make_ahead(enum nx_ready kind)
{
	static uint64_t last;
	struct nx_fault_at fault = {0};
	struct nx_spawner_run *r = free_run();
	S.pool.failures[kind]++; /* until one is taken */
	if (!r || NX_FAULT(sandbox_ready))
		return;
	*r = (struct nx_spawner_run){.id = UINT64_MAX - last++ % UINT32_MAX,
				     .limits = S.pool.limits[kind],
				     .command = S.pool.commands[kind],
				     .is_waiting = true,
				     .is_lenient = true,
				     .ends = NX_GUEST_ENDS_NONE,
				     .proxy = NX_PROXY_END_NONE,
				     .tree = -1};
	int made = make(r, kind, NULL, &fault);
	S.pool.waiting[r->is]++;
	if (made < 0)
		unmake(r);
	else
		S.pool.failures[kind]--;
}

static struct nx_spawner_run *find_waiting(enum nx_ready kind, uint64_t command)
{
	for (unsigned i = 0; i < S.nruns; i++) {
		struct nx_spawner_run *r = &S.runs[i];
		if (r->id && r->is_waiting && r->is == kind && r->end == NX_SPAWN_END_EXIT && r->ends.ctl >= 0 &&
		    (kind == NX_READY_BOX || r->command == command) && (kind != NX_READY_STARTED || r->is_at_door))
			return r;
	}
	return NULL;
}

/* One that waits becomes the run's; its limits are written anew. What fails ends it, and another is made. */
static struct nx_spawner_run *take_ahead(const struct nx_spawn_prepare *p)
{
	struct nx_fault_at fault = {0};
	struct nx_spawner_run *r = NULL;
	for (unsigned kind = p->ready; kind > NX_READY_NOTHING && !r; kind--)
		r = find_waiting((enum nx_ready)kind, p->command);
	if (!r)
		return NULL;
	if ((r->cgroup && nx_cgroup_limit(&S.probe.cgroups, r->cgroup, p, &fault) < 0) ||
	    ((p->box_bytes != r->limits.box_bytes || p->box_inodes != r->limits.box_inodes) &&
	     nx_box_resize(r->ends.box, p->box_bytes, p->box_inodes, &fault) < 0)) {
		nx_spawner_stop(r, NX_SPAWN_END_SETUP);
		return NULL;
	}
	if (r->cgroup)
		nx_cgroup_rebase(&S.probe.cgroups, r->cgroup);
	S.pool.waiting[r->is]--;
	S.pool.failures[r->is] = 0;
	S.active++;
	r->is_waiting = false;
	r->id = p->head.run;
	r->limits = *p;
	r->command = r->is > NX_READY_BOX ? r->command : p->command;
	return r;
}

static void empty_pool(void)
{
	for (unsigned i = 0; i < S.nruns; i++)
		if (S.runs[i].id && S.runs[i].is_waiting && S.runs[i].end == NX_SPAWN_END_EXIT)
			nx_spawner_stop(&S.runs[i], NX_SPAWN_END_KILLED);
	nx_pool_empty(&S.pool);
}

static void drop_box(struct nx_spawner_run *r)
{
	(void)close(nx_steal_fd(&r->ends.box));
	(void)close(nx_steal_fd(&r->ends.out));
	(void)close(nx_steal_fd(&r->ends.err));
	if (r->ends.control >= 0)
		(void)close(nx_steal_fd(&r->ends.control));
	if (r->ends.processes >= 0)
		(void)close(nx_steal_fd(&r->ends.processes));
}

/* Nothing was made of it, or what was is undone here. */
static void give_up(struct nx_spawner_run *r, const struct nx_fault_at *fault)
{
	refuse(r->id, fault);
	unmake(r);
}

static void say_prepared(struct nx_spawner_run *r)
{
	union nx_spawn_msg m;
	nx_spawn_init(&m, NX_SPAWN_PREPARED, r->id);
	const struct nx_guest_ends *e = &r->ends;
	say(&m, (const int[]){e->box, e->pidfd, e->out, e->err, e->control, e->processes}, e->control >= 0 ? 6 : 4);
	drop_box(r);
}

static void make_and_tell(struct nx_spawner_run *r, enum nx_ready how, struct nx_guest_trees *trees)
{
	struct nx_fault_at fault = {0};
	if (make(r, how, trees, &fault) < 0)
		give_up(r, &fault);
	else
		say_prepared(r);
}

/* ---- granted directories ---- */

static void take_answer(const struct nx_hostfs_answer *a, int *fds, size_t nfds)
{
	static struct nx_guest_trees trees;
	struct nx_fault_at fault = {"open granted directories", a->errnum, a->why, a->path};
	struct nx_spawner_run *r = find_run(a->run);
	bool is_awaited = r && r->files_until_us;
	if (is_awaited)
		r->files_until_us = 0;
	if (is_awaited && a->errnum == 0 && nfds == r->limits.files.nread + r->limits.files.nwrite &&
	    nx_hostfs_plan(&r->limits.files, fds, &trees, &fault) == 0) {
		make_and_tell(r, NX_READY_NOTHING, &trees);
		nx_hostfs_close(&trees);
		return;
	}
	while (nfds > 0)
		if (fds[--nfds] >= 0)
			(void)close(fds[nfds]);
	if (is_awaited)
		give_up(r, &fault);
}

static void give_up_waiting(int64_t since_us, int errnum)
{
	const struct nx_fault_at fault = {"open granted directories", errnum, .why = NX_SPAWN_WHY_LATE};
	for (unsigned i = 0; i < NX_SPAWN_RUNS_MAX; i++)
		if (S.runs[i].id && S.runs[i].files_until_us && S.runs[i].files_until_us < since_us)
			give_up(&S.runs[i], &fault);
}

static void on_files(void)
{
	struct nx_hostfs_answer a;
	int fds[NX_HOSTFS_PATHS_MAX], r;
	size_t nfds;
	while (S.probe.files.sock >= 0 && (r = nx_hostfs_hear(&S.probe.files, &a, fds, &nfds)) != 0) {
		if (r > 0)
			take_answer(&a, fds, nfds);
		else
			give_up_waiting(INT64_MAX, EPIPE);
	}
}

/* ---- runs ---- */

static void on_prepare(const struct nx_spawn_prepare *p)
{
	struct nx_fault_at fault = {.stage = "find a free place", .errnum = EAGAIN};
	const struct nx_host *h = &S.probe.host;
	bool is_known = find_run(p->head.run) != NULL, has_files = p->files.nread + p->files.nwrite > 0;
	bool is_plain = !p->has_control && !p->network.is_granted && !has_files && !p->image[0];
	bool is_possible = h->namespaces || (h->is_bare && is_plain);
	if (!is_possible)
		(void)nx_fault_at_set(&fault, "isolate this on this host", EPERM);
	nx_pool_use(&S.pool, is_plain && h->namespaces ? p : NULL);
	struct nx_spawner_run *r = is_known || !is_plain || !h->namespaces ? NULL : take_ahead(p);
	if (r) {
		say_prepared(r);
		return;
	}
	r = is_possible && !is_known ? free_run() : NULL;
	if (!r) {
		refuse(p->head.run, &fault);
		return;
	}
	*r = (struct nx_spawner_run){.id = p->head.run,
				     .limits = *p,
				     .command = p->command,
				     .ends = NX_GUEST_ENDS_NONE,
				     .proxy = NX_PROXY_END_NONE,
				     .tree = -1};
	S.active++;
	if (!has_files) {
		make_and_tell(r, p->ready == NX_READY_FORKED ? NX_READY_FORKED : NX_READY_NOTHING, NULL);
	} else if (nx_hostfs_ask(&S.probe.files, r->id, &p->files, uid_of(r), &fault) < 0) {
		give_up(r, &fault);
		on_files(); /* where the keeper is gone the next run is told so */
	} else {
		r->files_until_us = nx_time_mono_us() + FILES_WAIT_US;
	}
}

/* A guest that holds the interpreter of this command line goes on in it; any other execs. */
static void fill_start(struct nx_spawner_run *r, struct nx_spawn_start *s)
{
	bool is_same = r->command && r->command == nx_spawn_command_key(s);
	if (r->limits.ready > NX_READY_BOX && is_same)
		nx_pool_learn(&S.pool, (enum nx_ready)r->limits.ready, s);
	s->is_ahead = 0;
	s->is_warm = r->is > NX_READY_BOX && is_same;
	if (r->is > NX_READY_BOX && !is_same)
		r->is = r->is_lenient ? NX_READY_BOX : NX_READY_NOTHING;
	s->rlimits = r->is_lenient ? nx_guest_rlimits(&S.probe.cgroups, r->cgroup != NULL, &r->limits)
				   : (struct nx_spawn_rlimits){0};
}

static void on_start(union nx_spawn_msg *m)
{
	struct nx_spawner_run *r = find_run(m->head.run);
	if (!r || r->started_us || r->ends.ctl < 0 || r->is_waiting)
		return; /* it died in the meantime: its EXITED is on the way */
	fill_start(r, &m->start);
	int64_t now_us = nx_time_mono_us();
	r->started_us = m->start.sent_us > 0 ? nx_min(m->start.sent_us, now_us) : now_us;
	r->deadline_us = r->started_us + r->limits.wall_us;
	ssize_t n = send(r->ends.ctl, m, sizeof(m->start), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n != (ssize_t)sizeof(m->start))
		nx_spawner_stop(r, NX_SPAWN_END_LOST);
}

static void on_server(void)
{
	union nx_spawn_msg m;
	int fds[NX_SPAWN_FDS_MAX];
	size_t nfds;
	int n = nx_spawn_recv(SERVER_FD, &m, fds, &nfds);
	while (nfds > 0)
		(void)close(fds[--nfds]); /* the server has none to give */
	if (n == -EAGAIN)
		return;
	if (n <= 0 || nx_spawn_check(&m, (size_t)n, true)) {
		S.quit = true;
		return;
	}
	struct nx_spawner_run *r = find_run(m.head.run);
	switch (m.head.type) {
	case NX_SPAWN_PREPARE: on_prepare(&m.prepare); break;
	case NX_SPAWN_START: on_start(&m); break;
	case NX_SPAWN_INTERRUPT:
		if (r)
			interrupt(r);
		break;
	case NX_SPAWN_MEASURE:
		if (r && !r->reported)
			measure(r);
		break;
	default:
		if (r && r->files_until_us)
			give_up(r, &(struct nx_fault_at){.stage = "open granted directories", .errnum = ECANCELED});
		else if (r)
			nx_spawner_stop(r, NX_SPAWN_END_KILLED);
	}
}

/* ---- the loop ---- */

static void tick(void)
{
	give_up_waiting(nx_time_mono_us(), ETIMEDOUT);
	nx_bare_boxes_remove();
	for (unsigned i = 0; i < S.nruns; i++) {
		struct nx_spawner_run *r = &S.runs[i];
		if (r->id && r->started_us && !r->reported && r->end == NX_SPAWN_END_EXIT)
			nx_spawner_watch(&S.probe, r);
	}
}

static void dispatch(uint64_t what)
{
	struct nx_spawner_run *r = &S.runs[(what >> 32) % NX_SPAWN_RUNS_MAX];
	enum source src = (enum source)(what >> 60);
	if (src == SRC_SERVER)
		on_server();
	else if (src == SRC_FILES)
		on_files();
	else if (!r->id || r->age != (uint32_t)what)
		return; /* released, and perhaps taken again, by an earlier event of the same batch */
	else if (src == SRC_CTL && r->ends.ctl >= 0)
		(void)on_ctl(r);
	else if (src == SRC_PROXY && r->proxy.report >= 0)
		on_proxy(r);
	else if (src == SRC_STATUS && r->ends.status >= 0)
		on_status(r);
	else if (src == SRC_PIDFD)
		on_pidfd(r);
}

/* While nobody waits: the first cgroup set, whose keeper costs some milliseconds to seat. */
static void warm_up(void)
{
	struct nx_fault_at fault = {0};
	S.is_warm = true;
	if (S.probe.cgroups.mode == NX_CGROUP_V1)
		nx_cgroup_give(&S.probe.cgroups, nx_cgroup_take(&S.probe.cgroups, false, &fault));
}

static void on_idle(void)
{
	nx_bare_boxes_remove();
	if (!S.is_warm && !S.active) {
		warm_up();
		return;
	}
	if (nx_pool_timeout(&S.pool) == 0 && !S.active) {
		empty_pool();
		return;
	}
	if (!S.pool.has_work && !nx_pool_is_starting(&S.pool))
		return;
	enum nx_ready kind = nx_pool_next(&S.pool);
	S.pool.has_work = kind != NX_READY_NOTHING;
	if (kind != NX_READY_NOTHING)
		make_ahead(kind);
}

/* What nobody waits for is done when nothing else is to be. */
static int next_timeout(void)
{
	if (S.pool.has_work || (!S.is_warm && !S.active))
		return 0;
	if (nx_pool_is_starting(&S.pool))
		return START_POLL_MS;
	return S.active || nx_bare_has_boxes() ? TICK_MS : nx_pool_timeout(&S.pool);
}

static void serve(void)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t next_tick = 0;
	while (!S.quit) {
		int n = epoll_wait(S.epoll, events, EVENTS_MAX, next_timeout());
		if (n < 0 && errno != EINTR)
			break;
		for (int i = 0; i < n; i++)
			dispatch(events[i].data.u64);
		if (n == 0)
			on_idle();
		int64_t now = nx_time_mono_us();
		if (S.active && now >= next_tick) {
			tick();
			next_tick = now + TICK_MS * 1000;
		}
	}
}

static void end_all(void)
{
	for (unsigned i = 0; i < S.nruns; i++)
		if (S.runs[i].id && !S.runs[i].files_until_us)
			nx_spawner_stop(&S.runs[i], NX_SPAWN_END_KILLED);
	for (unsigned i = S.nruns; i-- > 0;)
		if (S.runs[i].id && !S.runs[i].files_until_us)
			release(&S.runs[i]);
	nx_pool_empty(&S.pool);
	nx_hostfs_keeper_end(&S.probe.files);
	nx_cgroups_close(&S.probe.cgroups);
	nx_bare_close();
}

static int greet(uid_t uid_base)
{
	nx_probe(&S.probe, uid_base, &S.rules, &S.roots);
	if (S.probe.host
		    .is_root) /* an ordinary user's has to stay readable to itself, to write the maps of its guests */
		(void)prctl(PR_SET_DUMPABLE, 0);
	union nx_spawn_msg m;
	nx_spawn_init(&m, NX_SPAWN_HELLO, 0);
	nx_probe_hello(&S.probe, &m.hello);
	return nx_spawn_send(SERVER_FD, &m, NULL, 0);
}

/* A signal to the terminal's process group is the server's to answer; it then closes the socket. */
static void prepare_process(void)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
	for (size_t i = 0; i < nx_countof(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	sigset_t none;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	(void)close_range(SERVER_FD + 1, ~0U, 0);
	(void)nx_fault_plan(getenv("NEXUS_FAULTS"), NULL); /* anew: a record's descriptor has just been closed */
	(void)prctl(PR_SET_NAME, "nexus-spawner");
}

static bool read_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;
	*ret = strtoul(text, &end, 10);
	return *text && !*end && *ret <= max;
}

int nx_spawner_main(int argc, char **argv)
{
	unsigned long uid_base = 0, pool_size = 0, pool_idle_ms = 0, forks_max = 0;
	int type;
	socklen_t size = sizeof(type);
	if (argc != 11 || !read_number(argv[2], 2000000000, &uid_base) || uid_base == 0 ||
	    !read_number(argv[8], NX_POOL_MAX, &pool_size) || !read_number(argv[9], 86400000, &pool_idle_ms) ||
	    !read_number(argv[10], 1000000, &forks_max) || forks_max == 0 ||
	    getsockopt(SERVER_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET) {
		fprintf(stderr, "nexus spawner: it is started by the server, not by hand\n");
		return 2;
	}
	S.rules = (struct nx_hostfs_rules){.read_roots = argv[3], .write_roots = argv[4], .data_dir = argv[5]};
	S.roots = (struct nx_roots){.base = argv[6], .images = argv[7]};
	S.pool = (struct nx_pool){.cgroups = &S.probe.cgroups,
				  .size = (unsigned)pool_size,
				  .forks_max = (unsigned)forks_max,
				  .idle_us = (int64_t)pool_idle_ms * NX_USEC_PER_MSEC};
	prepare_process();
	S.epoll = epoll_create1(EPOLL_CLOEXEC);
	int flags = fcntl(SERVER_FD, F_GETFL);
	if (S.epoll < 0 || flags < 0 || greet((uid_t)uid_base) < 0)
		return 1;
	if (fcntl(SERVER_FD, F_SETFL, flags | O_NONBLOCK) == 0 && watch(SERVER_FD, SRC_SERVER, NULL) == 0 &&
	    (S.probe.files.sock < 0 || watch(S.probe.files.sock, SRC_FILES, NULL) == 0))
		serve();
	end_all();
	return 0;
}
