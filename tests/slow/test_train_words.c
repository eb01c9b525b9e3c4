/* test_train_words.c - stages 2 and 3 on groma-tiny against the reference: loss, gradients, and
 * losses after steps of AdamW; what must not change a bit; several sequences in a micro-batch.
 */
#include "ops_support.h"
#include "stage_golden.h"
#include "upstream_slice.h"
#include "vision_support.h"

#include "instruct_train.h"
#include "optimiser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What an f32 implementation meets (relative; the gradients' to the largest of their tensor)
 * and one wrong rule does not. Values of the region encoder carry more noise of f32, their
 * norms do not. */
static const double LOSS = 1e-4, GRADIENT = 1e-3, REGION_GRADIENT = 1e-2, NORM = 1e-3;

enum { STEPS = 3 };

static gm_model_file *tiny;

static int open_model(void **state) {
  (void)state;
  tiny = converted_model(test_data("models/groma-tiny"), "f32");
  return 0;
}

static int close_model(void **state) {
  (void)state;
  gm_model_file_close(tiny);
  return 0;
}

/* ---- a stage's model and its one picture */

typedef struct stage_run {
  stage_golden golden;
  bool eos;
  gm_params *params;
  gm_groma *groma;
  gm_compute *c;
  gm_training t;
  gm_features *features;
  gm_sequence sequence;
  gm_instruct_item item;
  gm_error err;
} stage_run;

static void see(stage_run *run) {
  const gm_groma_hparams *h = &run->groma->hparams;
  const gm_vision *vision = run->groma->vision;
  gm_image *image;
  float *pixels = zeros(3 * h->image_size * h->image_size);
  assert_ok(gm_image_open(&image, test_data("photos/coffee.png"), NULL, &run->err), &run->err);
  assert_ok(
      gm_pixels_squash(pixels, image, h->image_size, &h->pixel_norm, run->c->pool, &run->err),
      &run->err);
  assert_ok(gm_features_create(&run->features, vision, &run->err), &run->err);
  assert_ok(gm_vision_encode(run->c, vision, run->features, pixels), &run->err);
  assert_ok(gm_vision_propose(run->c, vision, run->features), &run->err);
  gm_image_free(image);
  free(pixels);
}

static gm_instruct_item item_of(stage_run *run, gm_sequence *sequence,
                                const gm_sample *sample) {
  const gm_groma_hparams *h = &run->groma->hparams;
  const gm_sequence_rule rule = {{h->score_threshold, h->nms_threshold, h->max_regions},
                                 run->eos,
                                 false,
                                 GM_SEQUENCE_IDS,
                                 false};
  gm_instruct_item item = {.sequence = sequence};
  gm_proposals found;
  found.boxes = gm_features_proposals(run->features, &found.scores, &found.n);
  assert_ok(
      gm_sequence_build(sequence, &rule, run->groma->prompt, sample, &found, 0, &run->err),
      &run->err);
  gm_features_states(run->groma->vision, run->features, &item.output, item.states);
  return item;
}

/* only: the one part that learns; NULL: all of the stage. */
static void open_stage(stage_run *run, const char *name, unsigned threads, const char *only) {
  *run = (stage_run){.eos = strcmp(name, "stage3") == 0};
  stage_golden_open(&run->golden, name);
  const gm_learn_rule all[] = {{.which = {.part = "bridge"}, .how = GM_LEARN_WHOLE},
                               {.which = {.part = "regions"}, .how = GM_LEARN_WHOLE},
                               {.which = {.part = "embeddings"}, .how = GM_LEARN_WHOLE},
                               {.which = {.part = "words"}, .how = GM_LEARN_WHOLE}};
  const gm_learn_rule one = {.which = {.part = only}, .how = GM_LEARN_WHOLE};
  assert_ok(gm_params_create(&run->params, tiny, only ? &one : all,
                             only       ? 1
                             : run->eos ? 4
                                        : 3,
                             false, 0, &run->err),
            &run->err);
  const gm_groma_cache cache = {0};
  assert_ok(gm_groma_load(&run->groma, run->params->view, &cache, &run->err), &run->err);
  run->c = compute_open(threads, NULL);
  run->c->err = &run->err;
  run->t = (gm_training){.c = run->c, .learned = &run->params->learned};
  see(run);
  run->item = item_of(run, &run->sequence, &run->golden.sample);
}

static void close_stage(stage_run *run) {
  gm_sequence_free(&run->sequence);
  gm_features_free(run->features);
  compute_close(run->c);
  gm_groma_free(run->groma);
  gm_params_free(run->params);
  stage_golden_close(&run->golden);
}

static double step(stage_run *run, const gm_instruct_item *items, size_t n) {
  double loss;
  gm_params_clear(run->params, run->c->pool);
  assert_ok(gm_instruct_step(&run->t, run->groma, items, n, &loss), &run->err);
  return loss;
}

/* ---- against the reference */

/* Returns the square of the norm. */
static double check_gradient(const stage_run *run, const char *name, double norm) {
  char key[160];
  snprintf(key, sizeof key, "grad.%s", name);
  golden_array want = golden_get(run->golden.values, key);
  const upstream_slice slice = upstream_slice_of(run->params, name, true);
  const double allowed = strncmp(name, "region_encoder.", 15) == 0 ? REGION_GRADIENT : GRADIENT;
  assert_int_equal(slice.n, want.n);
  assert_close(slice.values, want.data, want.n, allowed, name);
  if (!(fabs(slice.norm - norm) <= NORM * norm))
    fail_msg("%s: the gradient's norm is %.8g, wanted %.8g", name, slice.norm, norm);
  return slice.norm * slice.norm;
}

