/* test_params.c - which tensors learn, how, and that models which are loaded from the view see
 * their masters. */
#include "vision_support.h"

#include "clip_support.h"
#include "dinov2.h"
#include "params.h"
#include "proposer_decoder.h"
#include "proposer_encoder.h"

#include <math.h>
#include <string.h>

#define DDETR "perceiver.ddetr_transformer."
#define ALL(part_)                                                                             \
  { .which = {.part = part_}, .how = GM_LEARN_WHOLE }

static gm_model_file *groma, *clip;

static int open_files(void **state) {
  (void)state;
  groma = converted_model(GM_TEST_DATA "/models/groma-mini", "f16");
  clip = converted_model(GM_MODELS "/clip-mini", "f16");
  return 0;
}

static int close_files(void **state) {
  (void)state;
  gm_model_file_close(groma);
  gm_model_file_close(clip);
  return 0;
}

static gm_params *params_of(const gm_model_file *file, const gm_learn_rule *rules, size_t n,
                            bool average) {
  gm_params *params = NULL;
  gm_error err;
  assert_ok(gm_params_create(&params, file, rules, n, average, 7, &err), &err);
  return params;
}

/* ---- masters and the view ---- */

static void test_masters(void **state) {
  (void)state;
  static const gm_learn_rule rules[] = {ALL("proposer")};
  gm_params *params = params_of(groma, rules, 1, false);
  size_t in_proposer = 0;
  for (size_t i = 0; i < gm_model_file_n_tensors(groma); i++) {
    const char *name;
    const gm_tensor *base = gm_model_file_tensor_at(groma, i, &name);
    const gm_tensor *seen = gm_model_file_tensor_at(params->view, i, NULL);
    const gm_param *p = NULL;
    for (size_t k = 0; k < params->n; k++)
      if (params->all[k].base.data == base->data) p = &params->all[k];
    bool wanted = strstr(name, "ddetr") || strstr(name, "input_proj");
    assert_int_equal(p != NULL, wanted);
    in_proposer += wanted;
    if (!p) {
      assert_ptr_equal(seen->data, base->data);
      assert_int_equal(seen->type, base->type);
      continue;
    }
    assert_ptr_equal(seen->data, p->value);
    assert_int_equal(seen->type, GM_TYPE_F32);
    assert_int_equal((uintptr_t)p->value % 64, 0);
    assert_int_equal(p->n, gm_tensor_rows(base) * gm_tensor_cols(base));
    assert_int_equal(seen->row_bytes, gm_tensor_cols(base) * sizeof(float));
    assert_int_equal(seen->n_dims, base->n_dims);
    assert_memory_equal(seen->shape, base->shape, sizeof base->shape);
    float last = base->type == GM_TYPE_F32
                     ? ((const float *)base->data)[p->n - 1]
                     : gm_f16_to_f32(((const uint16_t *)base->data)[p->n - 1]);
    assert_true(p->value[p->n - 1] == last);
    for (size_t k = 0; k < p->n; k++)
      assert_true(p->gradient[k] == 0 && p->moment1[k] == 0 && p->moment2[k] == 0);
  }
  assert_int_equal(params->n, in_proposer);
  assert_int_equal(params->learned.n, in_proposer);
  gm_params_free(params);
}

/* The loaders of inference take the view, and their structs point to the masters; what they
 * derived follows after a refresh. */
static void test_loaders(void **state) {
  (void)state;
  static const gm_learn_rule rules[] = {ALL("proposer"), ALL("vision")};
  gm_params *params = params_of(groma, rules, 2, false);
  gm_error err;
  gm_groma_hparams h;
  gm_dinov2 vision;
  gm_proposer_encoder encoder;
  gm_proposer_decoder decoder;
  assert_ok(gm_groma_hparams_read(&h, params->view, &err), &err);
  assert_ok(gm_dinov2_load(&vision, params->view, &h, &err), &err);
  size_t C = vision.shape.dim;
  assert_ok(gm_proposer_encoder_load(&encoder, params->view, &h, C, &err), &err);
  assert_ok(gm_proposer_decoder_load(&decoder, params->view, &h, encoder.dim, &err), &err);
  assert_ptr_equal(
      decoder.layers[1].q.data,
      gm_params_find(params, DDETR "decoder.layers.1.self_attn.q_proj.weight")->value);
  assert_ptr_equal(
      decoder.layers[0].self_norm_b,
      gm_params_find(params, DDETR "decoder.layers.0.self_attn_layer_norm.bias")->value);

  gm_param *level = gm_params_find(params, DDETR "level_embed");
  float before = encoder.position[3 * encoder.dim + 5];
  level->value[5] += 2;
  assert_ok(gm_proposer_encoder_refresh(&encoder, &err), &err);
  assert_float_equal(encoder.position[3 * encoder.dim + 5], before + 2, 1e-6);

  gm_param *token = gm_params_find(params, "perceiver.vis_encoder.embeddings.cls_token");
  gm_param *table =
      gm_params_find(params, "perceiver.vis_encoder.embeddings.position_embeddings");
  float class_before = vision.position[1], cell_before = vision.position[4 * C + 1];
  token->value[1] += 4;
  for (size_t row = 0; row < table->n / C; row++) table->value[row * C + 1] += 1;
  assert_ok(gm_dinov2_refresh(&vision, &err), &err);
  assert_float_equal(vision.position[1], class_before + 5, 1e-5);
  assert_float_equal(vision.position[4 * C + 1], cell_before + 1, 1e-5); /* weights sum to 1 */
  gm_dinov2_free(&vision);
  gm_proposer_encoder_free(&encoder);
  gm_proposer_decoder_free(&decoder);
  gm_params_free(params);
}

