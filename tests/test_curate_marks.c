/* test_curate_marks.c - which boxes get marks and where the discs stand: golden cases, made by
 * hand, and arithmetic. */
#include "support.h"

#include "draw_numbers.h"
#include "marked_order.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static curate_picture picture(uint32_t width, uint32_t height, const json_t *boxes) {
  curate_picture p = {.width = width, .height = height, .n_boxes = json_array_size(boxes)};
  p.boxes = calloc(p.n_boxes + 1, sizeof *p.boxes);
  assert_non_null(p.boxes);
  for (size_t i = 0; i < p.n_boxes; i++) {
    const json_t *b = json_array_get(boxes, i);
    p.boxes[i] = (curate_box){json_number_value(json_array_get(b, 0)),
                              json_number_value(json_array_get(b, 1)),
                              json_number_value(json_array_get(b, 2)),
                              json_number_value(json_array_get(b, 3)),
                              strdup(json_is_string(json_array_get(b, 4))
                                         ? json_string_value(json_array_get(b, 4))
                                         : "thing"),
                              NULL};
  }
  return p;
}

static void free_boxes(curate_picture *p) {
  for (size_t i = 0; i < p->n_boxes; i++) free(p->boxes[i].text);
  free(p->boxes);
}

static void check_case(const json_t *one) {
  static const char *const names[] = {"inside", "outside", "text"};
  const json_t *order = json_object_get(one, "boxes"), *wanted = json_object_get(one, "discs");
  curate_picture p = picture((uint32_t)json_integer_value(json_object_get(one, "width")),
                             (uint32_t)json_integer_value(json_object_get(one, "height")),
                             json_object_get(one, "given"));
  mark_disc discs[8];
  assert_true(p.n_boxes == json_array_size(order) && p.n_boxes <= 8);
  assert_true(order_boxes(&p));
  place_discs(&p, discs);
  for (size_t i = 0; i < p.n_boxes; i++) {
    const json_t *box = json_array_get(order, i), *disc = json_array_get(wanted, i);
    assert_float_equal(p.boxes[i].x, json_number_value(json_array_get(box, 0)), 0);
    assert_float_equal(p.boxes[i].y, json_number_value(json_array_get(box, 1)), 0);
    assert_string_equal(names[discs[i].place], json_string_value(json_array_get(disc, 0)));
    if (discs[i].place == DISC_NONE) continue;
    /* the golden file has three digits */
    assert_float_equal(discs[i].x, json_number_value(json_array_get(disc, 1)), 0.0011);
    assert_float_equal(discs[i].y, json_number_value(json_array_get(disc, 2)), 0.0011);
  }
  free_boxes(&p);
}

static void test_golden(void **state) {
  (void)state;
  char *text = test_read_file(test_data("curate/golden.json"), NULL);
  json_t *root = json_loads(text, 0, NULL), *one;
  size_t i;
  json_array_foreach(json_object_get(root, "marks"), i, one) check_case(one);
  assert_true(i >= 4);
  json_decref(root);
  free(text);
}

static curate_picture chosen(const char *boxes) {
  json_t *list = json_loads(boxes, 0, NULL);
  assert_non_null(list);
  curate_picture p = picture(100, 100, list);
  json_decref(list);
  assert_true(choose_boxes(&p));
  return p;
}

static void test_choice(void **state) {
  (void)state;
  /* 3.1 x 3.1 is under 0.1 % of 100 x 100 only if it were under 10: 9.61 is. Of two boxes with
   * IoU 0.9 / 1.0 the longer description stays; IoU 0.7 exactly is no copy. */
  curate_picture p = chosen("[[0, 0, 3.1, 3.1, \"speck\"], [0, 0, 20, 50, \"dog\"],"
                            " [0, 0, 18, 50, \"brown dog\"], [50, 50, 10, 10, \"a\"],"
                            " [50, 50, 7, 10, \"b\"]]");
  assert_int_equal(p.n_boxes, 3);
  assert_string_equal(p.boxes[0].text, "brown dog");
  assert_string_equal(p.boxes[1].text, "a");
  assert_string_equal(p.boxes[2].text, "b");
  free_boxes(&p);
  /* At equal length the larger. */
  p = chosen("[[0, 0, 18, 50, \"one\"], [0, 0, 20, 50, \"two\"]]");
  assert_int_equal(p.n_boxes, 1);
  assert_string_equal(p.boxes[0].text, "two");
  free_boxes(&p);
}

