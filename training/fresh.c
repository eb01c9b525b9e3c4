/* fresh.c - writes a Groma model with random weights, of the sizes in a configuration.
 *
 *   train_fresh -c CONFIG -w WORDS -o OUT [-k SEED]
 *
 * CONFIG is a config.json as upstream has it; WORDS a folder with tokenizer.model and
 * added_tokens.json. What a configuration leaves to the code is as in groma-mini: feed-forward
 * of the vision encoder 4 times its width, 4 sampling points, 14 bins, one level. */
#include "convert.h"
#include "groma.h"
#include "initialise.h"
#include "trained_model.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILES = 3, POINTS = 4, BINS = 14, BOX_WIDTH = 256, POSITION_WIDTH = 256 };

static const char usage[] = "usage: train_fresh -c CONFIG -w WORDS -o OUT [-k SEED]\n"
                            "  -c CONFIG   config.json of the model\n"
                            "  -w WORDS    folder with tokenizer.model and added_tokens.json\n"
                            "  -o OUT      model file to write\n"
                            "  -k SEED     of the random weights (1)\n";

static gm_status read_file(gm_source_file *out, const char *path, gm_error *err) {
  FILE *f = fopen(path, "rb");
  if (!f) return gm_fail(err, GM_ERR_FILE_NOT_FOUND, "%s: cannot be read", path);
  enum { MOST = 1 << 24 };
  char *bytes = malloc(MOST);
  out->bytes = bytes;
  out->size = bytes ? fread(bytes, 1, MOST, f) : 0;
  fclose(f);
  return bytes ? GM_OK : gm_fail_memory(err, path, MOST);
}

/* A size at a path of members, 0 if it is not there. */
static size_t size_at(const json_t *root, const char *a, const char *b, const char *c) {
  const json_t *at = json_object_get(root, a);
  if (b) at = json_object_get(at, b);
  if (c) at = json_object_get(at, c);
  return json_is_integer(at) && json_integer_value(at) > 0 ? (size_t)json_integer_value(at) : 0;
}

static void read_sizes(const json_t *config, size_t dims[GM_GROMA_N_DIMS]) {
  const char *const llm = "llm_cfg", *const p = "perceiver_cfg", *const vit = "vis_encoder_cfg",
                    *const ddetr = "ddetr_cfg", *const region = "region_cfg";
  size_t heads = size_at(config, llm, "num_attention_heads", NULL);
  size_t head = heads ? size_at(config, llm, "hidden_size", NULL) / heads : 0;
  dims[LLM_LAYERS] = size_at(config, llm, "num_hidden_layers", NULL);
  dims[LLM_DIM] = size_at(config, llm, "hidden_size", NULL);
  dims[LLM_FFN] = size_at(config, llm, "intermediate_size", NULL);
  dims[LLM_Q] = heads * head;
  dims[LLM_KV] = size_at(config, llm, "num_key_value_heads", NULL) * head;
  dims[BASE_VOCAB] = size_at(config, llm, "vocab_size", NULL);
  dims[ADDED_VOCAB] = size_at(config, "num_new_token", NULL, NULL);
  dims[VIT_LAYERS] = size_at(config, p, vit, "num_hidden_layers");
  dims[VIT_DIM] = size_at(config, p, vit, "hidden_size");
  dims[VIT_FFN] = 4 * dims[VIT_DIM];
  dims[PATCH] = size_at(config, p, vit, "patch_size");
  size_t grid = dims[PATCH] ? size_at(config, region, "image_size", NULL) / dims[PATCH] : 0;
  dims[VIT_ROWS] = 1 + grid * grid;
  dims[ENC_LAYERS] = size_at(config, p, ddetr, "encoder_layers");
  dims[ENC_FFN] = size_at(config, p, ddetr, "encoder_ffn_dim");
  dims[ENC_WEIGHTS] = POINTS * size_at(config, p, ddetr, "encoder_attention_heads");
  dims[ENC_OFFSETS] = 2 * dims[ENC_WEIGHTS];
  dims[DEC_LAYERS] = size_at(config, p, ddetr, "decoder_layers");
  dims[DEC_FFN] = size_at(config, p, ddetr, "decoder_ffn_dim");
  dims[DEC_WEIGHTS] = POINTS * size_at(config, p, ddetr, "decoder_attention_heads");
  dims[DEC_OFFSETS] = 2 * dims[DEC_WEIGHTS];
  dims[PROP_DIM] = size_at(config, p, ddetr, "d_model");
  dims[QUERIES] = size_at(config, p, ddetr, "num_queries");
  dims[LEVELS] = 1;
  dims[BOX1] = dims[BOX2] = BOX_WIDTH;
  dims[FUSE_CONVS] = size_at(config, region, "num_fuse", NULL);
  dims[REGION_DIM] = dims[REGION_FLAT] = size_at(config, region, "region_dim", NULL);
  dims[REGION_BINS] = dims[REGION_DIM] * BINS * BINS;
  dims[REGION_POS] = POSITION_WIDTH;
}

