/* What the engine is asked to do, as JSON and tar, and what it says of itself. */
#include "execution/docker_internal.h"
#include "execution/tar.h"

#include <stdio.h>

#define SHELL "/bin/sh"
#define PERIOD_US INT64_C(1000000) /* the longest that the kernel takes: a short program is not slowed */
#define CODE_INODES 16
#define SLACK (INT64_C(256) << 10)

/* ---- the container ---- */

static void add_words(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, const char *const *words, size_t n)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, key);
	for (size_t i = 0; i < n; i++)
		(void)yyjson_mut_arr_add_strcpy(d, list, words[i]);
}

/* A tmpfs that is a volume, because the engine reads and writes volumes, and no other tmpfs, from outside. */
static void add_volume(yyjson_mut_doc *d, yyjson_mut_val *list, const char *where, int64_t bytes, int64_t inodes,
		       const char *more)
{
	char options[160];
	snprintf(options, sizeof(options), "size=%lld,nr_inodes=%lld,nosuid,nodev,%s", (long long)bytes,
		 (long long)inodes, more);
	yyjson_mut_val *m = yyjson_mut_arr_add_obj(d, list);
	nx_json_add_strz(d, m, "Type", "volume");
	nx_json_add_strz(d, m, "Target", where);
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(d, m, "VolumeOptions");
	yyjson_mut_obj_add_bool(d, v, "NoCopy", true);
	yyjson_mut_val *driver = yyjson_mut_obj_add_obj(d, v, "DriverConfig");
	nx_json_add_strz(d, driver, "Name", "local");
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, driver, "Options");
	nx_json_add_strz(d, o, "type", "tmpfs");
	nx_json_add_strz(d, o, "device", "tmpfs");
	nx_json_add_strz(d, o, "o", options);
}

static void add_mounts(yyjson_mut_doc *d, yyjson_mut_val *host, const struct nx_run *r,
		       const struct nx_spawn_prepare *p)
{
	char own[64];
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, host, "Mounts");
	int64_t code = (int64_t)(r->x->code.n + r->x->stdin_text.n + r->load.n) + SLACK;
	snprintf(own, sizeof(own), "uid=%d,gid=%d,mode=0700", NX_DOCKER_GUEST, NX_DOCKER_GUEST);
	add_volume(d, list, "/work", p->box_bytes, p->box_inodes, own);
	add_volume(d, list, "/tmp", p->box_bytes, p->box_inodes, own);
	add_volume(d, list, "/code", code, CODE_INODES, "mode=0755");
}

static void add_ulimit(yyjson_mut_doc *d, yyjson_mut_val *list, const char *name, int64_t v)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);
	nx_json_add_strz(d, o, "Name", name);
	yyjson_mut_obj_add_sint(d, o, "Soft", v);
	yyjson_mut_obj_add_sint(d, o, "Hard", v);
}

static void add_host(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_run *r, const struct nx_spawn_prepare *p)
{
	yyjson_mut_val *h = yyjson_mut_obj_add_obj(d, o, "HostConfig");
	yyjson_mut_obj_add_bool(d, h, "AutoRemove", true);
	yyjson_mut_obj_add_bool(d, h, "Init", true);
	yyjson_mut_obj_add_sint(d, h, "Memory", p->memory_bytes);
	yyjson_mut_obj_add_sint(d, h, "MemorySwap", p->memory_bytes); /* both together: no swap */
	yyjson_mut_obj_add_sint(d, h, "CpuPeriod", PERIOD_US);
	yyjson_mut_obj_add_sint(d, h, "CpuQuota", p->cpu_percent * (PERIOD_US / 100));
	yyjson_mut_obj_add_sint(d, h, "PidsLimit", p->max_processes + NX_DOCKER_EXTRA_PROCESSES);
	yyjson_mut_obj_add_sint(d, h, "ShmSize", p->box_bytes);
	nx_json_add_strz(d, h, "NetworkMode", "none");
	nx_json_add_strz(d, h, "IpcMode", "private");
	yyjson_mut_obj_add_bool(d, h, "ReadonlyRootfs", true);
	add_words(d, h, "SecurityOpt", (const char *const[]){"no-new-privileges"}, 1);
	add_words(d, h, "CapDrop", (const char *const[]){"ALL"}, 1);
	yyjson_mut_val *limits = yyjson_mut_obj_add_arr(d, h, "Ulimits");
	add_ulimit(d, limits, "core", 0);
	add_ulimit(d, limits, "fsize", p->file_bytes);
	nx_json_add_strz(d, yyjson_mut_obj_add_obj(d, h, "LogConfig"), "Type", "none");
	add_mounts(d, h, r, p);
}

