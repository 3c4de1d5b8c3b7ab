#define NX_CURL_NO_NAMES
#include "base/curl.h"

#include "base/assert.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct nx_curl nx_curl_;

static char why[200]; /* empty when it is loaded; written under `once` */

static bool find(void *library, const char *name, void *ret)
{
	void *f = dlsym(library, name);
	if (!f)
		(void)snprintf(why, sizeof(why), "%s has no %s: it must be 7.87 or newer", NX_CURL_LIBRARY, name);
	memcpy(ret, &f, sizeof(f)); /* an object's address to a function's: POSIX has them alike */
	return f != NULL;
}

static void load(void)
{
	void *library = dlopen(NX_CURL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		(void)snprintf(why, sizeof(why), "%s", dlerror());
		return;
	}
	bool ok = true;
#define NX_X_(name) ok = ok && find(library, #name, &nx_curl_.name);
	NX_CURL_FUNCTIONS(NX_X_)
#undef NX_X_
	if (ok) {
		CURLcode r = nx_curl_.curl_global_init(CURL_GLOBAL_DEFAULT);
		nx_assert(r == CURLE_OK);
	}
}

int nx_curl_load(struct nx_error **err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, load);
	if (!why[0])
		return 0;
	(void)nx_error_set(err, NX_EUNSUPPORTED, "outgoing requests need libcurl: %s", why);
	return nx_error_hint(err, "install the libcurl of the distribution");
}
