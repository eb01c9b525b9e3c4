/* test_dataset.c - training data: every format on small hand-made files, the rules that leave
 * entries out, bad input, and the samples that the tasks make. Expected values follow from the
 * files by hand. */
#include "support.h"

#include "data_config.h"
#include "data_sets.h"
#include "tags.h"
#include "visit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/gm-dataset-XXXXXX";
static gm_error err;

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  char command[80];
  (void)state;
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

static char *path_of(const char *name) {
  static char path[100];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

/* JSON with ' for ". */
static void write_file(const char *name, const char *text) {
  FILE *file = fopen(path_of(name), "w");
  assert_non_null(file);
  for (const char *c = text; *c; c++) fputc(*c == '\'' ? '"' : *c, file);
  assert_int_equal(fclose(file), 0);
}

/* What a report told. */
static char told[8192];

static void tell(void *user, gm_data_fault kind, const char *message) {
  (void)user;
  (void)kind;
  size_t n = strlen(told);
  snprintf(told + n, sizeof told - n, "%s\n", message);
}

static gm_data_report report;

static gm_status try_set(gm_data_set **set, gm_data_format format, gm_task task,
                         const char *text, bool strict) {
  static char file[100];
  write_file("set.json", text);
  strcpy(file, path_of("set.json"));
  static const gm_data_rules rules = {.min_score = 0.65};
  gm_data_spec spec = {.name = "set",
                       .file = file,
                       .images = folder,
                       .format = format,
                       .task = task,
                       .share = 1};
  report = (gm_data_report){.strict = strict, .tell = tell};
  told[0] = 0;
  return gm_data_set_load(set, &spec, &rules, &report, &err);
}

static gm_data_set *load_set(gm_data_format format, gm_task task, const char *text) {
  gm_data_set *set;
  assert_ok(try_set(&set, format, task, text, false), &err);
  return set;
}

static void assert_told(const char *text) {
  if (!strstr(told, text)) fail_msg("not told: %s\nbut: %s", text, told);
}

static void assert_box(gm_rel_box b, double cx, double cy, double w, double h) {
  const double found[4] = {b.cx, b.cy, b.w, b.h}, wanted[4] = {cx, cy, w, h};
  /* A box is four floats of 0..1: half an ulp of 1 is 6e-8. */
  for (int i = 0; i < 4; i++)
    if (fabs(found[i] - wanted[i]) > 1e-7)
      fail_msg("box %g %g %g %g, not %g %g %g %g", found[0], found[1], found[2], found[3], cx,
               cy, w, h);
}

/* A sample of the set's picture, as stage 3 asks. */
static gm_arena arena;

static gm_sample sample_of(const gm_data_set *set, size_t picture, uint64_t seed) {
  gm_sample sample;
  const gm_visit_rules rules = {.side = 448, .all_regions = true};
  gm_rng rng = gm_visit_rng(seed, (gm_visit){0, (uint32_t)picture, 0});
  assert_ok(gm_visit_sample(&sample, set, picture, &rules, &rng, &arena, &err), &err);
  return sample;
}

/* ---- COCO ---- */

#define CATEGORIES "'categories': [{'id': 0, 'name': 'Cat'}, {'id': 1, 'name': 'dog'}]"

static const char coco[] =
    "{'images': [\n"
    "{'id': 1, 'file_name': 'a.png', 'width': 200, 'height': 100},\n"
    "{'id': 2, 'file_name': 'small.png', 'width': 31, 'height': 100},\n"
    "{'id': 3, 'file_name': 'empty.png', 'width': 100, 'height': 100},\n"
    "{'id': 'x', 'file_name': '/b.png', 'width': 100, 'height': 200}],\n"
    "'annotations': [\n"
    "{'id': 10, 'image_id': 1, 'category_id': 0, 'bbox': [-20, 10, 60, 40]},\n"
    "{'id': 11, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 100, 50]},\n"
    "{'id': 12, 'image_id': 1.0, 'category_id': 0, 'bbox': [150, 50, 100, 50]},\n"
    "{'id': 13, 'image_id': 1, 'category_id': 0, 'bbox': [0, 0, 9, 9], 'iscrowd': "
    "1},\n"
    "{'id': 14, 'image_id': 1, 'category_id': 0, 'bbox': [0, 0, 9, 9], 'ignore': "
    "true},\n"
    "{'id': 15, 'image_id': 1, 'category_id': 0, 'bbox': [0, 0, 9, 9], 'area': 0},\n"
    "{'id': 16, 'image_id': 1, 'category_id': 0, 'bbox': [0, 0, 0.5, 9]},\n"
    "{'id': 17, 'image_id': 1, 'category_id': 0, 'bbox': [200, 0, 9, 9]},\n"
    "{'id': 18, 'image_id': 9, 'category_id': 0, 'bbox': [0, 0, 9, 9]},\n"
    "{'id': 19, 'image_id': 1, 'category_id': 0, 'bbox': [NaN, 0, 9, 9]},\n"
    "{'id': 20, 'image_id': 1, 'category_id': 7, 'bbox': [0, 0, 9, 9]},\n"
    "{'id': 21, 'image_id': 2, 'category_id': 0, 'bbox': [0, 0, 9, 9]},\n"
    "{'id': 22, 'image_id': 'x', 'category_id': 1, 'bbox': [0, 0, 10, "
    "20]}],\n" CATEGORIES "}";

static void coco_keeps_to_the_rules(void **state) {
  (void)state;
  gm_data_set *set = load_set(GM_DATA_COCO, GM_TASK_LOCATE_ALL, coco);
  assert_int_equal(set->n_pictures, 2);
  assert_int_equal(set->n_wide, 1);
  assert_int_equal(set->pictures[0].n_boxes, 3);
  const gm_data_box *b = set->boxes + set->pictures[0].first_box;
  assert_box(b[0].box, 0.1, 0.3, 0.2, 0.4); /* clipped to x 0..40 */
  assert_box(b[1].box, 0.25, 0.25, 0.5, 0.5);
  assert_box(b[2].box, 0.875, 0.75, 0.25, 0.5);
  assert_int_equal(report.counts[GM_RULE_CROWD], 2);
  assert_int_equal(report.counts[GM_RULE_SMALL], 1);
  assert_int_equal(report.counts[GM_RULE_EMPTY], 1);
  assert_int_equal(report.counts[GM_FAULT_BOX_AREA], 2);
  assert_int_equal(report.counts[GM_FAULT_BOX_OUTSIDE], 1);
  assert_int_equal(report.counts[GM_FAULT_BOX_NUMBERS], 1);
  assert_int_equal(report.counts[GM_FAULT_NO_PICTURE], 1);
  assert_int_equal(report.counts[GM_FAULT_NO_CATEGORY], 1);
  assert_told("set.json: line 12: id 15: the box of 9 x 9 pixels (area 0)");
  assert_told("line 14: id 17: the box 200,0 9 x 9 is outside its picture of 200 x 100");
  assert_told("line 15: id 18: its image_id");
  assert_told("line 16: id 19: bbox");
  assert_told("line 17: id 20: its category_id");
  gm_data_set_free(set);
  /* Without categories, boxes of any category are used. */
  set = load_set(GM_DATA_COCO, GM_TASK_DETECT, coco);
  assert_int_equal(set->pictures[0].n_boxes, 4);
  gm_sample sample = sample_of(set, 0, 0);
  assert_int_equal(sample.n_boxes, 4);
  assert_int_equal(sample.n_turns, 0);
  gm_data_set_free(set);
}

static void coco_asks_for_all_of_a_class(void **state) {
  (void)state;
  gm_data_set *set = load_set(GM_DATA_COCO, GM_TASK_LOCATE_ALL, coco);
  char expected[100];
  int cats = 0, dogs = 0;
  for (uint64_t seed = 0; seed < 40; seed++) {
    gm_sample s = sample_of(set, 0, seed);
    assert_int_equal(s.n_turns, 1);
    bool cat = strstr(s.turns[0].question, "<p>cat</p>");
    cats += cat;
    dogs += strstr(s.turns[0].question, "<p>dog</p>") != NULL;
    snprintf(expected, sizeof expected, "<roi><ground_box>%s</roi>", cat ? "<ground_box>" : "");
    assert_string_equal(s.turns[0].answer, expected);
    assert_int_equal(s.n_ground, cat ? 2 : 1);
    assert_box(s.ground[0], cat ? 0.1 : 0.25, cat ? 0.3 : 0.25, cat ? 0.2 : 0.5,
               cat ? 0.4 : 0.5);
    if (cat) assert_box(s.ground[1], 0.875, 0.75, 0.25, 0.5);
    snprintf(expected, sizeof expected, "%s/a.png", folder);
    assert_string_equal(s.image, expected);
  }
  assert_int_equal(cats + dogs, 40);
  assert_true(cats > 5 && dogs > 5); /* of 40 fair draws; less: 1 in 10^6 */
  assert_string_equal(sample_of(set, 1, 0).image, "/b.png");
  /* The same visit gives the same sample. */
  assert_string_equal(sample_of(set, 0, 3).turns[0].question,
                      sample_of(set, 0, 3).turns[0].question);
  gm_data_set_free(set);
}

static void boxes_of_two_pixels_are_dropped(void **state) {
  (void)state;
  /* At 448 px, 2 px of 448 is 1 px of 224. */
  gm_data_set *set =
      load_set(GM_DATA_COCO, GM_TASK_LOCATE_ALL,
               "{'images': [{'id': 1, 'file_name': 'a', 'width': 224, 'height': 224}],"
               "'annotations': [{'image_id': 1, 'category_id': 0, 'bbox': [0, 0, 1, "
               "100]}]," CATEGORIES "}");
  gm_sample s = sample_of(set, 0, 0);
  assert_int_equal(s.n_turns, 0);
  gm_data_set_free(set);
  set = load_set(GM_DATA_COCO, GM_TASK_LOCATE_ALL,
                 "{'images': [{'id': 1, 'file_name': 'a', 'width': 224, 'height': 224}],"
                 "'annotations': [{'image_id': 1, 'category_id': 0, 'bbox': [0, 0, 1.1, "
                 "100]}]," CATEGORIES "}");
  assert_int_equal(sample_of(set, 0, 0).n_turns, 1);
  gm_data_set_free(set);
}

static void names_and_ids_that_come_twice_are_told(void **state) {
  (void)state;
  gm_data_set *set =
      load_set(GM_DATA_COCO, GM_TASK_LOCATE_ALL,
               "{'annotations': [{'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 50, 50]},"
               "{'image_id': 1, 'category_id': 2, 'bbox': [50, 50, 50, 50]}],"
               "'images': [{'id': 1, 'file_name': 'a', 'width': 100, 'height': 100},"
               "{'id': 1, 'file_name': 'b', 'width': 100, 'height': 100}],"
               "'categories': [{'id': 1, 'name': 'cat'}, {'id': 2, 'name': ' CAT '},"
               "{'id': 2, 'name': 'dog'}, {'id': 3, 'name': 'a <roi>'}]}");
  assert_int_equal(report.counts[GM_FAULT_ID_TWICE], 2);
  assert_int_equal(report.counts[GM_FAULT_NAME_TWICE], 1);
  assert_int_equal(report.counts[GM_FAULT_TAGS], 1);
  assert_told("'a <roi>' has the tag <roi> in it");
  assert_int_equal(set->n_pictures, 1);
  assert_int_equal(sample_of(set, 0, 0).n_ground, 2); /* both are cats */
  gm_data_set_free(set);
}

/* ---- RefCOCO, Flickr30k, Visual Genome ---- */

static void refcoco_points_at_one_box(void **state) {
  (void)state;
  gm_data_set *set = load_set(
      GM_DATA_REFCOCO, GM_TASK_LOCATE,
      "{'images': ["
      "{'id': 1, 'file_name': 'p1', 'width': 100, 'height': 100, 'caption': ' left Man \\n'},"
      "{'id': 2, 'file_name': 'p2', 'width': 100, 'height': 100, 'caption': 'a <r3> b'},"
      "{'id': 3, 'file_name': 'p3', 'width': 100, 'height': 100, 'caption': '  '},"
      "{'id': 4, 'file_name': 'p4', 'width': 100, 'height': 100}],"
      "'annotations': ["
      "{'image_id': 1, 'bbox': [0, 0, 50, 50], 'iscrowd': 1},"
      "{'image_id': 1, 'bbox': [50, 50, 50, 50]},"
      "{'image_id': 2, 'bbox': [50, 50, 50, 50]}]}");
  assert_int_equal(set->n_pictures, 1);
  assert_int_equal(report.counts[GM_FAULT_TAGS], 1);
  assert_int_equal(report.counts[GM_FAULT_TEXT], 1);
  assert_int_equal(report.counts[GM_FAULT_ENTRY], 1);
  assert_told("id 2: 'a <r3> b' has the tag <r3> in it");
  gm_sample s = sample_of(set, 0, 1);
  assert_non_null(strstr(s.turns[0].question, "<p>left Man</p>"));
  assert_string_equal(s.turns[0].answer, "<roi><ground_box></roi>");
  assert_int_equal(s.n_ground, 1); /* only COCO and Flickr look at iscrowd */
  assert_box(s.ground[0], 0.25, 0.25, 0.5, 0.5);
  gm_data_set_free(set);
  set = load_set(GM_DATA_REFCOCO, GM_TASK_DESCRIBE_LONG,
                 "{'images': ["
                 "{'id': 1, 'file_name': 'p1', 'width': 100, 'height': 100, 'caption': "
                 "'\\u00e9cole Of ROME'}],"
                 "'annotations': [{'image_id': 1, 'bbox': [0, 0, 50, 50]}]}");
  s = sample_of(set, 0, 1);
  assert_string_equal(s.turns[0].answer, "\u00c9cole of rome");
  assert_non_null(strstr(s.turns[0].question, "<roi><refer_box></roi><refer_feat>"));
  assert_int_equal(s.n_refer, 1);
  assert_int_equal(s.n_ground, 0);
  gm_data_set_free(set);
}

static void flickr_ties_phrases_to_boxes(void **state) {
  (void)state;
  /* Characters: " Äa man and a dog. " - spans 1..7 "Äa man", 12..17 "a dog", 13..15 overlaps.
   */
  gm_data_set *set = load_set(
      GM_DATA_FLICKR, GM_TASK_GROUNDED_CAPTION,
      "{'images': ["
      "{'id': 1, 'file_name': 'p1', 'width': 100, 'height': 100, 'caption': ' \\u00c4a man and "
      "a dog. '}],"
      "'annotations': ["
      "{'image_id': 1, 'bbox': [0, 0, 10, 10], 'tokens_positive': [[12, 17], [1, 7]]},"
      "{'image_id': 1, 'bbox': [0, 0, 20, 20], 'tokens_positive': [[13, 15]]},"
      "{'image_id': 1, 'bbox': [0, 0, 30, 30], 'tokens_positive': [[1, 7]]},"
      "{'image_id': 1, 'bbox': [0, 0, 40, 40], 'tokens_positive': [[12, 17]], 'iscrowd': 1},"
      "{'image_id': 1, 'bbox': [0, 0, 50, 50], 'tokens_positive': [[5, 99], [3, 3]]}]}");
  assert_int_equal(report.counts[GM_FAULT_TEXT], 2);
  assert_int_equal(report.counts[GM_RULE_CROWD], 1);
  gm_sample s = sample_of(set, 0, 1);
  assert_string_equal(s.turns[0].answer,
                      "<p>\u00c4a man</p><roi><ground_box><ground_box></roi> and "
                      "<p>a dog</p><roi><ground_box></roi>.");
  assert_int_equal(strncmp(s.turns[0].question, "[grounding]", 11), 0);
  assert_int_equal(s.n_ground, 3);
  assert_box(s.ground[0], 0.05, 0.05, 0.1, 0.1);
  assert_box(s.ground[1], 0.15, 0.15, 0.3, 0.3);
  assert_box(s.ground[2], 0.05, 0.05, 0.1, 0.1);
  gm_data_set_free(set);
}

static void visual_genome_describes_regions(void **state) {
  (void)state;
  gm_data_set *set =
      load_set(GM_DATA_VG, GM_TASK_DESCRIBE,
               "{'images': ["
               "{'id': 1, 'file_name': 'p1', 'width': 100, 'height': 100}],"
               "'annotations': ["
               "{'image_id': 1, 'bbox': [0, 0, 50, 50], 'caption': 'a Red ball'},"
               "{'image_id': 1, 'bbox': [0, 0, 50, 50], 'caption': 'the same again'},"
               "{'image_id': 1, 'bbox': [0, 0, 50, 45], 'caption': 'nearly the same'},"
               "{'image_id': 1, 'bbox': [50, 50, 50, 50], 'caption': 'sky'},"
               "{'image_id': 1, 'bbox': [50, 0, 50, 50], 'caption': '<p>'}]}");
  assert_int_equal(set->pictures[0].n_boxes, 3);
  int balls = 0, first_is_sky = 0;
  for (uint64_t seed = 0; seed < 40; seed++) {
    gm_sample s = sample_of(set, 0, seed);
    assert_int_equal(s.n_turns, 2); /* IoU of the first two is 0.9 */
    assert_int_equal(s.n_refer, 2);
    for (size_t i = 0; i < 2; i++) {
      bool sky = strcmp(s.turns[i].answer, "Sky") == 0;
      balls += strcmp(s.turns[i].answer, "A red ball") == 0;
      assert_box(s.refer[i], sky ? 0.75 : 0.25, s.refer[i].cy, 0.5, s.refer[i].h);
      first_is_sky += sky && i == 0;
    }
  }
  assert_true(balls > 5 && balls < 35);
  assert_true(first_is_sky > 3 && first_is_sky < 30); /* a third of 40 */
  /* Stage 2: the first. */
  gm_sample s;
  const gm_visit_rules one = {.side = 448};
  gm_rng rng = {0};
  assert_ok(gm_visit_sample(&s, set, 0, &one, &rng, &arena, &err), &err);
  assert_int_equal(s.n_turns, 1);
  assert_string_equal(s.turns[0].answer, "A red ball");
  gm_data_set_free(set);
}

/* ---- GRIT, LLaVA, Groma Instruct ---- */

static const char grit[] =
    "{'filename': 'g.jpg', 'caption': 'two dogs and a cat', 'ref_exps': ["
    "[0, 8, 0.0, 0.0, 0.5, 0.5, 0.9], [0.0, 8.0, 0.5, 0.5, 1.5, 1.0, 0.65],"
    "[13, 18, 0.1, 0.1, 0.2, 0.2, 0.64], [0, 8, 0.2, 0.2, 0.2, 0.4, 0.9], [9, 99, 0, 0, 1, 1, "
    "1]]}\n"
    "{'filename': 'h.jpg', 'caption': 'x', 'ref_exps': [[0, 1, 0, 0, 1, 1, 0.1]]}\n";

static void grit_draws_a_phrase(void **state) {
  (void)state;
  gm_data_set *set = load_set(GM_DATA_GRIT, GM_TASK_LOCATE, grit);
  assert_int_equal(set->n_pictures, 1);
  assert_int_equal(report.counts[GM_RULE_SCORE], 2);
  assert_int_equal(report.counts[GM_RULE_EMPTY], 1);
  assert_int_equal(report.counts[GM_FAULT_BOX_AREA], 1);
  assert_int_equal(report.counts[GM_FAULT_TEXT], 1);
  assert_told("line 1: filename g.jpg: the box 0.2,0.2 0.2,0.4 has no area");
  int second_first = 0;
  for (uint64_t seed = 0; seed < 40; seed++) {
    gm_sample s = sample_of(set, 0, seed);
    assert_non_null(strstr(s.turns[0].question, "<p>two dogs</p>"));
    assert_string_equal(s.turns[0].answer, "<roi><ground_box><ground_box></roi>");
    assert_int_equal(s.n_ground, 2);
    bool second = s.ground[0].cx > 0.5f; /* the drawn one comes first */
    second_first += second;
    assert_box(s.ground[second], 0.25, 0.25, 0.5, 0.5);
    assert_box(s.ground[!second], 0.75, 0.75, 0.5, 0.5);
  }
  assert_true(second_first > 5 && second_first < 35);
  gm_data_set_free(set);
}

static void llava_goes_by_position(void **state) {
  (void)state;
  gm_data_set *set =
      load_set(GM_DATA_LLAVA, GM_TASK_CHAT,
               "[{'image': 'l.jpg', 'conversations': ["
               "{'from': 'human', 'value': '<image>\\nWhat is\\nthis?'},"
               "{'from': 'gpt', 'value': 'A dog. '}, {'value': 'Why?'}, {'value': "
               "'So.'}]},\n"
               "{'conversations': []},\n"
               "{'image': 'm.jpg', 'conversations': [{'value': 'a'}, {'value': 'b "
               "</s>'}]},\n"
               "{'image': 'n.jpg', 'conversations': [{'value': 'a'}, {'value': 'b'},"
               "{'value': 'c'}]}]");
  assert_int_equal(set->n_pictures, 2);
  assert_int_equal(report.counts[GM_FAULT_ENTRY], 2);
  assert_int_equal(report.counts[GM_FAULT_TAGS], 1);
  assert_told("line 3: image m.jpg: its conversation has the tag </s> in it");
  gm_sample s = sample_of(set, 0, 0);
  assert_int_equal(s.n_turns, 2);
  assert_string_equal(s.turns[0].question, " What is this?");
  assert_string_equal(s.turns[0].answer, "A dog. ");
  assert_string_equal(s.turns[1].question, "Why?");
  assert_int_equal(s.n_ground + s.n_refer, 0);
  assert_int_equal(sample_of(set, 1, 0).n_turns, 1);
  gm_data_set_free(set);
}

static void groma_instruct_follows_box_inds(void **state) {
  (void)state;
  gm_data_set *set = load_set(GM_DATA_GROMA_INSTRUCT, GM_TASK_CHAT,
                              "["
                              "{'file_name': 'i.jpg', 'width': 200, 'height': 100, "
                              "'boxes': [[0, 0, 100, 50], [100, 50, 200, 50]],"
                              "'conversation': [{'value': 'Where is <p>it</p>?'},"
                              "{'value': '<p>It</p><roi><ground_box><ground_box></roi> and "
                              "<roi><ground_box></roi>.', 'box_inds': [1, 0, 1]}]},"
                              "{'file_name': 'i.jpg', 'width': 200, 'height': 100, "
                              "'boxes': [[0, 0, 100, 50], [100, 50, 200, 50]],"
                              "'conversation': [{'value': 'Where is <p>it</p>?'},"
                              "{'value': 'no marks', 'box_inds': [1]}]},"
                              "{'file_name': 'i.jpg', 'width': 200, 'height': 100, "
                              "'boxes': [[0, 0, 100, 50], [100, 50, 200, 50]],"
                              "'conversation': [{'value': 'Where is <p>it</p>?'},"
                              "{'value': '<roi><ground_box></roi>', 'box_inds': [2]}]},"
                              "{'file_name': 'i.jpg', 'width': 200, 'height': 100, "
                              "'boxes': [[0, 0, 100, 50], [100, 50, 200, 50]],"
                              "'conversation': [{'value': 'Where is <p>it</p>?'},"
                              "{'value': '<roi><ground_box>', 'box_inds': [0]}]},"
                              "{'file_name': 'i.jpg', 'width': 200, 'height': 100, "
                              "'boxes': [[0, 0, 100, 50], [100, 50, 200, 50]],"
                              "'conversation': [{'value': 'Where is <p>it</p>?'},"
                              "{'value': 'Nowhere.', 'box_inds': []}]}]");
  assert_int_equal(set->n_pictures, 2);
  assert_int_equal(report.counts[GM_FAULT_ENTRY], 2);
  assert_int_equal(report.counts[GM_FAULT_TAGS], 1);
  gm_sample s = sample_of(set, 0, 0);
  assert_string_equal(s.turns[0].question, "[grounding]Where is <p>it</p>?");
  assert_int_equal(s.n_ground, 3);
  assert_box(s.ground[0], 0.75, 0.75, 0.5, 0.5); /* clipped */
  assert_box(s.ground[1], 0.25, 0.25, 0.5, 0.5);
  assert_box(s.ground[2], 0.75, 0.75, 0.5, 0.5);
  assert_int_equal(sample_of(set, 1, 0).n_ground, 0);
  gm_data_set_free(set);
}

/* ---- bad input ---- */

static void assert_refused(gm_data_format format, const char *text, bool strict,
                           const char *message) {
  gm_data_set *set;
  gm_task task = format == GM_DATA_GRIT     ? GM_TASK_LOCATE
                 : format >= GM_DATA_LLAVA  ? GM_TASK_CHAT
                 : format == GM_DATA_FLICKR ? GM_TASK_GROUNDED_CAPTION
                                            : GM_TASK_DETECT;
  assert_int_equal(try_set(&set, format, task, text, strict), GM_ERR_ARGUMENT);
  assert_null(set);
  if (!strstr(err.message, message)) fail_msg("'%s' is not in '%s'", message, err.message);
}

static void bad_files_are_refused(void **state) {
  (void)state;
  static const char *const broken[] = {"", "[", "{'images': [\n{'id':}]}", "[{]", "7", "{} {"};
  for (int format = GM_DATA_COCO; format <= GM_DATA_GROMA_INSTRUCT; format++)
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
      assert_refused((gm_data_format)format, broken[i], false, "set.json");
  assert_refused(GM_DATA_COCO, broken[2], false, "line 2: this is no JSON: wanted a value");
  assert_refused(GM_DATA_COCO, "{'images': []}", false, "no list \"annotations\"");
  assert_refused(GM_DATA_COCO, coco, true, "line 12: id 15: the box");
  assert_refused(GM_DATA_GRIT, grit, true, "filename g.jpg");
  assert_refused(GM_DATA_COCO, "{'images': [], 'annotations': []}", false,
                 "none of its entries can be used");
  gm_data_set *set;
  assert_int_equal(try_set(&set, GM_DATA_COCO, GM_TASK_CHAT, coco, false), GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "format coco has no task chat"));
}

