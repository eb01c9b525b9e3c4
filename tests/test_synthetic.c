/* test_synthetic.c - computed weights: the check values of their definition, and the model. */
#include "model_resolve.h"
#include "rng.h"
#include "support.h"
#include "synthetic.h"

#include <math.h>
#include <string.h>

static float unit(const char *name, uint64_t i) {
  return gm_synthetic_unit(gm_fnv1a(name, strlen(name)), i);
}

/* The definition's check values, given to 7 digits. */
static void test_check_values(void **state) {
  (void)state;
  assert_float_equal(unit("a", 0), -0.9784931, 1e-7);
  assert_float_equal(unit("a", 1), 0.02477646, 1e-8);
  assert_float_equal(unit("a", 2), -0.06281495, 1e-8);
  assert_float_equal(unit("llm.lm_head.weight", 0), -0.07376206, 1e-8);
  assert_float_equal(unit("llm.lm_head.weight", 1), 0.00616384, 1e-8);
}

static void check_rule(const char *name, uint32_t n_dims, const size_t *shape, float base,
                       double scale) {
  float b, s;
  gm_synthetic_rule(name, shape, n_dims, &b, &s);
  assert_true(b == base);
  assert_true(s == (float)scale);
}

/* One name per row of the table, chosen so that later rows would fit too. */
static void test_rules(void **state) {
  (void)state;
  const size_t row[] = {8, 12}, conv[] = {8, 4, 3, 3}, vector[] = {8};
  check_rule("x.layer_scale1.lambda1", 1, vector, 0.3f, 0.2);
  check_rule("x.class_embed_coco.0.weight", 2, row, 0, 0.4);
  check_rule("x.class_embed_enc.bias", 1, vector, -1.2f, 0);
  check_rule("x.bbox_embed.0.layers.2.weight", 2, row, 0, 0.12);
  check_rule("x.bbox_embed.0.layers.2.bias", 1, vector, 0, 0.5);
  check_rule("x.bbox_embed.0.layers.1.weight", 2, row, 0, 0.5); /* fan: sqrt(3 / 12) */
  check_rule("x.sampling_offsets.bias", 1, vector, 0, 2);
  check_rule("x.query_position_embeddings.weight", 2, row, 0, 0.5); /* position_embeddings */
  check_rule("llm.lm_head.weight", 2, row, 0, 1.5);
  check_rule("x.norm1.weight", 1, vector, 1, 0.1);
  check_rule("x.norm1.bias", 1, vector, 0, 0.05);
  check_rule("x.fuse_convs.0.gn.weight", 1, vector, 1, 0.1);
  check_rule("x.fuse_convs.0.conv.weight", 4, conv, 0, sqrt(3.0 / 36) * 1.4);
  check_rule("x.pconvs.0.weight", 4, conv, 0, sqrt(3.0 / 36) * 1.4);
  check_rule("visual.class_embedding", 1, vector, 0, 0.5);
  check_rule("visual.positional_embedding", 2, row, 0, 0.5);
  check_rule("visual.ln_pre.weight", 1, vector, 1, 0.1);
  check_rule("visual.ln_pre.bias", 1, vector, 0, 0.05);
  check_rule("visual.proj", 2, row, 0, 0.5); /* fan: sqrt(3 / 12) */
}

static void test_bad_names(void **state) {
  (void)state;
  const char *const bad[] = {
      "groma-8b",   "groma-7b:q5_k",        "groma-7b:q4_k:slow", "",
      ":",          "groma-7b:q4_k:fast:x", "groma-7b-0l",        "groma-7b-33l",
      "groma-7b-2", "groma-7b-2lx",         "groma-7b-",          "clip-vit-b-16"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    gm_model_file *file;
    gm_error err;
    assert_int_equal(gm_synthetic_model(&file, bad[i], NULL, &err), GM_ERR_ARGUMENT);
    assert_null(file);
  }
}

/* Parameters of OpenAI's ViT-B/32, known from its paper's release: 151,277,313. */
static void test_clip(void **state) {
  (void)state;
  gm_model_file *file;
  gm_error err;
  assert_ok(gm_synthetic_model(&file, "clip-vit-b-32:q8_0:fast", NULL, &err), &err);
  size_t elements = 1; /* the scale of the logits is a key, not a tensor */
  for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) {
    const char *name;
    const gm_tensor *t = gm_model_file_tensor_at(file, i, &name);
    elements += gm_tensor_rows(t) * gm_tensor_cols(t);
  }
  assert_int_equal(elements, 151277313);
  gm_model_file_close(file);
}

/* The embedded model is found by its name and by default, and has the right contents. */
static void test_embedded(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    gm_model_file *file;
    gm_error err;
    const char *name;
    assert_ok(gm_model_file_resolve(&file, i ? "groma-mini" : NULL, NULL, NULL, &err), &err);
    assert_ok(gm_model_file_string(file, "general.name", &name, &err), &err);
    assert_string_equal(name, "groma-mini");
    const gm_tensor *head = gm_model_file_tensor(file, "llm.lm_head.weight");
    assert_non_null(head);
    assert_int_equal(head->type, GM_TYPE_F32);
    gm_model_file_close(file);
  }
  gm_model_file *file;
  gm_error err;
  assert_int_equal(gm_model_file_resolve(&file, "no-such-model", NULL, NULL, &err),
                   GM_ERR_FILE_NOT_FOUND);
  assert_non_null(strstr(err.message, "groma-mini"));
  assert_int_equal(gm_model_file_resolve(&file, "./groma-mini", NULL, NULL, &err),
                   GM_ERR_FILE_NOT_FOUND);
  /* Files embedded for other uses are not models. */
  assert_int_equal(gm_model_file_resolve(&file, "llama-tokenizer.model", NULL, NULL, &err),
                   GM_ERR_FILE_NOT_FOUND);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_check_values), cmocka_unit_test(test_rules),
      cmocka_unit_test(test_bad_names),    cmocka_unit_test(test_clip),
      cmocka_unit_test(test_embedded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
