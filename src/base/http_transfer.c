#include "base/http_internal.h"

#include "base/build.h"
#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define USER_AGENT "nexus/" NX_VERSION

/* ---- what may be asked ---- */

static bool is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)s[i]) && !strchr("!#$%&'*+-.^_`|~", s[i]))
			return false;
	}
	return n > 0;
}

int nx_http_check_request(const struct nx_http_request *r, struct nx_error **err)
{
	if (!is_token(r->method, strlen(r->method)))
		return nx_error_set(err, NX_EINVAL, "`%s` is no HTTP method", r->method);
	for (const char *const *h = r->headers; h && *h; h++) {
		const char *colon = strchr(*h, ':');
		/* The value is not shown: it may be a key. */
		if (!colon || !is_token(*h, (size_t)(colon - *h)))
			return nx_error_set(err, NX_EINVAL, "header %zu has no name", (size_t)(h - r->headers) + 1);
		if (strpbrk(colon, "\r\n"))
			return nx_error_set(err, NX_EINVAL, "the header `%.*s` holds a line break", (int)(colon - *h),
					    *h);
	}
	return 0;
}

static bool is_http(CURLU *u)
{
	char *scheme = NULL;
	bool is = !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
		  (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	curl_free(scheme);
	return is;
}

static const char *format_origin(struct nx_arena *a, CURLU *u)
{
	char *scheme = NULL, *host = NULL, *port = NULL;
	const char *origin = NULL;
	if (!curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) && !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
	    !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
		origin = nx_arena_printf(a, "%s://%s:%s", scheme, host, port);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	return origin;
}

static int read_origin(struct nx_arena *a, CURLU *u, const char *url, const char **ret, struct nx_error **err)
{
	CURLUcode r = curl_url_set(u, CURLUPART_URL, url, 0);
	if (r == CURLUE_OUT_OF_MEMORY)
		return nx_error_set(err, NX_ENOMEM, "no memory for an address");
	if (r != CURLUE_OK)
		return nx_error_set(err, NX_EINVAL, "the address is not a URL: %s", curl_url_strerror(r));
	if (!is_http(u))
		return nx_error_set(err, NX_EINVAL, "the address must begin with http:// or https://");
	const char *origin = format_origin(a, u);
	if (!origin)
		return nx_error_set(err, NX_ENOMEM, "no memory for an address");
	*ret = origin;
	return 0;
}

int nx_http_origin(struct nx_arena *a, const char *url, const char **ret, struct nx_error **err)
{
	CURLU *u = curl_url();
	if (!u)
		return nx_error_set(err, NX_ENOMEM, "no memory for an address");
	int r = read_origin(a, u, url, ret, err);
	curl_url_cleanup(u);
	return r;
}

/* ---- what curl calls ---- */

static void touch(struct nx_http_call *call)
{
	call->last_byte_us = nx_time_mono_us();
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Is this the answer of a hop that is going to be followed, so that nobody wants its body? */
static bool is_passed_over(struct nx_http_call *call, long status)
{
	char *next = NULL;
	return is_redirect(status) && call->request.max_redirects > 0 &&
	       curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &next) == CURLE_OK && next;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct nx_http_call *call = ctx;
	long status = 0;
	n *= size; /* size is 1 by curl's contract */
	touch(call);
	(void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (is_passed_over(call, status))
		return n;
	if (n > call->request.max_response_bytes - call->received) {
		call->too_big = true;
		return CURL_WRITEFUNC_ERROR;
	}
	call->received += n;
	if (call->request.on_data && status >= 200 && status <= 299)
		call->request.on_data(nx_str_n(p, n), call->request.ctx);
	else if (!nx_buf_add(&call->body, p, n))
		call->no_memory = true;
	return call->no_memory ? CURL_WRITEFUNC_ERROR : n;
}

static size_t on_header(char *p NX_UNUSED, size_t size, size_t n, void *ctx)
{
	touch(ctx);
	return n * size;
}

/* Uploads are seen here only. */
static int on_progress(void *ctx, curl_off_t dltotal NX_UNUSED, curl_off_t dlnow, curl_off_t ultotal NX_UNUSED,
		       curl_off_t ulnow)
{
	struct nx_http_call *call = ctx;
	if (call->progress != dlnow + ulnow) {
		call->progress = dlnow + ulnow;
		touch(call);
	}
	return 0;
}

/* ---- one transfer ---- */

static bool has_header(const struct nx_http_request *r, const char *name)
{
	size_t n = strlen(name);
	for (const char *const *h = r->headers; *h; h++) {
		if (strncasecmp(*h, name, n) == 0 && (*h)[n] == ':')
			return true;
	}
	return false;
}

static bool add_header(struct nx_http_call *call, const char *line)
{
	struct curl_slist *l = curl_slist_append(call->headers, line);
	if (l)
		call->headers = l;
	return l != NULL;
}

static bool set_headers(struct nx_http_call *call)
{
	const struct nx_http_request *q = &call->request;
	bool ok = add_header(call, "Expect:"); /* no waiting for "100 Continue" */
	if (!has_header(q, "Content-Type"))
		ok = ok && add_header(call, "Content-Type:"); /* not curl's form type */
	for (const char *const *h = q->headers; ok && *h; h++)
		ok = add_header(call, *h);
	return ok && curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK;
}

static CURLcode set_method(struct nx_http_call *call)
{
	const struct nx_http_request *q = &call->request;
	CURL *e = call->easy;
	CURLcode r = CURLE_OK;
	if (q->body.p) {
		r = curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n);
		if (r == CURLE_OK)
			r = curl_easy_setopt(e, CURLOPT_POSTFIELDS, q->body.p);
	}
	if (r != CURLE_OK || strcmp(q->method, "GET") == 0)
		return r != CURLE_OK || !q->body.p ? r : curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, "GET");
	if (strcmp(q->method, "HEAD") == 0)
		return curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	return curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
}

