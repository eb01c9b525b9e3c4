/* test_user_data.c - the user's own boxes: COCO and YOLO told apart, expressions, the held
 * share, and the sentences that are made from names. */
#include "support.h"

#include "name_phrases.h"
#include "read_yolo.h"
#include "user_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/gm-user-XXXXXX";
static gm_error err;
static gm_data_report report;
static gm_arena arena;

static int make_root(void **state) {
  (void)state;
  return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
  char command[80];
  (void)state;
  snprintf(command, sizeof command, "rm -r %s", root);
  gm_arena_free(&arena);
  return system(command);
}

static const char *path_of(const char *name) {
  static char paths[4][120];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", root, name);
  return path;
}

/* A file below the root with its folders; ' in the text is ". */
static void put(const char *name, const char *text) {
  char path[120];
  snprintf(path, sizeof path, "%s", path_of(name));
  for (char *c = path + strlen(root) + 1; (c = strchr(c, '/')); c++) {
    *c = 0;
    (void)mkdir(path, 0777);
    *c = '/';
  }
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  for (const char *c = text; *c; c++) fputc(*c == '\'' ? '"' : *c, file);
  assert_int_equal(fclose(file), 0);
}

static gm_user_data load(const char *path, const char *refs) {
  gm_user_data data;
  report = (gm_data_report){0};
  assert_ok(
      gm_user_data_load(&data, path_of(path), refs ? path_of(refs) : NULL, NULL, &report, &err),
      &err);
  return data;
}

static const char *file_of(const gm_user_data *d, size_t i) {
  return gm_data_text(d->set, d->set->pictures[i].file);
}

static const char *class_of(const gm_user_data *d, size_t picture, size_t box) {
  const gm_data_box *b = &d->set->boxes[d->set->pictures[picture].first_box + box];
  return gm_data_text(d->set, d->set->categories[b->category]);
}

static const char coco[] =
    "{'images': [{'id': 5, 'file_name': 'a.png', 'width': 100, 'height': 50,"
    " 'background': 'orange'}, {'id': 6, 'file_name': 'b.png', 'width': 20, 'height': 20},"
    " {'id': 7, 'file_name': 'c.png', 'width': 50, 'height': 50}],"
    "'categories': [{'id': 0, 'name': 'Cat'}, {'id': 1, 'name': 'moon', 'article': 'the'},"
    " {'id': 2, 'name': 'egg'}],"
    "'annotations': ["
    "{'image_id': 5, 'category_id': 0, 'bbox': [0, 0, 20, 20]},"
    "{'image_id': 5, 'category_id': 0, 'bbox': [50, 2, 20, 20]},"
    "{'image_id': 5, 'category_id': 1, 'bbox': [0, 30, 10, 10]},"
    "{'image_id': 5, 'category_id': 2, 'bbox': [0, 0, 99, 49], 'iscrowd': 1},"
    "{'image_id': 6, 'category_id': 2, 'bbox': [0, 0, 10, 10]}]}";
static const char refs[] =
    "[{'image_id': 6, 'expression': 'my egg', 'bbox': [0, 0, 10, 10]},"
    "{'image_id': 5, 'expression': ' that Cat ', 'bbox': [0, 0, 20, 20]},"
    "{'image_id': 9, 'expression': 'x', 'bbox': [0, 0, 20, 20]},"
    "{'image_id': 5, 'expression': '<p>', 'bbox': [0, 0, 20, 20]},"
    "{'image_id': 5, 'expression': 'y', 'bbox': [0, 0, 0, 20]}]";

static void check_coco(const char *path, const char *images) {
  gm_user_data d = load(path, "refs.json");
  assert_int_equal(d.set->n_pictures, 3);
  assert_string_equal(d.set->spec.images, path_of(images));
  assert_int_equal(d.set->pictures[0].n_boxes, 3); /* without the crowd */
  assert_int_equal(d.set->pictures[1].n_boxes, 1); /* small pictures stay */
  assert_int_equal(d.set->pictures[2].n_boxes, 0);
  assert_string_equal(class_of(&d, 0, 2), "moon");
  assert_string_equal(gm_data_text(d.set, d.set->pictures[0].background), "orange");
  assert_true(d.set->pictures[1].background == GM_NO_TEXT);
  assert_int_equal(d.n_expressions, 2);
  assert_int_equal(d.expressions[0].picture, 0);
  assert_string_equal(gm_data_text(d.set, d.expressions[0].text), "that Cat");
  assert_true(d.expressions[0].box.w == 0.2f && d.expressions[0].box.h == 0.4f);
  assert_int_equal(d.first_expression[1], 1);
  assert_int_equal(d.first_expression[2], 2);
  assert_int_equal(d.first_expression[3], 2);
  assert_int_equal(report.counts[GM_FAULT_NO_PICTURE], 1);
  assert_int_equal(report.counts[GM_FAULT_TAGS], 1);
  assert_int_equal(report.counts[GM_FAULT_BOX_AREA], 1);
  gm_user_data_free(&d);
}

