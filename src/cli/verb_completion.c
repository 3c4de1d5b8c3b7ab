/*
 * nexus completion: what Tab offers, written for a shell from the table of verbs.
 *
 * The second word is a verb; after it come its options, the words it knows, or files. Verbs that take the configuration
 * offer its flags too.
 */
#include "cli/verbs.h"

static const char *const shells[] = {"bash", "zsh", "fish", NULL};

/* The options that every verb has; those that are configuration come from its table. */
static const struct nx_cli_option url_option = {"url", "URL", "server to talk to", NULL, NULL};
static const struct nx_cli_option common[] = {
	{"home", "DIR", "data directory", NULL, NULL},
	{"json", NULL, "print what a program can read", NULL, NULL},
	{"help", NULL, "what the verb does", NULL, NULL},
};

typedef void put_option(const struct nx_verb *v, const struct nx_cli_option *o);

static void each_option(const struct nx_verb *v, put_option *put)
{
	if (v->raw) {
		put(v, &common[2]);
		return;
	}
	for (const struct nx_cli_option *o = v->options; o && o->name; o++)
		put(v, o);
	if (v->alone)
		put(v, &url_option);
	for (size_t i = 0; i < nx_countof(common); i++)
		put(v, &common[i]);
	for (size_t i = 0; v->takes_config && i < nx_config_noptions; i++) {
		const struct nx_config_option *k = &nx_config_options[i];
		struct nx_cli_option o = {.name = k->flag + 2, .arg = "VALUE", .help = k->help};
		if (strcmp(o.name, "home") != 0)
			put(v, &o);
	}
}

static bool is_file(const char *arg)
{
	return strcmp(arg, "FILE") == 0 || strcmp(arg, "DIR") == 0;
}

/* Between single quotes. bash and zsh leave them for a quote, fish escapes it; `special` are escaped besides. */
static void put_quoted(const char *s, const char *special, bool fish)
{
	for (; *s; s++) {
		if (*s == '\'')
			fputs(fish ? "\\'" : "'\\''", stdout);
		else if (strchr(special, *s))
			printf("\\%c", *s);
		else
			putchar(*s);
	}
}

static void put_words(const char *const *words)
{
	for (size_t i = 0; words && words[i]; i++)
		printf("%s%s", i ? " " : "", words[i]);
}

static void put_verbs(void)
{
	for (size_t i = 0; nx_verbs[i]; i++)
		if (!nx_verbs[i]->hidden)
			printf("%s ", nx_verbs[i]->name);
}

/* ---- bash ---- */

static void bash_option(const struct nx_verb *v, const struct nx_cli_option *o)
{
	(void)v;
	printf(" --%s", o->name);
}

static void bash_value(const struct nx_verb *v, const struct nx_cli_option *o)
{
	(void)v;
	if (o->arg)
		printf(" --%s", o->name);
}

static void bash_verb(const struct nx_verb *v)
{
	printf("\t%s)\n\t\toptions='", v->name);
	each_option(v, bash_option);
	fputs("'\n\t\tvalues='", stdout);
	each_option(v, bash_value);
	fputs(" '\n\t\twords='", stdout);
	put_words(v->words);
	puts("' ;;");
}

static void bash(void)
{
	fputs("# Completion of nexus for bash, written by `nexus completion bash`.\n_nexus()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} options= values= words=\n"
	      "\tCOMPREPLY=()\n\tif ((COMP_CWORD == 1)); then\n\t\tCOMPREPLY=($(compgen -W '",
	      stdout);
	put_verbs();
	fputs("help --help --version' -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in\n\thelp)\n\t\twords='",
	      stdout);
	put_verbs();
	puts("' ;;");
	for (size_t i = 0; nx_verbs[i]; i++)
		if (!nx_verbs[i]->hidden)
			bash_verb(nx_verbs[i]);
	fputs("\tesac\n"
	      "\tcase $values in *\" $prev \"*) return ;; esac\n"
	      "\tcase $cur in\n"
	      "\t-*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
	      "\t*) ((COMP_CWORD == 2)) && COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
	      "\tesac\n}\ncomplete -o bashdefault -o default -F _nexus nexus\n",
	      stdout);
}

/* ---- zsh ---- */

