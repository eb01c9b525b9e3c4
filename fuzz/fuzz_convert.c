/* fuzz_convert.c - the JSON files beside a checkpoint, as the converter reads them:
 * groma-mini's weights, one of its small files replaced by the input. The first byte says
 * which. */
#include "convert.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define FOLDER GM_TEST_DATA "/models/groma-mini"

/* The JSON files first: those are replaced. Files after ADDED exist only as the input;
 * TOKENIZER replaces the vocabulary's other files. */
enum { ADDED = 2, TOKENIZER = 5, N_JSON = 6, MODEL = N_JSON, N_FILES };

static gm_source_file files[N_FILES] = {
    {.name = "config.json"},           {.name = "preprocessor_config.json"},
    {.name = "added_tokens.json"},     {.name = "tokenizer_config.json"},
    {.name = "processor_config.json"}, {.name = "tokenizer.json"},
    {.name = "tokenizer.model"},
};

static gm_checkpoint *open_weights(void) {
  static gm_checkpoint *weights;
  if (weights) return weights;
  for (size_t i = 0; i < N_FILES; i++) {
    if (i > ADDED && i < MODEL) continue;
    char path[1024] = FOLDER "/";
    strcat(path, files[i].name);
    files[i].bytes = fuzz_read_file(path, &files[i].size);
  }
  fuzz_check(gm_checkpoint_open(&weights, FOLDER, NULL) == GM_OK);
  return weights;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0) return 0;
  gm_source source = {.weights = open_weights(), .name = "fuzz"};
  gm_source_file changed[N_FILES];
  size_t which = bytes[0] % N_JSON;
  for (size_t i = 0; i < N_FILES; i++) {
    gm_source_file file = files[i];
    if (i == which) file = (gm_source_file){files[i].name, bytes + 1, size - 1};
    bool replaced = which == TOKENIZER && (i == ADDED || i == MODEL);
    if (file.bytes && !replaced) changed[source.n_files++] = file;
  }
  source.files = changed;
  gm_gguf_writer *writer;
  gm_plan plan = {.type = GM_TYPE_F16};
  gm_error err = {0};
  fuzz_check(gm_gguf_writer_create(&writer, NULL, NULL) == GM_OK);
  gm_status status = gm_architecture_groma.read(&source, writer, &plan, &err);
  fuzz_check(status == GM_OK || err.message[0]);
  gm_plan_free(&plan);
  gm_gguf_writer_free(writer);
  return 0;
}
