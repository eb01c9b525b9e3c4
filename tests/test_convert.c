/* test_convert.c - checkpoints become model files: every layout by its index formula, the types
 * by their policy, the keys by the configuration; and refusals. */
#include "checkpoint.h"
#include "interface.h"
#include "model_file.h"
#include "model_file_bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MINI GM_TEST_DATA "/models/groma-mini"

static char directory[] = "/tmp/gm-convert-XXXXXX";

static int make_directory(void **state) {
  (void)state;
  return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state) {
  (void)state;
  char command[100];
  snprintf(command, sizeof command, "rm -r %s", directory);
  return system(command);
}

/* A path in the test's directory, in one of four buffers. */
static const char *path_of(const char *name) {
  static char paths[4][200];
  static unsigned next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", directory, name);
  return path;
}

static gm_model_file *convert(const char *source, const char *name, const char *type,
                              unsigned threads) {
  gm_error err;
  gm_model_file *file;
  gm_convert_params params = {.struct_size = sizeof params, .type = type, .threads = threads};
  assert_ok(gm_convert(source, path_of(name), &params, NULL, &err), &err);
  assert_ok(gm_model_file_open(&file, path_of(name), true, false, &err), &err);
  return file;
}

/* A whole tensor of the checkpoint; free() it. */
static float *read_all(gm_checkpoint *c, const char *name, const size_t **shape) {
  gm_error err;
  size_t i = gm_checkpoint_find(c, name);
  if (i == SIZE_MAX) fail_msg("no tensor %s", name);
  float *x = malloc(c->tensors[i].n_elements * sizeof *x);
  assert_non_null(x);
  assert_ok(gm_checkpoint_read(c, i, 0, c->tensors[i].n_elements, x, &err), &err);
  *shape = c->tensors[i].shape;
  return x;
}

static const float *tensor_data(const gm_model_file *f, const char *name, uint32_t n_dims,
                                const size_t *shape) {
  gm_error err;
  const float *data;
  assert_ok(gm_model_file_want_f32(f, name, n_dims, shape, &data, &err), &err);
  return data;
}

/* ---- layouts */

static void check_same(gm_checkpoint *c, const gm_model_file *f, const char *name) {
  const size_t *shape;
  float *x = read_all(c, name, &shape);
  size_t i = gm_checkpoint_find(c, name);
  const float *y = tensor_data(f, name, c->tensors[i].n_dims, shape);
  assert_memory_equal(x, y, c->tensors[i].n_elements * sizeof *x);
  free(x);
}

static void check_matrix(gm_checkpoint *c, const gm_model_file *f, const char *name) {
  const size_t *shape;
  float *x = read_all(c, name, &shape);
  size_t cols = shape[1] * shape[2] * shape[3];
  const float *y = tensor_data(f, name, 2, (size_t[]){shape[0], cols});
  assert_memory_equal(x, y, shape[0] * cols * sizeof *x);
  free(x);
}

/* [out, in, 3, 3] -> [3, 3, out, in] */
static void check_taps(gm_checkpoint *c, const gm_model_file *f, const char *name) {
  const size_t *s;
  float *x = read_all(c, name, &s);
  const float *y = tensor_data(f, name, 4, (size_t[]){3, 3, s[0], s[1]});
  for (size_t o = 0; o < s[0]; o++)
    for (size_t i = 0; i < s[1]; i++)
      for (size_t t = 0; t < 9; t++)
        assert_true(y[(t * s[0] + o) * s[1] + i] == x[(o * s[1] + i) * 9 + t]);
  free(x);
}

static void check_coordinates(gm_checkpoint *c, const gm_model_file *f, int k) {
  const size_t *s;
  char weight[80], coord[80];
  snprintf(weight, sizeof weight, "region_encoder.mlvl_fuse.input_conv.%d.weight", k);
  snprintf(coord, sizeof coord, "region_encoder.mlvl_fuse.input_conv.%d.coord", k);
  float *x = read_all(c, weight, &s);
  size_t n = s[1];
  const float *y = tensor_data(f, weight, 2, (size_t[]){s[0], n - 2});
  const float *z = tensor_data(f, coord, 2, (size_t[]){s[0], 2});
  for (size_t o = 0; o < s[0]; o++) {
    assert_memory_equal(y + o * (n - 2), x + o * n, (n - 2) * sizeof *x);
    assert_memory_equal(z + o * 2, x + o * n + n - 2, 2 * sizeof *x);
  }
  free(x);
}

