/* test_draw.c - annotated pictures: the canvas, the places of labels, which files are
 * recognised as drawings, and that a failure leaves no file. Fonts differ between machines, so
 * nothing here depends on a letter's shape. */
#include "draw_support.h"

#include "draw_tags.h"
#include "image.h"
#include "palette.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zlib.h>

/* The test's own directory; its files are removed at the end. */
static char folder[] = "/tmp/gromatic-draw-XXXXXX";

static const char *in_folder(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static size_t files_in_folder(void) {
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  size_t n = 0;
  for (struct dirent *entry; (entry = readdir(dir));) n += entry->d_name[0] != '.';
  closedir(dir);
  return n;
}

static gm_image *grey_image(uint32_t width, uint32_t height) {
  uint8_t *rgb = malloc((size_t)width * height * 3);
  assert_non_null(rgb);
  memset(rgb, 128, (size_t)width * height * 3);
  gm_image *image;
  gm_error err;
  assert_ok(gm_image_from_rgb(&image, rgb, width, height, &err), &err);
  free(rgb);
  return image;
}

/* Draws and reads back. */
static gm_image *drawn(const gm_image *image, const gm_mark *marks, size_t n_marks,
                       const char *caption, const gm_span_colour *spans, size_t n_spans) {
  gm_error err;
  gm_image *out;
  gm_draw_params params = {.struct_size = sizeof params,
                           .marks = marks,
                           .n_marks = n_marks,
                           .caption = caption,
                           .spans = spans,
                           .n_spans = n_spans};
  assert_ok(gm_draw(image, &params, in_folder("a.png"), &err), &err);
  assert_ok(gm_image_open(&out, in_folder("a.png"), NULL, &err), &err);
  return out;
}

static uint32_t pixel(const gm_image *image, uint32_t x, uint32_t y) {
  const uint8_t *p = image->rgb + ((size_t)y * image->width + x) * 3;
  return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static double lightness(uint32_t pixel) {
  return 0.299 * (pixel >> 16) + 0.587 * (pixel >> 8 & 255) + 0.114 * (pixel & 255);
}

static size_t count_colour(const gm_image *image, uint32_t from_y, uint32_t to_y,
                           uint32_t colour) {
  size_t n = 0;
  for (uint32_t y = from_y; y < to_y; y++)
    for (uint32_t x = 0; x < image->width; x++) n += pixel(image, x, y) == colour;
  return n;
}

enum { ORANGE = 0xE69F00, SKY = 0x56B4E9, GREY = 0x808080 }; /* Okabe and Ito's table */

static void boxes_stand_where_they_should(void **state) {
  (void)state;
  gm_image *image = grey_image(640, 480);
  const gm_mark marks[] = {mark_of((gm_box){100, 100, 300, 260}, "a thing", 0),
                           mark_of((gm_box){400, 50, 1000, 5000}, NULL, 1)};
  gm_image *out = drawn(image, marks, 2, NULL, NULL, 0);
  assert_int_equal(out->width, 640);
  assert_int_equal(out->height, 480);
  /* the line is at least 3 wide, inside the box: its second pixel has the pure colour */
  assert_int_equal(pixel(out, 101, 180), ORANGE);
  assert_int_equal(pixel(out, 298, 180), ORANGE);
  assert_int_equal(pixel(out, 200, 258), ORANGE);
  assert_int_equal(pixel(out, 401, 300), SKY);
  /* clipped to the picture */
  assert_int_equal(pixel(out, 638, 300), SKY);
  assert_int_equal(pixel(out, 500, 478), SKY);
  /* inside the box and far outside it the picture is unchanged */
  assert_int_equal(pixel(out, 200, 180), GREY);
  assert_int_equal(pixel(out, 500, 200), GREY);
  assert_int_equal(pixel(out, 20, 400), GREY);
  /* the label: a filled tag above the box, with dark letters on it */
  assert_true(count_colour(out, 70, 99, ORANGE) > 300);
  assert_true(count_colour(out, 70, 99, 0x000000) > 20);
  gm_image_free(out);
  gm_image_free(image);
}

static void captions_stand_below(void **state) {
  (void)state;
  gm_image *image = grey_image(640, 480);
  const gm_span_colour spans[] = {span_of(0, 5, 0), span_of(10, 16, 1)};
  gm_image *out = drawn(image, NULL, 0, "A dog and a ball.", spans, 2);
  assert_int_equal(out->width, 640);
  assert_true(out->height > 480 + 15);
  assert_int_equal(count_colour(out, 0, 480, GREY), 640 * 480);
  assert_true(count_colour(out, 480, out->height, ORANGE) > 300);
  assert_true(count_colour(out, 480, out->height, SKY) > 300);
  gm_image_free(out);

  gm_image *empty = drawn(image, NULL, 0, "", NULL, 0);
  assert_int_equal(empty->height, 480);
  gm_image_free(empty);
  gm_image_free(image);
}

/* 64 x 48 ten times as large; a line of pixels gets room for its label; 1 x 1 too. */
static void small_and_thin_pictures_are_legible(void **state) {
  (void)state;
  static const uint32_t sizes[][4] = {
      {64, 48, 640, 480}, {1, 1, 640, 640}, {10000, 2, 8192, 60}, {2, 700, 480, 700}};
  const gm_mark mark = mark_of((gm_box){0, 0, 1e9f, 1e9f}, "everything", 1);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    gm_image *image = grey_image(sizes[i][0], sizes[i][1]);
    gm_image *out = drawn(image, &mark, 1, NULL, NULL, 0);
    assert_int_equal(out->width, sizes[i][2]);
    assert_int_equal(out->height, sizes[i][3]);
    assert_true(count_colour(out, 0, out->height, SKY) > 500);
    gm_image_free(out);
    gm_image_free(image);
  }
}

static const gm_label thing = {
    .struct_size = sizeof thing, .name = "thing", .score = 1, .raw_score = 0.5f};

/* Crops outside the picture: the explanation is of another picture. */
static void an_explanation_of_another_picture_is_refused(void **state) {
  (void)state;
  static const gm_box wrong[] = {{0, 0, 17, 8}, {0, 0, 16, 9}, {-1, 0, 4, 4}, {0, NAN, 4, 4}};
  uint8_t rgb[16 * 8 * 3] = {0};
  gm_crop_share crops[] = {crop_of((gm_box){0, 0, 16, 8}, 1, 0.5f, 0),
                           crop_of((gm_box){0, 0, 0, 0}, 0, 0, 0)};
  const gm_text_share text = text_of("a thing", 1, 0.5f, 0);
  gm_image *image;
  gm_error err;
  assert_ok(gm_image_from_rgb(&image, rgb, 16, 8, &err), &err);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    crops[1].box = wrong[i];
    gm_explanation *e =
        made_explanation(&SIZED(gm_explanation, .raw_score = 0.5f, .n_crops = 2, .n_texts = 1),
                         crops, &text, NULL);
    assert_int_equal(draw_explanation(image, e, &thing, in_folder("no.png"), &err),
                     GM_ERR_ARGUMENT);
    gm_explanation_free(e);
    assert_non_null(strstr(err.message, "crop 2"));
    assert_int_not_equal(access(in_folder("no.png"), F_OK), 0);
  }
  gm_image_free(image);
}

