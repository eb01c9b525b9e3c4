/* test_train_detect.c - stage 1 on groma-tiny against the reference: losses, gradients and
 * three updates.
 *
 * Gradients jump where a ReLU's input passes 0 or a sampling place passes from one cell to the
 * next. Of some 100,000 such values that matter here, one or two are as close to it as f32
 * rounds, and one is enough to move a few tensors' gradients by 1e-2. So the comparison with
 * the reference takes the plain C kernels, whose rounding is the same everywhere: with them,
 * builds without optimisation have the very bits of others. Kernels for a processor may join a
 * product and a sum where the compiler likes. They are compared with the plain ones, and may
 * differ in a few tensors. */
#include "ops_support.h"
#include "upstream_slice.h"
#include "vision_support.h"

#include "optimiser.h"
#include "pixels.h"
#include "proposer_train.h"
#include "vision.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURES = 2, OUTPUTS = 4, MAX_BOXES = 4 };

static const char *const sources[] = {"coco", "sa1b"};

/* The pictures' features and boxes, which all tests share. */
static struct world {
  gm_model_file *file;
  gm_groma_hparams hparams;
  size_t width;
  float *features[PICTURES];
  gm_rel_box boxes[PICTURES][MAX_BOXES];
  gm_detect_picture pictures[PICTURES];
} world;

static json_t *read_json(const char *name) {
  char path[64];
  snprintf(path, sizeof path, "golden/train/%s.json", name);
  json_t *json = json_load_file(test_data(path), 0, NULL);
  assert_non_null(json);
  return json;
}

static golden *open_values(const char *name) {
  char path[64];
  snprintf(path, sizeof path, "golden/train/%s.safetensors", name);
  return golden_open(path);
}

static double number(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  if (!json_is_number(value)) fail_msg("the golden has no number %s", key);
  return json_number_value(value);
}

static float *features_of(gm_compute *c, const gm_vision *vision, const char *name,
                          size_t *width) {
  char path[64];
  gm_error err;
  gm_image *image;
  gm_features *features;
  size_t S = world.hparams.image_size, patches;
  snprintf(path, sizeof path, "photos/%s", name);
  assert_ok(gm_image_open(&image, test_data(path), NULL, &err), &err);
  float *pixels = zeros(3 * S * S);
  assert_ok(gm_pixels_squash(pixels, image, S, &world.hparams.pixel_norm, c->pool, &err), &err);
  assert_ok(gm_features_create(&features, vision, &err), &err);
  assert_ok(gm_vision_encode(c, vision, features, pixels), &err);
  gm_features_patches(vision, features, &patches, width);
  float *mean = zeros(patches * *width);
  gm_vision_mean_state(c, vision, features, mean);
  gm_features_free(features);
  gm_image_free(image);
  free(pixels);
  return mean;
}

static int open_world(void **state) {
  (void)state;
  gm_error err;
  gm_vision *vision;
  gm_compute *c = compute_open(2, gm_kernels_at(0));
  json_t *json = read_json("det-coco");
  c->err = &err;
  world.file = converted_model(test_data("models/groma-tiny"), "f32");
  assert_ok(gm_groma_hparams_read(&world.hparams, world.file, &err), &err);
  assert_ok(gm_vision_load(&vision, world.file, &world.hparams, &err), &err);
  for (size_t i = 0; i < PICTURES; i++) {
    const char *name = json_string_value(json_array_get(json_object_get(json, "images"), i));
    const json_t *boxes = json_array_get(json_object_get(json, "boxes_cxcywh"), i);
    size_t n = json_array_size(boxes);
    assert_true(n > 0 && n <= MAX_BOXES);
    for (size_t k = 0; k < 4 * n; k++)
      ((float *)world.boxes[i])[k] =
          (float)json_number_value(json_array_get(json_array_get(boxes, k / 4), k % 4));
    world.features[i] = features_of(c, vision, name, &world.width);
    world.pictures[i] = (gm_detect_picture){world.features[i], world.boxes[i], n, NULL};
  }
  gm_vision_free(vision);
  json_decref(json);
  compute_close(c);
  return 0;
}

