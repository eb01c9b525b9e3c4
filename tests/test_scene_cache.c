/* test_scene_cache.c - scenes kept between runs: answers from the cache are bit-identical to
 * those without it; damaged entries count as absent; other inputs have other keys. */
#include "scene_support.h"

#include "scene_cache.h"
#include "sum64.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PICTURE[] = "world/scenes/images/000.png";
static const char OTHER[] = "world/scenes/images/001.jpg";

static char directory[64];
static gm_model *plain; /* without a cache */

static int open_plain(void **state) {
  (void)state;
  plain = test_model(GM_REFERENCE_MINI, NULL, NULL);
  return 0;
}

static int close_plain(void **state) {
  (void)state;
  gm_model_free(plain);
  return 0;
}

static int make(void **state) {
  (void)state;
  snprintf(directory, sizeof directory, "/tmp/gromatic-scenes-XXXXXX");
  return mkdtemp(directory) ? 0 : 1;
}

static int remove_all(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", directory);
  return system(command);
}

/* As another process would. */
static gm_model *open_cached(const char *cache_type) {
  gm_model_params params = gm_model_params_default();
  params.cache = directory;
  params.cache_type_k = params.cache_type_v = cache_type;
  return test_model(GM_REFERENCE_MINI, NULL, &params);
}

static size_t count_entries(void) {
  size_t n = 0;
  DIR *dir = opendir(directory);
  for (struct dirent *d; dir && (d = readdir(dir));) n += d->d_name[0] != '.';
  if (dir) closedir(dir);
  return n;
}

static bool ran(const gm_scene *scene, const char *stage) {
  gm_timing timing = {.struct_size = sizeof timing};
  for (size_t i = 0; gm_scene_timing_at(scene, i, &timing) == GM_OK; i++)
    if (strcmp(timing.stage, stage) == 0) return true;
  return false;
}

/* ---- all kinds of questions ---- */

typedef struct replies {
  gm_answer *caption, *chat, *describe[2];
  gm_ground_result *found[2];
  gm_region regions[100];
  size_t n_regions;
} replies;

static const gm_box boxes[2] = {{9, 167, 60, 217}, {108, 46, 193, 124}};

static void ask_all(gm_scene *scene, replies *r) {
  gm_error err;
  gm_ask_params params = gm_ask_params_default();
  params.max_tokens = 24;
  r->n_regions = gm_scene_region_count(scene);
  assert_true(r->n_regions <= sizeof r->regions / sizeof *r->regions);
  for (size_t i = 0; i < r->n_regions; i++) r->regions[i] = scene_region(scene, i);
  assert_ok(gm_caption(scene, &params, NULL, &r->caption, &err), &err);
  gm_chat *chat;
  assert_ok(gm_chat_create(&chat, scene, &err), &err);
  assert_ok(gm_chat_ask(chat, "What is there?", &params, NULL, &r->chat, &err), &err);
  gm_chat_free(chat);
  assert_ok(gm_describe(scene, boxes, 2, false, &params, NULL, r->describe, &err), &err);
  const char *const phrases[] = {"a guitar", "the snowman"};
  assert_ok(gm_ground(scene, phrases, 2, NULL, NULL, r->found, &err), &err);
}

static void free_replies(replies *r) {
  gm_answer_free(r->caption);
  gm_answer_free(r->chat);
  for (size_t i = 0; i < 2; i++) {
    gm_answer_free(r->describe[i]);
    gm_ground_result_free(r->found[i]);
  }
}

static void assert_same_region(gm_region a, gm_region b) {
  assert_memory_equal(&a.box, &b.box, sizeof a.box);
  assert_memory_equal(&a.score, &b.score, sizeof a.score);
  assert_int_equal(a.index, b.index);
}

static void assert_same_replies(const replies *a, const replies *b) {
  assert_int_equal(a->n_regions, b->n_regions);
  for (size_t i = 0; i < a->n_regions; i++) assert_same_region(a->regions[i], b->regions[i]);
  assert_same_answer(a->caption, b->caption);
  assert_same_answer(a->chat, b->chat);
  for (size_t i = 0; i < 2; i++) {
    assert_same_answer(a->describe[i], b->describe[i]);
    const gm_ground_result *x = a->found[i], *y = b->found[i];
    assert_int_equal(x->n_regions, y->n_regions);
    for (size_t k = 0; k < x->n_regions; k++)
      assert_same_region(ground_region(x, k), ground_region(y, k));
  }
}

