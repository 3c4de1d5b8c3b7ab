/* The daemon: sockets, connections and bodies. Everything about libmicrohttpd is in http.c. */
#ifndef NX_API_HTTP_INTERNAL_H
#define NX_API_HTTP_INTERNAL_H

#include "base/config.h"

struct nx_api;
struct nx_httpd;
struct MHD_Connection;

/* Binds config.listen. NX_EINUSE, NX_EINVAL, NX_EFORBIDDEN (not loopback and `loopback_only`). */
int nx_listen(const char *address, bool loopback_only, int *ret_fd, char *ret_url, size_t size, struct nx_error **err);

/* Serves `fd`, which it takes. */
int nx_httpd_start(struct nx_api *api, int fd, struct nx_httpd **ret, struct nx_error **err);
/* No connection is suspended any more. */
void nx_httpd_stop(struct nx_httpd *h);

void nx_httpd_suspend(struct MHD_Connection *c); /* its own thread */
void nx_httpd_resume(struct MHD_Connection *c);  /* any thread */

#endif