static int close_world(void **state) {
  (void)state;
  for (size_t i = 0; i < PICTURES; i++) free(world.features[i]);
  gm_model_file_close(world.file);
  return 0;
}

/* A proposer that learns, and its last results. */
typedef struct run {
  gm_params *params;
  gm_proposer_learner w;
  gm_training t;
  gm_error err;
  gm_detect_loss outputs[OUTPUTS];
  gm_detect_result result;
} run;

static run *open_run(unsigned threads, const gm_kernels *kernels) {
  static const gm_learn_rule rule = {.which = {.part = "proposer"}, .how = GM_LEARN_WHOLE};
  run *r = calloc(1, sizeof *r);
  assert_non_null(r);
  assert_ok(gm_params_create(&r->params, world.file, &rule, 1, false, 1, &r->err), &r->err);
  assert_ok(
      gm_proposer_learner_load(&r->w, r->params->view, &world.hparams, world.width, &r->err),
      &r->err);
  assert_int_equal(r->w.decoder.n_layers + 1, OUTPUTS);
  size_t q = r->w.decoder.n_queries;
  r->t = (gm_training){.c = compute_open(threads, kernels), .learned = &r->params->learned};
  r->t.c->err = &r->err;
  r->result = (gm_detect_result){.outputs = r->outputs,
                                 .logits = zeros(PICTURES * q),
                                 .boxes = (gm_rel_box *)zeros(PICTURES * q * 4)};
  return r;
}

static void close_run(run *r) {
  free(r->result.logits);
  free(r->result.boxes);
  compute_close(r->t.c);
  gm_proposer_learner_free(&r->w);
  gm_params_free(r->params);
  free(r);
}

static double train(run *r, gm_source source, double scale) {
  gm_detect_batch batch = {world.pictures, PICTURES, source, scale, 0};
  assert_ok(gm_proposer_train(&r->t, &r->w, &batch, &r->result), &r->err);
  return r->result.loss;
}

static void assert_near(double found, double want, double relative, const char *what) {
  if (!(fabs(found - want) <= relative * fabs(want)))
    fail_msg("%s: found %.8g, wanted %.8g", what, found, want);
}

/* The goldens' names lack "perceiver."; heads stand there below "decoder.". */
static const gm_param *param_of(const run *r, const char *golden_name) {
  static const char heads[] = "ddetr_transformer.decoder.";
  char name[160];
  const char *rest = golden_name + strlen(heads);
  bool is_head = strncmp(golden_name, heads, strlen(heads)) == 0 &&
                 (strncmp(rest, "class_", 6) == 0 || strncmp(rest, "bbox_", 5) == 0);
  snprintf(name, sizeof name, "perceiver.%s%s", is_head ? "ddetr_transformer." : "",
           is_head ? rest : golden_name);
  const gm_param *p = gm_params_find(r->params, name);
  if (!p) fail_msg("no tensor %s learns", name);
  return p;
}

/* The largest difference of a golden's slice. */
static double error_of(const upstream_slice *found, golden_array want) {
  double error = 0;
  assert_int_equal(found->n, want.n);
  for (size_t i = 0; i < want.n; i++)
    error = fmax(error, fabs((double)found->values[i] - (double)((const float *)want.data)[i]));
  return error;
}

/* ---- losses and gradients */

static const char *const output_names[OUTPUTS] = {"_0", "_1", "", "_enc"};

static void compare_losses(const run *r, const json_t *json) {
  const json_t *losses = json_object_get(json, "loss_dict");
  for (size_t l = 0; l < OUTPUTS; l++) {
    double found[3] = {r->outputs[l].class_loss, r->outputs[l].box, r->outputs[l].giou};
    const char *const names[3] = {"loss_ce", "loss_bbox", "loss_giou"};
    for (size_t k = 0; k < 3; k++) {
      char key[32];
      snprintf(key, sizeof key, "%s%s", names[k], output_names[l]);
      assert_near(found[k], number(losses, key), 1e-4, key);
    }
  }
  assert_near(r->result.loss, number(json, "loss"), 1e-4, "loss");
}

