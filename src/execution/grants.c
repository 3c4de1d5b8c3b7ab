/* What a client asks for beyond the walls: read from the request, checked, and put into words for spawner and program. */
#include "execution/execution_internal.h"
#include "execution/proxy_internal.h"

#include <stdio.h>

#define POINTER "/constraints/network_access"
#define TEXT_MAX_(x) #x
#define TEXT_MAX(x) TEXT_MAX_(x)

static int read_rule(yyjson_val *v, const char *list, size_t i, nx_str *ret, struct nx_error **err)
{
	struct nx_proxy_rule rule;
	nx_str text = nx_json_val_str(v);
	const char *wrong = !text.p ? "it is not a text"
			    : memchr(text.p, '\0', text.n)
				    ? "it holds a NUL"
				    : nx_proxy_rule_parse(text.p, strcmp(list, "deny") == 0, &rule);
	*ret = text;
	if (!wrong)
		return 0;
	nx_error_set(err, NX_EINVAL, "\"%.*s\" is no host that could be reached: %s", NX_FMT(nx_str_slice(text, 0, 80)),
		     wrong);
	nx_error_hint(err, "HOST, *.HOST, * or an address, with :PORT or :* behind it; without, ports 80 and 443");
	return nx_error_at(err, POINTER "/%s/%zu", list, i);
}

static int read_list(yyjson_val *o, const char *key, struct nx_arena *a, nx_str **ret, size_t *ret_n,
		     struct nx_error **err)
{
	yyjson_val *list = nx_json_get(o, key), *v;
	size_t i, n;
	*ret_n = 0;
	if (!list || yyjson_is_null(list))
		return 0;
	if (!yyjson_is_arr(list) || yyjson_arr_size(list) > NX_SPAWN_RULES_MAX) {
		nx_error_set(err, NX_EINVAL, "%s is a list of at most " TEXT_MAX(NX_SPAWN_RULES_MAX) " texts", key);
		return nx_error_at(err, POINTER "/%s", key);
	}
	*ret = nx_arena_array(a, nx_str, yyjson_arr_size(list) + 1);
	if (!*ret)
		return nx_error_set(err, NX_ENOMEM, "no memory for what a run may reach");
	yyjson_arr_foreach (list, i, n, v) {
		int r = read_rule(v, key, i, &(*ret)[i], err);
		if (r < 0)
			return r;
		(*ret_n)++;
	}
	return 0;
}

static int check_keys(yyjson_val *o, struct nx_error **err)
{
	yyjson_val *key, *v;
	size_t i, n;
	yyjson_obj_foreach (o, i, n, key, v) {
		if (yyjson_equals_str(key, "allow") || yyjson_equals_str(key, "deny"))
			continue;
		nx_error_set(err, NX_EINVAL, "network_access has `allow` and `deny`, not `%s`", yyjson_get_str(key));
		return nx_error_at(err, POINTER);
	}
	return 0;
}

int nx_exec_network_read(yyjson_val *v, struct nx_arena *a, struct nx_exec_network *ret, struct nx_error **err)
{
	static nx_str everything[] = {NX_STR("*:*")};
	*ret = (struct nx_exec_network){0};
	if (!v || yyjson_is_null(v) || yyjson_is_false(v))
		return 0;
	ret->is_granted = true;
	if (yyjson_is_true(v)) {
		ret->allow = everything;
		ret->nallow = nx_countof(everything);
		return 0;
	}
	if (!yyjson_is_obj(v)) {
		nx_error_set(err, NX_EINVAL, "network_access is true, false or {\"allow\": [...], \"deny\": [...]}");
		return nx_error_at(err, POINTER);
	}
	int r = check_keys(v, err);
	if (r == 0)
		r = read_list(v, "allow", a, &ret->allow, &ret->nallow, err);
	if (r == 0)
		r = read_list(v, "deny", a, &ret->deny, &ret->ndeny, err);
	if (r < 0 || ret->nallow)
		return r;
	nx_error_set(err, NX_EINVAL, "network_access allows nothing: name what may be reached");
	nx_error_hint(err, "[\"*\"] is every public host on ports 80 and 443; true is every public host on every port");
	return nx_error_at(err, POINTER "/allow");
}