static void test_clip(void **state) {
  (void)state;
  static const gm_learn_rule rules[] = {ALL("vision"), ALL("text")};
  gm_params *params = params_of(clip, rules, 2, false);
  gm_error err;
  gm_clip_model *model;
  assert_ok(gm_clip_model_load(&model, params->view, &err), &err);
  assert_int_equal(params->n, gm_model_file_n_tensors(clip));
  gm_param *token = gm_params_find(params, "vision_model.embeddings.class_embedding");
  gm_param *positions =
      gm_params_find(params, "text_model.embeddings.position_embedding.weight");
  float vision_before = model->vision.position[2], text_before = model->text.position[2];
  token->value[2] += 1;
  positions->value[2] += 1;
  assert_ok(gm_clip_vision_refresh(&model->vision, &err), &err);
  gm_clip_text_refresh(&model->text);
  assert_float_equal(model->vision.position[2], vision_before + 1, 1e-6);
  assert_float_equal(model->text.position[2], text_before + 1, 1e-6);
  gm_clip_model_free(model);
  gm_params_free(params);
}

/* ---- choices ---- */

static void test_choices(void **state) {
  (void)state;
  static const gm_learn_rule rules[] = {
      ALL("embeddings"),
      {.which = {.part = "proposer", .first_layer = 1, .end_layer = 2}, .how = GM_LEARN_WHOLE},
      {.which = {.name = "*sampling_offsets*"}, .how = GM_FROZEN},
  };
  gm_params *params = params_of(groma, rules, 3, false);
  assert_non_null(gm_params_find(params, "new_input_embs.weight"));
  assert_non_null(gm_params_find(params, "extra_lm_head.weight"));
  assert_null(gm_params_find(params, "llm.lm_head.weight"));
  assert_null(gm_params_find(params, DDETR "level_embed")); /* of no layer */
  assert_null(gm_params_find(params, DDETR "encoder.layers.0.fc1.weight"));
  assert_non_null(gm_params_find(params, DDETR "encoder.layers.1.fc1.weight"));
  assert_non_null(gm_params_find(params, DDETR "bbox_embed.1.layers.0.bias"));
  assert_null(gm_params_find(params, DDETR "encoder.layers.1.self_attn.sampling_offsets.bias"));

  const gm_tensor_choice all = {.part = NULL}, fc = {.name = "*.fc1.*"};
  gm_params_set_lr(params, &all, 0.5);
  gm_params_scale_lr(params, &fc, 0.1);
  gm_params_set_decay(params, &(gm_tensor_choice){.part = "embeddings"}, 0.25);
  const gm_param *embeds = gm_params_find(params, "new_input_embs.weight");
  const gm_param *fc1 = gm_params_find(params, DDETR "encoder.layers.1.fc1.weight");
  assert_true(embeds->lr == 0.5 && embeds->weight_decay == 0.25);
  assert_true(fc1->lr == 0.5 * 0.1 && fc1->weight_decay == 0);
  gm_params_free(params);
}

static void refused(gm_learn_rule rule, const char *words) {
  gm_params *params;
  gm_error err = {.message = ""};
  assert_int_equal(gm_params_create(&params, groma, &rule, 1, false, 0, &err), GM_ERR_ARGUMENT);
  assert_null(params);
  assert_non_null(strstr(err.message, words));
}

static void test_refused(void **state) {
  (void)state;
  refused((gm_learn_rule)ALL("box"), "part box");
  refused((gm_learn_rule){.which = {.name = "*.fc9.*"}, .how = GM_LEARN_WHOLE}, "*.fc9.*");
  refused((gm_learn_rule){.which = {.part = "words"}, .how = GM_LEARN_LORA, .alpha = 1},
          "rank 0");
}

