/* Directories of the host where the host can do less, does not answer, or belongs to an ordinary user. */
#include "tests/unit/execution/hostfs_fixture.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- features forced off ---- */

static void open_without(struct box *b, const char *force)
{
#ifdef NX_FAULTS_ENABLED
	setenv("NEXUS_SANDBOX_FORCE", force, 1);
	host_open(b, NULL);
	unsetenv("NEXUS_SANDBOX_FORCE");
#else
	(void)b;
	(void)force;
	SKIP("built without fault points");
#endif
}

static void read_and_write(struct box *b)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	granted_prints(b, "shell",
		       host_sh(a, "cat $R/a/in.txt; cp $R/a/in.txt $W/b/out && cat $W/b/out; "
				  "(echo x >$R/a/new) 2>/dev/null || echo held; ls $W/.."),
		       host_at(host.read, "a"), host_at(host.write, "b"), "given\ngiven\nheld\nr\nw\n");
}

TEST(without_landlock_the_mounts_hold)
{
	struct box b;
	open_without(&b, "no-landlock");
	read_and_write(&b);
	box_close(&b);
}

TEST(without_cgroups_files_are_granted)
{
	struct box b;
	open_without(&b, "no-cgroup");
	read_and_write(&b);
	box_close(&b);
}

TEST(without_network_namespaces_files_are_granted)
{
	struct box b;
	open_without(&b, "no-netns");
	read_and_write(&b);
	box_close(&b);
}

TEST(without_clone3_files_are_granted)
{
	struct box b;
	open_without(&b, "no-clone3");
	read_and_write(&b);
	box_close(&b);
}

/* Nothing would keep a program from the sockets that lie there, or from a setuid file. */
TEST(without_seccomp_no_file_is_granted)
{
	struct box b;
	open_without(&b, "no-seccomp");
	granted_refused(&b, host_at(host.read, "a"), NULL, NX_ESANDBOX, "grant files on this host");
	box_close(&b);
}

TEST(without_user_namespaces_root_grants_nothing_to_write)
{
	struct box b;
	if (geteuid() != 0)
		SKIP("needs root");
	open_without(&b, "no-userns");
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	granted_prints(&b, "shell", host_sh(a, "cat $R/a/in.txt"), host_at(host.read, "a"), NULL, "given\n");
	granted_refused(&b, NULL, host_at(host.write, "b"), NX_EUNSUPPORTED, "cannot be mapped");
	box_close(&b);
}

/* ---- the keeper ---- */

