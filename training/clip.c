/* clip.c - teaches a small CLIP from nothing (clip_batch.h). A run that finds OUT.state goes on
 * from it. */
#include "clip_batch.h"

#include "go_on.h"
#include "initialise.h"
#include "optimiser.h"
#include "trained_model.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1024, TELL = 20, SAVE = 300 }; /* pictures of a batch; seconds */

static const char usage[] =
    "usage: train_clip -m MODEL -s SINGLES -e HELD -o OUT -t SECONDS -n STEPS [OPTION]...\n"
    "  -m MODEL    model file whose sizes and tokenizer are taken; its weights are not used\n"
    "  -s SINGLES  folder with singles.json and its pictures (scripts/world/draw.py)\n"
    "  -e HELD     the same, to measure on\n"
    "  -o OUT      model file to write; OUT.state is where a run goes on\n"
    "  -t SECONDS  stop after that time\n"
    "  -n STEPS    steps of the whole schedule\n"
    "  -b BATCH    pictures of a step, 2 to 1024 (128)\n"
    "  -l RATE     peak learning rate (1e-3)\n"
    "  -j THREADS  0: all (0)\n"
    "  -x          exact products in f32; by default their factors are rounded to bf16\n";

typedef struct clip_options {
  const char *model, *singles, *held, *out;
  double seconds, rate;
  uint64_t steps;
  size_t batch;
  unsigned threads;
  bool exact;
} clip_options;

/* A run and all that it holds. */
typedef struct clip_run {
  const clip_options *o;
  gm_compute c;
  gm_model_file *file;
  gm_params *params;
  clip_learner learner;
  gm_optimiser optimiser;
  singles singles, held;
  lesson lessons[MOST];
  float *pixels, *classes; /* of the lessons; features of the class names */
  char state[4096];
  gm_error err;
} clip_run;

/* gm_initialise's std of 0.02 suits widths of thousands. In a narrow tower it would let so
 * little of a picture reach the class token that all features begin alike and stay so for long.
 * 1 / sqrt(C) keeps the size of what passes through. */
static void widen_first_values(clip_run *r) {
  static const char *const names[] = {"*proj*", "*.fc[12].weight", "*embed*"};
  double wanted = 1 / sqrt((double)r->learner.model->text.shape.dim);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    gm_tensor_choice which = {.name = names[i]};
    gm_params_multiply(r->params, &which, (float)(wanted / 0.02));
  }
}

static gm_status open_model(clip_run *r) {
  gm_error *err = &r->err;
  static const gm_learn_rule rules[] = {{.which = {.part = NULL}, .how = GM_LEARN_WHOLE}};
  GM_TRY(gm_model_file_open(&r->file, r->o->model, true, false, err));
  GM_TRY(gm_params_create(&r->params, r->file, rules, 1, true, 1, err));
  gm_tensor_choice all = {.part = NULL}, vectors[] = {{.name = "*bias"},
                                                      {.name = "*norm*"},
                                                      {.name = "*embedding*"},
                                                      {.name = "logit_scale"}};
  GM_TRY(gm_initialise(r->params, &all, 1, err));
  r->learner.t = (gm_training){.c = &r->c, .bf16 = !r->o->exact};
  GM_TRY(clip_learner_load(&r->learner, r->params, err));
  widen_first_values(r);
  gm_params_set_lr(r->params, &all, r->o->rate);
  gm_params_set_decay(r->params, &all, 0.1);
  for (size_t i = 0; i < 4; i++) gm_params_set_decay(r->params, &vectors[i], 0);
  r->optimiser.options = gm_optimiser_defaults();
  r->optimiser.options.beta2 = 0.98;
  r->optimiser.options.warmup = r->o->steps < 4000 ? r->o->steps / 20 : 200;
  r->optimiser.options.total = r->o->steps;
  r->optimiser.options.average = 0.998;
  return GM_OK;
}

static gm_status open_run(clip_run *r) {
  GM_TRY(gm_pool_create(&r->c.pool, r->o->threads, &r->err));
  GM_TRY(singles_load(&r->singles, r->o->singles, &r->err));
  GM_TRY(singles_load(&r->held, r->o->held, &r->err));
  GM_TRY(open_model(r));
  size_t each = 3 * r->learner.model->vision.image_size * r->learner.model->vision.image_size;
  size_t classes = r->held.n_classes * r->learner.model->features;
  r->pixels = malloc(r->o->batch * each * sizeof *r->pixels);
  r->classes = malloc(classes * sizeof *r->classes);
  if (!r->pixels || !r->classes) return gm_fail_memory(&r->err, "pixels", r->o->batch * each);
  for (size_t i = 0; i < r->o->batch; i++) r->lessons[i].pixels = r->pixels + i * each;
  return GM_OK;
}

static void close_run(clip_run *r) {
  clip_learner_free(&r->learner);
  gm_params_free(r->params);
  gm_model_file_close(r->file);
  singles_free(&r->singles);
  singles_free(&r->held);
  gm_pool_free(r->c.pool);
  gm_arena_free(&r->c.arena);
  free(r->pixels);
  free(r->classes);
}

/* Large objects come first, since they are learnt much faster: 4 of 5 lessons are cut close
 * around the object, falling to 1 of 5 after three tenths of the schedule. */