static gm_scene *ask_of(gm_model *model, const char *picture, replies *r) {
  gm_scene *scene = test_scene(model, picture, NULL);
  ask_all(scene, r);
  return scene;
}

/* ---- the tests ---- */

static void test_same_to_the_bit(void **state) {
  (void)state;
  replies want, got;
  gm_scene_free(ask_of(plain, PICTURE, &want));
  for (int run = 0; run < 2; run++) {
    gm_model *model = open_cached(NULL);
    gm_scene *scene = ask_of(model, PICTURE, &got);
    assert_same_replies(&got, &want);
    assert_int_equal(ran(scene, "vision"), run == 0);
    assert_int_equal(ran(scene, "proposer"), run == 0);
    assert_int_equal(ran(scene, "regions"), run == 0);
    free_replies(&got);
    gm_scene_free(scene);
    gm_model_free(model);
  }
  free_replies(&want);
}

/* A question with a box and one without in turn, each as in its own process; `first` 0 begins
 * with the box. */
static void check_order(int first) {
  gm_error err;
  gm_ask_params params = gm_ask_params_default();
  params.max_tokens = 8;
  gm_answer *want[2], *got;
  gm_scene *scene = test_scene(plain, PICTURE, NULL);
  assert_ok(gm_describe(scene, boxes, 1, false, &params, NULL, &want[0], &err), &err);
  gm_scene_free(scene);
  scene = test_scene(plain, PICTURE, NULL);
  assert_ok(gm_caption(scene, &params, NULL, &want[1], &err), &err);
  gm_scene_free(scene);
  for (int i = first; i < first + 6; i++) {
    gm_model *model = open_cached(NULL);
    scene = test_scene(model, PICTURE, NULL);
    if (i % 2 == 0)
      assert_ok(gm_describe(scene, boxes, 1, false, &params, NULL, &got, &err), &err);
    else
      assert_ok(gm_caption(scene, &params, NULL, &got, &err), &err);
    assert_same_answer(got, want[i % 2]);
    gm_answer_free(got);
    gm_scene_free(scene);
    gm_model_free(model);
  }
  gm_answer_free(want[0]);
  gm_answer_free(want[1]);
}

static void test_orders_of_questions(void **state) {
  (void)state;
  check_order(0);
}

/* The box's question reuses the image part of the other's prefix, and all regions' vectors but
 * the new one. */
static void test_a_box_after_the_whole(void **state) {
  (void)state;
  check_order(1);
  /* picture, maps, vectors, prefix; the box's vector and its list */
  assert_int_equal(count_entries(), 6);
}

/* Another picture, another type of the cache, other regions: all are correct, none from the
 * entries of the first. */
static void test_what_differs_has_another_key(void **state) {
  (void)state;
  replies got, want;
  gm_model *model = open_cached(NULL);
  gm_scene_free(ask_of(model, PICTURE, &got));
  free_replies(&got);
  gm_scene_free(ask_of(plain, OTHER, &want));
  gm_scene *scene = ask_of(model, OTHER, &got);
  assert_true(ran(scene, "vision"));
  assert_same_replies(&got, &want);
  gm_scene_free(scene);
  free_replies(&got);
  free_replies(&want);

  gm_scene_params few = gm_scene_params_default();
  few.max_regions = 2;
  gm_scene *fresh = test_scene(plain, PICTURE, &few);
  ask_all(fresh, &want);
  scene = test_scene(model, PICTURE, &few);
  ask_all(scene, &got);
  assert_false(ran(scene, "vision"));
  assert_same_replies(&got, &want);
  gm_scene_free(fresh);
  gm_scene_free(scene);
  free_replies(&got);
  free_replies(&want);
  gm_model_free(model);

  static const char *const types[] = {"f16", "q8_0"};
  for (size_t i = 0; i < 2; i++) {
    size_t before = count_entries();
    model = open_cached(types[i]);
    gm_scene_free(ask_of(model, PICTURE, &want));
    gm_model_free(model);
    assert_true(count_entries() > before);
    model = open_cached(types[i]); /* and again, with the keys and values from the cache */
    scene = ask_of(model, PICTURE, &got);
    assert_false(ran(scene, "vision"));
    assert_same_replies(&got, &want);
    gm_scene_free(scene);
    gm_model_free(model);
    free_replies(&got);
    free_replies(&want);
  }
}

