/* test_scene_lists.c - lists of regions that a box has changed, kept between runs: every logit
 * of an answer is bit-identical without a cache, with an empty one and with a full one; asked
 * alone, beside others and in a later turn. */
#include "scene_support.h"

#include "sampler.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 4, SOME = 3, MOST = 24 };

static const char PICTURE[] = "world/scenes/images/000.png";
static const char WHAT[] = "What is {1}?";
static gm_box boxes[MOST] = {{9, 167, 60, 217}, {108, 46, 193, 124}, {30, 40, 150, 200}};

static char folder[64], directory[96], other[96];
static char file[96]; /* a model whose products of few and of many rows differ by rounding */
static size_t vocab;

static int make(void **state) {
  (void)state;
  gm_error err;
  gm_convert_params convert = {.struct_size = sizeof convert, .type = "q8_0"};
  snprintf(folder, sizeof folder, "/tmp/gromatic-lists-XXXXXX");
  if (!mkdtemp(folder)) return 1;
  for (int i = SOME; i < MOST; i++)
    boxes[i] =
        (gm_box){(float)(5 * i), (float)(2 * i), (float)(5 * i + 90), (float)(9 * i + 60)};
  snprintf(directory, sizeof directory, "%s/cache", folder);
  snprintf(other, sizeof other, "%s/other", folder);
  snprintf(file, sizeof file, "%s/m.gguf", folder);
  return gm_convert(GM_TEST_DATA "/models/groma-mini", file, &convert, NULL, &err) != GM_OK;
}

