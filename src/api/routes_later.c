/* Operations of later versions: they ask for their key and answer 501. */
#include "api/route_internal.h"

#define LATER(method_, path_, id_, tag_, scope_)                                                                     \
	{                                                                                                            \
		.method = method_, .path = path_, .id = id_, .tag = tag_, .summary = "", .scope = NX_SCOPE_##scope_, \
		.where = NX_INLINE                                                                                   \
	}

static const struct nx_route routes[] = {
	LATER("GET", "/v1/tasks/{id}/state", "get_task_state", "tasks", TASKS_READ),
	LATER("POST", "/v1/tasks/{id}/pause", "pause_task", "tasks", TASKS_WRITE),
	LATER("POST", "/v1/tasks/{id}/resume", "resume_task", "tasks", TASKS_WRITE),
	LATER("POST", "/v1/tasks/{id}/signal", "signal_task", "tasks", TASKS_WRITE),
	LATER("POST", "/v1/tasks/{id}/approve", "approve_step", "tasks", TASKS_WRITE),
	LATER("POST", "/v1/tasks/{id}/fork", "fork_task", "tasks", TASKS_WRITE),
	LATER("POST", "/v1/queues/{name}/poll", "poll_queue", "tasks", TASKS_WRITE),
	LATER("POST", "/v1/queues/{name}/complete", "complete_step", "tasks", TASKS_WRITE),
	LATER("POST", "/v1/queues/{name}/heartbeat", "heartbeat_step", "tasks", TASKS_WRITE),
	LATER("GET", "/v1/schedules", "list_schedules", "tasks", TASKS_READ),
	LATER("POST", "/v1/schedules", "create_schedule", "tasks", TASKS_WRITE),
	LATER("GET", "/v1/schedules/{id}", "get_schedule", "tasks", TASKS_READ),
	LATER("PUT", "/v1/schedules/{id}", "put_schedule", "tasks", TASKS_WRITE),
	LATER("DELETE", "/v1/schedules/{id}", "delete_schedule", "tasks", TASKS_WRITE),
	LATER("POST", "/v1/knowledge/cypher", "query_graph", "knowledge", KNOWLEDGE_READ),
	LATER("GET", "/v1/memory/{id}/history", "get_memory_history", "memory", MEMORY_READ),
	LATER("POST", "/v1/memory/export", "export_memory", "memory", MEMORY_READ),
	LATER("POST", "/v1/memory/import", "import_memory", "memory", MEMORY_WRITE),
	LATER("POST", "/v1/tools", "create_tool", "agents", AGENTS_WRITE),
	LATER("DELETE", "/v1/tools/{name}", "delete_tool", "agents", AGENTS_WRITE),
	LATER("GET", "/v1/alerts", "list_alerts", "system", METRICS_READ),
	LATER("POST", "/v1/chat/completions", "create_chat_completion", "models", MODELS_USE),
	LATER("POST", "/v1/responses", "create_response", "models", MODELS_USE),
	LATER("POST", "/v1/embeddings", "create_embeddings", "models", MODELS_USE),
	LATER("POST", "/mcp", "mcp", "protocols", TASKS_WRITE),
	LATER("POST", "/a2a", "a2a", "protocols", TASKS_WRITE),
	LATER("GET", "/.well-known/agent-card.json", "get_agent_card", "protocols", TASKS_READ),
};
const struct nx_route_table nx_routes_later = {routes, nx_countof(routes)};
