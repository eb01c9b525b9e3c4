/* test_vision_load.c - a model that does not fit the vision stages is refused at load, with the
 * tensor's or key's name; a model with NaN weights is refused by the proposer; a call can be
 * cancelled. All on groma-mini, converted, with its bytes changed in place. */
#include "ops_support.h"
#include "vision_support.h"

#include "tensor_names.h"
#include "vision.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
  unsigned char *bytes;
  size_t size;
} fixture;

static int open_bytes(void **state) {
  fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  f->bytes = converted_bytes(GM_TEST_DATA "/models/groma-mini", "f32", &f->size);
  *state = f;
  return 0;
}

static int close_bytes(void **state) {
  fixture *f = *state;
  free(f->bytes);
  free(f);
  return 0;
}

static gm_model_file *open_model(const fixture *f) {
  gm_error err;
  gm_model_file *file = NULL;
  assert_ok(gm_model_file_from_memory(&file, f->bytes, f->size, "mini", &err), &err);
  return file;
}

static gm_status load(const fixture *f, gm_error *err) {
  gm_model_file *file = open_model(f);
  gm_groma_hparams hparams;
  gm_vision *vision = NULL;
  gm_status status = gm_groma_hparams_read(&hparams, file, err);
  if (status == GM_OK) status = gm_vision_load(&vision, file, &hparams, err);
  gm_vision_free(vision);
  gm_model_file_close(file);
  return status;
}

/* The address of the string's bytes in the header, after their u64 length. */
static unsigned char *find_string(const fixture *f, const char *text) {
  uint64_t length = strlen(text);
  unsigned char pattern[8 + 256];
  assert_true(length <= 256);
  memcpy(pattern, &length, 8);
  memcpy(pattern + 8, text, length);
  unsigned char *at = memmem(f->bytes, f->size, pattern, 8 + length);
  if (!at) fail_msg("the file has no string %s", text);
  return at + 8;
}

static void assert_refused(const fixture *f, const char *name, const char *change) {
  gm_error err = {0};
  gm_status status = load(f, &err);
  if (status != GM_ERR_MODEL) fail_msg("%s %s: load returned %d", name, change, (int)status);
  if (strlen(err.message) < 20) fail_msg("%s %s: \"%s\"", name, change, err.message);
}

/* Vision tensors that the forward passes do not read. */
static bool unused(const char *name) {
  return strstr(name, "mask_token") || strstr(name, "vis_encoder.layernorm") ||
         strstr(name, "class_embed_coco.0") || strstr(name, "class_embed_coco.1") ||
         strstr(name, "class_embed_sa1b.0") || strstr(name, "class_embed_sa1b.1") ||
         strstr(name, "dinov2.layernorm") || strncmp(name, "llm.", 4) == 0 ||
         strcmp(name, "new_input_embs.weight") == 0 ||
         strcmp(name, "extra_lm_head.weight") == 0;
}

static void every_tensor_is_checked(void **state) {
  fixture *f = *state;
  gm_model_file *file = open_model(f);
  size_t n = gm_model_file_n_tensors(file), checked = 0;
  for (size_t i = 0; i < n; i++) {
    const char *name;
    gm_model_file_tensor_at(file, i, &name);
    if (unused(name)) continue;
    checked++;
    unsigned char *text = find_string(f, name);
    /* A missing tensor: its last letter changes. */
    unsigned char *last = text + strlen(name) - 1;
    *last ^= 1;
    assert_refused(f, name, "missing");
    *last ^= 1;
    /* A tensor that is one smaller in one dimension. */
    uint32_t n_dims;
    memcpy(&n_dims, text + strlen(name), 4);
    for (uint32_t k = 0; k < n_dims; k++) {
      unsigned char *at = text + strlen(name) + 4 + 8 * k;
      uint64_t size, smaller;
      memcpy(&size, at, 8);
      if (size == 1) continue;
      smaller = size - 1;
      memcpy(at, &smaller, 8);
      assert_refused(f, name, "smaller");
      memcpy(at, &size, 8);
    }
  }
  gm_model_file_close(file);
  /* 96 of them in six vision layers: the list above did not exclude everything. */
  assert_in_range(checked, 200, n);
  gm_error err;
  assert_ok(load(f, &err), &err);
}

