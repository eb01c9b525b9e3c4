/* fuzz_packs.c - a file of panels: the input lies over the file that is wanted, from a place
 * that its first two bytes say, or stands for the whole file. What is accepted is the wanted
 * file but for what lies between its sums and its panels. */
#include "support.h"

#include "gguf_write.h"
#include "packs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 64, COLUMNS = 256, PLAIN = 64 + 48 + 8, PANELS = 4096 };

static gm_packs *packs;
static unsigned char *wanted;
static size_t wanted_size;

static gm_model_file *make_model(const char *path) {
  gm_gguf_writer *writer;
  gm_model_file *file;
  static const unsigned char weights[ROWS * COLUMNS / 32 * 34];
  fuzz_check(gm_gguf_writer_create(&writer, path, NULL) == GM_OK);
  gm_gguf_add_tensor(writer, "w", GM_TYPE_Q8_0, 2, (size_t[]){ROWS, COLUMNS});
  fuzz_check(gm_gguf_begin(writer, NULL) == GM_OK);
  fuzz_check(gm_gguf_write(writer, 0, 0, weights, sizeof weights, NULL) == GM_OK);
  fuzz_check(gm_gguf_finish_file(writer, NULL) == GM_OK);
  gm_gguf_writer_free(writer);
  fuzz_check(gm_model_file_open(&file, path, true, false, NULL) == GM_OK);
  return file;
}

/* A model and its panels, made once and left mapped. */
static void set_up(void) {
  static gm_kernels kernels;
  char root[] = "/tmp/gromatic-fuzz-XXXXXX", path[64], command[64];
  gm_mapping file;
  kernels = *gm_kernels_at(0);
  kernels.keep_panels[GM_TYPE_Q8_0] = true;
  fuzz_check(mkdtemp(root) != NULL);
  snprintf(path, sizeof path, "%s/m.gguf", root);
  gm_cache_dir *dir = gm_cache_dir_open(root, 0);
  fuzz_check(gm_packs_create(&packs, make_model(path), "w", &kernels, dir, NULL) == GM_OK);
  gm_packs_prepare(packs, NULL);
  fuzz_check(gm_cache_dir_map(dir, gm_packs_key(packs), "panels", &file));
  wanted_size = file.size;
  wanted = malloc(wanted_size);
  fuzz_check(wanted != NULL);
  memcpy(wanted, file.data, wanted_size);
  gm_unmap(&file);
  snprintf(command, sizeof command, "rm -r %s", root);
  fuzz_check(system(command) == 0);
}

static void check(const unsigned char *bytes, size_t size) {
  bool same = size == wanted_size && memcmp(bytes, wanted, PLAIN) == 0 &&
              memcmp(bytes + PANELS, wanted + PANELS, wanted_size - PANELS) == 0;
  fuzz_check((gm_packs_fault(packs, bytes, size, NULL) == NULL) == same);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (!packs) set_up();
  check(bytes, size);
  if (size < 2) return 0;
  size_t at = (bytes[0] | (size_t)bytes[1] << 8) % wanted_size, n = size - 2;
  unsigned char *copy = malloc(wanted_size);
  fuzz_check(copy != NULL);
  memcpy(copy, wanted, wanted_size);
  memcpy(copy + at, bytes + 2, n < wanted_size - at ? n : wanted_size - at);
  check(copy, wanted_size);
  check(copy, at);
  free(copy);
  return 0;
}