static int remove_all(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

static int forget(void **state) {
  (void)state;
  char command[256];
  snprintf(command, sizeof command, "rm -rf %s %s", directory, other);
  return system(command);
}

/* As another process would; cache NULL: no cache. */
static gm_model *open_model(const char *source, const char *cache, const char *cache_type) {
  gm_model_params params = gm_model_params_default();
  params.cache = cache;
  params.no_pack = true;
  params.cache_type_k = params.cache_type_v = cache_type;
  gm_model *model = test_model(source, NULL, &params);
  vocab = model->groma->llama->vocab;
  return model;
}

/* ---- logits of some steps ---- */

/* [STEPS][n][vocab] */
typedef struct steps {
  float *logits;
  size_t done[MOST], n;
} steps;

static gm_status take_step(void *user, size_t i, const float *logits, int32_t *id, bool *more,
                           gm_error *err) {
  (void)err;
  steps *s = user;
  memcpy(s->logits + (s->done[i]++ * s->n + i) * vocab, logits, vocab * sizeof *logits);
  *id = (int32_t)gm_argmax(logits, vocab);
  *more = s->done[i] < STEPS;
  return GM_OK;
}

static steps new_steps(size_t n) {
  steps s = {calloc(STEPS * n * vocab, sizeof *s.logits), {0}, n};
  assert_non_null(s.logits);
  return s;
}

static void assert_same_steps(const steps *a, const steps *b) {
  assert_int_equal(a->n, b->n);
  assert_memory_equal(a->logits, b->logits, STEPS * a->n * vocab * sizeof *a->logits);
}

static void say(gm_talk *talk, const char *text, const size_t *index) {
  gm_error err;
  gm_question question = {0};
  const gm_prompt *prompt = talk->encoding->groma->prompt;
  assert_ok(gm_question_typed(&question, prompt, text, false, index ? 1 : 0, &err), &err);
  assert_ok(gm_talk_ask(talk, &question, index, &err), &err);
  gm_question_free(&question);
}

/* Counts its polls; one of them cancels. */
typedef struct stopper {
  int polls, at;
} stopper;

static bool stops(void *user) {
  stopper *s = user;
  return s->polls++ == s->at;
}

/* The talks are stopped at every poll in turn, and continue each time from there. */
static void run_in_bits(gm_compute *c, gm_talk *const *talks, size_t n, steps *out) {
  bool full[MOST];
  stopper s = {0};
  gm_status status = GM_ERR_CANCELLED;
  c->cancelled = stops;
  c->cancel_user = &s;
  for (; status != GM_OK; s.at++) {
    s.polls = 0;
    status = run_talks(c, talks, n, take_step, out, full);
    assert_true(status == GM_OK || status == GM_ERR_CANCELLED);
  }
  assert_true(s.at > 3); /* while reading and while decoding */
  c->cancelled = NULL;
}

/* Asks about the first n boxes as one batch; returns how many lists came from the cache. */
static size_t ask(gm_scene *scene, size_t n, bool in_bits, steps *out) {
  gm_error err;
  gm_rel_box *rel;
  gm_talk talks[MOST], *each[MOST];
  size_t index[MOST], found = 0, to_read = 0;
  bool full[MOST];
  gm_compute *c = test_enter_scene(scene, &err);
  *out = new_steps(n);
  assert_ok(gm_scene_boxes_to_rel(scene, boxes, n, &rel, &err), &err);
  for (size_t i = 0; i < n; i++) {
    each[i] = &talks[i];
    assert_ok(gm_talk_begin(each[i], scene->encoding, &rel[i], 1, &index[i], &err), &err);
  }
  assert_ok(gm_pipeline_prepare(c, each, n), &err);
  for (size_t i = 0; i < n; i++) {
    found += talks[i].seq.n == gm_talk_positions(&talks[i]);
    to_read += gm_talk_positions(&talks[i]) - talks[i].seq.n;
    say(each[i], WHAT, &index[i]);
  }
  assert_true(found == n || (to_read > GM_LLAMA_ROWS) == (n == MOST));
  if (in_bits)
    run_in_bits(c, each, n, out);
  else
    assert_ok(run_talks(c, each, n, take_step, out, full), &err);
  for (size_t i = 0; i < n; i++) gm_talk_free(&talks[i]);
  free(rel);
  test_leave_scene(scene);
  return found;
}

/* ---- questions in separate processes ---- */

typedef struct process {
  const char *source, *cache, *cache_type;
  const gm_scene_params *scene; /* NULL: the defaults */
  bool ask_first, caption_first, in_bits;
  size_t n; /* boxes */
} process;

static size_t run(const process *p, steps *out) {
  gm_error err;
  gm_model *model = open_model(p->source, p->cache, p->cache_type);
  gm_scene *scene = test_scene(model, PICTURE, p->scene);
  if (p->ask_first) {
    ask(scene, p->n, false, out);
    free(out->logits);
  }
  if (p->caption_first) {
    gm_answer *caption;
    gm_ask_params brief = {.struct_size = sizeof brief, .max_tokens = 1};
    assert_ok(gm_caption(scene, &brief, NULL, &caption, &err), &err);
    gm_answer_free(caption);
  }
  size_t found = ask(scene, p->n, p->in_bits, out);
  gm_scene_free(scene);
  gm_model_free(model);
  return found;
}

static void assert_runs_as(process p, const char *cache, const steps *want, size_t found) {
  steps got;
  p.cache = cache;
  assert_int_equal(run(&p, &got), found);
  assert_same_steps(&got, want);
  free(got.logits);
}

/* One box alone, then it and others, then all again, compared with results without a cache. */
static void check_process(process p, size_t n) {
  steps alone, all;
  p.n = 1;
  run(&p, &alone);
  assert_runs_as(p, directory, &alone, 0);
  assert_runs_as(p, directory, &alone, 1);
  p.n = n;
  run(&p, &all);
  assert_runs_as(p, directory, &all, 1);
  assert_runs_as(p, directory, &all, n);
  p.caption_first = !p.caption_first; /* the whole prefix exists, or not */
  if (!p.scene || !p.scene->append_boxes) assert_runs_as(p, directory, &all, n);
  assert_int_equal(forget(NULL), 0);
  free(alone.logits);
  free(all.logits);
}

static void test_weights_of_f32(void **state) {
  (void)state;
  check_process((process){.source = GM_REFERENCE_MINI}, SOME);
  check_process((process){.source = GM_REFERENCE_MINI, .caption_first = true}, SOME);
}

static void test_weights_of_q8_0(void **state) {
  (void)state;
  check_process((process){.source = file}, SOME);
  check_process((process){.source = file, .cache_type = "q8_0", .caption_first = true}, SOME);
}

/* More positions than one batch of the language model. */
static void test_many_boxes(void **state) {
  (void)state;
  check_process((process){.source = file}, MOST);
}

static void test_appended_boxes(void **state) {
  (void)state;
  gm_scene_params scene = {.struct_size = sizeof scene, .append_boxes = true};
  process p = {.source = file, .scene = &scene};
  check_process(p, SOME);
  scene.max_regions = 3;
  check_process(p, SOME);
}

/* Work done before a run is stopped stays, and the continued run is bit-identical. */
static void test_a_run_that_is_stopped(void **state) {
  (void)state;
  steps want;
  process p = {.source = file, .n = MOST};
  run(&p, &want);
  p.in_bits = true;
  assert_runs_as(p, NULL, &want, 0);
  assert_runs_as(p, directory, &want, 0);
  assert_runs_as(p, directory, &want, MOST);
  free(want.logits);
}

/* A box whose list begins as the scene's own does, asked about before the caption and after:
 * the prefix is two pieces then. That makes no difference, and each finds the other's list. */
static void test_a_prefix_in_two_pieces(void **state) {
  (void)state;
  const float scores[] = {2, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
  const gm_scene_params regions = {.struct_size = sizeof regions,
                                   .regions = boxes + 3,
                                   .region_scores = scores,
                                   .n_regions = 6,
                                   .nms_thres = 1};
  process one = {.source = GM_REFERENCE_MINI, .scene = &regions, .caption_first = true, .n = 1},
          two;
  two = one;
  two.ask_first = true;
  steps want;
  run(&one, &want);
  assert_runs_as(two, NULL, &want, 0);
  assert_runs_as(one, directory, &want, 0);
  assert_runs_as(two, directory, &want, 1);
  assert_int_equal(forget(NULL), 0);
  assert_runs_as(two, directory, &want, 0);
  assert_runs_as(one, directory, &want, 1);
  free(want.logits);
}

/* ---- kept entries ---- */

static size_t read_file(const char *cache, const char *name, unsigned char **bytes) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", cache, name);
  FILE *entry = fopen(path, "rb");
  *bytes = NULL;
  if (!entry) return 0;
  fseek(entry, 0, SEEK_END);
  size_t n = (size_t)ftell(entry);
  rewind(entry);
  *bytes = malloc(n);
  assert_non_null(*bytes);
  assert_int_equal(fread(*bytes, 1, n, entry), n);
  fclose(entry);
  return n;
}

/* Entries of both, which must be the same; returns their number. */
static size_t compare_entries(void) {
  size_t both = 0;
  DIR *dir = opendir(directory);
  assert_non_null(dir);
  for (struct dirent *d; (d = readdir(dir));) {
    if (d->d_name[0] == '.') continue;
    unsigned char *a, *b;
    size_t n = read_file(directory, d->d_name, &a), m = read_file(other, d->d_name, &b);
    if (b) {
      both++;
      assert_int_equal(n, m);
      assert_memory_equal(a, b, n);
    }
    free(a);
    free(b);
  }
  closedir(dir);
  return both;
}

/* A list read with its question alone, and beside others. */
static void test_entries_of_a_batch(void **state) {
  (void)state;
  steps got;
  process p = {.source = file, .cache = directory, .n = 1};
  run(&p, &got);
  free(got.logits);
  p.cache = other;
  p.n = MOST;
  run(&p, &got);
  free(got.logits);
  /* picture, maps, vectors of the list and of the box, image part, the box's list */
  assert_int_equal(compare_entries(), 6);
}

typedef struct listing {
  struct {
    char name[80];
    ino_t inode; /* changes if the entry is made again */
  } entries[16];
  size_t n;
} listing;

static listing list_entries(void) {
  listing list = {.n = 0};
  DIR *dir = opendir(directory);
  assert_non_null(dir);
  for (struct dirent *d; (d = readdir(dir));) {
    if (d->d_name[0] == '.') continue;
    assert_true(list.n < 16 && strlen(d->d_name) < 80);
    strcpy(list.entries[list.n].name, d->d_name);
    list.entries[list.n++].inode = d->d_ino;
  }
  closedir(dir);
  return list;
}

/* How many entries were added; the old ones must be the same files. */
static size_t count_added(const listing *before) {
  listing now = list_entries();
  for (size_t i = 0; i < before->n; i++) {
    size_t k = 0;
    while (k < now.n && strcmp(now.entries[k].name, before->entries[i].name) != 0) k++;
    assert_true(k < now.n && now.entries[k].inode == before->entries[i].inode);
  }
  return now.n - before->n;
}

/* After a caption, nothing is made again for a box: its vector is read from the kept maps, and
 * a second question makes nothing at all. */
static void test_maps(void **state) {
  (void)state;
  gm_error err;
  steps want;
  gm_answer *caption;
  gm_ask_params brief = {.struct_size = sizeof brief, .max_tokens = 1};
  process p = {.source = file, .n = 1};
  run(&p, &want);
  gm_model *model = open_model(file, directory, NULL);
  gm_scene *scene = test_scene(model, PICTURE, NULL);
  assert_ok(gm_caption(scene, &brief, NULL, &caption, &err), &err);
  gm_answer_free(caption);
  gm_scene_free(scene);
  gm_model_free(model);

  listing before = list_entries();
  assert_int_equal(before.n, 4); /* picture, maps, vectors, prefix */
  assert_runs_as(p, directory, &want, 0);
  assert_int_equal(count_added(&before), 2); /* the box's vector and list */
  before = list_entries();
  assert_runs_as(p, directory, &want, 1);
  assert_int_equal(count_added(&before), 0);
  free(want.logits);
}

/* The limit removes lists, not what all questions need. */
static void test_many_lists_leave_the_picture(void **state) {
  (void)state;
  gm_error err;
  gm_model_params params = gm_model_params_default();
  params.cache = directory;
  params.cache_bytes = 8 << 20; /* the picture with its prefix and maps, and a few lists */
  gm_ask_params brief = {.struct_size = sizeof brief, .max_tokens = 1};
  for (int again = 0; again < 2; again++) {
    gm_model *model = test_model(GM_REFERENCE_MINI, NULL, &params);
    gm_scene *scene = test_scene(model, PICTURE, NULL);
    gm_timing timing = {.struct_size = sizeof timing};
    for (size_t i = 0; again && gm_scene_timing_at(scene, i, &timing) == GM_OK; i++)
      assert_string_not_equal(timing.stage, "vision");
    gm_box many[40];
    gm_answer *answers[40];
    for (int i = 0; i < 40; i++)
      many[i] = (gm_box){(float)i, (float)i, (float)i + 100, (float)i + 120};
    assert_ok(gm_describe(scene, many, 40, false, &brief, NULL, answers, &err), &err);
    for (int i = 0; i < 40; i++) gm_answer_free(answers[i]);
    gm_scene_free(scene);
    gm_model_free(model);
  }
}

/* ---- conversations ---- */

/* Two turns, each with a box of its own. */
static void converse(const char *cache, steps *out) {
  gm_error err;
  gm_rel_box *rel;
  size_t index[1];
  bool full;
  gm_model *model = open_model(file, cache, NULL);
  gm_scene *scene = test_scene(model, PICTURE, NULL);
  gm_compute *c = test_enter_scene(scene, &err);
  gm_talk talk, *each = &talk;
  assert_ok(gm_scene_boxes_to_rel(scene, boxes, 2, &rel, &err), &err);
  for (size_t turn = 0; turn < 2; turn++) {
    if (turn == 0)
      assert_ok(gm_talk_begin(&talk, scene->encoding, rel, 1, index, &err), &err);
    else
      assert_ok(gm_talk_refer(&talk, rel + 1, 1, index, &err), &err);
    assert_ok(gm_pipeline_prepare(c, &each, 1), &err);
    say(&talk, WHAT, index);
    out[turn] = new_steps(1);
    assert_ok(run_talks(c, &each, 1, take_step, &out[turn], &full), &err);
  }
  gm_talk_free(&talk);
  free(rel);
  test_leave_scene(scene);
  gm_scene_free(scene);
  gm_model_free(model);
}

static void test_a_second_turn(void **state) {
  (void)state;
  steps want[2], got[2];
  converse(NULL, want);
  for (int i = 0; i < 2; i++) {
    converse(directory, got);
    for (size_t turn = 0; turn < 2; turn++) {
      assert_same_steps(&got[turn], &want[turn]);
      free(got[turn].logits);
    }
  }
  free(want[0].logits);
  free(want[1].logits);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_weights_of_f32, forget),
      cmocka_unit_test_teardown(test_weights_of_q8_0, forget),
      cmocka_unit_test_teardown(test_many_boxes, forget),
      cmocka_unit_test_teardown(test_appended_boxes, forget),
      cmocka_unit_test_teardown(test_a_run_that_is_stopped, forget),
      cmocka_unit_test_teardown(test_a_prefix_in_two_pieces, forget),
      cmocka_unit_test_teardown(test_entries_of_a_batch, forget),
      cmocka_unit_test_teardown(test_maps, forget),
      cmocka_unit_test_teardown(test_many_lists_leave_the_picture, forget),
      cmocka_unit_test_teardown(test_a_second_turn, forget),
  };
  return cmocka_run_group_tests(tests, make, remove_all);
}