static void message_names_the_tensor(void **state) {
  fixture *f = *state;
  const char *name = "img_txt_bridge.2.bias";
  unsigned char *text = find_string(f, name);
  text[0] = 'x';
  gm_error err;
  assert_int_equal(load(f, &err), GM_ERR_MODEL);
  text[0] = 'i';
  assert_non_null(strstr(err.message, name));
}

static void every_key_is_checked(void **state) {
  fixture *f = *state;
  static const char *const keys[] = {
#define X(member, key, min, max) key,
      GM_GROMA_U32_KEYS(X) GM_GROMA_F32_KEYS(X)
#undef X
          "groma.image_mean",
      "groma.image_std", "groma.regions.geometry"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    unsigned char *text = find_string(f, keys[i]);
    text[0] = 'x';
    gm_error err;
    assert_int_equal(load(f, &err), GM_ERR_MODEL);
    if (!strstr(err.message, keys[i])) fail_msg("no \"%s\" in \"%s\"", keys[i], err.message);
    text[0] = 'g';
  }
}

/* Sets a u32 key, expects a refusal, sets it back. */
static void assert_value_refused(const fixture *f, const char *key, uint32_t value) {
  unsigned char *at = find_string(f, key) + strlen(key) + 4;
  uint32_t old;
  memcpy(&old, at, 4);
  memcpy(at, &value, 4);
  assert_refused(f, key, "changed");
  memcpy(at, &old, 4);
}

static void values_that_do_not_fit_are_refused(void **state) {
  fixture *f = *state;
  assert_value_refused(f, "groma.image_size", 223);      /* not a whole number of patches */
  assert_value_refused(f, "groma.image_size", 224 + 14); /* an odd grid */
  assert_value_refused(f, "groma.image_size", 0);
  assert_value_refused(f, "groma.patch_size", 0);
  assert_value_refused(f, "groma.patch_size", 7);    /* not the patch tensor's */
  assert_value_refused(f, "groma.vision.layers", 7); /* one too many */
  assert_value_refused(f, "groma.vision.layers", 2);
  assert_value_refused(f, "groma.vision.output_layer", 7); /* past the last state */
  assert_value_refused(f, "groma.vision.heads", 3);        /* does not divide 128 */
  assert_value_refused(f, "groma.vision.heads", 0);
  assert_value_refused(f, "groma.proposer.feature_levels", 4);
  assert_value_refused(f, "groma.proposer.encoder_heads", 5);
  assert_value_refused(f, "groma.proposer.encoder_heads", 32); /* rows of sampling_offsets */
  assert_value_refused(f, "groma.proposer.decoder_heads", 7);
  assert_value_refused(f, "groma.proposer.decoder_layers", 4);
  assert_value_refused(f, "groma.proposer.proposals", 257); /* more than cells */
  assert_value_refused(f, "groma.proposer.proposals", 41);  /* more than learned queries */
  assert_value_refused(f, "groma.regions.max", 0);
}

/* ---- running */

typedef struct run {
  gm_model_file *file;
  gm_vision *vision;
  gm_features *features;
  gm_compute *c;
  float *pixels;
  gm_error err;
} run;

static void open_run(run *r, const fixture *f) {
  *r = (run){.file = open_model(f)};
  gm_groma_hparams hparams;
  assert_ok(gm_groma_hparams_read(&hparams, r->file, &r->err), &r->err);
  assert_ok(gm_vision_load(&r->vision, r->file, &hparams, &r->err), &r->err);
  assert_ok(gm_features_create(&r->features, r->vision, &r->err), &r->err);
  r->c = compute_open(0, NULL);
  r->c->err = &r->err;
  gm_rng rng = {1};
  r->pixels = random_floats(&rng, 3 * (size_t)hparams.image_size * hparams.image_size, -2, 2);
}

static void close_run(run *r) {
  gm_features_free(r->features);
  gm_vision_free(r->vision);
  gm_model_file_close(r->file);
  compute_close(r->c);
  free(r->pixels);
}