/* [F, (channel, y, x)] -> [F, (y, x, channel)] */
static void check_bins(gm_checkpoint *c, const gm_model_file *f, size_t channels) {
  static const char name[] = "region_encoder.roi_align.flatten_linear.weight";
  const size_t *s;
  float *x = read_all(c, name, &s);
  const float *y = tensor_data(f, name, 2, s);
  size_t bins = s[1] / channels;
  for (size_t o = 0; o < s[0]; o++)
    for (size_t i = 0; i < channels; i++)
      for (size_t b = 0; b < bins; b++)
        assert_true(y[o * s[1] + b * channels + i] == x[o * s[1] + i * bins + b]);
  free(x);
}

static void test_layouts(void **state) {
  (void)state;
  gm_checkpoint *c;
  gm_error err;
  gm_model_file *f = convert(MINI, "f32.gguf", "f32", 0);
  assert_ok(gm_checkpoint_open(&c, MINI, &err), &err);
  check_same(c, f, "llm.lm_head.weight");
  check_same(c, f, "perceiver.vis_encoder.embeddings.cls_token");
  check_same(c, f, "perceiver.ddetr_transformer.level_embed");
  check_same(c, f, "perceiver.vis_encoder.encoder.layer.5.attention.attention.query.weight");
  check_same(c, f,
             "perceiver.ddetr_transformer.decoder.layers.2.encoder_attn.sampling_offsets.bias");
  check_matrix(c, f, "perceiver.vis_encoder.embeddings.patch_embeddings.projection.weight");
  check_matrix(c, f, "perceiver.input_proj.0.0.weight");
  check_taps(c, f, "region_encoder.mlvl_fuse.fuse_convs.1.conv.weight");
  check_taps(c, f, "region_encoder.roi_align.pconvs.2.weight");
  for (int k = 0; k < 3; k++) check_coordinates(c, f, k);
  check_bins(c, f, 128);
  /* Heads are stored once, under the name without "decoder.". */
  const size_t *s;
  float *x =
      read_all(c, "perceiver.ddetr_transformer.decoder.bbox_embed.3.layers.1.weight", &s);
  const float *y =
      tensor_data(f, "perceiver.ddetr_transformer.bbox_embed.3.layers.1.weight", 2, s);
  assert_memory_equal(x, y, s[0] * s[1] * sizeof *x);
  free(x);
  assert_null(
      gm_model_file_tensor(f, "perceiver.ddetr_transformer.decoder.class_embed_enc.bias"));
  assert_null(gm_model_file_tensor(f, "perceiver.vis_encoder.embeddings.mask_token"));
  assert_null(gm_model_file_tensor(f, "perceiver.vis_encoder.layernorm.weight"));
  gm_checkpoint_close(c);
  gm_model_file_close(f);
}

/* ---- keys */

static uint32_t key_u32(const gm_model_file *f, const char *key) {
  gm_error err;
  uint32_t value;
  assert_ok(gm_model_file_u32(f, key, 0, UINT32_MAX, &value, &err), &err);
  return value;
}

static float key_f32(const gm_model_file *f, const char *key) {
  gm_error err;
  float value;
  assert_ok(gm_model_file_f32(f, key, -1e30f, 1e30f, &value, &err), &err);
  return value;
}

static const char *key_string(const gm_model_file *f, const char *key) {
  gm_error err;
  const char *value;
  assert_ok(gm_model_file_string(f, key, &value, &err), &err);
  return value;
}

