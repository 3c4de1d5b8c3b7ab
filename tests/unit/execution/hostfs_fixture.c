#include "tests/unit/execution/hostfs_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct host host;

const char *host_at(const char *root, const char *name)
{
	static char paths[8][512];
	static unsigned n;
	char *p = paths[n++ % nx_countof(paths)];
	snprintf(p, sizeof(paths[0]), "%s/%s", root, name);
	return p;
}

void host_make_dir(const char *path)
{
	ASSERT_EQ(mkdir(path, 0755), 0);
	if (geteuid() == 0)
		ASSERT_EQ(chown(path, HOST_OWNER, HOST_OWNER), 0);
}

void host_make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

void host_remove(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf --one-file-system '%s'", host.top);
	FILE *p = host.top[0] ? popen(command, "r") : NULL;
	if (p)
		(void)pclose(p);
	host.top[0] = '\0';
}

/* Not below /tmp, where guests have their own. */
void host_open(struct box *b, const char *more)
{
	host_remove();
	snprintf(host.top, sizeof(host.top), "/var/tmp/nexus-files-XXXXXX");
	ASSERT_NOT_NULL(mkdtemp(host.top));
	ASSERT_EQ(chmod(host.top, 0755), 0);
	snprintf(host.read, sizeof(host.read), "%s/r", host.top);
	snprintf(host.write, sizeof(host.write), "%s/w", host.top);
	host_make_dir(host.read);
	host_make_dir(host.write);
	host_make_dir(host_at(host.read, "a"));
	host_make_dir(host_at(host.write, "b"));
	host_make_file(host_at(host.read, "a/in.txt"), "given\n");
	host_make_file(host_at(host.top, "secret"), "secret\n");
	snprintf(host.options[0], sizeof(host.options[0]), "sandbox.read_roots=%s", host.read);
	snprintf(host.options[1], sizeof(host.options[1]), "sandbox.write_roots=%s", host.write);
	size_t n = 0;
	host.list[n++] = host.options[0];
	host.list[n++] = host.options[1];
	if (more)
		host.list[n++] = more;
	host.list[n] = NULL;
	box_open(b, host.list);
	(void)atexit(host_remove);
}

void granted_run(struct trial *t, struct box *b, const char *language, const char *code, const char *read,
		 const char *write)
{
	trial_init(t, b, language, code);
	struct nx_exec_files *f = &t->x.constraints.files;
	*f = (struct nx_exec_files){.is_granted = true,
				    .read = nx_arena_array(t->arena, nx_str, 1),
				    .write = nx_arena_array(t->arena, nx_str, 1),
				    .nread = read ? 1 : 0,
				    .nwrite = write ? 1 : 0};
	if (read)
		f->read[0] = nx_str_dup(t->arena, nx_str_z(read));
	if (write)
		f->write[0] = nx_str_dup(t->arena, nx_str_z(write));
	trial_start(t);
	trial_wait(t);
}

/* The program is run in the directories and prints this. */
void granted_prints(struct box *b, const char *language, const char *code, const char *read, const char *write,
		    const char *want)
{
	struct trial t;
	granted_run(&t, b, language, code, read, write);
	if (t.err)
		print_message("error: %s\n", nx_error_message(t.err));
	ASSERT_EQ(nx_error_code(t.err), 0);
	if (strcmp(trial_out(&t), want) != 0)
		print_message("stderr: %.*s\n", NX_FMT(t.x.result.err_out));
	ASSERT_STREQ(trial_out(&t), want);
	trial_done(&t);
}

void granted_refused(struct box *b, const char *read, const char *write, int code, const char *why)
{
	struct trial t;
	granted_run(&t, b, "shell", "echo ran", read, write);
	ASSERT_ERR(nx_error_code(t.err), code);
	ASSERT_CONTAINS(nx_error_message(t.err), why);
	trial_done(&t);
}

const char *host_sh(struct nx_arena *a, const char *code)
{
	return nx_arena_printf(a, "R=%s; W=%s; %s", host.read, host.write, code);
}