/* Draws an explanation of a picture of one colour, 128 x 64, which is 640 x 320 there. */
static gm_image *explained(const uint8_t colour[3], const gm_explanation *e) {
  static uint8_t rgb[128 * 64 * 3];
  for (size_t k = 0; k < 128 * 64; k++) memcpy(rgb + 3 * k, colour, 3);
  gm_image *image, *out;
  gm_error err;
  assert_ok(gm_image_from_rgb(&image, rgb, 128, 64, &err), &err);
  assert_ok(draw_explanation(image, e, &thing, in_folder("a.png"), &err), &err);
  assert_ok(gm_image_open(&out, in_folder("a.png"), NULL, &err), &err);
  gm_image_free(image);
  return out;
}

static const uint8_t colours[][3] = {{255, 255, 255}, {0, 0, 0},     {128, 128, 128},
                                     {230, 30, 20},   {255, 150, 0}, {255, 240, 120},
                                     {20, 60, 220},   {30, 160, 60}, {110, 20, 110}};

/* The heat map is visible on pictures of any colour: the place with all of the score is lighter
 * than one with none by the difference of the key's ends, 0.937 - 0.079 of white, of which 0.65
 * covers the picture's grey: 142.3; three roundings are at most 0.5 each on either side. */
static void heat_shows_on_any_picture(void **state) {
  (void)state;
  const gm_crop_share crop = crop_of((gm_box){0, 0, 64, 64}, 0.5f, 0.25f, 0);
  const gm_text_share text = text_of("a thing", 1, 0.5f, 0);
  gm_explanation *e =
      made_explanation(&SIZED(gm_explanation, .raw_score = 0.5f, .n_crops = 2, .n_texts = 1),
                       (gm_crop_share[]){crop, crop}, &text, NULL);
  for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
    gm_image *out = explained(colours[i], e);
    uint32_t hot = pixel(out, 160, 160), cold = pixel(out, 480, 160);
    double light = lightness(hot) - lightness(cold);
    if (fabs(light - 142.3) > 1.1) fail_msg("colour %zu: hot %06x, cold %06x", i, hot, cold);
    gm_image_free(out);
  }
  gm_explanation_free(e);
}