static void coco_is_found(void **state) {
  (void)state;
  put("refs.json", refs);
  put("flat/boxes.json", coco);
  check_coco("flat/boxes.json", "flat");
  check_coco("flat", "flat");
  put("deep/annotations/instances.json", coco);
  put("deep/images/a.png", "");
  check_coco("deep", "deep/images");
  put("flat/second.json", coco);
  gm_user_data d;
  assert_int_equal(gm_user_data_load(&d, path_of("flat"), NULL, NULL, &report, &err),
                   GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "found 2 JSON files"));
  gm_user_data_free(&d);
  assert_int_equal(gm_user_data_load(&d, path_of("deep/images"), NULL, NULL, &report, &err),
                   GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "found neither YOLO"));
  gm_user_data_free(&d);
  assert_int_equal(gm_user_data_load(&d, path_of("none"), NULL, NULL, &report, &err),
                   GM_ERR_FILE_NOT_FOUND);
  gm_user_data_free(&d);
}

/* In a list and one after another; the second used to be read for ever. */
static void broken_expressions_are_refused(void **state) {
  (void)state;
  static const char *const broken[] = {"[{{'image_id': 1}]", "{{'image_id': 1}}",
                                       "{'image_id': 1} {'image_id' 1}"};
  put("single.json", coco);
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
    gm_user_data d;
    put("broken.json", broken[i]);
    alarm(60);
    assert_int_equal(gm_user_data_load(&d, path_of("single.json"), path_of("broken.json"), NULL,
                                       &report, &err),
                     GM_ERR_ARGUMENT);
    alarm(0);
    assert_non_null(strstr(err.message, "broken.json: line 1: this is no JSON"));
    gm_user_data_free(&d);
  }
}

static void yolo_is_found(void **state) {
  (void)state;
  put("yolo/data.yaml", "path: .\ntrain: images/train # here\nnames:\n  0: Cat\n  1: 'dog'\n");
  put("yolo/images/train/b.jpg", "");
  put("yolo/images/train/a.jpg", "");
  put("yolo/images/val/c.png", "");
  put("yolo/other/d.png", "");
  put("yolo/labels/train/a.txt", "1 0.5 0.5 0.2 0.4\r\n0 0.9 0.5 0.4 0.4\n\n2 0.5 0.5 0.1 0.1\n"
                                 "0 0.5 0.5 0 0.1\n0 nan 0.5 0.1 0.1\n0 2 2 0.1 0.1\n"
                                 "0 0.5 0.5 0.1 0.1 0.9\n5 0.5 0.5 0.1 0.1\n");
  put("yolo/labels/val/c.txt", "0 0.5 0.5 1 1\n");
  put("yolo-refs.json",
      "[{'image_id': 'val/c.png', 'expression': 'it', 'bbox': [0, 0, 1, 1]}]");
  gm_user_data d = load("yolo", "yolo-refs.json");
  assert_int_equal(d.set->n_pictures, 3);
  assert_string_equal(file_of(&d, 0), "images/train/a.jpg");
  assert_int_equal(d.set->pictures[0].n_boxes, 2);
  assert_string_equal(class_of(&d, 0, 0), "dog");
  assert_string_equal(class_of(&d, 0, 1), "cat");
  gm_rel_box b = d.set->boxes[d.set->pictures[0].first_box + 1].box; /* x 0.7..1.1, clipped */
  assert_true(fabsf(b.cx - 0.85f) < 1e-6f && fabsf(b.w - 0.3f) < 1e-6f);
  assert_int_equal(d.set->pictures[1].n_boxes, 0);
  assert_string_equal(class_of(&d, 2, 0), "cat");
  assert_int_equal(report.counts[GM_FAULT_NO_CATEGORY], 2);
  assert_int_equal(report.counts[GM_FAULT_BOX_AREA], 1);
  assert_int_equal(report.counts[GM_FAULT_BOX_NUMBERS], 2);
  assert_int_equal(report.counts[GM_FAULT_BOX_OUTSIDE], 1);
  assert_int_equal(d.n_expressions, 1);
  assert_int_equal(d.expressions[0].picture, 2);
  gm_user_data_free(&d);
  /* Names in a list; classes from 1. */
  put("one/classes.txt", "cat\ndog\n");
  put("one/images/a.jpg", "");
  put("one/labels/a.txt", "2 0.5 0.5 0.2 0.4\n1 0.5 0.5 0.2 0.4\n");
  d = load("one", NULL);
  assert_string_equal(class_of(&d, 0, 0), "dog");
  assert_string_equal(class_of(&d, 0, 1), "cat");
  gm_user_data_free(&d);
}