static double near_share(const clip_run *r) {
  return fmax(0.2, 0.8 - 2 * (double)r->optimiser.updates / (double)r->o->steps);
}

static gm_status load_lessons(clip_run *r, const singles *set, bool change, uint64_t first,
                              size_t n) {
  const gm_clip_model *m = r->learner.model;
  lesson_source source = {.set = set,
                          .side = m->vision.image_size,
                          .norm = m->hparams.norm,
                          .resize = m->hparams.resize,
                          .change = change,
                          .near = near_share(r),
                          .seed = 1};
  return lessons_load(&source, r->lessons, n, first, r->c.pool, &r->err);
}

static gm_status step(clip_run *r, double *loss) {
  size_t n = r->o->batch;
  gm_update update;
  GM_TRY(load_lessons(r, &r->singles, true, r->optimiser.updates * n, n));
  gm_params_clear(r->params, r->c.pool);
  GM_TRY(clip_batch(&r->learner, r->lessons, n, loss));
  GM_TRY(gm_optimiser_step(&r->optimiser, r->params, 1, r->c.pool, &update, &r->err));
  return clip_learner_refresh(&r->learner, &r->err);
}

/* The share of held pictures that their label prompts name. */
static gm_status measure(clip_run *r, const char *what) {
  size_t right = 0, n = r->held.n;
  GM_TRY(clip_learner_refresh(&r->learner, &r->err));
  GM_TRY(clip_class_features(&r->learner, &r->held, r->classes));
  for (size_t i = 0; i < n; i += r->o->batch) {
    size_t some, count = n - i < r->o->batch ? n - i : r->o->batch;
    GM_TRY(load_lessons(r, &r->held, false, i, count));
    GM_TRY(
        clip_count_right(&r->learner, r->lessons, count, r->classes, r->held.n_classes, &some));
    right += some;
  }
  printf("%s: %.4f of %zu pictures right\n", what, (double)right / (double)n, n);
  return GM_OK;
}

/* What is said of the steps since the last line. */
typedef struct tale {
  double start, told, sum;
  size_t steps;
} tale;

static void tell(const clip_run *r, tale *t) {
  if (t->steps == 0) return;
  t->told = seconds_now();
  printf("%7llu %6.0f s  loss %.4f  scale %.1f\n", (unsigned long long)r->optimiser.updates,
         t->told - t->start, t->sum / (double)t->steps, exp(*r->learner.log_scale));
  fflush(stdout);
  t->sum = 0;
  t->steps = 0;
}

static gm_status learn(clip_run *r) {
  const clip_options *o = r->o;
  double start = seconds_now(), saved = start;
  tale t = {.start = start, .told = start};
  while (r->optimiser.updates < o->steps && seconds_now() - start < o->seconds) {
    double loss;
    GM_TRY(step(r, &loss));
    t.sum += loss;
    t.steps++;
    if (seconds_now() - t.told > TELL) tell(r, &t);
    if (seconds_now() - saved > SAVE) {
      saved = seconds_now();
      GM_TRY(measure(r, "held"));
      GM_TRY(save_run(r->params, &r->optimiser, r->state, &r->err));
    }
  }
  tell(r, &t);
  return save_run(r->params, &r->optimiser, r->state, &r->err);
}

static gm_status train(clip_run *r) {
  GM_TRY(open_run(r));
  GM_TRY(resume_run(r->params, &r->optimiser, r->state, &r->err));
  GM_TRY(clip_learner_refresh(&r->learner, &r->err));
  GM_TRY(learn(r));
  GM_TRY(measure(r, "held"));
  gm_params_swap_average(r->params, r->c.pool);
  GM_TRY(measure(r, "held, averaged"));
  const gm_trained_number scale = {"clip.logit_scale", expf(*r->learner.log_scale)};
  gm_trained_options written = {
      .type = GM_TYPE_F16, .numbers = &scale, .n_numbers = 1, .pool = r->c.pool};
  return gm_trained_write(r->params, r->o->out, &written, &r->err);
}

int main(int argc, char **argv) {
  clip_options o = {.rate = 1e-3, .batch = 128};
  for (int option; (option = getopt(argc, argv, "m:s:e:o:t:n:b:l:j:x")) != -1;) {
    if (option == 'm') o.model = optarg;
    if (option == 's') o.singles = optarg;
    if (option == 'e') o.held = optarg;
    if (option == 'o') o.out = optarg;
    if (option == 't') o.seconds = atof(optarg);
    if (option == 'n') o.steps = strtoull(optarg, NULL, 10);
    if (option == 'b') o.batch = strtoull(optarg, NULL, 10);
    if (option == 'l') o.rate = atof(optarg);
    if (option == 'j') o.threads = (unsigned)strtoul(optarg, NULL, 10);
    if (option == 'x') o.exact = true;
  }
  if (!o.model || !o.singles || !o.held || !o.out || o.seconds <= 0 || !o.steps ||
      o.batch < 2 || o.batch > MOST) {
    fputs(usage, stderr);
    return 2;
  }
  static clip_run r;
  r.o = &o;
  r.c = (gm_compute){.kernels = gm_kernels_best(), .err = &r.err};
  snprintf(r.state, sizeof r.state, "%s.state", o.out);
  gm_status status = train(&r);
  if (status != GM_OK) fprintf(stderr, "train_clip: %s\n", r.err.message);
  close_run(&r);
  return status != GM_OK;
}