/* Parts for the label are orange, parts against it blue, parts with neither the picture's grey:
 * 0.3 is the most, 0.3 - 0.1 two thirds of it, -0.1 a third. */
static void heat_tells_for_from_against(void **state) {
  (void)state;
  const gm_crop_share crops[] = {crop_of((gm_box){0, 0, 64, 64}, 0.5f, 0, 0.3f),
                                 crop_of((gm_box){32, 0, 96, 64}, 0.5f, 0, -0.1f)};
  const gm_text_share text = text_of("a thing", 1, 0.5f, 0.1f);
  const gm_text_share other = text_of("another", 1, 0.3f, 0.1f);
  const gm_explanation numbers = {.struct_size = sizeof numbers,
                                  .raw_score = 0.5f,
                                  .n_crops = 2,
                                  .n_texts = 1,
                                  .against = "else",
                                  .against_raw_score = 0.3f,
                                  .lead = 0.2f,
                                  .n_against_texts = 1};
  gm_explanation *e = made_explanation(&numbers, crops, &text, &other);
  const double want[][4] = {/* x, and red, green, blue at 0.8 of orange or blue, by the share */
                            {100, 1, 0.62, 0.1},
                            {250, 1, 0.62, 0.1},
                            {400, 0.1, 0.22, 0.72}};
  const double covers[] = {0.8, 0.8 * 2 / 3, 0.8 / 3};
  for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
    gm_image *out = explained(colours[i], e);
    double grey = 0.299 * colours[i][0] + 0.587 * colours[i][1] + 0.114 * colours[i][2];
    for (size_t k = 0; k < 3; k++)
      for (int channel = 0; channel < 3; channel++) {
        int got = (int)(pixel(out, (uint32_t)want[k][0], 160) >> (16 - 8 * channel) & 255);
        double right = (1 - covers[k]) * grey + covers[k] * 255 * want[k][1 + channel];
        if (fabs(got - right) > 1) fail_msg("%zu, place %zu: %d, wanted %g", i, k, got, right);
      }
    assert_true(fabs(lightness(pixel(out, 560, 160)) - grey) <= 1);
    gm_image_free(out);
  }
  gm_explanation_free(e);
}