static void check_gradients(const stage_run *run) {
  const char *name;
  json_t *norm;
  double all = 0;
  size_t n = 0;
  json_object_foreach(json_object_get(run->golden.meta, "grad_norm"), name, norm) {
    all += check_gradient(run, name, json_number_value(norm));
    n++;
  }
  /* Every tensor that learns has one, and was reached. Three of upstream's are two of ours. */
  assert_int_equal(n + 3, run->params->n);
  for (size_t i = 0; i < run->params->n; i++) assert_true(run->params->all[i].learned->reached);
  double wanted = stage_golden_number(&run->golden, "grad_norm_total", 0);
  assert_true(fabs(sqrt(all) - wanted) <= NORM * wanted);
}

static void check_loss(const stage_run *run, size_t i, double loss) {
  double want = stage_golden_number(&run->golden, "losses", i);
  print_message("  loss %zu: %.6f, wanted %.6f\n", i, loss, want);
  if (!(fabs(loss - want) <= LOSS * want))
    fail_msg("loss %zu is %.7g, wanted %.7g", i, loss, want);
}

static void check_stage(const char *name) {
  stage_run run;
  open_stage(&run, name, 2, NULL);
  check_loss(&run, 0, step(&run, &run.item, 1));
  check_gradients(&run);

  gm_optimiser optimiser = {.options = gm_optimiser_defaults()};
  const gm_tensor_choice everything = {0};
  optimiser.options.clip = 0;
  gm_params_set_lr(run.params, &everything, stage_golden_number(&run.golden, "lr", 0));
  for (size_t i = 1; i <= STEPS; i++) {
    gm_update update;
    assert_ok(gm_optimiser_step(&optimiser, run.params, 1, run.c->pool, &update, &run.err),
              &run.err);
    check_loss(&run, i, step(&run, &run.item, 1));
  }
  close_stage(&run);
}

static void stage2(void **state) {
  (void)state;
  check_stage("stage2");
}

static void stage3(void **state) {
  (void)state;
  check_stage("stage3");
}

/* ---- bits */

static void assert_same_gradients(const stage_run *run, const stage_run *wanted) {
  for (size_t i = 0; i < run->params->n; i++) {
    const gm_param *p = &run->params->all[i], *want = gm_params_find(wanted->params, p->name);
    assert_same_bits(p->gradient, want->gradient, p->n, p->name);
  }
}

/* The same for 1, 2 and 3 threads, where layers are computed again, and where the language
 * model learns alone. */
static void threads_and_recomputing_change_no_bit(void **state) {
  (void)state;
  stage_run first, run;
  open_stage(&first, "stage3", 1, NULL);
  double loss = step(&first, &first.item, 1);
  for (unsigned threads = 2; threads <= 3; threads++) {
    open_stage(&run, "stage3", threads, NULL);
    run.t.recompute = threads == 3;
    assert_true(step(&run, &run.item, 1) == loss);
    assert_same_gradients(&run, &first);
    close_stage(&run);
  }
  open_stage(&run, "stage3", 2, "words");
  assert_true(step(&run, &run.item, 1) == loss);
  assert_same_gradients(&run, &first);
  close_stage(&run);
  close_stage(&first);
}

/* ---- several sequences */

static size_t count_targets(const gm_sequence *s) {
  size_t n = 0;
  for (size_t i = 0; i < s->labels.n; i++) n += s->labels.ids[i] >= 0;
  return n;
}

/* A micro-batch's loss is the mean over all its targets, so its gradient is that of its
 * sequences, each by its share of the targets. The sums differ in order alone: relative to the
 * largest value by some roundings of f32, 1e-4 as for values of the region encoder above. */
static void a_micro_batch_is_the_mean_of_its_targets(void **state) {
  (void)state;
  stage_run run;
  open_stage(&run, "stage2", 2, NULL);
  gm_sample first = run.golden.sample, rest = run.golden.sample;
  first.n_turns = 1;
  first.n_ground = 0;
  rest.turns++;
  rest.n_turns = 2;
  rest.n_refer = 0;
  gm_sequence sequences[2];
  const gm_instruct_item items[] = {item_of(&run, &sequences[0], &first),
                                    item_of(&run, &sequences[1], &rest)};
  double n[] = {(double)count_targets(&sequences[0]), (double)count_targets(&sequences[1])};
  double loss = 0;
  float **wanted = calloc(run.params->n, sizeof *wanted);
  assert_non_null(wanted);
  for (size_t s = 0; s < 2; s++) {
    const double share = n[s] / (n[0] + n[1]);
    loss += share * step(&run, &items[s], 1);
    for (size_t i = 0; i < run.params->n; i++) {
      const gm_param *p = &run.params->all[i];
      if (!wanted[i]) wanted[i] = zeros(p->n);
      for (size_t k = 0; k < p->n; k++) wanted[i][k] += (float)share * p->gradient[k];
    }
  }
  assert_true(fabs(step(&run, items, 2) - loss) <= 1e-5 * loss);
  for (size_t i = 0; i < run.params->n; i++) {
    const gm_param *p = &run.params->all[i];
    assert_close(p->gradient, wanted[i], p->n, 1e-4, p->name);
    free(wanted[i]);
  }
  free(wanted);
  gm_sequence_free(&sequences[0]);
  gm_sequence_free(&sequences[1]);
  close_stage(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stage2),
      cmocka_unit_test(stage3),
      cmocka_unit_test(threads_and_recomputing_change_no_bit),
      cmocka_unit_test(a_micro_batch_is_the_mean_of_its_targets),
  };
  return cmocka_run_group_tests_name("train_words", tests, open_model, close_model);
}