/* The 25 largest stay, in the order given. */
static void test_most(void **state) {
  (void)state;
  json_t *list = json_array();
  for (int i = 0; i < 30; i++)
    json_array_append_new(list,
                          json_pack("[i, i, i, f]", i % 10 * 10, i / 10 * 30, 8, 1.5 + i));
  curate_picture p = picture(100, 100, list);
  json_decref(list);
  assert_true(choose_boxes(&p));
  assert_int_equal(p.n_boxes, MOST_MARKED);
  for (size_t i = 0; i < p.n_boxes; i++) assert_true(p.boxes[i].h == 6.5 + (double)i);
  mark_disc discs[MOST_MARKED];
  assert_true(order_boxes(&p));
  place_discs(&p, discs);
  /* Discs are whole in the picture and do not touch. */
  double d = disc_diameter(&p);
  assert_float_equal(d, 16, 0);
  for (size_t i = 0; i < p.n_boxes; i++) {
    if (discs[i].place == DISC_NONE) continue;
    assert_true(discs[i].x >= d / 2 && discs[i].x <= 100 - d / 2);
    for (size_t k = 0; k < i; k++) {
      double dx = discs[i].x - discs[k].x, dy = discs[i].y - discs[k].y;
      assert_true(discs[k].place == DISC_NONE || dx * dx + dy * dy >= d * d);
    }
  }
  free_boxes(&p);
}

/* A disc has dark and white, its line leads to the box, and the rest of the picture is as it
 * was. */
static void test_drawn(void **state) {
  (void)state;
  enum { SIDE = 64 };
  uint8_t grey[SIDE * SIDE * 3];
  memset(grey, 128, sizeof grey);
  const gm_number_disc discs[] = {
      {.number = 8, .x = 16, .y = 16},
      {.number = 12, .x = 48, .y = 48, .line = true, .to_x = 20, .to_y = 48}};
  gm_image *image, *drawn;
  gm_text png = {0};
  gm_error err = {0};
  assert_ok(gm_image_from_rgb(&image, grey, SIDE, SIDE, &err), &err);
  assert_ok(gm_draw_numbers(&png, image, discs, 2, 16, &err), &err);
  gm_image_params params = gm_image_params_default();
  assert_ok(gm_image_from_memory(&drawn, png.bytes, png.length, &params, &err), &err);
  assert_int_equal(gm_image_width(drawn), SIDE);
  assert_int_equal(gm_image_height(drawn), SIDE);
  const uint8_t *rgb = gm_image_rgb(drawn);
  size_t light[2] = {0}, black[2] = {0};
  bool line = false;
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      const uint8_t *p = rgb + 3 * (y * SIDE + x);
      bool changed = memcmp(p, grey, 3) != 0,
           on_line = y >= 44 && y <= 52 && x >= 16 && x <= 48;
      bool near = false;
      for (size_t i = 0; i < 2; i++) {
        double dx = x + 0.5 - discs[i].x, dy = y + 0.5 - discs[i].y;
        if (dx * dx + dy * dy > 8.8 * 8.8)
          continue; /* a pixel of the edge more than the radius */
        near = true;
        light[i] += p[0] > 200 && p[1] > 200 && p[2] > 200;
        black[i] += p[0] < 190 && p[1] < 110 && (p[0] < 100 || p[1] < 80);
      }
      line |= changed && on_line && x > 24 && x < 38;
      if (changed && !near && !on_line) fail_msg("pixel %d, %d is changed", x, y);
    }
  assert_true(line);
  for (size_t i = 0; i < 2; i++) assert_true(light[i] > 20 && black[i] > 60);
  gm_image_free(image);
  gm_image_free(drawn);
  gm_text_free(&png);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden),
                                     cmocka_unit_test(test_choice), cmocka_unit_test(test_most),
                                     cmocka_unit_test(test_drawn)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