static pid_t child_named(pid_t parent, const char *name)
{
	pid_t found = 0;
	DIR *d = opendir("/proc");
	for (struct dirent *e; d && !found && (e = readdir(d));) {
		char path[300], comm[64] = "";
		int ppid = 0;
		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		FILE *f = isdigit((unsigned char)e->d_name[0]) ? fopen(path, "r") : NULL;
		if (f && fscanf(f, "%*d (%63[^)]) %*c %d", comm, &ppid) == 2 && ppid == parent &&
		    strcmp(comm, name) == 0)
			found = (pid_t)strtol(e->d_name, NULL, 10);
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return found;
}

TEST(without_roots_there_is_no_keeper)
{
	struct box b;
	struct trial t;
	box_open(&b, NULL);
	run_shell(&t, &b, "echo ran");
	ASSERT_EQ(child_named(spawner_pid(&b), "nexus-files"), 0);
	trial_done(&t);
	box_close(&b);
}

TEST(a_keeper_that_dies_takes_no_run_with_it_but_those_that_ask)
{
	struct box b;
	struct trial t;
	host_open(&b, NULL);
	run_shell(&t, &b, "echo ran");
	trial_done(&t);
	pid_t keeper = child_named(spawner_pid(&b), "nexus-files");
	ASSERT_GT(keeper, 0);
	ASSERT_EQ(kill(keeper, SIGKILL), 0);
	granted_run(&t, &b, "shell", "echo ran", host_at(host.read, "a"), NULL);
	ASSERT_NE(nx_error_code(t.err), 0);
	trial_done(&t);
	granted_refused(&b, host_at(host.read, "a"), NULL, NX_ESANDBOX, "grant files on this host");
	run_shell(&t, &b, "echo ran");
	ASSERT_STREQ(trial_out(&t), "ran\n");
	trial_done(&t);
	box_close(&b);
}

static void fails_once(const char *plan)
{
#ifdef NX_FAULTS_ENABLED
	struct box b;
	struct trial t;
	setenv("NEXUS_FAULTS", plan, 1);
	host_open(&b, NULL);
	unsetenv("NEXUS_FAULTS");
	granted_run(&t, &b, "shell", "echo ran", host_at(host.read, "a"), NULL);
	ASSERT_ERR(nx_error_code(t.err), NX_ESANDBOX);
	trial_done(&t);
	granted_prints(&b, "shell", "echo ran", host_at(host.read, "a"), NULL, "ran\n");
	box_close(&b);
#else
	(void)plan;
	SKIP("built without fault points");
#endif
}

TEST(a_question_that_cannot_be_asked_is_an_error)
{
	fails_once("sandbox_files=1");
}

TEST(a_way_that_cannot_be_made_is_an_error)
{
	fails_once("sandbox_files_way=1");
}

TEST(trees_that_cannot_be_sent_are_an_error)
{
	fails_once("sandbox_trees=1");
}

/* A file system of which nobody serves the requests. */
static int mount_silence(const char *path)
{
	char options[96];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd >= 0 && mount("silence", path, "fuse", MS_NOSUID | MS_NODEV, options) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

TEST(a_file_system_that_does_not_answer_holds_up_nobody_else)
{
	struct box b;
	struct trial hung[3], t;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		SKIP("mounting needs root");
	ASSERT_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	host_open(&b, NULL);
	box_close(&b);
	host_make_dir(host_at(host.read, "silent"));
	int fuse = mount_silence(host_at(host.read, "silent"));
	if (fuse < 0)
		SKIP("no FUSE on this host");
	box_open(&b, host.list);
	nx_str path = nx_str_z(host_at(host.read, "silent"));
	for (size_t i = 0; i < nx_countof(hung); i++) {
		trial_init(&hung[i], &b, "shell", "echo ran");
		hung[i].x.constraints.files = (struct nx_exec_files){.is_granted = true, .read = &path, .nread = 1};
		trial_start(&hung[i]);
	}
	run_shell(&t, &b, "echo ran");
	ASSERT_LT(t.x.result.usage.queue_us + t.x.result.usage.start_us, 5 * NX_USEC_PER_SEC);
	trial_done(&t);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	granted_prints(&b, "shell", host_sh(a, "cat $R/a/in.txt"), host_at(host.read, "a"), NULL, "given\n");
	nx_execution_cancel(b.execution, hung[0].x.id);
	trial_wait(&hung[0]);
	ASSERT_EQ(nx_error_code(hung[0].err), 0);
	ASSERT_STREQ(trial_status(&hung[0]), "cancelled");
	trial_wait(&hung[1]);
	ASSERT_ERR(nx_error_code(hung[1].err), NX_ETIMEOUT);
	ASSERT_CONTAINS(nx_error_message(hung[1].err), "does not answer");
	trial_wait(&hung[2]);
	for (size_t i = 0; i < nx_countof(hung); i++)
		trial_done(&hung[i]);
	box_close(&b);
	(void)close(fuse);
	ASSERT_EQ(umount2(path.p, MNT_DETACH), 0);
}

/* ---- an ordinary user ---- */

static bool is_as_user(struct box *b, const char *code, const char *read, const char *write, const char *want)
{
	struct trial t;
	granted_run(&t, b, "shell", code, read, write);
	bool ok = !t.err && strcmp(trial_out(&t), want) == 0;
	if (!ok)
		fprintf(stderr, "as a user: %s %s\n", t.err ? nx_error_message(t.err) : trial_out(&t),
			t.x.result.err_out.p ? t.x.result.err_out.p : "");
	trial_done(&t);
	return ok;
}

static int run_as_user(void)
{
	struct box b;
	struct trial t;
	struct stat st;
	(void)unsetenv("TSAN_OPTIONS"); /* whose suppressions this user may not be able to read */
	(void)unsetenv("LSAN_OPTIONS");
	host.top[0] = '\0'; /* the parent's */
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 1;
	host_open(&b, NULL);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	bool ok =
		is_as_user(&b,
			   host_sh(a, "cat $R/a/in.txt; (echo x >$R/a/new) 2>/dev/null || echo held; echo y >$W/b/f"),
			   host_at(host.read, "a"), host_at(host.write, "b"), "given\nheld\n") &&
		is_as_user(
			&b,
			host_sh(a,
				"chmod u+s $W/b/f 2>/dev/null || echo held; cat $R/a/in.txt 2>/dev/null || echo none"),
			NULL, host_at(host.write, "b"), "held\nnone\n");
	ok = ok && stat(host_at(host.write, "b/f"), &st) == 0 && st.st_uid == 65534 && (st.st_mode & 07000) == 0;
	granted_run(&t, &b, "shell", "echo ran", host.top, NULL);
	ok = ok && nx_error_code(t.err) == NX_EFORBIDDEN;
	trial_done(&t);
	box_close(&b);
	host_remove();
	return ok ? 0 : 2;
}

TEST(an_ordinary_users_programs_read_and_write_as_the_user)
{
	int status = 0;
	if (geteuid() != 0)
		SKIP("is one already");
	pid_t pid = fork();
	if (pid == 0) {
		char dir[] = "/tmp/nexus-user-XXXXXX";
		if (!mkdtemp(dir) || chown(dir, 65534, 65534) < 0 || !(box_home = dir))
			_exit(3);
		int r = run_as_user();
		(void)nx_rmtree(dir, NULL);
		_exit(r);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(WEXITSTATUS(status), 0);
}