/* Boxes of the caller's own instead of proposals. */
static void test_given_regions(void **state) {
  (void)state;
  gm_scene_params params = gm_scene_params_default();
  params.regions = boxes;
  params.n_regions = 2;
  replies want, got;
  gm_scene *fresh = test_scene(plain, PICTURE, &params);
  ask_all(fresh, &want);
  for (int run = 0; run < 2; run++) {
    gm_model *model = open_cached(NULL);
    gm_scene *scene = test_scene(model, PICTURE, &params);
    ask_all(scene, &got);
    assert_same_replies(&got, &want);
    free_replies(&got);
    gm_scene_free(scene);
    gm_model_free(model);
  }
  gm_scene_free(fresh);
  free_replies(&want);
}

static void damage(const char *name, int how) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  if (how == 0) {
    assert_int_equal(truncate(path, st.st_size / 2), 0);
  } else if (how == 1) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, st.st_size / 3, SEEK_SET);
    fputs("xyz!", file);
    fclose(file);
  } else if (how == 2) {
    assert_int_equal(truncate(path, 0), 0);
  } else {
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
  }
}

static void test_damaged_entries_are_absent(void **state) {
  (void)state;
  replies want, got;
  gm_scene_free(ask_of(plain, PICTURE, &want));
  for (int how = 0; how < 4; how++) {
    gm_model *model = open_cached(NULL);
    gm_scene_free(ask_of(model, PICTURE, &got));
    free_replies(&got);
    DIR *dir = opendir(directory);
    for (struct dirent *d; (d = readdir(dir));)
      if (d->d_name[0] != '.') damage(d->d_name, how);
    closedir(dir);
    gm_scene *scene = ask_of(model, PICTURE, &got);
    assert_true(ran(scene, "vision"));
    assert_same_replies(&got, &want);
    gm_scene_free(scene);
    free_replies(&got);
    gm_model_free(model);
  }
  free_replies(&want);
}

/* A directory that cannot be made causes no failure. */
static void test_no_directory(void **state) {
  (void)state;
  gm_error err;
  gm_model_params params = {.struct_size = sizeof params, .cache = "/proc/nowhere"};
  gm_model *model = test_model(GM_REFERENCE_MINI, NULL, &params);
  gm_scene *scene = test_scene(model, PICTURE, NULL);
  gm_answer *answer;
  gm_ask_params ask = {.struct_size = sizeof ask, .max_tokens = 2};
  assert_ok(gm_caption(scene, &ask, NULL, &answer, &err), &err);
  gm_answer_free(answer);
  gm_scene_free(scene);
  gm_model_free(model);
}

/* Pieces of any size give the sum of the whole, and every changed byte another sum. */
static void test_sum(void **state) {
  (void)state;
  unsigned char bytes[100];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(7 * i);
  uint64_t whole = gm_sum64(bytes, sizeof bytes);
  for (size_t piece = 1; piece <= sizeof bytes; piece++) {
    gm_sum64_state sum = gm_sum64_begin();
    for (size_t at = 0; at < sizeof bytes; at += piece)
      gm_sum64_add(&sum, bytes + at, at + piece < sizeof bytes ? piece : sizeof bytes - at);
    assert_true(gm_sum64_end(&sum) == whole);
  }
  for (size_t i = 0; i < sizeof bytes; i++) {
    bytes[i] ^= 1;
    assert_true(gm_sum64(bytes, sizeof bytes) != whole);
    bytes[i] ^= 1;
    assert_true(gm_sum64(bytes, i) != whole);
  }
  static const unsigned char zeros[2] = {0};
  assert_true(gm_sum64(zeros, 1) != gm_sum64(zeros, 2));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_same_to_the_bit, make, remove_all),
      cmocka_unit_test_setup_teardown(test_orders_of_questions, make, remove_all),
      cmocka_unit_test_setup_teardown(test_a_box_after_the_whole, make, remove_all),
      cmocka_unit_test_setup_teardown(test_what_differs_has_another_key, make, remove_all),
      cmocka_unit_test_setup_teardown(test_given_regions, make, remove_all),
      cmocka_unit_test_setup_teardown(test_damaged_entries_are_absent, make, remove_all),
      cmocka_unit_test(test_no_directory),
      cmocka_unit_test(test_sum),
  };
  return cmocka_run_group_tests(tests, open_plain, close_plain);
}
