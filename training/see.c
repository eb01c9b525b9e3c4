/* see.c - teaches the seeing half of a small model from nothing (see_batch.h). A run that finds
 * OUT.state goes on from it. */
#include "see_batch.h"

#include "go_on.h"
#include "optimiser.h"
#include "trained_model.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 16, HELD = 320, TELL = 20, SAVE = 300 }; /* pictures; seconds */

static const char usage[] =
    "usage: train_see -m MODEL -s SCENES -e HELD -o OUT -t SECONDS -n STEPS [OPTION]...\n"
    "  -m MODEL    model file to begin with\n"
    "  -s SCENES   folder with annotations.json and images/\n"
    "  -e HELD     the same, to measure on\n"
    "  -o OUT      model file to write; OUT.state is where a run goes on\n"
    "  -t SECONDS  stop after that time\n"
    "  -n STEPS    steps of the whole schedule, of 16 pictures each\n"
    "  -l RATE     peak learning rate (5e-4)\n"
    "  -r          teach the region encoder too\n"
    "  -f          keep the vision encoder as it is\n";

typedef struct see_options {
  const char *model, *scenes, *held, *out;
  double seconds, rate;
  uint64_t steps;
  bool regions, freeze;
} see_options;

static gm_status load_set(gm_data_set **out, const char *folder, gm_error *err) {
  char path[4096], images[4096];
  snprintf(path, sizeof path, "%s/annotations.json", folder);
  snprintf(images, sizeof images, "%s/images", folder);
  gm_data_spec spec = {.name = (char *)"scenes",
                       .file = path,
                       .images = images,
                       .format = GM_DATA_COCO,
                       .task = GM_TASK_DETECT,
                       .share = 1};
  gm_data_report report = {0};
  gm_data_rules rules = {0};
  return gm_data_set_load(out, &spec, &rules, &report, err);
}

/* A run and all that it holds. */
typedef struct see_run {
  const see_options *o;
  gm_compute c;
  gm_model_file *file;
  see_model model;
  gm_optimiser optimiser;
  gm_data_set *scenes, *held;
  picture pictures[BATCH];
  float *pixels; /* of the pictures */
  char state[4096];
  gm_error err;
} see_run;

static gm_status open_model(see_run *r) {
  const see_options *o = r->o;
  gm_error *err = &r->err;
  GM_TRY(gm_model_file_open(&r->file, o->model, true, false, err));
  gm_learn_rule rules[3] = {{.which = {.part = "proposer"}, .how = GM_LEARN_WHOLE}};
  size_t n = 1;
  if (!o->freeze)
    rules[n++] = (gm_learn_rule){.which = {.part = "vision"}, .how = GM_LEARN_WHOLE};
  if (o->regions)
    rules[n++] = (gm_learn_rule){.which = {.part = "regions"}, .how = GM_LEARN_WHOLE};
  GM_TRY(gm_params_create(&r->model.params, r->file, rules, n, true, 1, err));
  GM_TRY(gm_groma_hparams_read(&r->model.hparams, r->file, err));
  r->model.n_classes = r->scenes->n_categories;
  r->model.with_regions = o->regions;
  r->model.t.c = &r->c;
  GM_TRY(see_model_load(&r->model, err));
  gm_tensor_choice all = {.part = NULL}, slow = {.name = "*sampling_offsets*"};
  gm_params_set_lr(r->model.params, &all, o->rate);
  gm_params_set_decay(r->model.params, &all, 0.02);
  gm_params_scale_lr(r->model.params, &slow, 0.1);
  r->optimiser.options = gm_optimiser_defaults();
  r->optimiser.options.warmup = 200;
  r->optimiser.options.total = o->steps;
  r->optimiser.options.average = 0.99;
  return GM_OK;
}

static gm_status open_run(see_run *r) {
  GM_TRY(gm_pool_create(&r->c.pool, 0, &r->err));
  GM_TRY(load_set(&r->scenes, r->o->scenes, &r->err));
  GM_TRY(load_set(&r->held, r->o->held, &r->err));
  GM_TRY(open_model(r));
  size_t side = r->model.hparams.image_size;
  r->pixels = malloc(BATCH * 3 * side * side * sizeof *r->pixels);
  if (!r->pixels) return gm_fail_memory(&r->err, "pixels", BATCH * 3 * side * side);
  for (size_t i = 0; i < BATCH; i++) r->pictures[i].pixels = r->pixels + i * 3 * side * side;
  return GM_OK;
}

static void close_run(see_run *r) {
  see_model_free(&r->model);
  gm_params_free(r->model.params);
  gm_model_file_close(r->file);
  gm_data_set_free(r->scenes);
  gm_data_set_free(r->held);
  gm_pool_free(r->c.pool);
  gm_arena_free(&r->c.arena);
  free(r->pixels);
}