/* A single crop has nothing to be compared with: the picture stays unchanged. */
static void one_crop_has_no_heat(void **state) {
  (void)state;
  const gm_crop_share crop = crop_of((gm_box){0, 0, 128, 64}, 1, 0.5f, 0.1f);
  const gm_text_share text = text_of("a thing", 1, 0.5f, 0.1f);
  const gm_explanation numbers = {.struct_size = sizeof numbers,
                                  .raw_score = 0.5f,
                                  .n_crops = 1,
                                  .n_texts = 1,
                                  .against = "else",
                                  .lead = 0.1f};
  gm_explanation *e = made_explanation(&numbers, &crop, &text, NULL);
  for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
    gm_image *out = explained(colours[i], e);
    uint32_t want =
        (uint32_t)colours[i][0] << 16 | (uint32_t)colours[i][1] << 8 | colours[i][2];
    for (uint32_t x = 0; x < 640; x += 3) assert_int_equal(pixel(out, x, x / 2), want);
    gm_image_free(out);
  }
  gm_explanation_free(e);
}

/* Two names that differ only after 600 invisible bytes look different in each place. */
static void long_names_are_not_cut_in_bytes(void **state) {
  (void)state;
  char names[2][620];
  const gm_crop_share crop = crop_of((gm_box){0, 0, 128, 64}, 1, 0.5f, 0.1f);
  const gm_text_share text = text_of("a thing", 1, 0.5f, 0.1f);
  gm_image *out[2];
  for (size_t i = 0; i < 2; i++) {
    char *end = names[i];
    for (int k = 0; k < 40;
         k++) { /* zero width joiners and similar characters, 15 per letter */
      memcpy(end, "\xE2\x80\x8D\xE2\x80\x8D\xE2\x80\x8D\xE2\x80\x8D\xE2\x80\x8D", 15);
      end += 15;
    }
    strcpy(end, i == 0 ? "A" : "W");
    const gm_explanation numbers = {.struct_size = sizeof numbers,
                                    .raw_score = 0.5f,
                                    .n_crops = 1,
                                    .against = names[i],
                                    .lead = 0.1f,
                                    .n_against_texts = 1};
    gm_explanation *e = made_explanation(&numbers, &crop, NULL, &text);
    out[i] = explained(colours[0], e);
    gm_explanation_free(e);
  }
  static const uint32_t rows[][2] = {{55, 76}, {137, 158}, {555, 578}}; /* score, bar, key */
  for (size_t i = 0; i < 3; i++) {
    size_t different = 0;
    for (uint32_t y = rows[i][0]; y < rows[i][1]; y++)
      for (uint32_t x = 640; x < out[0]->width; x++)
        different += pixel(out[0], x, y) != pixel(out[1], x, y);
    if (different == 0) fail_msg("the rows from %u on are alike", rows[i][0]);
  }
  gm_image_free(out[0]);
  gm_image_free(out[1]);
}

static void hostile_marks_do_no_harm(void **state) {
  (void)state;
  gm_image *image = grey_image(300, 200);
  char *endless = malloc(100001);
  memset(endless, 'w', 100000);
  endless[100000] = 0;
  const gm_box none = {NAN, NAN, NAN, NAN}, all = {-INFINITY, -INFINITY, INFINITY, INFINITY};
  const gm_mark marks[] = {mark_of(none, "\xFF\xFE\x1B[31m\r\n\x7F", INT32_MAX),
                           mark_of(all, endless, INT32_MIN),
                           mark_of((gm_box){300, 200, 0, 0}, "\xE2\x80\xAEgpj.exe", -1),
                           mark_of((gm_box){5, 5, 5, 5}, "", 0)};
  const gm_span_colour spans[] = {span_of(7, 3, -5), span_of(0, SIZE_MAX, 3),
                                  span_of(SIZE_MAX, SIZE_MAX, 1)};
  gm_image *out = drawn(image, marks, 4, endless, spans, 3);
  assert_int_equal(out->width, 900);
  assert_true(out->height < 32767);
  gm_image_free(out);
  free(endless);
  gm_image_free(image);
}