static long to_ms(int64_t us)
{
	return (long)nx_max(us / NX_USEC_PER_MSEC, INT64_C(1));
}

/* Sums up the codes: all of them are CURLE_OK when the sum is. */
#define SET(option, value) failed |= curl_easy_setopt(call->easy, (option), (value)) != CURLE_OK

static bool set_limits(struct nx_http_call *call)
{
	const struct nx_http_request *q = &call->request;
	bool failed = false;
	SET(CURLOPT_CONNECTTIMEOUT_MS, to_ms(q->connect_timeout_us));
	SET(CURLOPT_TIMEOUT_MS, to_ms(call->deadline_us - nx_time_mono_us()));
	SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)nx_min(q->max_response_bytes, (size_t)INT64_MAX));
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_NOSIGNAL, 1L);
	/* A resolver that does not come back is left to its thread; without this a cancel would wait for it. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	return !failed;
}

static bool set_callbacks(struct nx_http_call *call)
{
	bool failed = false;
	SET(CURLOPT_PRIVATE, call);
	SET(CURLOPT_ERRORBUFFER, call->curl_error);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, call);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, call);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, call);
	SET(CURLOPT_NOPROGRESS, 0L);
	return !failed;
}

static bool set_target(struct nx_http_call *call)
{
	bool failed = false;
	SET(CURLOPT_URL, call->request.url);
	SET(CURLOPT_USERAGENT, USER_AGENT);
	if (call->request.unix_socket) {
		SET(CURLOPT_UNIX_SOCKET_PATH, call->request.unix_socket);
		SET(CURLOPT_NOPROXY, "*");
	} else {
		SET(CURLOPT_TCP_KEEPALIVE, 1L);
	}
	/* curl keeps the loaded certificates for all handles of the multi only where no directory of them is given. */
	SET(CURLOPT_CAPATH, NULL);
	if (call->client->ca_file)
		SET(CURLOPT_CAINFO, call->client->ca_file);
	return !failed;
}

#undef SET

int nx_http_transfer_init(struct nx_http_call *call, struct nx_error **err)
{
	if (call->deadline_us <= nx_time_mono_us())
		return nx_error_set(err, NX_ETIMEOUT, "%s was not asked within %g s", call->origin,
				    (double)call->request.timeout_us / NX_USEC_PER_SEC);
	if (!call->easy && !(call->easy = curl_easy_init()))
		return nx_error_set(err, NX_ENOMEM, "no memory for a request to %s", call->origin);
	if (!set_target(call) || !set_callbacks(call) || !set_limits(call) || !set_headers(call) ||
	    set_method(call) != CURLE_OK)
		return nx_error_set(err, NX_ENOMEM, "no memory for a request to %s", call->origin);
	return 0;
}

void nx_http_transfer_reset(struct nx_http_call *call)
{
	curl_easy_reset(call->easy);
	curl_slist_free_all(nx_steal(call->headers));
	nx_buf_clear(&call->body);
	call->received = 0;
	call->progress = 0;
	call->curl_error[0] = '\0';
}

/* ---- the next hop ---- */