/* The values of groma-tiny's config.json, and upstream's defaults for absent members. */
static void test_keys_tiny(void **state) {
  (void)state;
  gm_model_file *f = convert(test_data("models/groma-tiny"), "tiny.gguf", "f16", 0);
  static const struct {
    const char *key;
    uint32_t value;
  } wanted[] = {
      {"groma.image_size", 448}, /* the default, not the preprocessor's 224 */
      {"groma.patch_size", 14},
      {"groma.vision.layers", 5},
      {"groma.vision.heads", 2},
      {"groma.vision.output_layer", 4}, /* -2 of 6 hidden states */
      {"groma.proposer.feature_levels", 1},
      {"groma.proposer.encoder_layers", 2},
      {"groma.proposer.encoder_heads", 8}, /* default */
      {"groma.proposer.decoder_layers", 3},
      {"groma.proposer.decoder_heads", 8}, /* default */
      {"groma.proposer.proposals", 60},
      {"groma.regions.max", 100},
      {"groma.llm.layers", 3},
      {"groma.llm.heads", 4},
      {"groma.llm.kv_heads", 2},
      {"groma.llm.context_length", 2048},
      {"tokenizer.ggml.bos_token_id", 1},
      {"tokenizer.ggml.eos_token_id", 2},
      {"tokenizer.ggml.unknown_token_id", 0},
      {"tokenizer.ggml.padding_token_id", 32000},
      {"general.file_type", 1},
  };
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
    if (key_u32(f, wanted[i].key) != wanted[i].value)
      fail_msg("%s: found %u, wanted %u", wanted[i].key, key_u32(f, wanted[i].key),
               wanted[i].value);
  assert_true(key_f32(f, "groma.vision.layer_norm_eps") == 1e-6f); /* default */
  assert_true(key_f32(f, "groma.regions.score_threshold") == 0.15f);
  assert_true(key_f32(f, "groma.regions.nms_threshold") == 0.6f);
  assert_true(key_f32(f, "groma.llm.rms_norm_eps") == 1e-5f);
  assert_true(key_f32(f, "groma.llm.rope_theta") == 10000);                 /* default */
  assert_string_equal(key_string(f, "groma.regions.geometry"), "released"); /* default */
  assert_string_equal(key_string(f, "general.architecture"), "groma");
  assert_string_equal(key_string(f, "general.name"), "groma-tiny");
  gm_error err;
  const char *const *tokens;
  const int32_t *types;
  size_t n;
  assert_ok(gm_model_file_string_array(f, "tokenizer.ggml.tokens", &tokens, &n, &err), &err);
  assert_int_equal(n, 32114);
  assert_string_equal(tokens[32000], "[PAD]");
  assert_string_equal(tokens[32113], "<r99>");
  assert_ok(gm_model_file_i32_array(f, "tokenizer.ggml.token_type", &types, &n, &err), &err);
  assert_int_equal(types[0], 2);
  assert_int_equal(types[1], 3);
  assert_int_equal(types[3], 6);
  assert_int_equal(types[300], 1);
  assert_int_equal(types[32000], 4);
  gm_model_file_close(f);
}

static void test_keys_mini(void **state) {
  (void)state;
  gm_error err;
  const float *triple;
  size_t n;
  gm_model_file *f = convert(MINI, "mini.gguf", NULL, 0);
  assert_int_equal(key_u32(f, "groma.image_size"), 224);
  assert_int_equal(key_u32(f, "groma.vision.output_layer"), 6); /* -1 of 7 */
  assert_int_equal(key_u32(f, "general.file_type"), 1);         /* f16 is the default */
  assert_string_equal(key_string(f, "groma.regions.geometry"), "xyxy");
  assert_ok(gm_model_file_f32_array(f, "groma.image_mean", &triple, &n, &err), &err);
  assert_int_equal(n, 3);
  assert_true(triple[0] == 0.485f && triple[1] == 0.456f && triple[2] == 0.406f);
  assert_ok(gm_model_file_f32_array(f, "groma.image_std", &triple, &n, &err), &err);
  assert_true(triple[0] == 0.229f && triple[1] == 0.224f && triple[2] == 0.225f);
  gm_model_file_close(f);
}

/* ---- types */

static void check_type(const gm_model_file *f, const char *name, gm_type type) {
  const gm_tensor *t = gm_model_file_tensor(f, name);
  if (!t) fail_msg("no tensor %s", name);
  if (t->type != type)
    fail_msg("%s: found %s, wanted %s", name, gm_type_traits_of(t->type)->name,
             gm_type_traits_of(type)->name);
}

