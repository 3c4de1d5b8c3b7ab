/*
 * A verb without a server: it starts the same server for itself on a free port of the loopback interface, asks it as it
 * would any other, and stops it when it is done. The directory's lock is held meanwhile, as by `nexus serve`; whoever
 * holds it without an address is a verb as this one, or a server that is not ready yet, and is waited for.
 */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/server.h"
#include "store/store.h"

#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>

#define WAIT_US (60 * NX_USEC_PER_SEC) /* for another verb on the same directory */
#define PAUSE_US 10000
#define DRAIN_US (10 * NX_USEC_PER_SEC)

/* "http://host:port" to its parts; false for anything else. */
static bool split_url(const char *url, char host[128], char port[8])
{
	nx_str s = nx_str_z(url);
	size_t colon = s.n;

	if (!nx_str_starts(s, NX_STR("http://")))
		return false;
	s = nx_str_slice(s, 7, s.n);
	colon = s.n;
	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || colon - 1 > 127 || s.n - colon > 7)
		return false;
	nx_str name = nx_str_slice(s, 0, colon - 1), number = nx_str_slice(s, colon, s.n);
	if (name.n >= 2 && name.p[0] == '[')
		name = nx_str_slice(name, 1, name.n - 1);
	snprintf(host, 128, "%.*s", NX_FMT(name));
	snprintf(port, 8, "%.*s", NX_FMT(number));
	return true;
}

bool nx_cli_anyone_at(const char *url)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
	char host[128], port[8];
	bool found = false;

	if (!split_url(url, host, port) || getaddrinfo(host, port, &hints, &list) != 0)
		return false;
	for (struct addrinfo *a = list; a && !found; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		found = fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0;
		if (fd >= 0)
			close(fd);
	}
	freeaddrinfo(list);
	return found;
}

void nx_cli_note_slow(struct nx_cli *c, const char *what)
{
	if (c->noted || !what || !c->progress || c->json)
		return;
	c->noted = true;
	fprintf(stderr, "\r\033[K%s%s%s\n", c->colour ? "\033[2m" : "", what, c->colour ? "\033[0m" : "");
}

static int held_elsewhere(struct nx_cli *c, const struct nx_store_holder *h, struct nx_error **err)
{
	nx_error_set(err, NX_EINUSE, "no server at %s, and %s is in use by process %d, which listens on %s", c->url,
		     c->config->home, h->pid, h->address);
	return nx_error_hint(err, "ask that one: add --url %s, or set NEXUS_URL", h->address);
}

static int still_held(struct nx_cli *c, const struct nx_store_holder *h, struct nx_error **err)
{
	nx_error_set(err, NX_EINUSE, "%s is still in use by process %d after %d s", c->config->home, h->pid,
		     (int)(WAIT_US / NX_USEC_PER_SEC));
	return nx_error_hint(err, "wait until it is done, or start a server that all verbs can share: nexus serve");
}

/* 0: nobody holds the directory, as far as one can tell without taking it. */
static int wait_for_lock(struct nx_cli *c, int64_t start, struct nx_error **err)
{
	struct nx_store_holder h;

	while (nx_store_holder(c->config->home, &h)) {
		int64_t waited = nx_time_mono_us() - start;
		if (h.address[0])
			return held_elsewhere(c, &h, err);
		if (waited > WAIT_US)
			return still_held(c, &h, err);
		if (waited > NX_USEC_PER_SEC)
			nx_cli_note_slow(c, nx_arena_printf(c->arena, "waiting for process %d, which works on %s",
							    h.pid, c->config->home));
		usleep(PAUSE_US);
	}
	return 0;
}

/* Signals are for the thread that runs the verb; the server's threads take none, a broken pipe least of all. */
static int start_server(struct nx_cli *c, struct nx_error **err)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int rc = nx_server_start(c->config, &c->server, err);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static int take_directory(struct nx_cli *c, struct nx_error **err)
{
	int64_t start = nx_time_mono_us();

	for (;;) {
		struct nx_error *why = NULL;
		int rc = wait_for_lock(c, start, err);
		if (rc < 0)
			return rc;
		if (start_server(c, &why) == 0)
			return 0;
		/* Someone was quicker. */
		if (nx_error_code(why) != NX_EINUSE || nx_time_mono_us() - start > WAIT_US)
			return nx_error_move(err, why);
		nx_error_free(why);
		usleep(PAUSE_US);
	}
}

static void wait_loaded(struct nx_cli *c)
{
	int64_t start = nx_time_mono_us();

	while (!nx_server_ready(c->server) || !nx_server_loaded(c->server)) {
		if (nx_time_mono_us() - start > NX_USEC_PER_SEC)
			nx_cli_note_slow(c, nx_arena_printf(c->arena, "no server runs: reading %s", c->config->home));
		usleep(1000);
	}
}

int nx_cli_go_alone(struct nx_cli *c, struct nx_error **err)
{
	int rc = nx_config_set(c->config, "listen", NX_STR("127.0.0.1:0"), NX_ORIGIN_FLAG, err);

	if (rc < 0 || (rc = take_directory(c, err)) < 0)
		return rc;
	wait_loaded(c);
	c->url = nx_server_url(c->server);
	return 0;
}

bool nx_cli_leave(struct nx_cli *c)
{
	return !c->server || nx_server_stop(nx_steal(c->server), DRAIN_US);
}
