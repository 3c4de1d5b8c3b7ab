#include "api/api_internal.h"

/* ---- shapes ---- */

static const struct nx_field agent_fields[] = {
	{.name = "name", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "unique among the tenant's agents"},
	{.name = "description", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "what it is good at"},
	{.name = "origin", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "builtin or stored"},
	{.name = "spec", .type = NX_T_MAP, .flags = NX_F_REQUIRED, .max_len = 1000, .help = "the whole spec"},
	{.name = "stats",
	 .type = NX_T_ARRAY,
	 .item = NX_T_ANY,
	 .flags = NX_F_REQUIRED,
	 .help = "measured history, by capability"},
};
static const struct nx_schema agent_schema = {.name = "Agent",
					      .help = "Who can do a step.",
					      .fields = agent_fields,
					      .nfields = nx_countof(agent_fields),
					      .open = true};
static const struct nx_field agent_list_fields[] = {
	{.name = "items", .type = NX_T_ARRAY, .item = NX_T_OBJECT, .schema = &agent_schema, .flags = NX_F_REQUIRED},
};
static const struct nx_schema agent_list_schema = {.name = "AgentList",
						   .help = "The agents.",
						   .fields = agent_list_fields,
						   .nfields = nx_countof(agent_list_fields)};

static const struct nx_field stored_fields[] = {
	{.name = "name", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "of the agent"},
};
static const struct nx_schema stored_schema = {.name = "AgentStored",
					       .help = "The agent is stored.",
					       .fields = stored_fields,
					       .nfields = nx_countof(stored_fields)};
static const struct nx_field deleted_fields[] = {
	{.name = "ok", .type = NX_T_BOOL, .flags = NX_F_REQUIRED, .help = "true"},
};
static const struct nx_schema deleted_schema = {.name = "AgentDeleted",
						.help = "The agent is deleted.",
						.fields = deleted_fields,
						.nfields = nx_countof(deleted_fields)};

static const struct nx_field tool_fields[] = {
	{.name = "name", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "what a step names"},
	{.name = "description", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "what it does and when to use it"},
	{.name = "capability", .type = NX_T_STRING, .help = "what it serves"},
	{.name = "effects", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "none, idempotent or once"},
	{.name = "input_schema", .type = NX_T_MAP, .flags = NX_F_REQUIRED, .max_len = 1000, .help = "JSON Schema"},
	{.name = "output", .type = NX_T_STRING, .help = "what its output holds"},
};
static const struct nx_schema tool_schema = {.name = "Tool",
					     .help = "What a step, an agent or a model can call.",
					     .fields = tool_fields,
					     .nfields = nx_countof(tool_fields)};
static const struct nx_field tool_list_fields[] = {
	{.name = "items", .type = NX_T_ARRAY, .item = NX_T_OBJECT, .schema = &tool_schema, .flags = NX_F_REQUIRED},
};
static const struct nx_schema tool_list_schema = {
	.name = "ToolList", .help = "The tools.", .fields = tool_list_fields, .nfields = nx_countof(tool_list_fields)};

/* ---- agents ---- */

static void list_agents(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_str items;
	if (nx_agents_list_json(r->api->parts.agents, r->who.tenant, r->arena, &items, &err)) {
		nx_request_reply_error(r, err);
		return;
	}
	char *text = nx_arena_printf(r->arena, "{\"items\":%.*s}", NX_FMT(items));
	if (text)
		nx_request_reply_json(r, 200, nx_str_z(text));
	else
		nx_request_reply_value(r, 200, NULL);
}