/* ---- for the spawner ---- */

static int add_rules(struct nx_spawn_network *n, size_t *used, const nx_str *list, size_t count, struct nx_error **err)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].n + 1 > sizeof(n->rules) - *used) {
			nx_error_set(err, NX_ETOOBIG, "the hosts of network_access are more than %zu bytes together",
				     sizeof(n->rules));
			return nx_error_at(err, POINTER);
		}
		memcpy(n->rules + *used, list[i].p, list[i].n);
		*used += list[i].n + 1;
	}
	return 0;
}

int nx_run_network(const struct nx_config *c, const struct nx_exec_network *n, struct nx_spawn_network *ret,
		   struct nx_error **err)
{
	size_t used = 0;
	*ret = (struct nx_spawn_network){0};
	if (!n->is_granted)
		return 0;
	*ret = (struct nx_spawn_network){
		.is_granted = 1,
		.nallow = (uint8_t)n->nallow,
		.ndeny = (uint8_t)n->ndeny,
		.is_public_only = !c->sandbox_network_private,
		.lookups = c->sandbox_network_max_lookups,
		.connections = (uint16_t)c->sandbox_network_max_connections,
		.bytes = c->sandbox_network_max_bytes,
		.idle_us = c->sandbox_network_idle * NX_USEC_PER_MSEC,
	};
	int r = add_rules(ret, &used, n->allow, n->nallow, err);
	return r < 0 ? r : add_rules(ret, &used, n->deny, n->ndeny, err);
}

int nx_exec_network_check(const struct nx_config *c, const struct nx_exec_network *n, bool is_native,
			  struct nx_error **err)
{
	struct nx_spawn_network crossing;
	if (!n->is_granted)
		return 0;
	if (!c->sandbox_network) {
		nx_error_set(err, NX_EFORBIDDEN, "runs are granted no network here: sandbox.network is false");
		return nx_error_at(err, POINTER);
	}
	if (!is_native) {
		nx_error_set(err, NX_EUNSUPPORTED, "the Docker backend grants no network");
		nx_error_hint(err, "sandbox.backend: native");
		return nx_error_at(err, POINTER);
	}
	return nx_run_network(c, n, &crossing, err);
}

const char *const nx_blocked_names[] = {"network", "process", "file_write", NULL};

unsigned nx_exec_blocked(const struct nx_exec_constraints *k)
{
	unsigned blocked = 0;
	for (size_t i = 0; i < k->nblocked_operations; i++)
		for (unsigned b = 0; nx_blocked_names[b]; b++)
			if (nx_str_eqz(k->blocked_operations[i], nx_blocked_names[b]))
				blocked |= 1U << b;
	return blocked;
}

/* Refused where it would be blocked by nobody: better no run than one without its walls. */
static int check_blocked(const struct nx_exec *x, bool is_native, struct nx_error **err)
{
	const unsigned compiler = NX_BLOCKED_PROCESS | NX_BLOCKED_FILE_WRITE;
	unsigned blocked = nx_exec_blocked(&x->constraints);
	if (!blocked)
		return 0;
	if (!nx_id_none(x->session))
		nx_error_set(err, NX_EUNSUPPORTED,
			     "network, process and file_write cannot be blocked for one run of a session, whose "
			     "interpreter runs already: leave session_id out");
	else if (!is_native && (blocked != NX_BLOCKED_NETWORK || x->constraints.network.is_granted))
		nx_error_set(err, NX_EUNSUPPORTED,
			     "the Docker backend cannot block processes, writes or a network that is granted: use the "
			     "native one");
	else if (blocked & compiler && nx_str_eqz(x->language, "c"))
		nx_error_set(err, NX_EUNSUPPORTED,
			     "process and file_write cannot be blocked for c, whose compiler starts processes and "
			     "writes files");
	else
		return 0;
	return nx_error_at(err, "/constraints/blocked_operations");
}