int nx_docker_create_json(const struct nx_docker *d, const struct nx_run *r, const struct nx_spawn_prepare *p,
			  struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	yyjson_mut_doc *doc = nx_json_new(a);
	if (!doc)
		return nx_error_set(err, NX_ENOMEM, "no memory for a container");
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	nx_json_add_strz(doc, o, "Image", d->image);
	nx_json_add_strz(doc, o, "User", NX_DOCKER_KEEPER);
	nx_json_add_strz(doc, o, "Hostname", "sandbox");
	add_words(doc, o, "Entrypoint", (const char *const[]){SHELL, "-c", "read end"}, 3);
	add_words(doc, o, "Cmd", NULL, 0);
	add_words(doc, yyjson_mut_obj_add_obj(doc, o, "Healthcheck"), "Test", (const char *const[]){"NONE"}, 1);
	yyjson_mut_obj_add_bool(doc, o, "AttachStdin", true);
	yyjson_mut_obj_add_bool(doc, o, "OpenStdin", true);
	yyjson_mut_obj_add_bool(doc, o, "StdinOnce", true); /* the end of the one connection is the end of the input */
	yyjson_mut_obj_add_bool(doc, o, "NetworkDisabled", true);
	yyjson_mut_val *labels = yyjson_mut_obj_add_obj(doc, o, "Labels");
	nx_json_add_strz(doc, labels, "nexus.home", d->home);
	nx_json_add_id(doc, labels, "nexus.execution", r->x->id);
	add_host(doc, o, r, p);
	return nx_json_write(a, o, false, ret, err);
}

/* ---- the program ---- */

/* A shell looks for the interpreter, because only the container knows where its own lies, and becomes it. $1 is the name
 * that stands for the interpreter in the words that follow, or, for a language of which a script is run, /bin/sh, -c, the
 * script and the interpreter. */
static char *find_and_run(struct nx_arena *a, const struct nx_language *l, bool has_stdin)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_buf_addz(&b, "for p in");
	for (size_t i = 0; l->programs[i]; i++)
		nx_buf_addf(&b, " %s", l->programs[i]);
	nx_buf_addf(&b,
		    "; do [ -x $p ] && break; done\n"
		    "[ -x $p ] || { echo \"nexus: $p is not in the image\" >&2; exit 127; }\n"
		    "%s <%s",
		    l->script ? "exec " SHELL " -c \"$3\" $p" : "shift; exec $p \"$@\"",
		    has_stdin ? "/code/stdin" : "/dev/null");
	return nx_buf_failed(&b) ? NULL : nx_arena_strdup(a, b.p);
}

static bool add_texts(yyjson_mut_doc *d, yyjson_mut_val *list, const char *text, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!yyjson_mut_arr_add_strcpy(d, list, text))
			return false;
		text += strlen(text) + 1;
	}
	return true;
}