static gm_status collect(void *user, char *name) {
  strcat(strcat(user, name), "|");
  return GM_OK;
}

static void names_of_yaml_are_read(void **state) {
  (void)state;
  static const struct {
    const char *yaml, *names; /* NULL: refused */
  } cases[] = {
      {"names: [a, \"b c\", 'd,e']\n", "a|b c|d,e|"},
      {"nc: 2\nnames: {0: a, 1: 'b'} # two\n", "a|b|"},
      {"names:\n- a\n- b # x\nnc: 2", "a|b|"},
      {"names:\n  0: a\n  1: b: c\n\n  2: d\nkpt: 3\n", "a|b: c|d|"},
      {"names: [a,\n  b\n  ]\n", "a|b|"},
      {"names:\n  1: a\n", NULL},
      {"names: [a, b\n", NULL},
      {"names: []\n", NULL},
      {"nc: 2\n", NULL},
      {"", NULL},
      {"names:\n  - \"\"\n", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char names[100] = "", *text = strdup(cases[i].yaml);
    gm_status status = gm_yaml_names(text, "data.yaml", collect, names, &err);
    free(text);
    if ((status == GM_OK) != (cases[i].names != NULL) ||
        (cases[i].names && strcmp(names, cases[i].names) != 0))
      fail_msg("%s: %s", cases[i].yaml, names);
  }
}

static void a_share_is_held_back(void **state) {
  (void)state;
  enum { N = 200 };
  gm_data_set set = {.n_pictures = N};
  bool held[N], first[N];
  gm_user_data d = {.set = &set, .held = held};
  gm_user_data_hold(&d, 0.15, 0);
  memcpy(first, held, sizeof held);
  size_t n = 0, differ = 0;
  for (int i = 0; i < N; i++) n += held[i];
  assert_int_equal(n, 30);
  assert_int_equal(d.n_held, 30);
  gm_user_data_hold(&d, 0.15, 0);
  assert_memory_equal(held, first, sizeof held);
  gm_user_data_hold(&d, 0.15, 1);
  for (int i = 0; i < N; i++) differ += held[i] != first[i];
  assert_true(differ > 20); /* of 51 expected */
  set.n_pictures = 2;
  gm_user_data_hold(&d, 0.01, 0);
  assert_int_equal(d.n_held, 1);
  gm_user_data_hold(&d, 1, 0);
  assert_int_equal(d.n_held, 1);
  gm_user_data_hold(&d, 0, 0);
  assert_int_equal(d.n_held, 0);
}

static void names_become_sentences(void **state) {
  (void)state;
  put("names.json", coco);
  gm_user_data d = load("names.json", NULL);
  const char *text, *phrases[GM_NAME_PHRASES];
  static const uint32_t order[] = {2, 0, 1};
  size_t n;
  assert_ok(gm_name_caption(&text, d.set, order, 3, "orange", &arena, &err), &err);
  assert_string_equal(text, "<p>An egg</p><roi><ground_box></roi>, "
                            "<p>a cat</p><roi><ground_box></roi> and "
                            "<p>the moon</p><roi><ground_box></roi> on an orange background.");
  assert_ok(gm_name_caption(&text, d.set, order + 2, 1, NULL, &arena, &err), &err);
  assert_string_equal(text, "<p>The moon</p><roi><ground_box></roi>.");
  assert_ok(gm_name_phrases(phrases, &n, d.set, 0, 0, &arena, &err), &err);
  assert_int_equal(n, 1); /* the cats' heights differ by 2 of 50 pixels */
  assert_string_equal(phrases[0], "the cat on the left");
  assert_ok(gm_name_phrases(phrases, &n, d.set, 0, 2, &arena, &err), &err);
  assert_int_equal(n, 1);
  assert_string_equal(phrases[0], "the moon");
  assert_ok(gm_name_phrases(phrases, &n, d.set, 1, 0, &arena, &err), &err);
  assert_int_equal(n, 2);
  assert_string_equal(phrases[0], "an egg");
  assert_string_equal(phrases[1], "the egg");
  gm_user_data_free(&d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(coco_is_found),        cmocka_unit_test(broken_expressions_are_refused),
      cmocka_unit_test(yolo_is_found),        cmocka_unit_test(names_of_yaml_are_read),
      cmocka_unit_test(a_share_is_held_back), cmocka_unit_test(names_become_sentences),
  };
  return cmocka_run_group_tests(tests, make_root, remove_root);
}