/* 1e-3 of the tensor's largest value and of its norm; the decoder's keys have a bias whose
 * gradient is 0 in theory, since softmax ignores a shift. */
static void compare_gradients(const run *r, golden *values, const json_t *norms) {
  const char *name;
  const json_t *norm;
  double worst = 0, worst_norm = 0;
  json_object_foreach((json_t *)(uintptr_t)norms, name, norm) {
    char key[192];
    const gm_param *p = param_of(r, name);
    snprintf(key, sizeof key, "grad.%s", name);
    assert_true(p->learned->reached);
    upstream_slice found = upstream_slice_of(r->params, p->name, true);
    double error = error_of(&found, golden_get(values, key)), largest = 0;
    for (size_t i = 0; i < p->n; i++) largest = fmax(largest, fabs((double)p->gradient[i]));
    if (strstr(name, "self_attn.k_proj.bias")) {
      assert_true(largest < 1e-5);
      continue;
    }
    if (!(error <= 1e-3 * largest)) fail_msg("%s: off by %g of %g", key, error, largest);
    assert_near(found.norm, json_number_value(norm), 1e-3, key);
    worst = fmax(worst, error / largest);
    worst_norm = fmax(worst_norm, fabs(found.norm / json_number_value(norm) - 1));
  }
  print_message("  largest error of a gradient %.1e of its largest value, of a norm %.1e\n",
                worst, worst_norm);
}

/* Every other tensor is one of the source's that was not there, and was not reached. */
static void compare_reached(const run *r, gm_source source, size_t n_golden) {
  size_t reached = 0;
  for (size_t i = 0; i < r->params->n; i++) {
    const gm_param *p = &r->params->all[i];
    reached += p->learned->reached;
    bool other = strstr(p->name, source == GM_SOURCE_COCO ? "embed_sa1b" : "embed_coco");
    if (p->learned->reached == other) fail_msg("%s: reached %d", p->name, !other);
  }
  assert_int_equal(reached, n_golden);
}

static void follows_the_reference(void **state) {
  (void)state;
  for (gm_source source = GM_SOURCE_COCO; source <= GM_SOURCE_SA1B; source++) {
    char name[16];
    snprintf(name, sizeof name, "det-%s", sources[source]);
    json_t *json = read_json(name);
    golden *values = open_values(name);
    run *r = open_run(2, gm_kernels_at(0));
    train(r, source, 1);
    compare_losses(r, json);
    golden_array logits = golden_get(values, "logits"),
                 boxes = golden_get(values, "pred_boxes");
    assert_int_equal(logits.n, PICTURES * r->w.decoder.n_queries);
    assert_close(r->result.logits, logits.data, logits.n, 1e-3, "logits");
    assert_close((const float *)r->result.boxes, boxes.data, boxes.n, 1e-3, "boxes");
    compare_gradients(r, values, json_object_get(json, "grad_norm"));
    compare_reached(r, source, json_object_size(json_object_get(json, "grad_norm")));
    close_run(r);
    golden_close(values);
    json_decref(json);
  }
}

/* Losses are smooth: 1e-4. Norms of gradients: 1e-3, but for one tensor in ten where a kink was
 * passed; a wrong rule moves nearly all of them. */
static void other_kernels_agree(void **state) {
  (void)state;
  run *plain = open_run(2, gm_kernels_at(0)), *best = open_run(2, NULL);
  train(plain, GM_SOURCE_COCO, 1);
  train(best, GM_SOURCE_COCO, 1);
  assert_near(best->result.loss, plain->result.loss, 1e-4, "loss");
  size_t n = plain->params->n, off = 0;
  for (size_t k = 0; k < n; k++) {
    const gm_param *p = &plain->params->all[k], *q = &best->params->all[k];
    double error = 0, norm = 0;
    for (size_t i = 0; i < p->n; i++) {
      error += pow((double)p->gradient[i] - (double)q->gradient[i], 2);
      norm += pow((double)p->gradient[i], 2);
    }
    if (strstr(p->name, "self_attn.k_proj.bias")) continue; /* 0 in theory */
    if (sqrt(error) > 1e-3 * sqrt(norm)) off++;
    if (!(sqrt(error) <= 0.1 * sqrt(norm)))
      fail_msg("%s: off by %g of %g", p->name, sqrt(error), sqrt(norm));
  }
  print_message("  %zu of %zu tensors are off by more than 1e-3\n", off, n);
  assert_true(off <= n / 10);
  close_run(plain);
  close_run(best);
}