static void get_agent(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_str json;
	if (nx_agents_get_json(r->api->parts.agents, r->who.tenant, r->params[0], r->arena, &json, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, 200, json);
}

static void changed(struct nx_agent_change *c, struct nx_error *err)
{
	struct nx_request *r = c->ctx;
	if (err)
		nx_request_reply_error(r, nx_error_copy(err));
	else
		nx_request_reply_json(r, c->spec && nx_str_eqz(r->method, "POST") ? 201 : 200, c->answer);
}

static void change(struct nx_request *r, nx_str name, yyjson_val *spec)
{
	struct nx_agent_change *c = nx_arena_new_of(r->arena, struct nx_agent_change);
	if (!c) {
		nx_request_reply_value(r, 200, NULL);
		return;
	}
	*c = (struct nx_agent_change){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.name = name,
		.spec = spec,
		.hook = r->hook,
		.done = changed,
		.reply = r->api->parts.core_loop, /* the agents are its */
		.ctx = r,
	};
	nx_agents_change(r->api->parts.agents, c);
}

static void create_agent(struct nx_request *r)
{
	change(r, NX_STR_NULL, r->body);
}

static void put_agent(struct nx_request *r)
{
	change(r, r->params[0], r->body);
}

static void delete_agent(struct nx_request *r)
{
	change(r, r->params[0], NULL);
}

/* ---- tools ---- */

static void list_tools(struct nx_request *r)
{
	struct nx_tools *tools = nx_agents_tools(r->api->parts.agents);
	yyjson_mut_doc *d = nx_json_new(r->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL, *list = o ? yyjson_mut_obj_add_arr(d, o, "items") : NULL;
	bool ok = list != NULL;
	for (size_t i = 0; ok && i < nx_tools_count(tools); i++)
		ok = yyjson_mut_arr_append(list, nx_tool_json(nx_tools_at(tools, i), d));
	nx_request_reply_value(r, 200, ok ? o : NULL);
}

static void get_tool(struct nx_request *r)
{
	struct nx_error *err = NULL;
	const struct nx_tool *t = nx_tools_find(nx_agents_tools(r->api->parts.agents), r->params[0]);
	yyjson_mut_doc *d = t ? nx_json_new(r->arena) : NULL;
	if (t) {
		nx_request_reply_value(r, 200, d ? nx_tool_json(t, d) : NULL);
		return;
	}
	nx_error_set(&err, NX_ENOTFOUND, "there is no tool `%.*s`", NX_FMT(nx_str_slice(r->params[0], 0, 100)));
	nx_error_hint(&err, "GET /v1/tools lists them");
	nx_request_reply_error(r, err);
}

/* ---- the table ---- */

static const struct nx_answer agent_list_answers[] = {{200, &agent_list_schema, NULL, "the agents"}, {0}};
static const struct nx_answer agent_answers[] = {{200, &agent_schema, NULL, "the agent"}, {0}};
static const struct nx_answer created_answers[] = {{201, &stored_schema, NULL, "stored"}, {0}};
static const struct nx_answer stored_answers[] = {{200, &stored_schema, NULL, "stored"}, {0}};
static const struct nx_answer deleted_answers[] = {{200, &deleted_schema, NULL, "deleted"}, {0}};
static const struct nx_answer tool_list_answers[] = {{200, &tool_list_schema, NULL, "the tools"}, {0}};
static const struct nx_answer tool_answers[] = {{200, &tool_schema, NULL, "the tool"}, {0}};

static const struct nx_route routes[] = {
	{.method = "GET",
	 .path = "/v1/agents",
	 .id = "list_agents",
	 .tag = "agents",
	 .summary = "The agents, with their measured history",
	 .scope = NX_SCOPE_AGENTS_READ,
	 .where = NX_SHORT,
	 .handle = list_agents,
	 .answers = agent_list_answers,
	 .since = "0.1"},
	{.method = "POST",
	 .path = "/v1/agents",
	 .id = "create_agent",
	 .tag = "agents",
	 .summary = "Store an agent",
	 .scope = NX_SCOPE_AGENTS_WRITE,
	 .where = NX_SHORT,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = create_agent,
	 .body = &nx_agent_spec_schema,
	 .answers = created_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/v1/agents/{name}",
	 .id = "get_agent",
	 .tag = "agents",
	 .summary = "An agent",
	 .scope = NX_SCOPE_AGENTS_READ,
	 .where = NX_SHORT,
	 .handle = get_agent,
	 .answers = agent_answers,
	 .since = "0.1"},
	{.method = "PUT",
	 .path = "/v1/agents/{name}",
	 .id = "put_agent",
	 .tag = "agents",
	 .summary = "Store an agent under this name",
	 .scope = NX_SCOPE_AGENTS_WRITE,
	 .where = NX_SHORT,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = put_agent,
	 .body = &nx_agent_spec_schema,
	 .answers = stored_answers,
	 .since = "0.1"},
	{.method = "DELETE",
	 .path = "/v1/agents/{name}",
	 .id = "delete_agent",
	 .tag = "agents",
	 .summary = "Delete a stored agent",
	 .scope = NX_SCOPE_AGENTS_WRITE,
	 .where = NX_SHORT,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = delete_agent,
	 .answers = deleted_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/v1/tools",
	 .id = "list_tools",
	 .tag = "agents",
	 .summary = "The tools, with the schemas of their inputs",
	 .scope = NX_SCOPE_AGENTS_READ,
	 .where = NX_SHORT,
	 .handle = list_tools,
	 .answers = tool_list_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/v1/tools/{name}",
	 .id = "get_tool",
	 .tag = "agents",
	 .summary = "A tool",
	 .scope = NX_SCOPE_AGENTS_READ,
	 .where = NX_SHORT,
	 .handle = get_tool,
	 .answers = tool_answers,
	 .since = "0.1"},
};
const struct nx_route_table nx_routes_agents = {routes, nx_countof(routes)};
