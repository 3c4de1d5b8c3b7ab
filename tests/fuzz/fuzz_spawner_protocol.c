/* Any bytes as a message in either direction: what the check lets pass can be used without looking again. */
#include "execution/sandbox_internal.h"

#include "base/assert.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_start(struct nx_spawn_start *s)
{
	char *argv[NX_SPAWN_ARGS_MAX + 1], *envp[NX_SPAWN_ARGS_MAX + 1];
	nx_assert(nx_spawn_split(s->args, s->argc, argv) && nx_spawn_split(s->env, s->envc, envp));
	for (char **p = argv; *p; p++)
		nx_assert(*p >= s->args && *p + strlen(*p) < s->args + sizeof(s->args));
	for (char **p = envp; *p; p++)
		nx_assert(*p >= s->env && *p + strlen(*p) < s->env + sizeof(s->env));
}

static void use_text(const uint8_t *data, size_t size)
{
	char text[2048], path[128];
	struct nx_cgroup_mounts m;
	struct nx_cgroup_name name;
	size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
	memcpy(text, data, n);
	text[n] = '\0';
	nx_cgroup_parse_mounts(text, &m);
	(void)nx_cgroup_parse_path(text, "memory", path, sizeof(path));
	(void)nx_cgroup_parse_path(text, NULL, path, sizeof(path));
	(void)nx_cgroup_parse_key(text, "max");
	(void)nx_cgroup_has_word(text, "cpu");
	(void)nx_cgroup_name_parse(text, &name);
	(void)nx_force_parse(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static union nx_spawn_msg m;
	if (size < 1)
		return 0;
	bool to_spawner = data[0] & 1;
	size_t n = size - 1 < sizeof(m) ? size - 1 : sizeof(m);
	memset(&m, 0, sizeof(m));
	memcpy(&m, data + 1, n);
	if (data[0] & 2) { /* most inputs should get past the head */
		m.head.magic = NX_SPAWN_MAGIC;
		m.head.version = NX_SPAWN_VERSION;
		n = nx_spawn_size(m.head.type);
	}
	if (!nx_spawn_check(&m, n, to_spawner)) {
		nx_assert(n == nx_spawn_size(m.head.type));
		if (m.head.type == NX_SPAWN_START)
			use_start(&m.start);
		if (m.head.type == NX_SPAWN_FAILED)
			nx_assert(strlen(m.failed.stage) < sizeof(m.failed.stage));
	}
	use_text(data, size);
	return 0;
}
