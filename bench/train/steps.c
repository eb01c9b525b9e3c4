/* steps.c - one training step of each part of Groma-7B at its true shapes, for steps.py.
 *
 *   bench_train_steps proposer|regions|words MODEL [-t THREADS] [-b] [-n PICTURES] [-a TARGETS]
 *
 * MODEL: a synthetic one, such as synthetic:groma-7b-2l:q4_k:fast. -b: factors rounded to bf16.
 * -n: pictures of a step (proposer and regions). -a: positions that have a target, the last
 * ones (words); all otherwise. For each line of the standard input a step is done: forward,
 * loss, backward and AdamW. A step's line says its seconds by the clock and of the processor;
 * the last line, at the end of the input, the peak of memory above that before the first step,
 * in MB. Gradients and moments, which lie there from the start, count as if the first step had
 * made them. */
#include "llama_train.h"
#include "model_resolve.h"
#include "optimiser.h"
#include "proposer_train.h"
#include "region_train.h"
#include "rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POSITIONS = 256, RANK = 16, BOXES = 10, MOST_PICTURES = 64 };

typedef struct bench {
  gm_training t;
  gm_compute c;
  gm_error err;
  gm_params *params;
  gm_optimiser optimiser;
  gm_groma_hparams hparams;
  size_t pictures, width, answers;
  gm_rel_box boxes[MOST_PICTURES][BOXES];
  gm_proposer_learner proposer;
  gm_region_encoder regions;
  gm_llama *llama;
  float *features[MOST_PICTURES], *d_out, *out;
  int32_t rows[POSITIONS], targets[POSITIONS];
} bench;

static void check(const bench *b, gm_status status) {
  if (status == GM_OK) return;
  fprintf(stderr, "%s\n", b->err.message);
  exit(1);
}

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A line of /proc/self/status, in MB. */
static double memory(const char *name) {
  char line[256];
  double kilobytes = 0;
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f))
    if (strncmp(line, name, strlen(name)) == 0) kilobytes = atof(line + strlen(name));
  if (f) fclose(f);
  return kilobytes * 1024 / 1e6;
}

/* The peak is counted from now on. */
static void forget_peak(void) {
  FILE *f = fopen("/proc/self/clear_refs", "w");
  if (!f) return;
  fputs("5", f);
  fclose(f);
}

static float *floats(size_t n, float size) {
  float *x = malloc(n * sizeof *x);
  gm_rng rng = {n};
  if (!x) exit(1);
  for (size_t i = 0; i < n; i++) x[i] = size * (float)(2 * gm_rng_unit(&rng) - 1);
  return x;
}

/* ---- the parts */

static void open_proposer(bench *b) {
  size_t cells = b->hparams.image_size / b->hparams.patch_size;
  check(b, gm_proposer_learner_load(&b->proposer, b->params->view, &b->hparams, b->width,
                                    &b->err));
  for (size_t i = 0; i < b->pictures; i++) b->features[i] = floats(cells * cells * b->width, 1);
}

static double proposer_step(bench *b) {
  gm_detect_picture pictures[MOST_PICTURES];
  gm_detect_loss outputs[64];
  gm_detect_result result = {.outputs = outputs};
  for (size_t i = 0; i < b->pictures; i++)
    pictures[i] = (gm_detect_picture){b->features[i], b->boxes[i], BOXES, NULL};
  const gm_detect_batch batch = {pictures, b->pictures, GM_SOURCE_COCO, 1, 0};
  check(b, gm_proposer_encoder_refresh(&b->proposer.encoder, &b->err));
  check(b, gm_proposer_train(&b->t, &b->proposer, &batch, &result));
  return result.loss;
}

static void open_regions(bench *b) {
  check(b,
        gm_region_encoder_load(&b->regions, b->params->view, &b->hparams, b->width, &b->err));
  const gm_region_encoder *w = &b->regions;
  for (size_t i = 0; i < b->pictures; i++)
    b->features[i] = floats(GM_REGION_LEVELS * (1 + w->grid * w->grid) * w->width, 1);
  b->d_out = floats(b->pictures * BOXES * w->dim, 1e-3F);
  b->out = floats(b->pictures * BOXES * w->dim, 1);
}

/* The gradient of the vectors is given: a loss of their product with it. */
static double regions_step(bench *b) {
  const gm_region_encoder *w = &b->regions;
  size_t state = (1 + w->grid * w->grid) * w->width, n = b->pictures * BOXES * w->dim;
  gm_region_picture pictures[MOST_PICTURES];
  for (size_t i = 0; i < b->pictures; i++) {
    pictures[i] = (gm_region_picture){.boxes = b->boxes[i], .r = BOXES};
    for (size_t k = 0; k < GM_REGION_LEVELS; k++)
      pictures[i].states[k] = b->features[i] + k * state;
  }
  gm_region_kept *kept;
  check(b, gm_region_encoder_train(&b->t, w, pictures, b->pictures, b->out, &kept));
  check(b, gm_region_encoder_back(&b->t, w, pictures, b->pictures, kept, b->d_out));
  double loss = 0;
  for (size_t i = 0; i < n; i++) loss += (double)b->out[i] * (double)b->d_out[i];
  return loss;
}