static void labels_stay_inside_and_apart(void **state) {
  (void)state;
  enum { N = 12 };
  const gm_rect area = {0, 0, 640, 480};
  gm_rect boxes[N], placed[N];
  for (int i = 0; i < N; i++) /* a heap of boxes, some at the edges */
    boxes[i] = (gm_rect){i * 53 % 560, i * 37 % 420, 80, 60};
  for (size_t i = 0; i < N; i++) {
    gm_rect tag = {0, 0, 110, 24};
    gm_tag_place(&tag, i, boxes, N, placed, i, area);
    assert_true(tag.x >= 0 && tag.y >= 0 && tag.x + tag.w <= 640 && tag.y + tag.h <= 480);
    for (size_t k = 0; k < i; k++) assert_true(gm_rect_overlap(tag, placed[k]) == 0);
    placed[i] = tag;
  }
  gm_rect alone = {0, 0, 50, 20}; /* no other tags: above the left corner */
  gm_tag_place(&alone, 0, &(gm_rect){200, 100, 80, 90}, 1, NULL, 0, area);
  assert_true(alone.x == 200 && alone.y == 80);
}

/* Boxes in the corners, and tags as long as a label may be. */
static void tags_at_the_edge_stay_inside(void **state) {
  (void)state;
  const gm_rect area = {0, 0, 640, 480};
  static const gm_rect boxes[] = {{0, 0, 9, 9},     {631, 0, 9, 9},   {0, 471, 9, 9},
                                  {631, 471, 9, 9}, {0, 0, 640, 480}, {0, 470, 640, 10}};
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++)
    for (double width = 10; width <= 640; width += 70) {
      gm_rect tag = {0, 0, width, 24};
      gm_tag_place(&tag, i, boxes, sizeof boxes / sizeof *boxes, NULL, 0, area);
      assert_true(tag.x >= 0 && tag.y >= 0 && tag.x + tag.w <= 640 && tag.y + tag.h <= 480);
    }
  /* in a whole drawing, a name too long for any tag is shortened and ends before the edge */
  char name[400];
  for (size_t i = 0; i < sizeof name - 1; i++) name[i] = (char)('a' + i % 20);
  name[sizeof name - 1] = 0;
  gm_image *image = grey_image(640, 480);
  const gm_mark mark = mark_of((gm_box){630, 470, 640, 480}, name, 0);
  gm_image *out = drawn(image, &mark, 1, NULL, NULL, 0);
  size_t columns = 0;
  for (uint32_t x = 0; x < 640; x++) {
    bool any = false;
    for (uint32_t y = 0; y < 480; y++) any |= pixel(out, x, y) == ORANGE;
    columns += any;
  }
  assert_in_range(columns, 200, 335); /* half of the width, and the box */
  gm_image_free(out);
  gm_image_free(image);
}

static double luminance(gm_colour c) {
  const double v[] = {c.r, c.g, c.b}, share[] = {0.2126, 0.7152, 0.0722};
  double sum = 0;
  for (int i = 0; i < 3; i++)
    sum += share[i] * (v[i] <= 0.04045 ? v[i] / 12.92 : pow((v[i] + 0.055) / 1.055, 2.4));
  return sum;
}

/* WCAG 2, level AA for text: a contrast of 4.5. */
static void letters_contrast_with_their_colour(void **state) {
  (void)state;
  for (int32_t i = -7; i < 20; i++) {
    gm_colour colour = gm_palette_colour(i);
    double a = luminance(colour), b = luminance(gm_palette_ink(colour));
    assert_true((fmax(a, b) + 0.05) / (fmin(a, b) + 0.05) >= 4.5);
  }
  assert_int_equal(gm_palette_line(5), 0);
  assert_int_equal(gm_palette_line(6), 1);
  assert_int_equal(gm_palette_line(12), 2);
  assert_int_equal(gm_palette_line(18), 0);
}

