/* From options to the constraints of a program: numbers, and what it is granted. */
#include "cli/verbs.h"

#define NUMBER_MAX 1e9

int nx_cli_add_number(const char *option, const char *text, bool is_whole, yyjson_mut_doc *d, yyjson_mut_val *o,
		      const char *key, struct nx_error **err)
{
	double v;

	if (!text)
		return 0;
	if (!nx_str_to_f64(nx_str_z(text), &v) || v <= 0 || v > NUMBER_MAX)
		return nx_error_set(err, NX_EINVAL, "--%s takes a number above zero, at most %.0f, not `%s`", option,
				    NUMBER_MAX, text);
	if (is_whole)
		yyjson_mut_obj_add_int(d, o, key, (int64_t)v);
	else
		yyjson_mut_obj_add_real(d, o, key, v);
	return 0;
}

static int add_list(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, const char *text, char separator,
		    struct nx_error **err)
{
	nx_str rest = nx_str_z(text);
	yyjson_mut_val *list = text ? yyjson_mut_obj_add_arr(d, o, key) : NULL;

	while (text && rest.n) {
		nx_str one = nx_str_cut(&rest, separator);
		if (one.n && !yyjson_mut_arr_add_strncpy(d, list, one.p, one.n))
			return nx_error_set(err, NX_ENOMEM, "no memory for the list of --%s", key);
	}
	return 0;
}

/* --deny alone takes from every public address. */
static int add_network(const struct nx_cli_grants *g, yyjson_mut_doc *d, yyjson_mut_val *o, struct nx_error **err)
{
	bool is_all = g->allow ? strcmp(g->allow, "all") == 0 : g->deny != NULL;
	if (!g->allow && !g->deny)
		return 0;
	yyjson_mut_val *k = yyjson_mut_obj_add_obj(d, o, "network_access");
	int r = add_list(d, k, "allow", is_all ? "*:*" : g->allow, ',', err);
	return r == 0 ? add_list(d, k, "deny", g->deny, ',', err) : r;
}

int nx_cli_add_grants(const struct nx_cli_grants *g, yyjson_mut_doc *d, yyjson_mut_val *constraints,
		      struct nx_error **err)
{
	int r = add_network(g, d, constraints, err);
	if (r < 0 || (!g->read && !g->write))
		return r;
	yyjson_mut_val *k = yyjson_mut_obj_add_obj(d, constraints, "file_system_access");
	r = add_list(d, k, "read", g->read, ':', err);
	return r == 0 ? add_list(d, k, "write", g->write, ':', err) : r;
}
