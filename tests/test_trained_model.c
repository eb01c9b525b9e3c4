/* test_trained_model.c - the model file that training writes: what learned is in it, everything
 * else is the base's, and it appears whole or not at all. */
#include "vision_support.h"

#include "gguf_write.h"
#include "groma.h"
#include "model_file_bytes.h"
#include "trained_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MATRIX "llm.model.layers.1.self_attn.q_proj.weight"
#define BIAS "perceiver.ddetr_transformer.enc_output.bias"

static const gm_learn_rule rules[] = {
    {.which = {.part = "proposer"}, .how = GM_LEARN_WHOLE},
    {.which = {.name = MATRIX}, .how = GM_LEARN_LORA, .rank = 3, .alpha = 6},
};

static const gm_trained_options as_base = {.type = GM_TYPE_COUNT};

/* The proposer and a pair of groma-mini in `type`, with weights moved. */
static gm_params *trained(const gm_model_file *base) {
  gm_params *params;
  gm_error err;
  assert_ok(gm_params_create(&params, base, rules, 2, false, 1, &err), &err);
  for (size_t i = 0; i < params->n; i++)
    for (size_t k = 0; k < params->all[i].n; k++)
      params->all[i].value[k] += 0.01f * (float)(k % 7);
  return params;
}

static float *floats_of(const gm_tensor *t) {
  size_t columns = gm_tensor_cols(t), rows = gm_tensor_rows(t);
  float *out = malloc(rows * columns * sizeof *out);
  for (size_t r = 0; r < rows; r++)
    gm_type_traits_of(t->type)->to_float(
        out + r * columns, (const unsigned char *)t->data + r * t->row_bytes, columns);
  return out;
}

/* Half a step of the type at a value of this size, in a block whose largest is `largest`. */
static double rounding(gm_type type, double value, double largest) {
  if (type == GM_TYPE_F32) return 0;
  if (type == GM_TYPE_F16) return fabs(value) * 0x1p-11 + 0x1p-25;
  return largest / 127 * 0.51; /* q8_0; its scale is rounded to half precision */
}

/* The file shortens some names, so the tensor's values tell which it is. */
static const gm_param *learned(const gm_params *params, const gm_tensor *base) {
  for (size_t i = 0; i < params->n; i++)
    if (params->all[i].base.data == base->data) return &params->all[i];
  return NULL;
}

static void check_whole(const gm_param *p, const gm_tensor *made) {
  float *values = floats_of(made);
  double largest = 0;
  for (size_t k = 0; k < p->n; k++) largest = fmax(largest, fabs((double)p->value[k]));
  for (size_t k = 0; k < p->n; k++)
    assert_true(fabs((double)values[k] - (double)p->value[k]) <=
                rounding(made->type, (double)p->value[k], largest));
  free(values);
}

/* w + alpha / rank b a, in f64. */
static void check_pair(const gm_params *params, const gm_tensor *made) {
  const gm_param *p = gm_params_find(params, MATRIX);
  float *base = floats_of(&p->base), *values = floats_of(made);
  size_t n = p->base.shape[0], k = p->base.shape[1];
  double largest = 0, moved = 0;
  double *want = malloc(n * k * sizeof *want);
  for (size_t i = 0; i < n * k; i++) {
    want[i] = (double)base[i];
    for (size_t r = 0; r < 3; r++)
      want[i] += 2 * (double)p->lora.b[i / k * 3 + r] * (double)p->lora.a[r * k + i % k];
    largest = fmax(largest, fabs(want[i]));
    moved = fmax(moved, fabs(want[i] - (double)base[i]));
  }
  assert_true(moved > 1e-2);
  /* Three products are added in f32: at most 6 roundings. */
  for (size_t i = 0; i < n * k; i++)
    assert_true(fabs((double)values[i] - want[i]) <=
                rounding(made->type, want[i], largest) + 6 * 0x1p-24 * largest);
  free(base);
  free(values);
  free(want);
}

