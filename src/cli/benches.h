/* Benchmarks within the program: those that drive its libraries rather than a server. */
#ifndef NX_CLI_BENCHES_H
#define NX_CLI_BENCHES_H

/* As a program's main; the process may end inside. */
int nx_bench_retrieval(int argc, char **argv);

#endif