/* ---- three updates */

static void set_rates(gm_params *params, const json_t *spec, const json_t *run_spec) {
  static const gm_tensor_choice all = {.name = NULL};
  gm_params_set_lr(params, &all, number(run_spec, "lr"));
  gm_params_set_decay(params, &all, number(run_spec, "weight_decay"));
  size_t i;
  json_t *slow;
  json_array_foreach(json_object_get(spec, "slow_names"), i, slow) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "*%s*", json_string_value(slow));
    gm_tensor_choice which = {.name = pattern};
    gm_params_scale_lr(params, &which, number(spec, "slow_lr_factor"));
  }
}

static void compare_losses_now(run *r, const json_t *run_spec, size_t i) {
  const json_t *want = json_array_get(json_object_get(run_spec, "losses"), i);
  bool enlarged = strcmp(json_string_value(json_object_get(run_spec, "name")), "enlarged") == 0;
  for (gm_source source = GM_SOURCE_COCO; source <= GM_SOURCE_SA1B; source++)
    assert_near(train(r, source, 0), number(want, sources[source]), enlarged ? 2e-3 : 1e-4,
                "loss after a step");
}

/* The weights after the steps: to 0.05 of what the rate allows, a tenth of that for the slow
 * names; the distance from the file's weights to 1e-3. */
static void compare_weights(const run *r, golden *values, const json_t *spec,
                            const json_t *run_spec) {
  const char *name, *run_name = json_string_value(json_object_get(run_spec, "name"));
  json_t *change;
  double moved = 0;
  for (size_t i = 0; i < 3; i++)
    moved += json_number_value(json_array_get(json_object_get(run_spec, "lr_factors"), i));
  json_object_foreach(json_object_get(run_spec, "change_norm"), name, change) {
    char key[224];
    const gm_param *p = param_of(r, name);
    const float *base = p->base.data;
    upstream_slice found = upstream_slice_of(r->params, p->name, false);
    double sum = 0, bound = 0.05 * number(run_spec, "lr") * moved;
    for (size_t i = 0; i < p->n; i++) sum += pow((double)p->value[i] - (double)base[i], 2);
    assert_near(sqrt(sum), json_number_value(change), 1e-3, name);
    assert_near(found.norm, number(json_object_get(run_spec, "param_norm"), name), 1e-4, name);
    snprintf(key, sizeof key, "%s.param.%s", run_name, name);
    if (strstr(name, "sampling_offsets")) bound *= number(spec, "slow_lr_factor");
    double error = error_of(&found, golden_get(values, key));
    if (!(error <= bound)) fail_msg("%s: off by %g, allowed %g", key, error, bound);
  }
}