/* A vector depends only on its own box. The batch changes at most the order of sums: 1e-4 of
 * the largest value is far above that, and far below the effect of another box. */
static void region_features_stand_alone(void **state) {
  run r;
  open_run(&r, *state);
  assert_ok(gm_vision_encode(r.c, r.vision, r.features, r.pixels), &r.err);
  assert_ok(gm_vision_fuse(r.c, r.vision, r.features), &r.err);
  gm_rel_box boxes[3] = {
      {0.5f, 0.5f, 1, 1}, {0.2f, 0.3f, 0.1f, 0.2f}, {0.9f, 0.9f, 0.4f, 0.4f}};
  size_t D = gm_vision_dim(r.vision);
  float *all = zeros(3 * D), *one = zeros(D);
  assert_ok(gm_vision_region_vectors(r.c, r.vision, r.features, boxes, 3, all), &r.err);
  for (size_t i = 0; i < 3; i++) {
    assert_ok(gm_vision_region_vectors(r.c, r.vision, r.features, boxes + i, 1, one), &r.err);
    assert_close(one, all + i * D, D, 1e-4, "a region's features alone");
  }
  assert_ok(gm_vision_region_vectors(r.c, r.vision, r.features, boxes, 0, all), &r.err);
  free(all);
  free(one);
  close_run(&r);
}

static void weights_that_are_not_numbers(void **state) {
  run r;
  open_run(&r, *state);
  const gm_tensor *bias =
      gm_model_file_tensor(r.file, "perceiver.ddetr_transformer.class_embed_coco.2.bias");
  assert_non_null(bias);
  float *value = (float *)(uintptr_t)bias->data, old = value[0];
  value[0] = NAN;
  assert_ok(gm_vision_encode(r.c, r.vision, r.features, r.pixels), &r.err);
  assert_int_equal(gm_vision_propose(r.c, r.vision, r.features), GM_ERR_MODEL);
  value[0] = old;
  assert_ok(gm_vision_propose(r.c, r.vision, r.features), &r.err);
  close_run(&r);
}

typedef struct countdown {
  size_t polls, limit;
} countdown;

static bool stop_at_limit(void *user) {
  countdown *count = user;
  return count->polls++ >= count->limit;
}

static gm_status all_stages(run *r) {
  gm_rel_box box = {0.5f, 0.5f, 1, 1};
  float *out = zeros(gm_vision_dim(r->vision));
  gm_status status = gm_vision_encode(r->c, r->vision, r->features, r->pixels);
  if (status == GM_OK) status = gm_vision_propose(r->c, r->vision, r->features);
  if (status == GM_OK) status = gm_vision_fuse(r->c, r->vision, r->features);
  if (status == GM_OK)
    status = gm_vision_region_vectors(r->c, r->vision, r->features, &box, 1, out);
  free(out);
  return status;
}

static void cancelled_at_every_poll(void **state) {
  run r;
  open_run(&r, *state);
  countdown count = {0, SIZE_MAX};
  r.c->cancelled = stop_at_limit;
  r.c->cancel_user = &count;
  assert_ok(all_stages(&r), &r.err);
  size_t polls = count.polls;
  /* At least one per layer: 6 + 2 + 3, and one per fused or cropped level. */
  assert_in_range(polls, 6 + 2 + 3 + 3 + 3, 1000);
  for (size_t limit = 0; limit < polls; limit += 4) {
    count = (countdown){0, limit};
    assert_int_equal(all_stages(&r), GM_ERR_CANCELLED);
    /* Scratch was released. */
    gm_arena_mark mark = gm_arena_save(&r.c->arena);
    assert_int_equal(mark.used, 0);
  }
  close_run(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_tensor_is_checked),
      cmocka_unit_test(message_names_the_tensor),
      cmocka_unit_test(every_key_is_checked),
      cmocka_unit_test(values_that_do_not_fit_are_refused),
      cmocka_unit_test(region_features_stand_alone),
      cmocka_unit_test(weights_that_are_not_numbers),
      cmocka_unit_test(cancelled_at_every_poll),
  };
  return cmocka_run_group_tests_name("vision_load", tests, open_bytes, close_bytes);
}
