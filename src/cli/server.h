/*
 * The whole program in one object: every layer made in its order, and taken down in the other.
 *
 * Used by `nexus serve`, and by verbs that work without a server: they start one of their own on a free port.
 */
#ifndef NX_CLI_SERVER_H
#define NX_CLI_SERVER_H

#include "base/config.h"

struct nx_server;

/*
 * Starts every layer and listens. The spawner is forked first, so no other thread may run yet. *ret_url lives as long as
 * the server. The journal is recovered when nx_server_ready says so; requests are answered from then on.
 */
int nx_server_start(struct nx_config *c, struct nx_server **ret, struct nx_error **err);
const char *nx_server_url(const struct nx_server *s);
bool nx_server_ready(const struct nx_server *s);
/* The indexes are read, so that a search sees all that is stored. */
bool nx_server_loaded(const struct nx_server *s);
/* Writes the address into the lock file, for whoever finds the data directory taken. */
int nx_server_announce(struct nx_server *s, struct nx_error **err);

/*
 * Stops listening, lets what runs end within `drain_us`, and frees everything. What still runs after that is left to the
 * next start: false, and the process should then exit at once.
 */
bool nx_server_stop(struct nx_server *s, int64_t drain_us);

#endif