static uint32_t palette_pixel(int32_t i) {
  gm_colour c = gm_palette_colour(i);
  return (uint32_t)lround(255 * c.r) << 16 | (uint32_t)lround(255 * c.g) << 8 |
         (uint32_t)lround(255 * c.b);
}

/* On a 640 x 480 picture lines are 3 pixels wide and their edges 1: the second frame's middle
 * is 4 pixels inside the first one's. */
static void marks_of_one_box_are_all_seen(void **state) {
  (void)state;
  gm_image *image = grey_image(640, 480);
  const gm_box box = {100, 100, 500, 400};
  const gm_mark marks[] = {mark_of(box, NULL, 0), mark_of(box, NULL, 1), mark_of(box, NULL, 2)};
  gm_image *out = drawn(image, marks, 3, NULL, NULL, 0);
  for (uint32_t i = 0; i < 3; i++) {
    assert_int_equal(pixel(out, 101 + 4 * i, 250), palette_pixel((int32_t)i));
    assert_int_equal(pixel(out, 300, 398 - 4 * i), palette_pixel((int32_t)i));
  }
  gm_image_free(out);
  gm_image_free(image);
}

/* Boxes without room for nested frames, also at the picture's edge, and boxes that differ by
 * less than a line: every colour is visible, at least a third as much as the others. */
static void marks_of_one_small_box_are_all_seen(void **state) {
  (void)state;
  gm_image *image = grey_image(640, 480);
  static const gm_box boxes[] = {{100, 100, 101, 101},
                                 {0, 0, 0, 0},
                                 {639, 479, 640, 480},
                                 {50, 50, 64, 300},
                                 {100, 100, 120, 120}};
  enum { MOST = 5 };
  for (size_t b = 0; b < sizeof boxes / sizeof *boxes; b++)
    for (size_t n = 2; n <= MOST; n++) {
      gm_mark marks[MOST];
      for (size_t i = 0; i < n; i++) {
        marks[i] = mark_of(boxes[b], NULL, (int32_t)i);
        marks[i].box.x2 += 0.3f * (float)i;
      }
      gm_image *out = drawn(image, marks, n, NULL, NULL, 0);
      size_t least = SIZE_MAX, most = 0;
      for (size_t i = 0; i < n; i++) {
        size_t count = count_colour(out, 0, 480, palette_pixel((int32_t)i));
        if (count < least) least = count;
        if (count > most) most = count;
      }
      if (least == 0 || (b < 3 && n < 4 && 3 * least < most))
        fail_msg("box %zu, %zu marks: %zu and %zu pixels", b, n, least, most);
      gm_image_free(out);
    }
  gm_image_free(image);
}

/* 8 x 8 blocks of plain grey are restored exactly; the name decides the format. */
static void the_name_gives_the_format(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = grey_image(640, 480), *out;
  const struct {
    const char *name, *magic;
  } cases[] = {{"a.png", "\x89PNG"}, {"a.jpg", "\xFF\xD8\xFF"}, {"a.JPEG", "\xFF\xD8\xFF"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size;
    assert_ok(gm_draw(image, NULL, in_folder(cases[i].name), &err), &err);
    char *bytes = test_read_file(in_folder(cases[i].name), &size);
    assert_memory_equal(bytes, cases[i].magic, strlen(cases[i].magic));
    free(bytes);
    assert_ok(gm_image_open(&out, in_folder(cases[i].name), NULL, &err), &err);
    assert_int_equal(gm_image_width(out), 640);
    assert_int_equal(gm_image_height(out), 480);
    assert_int_equal(pixel(out, 320, 240), 0x808080);
    assert_int_equal(unlink(in_folder(cases[i].name)), 0);
    gm_image_free(out);
  }
  gm_image_free(image);
}

static bool is_drawn(const char *name) {
  gm_error err;
  bool drawn = true;
  assert_ok(gm_drawn_by_gromatic(in_folder(name), &drawn, &err), &err);
  return drawn;
}

static void put_file(const char *name, const void *bytes, size_t n) {
  FILE *file = fopen(in_folder(name), "w");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, n, file), n);
  assert_int_equal(fclose(file), 0);
}

