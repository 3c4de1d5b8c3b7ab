/* The table of config.h. Sorted by name. */
#ifndef NX_BASE_CONFIG_TABLE_H
#define NX_BASE_CONFIG_TABLE_H

#define NX_KIB 1024.0
#define NX_MIB 1048576.0
#define NX_GIB 1073741824.0

/* clang-format off */
#define NX_CONFIG_OPTIONS(X) \
X(api_allowed_hosts, "api.allowed_hosts", STR, "", 0, 0, 0, "further names, separated by commas, that a Host header may carry when no keys exist") \
X(api_allowed_origins, "api.allowed_origins", STR, "", 0, 0, 0, "origins, separated by commas, whose pages may call the API from a browser") \
X(api_idempotency_ttl, "api.idempotency_ttl", TIME, "24h", 60e3, 30*864e5, 0, "how long the answer to an Idempotency-Key is kept") \
X(api_idle_timeout, "api.idle_timeout", TIME, "75s", 1e3, 3600e3, 0, "time after which a connection on which nothing happens is closed") \
X(api_max_bodies_bytes, "api.max_bodies_bytes", SIZE, "256MiB", NX_MIB, 64*NX_GIB, 0, "request bodies held at once, together; the next one is refused") \
X(api_max_body_bytes, "api.max_body_bytes", SIZE, "32MiB", NX_KIB, NX_GIB, 0, "largest request body") \
X(api_max_connections, "api.max_connections", INT, "4096", 8, 65536, 0, "connections held at once; the next one is refused") \
X(api_max_depth, "api.max_depth", INT, "32", 4, 256, 0, "deepest nesting of a JSON body") \
X(api_max_header_bytes, "api.max_header_bytes", SIZE, "16KiB", 4*NX_KIB, NX_MIB, 0, "memory of a connection for its request line and headers") \
X(api_max_page, "api.max_page", INT, "200", 1, 10000, 0, "most items in one page of a list") \
X(api_max_wait, "api.max_wait", TIME, "300s", 1e3, 3600e3, 0, "longest time a request may wait for its task") \
X(api_stream_buffer_bytes, "api.stream_buffer_bytes", SIZE, "256KiB", 4*NX_KIB, 64*NX_MIB, 0, "what may wait in an event stream whose client reads slowly") \
X(api_threads, "api.threads", INT, "0", 0, 64, 0, "HTTP threads; 0: one per core, at most 4") \
X(core_default_timeout, "core.default_timeout", TIME, "300s", 1e3, 864e5, 0, "total time of a task that names none") \
X(core_max_attempts, "core.max_attempts", INT, "10", 1, 100, 0, "most attempts a step's retry policy may ask for") \
X(core_max_input_bytes, "core.max_input_bytes", SIZE, "256KiB", NX_KIB, 16*NX_MIB, 0, "longest input of a task") \
X(core_max_pending, "core.max_pending", INT, "100000", 1, 1e7, 0, "tasks that may wait or run at once; the next one is refused") \
X(core_max_result_bytes, "core.max_result_bytes", SIZE, "4MiB", NX_KIB, 64*NX_MIB, 0, "largest output of one step") \
X(core_max_running, "core.max_running", INT, "64", 1, 10000, 0, "steps that run at once") \
X(core_max_steps, "core.max_steps", INT, "1000", 1, 100000, 0, "steps in one plan") \
X(core_max_timeout, "core.max_timeout", TIME, "24h", 1e3, 30*864e5, 0, "longest timeout a task may ask for") \
X(core_repeat_wait, "core.repeat_wait", TIME, "1h", 0, 30*864e5, 0, "how long a step that a crash cut off, and that may not be repeated unasked, waits for someone before it fails") \
X(home, "home", STR, "", 0, 0, 0, "the data directory (default: nexus in XDG_DATA_HOME, or in ~/.local/share)") \
X(knowledge_chunk_bytes, "knowledge.chunk_bytes", SIZE, "1200B", 200, 16*NX_KIB, 0, "target length of a chunk of a document") \
X(knowledge_extract_memory_mb, "knowledge.extract_memory_mb", INT, "512", 64, 16384, 0, "memory of the program that reads one HTML, Word or PDF document, in MiB; at most sandbox.max_memory_mb") \
X(knowledge_extract_time, "knowledge.extract_time", TIME, "30s", 1e3, 600e3, 0, "longest time that reading one HTML, Word or PDF document may take") \
X(knowledge_max_blocks, "knowledge.max_blocks", INT, "100000", 100, 1e7, 0, "parts of one document: paragraphs, rows of a table, items of a list") \
X(knowledge_max_depth, "knowledge.max_depth", INT, "5", 1, 10, 0, "deepest expansion of connected entities") \
X(knowledge_max_document_bytes, "knowledge.max_document_bytes", SIZE, "16MiB", NX_KIB, NX_GIB, 0, "largest document") \
X(knowledge_max_documents, "knowledge.max_documents", INT, "1000", 1, 100000, 0, "documents in one request") \
X(knowledge_max_expanded_bytes, "knowledge.max_expanded_bytes", SIZE, "128MiB", NX_MIB, 4*NX_GIB, 0, "bytes that a Word document may unpack to") \
X(knowledge_max_expansion, "knowledge.max_expansion", INT, "200", 2, 10000, 0, "times its size that a Word document may unpack to, above 1 MiB") \
X(knowledge_max_limit, "knowledge.max_limit", INT, "200", 1, 10000, 0, "most hits of one search") \
X(knowledge_max_nesting, "knowledge.max_nesting", INT, "512", 16, 10000, 0, "depth to which elements of one document may be nested") \
X(knowledge_max_query_bytes, "knowledge.max_query_bytes", SIZE, "8KiB", 64, NX_MIB, 0, "longest query or question") \
X(knowledge_vectors, "knowledge.vectors", STR, "bf16", 0, 0, 0, "what is kept of a vector in memory beside a byte a component: codes (nothing), bf16 or float32, for more exact scores") \
X(listen, "listen", STR, "127.0.0.1:8600", 0, 0, 0, "address and port of the server; other than loopback needs a key") \
X(log_format, "log.format", STR, "auto", 0, 0, 0, "auto (text on a terminal, JSON lines elsewhere), text or json") \
X(log_level, "log.level", STR, "info", 0, 0, NX_CONFIG_HOT, "debug, info, warn or error") \
X(memory_capacity, "memory.capacity", INT, "100", 20, 10000, 0, "items of working memory for one user and session") \
X(memory_episode_importance, "memory.episode_importance", NUM, "0.7", 0, 1, 0, "importance above which a turn becomes an episode") \
X(memory_max_procedures, "memory.max_procedures", INT, "200", 1, 2000, 0, "plans that worked that are kept for one user") \
X(memory_max_text_bytes, "memory.max_text_bytes", SIZE, "64KiB", 64, 4*NX_MIB, 0, "longest text of one memory") \
X(model_api_key, "model.api_key", STR, "", 0, 0, NX_CONFIG_SECRET, "key sent to the OpenAI-compatible endpoint") \
X(model_base_url, "model.base_url", STR, "", 0, 0, 0, "OpenAI-compatible endpoint, with /v1; none: agents work by rules and tools") \
X(model_chat, "model.chat", STR, "", 0, 0, 0, "chat model: a name at the endpoint, or the path of a GGUF file") \
X(model_chat_idle, "model.chat_idle", TIME, "10min", 1e3, 864e5, 0, "idle time after which a local chat model is released") \
X(model_context, "model.context", INT, "4096", 256, 1048576, 0, "context of a local chat model, in tokens; no more than it was trained for") \
X(model_embedding, "model.embedding", STR, "minilm", 0, 0, 0, "minilm (local), none, or a model name at the endpoint") \
X(model_embedding_dims, "model.embedding_dims", INT, "0", 0, 65536, 0, "length of the vectors of the endpoint's embedding model; 0: that of a well-known name") \
X(model_embedding_idle, "model.embedding_idle", TIME, "60s", 1e3, 864e5, 0, "idle time after which the local encoder is released") \
X(model_max_response_bytes, "model.max_response_bytes", SIZE, "16MiB", NX_KIB, NX_GIB, 0, "largest answer read from the endpoint") \
X(model_max_tokens, "model.max_tokens", INT, "1024", 1, 1e6, 0, "longest answer of a chat model") \
X(model_price_input, "model.price_input", NUM, "0", 0, 1e6, 0, "US dollars for a million tokens sent to the chat model; budgets count with it") \
X(model_price_output, "model.price_output", NUM, "0", 0, 1e6, 0, "US dollars for a million tokens received from the chat model") \
X(model_retries, "model.retries", INT, "2", 0, 10, 0, "times a failed call to the endpoint is repeated") \
X(model_threads, "model.threads", INT, "0", 0, 256, 0, "threads of a local chat model; 0: half of the cores, at least one") \
X(model_timeout, "model.timeout", TIME, "120s", 1e3, 3600e3, 0, "longest model call") \
X(monitoring_keep, "monitoring.keep", TIME, "168h", 60e3, 3650*864e5, 0, "how long spans and log lines of tasks are kept") \
X(monitoring_queue_bytes, "monitoring.queue_bytes", SIZE, "4MiB", 64*NX_KIB, NX_GIB, 0, "spans and log lines that may wait to be written; what is over is dropped and counted") \
X(sandbox_backend, "sandbox.backend", STR, "native", 0, 0, 0, "native or docker") \
X(sandbox_degraded, "sandbox.degraded", BOOL, "true", 0, 0, 0, "run, and report it, when the host cannot enforce a limit; false: refuse") \
X(sandbox_docker_image, "sandbox.docker_image", STR, "python:3-slim", 0, 0, 0, "image that the Docker backend runs programs in; needs /bin/sh and the interpreters; pulled when it is missing") \
X(sandbox_docker_socket, "sandbox.docker_socket", STR, "/var/run/docker.sock", 0, 0, 0, "socket of the Docker engine") \
X(sandbox_files_agents, "sandbox.files_agents", BOOL, "false", 0, 0, 0, "agents may grant directories of the host (below the roots) to the programs they run; what a model was told to do may then read and change them") \
X(sandbox_max_artifact_bytes, "sandbox.max_artifact_bytes", SIZE, "16MiB", 0, NX_GIB, 0, "artifacts kept of one run, together") \
X(sandbox_max_code_bytes, "sandbox.max_code_bytes", SIZE, "1MiB", NX_KIB, 64*NX_MIB, 0, "longest program") \
X(sandbox_max_cpu_percent, "sandbox.max_cpu_percent", INT, "400", 1, 10000, 0, "most CPU a run may ask for, in percent of one core") \
X(sandbox_max_files, "sandbox.max_files", INT, "100", 0, 10000, 0, "files given to, or kept of, one run") \
X(sandbox_max_image_bytes, "sandbox.max_image_bytes", SIZE, "8GiB", NX_MIB, 1024*NX_GIB, 0, "largest image, unpacked") \
X(sandbox_max_memory_mb, "sandbox.max_memory_mb", INT, "4096", 16, 1048576, 0, "most memory a run may ask for, in MiB") \
X(sandbox_max_output_bytes, "sandbox.max_output_bytes", SIZE, "1MiB", NX_KIB, 64*NX_MIB, 0, "output kept of each stream of a run; over it the run ends with output_limit") \
X(sandbox_max_processes, "sandbox.max_processes", INT, "64", 1, 4096, 0, "processes and threads of one run") \
X(sandbox_max_queued, "sandbox.max_queued", INT, "1000", 1, 100000, 0, "runs that may wait for a slot; the next one is refused") \
X(sandbox_max_running, "sandbox.max_running", INT, "0", 0, 1024, 0, "runs at once; 0: two per core") \
X(sandbox_max_session_idle, "sandbox.max_session_idle", TIME, "1800s", 1e3, 864e5, 0, "longest time that a session may ask to wait for its next run before it is ended; the default of one that names none") \
X(sandbox_max_session_processes, "sandbox.max_session_processes", INT, "16", 0, 64, 0, "background processes and terminals that may run in one session; the next one is refused; as many that have ended are remembered") \
X(sandbox_max_session_queued, "sandbox.max_session_queued", INT, "16", 1, 1000, 0, "runs that may wait for their turn in one session; the next one is refused") \
X(sandbox_max_session_streams, "sandbox.max_session_streams", INT, "32", 0, 1000, 0, "streams of output and of changed files that may be open of one session; the next one is refused") \
X(sandbox_max_session_time, "sandbox.max_session_time", TIME, "4h", 1e3, 30*864e5, 0, "longest life of a session; the default of one that names none") \
X(sandbox_max_sessions, "sandbox.max_sessions", INT, "16", 0, 1000, 0, "sessions that a tenant may have at once; the next one is refused") \
X(sandbox_max_snapshot_bytes, "sandbox.max_snapshot_bytes", SIZE, "64MiB", NX_KIB, NX_GIB, 0, "largest snapshot of a session's files") \
X(sandbox_max_time, "sandbox.max_time", TIME, "600s", 1e3, 864e5, 0, "longest run that may be asked for") \
X(sandbox_max_watches, "sandbox.max_watches", INT, "1024", 1, 16384, 0, "directories that one watch of a session's files holds; more are refused") \
X(sandbox_network, "sandbox.network", BOOL, "true", 0, 0, 0, "runs may be granted a network, through a proxy, by who asks for them (network_access)") \
X(sandbox_network_agents, "sandbox.network_agents", BOOL, "false", 0, 0, 0, "agents may grant a network to the programs they run; what a model was told to do may then leave this host") \
X(sandbox_network_idle, "sandbox.network_idle", TIME, "60s", 1e3, 3600e3, 0, "a connection of a run on which nothing passes for so long is closed") \
X(sandbox_network_max_bytes, "sandbox.network_max_bytes", SIZE, "256MiB", NX_KIB, 1024*NX_GIB, 0, "bytes that a run may send and receive, together") \
X(sandbox_network_max_connections, "sandbox.network_max_connections", INT, "64", 1, 1024, 0, "connections of a run at once; the next one waits") \
X(sandbox_network_max_lookups, "sandbox.network_max_lookups", INT, "1000", 0, 1e6, 0, "names that a run may have resolved; each costs this host a process and a question to its resolver") \
X(sandbox_network_private, "sandbox.network_private", BOOL, "true", 0, 0, 0, "a run may be granted private, loopback and link-local addresses by naming them with their port; false: public ones only") \
X(sandbox_pool_idle, "sandbox.pool_idle", TIME, "60s", 1, 864e5, 0, "sandboxes and interpreters that wait are ended when no run was asked for this long") \
X(sandbox_pool_size, "sandbox.pool_size", INT, "4", 0, 64, 0, "sandboxes of each kind that are made ahead and wait; 0: none, and no warm interpreters") \
X(sandbox_process_input_bytes, "sandbox.process_input_bytes", SIZE, "1MiB", NX_KIB, 64*NX_MIB, 0, "input of a process of a session that may wait until it is read; more is refused") \
X(sandbox_process_output_bytes, "sandbox.process_output_bytes", SIZE, "256KiB", 4*NX_KIB, 64*NX_MIB, 0, "last bytes kept of the output of each process of a session") \
X(sandbox_process_start_wait, "sandbox.process_start_wait", TIME, "20s", 1, 600e3, 0, "time that a process of a session has to be started, under a small share of the CPU perhaps; after it the start is given up") \
X(sandbox_process_stop_grace, "sandbox.process_stop_grace", TIME, "2s", 1, 600e3, 0, "time that a process of a session has to end after it was asked to, before it is killed") \
X(sandbox_read_roots, "sandbox.read_roots", STR, "", 0, 0, 0, "directories of the host, separated by colons, below which a run may be granted directories to read; those of sandbox.write_roots, too") \
X(sandbox_root, "sandbox.root", STR, "", 0, 0, 0, "directory whose /usr programs see, read-only; empty: this host's") \
X(sandbox_rules_dir, "sandbox.rules_dir", STR, "", 0, 0, 0, "directory with the operator's own rules of the scanner: python.yaml, javascript.yaml, shell.yaml, c.yaml and policies.yaml; empty: none") \
X(sandbox_uid_base, "sandbox.uid_base", INT, "1900000000", 65536, 2e9, 0, "first of the host uids that sandboxes run under when NEXUS is root: one for each run at once, and one for the proxy of each") \
X(sandbox_warm_forks_max, "sandbox.warm_forks_max", INT, "1000", 1, 1e6, 0, "runs that take a copy of one interpreter that was started ahead, before another is started in its place; they share its hash seed and the layout of its memory") \
X(sandbox_without_namespaces, "sandbox.without_namespaces", BOOL, "false", 0, 0, 0, "run, and report it, where no namespace can be made, as in an unprivileged container: behind Landlock, seccomp and a user of its own; names of files stay visible") \
X(sandbox_work_bytes, "sandbox.work_bytes", SIZE, "64MiB", NX_MIB, 16*NX_GIB, 0, "size of the work directory of a run") \
X(sandbox_write_roots, "sandbox.write_roots", STR, "", 0, 0, 0, "directories of the host, separated by colons, below which a run may be granted directories to write") \
X(store_group_wait, "store.group_wait", TIME, "0ms", 0, 100, 0, "time the writer waits for company before it commits") \
X(store_synchronous, "store.synchronous", STR, "full", 0, 0, 0, "full; off and normal exist for tests that prove why") \
X(workers, "workers", INT, "0", 0, 256, 0, "worker threads; 0: one per core, at least 2")
/* clang-format on */

#endif