/* Those that describe the content and what is wanted; any other may carry a secret of the first origin. */
static bool may_cross_origin(const char *header)
{
	static const char *const names[] = {"Accept:", "Accept-Language:", "Content-Type:", "User-Agent:"};
	for (size_t i = 0; i < nx_countof(names); i++) {
		if (strncasecmp(header, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

static void drop_headers(struct nx_http_call *call, bool (*keep)(const char *header))
{
	const char **to = call->request_headers;
	for (const char **h = to; *h; h++) {
		if (keep(*h))
			*to++ = *h;
	}
	*to = NULL;
}

static bool is_not_content(const char *header)
{
	return strncasecmp(header, "Content-", 8) != 0;
}

/* RFC 9110 15.4: 303 asks for a GET; 301 and 302 turn a POST into one, as every browser does. */
static void change_method(struct nx_http_call *call, long status)
{
	struct nx_http_request *q = &call->request;
	bool is_post = strcmp(q->method, "POST") == 0,
	     is_safe = strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0;
	if ((status == 303 && !is_safe) || ((status == 301 || status == 302) && is_post)) {
		q->method = "GET";
		q->body = NX_STR_NULL;
		drop_headers(call, is_not_content);
	}
}

static int check_hop(struct nx_http_call *call, const char *url, const char *origin, struct nx_error **err)
{
	const struct nx_http_request *q = &call->request;
	if (++call->hops > q->max_redirects)
		return nx_error_set(err, NX_ELIMIT, "%s redirects more than %u times", call->origin, q->max_redirects);
	if (q->check) {
		int r = q->check(url, q->ctx, err);
		return r < 0 ? nx_error_wrap(err, "a redirect of %s", call->origin) : 0;
	}
	if (strncmp(call->origin, "https:", 6) == 0 && strncmp(origin, "https:", 6) != 0)
		return nx_error_set(err, NX_EBLOCKED, "%s redirects from https to %s", call->origin, origin);
	return 0;
}

static int next_hop(struct nx_http_call *call, long status, const char *location, struct nx_error **err)
{
	const char *origin;
	char *url = nx_arena_strdup(call->arena, location);
	if (!url)
		return nx_error_set(err, NX_ENOMEM, "no memory for a redirect of %s", call->origin);
	int r = nx_http_origin(call->arena, url, &origin, err);
	if (r < 0)
		return nx_error_wrap(err, "a redirect of %s", call->origin);
	r = check_hop(call, url, origin, err);
	if (r < 0)
		return r;
	if (strcmp(origin, call->origin) != 0)
		drop_headers(call, may_cross_origin);
	change_method(call, status);
	call->request.url = url;
	call->origin = origin;
	return NX_HTTP_NEXT_HOP;
}

/* ---- what became of it ---- */

static const char *curl_text(const struct nx_http_call *call, CURLcode code)
{
	return call->curl_error[0] ? call->curl_error : curl_easy_strerror(code);
}

static int connect_error(const struct nx_http_call *call, CURLcode code, struct nx_error **err)
{
	long os_error = 0;
	(void)curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_error);
	if (os_error == ECONNREFUSED) {
		(void)nx_error_set(err, NX_ENETWORK, "%s refused the connection", call->origin);
		return nx_error_hint(err, "nothing listens there: start the service, or mend its address");
	}
	(void)nx_error_set(err, NX_ENETWORK, "no connection to %s: %s", call->origin, curl_text(call, code));
	return nx_error_hint(err, "check the address, the network and the proxy settings");
}

static int timeout_error(const struct nx_http_call *call, struct nx_error **err)
{
	curl_off_t ready_us = 0;
	(void)curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	if (ready_us == 0 && nx_time_mono_us() < call->deadline_us - NX_USEC_PER_MSEC)
		return nx_error_set(err, NX_ETIMEOUT, "no connection to %s within %g s", call->origin,
				    (double)call->request.connect_timeout_us / NX_USEC_PER_SEC);
	return nx_error_set(err, NX_ETIMEOUT, "%s did not finish within %g s (%zu bytes came)", call->origin,
			    (double)call->request.timeout_us / NX_USEC_PER_SEC, call->received);
}

static int too_big_error(const struct nx_http_call *call, struct nx_error **err)
{
	return nx_error_set(err, NX_ETOOBIG, "the answer of %s is larger than %zu bytes", call->origin,
			    call->request.max_response_bytes);
}

static int transfer_error(const struct nx_http_call *call, CURLcode code, struct nx_error **err)
{
	if (call->too_big)
		return too_big_error(call, err);
	if (call->no_memory)
		return nx_error_set(err, NX_ENOMEM, "no memory for the answer of %s", call->origin);
	switch (code) {
	case CURLE_COULDNT_CONNECT: return connect_error(call, code, err);
	case CURLE_OPERATION_TIMEDOUT: return timeout_error(call, err);
	case CURLE_FILESIZE_EXCEEDED: return too_big_error(call, err);
	case CURLE_OUT_OF_MEMORY: return nx_error_set(err, NX_ENOMEM, "no memory for a request to %s", call->origin);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		(void)nx_error_set(err, NX_ENETWORK, "%s: %s", call->origin, curl_text(call, code));
		return nx_error_hint(err, "check the name, and the name server of this machine");
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		(void)nx_error_set(err, NX_ENETWORK, "the certificate of %s is not trusted: %s", call->origin,
				   curl_text(call, code));
		return nx_error_hint(err, "name the file of its authority in SSL_CERT_FILE");
	default:
		return nx_error_set(err, NX_ENETWORK, "the connection to %s failed: %s", call->origin,
				    curl_text(call, code));
	}
}

int nx_http_transfer_result(struct nx_http_call *call, CURLcode code, int *ret_status, struct nx_error **err)
{
	long status = 0;
	char *location = NULL;
	if (code != CURLE_OK)
		return transfer_error(call, code, err);
	(void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (is_passed_over(call, status)) {
		(void)curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &location);
		return next_hop(call, status, location, err);
	}
	*ret_status = (int)status;
	return NX_HTTP_FINISHED;
}
