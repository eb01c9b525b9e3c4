/* speak.c - teaches a small model to speak and point: bridge, region encoder and language model
 * learn from scenes of the drawn world; vision encoder and proposer stay as they are.
 * What the frozen half sees of each scene is kept in OUT.seen and OUT.held; a run that finds
 * OUT.state goes on from it. Each minute, and at the end, answers about held scenes are
 * measured: they count as right where each of their words would be said. */
#include "speak_batch.h"

#include "go_on.h"
#include "initialise.h"
#include "optimiser.h"
#include "train_state.h"
#include "trained_model.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 64, HELD_TURNS = 3, FEW_HELD = 40, TELL = 60, SAVE = 300 };

static const char usage[] =
    "usage: train_speak -m MODEL -s SCENES -e HELD -o OUT -t SECONDS -n STEPS [OPTION]...\n"
    "  -m MODEL    model file to begin with\n"
    "  -s SCENES   folder with annotations.json, referring.json and images/\n"
    "  -e HELD     the same, to measure on\n"
    "  -o OUT      model file to write; OUT.state is where a run goes on\n"
    "  -t SECONDS  stop after that time\n"
    "  -n STEPS    steps of the whole schedule\n"
    "  -l RATE     peak learning rate (1e-3)\n"
    "  -b BATCH    sequences of a step (16)\n"
    "  -x          begin with a random language model and bridge\n"
    "  -r          teach the region encoder too, at a tenth of the rate\n"
    "  -a WEIGHT   of the heads that only training uses, in the first step (1)\n"
    "  -z WEIGHT   and in the last (0.1)\n"
    "  -c SCENES   use so many scenes; at most a tenth of them is held (all)\n"
    "  -k SEED     of random weights and lessons (1)\n";

typedef struct options {
  const char *model, *scenes, *held, *out;
  double seconds, lr, heads, heads_end;
  uint64_t steps, seed;
  size_t batch, n_scenes;
  bool fresh, regions;
} options;

typedef struct run {
  options o;
  speaking s;
  gm_compute c;
  gm_error err;
  gm_model_file *file;
  gm_params *params;
  gm_optimiser optimiser;
  scenes scenes, held;
  seen_file *seen, *seen_held;
  char key[65], state_path[4096];
  speaking_item items[MAX_BATCH];
  lesson lessons[MAX_BATCH];
  seen saw[MAX_BATCH];
} run;

/* ---- options ---- */

static bool read_options(options *o, int argc, char **argv) {
  *o = (options){.lr = 1e-3, .heads = 1, .heads_end = 0.1, .batch = 16, .seed = 1};
  for (int option; (option = getopt(argc, argv, "m:s:e:o:t:n:l:b:a:z:c:k:xr")) != -1;) {
    if (option == 'm') o->model = optarg;
    if (option == 's') o->scenes = optarg;
    if (option == 'e') o->held = optarg;
    if (option == 'o') o->out = optarg;
    if (option == 't') o->seconds = atof(optarg);
    if (option == 'n') o->steps = strtoull(optarg, NULL, 10);
    if (option == 'l') o->lr = atof(optarg);
    if (option == 'b') o->batch = strtoull(optarg, NULL, 10);
    if (option == 'a') o->heads = atof(optarg);
    if (option == 'z') o->heads_end = atof(optarg);
    if (option == 'c') o->n_scenes = strtoull(optarg, NULL, 10);
    if (option == 'k') o->seed = strtoull(optarg, NULL, 10);
    if (option == 'x') o->fresh = true;
    if (option == 'r') o->regions = true;
    if (option == '?') return false;
  }
  return o->model && o->scenes && o->held && o->out && o->seconds > 0 && o->steps > 0 &&
         o->batch >= 1 && o->batch <= MAX_BATCH;
}

/* ---- the model ---- */

static gm_status hash_file(const char *path, uint64_t *hash, gm_error *err) {
  FILE *f = fopen(path, "rb");
  if (!f) return gm_fail(err, GM_ERR_FILE_NOT_FOUND, "%s: cannot be read", path);
  unsigned char piece[1 << 16];
  size_t n;
  while ((n = fread(piece, 1, sizeof piece, f)) > 0)
    *hash = gm_mix64(*hash ^ gm_fnv1a(piece, n));
  fclose(f);
  return GM_OK;
}

