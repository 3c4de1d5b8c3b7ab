/* The table of verbs, in the order in which `nexus --help` lists them. */
#include "cli/verbs.h"

const struct nx_verb *const nx_verbs[] = {
	&nx_verb_serve,
	&nx_verb_ask,
	&nx_verb_ingest,
	&nx_verb_search,
	&nx_verb_exec,
	&nx_verb_sandbox,
	&nx_verb_scan,
	&nx_verb_remember,
	&nx_verb_recall,
	&nx_verb_task,
	&nx_verb_agent,
	&nx_verb_key,
	&nx_verb_config,
	&nx_verb_doctor,
	&nx_verb_explain,
	&nx_verb_bench,
	&nx_verb_completion,
	&nx_verb_version,
	&nx_verb_routes,
	&nx_verb_spawner,
	&nx_verb_model_worker,
	&nx_verb_extract,
	NULL,
};
