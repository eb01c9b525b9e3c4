/* test_initialise.c - first values of weights, and a fresh model. */
#include "vision_support.h"

#include "convert.h"
#include "groma.h"
#include "initialise.h"
#include "ops_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DDETR "perceiver.ddetr_transformer."
#define REGIONS "region_encoder."

static const gm_learn_rule whole = {.how = GM_LEARN_WHOLE};
static const gm_tensor_choice all = {.part = NULL};

static gm_model_file *groma;
static gm_params *params;

static gm_params *initialised(uint64_t seed, const gm_tensor_choice *which) {
  gm_params *made;
  gm_error err;
  assert_ok(gm_params_create(&made, groma, &whole, 1, false, 0, &err), &err);
  assert_ok(gm_initialise(made, which, seed, &err), &err);
  return made;
}

static int open_all(void **state) {
  (void)state;
  groma = converted_model(GM_TEST_DATA "/models/groma-mini", "f32");
  params = initialised(5, &all);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  gm_params_free(params);
  gm_model_file_close(groma);
  return 0;
}

static const gm_param *param(const char *name) {
  const gm_param *p = gm_params_find(params, name);
  if (!p) fail_msg("no tensor %s", name);
  return p;
}

/* n draws: the mean square of a uniform has relative deviation 0.9 / sqrt(n), of a normal
 * 1.4 / sqrt(n); the mean has one of std / sqrt(n). Five deviations are allowed. */
static void check_moments(const gm_param *p, double std, double spread) {
  double sum = 0, squares = 0, n = (double)p->n;
  for (size_t i = 0; i < p->n; i++) {
    sum += (double)p->value[i];
    squares += (double)p->value[i] * (double)p->value[i];
  }
  if (fabs(squares / n / (std * std) - 1) > 5 * spread / sqrt(n))
    fail_msg("%s: std %g, wanted %g", p->name, sqrt(squares / n), std);
  if (fabs(sum / n) > 5 * std / sqrt(n)) fail_msg("%s: mean %g", p->name, sum / n);
}

static void check_uniform(const char *name, double bound) {
  const gm_param *p = param(name);
  for (size_t i = 0; i < p->n; i++) assert_true(fabs((double)p->value[i]) <= bound * 1.000001);
  check_moments(p, bound / sqrt(3), 0.9);
}

static void check_normal(const char *name, double std) {
  const gm_param *p = param(name);
  double largest = 0;
  check_moments(p, std, 1.5);
  for (size_t i = 0; i < p->n; i++) largest = fmax(largest, fabs((double)p->value[i]));
  assert_true(largest > 2 * std); /* no uniform: that ends at 1.74 */
}

static void check_all(const char *name, float value) {
  const gm_param *p = param(name);
  for (size_t i = 0; i < p->n; i++)
    if (p->value[i] != value) fail_msg("%s[%zu] is %g", name, i, (double)p->value[i]);
}

/* groma-mini: d 96, C 128, R 128, F and heads of its own; section by section of the table. */
static void test_proposer(void **state) {
  (void)state;
  const gm_param *q = param(DDETR "query_position_embeddings.weight");
  check_uniform("perceiver.input_proj.0.0.weight", sqrt(6.0 / (96 + 128)));
  check_all("perceiver.input_proj.0.0.bias", 0);
  check_all("perceiver.input_proj.0.1.weight", 1);
  check_all("perceiver.input_proj.0.1.bias", 0);
  check_uniform(DDETR "encoder.layers.0.self_attn.value_proj.weight", sqrt(6.0 / 192));
  check_uniform(DDETR "decoder.layers.2.self_attn.q_proj.weight", sqrt(6.0 / 192));
  check_uniform(DDETR "decoder.layers.1.fc1.weight", sqrt(6.0 / (96 + 256)));
  check_all(DDETR "decoder.layers.1.fc1.bias", 0);
  check_all(DDETR "decoder.layers.1.encoder_attn.attention_weights.weight", 0);
  check_all(DDETR "decoder.layers.1.encoder_attn.attention_weights.bias", 0);
  check_all(DDETR "decoder.layers.1.encoder_attn.sampling_offsets.weight", 0);
  check_all(DDETR "decoder.layers.1.final_layer_norm.weight", 1);
  check_all(DDETR "decoder.layers.1.final_layer_norm.bias", 0);
  check_normal(DDETR "level_embed", 1);
  check_uniform(q->name, sqrt(6.0 / (double)(q->base.shape[0] + 96)));
  check_uniform(DDETR "enc_output.weight", sqrt(6.0 / 192));
  check_uniform(DDETR "enc_output.bias", 1 / sqrt(96));
  check_uniform(DDETR "pos_trans.weight", sqrt(6.0 / 384));
  check_uniform(DDETR "pos_trans.bias", 1 / sqrt(192));
  check_all(DDETR "enc_output_norm.weight", 1);
  check_all(DDETR "pos_trans_norm.bias", 0);
}

