/* test_vit_block.c - the parts of the shared transformer block that DINOv2's goldens do not
 * cover: fused weights, no LayerScale, causal attention, several entries at once. */
#include "ops_support.h"

#include "gguf_write.h"
#include "vit_block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { C = 24, F = 40, T = 7, B = 3 };

static const gm_vit_shape shape = {
    .dim = C, .hidden = F, .heads = 3, .eps = 1e-5f, .act = GM_ACT_QUICK_GELU};

#define COMMON_NAMES                                                                           \
  .norm1_w = "n1.w", .norm1_b = "n1.b", .out = "o.w", .out_b = "o.b", .norm2_w = "n2.w",       \
  .norm2_b = "n2.b", .fc1 = "f1.w", .fc1_b = "f1.b", .fc2 = "f2.w", .fc2_b = "f2.b"
static const gm_vit_names fused = {COMMON_NAMES, .qkv = "qkv.w", .qkv_b = "qkv.b"};
static const gm_vit_names separate = {COMMON_NAMES, .q = "q.w", .q_b = "q.b", .k = "k.w",
                                      .k_b = "k.b", .v = "v.w", .v_b = "v.b"};

/* name, rows (0: a vector), columns. */
static const struct weight {
  const char *name;
  size_t rows, columns;
} weights[] = {
    {"n1.w", 0, C}, {"n1.b", 0, C},      {"o.w", C, C},       {"o.b", 0, C},  {"n2.w", 0, C},
    {"n2.b", 0, C}, {"f1.w", F, C},      {"f1.b", 0, F},      {"f2.w", C, F}, {"f2.b", 0, C},
    {"q.w", C, C},  {"k.w", C, C},       {"v.w", C, C},       {"q.b", 0, C},  {"k.b", 0, C},
    {"v.b", 0, C},  {"qkv.w", 3 * C, C}, {"qkv.b", 0, 3 * C},
};
enum { N_WEIGHTS = sizeof weights / sizeof weights[0] };

static size_t index_of(const char *name) {
  size_t i = 0;
  while (strcmp(weights[i].name, name) != 0) i++;
  return i;
}

/* A model whose "block.qkv.*" is its q, k and v one after another. */
static int make_model(void **state) {
  gm_error err;
  gm_gguf_writer *writer;
  assert_ok(gm_gguf_writer_create(&writer, NULL, &err), &err);
  for (size_t i = 0; i < N_WEIGHTS; i++) {
    char name[32];
    snprintf(name, sizeof name, "block.%s", weights[i].name);
    size_t matrix[2] = {weights[i].rows, weights[i].columns};
    if (weights[i].rows)
      gm_gguf_add_tensor(writer, name, GM_TYPE_F32, 2, matrix);
    else
      gm_gguf_add_tensor(writer, name, GM_TYPE_F32, 1, matrix + 1);
  }
  assert_ok(gm_gguf_begin(writer, &err), &err);
  gm_rng rng = {3};
  for (size_t i = 0; i < N_WEIGHTS; i++) {
    float *data = gm_gguf_tensor_data(writer, i);
    size_t n = gm_gguf_tensor_bytes(writer, i) / sizeof *data;
    for (size_t k = 0; k < n; k++) data[k] = (float)gm_rng_unit(&rng) - 0.5f;
  }
  static const char *const parts[2][4] = {{"q.w", "k.w", "v.w", "qkv.w"},
                                          {"q.b", "k.b", "v.b", "qkv.b"}};
  for (size_t p = 0; p < 2; p++) {
    unsigned char *whole = gm_gguf_tensor_data(writer, index_of(parts[p][3]));
    for (size_t k = 0; k < 3; k++) {
      size_t part = index_of(parts[p][k]), bytes = gm_gguf_tensor_bytes(writer, part);
      memcpy(whole + k * bytes, gm_gguf_tensor_data(writer, part), bytes);
    }
  }
  gm_model_file *file;
  assert_ok(gm_gguf_finish_model(writer, &file, "block", &err), &err);
  gm_gguf_writer_free(writer);
  *state = file;
  return 0;
}

static int close_model(void **state) {
  gm_model_file_close(*state);
  return 0;
}

static gm_vit_block load(const gm_model_file *file, const gm_vit_names *names) {
  gm_error err;
  gm_vit_block block;
  gm_weight_loader l = gm_weight_loader_at(file, &err, "block.", 0);
  assert_ok(gm_vit_block_load(&block, &l, names, &shape), &err);
  return block;
}