static void zsh_option(const struct nx_verb *v, const struct nx_cli_option *o)
{
	(void)v;
	printf(" \\\n\t\t\t'--%s%s[", o->name, o->arg ? "=" : "");
	put_quoted(o->help, "[]:\\", false);
	putchar(']');
	if (o->arg)
		printf(":%s:%s", o->arg, is_file(o->arg) ? "_files" : "");
	putchar('\'');
}

static void zsh_verb(const struct nx_verb *v)
{
	printf("\t%s)\n\t\t_arguments -S", v->name);
	each_option(v, zsh_option);
	if (v->words) {
		fputs(" \\\n\t\t\t'1:word:(", stdout);
		put_words(v->words);
		fputs(")'", stdout);
	}
	puts(" \\\n\t\t\t'*:file:_files' ;;");
}

static void zsh(void)
{
	puts("#compdef nexus\n# Completion of nexus for zsh, written by `nexus completion zsh`.\n_nexus()\n{\n"
	     "\tlocal -a verbs=(");
	for (size_t i = 0; nx_verbs[i]; i++) {
		if (nx_verbs[i]->hidden)
			continue;
		printf("\t\t'%s:", nx_verbs[i]->name);
		put_quoted(nx_verbs[i]->summary, "", false);
		puts("'");
	}
	puts("\t)\n\tif ((CURRENT == 2)); then\n\t\t_describe verb verbs\n\t\treturn\n\tfi\n"
	     "\tshift words\n\t((CURRENT--))\n\tcase $words[1] in\n\thelp) _describe verb verbs ;;");
	for (size_t i = 0; nx_verbs[i]; i++)
		if (!nx_verbs[i]->hidden)
			zsh_verb(nx_verbs[i]);
	puts("\tesac\n}\nif [ \"$funcstack[1]\" = _nexus ]; then\n\t_nexus \"$@\"\nelse\n\tcompdef _nexus nexus\nfi");
}

/* ---- fish ---- */

static void fish_option(const struct nx_verb *v, const struct nx_cli_option *o)
{
	printf("complete -c nexus -n '__fish_seen_subcommand_from %s' -l %s%s -d '", v->name, o->name,
	       !o->arg           ? ""
	       : is_file(o->arg) ? " -r -F"
				 : " -x");
	put_quoted(o->help, "\\", true);
	puts("'");
}

static void fish_verb(const struct nx_verb *v)
{
	printf("complete -c nexus -n __fish_use_subcommand -a %s -d '", v->name);
	put_quoted(v->summary, "\\", true);
	puts("'");
	if (v->words) {
		printf("complete -c nexus -n '__fish_seen_subcommand_from %s' -a '", v->name);
		put_words(v->words);
		puts("'");
	}
	if (strstr(v->usage, "FILE"))
		printf("complete -c nexus -n '__fish_seen_subcommand_from %s' -F\n", v->name);
	each_option(v, fish_option);
}

static void fish(void)
{
	puts("# Completion of nexus for fish, written by `nexus completion fish`.\ncomplete -c nexus -f\n"
	     "complete -c nexus -n __fish_use_subcommand -a help -d 'what a verb does'");
	fputs("complete -c nexus -n '__fish_seen_subcommand_from help' -a '", stdout);
	put_verbs();
	puts("'");
	for (size_t i = 0; nx_verbs[i]; i++)
		if (!nx_verbs[i]->hidden)
			fish_verb(nx_verbs[i]);
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	static void (*const writers[])(void) = {bash, zsh, fish};

	(void)c;
	if (argc != 1)
		return nx_cli_usage(&nx_verb_completion, "name a shell: bash, zsh or fish");
	for (size_t i = 0; shells[i]; i++) {
		if (strcmp(argv[0], shells[i]) == 0) {
			writers[i]();
			return NX_EXIT_OK;
		}
	}
	return nx_cli_unknown_word(&nx_verb_completion, argv[0]);
}

const struct nx_verb nx_verb_completion = {
	.name = "completion",
	.usage = "completion bash|zsh|fish",
	.summary = "what Tab offers in a shell",
	.examples = "  source <(nexus completion bash)\n"
		    "  nexus completion zsh > ~/.zfunc/_nexus\n"
		    "  nexus completion fish > ~/.config/fish/completions/nexus.fish\n",
	.more = "`make install` puts all three where the shells look for them.\n",
	.words = shells,
	.run = run,
};