static void steps(const json_t *spec, const json_t *run_spec, golden *values) {
  run *r = open_run(2, gm_kernels_at(0));
  set_rates(r->params, spec, run_spec);
  gm_optimiser optimiser = {.options = gm_optimiser_defaults()};
  optimiser.options.clip = number(spec, "max_grad_norm");
  optimiser.options.warmup = (uint64_t)number(run_spec, "warmup_steps");
  optimiser.options.total = (uint64_t)number(run_spec, "total_steps");
  for (size_t i = 0; i < 3; i++) {
    gm_update update;
    const char *source =
        json_string_value(json_array_get(json_object_get(run_spec, "steps"), i));
    compare_losses_now(r, run_spec, i);
    gm_params_clear(r->params, NULL);
    train(r, strcmp(source, "sa1b") == 0 ? GM_SOURCE_SA1B : GM_SOURCE_COCO, 1);
    assert_ok(gm_optimiser_step(&optimiser, r->params, 1, r->t.c->pool, &update, &r->err),
              &r->err);
    const json_t *norms = json_object_get(run_spec, "grad_norm_total");
    assert_near(update.norm, json_number_value(json_array_get(norms, i)), 1e-3,
                "norm of the gradient");
    const json_t *left = json_array_get(json_object_get(run_spec, "no_grad"), i);
    assert_int_equal(update.reached, r->params->n - json_array_size(left));
    assert_ok(gm_proposer_encoder_refresh(&r->w.encoder, &r->err), &r->err);
  }
  compare_losses_now(r, run_spec, 3);
  compare_weights(r, values, spec, run_spec);
  close_run(r);
}

static void steps_follow_the_reference(void **state) {
  (void)state;
  json_t *spec = read_json("det-steps"), *run_spec;
  golden *values = open_values("det-steps");
  size_t i;
  json_array_foreach(json_object_get(spec, "runs"), i, run_spec) {
#ifdef __SANITIZE_ADDRESS__ /* the run that shows more, to save the other's half a minute */
    if (strcmp(json_string_value(json_object_get(run_spec, "name")), "enlarged") != 0) continue;
#endif
    steps(spec, run_spec, values);
  }
  golden_close(values);
  json_decref(spec);
}

/* ---- what must not change a bit */

static void assert_same_gradients(const run *a, const run *b, const char *what) {
  for (size_t i = 0; i < a->params->n; i++)
    assert_same_bits(a->params->all[i].gradient, b->params->all[i].gradient,
                     a->params->all[i].n, what);
}

/* Dropout is on, so that its masks are seen to depend on the place alone. */
static run *trained(unsigned threads, bool recompute, uint64_t key) {
  run *r = open_run(threads, NULL);
  r->t.recompute = recompute;
  r->t.dropout = 0.1f;
  r->t.drop_key = key;
  train(r, GM_SOURCE_COCO, 1);
  return r;
}

static void same_bits(void **state) {
  (void)state;
  run *one = trained(1, false, 7);
  for (unsigned threads = 2; threads <= 3; threads++) {
    run *more = trained(threads, false, 7);
    assert_true(one->result.loss == more->result.loss);
    assert_same_gradients(one, more, "gradients of more threads");
    close_run(more);
  }
  run *again = trained(2, true, 7), *other = trained(2, false, 8);
  assert_true(one->result.loss == again->result.loss);
  assert_same_gradients(one, again, "gradients of layers that are computed again");
  assert_true(again->t.c->arena.peak < one->t.c->arena.peak);
  assert_true(one->result.loss != other->result.loss);
  close_run(one);
  close_run(again);
  close_run(other);
}

/* With factors rounded to bf16 (relative 2^-9 each), where the processor has products of bf16,
 * the results are near those of f32. */
static void bf16_is_near(void **state) {
  (void)state;
  run *r = open_run(2, NULL);
  double loss = train(r, GM_SOURCE_COCO, 0);
  r->t.bf16 = true;
  double rounded = train(r, GM_SOURCE_COCO, 0);
  assert_near(rounded, loss, 2e-2, "loss in bf16");
  close_run(r);
}

/* Two chunks of one picture each, with half the scale, are the mean over two devices. */
static void chunks_add_up(void **state) {
  (void)state;
  run *r = open_run(2, NULL), *parts[PICTURES];
  for (size_t i = 0; i < PICTURES; i++) {
    gm_detect_batch batch = {&world.pictures[i], 1, GM_SOURCE_COCO, 0.5, i};
    parts[i] = open_run(2, NULL);
    assert_ok(gm_proposer_train(&r->t, &r->w, &batch, &r->result), &r->err);
    assert_ok(gm_proposer_train(&parts[i]->t, &parts[i]->w, &batch, &parts[i]->result),
              &parts[i]->err);
  }
  for (size_t k = 0; k < r->params->n; k++) {
    const gm_param *p = &r->params->all[k];
    double largest = 0;
    for (size_t i = 0; i < p->n; i++) largest = fmax(largest, fabs((double)p->gradient[i]));
    for (size_t i = 0; i < p->n; i++) {
      double sum = (double)parts[0]->params->all[k].gradient[i] +
                   (double)parts[1]->params->all[k].gradient[i];
      /* Sums of at most 1024 cells, in another order. */
      assert_true(fabs(sum - (double)p->gradient[i]) <= 1e-5 * largest + 1e-5);
    }
  }
  close_run(r);
  for (size_t i = 0; i < PICTURES; i++) close_run(parts[i]);
}