static gm_status open_model(run *r) {
  static const gm_learn_rule rules[] = {
      {.which = {.part = "bridge"}, .how = GM_LEARN_WHOLE},
      {.which = {.part = "regions"}, .how = GM_LEARN_WHOLE},
      {.which = {.part = "embeddings"}, .how = GM_LEARN_WHOLE},
      {.which = {.part = "words"}, .how = GM_LEARN_WHOLE}};
  gm_error *err = &r->err;
  const gm_groma_cache cache = {0};
  GM_TRY(gm_model_file_open(&r->file, r->o.model, true, false, err));
  GM_TRY(gm_params_create(&r->params, r->file, rules, 4, true, r->o.seed, err));
  GM_TRY(gm_groma_load(&r->s.groma, r->params->view, &cache, err));
  GM_TRY(speaking_check(r->s.groma, err));
  const size_t dim = r->s.groma->llama->dim;
  GM_TRY(gm_class_head_add(&r->s.index_head, r->params, "own_index", SEEN_REGIONS, dim, err));
  GM_TRY(gm_class_head_add(&r->s.kind_head, r->params, "kind", r->scenes.n_names, dim, err));
  GM_TRY(gm_class_head_add(&r->s.place_head, r->params, "place", PLACES, dim, err));
  r->s.t = (gm_training){.c = &r->c, .learned = &r->params->learned};
  r->s.regions_learn = r->o.regions;
  return GM_OK;
}

/* The root of the mean square of some scenes' region vectors. */
static gm_status vector_size(run *r, double *out) {
  enum { SCENES = 16 };
  char path[4096];
  seen_file *seen_few;
  double sum = 0, n = 0;
  const size_t D = r->s.groma->llama->dim;
  snprintf(path, sizeof path, "%s.scale", r->o.out);
  gm_status status = seen_open(&seen_few, path, gm_mix64(r->o.seed), &r->scenes, r->s.groma,
                               &r->c, (seen_rule){.truth = true}, &r->err);
  for (size_t i = 0; status == GM_OK && i < r->scenes.n && i < SCENES; i++) {
    seen saw;
    gm_arena_mark mark = gm_arena_save(&r->c.arena);
    status = seen_get(seen_few, i, &saw);
    if (status == GM_OK)
      for (size_t k = 0; k < saw.n * D; k++, n++)
        sum += (double)saw.vectors[k] * (double)saw.vectors[k];
    gm_arena_restore(&r->c.arena, mark);
  }
  seen_close(seen_few);
  remove(path);
  *out = n > 0 ? sqrt(sum / n) : 0;
  return status;
}

static gm_status initialise(run *r) {
  static const gm_tensor_choice words = {.part = "words"}, embeddings = {.part = "embeddings"},
                                bridge = {.part = "bridge"}, updims = {.name = "*updims*"};
  const gm_prompt *prompt = r->s.groma->prompt;
  GM_TRY(gm_initialise(r->params, &words, r->o.seed, &r->err));
  GM_TRY(gm_initialise(r->params, &embeddings, r->o.seed, &r->err));
  GM_TRY(gm_initialise(r->params, &bridge, r->o.seed, &r->err));
  gm_initialise_index_tokens(r->params,
                             (size_t)prompt->region_0 - r->s.groma->llama->base_vocab,
                             prompt->n_region_tokens, r->o.seed);
  double size, word = gm_param_rms(r->params, "llm.model.embed_tokens.weight");
  GM_TRY(vector_size(r, &size));
  if (!(size > 0)) return gm_fail(&r->err, GM_ERR_MODEL, "all region vectors are zero");
  printf("region vectors %.4g, words %.4g: scaled\n", size, word);
  gm_params_multiply(r->params, &updims, (float)(word / size));
  return GM_OK;
}

static void set_rates(run *r) {
  const gm_tensor_choice all = {0}, regions = {.part = "regions"}, words = {.part = "words"};
  gm_params_set_lr(r->params, &all, r->o.lr);
  gm_params_set_lr(r->params, &regions, r->o.lr / 10);
  gm_params_set_decay(r->params, &words, 0.01);
  r->optimiser.options = gm_optimiser_defaults();
  r->optimiser.options.warmup = r->o.steps < 1000 ? r->o.steps / 10 : 100;
  r->optimiser.options.total = r->o.steps;
  r->optimiser.options.average = 0.99;
}

/* ---- lessons ---- */