static void test_heads(void **state) {
  (void)state;
  check_uniform(DDETR "class_embed_enc.weight", 1 / sqrt(96));
  check_all(DDETR "class_embed_enc.bias", -4.59511985f);
  check_all(DDETR "class_embed_sa1b.1.bias", -4.59511985f);
  check_uniform(DDETR "bbox_embed.0.layers.0.weight", 1 / sqrt(96));
  check_uniform(DDETR "bbox_embed.0.layers.1.bias",
                1 / sqrt((double)param(DDETR "bbox_embed.0.layers.1.weight")->base.shape[1]));
  check_all(DDETR "bbox_embed.3.layers.2.weight", 0);
  check_all(DDETR "bbox_embed.3.layers.2.bias", 0);
  const gm_param *coco = param(DDETR "class_embed_coco.0.weight");
  assert_memory_equal(coco->value, param(DDETR "class_embed_coco.2.weight")->value,
                      coco->n * sizeof(float));
  assert_memory_not_equal(coco->value, param(DDETR "class_embed_sa1b.0.weight")->value,
                          coco->n * sizeof(float));
  const gm_param *box = param(DDETR "bbox_embed.0.layers.1.weight");
  assert_memory_equal(box->value, param(DDETR "bbox_embed.3.layers.1.weight")->value,
                      box->n * sizeof(float));
}

/* 4 heads at 0, 90, 180 and 270 degrees; point p is p + 1 away. */
static void test_offsets(void **state) {
  (void)state;
  static const double way[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
  const gm_param *p = param(DDETR "encoder.layers.1.self_attn.sampling_offsets.bias");
  size_t points = p->n / 8;
  assert_int_equal(p->n, 4 * points * 2);
  for (size_t h = 0; h < 4; h++)
    for (size_t k = 0; k < points; k++)
      for (size_t axis = 0; axis < 2; axis++)
        assert_true(fabs((double)p->value[(h * points + k) * 2 + axis] -
                         way[h][axis] * (double)(k + 1)) < 1e-6);
}

static void test_regions(void **state) {
  (void)state;
  const gm_param *updims = param(REGIONS "roi_align.updims.weight");
  const gm_param *flatten = param(REGIONS "roi_align.flatten_linear.weight");
  check_uniform(updims->name, 1 / sqrt((double)updims->base.shape[1]));
  check_uniform(REGIONS "roi_align.updims.bias", 1 / sqrt((double)updims->base.shape[1]));
  check_uniform(flatten->name, 1 / sqrt((double)flatten->base.shape[1]));
  check_uniform(REGIONS "roi_align.pos_embedd.0.weight", 0.5);
  check_uniform(REGIONS "roi_align.pos_embedd.0.bias", 0.5);
  check_all(REGIONS "roi_align.pos_embedd.2.weight", 1);
  check_all(REGIONS "roi_align.pos_embedd.5.bias", 0);
  check_uniform(REGIONS "mlvl_fuse.input_conv.0.weight", 1 / sqrt(130));
  check_uniform(REGIONS "mlvl_fuse.input_conv.0.coord", 1 / sqrt(130));
  check_uniform(REGIONS "mlvl_fuse.input_conv.2.bias", 1 / sqrt(130));
  check_normal(REGIONS "mlvl_fuse.fuse_convs.1.conv.weight", sqrt(2.0 / (9 * 128)));
  check_all(REGIONS "mlvl_fuse.fuse_convs.1.gn.weight", 1);
  check_all(REGIONS "mlvl_fuse.fuse_convs.1.gn.bias", 0);
  check_normal(REGIONS "roi_align.pconvs.2.weight", 0.01);
  check_all(REGIONS "roi_align.pconvs.2.bias", 0);
  check_uniform("img_txt_bridge.0.weight", 1 / sqrt(4 * 128));
  check_uniform("img_txt_bridge.2.bias", 1 / sqrt(192));
}

static void test_words(void **state) {
  (void)state;
  check_normal("llm.model.embed_tokens.weight", 0.02);
  check_normal("llm.model.layers.3.self_attn.q_proj.weight", 0.02);
  check_normal("llm.model.layers.3.self_attn.o_proj.weight", 0.02 / sqrt(8));
  check_normal("llm.model.layers.0.mlp.down_proj.weight", 0.02 / sqrt(8));
  check_all("llm.model.norm.weight", 1);
  check_all("llm.model.layers.1.input_layernorm.weight", 1);
  check_normal("perceiver.vis_encoder.encoder.layer.2.mlp.fc2.weight", 0.02 / sqrt(12));
  check_all("perceiver.vis_encoder.encoder.layer.2.layer_scale1.lambda1", 1);
  check_all("perceiver.vis_encoder.encoder.layer.2.norm1.weight", 1);
  check_all("perceiver.vis_encoder.encoder.layer.2.attention.attention.query.bias", 0);
  check_uniform("extra_lm_head.weight", 1 / sqrt(192));

  /* new_input_embs: the mean word; 768 values of 0.02 are rounded once each. */
  const gm_param *words = param("llm.model.embed_tokens.weight");
  const gm_param *added = param("new_input_embs.weight");
  size_t n = words->n / 192;
  for (size_t k = 0; k < 192; k++) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)words->value[i * 192 + k];
    assert_true(fabs((double)added->value[k] - sum / (double)n) < 1e-8);
  }
  for (size_t i = 192; i < added->n; i++) assert_true(added->value[i] == added->value[i % 192]);
}