int nx_exec_grants_check(const struct nx_config *c, const struct nx_exec *x, bool is_native, struct nx_error **err)
{
	const struct nx_exec_network *n = &x->constraints.network;
	if (n->is_granted && x->is_agents && !c->sandbox_network_agents) {
		nx_error_set(err, NX_EFORBIDDEN,
			     "an agent may not give its programs a network: "
			     "sandbox.network_agents is false");
		return nx_error_at(err, POINTER);
	}
	if (n->is_granted && !nx_id_eq(x->session, NX_ID_NONE)) {
		nx_error_set(err, NX_EUNSUPPORTED, "a run in a session has the session's network, and no other");
		nx_error_hint(err, "give network_access when the session is made, or leave session_id out");
		return nx_error_at(err, POINTER);
	}
	int r = check_blocked(x, is_native, err);
	return r < 0 ? r : nx_exec_network_check(c, n, is_native, err);
}

static void add_list(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, const nx_str *list, size_t n)
{
	yyjson_mut_val *a = yyjson_mut_obj_add_arr(d, o, key);
	for (size_t i = 0; a && i < n; i++)
		(void)yyjson_mut_arr_add_strncpy(d, a, list[i].p, list[i].n);
}

void nx_exec_network_add(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_exec_network *n)
{
	yyjson_mut_val *k = n->is_granted ? yyjson_mut_obj_add_obj(d, o, "network_access") : NULL;
	if (!k)
		return;
	add_list(d, k, "allow", n->allow, n->nallow);
	add_list(d, k, "deny", n->deny, n->ndeny);
}

/* ---- for the program ---- */

/* Programs that serve on loopback inside go round the proxy, unless it is the host's loopback that was granted. */
static bool names_loopback(const struct nx_exec_network *n)
{
	struct nx_proxy_rule rule;
	for (size_t i = 0; i < n->nallow; i++) {
		if (nx_proxy_rule_parse(n->allow[i].p, false, &rule))
			continue;
		const char *kind = rule.kind == NX_RULE_ADDRESS ? nx_ip_kind(&rule.ip) : NULL;
		if ((kind && strcmp(kind, "loopback") == 0) || strcmp(rule.host, "localhost") == 0)
			return true;
	}
	return false;
}

int nx_run_network_env(const struct nx_exec_network *n, struct nx_spawn_start *s, struct nx_error **err)
{
	static const char *const names[] = {"HTTP_PROXY",  "http_proxy", "HTTPS_PROXY",
					    "https_proxy", "ALL_PROXY",  "all_proxy"};
	char text[96];
	size_t used = 0;
	if (!n->is_granted)
		return 0;
	for (uint32_t i = 0; i < s->envc; i++)
		used += strlen(s->env + used) + 1;
	bool ok = s->envc + nx_countof(names) + 3 <= NX_SPAWN_ARGS_MAX;
	for (size_t i = 0; ok && i < nx_countof(names); i++, s->envc++) {
		snprintf(text, sizeof(text), "%s=http://127.0.0.1:%d", names[i], NX_PROXY_PORT);
		ok = nx_spawn_append(s->env, &used, text);
	}
	const char *around = names_loopback(n) ? "" : "localhost,127.0.0.1,::1";
	for (int i = 0; ok && i < 2; i++, s->envc++) {
		snprintf(text, sizeof(text), "%s=%s", i ? "no_proxy" : "NO_PROXY", around);
		ok = nx_spawn_append(s->env, &used, text);
	}
	ok = ok && nx_spawn_append(s->env, &used, "NODE_USE_ENV_PROXY=1");
	s->envc += ok;
	return ok ? 0 : nx_error_set(err, NX_EINTERNAL, "the environment of a run does not fit");
}