/* groma-mini's language model has rows of 192 and 512: 256 divides only the latter. Of its four
 * layers the FFN outputs of 2 (layer % 3 == 2) are among those that take q6_k. */
static void test_types(void **state) {
  (void)state;
  gm_model_file *f = convert(MINI, "q4_k.gguf", "q4_k", 0);
  check_type(f, "llm.model.layers.1.mlp.down_proj.weight", GM_TYPE_Q4_K);
  check_type(f, "llm.model.layers.2.mlp.down_proj.weight", GM_TYPE_Q6_K);
  check_type(f, "llm.model.layers.1.mlp.up_proj.weight", GM_TYPE_Q8_0);
  check_type(f, "llm.model.layers.1.input_layernorm.weight", GM_TYPE_F32);
  check_type(f, "llm.lm_head.weight", GM_TYPE_Q8_0);
  check_type(f, "extra_lm_head.weight", GM_TYPE_F32);
  check_type(f, "new_input_embs.weight", GM_TYPE_F32);
  check_type(f, "perceiver.vis_encoder.encoder.layer.0.mlp.fc2.weight", GM_TYPE_Q8_0);
  check_type(f, "perceiver.vis_encoder.embeddings.patch_embeddings.projection.weight",
             GM_TYPE_F16); /* rows of 588 */
  check_type(f, "perceiver.ddetr_transformer.encoder.layers.0.fc1.weight", GM_TYPE_F16);
  check_type(f, "perceiver.ddetr_transformer.decoder.layers.2.self_attn.q_proj.weight",
             GM_TYPE_F16);
  check_type(f, "region_encoder.mlvl_fuse.input_conv.0.coord", GM_TYPE_F32);
  check_type(f, "region_encoder.mlvl_fuse.input_conv.0.weight", GM_TYPE_Q8_0);
  check_type(f, "region_encoder.roi_align.pconvs.0.weight", GM_TYPE_Q8_0);
  check_type(f, "perceiver.ddetr_transformer.bbox_embed.0.layers.0.weight", GM_TYPE_F32);
  gm_model_file_close(f);
  f = convert(test_data("models/groma-tiny"), "tq8_0.gguf", "q8_0", 0);
  check_type(f, "llm.model.layers.0.mlp.down_proj.weight", GM_TYPE_F16); /* rows of 172 */
  check_type(f, "llm.model.layers.0.mlp.up_proj.weight", GM_TYPE_Q8_0);
  gm_model_file_close(f);
}

static void *file_bytes(const char *name, size_t *n) {
  return test_read_file(path_of(name), n);
}

/* The file depends neither on the number of threads nor on whether it is made from the
 * checkpoint or from an f32 file. */
static void test_same_bytes(void **state) {
  (void)state;
  size_t n[3];
  void *bytes[3];
  gm_model_file_close(convert(MINI, "one.gguf", "q8_0", 1));
  gm_model_file_close(convert(MINI, "three.gguf", "q8_0", 3));
  gm_model_file_close(convert(MINI, "whole.gguf", "f32", 2));
  gm_model_file *f = convert(path_of("whole.gguf"), "again.gguf", "q8_0", 2);
  assert_string_equal(key_string(f, "general.name"), "groma-mini");
  gm_model_file_close(f);
  bytes[0] = file_bytes("one.gguf", &n[0]);
  bytes[1] = file_bytes("three.gguf", &n[1]);
  bytes[2] = file_bytes("again.gguf", &n[2]);
  for (int i = 1; i < 3; i++) {
    assert_int_equal(n[i], n[0]);
    assert_memory_equal(bytes[i], bytes[0], n[0]);
  }
  for (int i = 0; i < 3; i++) free(bytes[i]);
}

/* ---- inspection */