static gm_status load_pictures(see_run *r, const gm_data_set *set, bool change,
                               uint64_t first) {
  picture_source source = {.set = set,
                           .side = r->model.hparams.image_size,
                           .norm = r->model.hparams.pixel_norm,
                           .change = change,
                           .seed = 1};
  return pictures_load(&source, r->pictures, BATCH, first, r->c.pool, &r->err);
}

static void say(const see_run *r, const see_sums *l) {
  printf("patches %.3f (%.3f right) proposals %.3f (%.3f recalled)", l->dense / l->batches,
         l->dense_right / l->labelled, l->detect / l->batches, l->recalled / l->objects);
  if (r->o->regions)
    printf(" names %.3f (%.3f right) places %.3f (%.3f right)", l->named / l->batches,
           l->named_right / l->objects, l->placed / l->batches, l->placed_right / l->objects);
  printf("\n");
  fflush(stdout);
}

static gm_status step(see_run *r, see_sums *sum) {
  uint64_t s = r->optimiser.updates;
  gm_update update;
  GM_TRY(load_pictures(r, r->scenes, true, s * BATCH));
  gm_params_clear(r->model.params, r->c.pool);
  GM_TRY(see_batch(&r->model, r->pictures, BATCH, s, false, sum));
  GM_TRY(gm_optimiser_step(&r->optimiser, r->model.params, 1, r->c.pool, &update, &r->err));
  return see_model_refresh(&r->model, &r->err);
}

/* *loss: the sum of all losses of the held pictures. */
static gm_status measure(see_run *r, const char *what, double *loss) {
  see_sums sum = {0};
  GM_TRY(see_model_refresh(&r->model, &r->err));
  for (uint64_t i = 0; i + BATCH <= r->held->n_pictures && i < HELD; i += BATCH) {
    GM_TRY(load_pictures(r, r->held, false, i));
    GM_TRY(see_batch(&r->model, r->pictures, BATCH, i / BATCH, true, &sum));
  }
  printf("%s: ", what);
  say(r, &sum);
  *loss = sum.dense + sum.detect + (r->o->regions ? sum.named + sum.placed : 0);
  return GM_OK;
}

/* The weights, or their moving average, whichever has the smaller loss on held pictures. */
static gm_status choose_weights(see_run *r) {
  double last, average;
  GM_TRY(measure(r, "held", &last));
  gm_params_swap_average(r->model.params, r->c.pool);
  GM_TRY(measure(r, "held, averaged", &average));
  if (last <= average) gm_params_swap_average(r->model.params, r->c.pool);
  return GM_OK;
}

static gm_status train(see_run *r) {
  const see_options *o = r->o;
  GM_TRY(open_run(r));
  GM_TRY(resume_run(r->model.params, &r->optimiser, r->state, &r->err));
  GM_TRY(see_model_refresh(&r->model, &r->err));
  double start = seconds_now(), told = start, saved = start;
  see_sums sum = {0};
  while (r->optimiser.updates < o->steps && seconds_now() - start < o->seconds) {
    GM_TRY(step(r, &sum));
    if (seconds_now() - told > TELL) {
      told = seconds_now();
      printf("%7llu %6.0f s  ", (unsigned long long)r->optimiser.updates, told - start);
      say(r, &sum);
      sum = (see_sums){0};
    }
    if (seconds_now() - saved > SAVE) {
      saved = seconds_now();
      GM_TRY(save_run(r->model.params, &r->optimiser, r->state, &r->err));
    }
  }
  GM_TRY(save_run(r->model.params, &r->optimiser, r->state, &r->err));
  GM_TRY(choose_weights(r));
  gm_trained_options written = {.type = GM_TYPE_F16, .pool = r->c.pool};
  return gm_trained_write(r->model.params, o->out, &written, &r->err);
}

int main(int argc, char **argv) {
  see_options o = {.rate = 5e-4};
  for (int option; (option = getopt(argc, argv, "m:s:e:o:t:n:l:rf")) != -1;) {
    if (option == 'm') o.model = optarg;
    if (option == 's') o.scenes = optarg;
    if (option == 'e') o.held = optarg;
    if (option == 'o') o.out = optarg;
    if (option == 't') o.seconds = atof(optarg);
    if (option == 'n') o.steps = strtoull(optarg, NULL, 10);
    if (option == 'l') o.rate = atof(optarg);
    if (option == 'r') o.regions = true;
    if (option == 'f') o.freeze = true;
  }
  if (!o.model || !o.scenes || !o.held || !o.out || o.seconds <= 0 || !o.steps) {
    fputs(usage, stderr);
    return 2;
  }
  static see_run r;
  r.o = &o;
  r.c = (gm_compute){.kernels = gm_kernels_best(), .err = &r.err};
  snprintf(r.state, sizeof r.state, "%s.state", o.out);
  gm_status status = train(&r);
  if (status != GM_OK) fprintf(stderr, "train_see: %s\n", r.err.message);
  close_run(&r);
  return status != GM_OK;
}