static void test_seeds(void **state) {
  (void)state;
  const gm_tensor_choice proposer = {.part = "proposer"};
  gm_params *same = initialised(5, &all), *other = initialised(6, &proposer);
  gm_error err;
  for (size_t i = 0; i < params->n; i++)
    assert_memory_equal(params->all[i].value, same->all[i].value,
                        params->all[i].n * sizeof(float));
  const char *name = DDETR "enc_output.weight";
  const gm_param *mine = param(name), *theirs = gm_params_find(other, name);
  assert_memory_not_equal(mine->value, theirs->value, mine->n * sizeof(float));
  /* A part alone. */
  assert_ok(gm_initialise(other, &proposer, 5, &err), &err);
  assert_memory_equal(mine->value, theirs->value, mine->n * sizeof(float));
  name = "img_txt_bridge.0.weight";
  assert_memory_not_equal(param(name)->value, gm_params_find(other, name)->value,
                          param(name)->n * sizeof(float));

  /* Index tokens, and scales. */
  gm_param *added = gm_params_find(same, "new_input_embs.weight");
  gm_param *head = gm_params_find(same, "extra_lm_head.weight");
  const float *mean = param("new_input_embs.weight")->value;
  gm_initialise_index_tokens(same, 10, 100, 1);
  double squares = 0;
  for (size_t i = 10 * 192; i < 110 * 192; i++) {
    double x = (double)added->value[i] - (double)mean[i];
    squares += x * x;
    assert_true(fabs((double)head->value[i] - 1.5 * x) < 1e-7);
  }
  assert_true(fabs(sqrt(squares / (100 * 192)) / 0.02 - 1) < 0.03); /* five deviations */
  assert_true(added->value[10 * 192 - 1] == mean[10 * 192 - 1]);
  assert_true(added->value[110 * 192] == mean[110 * 192]);
  double rms = gm_param_rms(same, name);
  gm_params_multiply(same, &(gm_tensor_choice){.name = name}, 0.25f);
  assert_true(fabs(gm_param_rms(same, name) / rms - 0.25) < 1e-12);
  gm_params_free(same);
  gm_params_free(other);
}

/* Every tensor of a CLIP has a rule too. */
static void test_clip(void **state) {
  (void)state;
  gm_error err;
  gm_model_file *clip = converted_model(GM_MODELS "/clip-mini", "f32");
  gm_params *groma_params = params;
  assert_ok(gm_params_create(&params, clip, &whole, 1, false, 0, &err), &err);
  assert_ok(gm_initialise(params, &all, 5, &err), &err);
  double layers = 0;
  char name[96];
  do snprintf(name, sizeof name, "text_model.encoder.layers.%.0f.mlp.fc2.weight", layers++);
  while (gm_params_find(params, name));
  layers--;
  check_normal("text_model.encoder.layers.0.mlp.fc2.weight", 0.02 / sqrt(2 * layers));
  check_normal("text_model.encoder.layers.0.self_attn.q_proj.weight", 0.02);
  check_normal("vision_model.embeddings.patch_embedding.weight", 0.02);
  check_normal("text_projection.weight", 0.02);
  check_all("vision_model.pre_layrnorm.weight", 1);
  check_all("text_model.final_layer_norm.bias", 0);
  check_all("vision_model.encoder.layers.0.mlp.fc1.bias", 0);
  gm_params_free(params);
  params = groma_params;
  gm_model_file_close(clip);
}

