/* Programs within the program: started by the server, never by people. */
#include "cli/verbs.h"
#include "execution/execution.h"
#include "extract/extract.h"
#include "model/model.h"

const struct nx_verb nx_verb_spawner = {
	.name = "spawner",
	.usage = "spawner",
	.summary = "makes sandboxes for the server",
	.examples = "",
	.hidden = true,
	.raw = nx_spawner_main,
};
const struct nx_verb nx_verb_model_worker = {
	.name = "model-worker",
	.usage = "model-worker",
	.summary = "runs chat models for the server",
	.examples = "",
	.hidden = true,
	.raw = nx_model_worker_main,
};
const struct nx_verb nx_verb_extract = {
	.name = "extract",
	.usage = "extract html|docx|pdf",
	.summary = "reads one document for the server, from standard input",
	.examples = "",
	.hidden = true,
	.raw = nx_extract_main,
};
