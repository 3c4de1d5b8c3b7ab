/* `nexus bench retrieval` as a program of its own, for builds without the rest. */
#include "cli/benches.h"

int main(int argc, char **argv)
{
	return nx_bench_retrieval(argc, argv);
}
