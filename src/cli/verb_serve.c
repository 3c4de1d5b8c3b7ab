/* nexus serve: the server, until it is told to stop. */
#include "base/build.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/server.h"
#include "cli/verbs.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#define DRAIN_US (10 * NX_USEC_PER_SEC)

static const char *ready_fd;
static const struct nx_cli_option options[] = {
	{"ready-fd", "N", "write the address and a newline to this descriptor when ready", &ready_fd, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static int parse_log(const struct nx_config *k, struct nx_error **err)
{
	enum nx_log_level level;
	enum nx_log_format format = strcmp(k->log_format, "json") == 0   ? NX_LOG_JSON
				    : strcmp(k->log_format, "text") == 0 ? NX_LOG_TEXT
									 : NX_LOG_AUTO;
	int rc = nx_log_level_parse(k->log_level, &level, err);

	if (rc == 0)
		nx_log_setup(level, format, STDERR_FILENO);
	return rc;
}

/* Blocked before any thread exists, so that every thread inherits it and only the descriptor sees them. */
static int signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void tell_ready(struct nx_cli *c, struct nx_server *s)
{
	int64_t fd;

	if (isatty(STDERR_FILENO))
		fprintf(stderr,
			"NEXUS %s is ready.\n  console  %s/\n  API      %s/docs\n  data     %s\nCtrl-C stops it.\n",
			NX_VERSION, nx_server_url(s), nx_server_url(s), c->config->home);
	else
		nx_log_info("server", "ready", NX_LSTRZ("url", nx_server_url(s)), NX_LSTRZ("home", c->config->home));
	if (ready_fd && nx_str_to_i64(nx_str_z(ready_fd), &fd) && fd >= 0 && fd < 65536)
		dprintf((int)fd, "%s\n", nx_server_url(s));
}

static void wait_for_signal(int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) < 0 && errno == EINTR)
		;
}

static void wait_ready(struct nx_server *s)
{
	for (int i = 0; i < 60000 && !nx_server_ready(s); i++)
		usleep(1000);
}

static void announce(struct nx_server *s)
{
	struct nx_error *err = NULL;

	if (nx_server_announce(s, &err) < 0)
		nx_log_warn("server", "the lock file does not name the address", NX_LERR(err));
	nx_error_free(err);
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_error *err = NULL;
	struct nx_server *s;

	(void)argv;
	if (argc > 0)
		return nx_cli_usage(&nx_verb_serve, "serve takes no words");
	if (parse_log(c->config, &err) < 0)
		return nx_cli_fail(c, err);
	int fd = signals();
	if (fd < 0 || nx_server_start(c->config, &s, &err) < 0) {
		if (!err)
			nx_error_set_errno(&err, errno, "take signals");
		return nx_cli_fail(c, err);
	}
	wait_ready(s);
	announce(s);
	tell_ready(c, s);
	wait_for_signal(fd);
	nx_log_info("server", "stopping");
	close(fd);
	if (!nx_server_stop(s, DRAIN_US))
		_exit(NX_EXIT_OK); /* what still ran is in the journal */
	return NX_EXIT_OK;
}

const struct nx_verb nx_verb_serve = {
	.name = "serve",
	.usage = "serve [options]",
	.summary = "start the server with its console",
	.examples = "  nexus serve\n"
		    "  nexus serve --listen 127.0.0.1:9000 --home /var/lib/nexus\n"
		    "  nexus serve --log-format json\n",
	.takes_config = true,
	.options = options,
	.run = run,
};
