#include "api/route_internal.h"

#include "api/api.h"

#include <stdio.h>

const char *const nx_where_names[] = {"inline", "async", "worker short", "worker long", NULL};

static const struct nx_route_table *const tables[] = {
	&nx_routes_system,
	&nx_routes_tasks,
	&nx_routes_search,
	&nx_routes_knowledge,
	&nx_routes_memory,
	&nx_routes_sessions,
	&nx_routes_sandbox,
	&nx_routes_sandbox_sessions,
	&nx_routes_sandbox_processes,
	&nx_routes_images,
	&nx_routes_agents,
	&nx_routes_models,
	&nx_routes_keys,
	&nx_routes_later,
};

static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

const struct nx_route *nx_route_at(size_t i)
{
	for (size_t t = 0; t < nx_countof(tables); t++) {
		if (i < tables[t]->n)
			return &tables[t]->routes[i];
		i -= tables[t]->n;
	}
	return NULL;
}

static unsigned method_bit(nx_str method)
{
	if (nx_str_eqz(method, "HEAD"))
		return 1;
	for (unsigned i = 0; i < nx_countof(methods); i++)
		if (nx_str_eqz(method, methods[i]))
			return 1u << i;
	return 0;
}

void nx_methods_text(unsigned bits, char *ret, size_t size)
{
	size_t n = 0;
	ret[0] = '\0';
	for (unsigned i = 0; i < nx_countof(methods); i++) {
		if (!(bits & 1u << i) || n >= size)
			continue;
		int more = snprintf(ret + n, size - n, "%s%s, ", methods[i], i == 0 ? ", HEAD" : "");
		n += more > 0 ? (size_t)more : 0;
	}
	if (n < size)
		(void)snprintf(ret + n, size - n, "OPTIONS");
}

/* ---- matching ---- */

/* How well a template fits: -1 not at all, else the number of literal segments. */
static int template_fit(const char *template, nx_str path, nx_str params[NX_ROUTE_PARAMS_MAX])
{
	nx_str t = nx_str_z(template + 1), p = nx_str_slice(path, 1, path.n);
	int literal = 0;
	size_t nparams = 0;
	for (;;) {
		nx_str whole = p;
		bool more_t = t.n > 0 && memchr(t.p, '/', t.n), more_p = p.n > 0 && memchr(p.p, '/', p.n);
		nx_str want = nx_str_cut(&t, '/'), got = nx_str_cut(&p, '/');
		if (want.n > 2 && want.p[0] == '{') {
			bool rest = want.p[want.n - 2] == '*';
			if (got.n == 0 || nparams == NX_ROUTE_PARAMS_MAX)
				return -1;
			params[nparams++] = rest ? whole : got;
			if (rest)
				return literal;
		} else if (nx_str_eq(want, got)) {
			literal++;
		} else {
			return -1;
		}
		if (more_t != more_p)
			return -1;
		if (!more_t)
			return literal;
	}
}

void nx_route_match(nx_str method, nx_str path, struct nx_match *ret)
{
	unsigned bit = method_bit(method);
	int best = -1;
	*ret = (struct nx_match){0};
	if (path.n == 0 || path.p[0] != '/')
		return;
	const struct nx_route *route;
	for (size_t i = 0; (route = nx_route_at(i)) != NULL; i++) {
		nx_str params[NX_ROUTE_PARAMS_MAX] = {0};
		int fit = template_fit(route->path, path, params);
		if (fit < 0)
			continue;
		unsigned own = method_bit(nx_str_z(route->method));
		ret->methods |= own;
		if (own == bit && fit > best) {
			best = fit;
			ret->route = route;
			memcpy(ret->params, params, sizeof(params));
		}
	}
}

const char *nx_route_nearest(nx_str path)
{
	const char *best = NULL;
	size_t best_distance = nx_max(path.n / 3, (size_t)2) + 1;
	const struct nx_route *route;
	if (path.n > 128)
		return NULL;
	for (size_t i = 0; (route = nx_route_at(i)) != NULL; i++) {
		if (!route->handle || strchr(route->path, '*'))
			continue;
		size_t d = nx_str_distance(path, nx_str_z(route->path), best_distance);
		if (d < best_distance) {
			best_distance = d;
			best = route->path;
		}
	}
	return best;
}

bool nx_route_param_name(const char *path, size_t i, nx_str *ret)
{
	for (const char *p = strchr(path, '{'); p; p = strchr(p + 1, '{')) {
		const char *end = strchr(p, '}');
		if (!end)
			return false;
		if (i-- == 0) {
			*ret = nx_str_n(p + 1, (size_t)(end - p - 1));
			if (ret->n > 0 && ret->p[ret->n - 1] == '*')
				ret->n--;
			return true;
		}
	}
	return false;
}

/* ---- the table as JSON ---- */

static yyjson_mut_val *route_json(const struct nx_route *r, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);
	bool ok = nx_json_add_strz(d, o, "method", r->method) && nx_json_add_strz(d, o, "path", r->path) &&
		  nx_json_add_strz(d, o, "operation", r->id) &&
		  nx_json_add_strz(d, o, "scope", r->scope == NX_SCOPE_PUBLIC ? "public" : nx_scope_names[r->scope]) &&
		  nx_json_add_strz(d, o, "where", nx_where_names[r->where]) &&
		  yyjson_mut_obj_add_bool(d, o, "idempotent", (r->flags & NX_R_IDEMPOTENT) != 0) &&
		  yyjson_mut_obj_add_bool(d, o, "body", r->body != NULL) &&
		  yyjson_mut_obj_add_bool(d, o, "implemented", r->handle != NULL) &&
		  yyjson_mut_obj_add_bool(d, o, "documented", r->handle && !(r->flags & NX_R_HIDDEN));
	return ok ? o : NULL;
}

int nx_api_routes_json(struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *list = d ? yyjson_mut_arr(d) : NULL;
	const struct nx_route *route;
	for (size_t i = 0; list && (route = nx_route_at(i)) != NULL; i++) {
		yyjson_mut_val *o = route_json(route, d);
		if (!o || !yyjson_mut_arr_append(list, o))
			list = NULL;
	}
	if (!list)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the route table");
	return nx_json_write(a, list, true, ret, err);
}
