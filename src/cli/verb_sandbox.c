/* nexus sandbox: images that programs run in, and sessions that live on between runs. */
#include "cli/verbs.h"

static const char *const words[] = {"image", "session", "shell", NULL};
static const struct nx_verb *const under[] = {&nx_verb_sandbox_shell, NULL};

static int run(struct nx_cli *c, int argc, char **argv)
{
	if (argc == 0)
		return nx_cli_usage(&nx_verb_sandbox, "say what of the sandbox: image, session or shell");
	if (strcmp(argv[0], "image") == 0)
		return nx_sandbox_image(c, argc - 1, argv + 1);
	if (strcmp(argv[0], "session") == 0)
		return nx_sandbox_session(c, argc - 1, argv + 1);
	if (strcmp(argv[0], "shell") == 0) /* after an option */
		return nx_verb_sandbox_shell.run(c, argc - 1, argv + 1);
	return nx_cli_unknown_word(&nx_verb_sandbox, argv[0]);
}

const struct nx_verb nx_verb_sandbox = {
	.name = "sandbox",
	.usage = "sandbox image [list] | sandbox image import NAME FILE|DIR | sandbox image remove NAME |\n"
		 "  nexus sandbox session [list] | sandbox session new [options] |\n"
		 "  nexus sandbox session shell ID | sandbox session end ID |\n"
		 "  nexus sandbox shell [options]",
	.summary = "images that programs run in, and sessions that live on between runs",
	.examples = "  nexus sandbox shell\n"
		    "  nexus sandbox image import science science.tar\n"
		    "  nexus exec --image science plot.py\n"
		    "  id=$(nexus sandbox session new)\n"
		    "  echo 'x = 41' | nexus exec --session $id -\n"
		    "  echo 'print(x + 1)' | nexus exec --session $id -\n"
		    "  nexus sandbox session shell $id\n"
		    "  nexus sandbox session end $id\n",
	.more = "FILE is an OCI image layout in a tar, an archive of `docker save` or a tar of a root; DIR is an OCI layout. Both\n"
		"are on the server's host. Digests are verified; devices and set-user-id bits are left out.\n"
		"In a session variables, files and processes live on from run to run, until it is ended, idle for too long, or\n"
		"over a limit. `session shell` opens a terminal in it, beside what runs; Ctrl-] leaves it, and its exit status is the\n"
		"shell's. The options are those of `session new` and of `shell`, which is a session with a terminal, for as long as\n"
		"that is open: `nexus sandbox shell --help`. Sessions that stay need a server.\n",
	.words = words,
	.under = under,
	.options = nx_sandbox_session_options,
	.alone = true,
	.run = run,
};
