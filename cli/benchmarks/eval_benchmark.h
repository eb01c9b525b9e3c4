/* eval_benchmark.h - gromatic eval rec, lvis-ground, proposals, region-captions: the published
 * benchmarks of Groma, asked as they were and counted as their tools count; and eval ground
 * --absent, counted as gRefCOCO and SA-Co count. */
#ifndef CLI_EVAL_BENCHMARK_H
#define CLI_EVAL_BENCHMARK_H

#include "arguments.h"

/* Whether the first input names a benchmark. */
bool cli_is_benchmark(const cli_args *args);
/* An option of benchmarks alone that was given, as "--protocol"; NULL: none. */
const char *cli_benchmark_option(const cli_args *args);
/* Runs the benchmark that is the first input. Returns the exit code. */
int cli_eval_benchmark(const cli_args *args);

#endif