static void test_inspect(void **state) {
  (void)state;
  gm_error err;
  gm_inspection *in;
  gm_model_file_close(convert(MINI, "i.gguf", "q4_k", 0));
  assert_ok(gm_inspect(&in, path_of("i.gguf"), true, NULL, &err), &err);
  assert_true(in->verified);
  assert_int_equal(in->n_damaged, 0);
  assert_int_equal(in->n_tensors, 352);
  size_t noted = 0, offset = 0;
  for (size_t i = 0; i < in->n_tensors; i++) {
    gm_inspect_tensor t = inspect_tensor(in, i);
    assert_int_equal(strlen(t.sha256), 64);
    noted += strcmp(t.name, "llm.model.layers.1.mlp.up_proj.weight") == 0 &&
             strstr(t.note, "q8_0") != NULL;
    if (strcmp(t.name, "llm.lm_head.weight") == 0) offset = t.offset;
  }
  assert_int_equal(noted, 1);
  size_t found = 0;
  for (size_t i = 0; i < in->n_keys; i++) {
    gm_inspect_key k = inspect_key(in, i);
    if (strcmp(k.name, "groma.image_size") == 0)
      found += strcmp(k.value, "224") == 0 && strcmp(k.type, "u32") == 0;
    if (strcmp(k.name, "groma.image_mean") == 0)
      found += strcmp(k.value, "[0.485, 0.456, 0.406]") == 0;
    if (strcmp(k.name, "tokenizer.ggml.tokens") == 0)
      found += k.is_array && k.n == 882 && strncmp(k.value, "[\"<unk>\"", 8) == 0;
  }
  assert_int_equal(found, 3);
  gm_inspection_free(in);
  FILE *file = fopen(path_of("i.gguf"), "r+b"); /* one bit flips */
  assert_non_null(file);
  fseek(file, (long)offset, SEEK_SET);
  int byte = fgetc(file);
  fseek(file, (long)offset, SEEK_SET);
  fputc(byte ^ 4, file);
  fclose(file);
  assert_ok(gm_inspect(&in, path_of("i.gguf"), true, NULL, &err), &err);
  assert_int_equal(in->n_damaged, 1);
  for (size_t i = 0; i < in->n_tensors; i++) {
    gm_inspect_tensor t = inspect_tensor(in, i);
    assert_int_equal(t.damaged, strcmp(t.name, "llm.lm_head.weight") == 0);
  }
  gm_inspection_free(in);
}

/* ---- refusals */

static const char *const parts[] = {"config.json", "preprocessor_config.json",
                                    "added_tokens.json", "tokenizer.model",
                                    "model.safetensors"};

/* A checkpoint like groma-mini in which the first `from` in the file `name` is replaced by `to`
 * (of n bytes both); name NULL: nothing is replaced. `without`: this file is left out. */
static const char *make_changed(const char *name, const void *from, const void *to, size_t n,
                                const char *without) {
  static char folder[200], path[300], source[300];
  snprintf(folder, sizeof folder, "%s/changed", directory);
  mkdir(folder, 0700);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, parts[i]);
    snprintf(source, sizeof source, "%s/%s", MINI, parts[i]);
    unlink(path);
    if (without && strcmp(without, parts[i]) == 0) continue;
    if (!name || strcmp(name, parts[i]) != 0) {
      assert_int_equal(symlink(source, path), 0);
      continue;
    }
    size_t size;
    char *bytes = test_read_file(source, &size), *at = memmem(bytes, size, from, n);
    assert_non_null(at);
    memcpy(at, to, n);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    free(bytes);
  }
  return folder;
}

static void refused(const char *source, const char *type, gm_status wanted, const char *words) {
  gm_error err = {GM_OK, ""};
  gm_convert_params params = {.struct_size = sizeof params, .type = type, .threads = 2};
  gm_status status = gm_convert(source, path_of("refused.gguf"), &params, NULL, &err);
  if (status != wanted || !strstr(err.message, words))
    fail_msg("found %s \"%s\", wanted %s \"%s\"", gm_status_name(status), err.message,
             gm_status_name(wanted), words);
  assert_int_not_equal(access(path_of("refused.gguf"), F_OK), 0);
}

