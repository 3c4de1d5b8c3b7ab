#include "api/api_internal.h"

enum { MODELS_MAX = 64 };

static const struct nx_field model_fields[] = {
	{.name = "id", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "its name"},
	{.name = "kind", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "chat or embedding"},
	{.name = "provider", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "who runs it"},
	{.name = "state", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "ready, idle, or why it is missing"},
	{.name = "dimensions", .type = NX_T_INT, .help = "of an embedding"},
	{.name = "context", .type = NX_T_INT, .help = "longest input, in tokens; 0: not known"},
};
static const struct nx_schema model_schema = {.name = "Model",
					      .help = "A model that can be called.",
					      .fields = model_fields,
					      .nfields = nx_countof(model_fields)};
static const struct nx_field list_fields[] = {
	{.name = "items", .type = NX_T_ARRAY, .item = NX_T_OBJECT, .schema = &model_schema, .flags = NX_F_REQUIRED},
};
static const struct nx_schema list_schema = {
	.name = "ModelList", .help = "The models.", .fields = list_fields, .nfields = nx_countof(list_fields)};

static bool add_model(yyjson_mut_doc *d, yyjson_mut_val *list, const struct nx_model_info *m)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);
	return o && nx_json_add_strz(d, o, "id", m->id) && nx_json_add_strz(d, o, "kind", m->kind) &&
	       nx_json_add_strz(d, o, "provider", m->provider) && nx_json_add_strz(d, o, "state", m->state) &&
	       yyjson_mut_obj_add_uint(d, o, "dimensions", m->dims) &&
	       yyjson_mut_obj_add_uint(d, o, "context", m->context);
}

static void list_models(struct nx_request *r)
{
	struct nx_model_info models[MODELS_MAX];
	size_t n = nx_models_list(r->api->parts.models, models, MODELS_MAX);
	yyjson_mut_doc *d = nx_json_new(r->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL, *list = o ? yyjson_mut_obj_add_arr(d, o, "items") : NULL;
	bool ok = list != NULL;
	for (size_t i = 0; ok && i < n; i++)
		ok = add_model(d, list, &models[i]);
	nx_request_reply_value(r, 200, ok ? o : NULL);
}

static const struct nx_answer list_answers[] = {{200, &list_schema, NULL, "the models"}, {0}};
static const struct nx_route routes[] = {
	{.method = "GET",
	 .path = "/v1/models",
	 .id = "list_models",
	 .tag = "models",
	 .summary = "The models that can be called",
	 .scope = NX_SCOPE_MODELS_READ,
	 .where = NX_SHORT,
	 .handle = list_models,
	 .answers = list_answers,
	 .since = "0.1"},
};
const struct nx_route_table nx_routes_models = {routes, nx_countof(routes)};