static gm_status check_sizes(const size_t dims[GM_GROMA_N_DIMS], const char *path,
                             gm_error *err) {
  for (int i = LLM_LAYERS; i < GM_GROMA_N_DIMS; i++)
    if (dims[i] == 0 || dims[i] > 1 << 20)
      return gm_fail(err, GM_ERR_MODEL, "%s: size %d is not there, or too large", path, i);
  return GM_OK;
}

static gm_status write_model(const gm_model_file *fresh, const char *path, gm_error *err) {
  static const gm_learn_rule none = {.how = GM_FROZEN};
  const gm_trained_options options = {.type = GM_TYPE_F32};
  gm_params *params;
  GM_TRY(gm_params_create(&params, fresh, &none, 1, false, 0, err));
  gm_status status = gm_trained_write(params, path, &options, err);
  gm_params_free(params);
  return status;
}

static gm_status make(const char *config, const char *words, const char *out, uint64_t seed,
                      gm_source_file files[FILES], gm_error *err) {
  static const char *const names[FILES] = {"config.json", "tokenizer.model",
                                           "added_tokens.json"};
  size_t dims[GM_GROMA_N_DIMS] = {0};
  char path[4096];
  for (size_t i = 0; i < FILES; i++) {
    snprintf(path, sizeof path, "%s/%s", words, names[i]);
    files[i].name = names[i];
    GM_TRY(read_file(&files[i], i == 0 ? config : path, err));
  }
  json_t *root = json_loadb(files[0].bytes, files[0].size, 0, NULL);
  read_sizes(root, dims);
  json_decref(root);
  GM_TRY(check_sizes(dims, config, err));
  gm_model_file *fresh;
  GM_TRY(gm_fresh_groma(&fresh, "groma-mini", dims, files, FILES, seed, NULL, err));
  gm_status status = write_model(fresh, out, err);
  gm_model_file_close(fresh);
  return status;
}

int main(int argc, char **argv) {
  const char *config = NULL, *words = NULL, *out = NULL;
  uint64_t seed = 1;
  for (int option; (option = getopt(argc, argv, "c:w:o:k:")) != -1;) {
    if (option == 'c') config = optarg;
    if (option == 'w') words = optarg;
    if (option == 'o') out = optarg;
    if (option == 'k') seed = strtoull(optarg, NULL, 10);
  }
  if (!config || !words || !out) {
    fputs(usage, stderr);
    return 2;
  }
  gm_source_file files[FILES] = {{0}};
  gm_error err;
  gm_status status = make(config, words, out, seed, files, &err);
  for (size_t i = 0; i < FILES; i++) free((void *)(uintptr_t)files[i].bytes);
  if (status != GM_OK) fprintf(stderr, "train_fresh: %s\n", err.message);
  return status != GM_OK;
}