static gm_status make_item(run *r, size_t i, const scenes *s, seen_file *file, size_t scene_at,
                           bool caption, size_t most, gm_rng *rng) {
  speaking_item *item = &r->items[i];
  gm_arena *arena = &r->c.arena;
  GM_TRY(seen_get(file, scene_at, &r->saw[i]));
  *item = (speaking_item){.lesson = &r->lessons[i], .saw = &r->saw[i]};
  const scene *sc = &s->all[scene_at];
  GM_TRY(caption
             ? lesson_caption(&r->lessons[i], s, sc, item->saw, rng, arena, &r->err)
             : lesson_questions(&r->lessons[i], s, sc, item->saw, most, rng, arena, &r->err));
  if (r->lessons[i].sample.n_turns == 0) return GM_OK;
  return speaking_sequence(&r->s, item, &r->err);
}

static void free_items(run *r, size_t n) {
  for (size_t i = 0; i < n; i++) gm_sequence_free(&r->items[i].sequence);
}

static gm_status make_batch(run *r, uint64_t step) {
  gm_rng rng = {gm_mix64(r->o.seed * 1000003 + step)};
  size_t n = 0;
  gm_status status = GM_OK;
  while (status == GM_OK && n < r->o.batch) {
    size_t scene_at = (size_t)(gm_rng_unit(&rng) * (double)r->scenes.n);
    bool caption = gm_rng_unit(&rng) < 0.4;
    status = make_item(r, n, &r->scenes, r->seen, scene_at, caption, MAX_TURNS, &rng);
    if (status == GM_OK && r->lessons[n].sample.n_turns > 0) n++;
  }
  if (status != GM_OK) free_items(r, n);
  return status;
}

static gm_status learn(run *r, uint64_t step, speaking_score *sum) {
  double done = (double)step / (double)r->o.steps,
         weight = r->o.heads + (r->o.heads_end - r->o.heads) * done;
  gm_arena_mark mark = gm_arena_save(&r->c.arena);
  gm_params_clear(r->params, r->c.pool);
  gm_status status = make_batch(r, step);
  if (status == GM_OK) {
    status = speaking_batch(&r->s, r->items, r->o.batch, weight, false, sum);
    free_items(r, r->o.batch);
  }
  gm_arena_restore(&r->c.arena, mark);
  GM_TRY(status);
  gm_update update;
  return gm_optimiser_step(&r->optimiser, r->params, 1, r->c.pool, &update, &r->err);
}

/* Each held scene is captioned, and asked one question at a time. */
static gm_status measure(run *r, size_t n_scenes, speaking_score *sum) {
  size_t n = 0, total = n_scenes * (1 + HELD_TURNS);
  gm_status status = GM_OK;
  *sum = (speaking_score){0};
  gm_arena_mark mark = gm_arena_save(&r->c.arena);
  for (size_t i = 0; status == GM_OK && i < total; i++) {
    gm_rng rng = {gm_mix64(i + 12345)};
    status = make_item(r, n, &r->held, r->seen_held, i / (1 + HELD_TURNS),
                       i % (1 + HELD_TURNS) == 0, 1, &rng);
    if (status == GM_OK && r->lessons[n].sample.n_turns > 0) n++;
    if (status != GM_OK || (n < 16 && i + 1 < total) || n == 0) continue;
    status = speaking_batch(&r->s, r->items, n, 0, true, sum);
    free_items(r, n);
    n = 0;
    gm_arena_restore(&r->c.arena, mark);
  }
  free_items(r, n);
  gm_arena_restore(&r->c.arena, mark);
  return status;
}

/* ---- the run ---- */

static gm_status load_data(run *r) {
  gm_error *err = &r->err;
  GM_TRY(scenes_load(&r->scenes, r->o.scenes, err));
  GM_TRY(scenes_load(&r->held, r->o.held, err));
  if (r->o.n_scenes > 0 && r->o.n_scenes < r->scenes.n) r->scenes.n = r->o.n_scenes;
  if (r->o.n_scenes > 0 && r->o.n_scenes / 10 + 1 < r->held.n)
    r->held.n = r->o.n_scenes / 10 + 1;
  if (r->scenes.n > 0 && r->held.n > 0 && r->scenes.n_names == r->held.n_names) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "found no scenes, or held scenes of other things");
}

