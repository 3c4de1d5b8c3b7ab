#include "tests/unit/execution/sandbox_fixture.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((constructor)) static void become_spawner(int argc, char **argv, char **envp)
{
	(void)envp;
	if (argc >= 3 && strcmp(argv[1], "spawner") == 0)
		_exit(nx_spawner_main(argc, argv));
}

const char *box_home;

void box_open(struct box *b, const char *const *options)
{
	static unsigned n;
	char dir[512];
	const char *none[] = {NULL};
	*b = (struct box){0};
	ASSERT_OK(nx_config_load(NULL, none, &b->config, NULL));
	for (size_t i = 0; options && options[i]; i++) {
		nx_str rest = nx_str_z(options[i]), name = nx_str_cut(&rest, '=');
		char text[64];
		snprintf(text, sizeof(text), "%.*s", NX_FMT(name));
		ASSERT_OK(nx_config_set(b->config, text, rest, NX_ORIGIN_FLAG, NULL));
	}
	ASSERT_OK(nx_spawner_start(b->config, &b->spawner, NULL));
	snprintf(dir, sizeof(dir), "%s/home%u", box_home ? box_home : nx_test_dir(), n++);
	struct nx_store_options o = {.dir = dir, .sync = NX_SYNC_FULL, .readers = 2};
	ASSERT_OK(nx_store_open(&o, &b->store, NULL));
	ASSERT_OK(nx_workers_new(2, &b->workers, NULL));
	ASSERT_OK(nx_loop_new("exec", &b->loop, NULL));
	ASSERT_OK(nx_execution_new(b->config, b->store, b->spawner, b->workers, b->loop, &b->execution, NULL));
	ASSERT_OK(nx_loop_start(b->loop, NULL));
}

void box_close(struct box *b)
{
	nx_execution_free(b->execution);
	nx_workers_free(b->workers);
	nx_loop_stop(b->loop);
	nx_loop_join(b->loop);
	nx_spawner_free(b->spawner);
	nx_store_close(b->store);
	nx_loop_free(b->loop); /* the store's writer may still be in a post */
	nx_config_free(b->config);
}

static void on_done(struct nx_exec *x, struct nx_error *err)
{
	struct trial *t = x->ctx;
	uv_mutex_lock(&t->lock);
	t->err = nx_error_copy(err);
	t->is_done = true;
	uv_cond_signal(&t->came);
	uv_mutex_unlock(&t->lock);
}

static void on_output(struct nx_exec *x, int fd, nx_str bytes)
{
	struct trial *t = x->ctx;
	(void)fd;
	t->streamed += bytes.n;
}

void trial_init(struct trial *t, struct box *b, const char *language, const char *code)
{
	*t = (struct trial){.box = b, .arena = nx_arena_new(0)};
	ASSERT_NOT_NULL(t->arena);
	ASSERT_EQ(uv_mutex_init(&t->lock), 0);
	ASSERT_EQ(uv_cond_init(&t->came), 0);
	t->x = (struct nx_exec){
		.arena = t->arena,
		.tenant = NX_STORE_TENANT,
		.language = nx_str_z(language),
		.code = nx_str_z(code),
		.policy = NX_SCAN_OFF,
		.constraints = {.max_cpu_percent = 100, .max_memory_mb = 256, .max_time_us = 10 * NX_USEC_PER_SEC},
		.on_output = on_output,
		.done = on_done,
		.ctx = t,
	};
}

void trial_start(struct trial *t)
{
	nx_execution_start(t->box->execution, &t->x);
}

void trial_wait(struct trial *t)
{
	uv_mutex_lock(&t->lock);
	while (!t->is_done)
		uv_cond_wait(&t->came, &t->lock);
	uv_mutex_unlock(&t->lock);
}

void trial_run(struct trial *t)
{
	trial_start(t);
	trial_wait(t);
	if (t->err)
		print_message("error: %s\n", nx_error_message(t->err));
	ASSERT_EQ(nx_error_code(t->err), 0);
}

void trial_done(struct trial *t)
{
	nx_error_free(t->err);
	uv_cond_destroy(&t->came);
	uv_mutex_destroy(&t->lock);
	nx_arena_free(t->arena);
}

void run_python(struct trial *t, struct box *b, const char *code)
{
	trial_init(t, b, "python", code);
	trial_run(t);
}

void run_shell(struct trial *t, struct box *b, const char *code)
{
	trial_init(t, b, "shell", code);
	trial_run(t);
}

void holds_in(struct box *b, const char *language, const char *code, const char *input)
{
	struct trial t;
	trial_init(&t, b, language, code);
	t.x.stdin_text = nx_str_z(input);
	trial_run(&t);
	if (strcmp(trial_out(&t), "held\n") != 0)
		print_message("%s, stderr: %.*s\n", trial_status(&t), NX_FMT(t.x.result.err_out));
	ASSERT_STREQ(trial_out(&t), "held\n");
	trial_done(&t);
}

void holds_c(struct box *b, const char *name, const char *input)
{
	char path[128];
	nx_str code;
	if (access("/usr/bin/gcc", X_OK) < 0)
		SKIP("no compiler is here: apt-get install gcc libc6-dev");
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	snprintf(path, sizeof(path), "tests/unit/execution/walls/%s", name);
	ASSERT_OK(nx_file_read(a, path, 65536, &code, NULL));
	holds_in(b, "c", nx_str_zdup(a, code), input);
}

const char *trial_out(const struct trial *t)
{
	return nx_str_zdup(t->arena, t->x.result.out);
}

const char *trial_status(const struct trial *t)
{
	return nx_exec_status_name(t->x.result.status);
}

size_t count_processes_of(uid_t first, uid_t last)
{
	size_t n = 0;
	DIR *d = opendir("/proc");
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[300], line[256];
		unsigned long uid = 0;
		snprintf(path, sizeof(path), "/proc/%s/status", e->d_name);
		FILE *f = isdigit((unsigned char)e->d_name[0]) ? fopen(path, "r") : NULL;
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "Uid: %lu", &uid) == 1)
				n += uid >= first && uid <= last;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return n;
}

static size_t count_in(const char *path, pid_t spawner, unsigned depth)
{
	size_t n = 0;
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		char next[1024];
		struct nx_cgroup_name name;
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		n += nx_cgroup_name_parse(e->d_name, &name) && name.pid == spawner;
		snprintf(next, sizeof(next), "%s/%s", path, e->d_name);
		if (depth < 4)
			n += count_in(next, spawner, depth + 1);
	}
	if (d)
		closedir(d);
	return n;
}

size_t count_cgroups_of(pid_t spawner)
{
	return count_in("/sys/fs/cgroup", spawner, 0);
}

pid_t spawner_pid(const struct box *b)
{
	return nx_spawner_pid(b->spawner);
}
