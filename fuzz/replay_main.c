/* replay_main.c - runs a fuzz target without a fuzzer, on the empty input, the files named on
 * the command line and all files of the folders named there. */
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static unsigned replay_file(const char *path) {
  size_t size;
  void *bytes = fuzz_read_file(path, &size);
  /* A copy of exactly this size, so that a sanitizer sees a read past its end. */
  uint8_t *exact = malloc(size);
  fuzz_check(exact || size == 0);
  for (size_t i = 0; i < size; i++) exact[i] = ((uint8_t *)bytes)[i];
  free(bytes);
  LLVMFuzzerTestOneInput(exact, size);
  free(exact);
  return 1;
}

static unsigned replay(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) {
    fprintf(stderr, "cannot open %s\n", path);
    exit(1);
  }
  if (!S_ISDIR(st.st_mode)) return replay_file(path);
  DIR *folder = opendir(path);
  fuzz_check(folder);
  unsigned n = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    char file[4096];
    if (entry->d_name[0] == '.') continue;
    snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
    n += replay_file(file);
  }
  closedir(folder);
  return n;
}

int main(int argc, char **argv) {
  unsigned n = 0;
  LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
  for (int i = 1; i < argc; i++) n += replay(argv[i]);
  printf("%u inputs replayed\n", n);
  return n == 0; /* an empty corpus is a mistake */
}