/* Valid PNG chunks up to IEND; the mark's sum is right. */
static void check_chunks(const uint8_t *bytes, size_t size) {
  size_t at = 8, marks = 0;
  while (at + 12 <= size) {
    size_t n = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
    n |= (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16;
    assert_true(n <= size - at - 12);
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++) sum = sum << 8 | bytes[at + 8 + n + (size_t)i];
    assert_int_equal(sum, crc32(0, bytes + at + 4, (uInt)(n + 4)));
    marks += n > 18 && memcmp(bytes + at + 4, "tEXtSoftware\0gromatic ", 22) == 0;
    at += 12 + n;
  }
  assert_int_equal(at, size);
  assert_int_equal(marks, 1);
}

static void drawings_are_known_again(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = grey_image(640, 480);
  const gm_crop_share crop = crop_of((gm_box){0, 0, 64, 64}, 1, 0.5f, 0);
  const gm_text_share text = text_of("a thing", 1, 0.5f, 0);
  gm_explanation *e =
      made_explanation(&SIZED(gm_explanation, .raw_score = 0.5f, .n_crops = 1, .n_texts = 1),
                       &crop, &text, NULL);
  const gm_draw_params caption = {.struct_size = sizeof caption, .caption = "a caption"};
  static const char *const names[] = {"a.png", "a.jpg"};
  for (size_t i = 0; i < 2; i++) {
    assert_ok(draw_explanation(image, e, &thing, in_folder(names[i]), &err), &err);
    assert_true(is_drawn(names[i]));
    assert_ok(gm_draw(image, &caption, in_folder(names[i]), &err), &err);
    assert_true(is_drawn(names[i]));
    size_t size;
    char *bytes = test_read_file(in_folder(names[i]), &size);
    if (i == 0) check_chunks((const uint8_t *)bytes, size);
    unlink(in_folder(names[i]));
    free(bytes);
  }
  gm_explanation_free(e);
  assert_false(is_drawn("a.png")); /* does not exist */
  assert_false(is_drawn("a.png/below"));
  assert_ok(gm_draw(image, NULL, in_folder("a.png"), &err), &err);
  assert_false(is_drawn("a.png/below"));
  assert_false(is_drawn(".")); /* a folder */
  assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
  assert_false(is_drawn("pipe")); /* nobody writes to it */
  unlink(in_folder("pipe"));
  bool drawn = true;
  assert_ok(gm_drawn_by_gromatic("/dev/zero", &drawn, &err), &err);
  assert_false(drawn);
  char endless[5000];
  memset(endless, 'a', sizeof endless - 1);
  endless[sizeof endless - 1] = 0;
  assert_int_equal(gm_drawn_by_gromatic(endless, &drawn, &err), GM_ERR_IO);
  gm_image_free(image);
}