/* Tensor by tensor, against the base of that type. */
static void check_model(const gm_model_file *made, const gm_model_file *base,
                        const gm_params *params, bool same_types) {
  assert_int_equal(gm_model_file_n_tensors(made), gm_model_file_n_tensors(base));
  for (size_t i = 0; i < gm_model_file_n_tensors(base); i++) {
    const char *name, *base_name;
    const gm_tensor *t = gm_model_file_tensor_at(made, i, &name);
    const gm_tensor *b = gm_model_file_tensor_at(base, i, &base_name);
    const gm_gguf_tensor *whole = &gm_model_file_gguf(made)->tensors[i];
    assert_string_equal(name, base_name);
    assert_memory_equal(t->shape, b->shape, sizeof t->shape);
    if (same_types) assert_int_equal(t->type, b->type);
    if (strcmp(name, MATRIX) == 0)
      check_pair(params, t);
    else if (learned(params, b))
      check_whole(learned(params, b), t);
    else if (same_types)
      assert_memory_equal(t->data, b->data, whole->bytes);
  }
  assert_true(gm_model_file_has_key(made, GM_GGUF_SUMS_KEY));
}

static void made_from(const char *type) {
  gm_error err;
  gm_model_file *base = converted_model(GM_TEST_DATA "/models/groma-mini", type), *made;
  gm_params *params = trained(base);
  gm_pool *pool;
  assert_ok(gm_pool_create(&pool, 2, &err), &err);
  gm_trained_options options = as_base;
  options.pool = pool;
  assert_ok(gm_trained_model(&made, params, &options, &err), &err);
  check_model(made, base, params, true);
  gm_groma *groma; /* and inference takes it */
  const gm_groma_cache cache = {0};
  assert_ok(gm_groma_load(&groma, made, &cache, &err), &err);
  gm_groma_free(groma);
  gm_model_file_close(made);
  gm_pool_free(pool);
  gm_params_free(params);
  gm_model_file_close(base);
}

static void test_f32(void **state) {
  (void)state;
  made_from("f32");
}

static void test_q8_0(void **state) {
  (void)state;
  made_from("q8_0");
}

/* An f32 base to a file of f16, with keys of its own. */
static void test_file(void **state) {
  (void)state;
  gm_error err;
  char path[] = "/tmp/gromatic-trained-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  gm_model_file *base = converted_model(GM_TEST_DATA "/models/groma-mini", "f32"), *made;
  gm_params *params = trained(base);
  static const gm_trained_note notes[] = {{"gromatic.training.stage", "detect"},
                                          {"general.name", "my own"}};
  gm_trained_options options = {.type = GM_TYPE_F16, .notes = notes, .n_notes = 2};
  assert_ok(gm_trained_write(params, path, &options, &err), &err);
  assert_ok(gm_model_file_open(&made, path, true, false, &err), &err);
  check_model(made, base, params, false);
  assert_int_equal(gm_model_file_tensor(made, MATRIX)->type, GM_TYPE_F16);
  assert_int_equal(gm_model_file_tensor(made, BIAS)->type, GM_TYPE_F32);
  const char *text;
  uint32_t type;
  assert_ok(gm_model_file_string(made, "gromatic.training.stage", &text, &err), &err);
  assert_string_equal(text, "detect");
  assert_ok(gm_model_file_string(made, "general.name", &text, &err), &err);
  assert_string_equal(text, "my own");
  assert_ok(gm_model_file_u32(made, "general.file_type", 0, 100, &type, &err), &err);
  assert_int_equal(type, 1); /* ggml's number of f16 */
  assert_int_equal(gm_model_file_gguf(made)->n_keys, gm_model_file_gguf(base)->n_keys + 1);
  gm_model_file_close(made);

  /* What can't be written leaves the file as it was. */
  size_t size, after;
  void *good = test_read_file(path, &size);
  gm_param *p = gm_params_find(params, BIAS);
  float value = p->value[3];
  p->value[3] = (float)NAN;
  assert_int_equal(gm_trained_write(params, path, &options, &err), GM_ERR_MODEL);
  assert_non_null(strstr(err.message, "enc_output.bias"));
  p->value[3] = value;
  p = gm_params_find(params, "perceiver.ddetr_transformer.enc_output.weight");
  p->value[0] = 1e6f;
  assert_int_equal(gm_trained_write(params, path, &options, &err), GM_ERR_MODEL);
  assert_non_null(strstr(err.message, "f16 cannot hold"));
  options.type = GM_TYPE_Q8_0;
  assert_int_equal(gm_trained_write(params, path, &options, &err), GM_ERR_ARGUMENT);
  void *kept = test_read_file(path, &after);
  assert_int_equal(after, size);
  assert_memory_equal(kept, good, size);
  free(kept);
  free(good);
  unlink(path);
  gm_params_free(params);
  gm_model_file_close(base);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_f32),
      cmocka_unit_test(test_q8_0),
      cmocka_unit_test(test_file),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
