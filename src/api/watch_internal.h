/*
 * The watch over suspended connections.
 *
 * libmicrohttpd does not poll a connection that is suspended, so a client that goes away while its task runs, or between
 * two events of a stream, would stay unnoticed. Each such connection's descriptor is therefore also in an epoll of ours
 * (EPOLLRDHUP, one shot), and a thread that sleeps on it tells the request. A client that shuts down its sending side
 * counts as gone. Once a second the thread also lets the streams send what keeps proxies from closing them.
 *
 * Entries are addressed by slot and generation, so that an event for a descriptor whose number has been used again since
 * finds nothing.
 */
#ifndef NX_API_WATCH_INTERNAL_H
#define NX_API_WATCH_INTERNAL_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct nx_request;
struct nx_watch;

int nx_watch_new(struct nx_watch **ret, struct nx_error **err);
/* Every entry must have been removed. */
void nx_watch_free(struct nx_watch *w);

/* Holds a reference to `r` until it is removed. 0 when it could not be watched: the connection is then only noticed when
 * something is written to it. Any thread. */
uint64_t nx_watch_add(struct nx_watch *w, int fd, struct nx_request *r);
void nx_watch_remove(struct nx_watch *w, uint64_t handle);
/* Calls `visit` for each entry, without the lock, holding a reference. */
void nx_watch_visit(struct nx_watch *w, void (*visit)(struct nx_request *r, void *ctx), void *ctx);
size_t nx_watch_count(struct nx_watch *w);

#endif