/* A fresh model of groma-mini's sizes has its tensors and shapes, and loads. */
static void test_fresh(void **state) {
  (void)state;
  const size_t dims[GM_GROMA_N_DIMS] = {
      [LLM_LAYERS] = 4,
      [LLM_DIM] = 192,
      [LLM_FFN] = 512,
      [LLM_Q] = 192,
      [LLM_KV] = 192,
      [BASE_VOCAB] = 768,
      [ADDED_VOCAB] = 114,
      [VIT_LAYERS] = 6,
      [VIT_DIM] = 128,
      [VIT_FFN] = 512,
      [VIT_ROWS] = param("perceiver.vis_encoder.embeddings.position_embeddings")->base.shape[1],
      [PATCH] = 14,
      [ENC_LAYERS] = 2,
      [ENC_FFN] = 256,
      [ENC_OFFSETS] = param(DDETR "encoder.layers.0.self_attn.sampling_offsets.bias")->n,
      [ENC_WEIGHTS] = param(DDETR "encoder.layers.0.self_attn.attention_weights.bias")->n,
      [DEC_LAYERS] = 3,
      [DEC_FFN] = 256,
      [DEC_OFFSETS] = param(DDETR "decoder.layers.0.encoder_attn.sampling_offsets.bias")->n,
      [DEC_WEIGHTS] = param(DDETR "decoder.layers.0.encoder_attn.attention_weights.bias")->n,
      [PROP_DIM] = 96,
      [QUERIES] = 40,
      [LEVELS] = 1,
      [BOX1] = param(DDETR "bbox_embed.0.layers.0.bias")->n,
      [BOX2] = param(DDETR "bbox_embed.0.layers.1.bias")->n,
      [FUSE_CONVS] = 2,
      [REGION_DIM] = 128,
      [REGION_FLAT] = param(REGIONS "roi_align.flatten_linear.bias")->n,
      [REGION_BINS] = param(REGIONS "roi_align.flatten_linear.weight")->base.shape[1],
      [REGION_POS] = param(REGIONS "roi_align.pos_embedd.0.bias")->n,
  };
  static const char *const names[] = {"config.json", "tokenizer.model", "added_tokens.json"};
  static const char *const paths[] = {GM_TEST_DATA "/models/groma-mini/config.json",
                                      GM_TEST_DATA "/models/groma-mini/tokenizer.model",
                                      GM_TEST_DATA "/models/groma-mini/added_tokens.json"};
  gm_source_file files[3];
  for (size_t i = 0; i < 3; i++) {
    files[i].name = names[i];
    files[i].bytes = test_read_file(paths[i], &files[i].size);
  }
  gm_model_file *fresh;
  gm_groma *model;
  gm_error err;
  const gm_groma_cache cache = {0};
  assert_ok(gm_fresh_groma(&fresh, "fresh", dims, files, 3, 5, NULL, &err), &err);
  assert_int_equal(gm_model_file_n_tensors(fresh), gm_model_file_n_tensors(groma));
  for (size_t i = 0; i < gm_model_file_n_tensors(fresh); i++) {
    const char *name;
    const gm_tensor *t = gm_model_file_tensor_at(fresh, i, &name);
    const gm_tensor *same = gm_model_file_tensor(groma, name);
    if (!same || memcmp(same->shape, t->shape, sizeof t->shape) != 0)
      fail_msg("%s has another shape", name);
  }
  const gm_param *updims = param(REGIONS "roi_align.updims.weight");
  assert_memory_equal(gm_model_file_tensor(fresh, updims->name)->data, updims->value,
                      updims->n * sizeof(float));
  assert_ok(gm_groma_load(&model, fresh, &cache, &err), &err);
  gm_groma_free(model);
  gm_model_file_close(fresh);
  for (size_t i = 0; i < 3; i++) free((void *)(uintptr_t)files[i].bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_proposer), cmocka_unit_test(test_heads),
      cmocka_unit_test(test_offsets),  cmocka_unit_test(test_regions),
      cmocka_unit_test(test_words),    cmocka_unit_test(test_seeds),
      cmocka_unit_test(test_clip),     cmocka_unit_test(test_fresh),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