static void test_pairs(void **state) {
  (void)state;
  enum { RANK = 4 };
  static const gm_learn_rule rules[] = {
      {.which = {.part = "words"}, .how = GM_LEARN_LORA, .rank = RANK, .alpha = 8}};
  gm_params *params = params_of(groma, rules, 1, false);
  gm_param *p = gm_params_find(params, "llm.model.layers.1.mlp.down_proj.weight");
  assert_null(gm_params_find(params, "llm.model.embed_tokens.weight"));
  assert_null(gm_params_find(params, "llm.model.layers.1.input_layernorm.weight"));
  size_t n = p->base.shape[0], k = p->base.shape[1];
  assert_int_equal(p->n, RANK * (n + k));
  assert_true(p->lora.scale == 2 && p->lora.rank == RANK);
  assert_ptr_equal(p->lora.b, p->lora.a + RANK * k);
  /* a is uniform in +-1/sqrt(k), whose variance is 1/(3k); b is zero. 4k draws: the mean square
   * of a uniform has a relative deviation of 0.9 / sqrt(4k), below 0.1 for every k here. */
  double sum = 0, squares = 0, bound = 1 / sqrt((double)k);
  for (size_t i = 0; i < RANK * k; i++) {
    assert_true(fabs((double)p->lora.a[i]) <= bound);
    sum += (double)p->lora.a[i];
    squares += (double)p->lora.a[i] * (double)p->lora.a[i];
  }
  assert_true(k >= 64);
  assert_true(fabs(squares / (double)(RANK * k) * 3 * (double)k - 1) < 0.3);
  assert_true(fabs(sum / (double)(RANK * k)) < 0.2 * bound);
  for (size_t i = 0; i < RANK * n; i++) assert_true(p->lora.b[i] == 0);
  /* Found by any address in the matrix, which stays as it is. */
  const gm_tensor *seen =
      gm_model_file_tensor(params->view, "llm.model.layers.1.mlp.down_proj.weight");
  gm_tensor row = gm_tensor_slice(seen, n - 1, 1);
  assert_ptr_equal(seen->data, p->base.data);
  assert_ptr_equal(gm_learned_find(&params->learned, row.data), p->learned);
  assert_ptr_equal(p->learned->lora, &p->lora);
  gm_training t = {.learned = &params->learned};
  assert_null(gm_gradient(&t, seen->data));

  gm_params *same = params_of(groma, rules, 1, false);
  gm_param *q = gm_params_find(same, p->name);
  assert_memory_equal(q->value, p->value, p->n * sizeof *p->value);
  gm_params_free(same);
  gm_params_free(params);
}

/* ---- gradients, added tensors, the average ---- */

static void test_gradients(void **state) {
  (void)state;
  static const gm_learn_rule rules[] = {ALL("embeddings")};
  gm_params *params = params_of(groma, rules, 1, false);
  const float start[6] = {1, 2, 3, 4, 5, 6};
  gm_error err;
  float *values;
  assert_ok(gm_params_add(params, "aux.head", "extra", 2, (const size_t[]){2, 3}, start,
                          &values, &err),
            &err);
  gm_param *added = gm_params_find(params, "aux.head");
  gm_param *embeds = gm_params_find(params, "new_input_embs.weight");
  assert_memory_equal(values, start, sizeof start);
  assert_null(added->base.data);
  gm_training t = {.learned = &params->learned};
  assert_ptr_equal(gm_gradient(&t, values + 4), added->gradient + 4);
  assert_true(added->learned->reached);
  assert_false(embeds->learned->reached);
  added->gradient[4] = 3;
  gm_params_clear(params, NULL);
  assert_false(added->learned->reached);
  assert_true(added->gradient[4] == 0);
  assert_null(gm_gradient(&t, start));

  size_t covered = 0;
  for (size_t i = 0; i < params->n_pieces; i++) covered += params->pieces[i].n;
  assert_int_equal(covered, 6 + embeds->n + gm_params_find(params, "extra_lm_head.weight")->n);
  gm_params_free(params);
}

static void test_average(void **state) {
  (void)state;
  static const gm_learn_rule rules[] = {ALL("embeddings")};
  gm_params *params = params_of(groma, rules, 1, true);
  gm_param *p = gm_params_find(params, "new_input_embs.weight");
  float value = p->value[p->n - 1];
  gm_params_swap_average(params, NULL); /* before the first update: nothing to swap */
  assert_true(p->value[p->n - 1] == value);
  for (size_t i = 0; i < p->n; i++) p->average[i] = (float)i;
  params->averaged = 1;
  gm_params_swap_average(params, NULL);
  assert_true(p->value[p->n - 1] == (float)(p->n - 1));
  gm_params_swap_average(params, NULL);
  assert_true(p->value[p->n - 1] == value);
  gm_params_free(params);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_masters),   cmocka_unit_test(test_loaders),
      cmocka_unit_test(test_clip),      cmocka_unit_test(test_choices),
      cmocka_unit_test(test_refused),   cmocka_unit_test(test_pairs),
      cmocka_unit_test(test_gradients), cmocka_unit_test(test_average),
  };
  return cmocka_run_group_tests(tests, open_files, close_files);
}