static gm_status open_seen(run *r) {
  char path[4096];
  uint64_t key = r->o.fresh ? r->o.seed + 1 : 0;
  GM_TRY(hash_file(r->o.model, &key, &r->err));
  snprintf(r->key, sizeof r->key, "%016llx%016llx%016llx%016llx", (unsigned long long)key,
           (unsigned long long)gm_fnv1a(&r->o.lr, sizeof r->o.lr),
           (unsigned long long)r->o.batch, (unsigned long long)r->o.regions);
  seen_rule rule = {.truth = true, .deep = r->o.regions};
  snprintf(path, sizeof path, "%s.seen", r->o.out);
  GM_TRY(seen_open(&r->seen, path, key, &r->scenes, r->s.groma, &r->c, rule, &r->err));
  rule.truth = false;
  snprintf(path, sizeof path, "%s.held", r->o.out);
  return seen_open(&r->seen_held, path, key, &r->held, r->s.groma, &r->c, rule, &r->err);
}

static gm_status save(run *r) {
  const gm_train_state state = {.run = r->key, .params = r->params, .optimiser = &r->optimiser};
  return gm_train_state_write(&state, r->state_path, &r->err);
}

static gm_status go_on(run *r) {
  gm_train_state state = {.run = r->key, .params = r->params, .optimiser = &r->optimiser};
  gm_status status = gm_train_state_read(&state, r->state_path, &r->err);
  if (status == GM_ERR_FILE_NOT_FOUND) return GM_OK;
  if (status == GM_OK)
    printf("goes on after %llu steps\n", (unsigned long long)r->optimiser.updates);
  free(state.place);
  return status;
}

static gm_status steps(run *r) {
  double start = seconds_now(), told = start, saved = start;
  speaking_score sum = {0}, held;
  while (r->optimiser.updates < r->o.steps && seconds_now() - start < r->o.seconds) {
    GM_TRY(learn(r, r->optimiser.updates, &sum));
    bool last = r->optimiser.updates == r->o.steps;
    if (seconds_now() - told > TELL || last) {
      printf("%6llu %5.0f s ", (unsigned long long)r->optimiser.updates, seconds_now() - start);
      speaking_tell_losses(&sum);
      sum = (speaking_score){0};
      if (!last) {
        GM_TRY(measure(r, r->held.n < FEW_HELD ? r->held.n : FEW_HELD, &held));
        speaking_tell_answers("  few held:", &held);
      }
      told = seconds_now();
    }
    if (seconds_now() - saved > SAVE) {
      GM_TRY(save(r));
      saved = seconds_now();
    }
  }
  return save(r);
}

/* The weights, or their moving average, whichever has the smaller loss on held scenes. */
static gm_status choose_weights(run *r) {
  speaking_score last, average;
  GM_TRY(measure(r, r->held.n, &last));
  speaking_tell_answers("held:", &last);
  gm_params_swap_average(r->params, r->c.pool);
  GM_TRY(measure(r, r->held.n, &average));
  speaking_tell_answers("held, averaged:", &average);
  if (last.words <= average.words) gm_params_swap_average(r->params, r->c.pool);
  return GM_OK;
}

static gm_status train(run *r) {
  GM_TRY(load_data(r));
  GM_TRY(open_model(r));
  if (r->o.fresh) GM_TRY(initialise(r));
  GM_TRY(open_seen(r));
  set_rates(r);
  snprintf(r->state_path, sizeof r->state_path, "%s.state", r->o.out);
  GM_TRY(go_on(r));
  GM_TRY(steps(r));
  GM_TRY(choose_weights(r));
  const gm_trained_options written = {.type = GM_TYPE_F16, .pool = r->c.pool};
  return gm_trained_write(r->params, r->o.out, &written, &r->err);
}

static void close_run(run *r) {
  seen_close(r->seen);
  seen_close(r->seen_held);
  gm_class_head_free(&r->s.index_head);
  gm_class_head_free(&r->s.kind_head);
  gm_class_head_free(&r->s.place_head);
  gm_groma_free(r->s.groma);
  gm_params_free(r->params);
  gm_model_file_close(r->file);
  scenes_free(&r->scenes);
  scenes_free(&r->held);
  gm_arena_free(&r->c.arena);
  gm_pool_free(r->c.pool);
}

int main(int argc, char **argv) {
  static run r;
  if (!read_options(&r.o, argc, argv)) {
    fputs(usage, stderr);
    return 2;
  }
  r.c = (gm_compute){.kernels = gm_kernels_best(), .err = &r.err};
  gm_status status = gm_pool_create(&r.c.pool, 0, &r.err);
  if (status == GM_OK) status = train(&r);
  if (status != GM_OK) fprintf(stderr, "train_speak: %s\n", r.err.message);
  close_run(&r);
  return status != GM_OK;
}