static void open_words(bench *b) {
  check(b, gm_llama_load(&b->llama, b->params->view, &b->hparams, &b->err));
  for (int32_t i = 0; i < POSITIONS; i++) {
    b->rows[i] = (i * 7919 + 11) % (int32_t)b->llama->base_vocab;
    bool wanted = (size_t)i + b->answers >= POSITIONS;
    b->targets[i] = wanted ? (i * 7919 + 7930) % (int32_t)b->llama->base_vocab : -1;
  }
}

static double words_step(bench *b) {
  static const size_t length = POSITIONS;
  const gm_llama_batch batch = {&length, 1, POSITIONS, b->rows, NULL, b->targets, NULL, NULL};
  gm_llama_pass pass;
  double loss;
  check(b, gm_llama_train_forward(&pass, &b->t, b->llama, &batch));
  check(b, gm_llama_train_loss(&pass, &loss));
  check(b, gm_llama_train_back(&pass, NULL, 0));
  return loss;
}

typedef struct part {
  const char *name;
  gm_learn_rule rule;
  void (*open)(bench *);
  double (*step)(bench *);
} part;

static const part parts[] = {
    {"proposer", {{.part = "proposer"}, GM_LEARN_WHOLE, 0, 0}, open_proposer, proposer_step},
    {"regions", {{.part = "regions"}, GM_LEARN_WHOLE, 0, 0}, open_regions, regions_step},
    {"words", {{.part = "words"}, GM_LEARN_LORA, RANK, RANK}, open_words, words_step}};

/* ---- */

static void step(bench *b, const part *p) {
  double wall = now(CLOCK_MONOTONIC), processor = now(CLOCK_PROCESS_CPUTIME_ID);
  gm_arena_mark mark = gm_arena_save(&b->c.arena);
  gm_update update;
  gm_params_clear(b->params, b->c.pool);
  double loss = p->step(b);
  gm_arena_restore(&b->c.arena, mark);
  check(b, gm_optimiser_step(&b->optimiser, b->params, 1, b->c.pool, &update, &b->err));
  printf("step %.6f %.6f loss %.6g norm %.6g\n", now(CLOCK_MONOTONIC) - wall,
         now(CLOCK_PROCESS_CPUTIME_ID) - processor, loss, update.norm);
  fflush(stdout);
}

static void run(bench *b, const part *p) {
  size_t learned = 0;
  char line[16];
  gm_rng rng = {1};
  for (size_t i = 0; i < b->pictures; i++)
    for (size_t k = 0; k < BOXES; k++) {
      float w = 0.05F + 0.5F * (float)gm_rng_unit(&rng), x = (float)gm_rng_unit(&rng);
      float h = 0.05F + 0.5F * (float)gm_rng_unit(&rng), y = (float)gm_rng_unit(&rng);
      b->boxes[i][k] = (gm_rel_box){w / 2 + x * (1 - w), h / 2 + y * (1 - h), w, h};
    }
  p->open(b);
  for (size_t i = 0; i < b->params->n; i++) learned += b->params->all[i].n;
  gm_params_set_lr(b->params, &(gm_tensor_choice){0}, 1e-4);
  double before = memory("VmRSS:") - 3 * 4e-6 * (double)learned;
  forget_peak();
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) step(b, p);
  printf("memory %.1f learned %zu kernels %s\n", memory("VmHWM:") - before, learned,
         b->c.kernels->name);
}

int main(int argc, char **argv) {
  static bench b = {.c = {.kernels = NULL}, .pictures = 8, .answers = POSITIONS};
  unsigned threads = 0;
  const part *chosen = NULL;
  int option;
  while ((option = getopt(argc, argv, "t:bn:a:")) != -1) {
    if (option == 't')
      threads = (unsigned)atoi(optarg);
    else if (option == 'b')
      b.t.bf16 = true;
    else if (option == 'n')
      b.pictures = (size_t)atoi(optarg);
    else if (option == 'a')
      b.answers = (size_t)atoi(optarg);
    else
      return 2;
  }
  for (size_t i = 0; i < 3 && optind + 1 < argc; i++)
    if (strcmp(argv[optind], parts[i].name) == 0) chosen = &parts[i];
  if (!chosen || b.pictures < 1 || b.pictures > MOST_PICTURES) return 2;
  b.c.kernels = gm_kernels_best();
  b.c.err = &b.err;
  b.t.c = &b.c;
  b.optimiser.options = gm_optimiser_defaults();
  gm_model_file *file;
  check(&b, gm_pool_create(&b.c.pool, threads, &b.err));
  check(&b, gm_model_file_resolve(&file, argv[optind + 1], NULL, b.c.pool, &b.err));
  check(&b, gm_groma_hparams_read(&b.hparams, file, &b.err));
  check(&b, gm_params_create(&b.params, file, &chosen->rule, 1, false, 1, &b.err));
  const gm_tensor *input =
      gm_model_file_tensor(file, "region_encoder.mlvl_fuse.input_conv.0.weight");
  b.width = input->shape[1];
  b.t.learned = &b.params->learned;
  run(&b, chosen);
  gm_proposer_learner_free(&b.proposer);
  gm_region_encoder_free(&b.regions);
  gm_llama_free(b.llama);
  gm_params_free(b.params);
  gm_model_file_close(file);
  gm_pool_free(b.c.pool);
  gm_arena_free(&b.c.arena);
  for (size_t i = 0; i < b.pictures; i++) free(b.features[i]);
  free(b.d_out), free(b.out);
  return 0;
}