/* x[batch * tokens, C] through the block, on its own copy; free() it. */
static float *run(const gm_vit_block *block, bool causal, const float *x, size_t batch,
                  size_t tokens) {
  gm_vit_shape s = shape;
  s.causal = causal;
  gm_compute *c = compute_open(2, NULL);
  float *y = zeros(batch * tokens * C);
  memcpy(y, x, batch * tokens * C * sizeof *y);
  gm_error err;
  c->err = &err;
  assert_ok(gm_vit_block_forward(c, block, &s, y, batch, tokens), &err);
  compute_close(c);
  return y;
}

static void fused_weights_are_the_separate_ones(void **state) {
  gm_vit_block a = load(*state, &fused), b = load(*state, &separate);
  assert_null(a.scale1);
  gm_rng rng = {4};
  float *x = random_floats(&rng, T * C, -1, 1);
  float *y = run(&a, false, x, 1, T), *z = run(&b, false, x, 1, T);
  assert_same_bits(y, z, T * C, "fused");
  free(x);
  free(y);
  free(z);
}

static void a_fused_weight_of_another_size_is_refused(void **state) {
  gm_error err;
  gm_vit_block block;
  gm_weight_loader l = gm_weight_loader_at(*state, &err, "block.", 0);
  gm_vit_names names = fused;
  names.qkv = "q.w";
  assert_int_equal(gm_vit_block_load(&block, &l, &names, &shape), GM_ERR_MODEL);
  assert_non_null(strstr(err.message, "block.q.w"));
}

/* Sums of at most 40 products of numbers below 10: 1e-5 leaves room for another order of
 * additions, and is far below what a neighbour's tokens would change. */
static void entries_attend_to_themselves_alone(void **state) {
  gm_vit_block block = load(*state, &fused);
  gm_rng rng = {5};
  float *x = random_floats(&rng, B * T * C, -1, 1), *all = run(&block, false, x, B, T);
  for (size_t b = 0; b < B; b++) {
    float *one = run(&block, false, x + b * T * C, 1, T);
    assert_close(all + b * T * C, one, T * C, 1e-5, "an entry of a batch");
    free(one);
  }
  free(x);
  free(all);
}

/* Against the whole block, 1e-5 as above; each entry asks for another row. */
static void wanted_rows_are_those_of_the_whole_block(void **state) {
  gm_vit_block block = load(*state, &separate);
  gm_rng rng = {8};
  const size_t at[B] = {0, 3, T - 1};
  float *x = random_floats(&rng, B * T * C, -1, 1), rows[B * C];
  for (int causal = 0; causal < 2; causal++) {
    gm_vit_shape s = shape;
    s.causal = causal;
    gm_error err;
    gm_compute *c = compute_open(2, NULL);
    c->err = &err;
    assert_ok(gm_vit_block_rows(c, &block, &s, x, B, T, at, rows), &err);
    compute_close(c);
    float *all = run(&block, causal, x, B, T);
    for (size_t b = 0; b < B; b++)
      assert_close(rows + b * C, all + (b * T + at[b]) * C, C, 1e-5, "a wanted row");
    free(all);
  }
  free(x);
}

static void causal_tokens_do_not_see_later_ones(void **state) {
  gm_vit_block block = load(*state, &fused);
  gm_rng rng = {6};
  float *x = random_floats(&rng, T * C, -1, 1), *before = run(&block, true, x, 1, T);
  for (size_t i = 0; i < C; i++) x[(T - 1) * C + i] += 1 + (float)i;
  float *after = run(&block, true, x, 1, T), *open = run(&block, false, x, 1, T);
  assert_close(after, before, (T - 1) * C, 1e-5, "tokens before the one that changed");
  /* The last one attends to all in both cases; the first only to itself. */
  assert_close(after + (T - 1) * C, open + (T - 1) * C, C, 1e-5, "the last token");
  float *first = run(&block, false, x, 1, 1);
  assert_close(after, first, C, 1e-5, "the first token");
  free(x);
  free(before);
  free(after);
  free(open);
  free(first);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fused_weights_are_the_separate_ones),
      cmocka_unit_test(a_fused_weight_of_another_size_is_refused),
      cmocka_unit_test(entries_attend_to_themselves_alone),
      cmocka_unit_test(causal_tokens_do_not_see_later_ones),
      cmocka_unit_test(wanted_rows_are_those_of_the_whole_block),
  };
  return cmocka_run_group_tests_name("vit_block", tests, make_model, close_model);
}
