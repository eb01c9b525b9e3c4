/* dataset.c - reads a data set as eval does, and says how long that took and how much memory.
 *
 *   bench_dataset COCO.json IMAGES [REFS.json]
 *
 * Prints one JSON object. bench/dataset.py makes the files and runs it. */
#include "dataset.h"

#include "terminal.h"

#include <stdio.h>
#include <sys/resource.h>

/* For this process alone: getrusage also counts memory from before exec. */
static long long peak_bytes(void) {
  char line[200];
  long long kilobytes = 0;
  FILE *status = fopen("/proc/self/status", "re");
  while (status && fgets(line, sizeof line, status))
    if (sscanf(line, "VmHWM: %lld", &kilobytes) == 1) break;
  if (status) fclose(status);
  return 1024 * kilobytes;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: bench_dataset COCO.json IMAGES [REFS.json]\n");
    return 2;
  }
  dataset set;
  struct rusage used;
  double began = cli_now();
  if (!dataset_load(&set, argv[1], argc > 3 ? argv[3] : NULL, argv[2], 0)) return 1;
  double seconds = cli_now() - began;
  getrusage(RUSAGE_SELF, &used);
  double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  printf("{\"pictures\": %zu, \"boxes\": %zu, \"expressions\": %zu, \"left_out\": %zu, "
         "\"seconds\": %.3f, \"cpu_seconds\": %.3f, \"peak_bytes\": %lld}\n",
         set.n_pictures, set.n_objects, set.n_expressions, dataset_left_out(&set), seconds, cpu,
         peak_bytes());
  dataset_free(&set);
  return 0;
}