static void test_refused_files(void **state) {
  (void)state;
  static const struct {
    const char *file, *from, *to, *words;
  } cases[] = {
      {"model.safetensors", "llm.model.norm.weight", "llm.model.nerm.weight",
       "llm.model.norm.weight is missing"},
      {"model.safetensors", "region_encoder.mlvl_fuse.fuse_convs.1.gn.bias",
       "region_encoder.mlvl_fuse.fuse_convs.1.gn.bios", "fuse_convs.1.gn.bias is missing"},
      {"model.safetensors", "new_input_embs", "New_input_embs", "no architecture"},
      {"config.json", "\"silu\"", "\"gelu\"", "hidden_act"},
      {"config.json", "\"rope_scaling\": null", "\"rope_scaling\": 1234", "rope_scaling"},
      {"config.json", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5",
       "num_hidden_layers: found 5"},
      {"config.json", "\"num_feature_levels\": 1", "\"num_feature_levels\": 3",
       "num_feature_levels: found 3"},
      {"config.json", "\"xyxy\"", "\"yxyx\"", "geometry"},
      {"config.json", "\"max_region_num\": 100", "\"max_region_num\": -10", "max_region_num"},
      {"config.json", "\"nms_thres\": 0.6", "\"nms_thres\": 6.0", "nms_thres"},
      {"config.json", "{", "[", "config.json"},
      {"preprocessor_config.json", "0.485", "\"485\"", "image_mean"},
      {"tokenizer.model", "<unk>", "<un\0>", "tokenizer.model"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t n = strcmp(cases[i].file, "tokenizer.model") == 0 ? 5 : strlen(cases[i].from);
    assert_true(n == 5 || n == strlen(cases[i].to));
    refused(make_changed(cases[i].file, cases[i].from, cases[i].to, n, NULL), "f32",
            GM_ERR_MODEL, cases[i].words);
  }
  refused(make_changed(NULL, "", "", 0, "config.json"), "f32", GM_ERR_FILE_NOT_FOUND,
          "config.json");
  refused(make_changed(NULL, "", "", 0, "tokenizer.model"), "f32", GM_ERR_FILE_NOT_FOUND,
          "tokenizer.model");
  refused(make_changed(NULL, "", "", 0, "model.safetensors"), "f32", GM_ERR_FILE_NOT_FOUND,
          "no weights");
  refused("/no/such/place", "f32", GM_ERR_FILE_NOT_FOUND, "/no/such/place");
  refused(MINI, "q5_k", GM_ERR_ARGUMENT, "q5_k");
}

/* ids: one of two tokens twice, one past the end */
static void test_refused_tokens(void **state) {
  (void)state;
  refused(make_changed("added_tokens.json", "\"</img>\": 771", "\"</img>\": 770", 13, NULL),
          "f32", GM_ERR_MODEL, "no id of its own");
  refused(make_changed("added_tokens.json", "\"</img>\": 771", "\"</img>\": 971", 13, NULL),
          "f32", GM_ERR_MODEL, "no id of its own");
  refused(make_changed("added_tokens.json", "\"</img>\": 771", "\"</img>\": -71", 13, NULL),
          "f32", GM_ERR_MODEL, "no id of its own");
}

/* Changes the tensor's shape to another one with the same bytes and digits. */
static void refused_shape(const char *name, const char *shape, const char *other,
                          const char *message) {
  size_t size;
  char *bytes = test_read_file(MINI "/model.safetensors", &size);
  char quoted[100], from[200], to[200];
  snprintf(quoted, sizeof quoted, "\"%s\"", name);
  char *at = memmem(bytes, size, quoted, strlen(quoted));
  assert_non_null(at);
  char *end = strchr(at, ']');
  assert_non_null(end);
  size_t n = (size_t)(end - at), length = strlen(shape);
  assert_true(n < sizeof from && length == strlen(other));
  memcpy(from, at, n);
  memcpy(to, at, n);
  char *digits = memmem(to, n, shape, length);
  assert_non_null(digits);
  memcpy(digits, other, length);
  free(bytes);
  refused(make_changed("model.safetensors", from, to, n, NULL), "f32", GM_ERR_MODEL, message);
}

static void test_refused_shapes(void **state) {
  (void)state;
  refused_shape("llm.lm_head.weight", "768,192", "192,768",
                "llm.lm_head.weight: found shape [192, 768], wanted [768, 192]");
  refused_shape("region_encoder.roi_align.flatten_linear.weight", "128,25088", "1024,3136",
                "flatten_linear.weight of 3136 columns, wanted a multiple");
}

/* One value becomes NaN, or an infinity. */
static void test_refused_values(void **state) {
  (void)state;
  size_t size;
  unsigned char *bytes = test_read_file(MINI "/model.safetensors", &size);
  /* 64 bytes of the data that occur once: the end of the last tensor in it. */
  unsigned char from[64], to[64];
  memcpy(from, bytes + size - 64, 64);
  static const uint16_t bad[] = {0x7E00, 0xFC00};
  static const char *const words[] = {"NaN", "infinity"};
  for (int i = 0; i < 2; i++) {
    memcpy(to, from, 64);
    memcpy(to + 30, &bad[i], 2);
    refused(make_changed("model.safetensors", from, to, 64, NULL), "q8_0", GM_ERR_MODEL,
            words[i]);
    refused(make_changed("model.safetensors", from, to, 64, NULL), "f32", GM_ERR_MODEL,
            "tensor ");
  }
  free(bytes);
}

/* ---- cancelling */

typedef struct counter {
  int polls, limit;
  double last;
} counter;

static bool cancelled(void *user) {
  counter *c = user;
  return ++c->polls >= c->limit;
}

static void progress(void *user, const char *stage, double done) {
  counter *c = user;
  assert_true(stage && *stage && done >= c->last && done <= 1);
  c->last = done;
}

/* The destination must not be a source file, by any of its names; GGUF files there are results.
 */
static void test_files_of_the_source_are_spared(void **state) {
  (void)state;
  gm_error err;
  char command[300];
  snprintf(command, sizeof command, "cp -r %s %s", test_data("models/clip-tiny-openclip"),
           path_of("source"));
  assert_int_equal(system(command), 0);
  assert_int_equal(symlink("source/open_clip_model.safetensors", path_of("link")), 0);
  static const char *const spared[] = {"source/open_clip_model.safetensors", "link",
                                       "source/open_clip_config.json"};
  for (int i = 0; i < 3; i++) {
    size_t before, after;
    free(file_bytes(spared[i], &before));
    assert_int_equal(gm_convert(path_of("source"), path_of(spared[i]), NULL, NULL, &err),
                     GM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "a file of the source"));
    free(file_bytes(spared[i], &after));
    assert_int_equal(before, after);
  }
  const char *result = path_of("source/model.gguf");
  for (int i = 0; i < 2; i++)
    assert_ok(gm_convert(path_of("source"), result, NULL, NULL, &err), &err);
  assert_int_equal(gm_convert(result, result, NULL, NULL, &err), GM_ERR_ARGUMENT);
}

