/*
 * libcurl, loaded when the first outgoing request is made.
 *
 * Its thirty libraries (TLS, Kerberos, LDAP, SSH) cost every process 5 MB of memory and a quarter of its start, and most
 * processes of this program never talk to the outside: a server without an endpoint, the spawner, most verbs. Files that
 * include this header call curl by its own names, through the table below, after nx_curl_load has returned 0.
 */
#ifndef NX_BASE_CURL_H
#define NX_BASE_CURL_H

#include "base/error.h"

#define CURL_DISABLE_TYPECHECK /* its checking macros would hide the names */
#include <curl/curl.h>

#define NX_CURL_LIBRARY "libcurl.so.4" /* the ABI since 2006 */

#define NX_CURL_FUNCTIONS(X)        \
	X(curl_easy_cleanup)        \
	X(curl_easy_getinfo)        \
	X(curl_easy_header)         \
	X(curl_easy_init)           \
	X(curl_easy_reset)          \
	X(curl_easy_setopt)         \
	X(curl_easy_strerror)       \
	X(curl_free)                \
	X(curl_global_init)         \
	X(curl_multi_add_handle)    \
	X(curl_multi_assign)        \
	X(curl_multi_cleanup)       \
	X(curl_multi_info_read)     \
	X(curl_multi_init)          \
	X(curl_multi_remove_handle) \
	X(curl_multi_setopt)        \
	X(curl_multi_socket_action) \
	X(curl_multi_strerror)      \
	X(curl_slist_append)        \
	X(curl_slist_free_all)      \
	X(curl_url)                 \
	X(curl_url_cleanup)         \
	X(curl_url_get)             \
	X(curl_url_set)             \
	X(curl_url_strerror)

#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt

struct nx_curl {
#define NX_X_(name) __typeof__(name) *name;
	NX_CURL_FUNCTIONS(NX_X_)
#undef NX_X_
};

extern struct nx_curl nx_curl_; /* written once, by nx_curl_load */

/* Any thread, any number of times. NX_EUNSUPPORTED where the library is missing or lacks a function. */
int nx_curl_load(struct nx_error **err);

#ifndef NX_CURL_NO_NAMES
#define curl_easy_cleanup nx_curl_.curl_easy_cleanup
#define curl_easy_getinfo nx_curl_.curl_easy_getinfo
#define curl_easy_header nx_curl_.curl_easy_header
#define curl_easy_init nx_curl_.curl_easy_init
#define curl_easy_reset nx_curl_.curl_easy_reset
#define curl_easy_setopt nx_curl_.curl_easy_setopt
#define curl_easy_strerror nx_curl_.curl_easy_strerror
#define curl_free nx_curl_.curl_free
#define curl_global_init nx_curl_.curl_global_init
#define curl_multi_add_handle nx_curl_.curl_multi_add_handle
#define curl_multi_assign nx_curl_.curl_multi_assign
#define curl_multi_cleanup nx_curl_.curl_multi_cleanup
#define curl_multi_info_read nx_curl_.curl_multi_info_read
#define curl_multi_init nx_curl_.curl_multi_init
#define curl_multi_remove_handle nx_curl_.curl_multi_remove_handle
#define curl_multi_setopt nx_curl_.curl_multi_setopt
#define curl_multi_socket_action nx_curl_.curl_multi_socket_action
#define curl_multi_strerror nx_curl_.curl_multi_strerror
#define curl_slist_append nx_curl_.curl_slist_append
#define curl_slist_free_all nx_curl_.curl_slist_free_all
#define curl_url nx_curl_.curl_url
#define curl_url_cleanup nx_curl_.curl_url_cleanup
#define curl_url_get nx_curl_.curl_url_get
#define curl_url_set nx_curl_.curl_url_set
#define curl_url_strerror nx_curl_.curl_url_strerror
#endif

#endif
