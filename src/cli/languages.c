/* The language of a program by the name of its file. */
#include "cli/verbs.h"

static const struct {
	const char *ending, *language;
} endings[] = {
	{".py", "python"},      {".sh", "shell"},       {".bash", "shell"}, {".js", "javascript"},
	{".mjs", "javascript"}, {".cjs", "javascript"}, {".c", "c"},        {".sql", "sql"},
};

const char *nx_cli_language_of(const char *path)
{
	for (size_t i = 0; i < nx_countof(endings); i++)
		if (nx_str_ends(nx_str_z(path), nx_str_z(endings[i].ending)))
			return endings[i].language;
	return NULL;
}