static void test_cancel(void **state) {
  (void)state;
  gm_error err;
  counter c = {0, 100, 0};
  gm_callbacks callbacks = {.struct_size = sizeof callbacks,
                            .user = &c,
                            .cancelled = cancelled,
                            .progress = progress};
  assert_int_equal(gm_convert(MINI, path_of("c.gguf"), NULL, &callbacks, &err),
                   GM_ERR_CANCELLED);
  assert_int_equal(c.polls, 100);
  assert_int_not_equal(access(path_of("c.gguf"), F_OK), 0);
  c = (counter){0, 1000000, 0};
  assert_ok(gm_convert(MINI, path_of("c.gguf"), NULL, &callbacks, &err), &err);
  assert_true(c.last == 1.0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layouts),
      cmocka_unit_test(test_keys_tiny),
      cmocka_unit_test(test_keys_mini),
      cmocka_unit_test(test_types),
      cmocka_unit_test(test_same_bytes),
      cmocka_unit_test(test_inspect),
      cmocka_unit_test(test_refused_files),
      cmocka_unit_test(test_refused_tokens),
      cmocka_unit_test(test_refused_shapes),
      cmocka_unit_test(test_refused_values),
      cmocka_unit_test(test_files_of_the_source_are_spared),
      cmocka_unit_test(test_cancel),
  };
  return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