int nx_docker_exec_json(const struct nx_run *r, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	char user[24];
	struct nx_spawn_start s = {0};
	const struct nx_language *l = r->language;
	int rc = nx_language_start(l, l->programs[0], r->x->constraints.max_memory_mb, r->x->stdin_text.n > 0, &s, err);
	if (rc < 0)
		return rc;
	yyjson_mut_doc *d = nx_json_new(a);
	char *script = d ? find_and_run(a, l, s.has_stdin) : NULL;
	if (!script)
		return nx_error_set(err, NX_ENOMEM, "no memory to start a program");
	yyjson_mut_val *o = yyjson_mut_obj(d);
	snprintf(user, sizeof(user), "%d:%d", NX_DOCKER_GUEST, NX_DOCKER_GUEST);
	nx_json_add_strz(d, o, "User", user);
	nx_json_add_strz(d, o, "WorkingDir", "/work");
	yyjson_mut_obj_add_bool(d, o, "AttachStdout", true);
	yyjson_mut_obj_add_bool(d, o, "AttachStderr", true);
	yyjson_mut_val *cmd = yyjson_mut_obj_add_arr(d, o, "Cmd");
	const char *first[] = {SHELL, "-c", script, "sh"};
	for (size_t i = 0; i < nx_countof(first); i++)
		(void)yyjson_mut_arr_add_strcpy(d, cmd, first[i]);
	if (!add_texts(d, cmd, s.args, s.argc) || !add_texts(d, yyjson_mut_obj_add_arr(d, o, "Env"), s.env, s.envc))
		return nx_error_set(err, NX_ENOMEM, "no memory to start a program");
	return nx_json_write(a, o, false, ret, err);
}

/* ---- its files ---- */

static int finish_tar(struct nx_buf *b, struct nx_error **err)
{
	nx_tar_end(b);
	return nx_buf_failed(b) ? nx_error_set(err, NX_ENOMEM, "no memory for the files of a run") : 0;
}

int nx_docker_code_tar(const struct nx_run *r, struct nx_buf *ret, struct nx_error **err)
{
	nx_tar_add_file(ret, nx_str_z(r->language->source), r->x->code, 0644, 0);
	if (r->x->stdin_text.n)
		nx_tar_add_file(ret, nx_str_z(r->language->stdin_name), r->x->stdin_text, 0644, 0);
	if (r->load.n)
		nx_tar_add_file(ret, NX_STR("load.sql"), r->load, 0644, 0);
	return finish_tar(ret, err);
}

/* Directories that stand in the archive belong to the guest; those that the engine would make for us do not. */
int nx_docker_work_tar(const struct nx_run *r, struct nx_buf *ret, struct nx_error **err)
{
	for (size_t i = 0; i < r->x->nfiles; i++) {
		nx_str path = r->x->files[i].path;
		for (size_t k = 1; k < path.n; k++)
			if (path.p[k] == '/')
				nx_tar_add_dir(ret, nx_str_slice(path, 0, k), 0700, NX_DOCKER_GUEST);
		nx_tar_add_file(ret, path, r->x->files[i].bytes, 0600, NX_DOCKER_GUEST);
	}
	return finish_tar(ret, err);
}

/* ---- the engine ---- */

static uint8_t held(yyjson_val *info, const char *key, uint8_t by)
{
	return nx_json_bool(info, key, false) ? by : NX_MECH_NONE;
}

static bool has_seccomp(yyjson_val *info)
{
	yyjson_val *v;
	size_t i, n;
	yyjson_arr_foreach (nx_json_get(info, "SecurityOptions"), i, n, v)
		if (nx_str_starts(nx_json_val_str(v), NX_STR("name=seccomp")))
			return true;
	return false;
}

void nx_docker_read_info(struct nx_docker *d, yyjson_val *info)
{
	uint8_t by = nx_str_eqz(nx_json_str(info, "CgroupVersion"), "2") ? NX_MECH_CGROUP_V2 : NX_MECH_CGROUP_V1;
	d->features = (struct nx_spawn_features){
		.memory = held(info, "MemoryLimit", by),
		.cpu = held(info, "CpuCfsQuota", by),
		.processes = held(info, "PidsLimit", by),
		.time = NX_MECH_WATCHDOG,
		.output = NX_MECH_WATCHDOG,
		.disk = NX_MECH_TMPFS,
		.network = NX_MECH_NAMESPACE,
		.filesystem = NX_MECH_NAMESPACE,
		.syscalls = has_seccomp(info) ? NX_MECH_SECCOMP : NX_MECH_NONE,
		.user = NX_MECH_UID,
		.usable = true,
	};
	struct nx_spawn_features *f = &d->features;
	f->degraded = !f->memory || !f->cpu || !f->processes || !f->syscalls;
	snprintf(d->missing, sizeof(d->missing), "%s%s%s%s", f->memory ? "" : " memory", f->cpu ? "" : " cpu",
		 f->processes ? "" : " processes", f->syscalls ? "" : " seccomp");
}