static void tags_are_found(void **state) {
  (void)state;
  static const char *const tagged[] = {"<p>",         "a</p>", "x <roi>", "<r0>", "<r123> b",
                                       "[grounding]", "</s>",  "<image>", "<<s>"},
                           *const plain[] = {"",          "a < b",  "<r>", "<rx>", "<r1",
                                             "[PADDING]", "<image", "p>",  "a[0]"};
  size_t n, marks;
  for (size_t i = 0; i < sizeof tagged / sizeof tagged[0]; i++)
    if (!gm_find_tag(tagged[i], &n)) fail_msg("no tag in %s", tagged[i]);
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
    if (gm_find_tag(plain[i], &n)) fail_msg("a tag in %s", plain[i]);
  static const char *const wrong[] = {"<p>a",
                                      "a</p>",
                                      "<roi></roi>",
                                      "<roi>a<ground_box></roi>",
                                      "<ground_box>",
                                      "<p><roi>",
                                      "<roi><r1></roi>",
                                      "<p><p>a</p></p>",
                                      "<roi><ground_box>",
                                      "<roi><ground_box> </roi>"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    if (gm_answer_marks(wrong[i], &marks)) fail_msg("taken: %s", wrong[i]);
  assert_true(gm_answer_marks("<p>a</p><roi><ground_box><ground_box></roi>b", &marks));
  assert_int_equal(marks, 2);
  assert_true(gm_question_is_plain("a <p>b</p>?"));
  assert_false(gm_question_is_plain("<p>b"));
  assert_false(gm_question_is_plain("<roi><refer_box></roi><refer_feat>"));
}

/* ---- CONFIG ---- */

static gm_status try_config(gm_data_config *config, const char *text) {
  write_file("config.json", text);
  return gm_data_config_load(config, path_of("config.json"), &err);
}

static void configurations_are_read(void **state) {
  (void)state;
  gm_data_config c;
  char expected[120];
  assert_ok(try_config(&c, "{'seed': 7, 'sets': [\n"
                           "{'name': 'a', 'format': 'coco', 'file': 'x/a.json',"
                           " 'task': 'locate-all'},\n"
                           "{'name': 'b', 'format': 'groma-instruct', 'file': '/b',"
                           " 'images': 'pics', 'source': 'sa1b', 'share': 0.25,"
                           " 'task': 'chat'}], 'val': []}"),
            &err);
  assert_int_equal(c.seed, 7);
  assert_int_equal(c.n_sets, 2);
  assert_int_equal(c.n_val, 0);
  snprintf(expected, sizeof expected, "%s/x/a.json", folder);
  assert_string_equal(c.sets[0].file, expected);
  snprintf(expected, sizeof expected, "%s/x/images", folder);
  assert_string_equal(c.sets[0].images, expected);
  assert_int_equal(c.sets[0].task, GM_TASK_LOCATE_ALL);
  assert_true(c.sets[0].share == 1 && c.sets[0].source == GM_SOURCE_COCO);
  assert_string_equal(c.sets[1].file, "/b");
  snprintf(expected, sizeof expected, "%s/pics", folder);
  assert_string_equal(c.sets[1].images, expected);
  assert_true(c.sets[1].share == 0.25 && c.sets[1].source == GM_SOURCE_SA1B);
  assert_int_equal(c.sets[1].format, GM_DATA_GROMA_INSTRUCT);
  gm_data_config_free(&c);
}

static void bad_configurations_are_named(void **state) {
  (void)state;
#define SET(more)                                                                              \
  "{'sets': [\n{'name': 'a', 'file': 'f', 'format': 'coco', 'task': "                          \
  "'detect'" more "}]}"
  static const struct {
    const char *text, *message;
  } bad[] = {
      {"", "line 1: this is no JSON"},
      {"[]", "wanted an object"},
      {"{}", "found no sets"},
      {"{'sets': []}", "found no sets"},
      {"{'sets': {}}", "wanted a list"},
      {"{'sets': [1]}", "wanted an object"},
      {"{'sets': [{\n}]}", "without one of its members"},
      {"{'set': []}", "found a member set"},
      {SET(", 'shar': 1"), "line 2: found a member shar; wanted name, format"},
      {SET(", 'share': 0"), "found the share 0"},
      {SET(", 'share': '1'"), "found the share 1"},
      {SET(", 'source': 'x'"), "found the source x; wanted coco, sa1b"},
      {SET(", 'task': 'x'"), "wanted detect, locate,"},
      {SET(", 'task': 'chat'"), "line 2: set a: format coco has no task chat"},
      {SET(", 'format': 3"), "found the format 3"},
      {SET(", 'name': ''"), "not empty"},
      {SET("") "x", "this is no JSON"},
      {"{'seed': -1}", "found the seed -1"},
      {"{'seed': 1.5}", "found the seed 1.5"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    gm_data_config c;
    assert_int_equal(try_config(&c, bad[i].text), GM_ERR_ARGUMENT);
    if (!strstr(err.message, bad[i].message) || !strstr(err.message, "config.json"))
      fail_msg("'%s' is not in '%s'", bad[i].message, err.message);
    assert_null(c.sets);
  }
  gm_data_config c;
  assert_int_equal(gm_data_config_load(&c, "/nowhere/c.json", &err), GM_ERR_FILE_NOT_FOUND);
}

static void all_sets_are_loaded(void **state) {
  (void)state;
  gm_data_config c;
  gm_data_sets sets;
  gm_batches *batches;
  const gm_data_rules rules = {.min_score = 0.65};
  write_file("two.json", coco);
  assert_ok(try_config(&c, "{'sets': [{'name': 'a', 'format': 'coco', 'file': 'two.json',"
                           " 'task': 'detect', 'share': 0.5}, {'name': 'b', 'format': 'coco',"
                           " 'file': 'two.json', 'task': 'detect'}]}"),
            &err);
  report = (gm_data_report){0};
  assert_ok(gm_data_sets_load(&sets, c.sets, c.n_sets, true, &rules, &report, &err), &err);
  assert_int_equal(sets.n, 2);
  assert_ok(gm_data_sets_batches(&batches, &sets, 1, c.seed, &err), &err);
  assert_int_equal(gm_batches_chosen(batches, 0), 1);
  assert_int_equal(gm_batches_chosen(batches, 1), 2);
  gm_batches_free(batches);
  gm_data_sets_free(&sets);
  assert_int_equal(gm_data_sets_load(&sets, c.sets, c.n_sets, false, &rules, &report, &err),
                   GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "set a: found the task detect"));
  c.sets[1].file[1] = '?'; /* there is no such file; the first set is freed */
  assert_int_equal(gm_data_sets_load(&sets, c.sets, c.n_sets, true, &rules, &report, &err),
                   GM_ERR_FILE_NOT_FOUND);
  assert_int_equal(sets.n, 0);
  gm_data_config_free(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(coco_keeps_to_the_rules),
      cmocka_unit_test(coco_asks_for_all_of_a_class),
      cmocka_unit_test(boxes_of_two_pixels_are_dropped),
      cmocka_unit_test(names_and_ids_that_come_twice_are_told),
      cmocka_unit_test(refcoco_points_at_one_box),
      cmocka_unit_test(flickr_ties_phrases_to_boxes),
      cmocka_unit_test(visual_genome_describes_regions),
      cmocka_unit_test(grit_draws_a_phrase),
      cmocka_unit_test(llava_goes_by_position),
      cmocka_unit_test(groma_instruct_follows_box_inds),
      cmocka_unit_test(bad_files_are_refused),
      cmocka_unit_test(tags_are_found),
      cmocka_unit_test(configurations_are_read),
      cmocka_unit_test(bad_configurations_are_named),
      cmocka_unit_test(all_sets_are_loaded),
  };
  int failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
  gm_arena_free(&arena);
  return failed;
}