/* A drawing's head that is cut short anywhere, or has one bit of its marks changed. */
static void what_looks_like_a_drawing_is_not_one(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = grey_image(64, 64);
  static const char *const names[] = {"a.png", "a.jpg"};
  /* signature, IHDR, tEXt .. "gromatic " and the same of JPEG: the bytes that must match */
  static const struct {
    size_t from, to;
  } must[2][2] = {{{0, 16}, {37, 59}}, {{0, 11}, {20, 33}}};
  for (size_t i = 0; i < 2; i++) {
    assert_ok(gm_draw(image, NULL, in_folder(names[i]), &err), &err);
    size_t size;
    char *bytes = test_read_file(in_folder(names[i]), &size);
    for (size_t n = 0; n <= 80; n++) {
      put_file("b.png", bytes, n);
      assert_int_equal(is_drawn("b.png"), n >= must[i][1].to);
    }
    for (size_t bit = 0; bit < 8 * 80; bit++) {
      bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
      put_file("b.png", bytes, 100);
      bool in_mark = false;
      for (size_t k = 0; k < 2; k++)
        in_mark |= bit / 8 >= must[i][k].from && bit / 8 < must[i][k].to;
      if (i == 1 && bit / 8 == 23) in_mark = false; /* the length of JPEG's comment */
      assert_int_equal(is_drawn("b.png"), !in_mark);
      bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
    free(bytes);
    unlink(in_folder(names[i]));
  }
  unlink(in_folder("b.png"));
  bool drawn = true;
  assert_ok(gm_drawn_by_gromatic(test_data("photos/koala.png"), &drawn, &err), &err);
  assert_false(drawn);
  gm_image_free(image);
}

static void failures_leave_no_file(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = grey_image(640, 480);
  size_t before = files_in_folder();
  assert_int_equal(gm_draw(image, NULL, in_folder("no/where.png"), &err), GM_ERR_IO);
  assert_non_null(strstr(err.message, "no/where.png"));
  assert_int_equal(gm_draw(image, NULL, in_folder("no/where.jpg"), &err), GM_ERR_IO);
  assert_int_equal(gm_draw(image, NULL, folder, &err), GM_ERR_IO);
  assert_int_equal(files_in_folder(), before);

  /* A disk that is full after 100 bytes: the old file stays, nothing else does. */
  FILE *old = fopen(in_folder("old.png"), "w");
  assert_non_null(old);
  fputs("old", old);
  fclose(old);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){100, 100});
    _exit((int)gm_draw(image, NULL, in_folder("old.png"), NULL));
  }
  int result = 0;
  assert_int_equal(waitpid(child, &result, 0), child);
  assert_true(WIFEXITED(result));
  assert_int_equal(WEXITSTATUS(result), GM_ERR_IO);
  assert_int_equal(files_in_folder(), before + 1);
  size_t size;
  char *bytes = test_read_file(in_folder("old.png"), &size);
  assert_string_equal(bytes, "old");
  free(bytes);

  /* A link stays a link, and a device a device. */
  char link_name[256];
  snprintf(link_name, sizeof link_name, "%s/link.png", folder);
  assert_int_equal(symlink("old.png", link_name), 0);
  assert_ok(gm_draw(image, NULL, link_name, &err), &err);
  struct stat st;
  assert_int_equal(lstat(link_name, &st), 0);
  assert_true(S_ISLNK(st.st_mode));
  assert_int_equal(stat(link_name, &st), 0);
  assert_true(st.st_size > 100);
  assert_ok(gm_draw(image, NULL, "/dev/null", &err), &err);
  assert_int_equal(stat("/dev/null", &st), 0);
  assert_true(S_ISCHR(st.st_mode));
  gm_image_free(image);
}

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  static const char *const names[] = {"a.png", "old.png", "link.png"};
  for (size_t i = 0; i < 3; i++) unlink(in_folder(names[i]));
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(boxes_stand_where_they_should),
      cmocka_unit_test(captions_stand_below),
      cmocka_unit_test(small_and_thin_pictures_are_legible),
      cmocka_unit_test(an_explanation_of_another_picture_is_refused),
      cmocka_unit_test(heat_shows_on_any_picture),
      cmocka_unit_test(heat_tells_for_from_against),
      cmocka_unit_test(one_crop_has_no_heat),
      cmocka_unit_test(long_names_are_not_cut_in_bytes),
      cmocka_unit_test(hostile_marks_do_no_harm),
      cmocka_unit_test(labels_stay_inside_and_apart),
      cmocka_unit_test(tags_at_the_edge_stay_inside),
      cmocka_unit_test(letters_contrast_with_their_colour),
      cmocka_unit_test(marks_of_one_box_are_all_seen),
      cmocka_unit_test(marks_of_one_small_box_are_all_seen),
      cmocka_unit_test(the_name_gives_the_format),
      cmocka_unit_test(drawings_are_known_again),
      cmocka_unit_test(what_looks_like_a_drawing_is_not_one),
      cmocka_unit_test(failures_leave_no_file),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