/* The loss along the gradient g by a picture's features rises by |g|^2. A step that moves it by
 * a ten-thousandth stays away from other matchings and choices here; the loss is good to some
 * 1e-7 of itself (f32 passes, sums in f64), so the slope to 1e-3, and curvature cancels. */
static void features_have_a_gradient(void **state) {
  (void)state;
  run *r = open_run(2, gm_kernels_at(0));
  size_t cells = r->w.encoder.grid * r->w.encoder.grid, n = cells * world.width;
  float *d = zeros(n), *moved = zeros(n);
  gm_detect_picture picture = world.pictures[0];
  picture.d_features = d;
  gm_detect_batch batch = {&picture, 1, GM_SOURCE_COCO, 1, 0};
  assert_ok(gm_proposer_train(&r->t, &r->w, &batch, &r->result), &r->err);
  double square = 0, side[2], loss = r->result.loss;
  for (size_t i = 0; i < n; i++) square += (double)d[i] * d[i];
  double h = 1e-4 * loss / square;
  picture.features = moved;
  picture.d_features = NULL;
  batch.scale = 0;
  for (int s = 0; s < 2; s++) {
    for (size_t i = 0; i < n; i++)
      moved[i] = world.features[0][i] + (float)((s ? -h : h) * d[i]);
    assert_ok(gm_proposer_train(&r->t, &r->w, &batch, &r->result), &r->err);
    side[s] = r->result.loss;
  }
  assert_near((side[0] - side[1]) / (2 * h), square, 0.02,
              "slope along the features' gradient");
  free(d);
  free(moved);
  close_run(r);
}

static void handles_pictures_without_boxes(void **state) {
  (void)state;
  run *r = open_run(2, NULL);
  gm_detect_picture none = {world.features[0], NULL, 0, NULL};
  gm_detect_batch batch = {&none, 1, GM_SOURCE_SA1B, 1, 0};
  assert_ok(gm_proposer_train(&r->t, &r->w, &batch, &r->result), &r->err);
  assert_true(isfinite(r->result.loss) && r->result.loss > 0);
  for (size_t l = 0; l < OUTPUTS; l++)
    assert_true(r->outputs[l].box == 0 && r->outputs[l].giou == 0);
  close_run(r);
}

static void says_where_outputs_are_not_numbers(void **state) {
  (void)state;
  run *r = open_run(2, NULL);
  gm_params_find(r->params, "perceiver.ddetr_transformer.class_embed_coco.1.bias")->value[0] =
      NAN;
  gm_detect_batch batch = {world.pictures, PICTURES, GM_SOURCE_COCO, 1, 0};
  assert_int_equal(gm_proposer_train(&r->t, &r->w, &batch, &r->result), GM_ERR_MODEL);
  assert_non_null(strstr(r->err.message, "logit nan"));
  close_run(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(follows_the_reference),
      cmocka_unit_test(other_kernels_agree),
      cmocka_unit_test(steps_follow_the_reference),
      cmocka_unit_test(same_bits),
      cmocka_unit_test(bf16_is_near),
      cmocka_unit_test(chunks_add_up),
      cmocka_unit_test(features_have_a_gradient),
      cmocka_unit_test(handles_pictures_without_boxes),
      cmocka_unit_test(says_where_outputs_are_not_numbers),
  };
  return cmocka_run_group_tests(tests, open_world, close_world);
}
