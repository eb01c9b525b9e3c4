/* test_wca.c - weighted cross alignment through the public calls: goldens over given boxes,
 * sums of shares, crops and their seeds, class files, the stopping rule. */
#include "clip_support.h"

#include "alignment.h"
#include "waffle.h"
#include "wca.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCORES 1e-4 /* the project's rule for weights and scores, of the largest */

static gm_clip *tiny, *mini;

static gm_clip *convert_and_open(const char *source) {
  char path[] = "/tmp/gromatic-test-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  gm_error err;
  gm_clip *clip;
  gm_convert_params convert = {.struct_size = sizeof convert, .type = "f32"};
  assert_ok(gm_convert(source, path, &convert, NULL, &err), &err);
  assert_ok(gm_clip_open(&clip, path, NULL, &err), &err);
  unlink(path);
  return clip;
}

static int open_fixtures(void **state) {
  (void)state;
  gm_error err;
  tiny = convert_and_open(test_data("models/clip-tiny/openai-torchscript.pt"));
  assert_ok(gm_clip_open(&mini, NULL, NULL, &err), &err); /* the embedded one */
  return 0;
}

static int close_fixtures(void **state) {
  (void)state;
  gm_clip_free(tiny);
  gm_clip_free(mini);
  return 0;
}

static gm_classes *make_classes(gm_clip *clip, gm_method method, const char *descriptions) {
  gm_error err;
  char *text = test_text(descriptions),
       *templates = test_text("descriptions/world-templates.json");
  gm_classes_params p = gm_classes_params_default();
  p.method = method;
  p.descriptions = text;
  p.templates = templates;
  gm_classes *classes;
  assert_ok(gm_classes_create(&classes, clip, &p, NULL, &err), &err);
  free(text);
  free(templates);
  return classes;
}

static gm_view *make_view(gm_clip *clip, const gm_image *image, gm_view_params p) {
  gm_error err;
  gm_view *view;
  assert_ok(gm_view_create(&view, clip, image, &p, &err), &err);
  return view;
}

/* Raw scores in the classes' order. */
static void raw_scores(gm_view *view, const gm_classes *classes, const gm_classify_params *p,
                       float *out) {
  gm_error err;
  gm_classification *r;
  assert_ok(gm_classify(view, classes, p, NULL, &r, &err), &err);
  assert_int_equal(r->n_labels, gm_classes_count(classes));
  double sum = 0;
  for (size_t i = 0; i < r->n_labels; i++) {
    gm_label label = label_at(r, i);
    out[label.class_index] = label.raw_score;
    sum += (double)label.score;
    if (i) assert_true(label.score <= label_at(r, i - 1).score);
  }
  assert_true(fabs(sum - 1) < 1e-5); /* n roundings of 2^-24 */
  gm_classification_free(r);
}

/* ---- goldens over given boxes */

static gm_box *golden_boxes(golden *g, size_t *n) {
  golden_array boxes = golden_get(g, "boxes");
  const int32_t *b = boxes.data;
  *n = boxes.shape[0];
  gm_box *out = calloc(*n, sizeof *out);
  assert_non_null(out);
  for (size_t i = 0; i < *n; i++, b += 4)
    out[i] = (gm_box){(float)b[0], (float)b[1], (float)b[2], (float)b[3]};
  return out;
}

static void check_weights(golden *g, gm_view *view, const gm_classes *classes) {
  gm_error err;
  golden_array want_w = golden_get(g, "crop_weights");
  golden_array want_v = golden_get(g, "description_weights");
  float *w = malloc(want_w.n * sizeof *w), *v = malloc(want_v.n * sizeof *v);
  assert_true(w && v);
  size_t at = 0;
  for (size_t i = 0; i < gm_classes_count(classes); i++) {
    gm_explanation *e;
    assert_ok(gm_explain(view, classes, i, NULL, NULL, &e, &err), &err);
    assert_int_equal(e->n_crops, want_w.n);
    for (size_t k = 0; k < e->n_crops; k++) w[k] = crop_share(e, k).weight;
    for (size_t k = 0; k < e->n_texts; k++) {
      assert_true(at < want_v.n);
      v[at++] = text_share(e, k).weight;
    }
    gm_explanation_free(e);
  }
  assert_int_equal(at, want_v.n);
  assert_close(w, want_w.data, want_w.n, SCORES, "crop_weights");
  assert_close(v, want_v.data, want_v.n, SCORES, "description_weights");
  free(w);
  free(v);
}

static void check_photo(const char *name, const gm_classes *paper, const gm_classes *released) {
  char path[128];
  snprintf(path, sizeof path, "golden/clip-tiny/wca-%s.safetensors", name);
  golden *g = golden_open(path);
  snprintf(path, sizeof path, "photos/%s.png", name);
  gm_image *image = test_image(path);
  size_t n;
  gm_box *boxes = golden_boxes(g, &n);
  gm_view *view = make_view(tiny, image, SIZED(gm_view_params, .boxes = boxes, .n_boxes = n));
  float scores[8];
  assert_int_equal(gm_classes_count(paper), 8);
  raw_scores(view, paper, NULL, scores);
  assert_close(scores, golden_get(g, "paper").data, 8, SCORES, name);
  check_weights(g, view, paper);
  /* "released" of the golden is over all boxes, without a redraw: the mean over very many
   * redraws would differ, so it is computed from its parts. */
  float *f = malloc((n + 1) * 48 * sizeof *f), *w = malloc(n * sizeof *w), mixed[48];
  gm_error err;
  assert_true(f && w);
  assert_ok(gm_clip_encode_boxes(tiny, image, NULL, 1, f, NULL, &err), &err);
  assert_close(f, golden_get(g, "image").data, 48, 1e-3, name);
  assert_ok(gm_clip_encode_boxes(tiny, image, boxes, n, f + 48, NULL, &err), &err);
  assert_close(f + 48, golden_get(g, "crops").data, n * 48, 1e-3, name);
  gm_alignment_weights(w, f, f + 48, n, 48, expf(4));
  gm_alignment_mix(mixed, w, f + 48, NULL, n, 48);
  gm_unit_rows(mixed, 1, 48);
  gm_classes_scores(released, mixed, scores);
  assert_close(scores, golden_get(g, "released").data, 8, SCORES, name);
  free(f);
  free(w);
  free(boxes);
  gm_view_free(view);
  gm_image_free(image);
  golden_close(g);
}

static void test_goldens_over_given_boxes(void **state) {
  (void)state;
  gm_classes *paper =
      make_classes(tiny, GM_METHOD_WCA, "golden/clip-tiny/wca-descriptions.json");
  gm_classes *released =
      make_classes(tiny, GM_METHOD_WCA_RELEASED, "golden/clip-tiny/wca-descriptions.json");
  check_photo("astronaut", paper, released);
  check_photo("chelsea", paper, released);
  check_photo("coffee", paper, released);
  gm_classes_free(paper);
  gm_classes_free(released);
}

/* ---- shares */

/* Sums of up to 100 floats, each rounded to 2^-24 of at most 1: below 1e-5. */
static void test_shares_add_up_to_the_score(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = test_image("world/classify/koala/0.png");
  static const gm_method methods[] = {GM_METHOD_WCA, GM_METHOD_WCA_RELEASED, GM_METHOD_CUPL,
                                      GM_METHOD_CLIP, GM_METHOD_CLIP_E};
  for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
    gm_classes *classes = make_classes(mini, methods[m], "descriptions/world.json");
    gm_view_params p = gm_view_params_default(methods[m]);
    gm_view *view = make_view(mini, image, p);
    float scores[91];
    assert_int_equal(gm_classes_count(classes), 91);
    raw_scores(view, classes, NULL, scores);
    for (size_t i = 0; i < 91; i += 30) {
      gm_explanation *e;
      assert_ok(gm_explain(view, classes, i, NULL, NULL, &e, &err), &err);
      double crops = 0, texts = 0, weights = 0;
      for (size_t k = 0; k < e->n_crops; k++) crops += (double)crop_share(e, k).share;
      for (size_t k = 0; k < e->n_crops; k++) weights += (double)crop_share(e, k).weight;
      for (size_t k = 0; k < e->n_texts; k++) texts += (double)text_share(e, k).share;
      assert_true(fabs(crops - (double)scores[i]) < 1e-5);
      assert_true(fabs(texts - (double)scores[i]) < 1e-5);
      assert_true(fabs(weights - 1) < 1e-5);
      assert_true(fabs((double)e->raw_score - (double)scores[i]) < 1e-6);
      assert_int_equal(e->n_crops, methods[m] <= GM_METHOD_WCA_RELEASED ? 100 : 1);
      gm_explanation_free(e);
    }
    gm_view_free(view);
    gm_classes_free(classes);
  }
  gm_image_free(image);
}

/* Classes of a method, from the files that it needs. */
static gm_classes *classes_of(gm_method method) {
  gm_error err;
  char *descriptions = test_text("descriptions/world.json"),
       *templates = test_text("descriptions/world-templates.json");
  gm_classes_params p = gm_classes_params_default();
  p.method = method;
  p.descriptions = descriptions;
  p.templates = templates;
  p.descriptors = descriptions; /* of the same form */
  gm_classes *classes;
  assert_ok(gm_classes_create(&classes, mini, &p, NULL, &err), &err);
  free(descriptions);
  free(templates);
  return classes;
}

/* The sum of the parts of the lead, and the bound of its rounding error: each part is rounded a
 * few times to 2^-24 of its terms, at most weight x (share + mean of the scores). */
static void check_lead(const gm_explanation *e, double lead, double scale) {
  double crops = 0, texts = 0, own = 0;
  for (size_t k = 0; k < e->n_crops; k++) crops += (double)crop_share(e, k).lead;
  for (size_t k = 0; k < e->n_texts; k++) own += (double)text_share(e, k).lead;
  for (size_t k = 0; k < e->n_against_texts; k++)
    texts += (double)against_text_share(e, k).lead;
  double few = 8 * 0x1p-24 * scale; /* weights add up to 1, so roundings are of 1 in all */
  if (fabs(crops - lead) > few || fabs(own + texts - lead) > few ||
      fabs(own - lead / 2) > few || fabs((double)e->lead - lead) > few)
    fail_msg("lead %.8f: crops %.8f, descriptions %.8f and %.8f", lead, crops, own, texts);
}

/* The parts in the lead add up to it, of crops and of descriptions, with every method; a crop's
 * part is the difference of its shares in the two scores. */
static void test_parts_add_up_to_the_lead(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = test_image("world/classify/koala/0.png");
  for (int m = GM_METHOD_WCA; m <= GM_METHOD_CUPL; m++) {
    gm_classes *classes = classes_of((gm_method)m);
    size_t n = gm_classes_count(classes);
    gm_view *view = make_view(mini, image, gm_view_params_default((gm_method)m));
    float scores[91];
    raw_scores(view, classes, NULL, scores);
    for (size_t i = 0; i < n; i += 22) {
      size_t other = (i + 7) % n;
      gm_explanation *e, *a, *b;
      assert_ok(gm_explain_against(view, classes, i, other, NULL, NULL, &e, &err), &err);
      assert_ok(gm_explain(view, classes, i, NULL, NULL, &a, &err), &err);
      assert_ok(gm_explain(view, classes, other, NULL, NULL, &b, &err), &err);
      assert_string_equal(e->against, gm_classes_name(classes, other));
      assert_true(e->raw_score == scores[i] && e->against_raw_score == scores[other]);
      check_lead(e, (double)scores[i] - (double)scores[other], 4);
      assert_int_equal(e->n_texts, a->n_texts);
      assert_int_equal(e->n_against_texts, b->n_texts);
      for (size_t k = 0; k < e->n_crops; k++) {
        gm_crop_share both = crop_share(e, k), first = crop_share(a, k);
        double apart = (double)first.share - (double)crop_share(b, k).share;
        assert_true(both.share == first.share);
        assert_true(fabs((double)both.lead - apart) <= 8 * 0x1p-24);
      }
      for (size_t k = 0; k < b->n_texts; k++)
        assert_true(against_text_share(e, k).share == text_share(b, k).share);
      assert_null(a->against);
      assert_int_equal(a->n_against_texts, 0);
      gm_explanation_free(e);
      gm_explanation_free(a);
      gm_explanation_free(b);
    }
    gm_explanation *e;
    assert_int_equal(gm_explain_against(view, classes, 3, 3, NULL, NULL, &e, &err),
                     GM_ERR_ARGUMENT);
    assert_int_equal(gm_explain_against(view, classes, 3, n, NULL, NULL, &e, &err),
                     GM_ERR_ARGUMENT);
    gm_view_free(view);
    gm_classes_free(classes);
  }
  gm_image_free(image);
}

/* A class's raw score does not depend on other classes. */
static void test_classes_do_not_touch_each_other(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = test_image("world/classify/bus/0.png");
  char *descriptions = test_text("descriptions/world.json");
  const char *names[] = {"bus", "taxi", "koala"};
  float few[2], more[3];
  for (size_t n = 2; n <= 3; n++) {
    gm_classes_params p = gm_classes_params_default();
    p.descriptions = descriptions;
    p.names = names;
    p.n_names = n;
    gm_classes *classes;
    assert_ok(gm_classes_create(&classes, mini, &p, NULL, &err), &err);
    gm_view *view = make_view(mini, image, gm_view_params_default(GM_METHOD_WCA));
    raw_scores(view, classes, NULL, n == 2 ? few : more);
    gm_view_free(view);
    gm_classes_free(classes);
  }
  assert_memory_equal(few, more, sizeof few);
  free(descriptions);
  gm_image_free(image);
}

/* ---- crops */

static void test_crops_stay_inside_and_within_alpha_and_beta(void **state) {
  (void)state;
  static const struct {
    uint32_t w, h;
    float alpha, beta;
  } cases[] = {{640, 480, 0.5f, 0.9f}, {7, 300, 0.1f, 0.9f}, {1, 1, 0.1f, 1}, {50, 50, 1, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint32_t w = cases[i].w, h = cases[i].h, shorter = w < h ? w : h;
    uint8_t *rgb = calloc((size_t)w * h, 3);
    gm_error err;
    gm_image *image;
    assert_ok(gm_image_from_rgb(&image, rgb, w, h, &err), &err);
    gm_view *view = make_view(
        mini, image,
        SIZED(gm_view_params, .crops = 500, .alpha = cases[i].alpha, .beta = cases[i].beta));
    float widest = 0, rightmost = 0;
    assert_int_equal(gm_view_crop_count(view), 500);
    for (size_t k = 0; k < 500; k++) {
      gm_box b = view_crop(view, k);
      float side = b.x2 - b.x1;
      assert_true(b.x1 >= 0 && b.y1 >= 0 && b.x2 <= (float)w && b.y2 <= (float)h);
      assert_true(side == b.y2 - b.y1 && side >= 1);
      assert_true(side >= fmaxf(1, floorf(cases[i].alpha * (float)shorter)));
      assert_true(side <= fmaxf(1, cases[i].beta * (float)shorter));
      if (side > widest) widest = side;
      if (b.x2 > rightmost) rightmost = b.x2;
    }
    /* 500 draws come near both ends: the chance that all are below 7/8 of the range is 1e-29.
     */
    assert_true(widest >= floorf(0.85f * cases[i].beta * (float)shorter));
    assert_true(rightmost >= 0.9f * (float)w);
    gm_view_free(view);
    gm_image_free(image);
    free(rgb);
  }
}

static void test_a_part_is_what_its_cutout_is(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = test_image("photos/coffee.png"), *cut;
  uint32_t w = gm_image_width(image), x = 100, y = 50, width = 211, height = 160;
  uint8_t *rgb = malloc((size_t)width * height * 3);
  for (uint32_t row = 0; row < height; row++)
    memcpy(rgb + (size_t)row * width * 3, gm_image_rgb(image) + ((size_t)(y + row) * w + x) * 3,
           (size_t)width * 3);
  assert_ok(gm_image_from_rgb(&cut, rgb, width, height, &err), &err);
  gm_classes *classes = make_classes(mini, GM_METHOD_WCA_RELEASED, "descriptions/world.json");
  gm_view_params p = gm_view_params_default(GM_METHOD_WCA_RELEASED);
  gm_box part = {(float)x, (float)y, (float)(x + width), (float)(y + height)};
  gm_view *whole = make_view(mini, cut, p);
  p.part = &part;
  gm_view *inside = make_view(mini, image, p);
  float a[91], b[91];
  raw_scores(whole, classes, NULL, a);
  raw_scores(inside, classes, NULL, b);
  assert_memory_equal(a, b, sizeof a); /* bit for bit: the same pixels, the same arithmetic */
  assert_true(view_crop(inside, 0).x1 == view_crop(whole, 0).x1 + (float)x);
  gm_view_free(whole);
  gm_view_free(inside);
  gm_classes_free(classes);
  gm_image_free(image);
  gm_image_free(cut);
  free(rgb);
}

static void test_seeds(void **state) {
  (void)state;
  gm_image *images[2] = {test_image("world/classify/bus/0.png"),
                         test_image("world/classify/bus/1.jpg")};
  gm_error err;
  gm_clip *one_thread;
  gm_clip_params params = {.struct_size = sizeof params, .threads = 1};
  assert_ok(gm_clip_open(&one_thread, NULL, &params, &err), &err);
  gm_classes *classes = make_classes(mini, GM_METHOD_WCA_RELEASED, "descriptions/world.json");
  gm_view_params p = gm_view_params_default(GM_METHOD_WCA_RELEASED);
  p.seed = 7;
  float first[2][91], again[2][91], other[91];
  for (size_t i = 0; i < 2; i++) {
    gm_view *view = make_view(mini, images[i], p);
    raw_scores(view, classes, NULL, first[i]);
    gm_view_free(view);
  }
  for (size_t i = 2; i-- > 0;) { /* the other order, another number of threads */
    gm_view *view = make_view(one_thread, images[i], p);
    raw_scores(view, classes, NULL, again[i]);
    gm_view_free(view);
  }
  assert_memory_equal(first, again, sizeof first);
  p.seed = 8;
  gm_view *view = make_view(mini, images[0], p);
  raw_scores(view, classes, NULL, other);
  assert_memory_not_equal(first[0], other, sizeof other);
  /* The crops are the same when another seed draws among them. */
  gm_classify_params redrawn = gm_classify_params_default();
  redrawn.seed = 1;
  raw_scores(view, classes, &redrawn, first[1]);
  assert_memory_not_equal(first[1], other, sizeof other);
  gm_view_free(view);
  gm_classes_free(classes);
  gm_clip_free(one_thread);
  for (size_t i = 0; i < 2; i++) gm_image_free(images[i]);
}

static void test_dedup_drops_only_what_overlaps(void **state) {
  (void)state;
  gm_image *image = test_image("photos/coffee.png");
  /* IoU of the first two: 90 * 90 / (2 * 10000 - 8100) = 0.68; the third overlaps neither. */
  gm_box boxes[] = {{0, 0, 100, 100}, {10, 10, 110, 110}, {200, 200, 300, 300}};
  gm_view_params p = {.struct_size = sizeof p, .boxes = boxes, .n_boxes = 3, .dedup = 0.69f};
  gm_view *view = make_view(mini, image, p);
  assert_int_equal(gm_view_crop_count(view), 3);
  gm_view_free(view);
  p.dedup = 0.67f;
  view = make_view(mini, image, p);
  assert_int_equal(gm_view_crop_count(view), 2);
  assert_true(view_crop(view, 1).x1 == 200);
  gm_view_free(view);
  gm_image_free(image);
}

/* ---- class files */

static gm_status try_classes(gm_method method, const char *names, const char *descriptions,
                             const char *templates, const char *descriptors, const char *words,
                             gm_classes **out, gm_error *err) {
  gm_classes_params p = gm_classes_params_default();
  p.method = method;
  p.names = names ? &names : NULL;
  p.n_names = names ? 1 : 0;
  p.descriptions = descriptions;
  p.templates = templates;
  p.descriptors = descriptors;
  p.words = words;
  return gm_classes_create(out, mini, &p, NULL, err);
}

static void test_class_files_that_are_wrong(void **state) {
  (void)state;
  static const struct {
    gm_method method;
    const char *names, *descriptions, *templates, *descriptors, *words, *says;
  } cases[] = {
      {GM_METHOD_WCA, "dog", NULL, NULL, NULL, NULL, "descriptions"},
      {GM_METHOD_WCA, "dog", "{\"cat\": [\"a\"]}", NULL, NULL, NULL, "dog"},
      {GM_METHOD_WCA, NULL, "{}", NULL, NULL, NULL, "0 classes"},
      {GM_METHOD_WCA, NULL, "[1]", NULL, NULL, NULL, "object"},
      {GM_METHOD_CUPL, NULL, "{\"cat\": [1]}", NULL, NULL, NULL, "cat"},
      {GM_METHOD_CUPL, NULL, "{\"cat\": \"a\"}", NULL, NULL, NULL, "cat"},
      {GM_METHOD_CUPL, NULL, "{\"cat\": [\"a\"]", NULL, NULL, NULL, "line 1"},
      {GM_METHOD_CUPL, NULL, "{\"a\": [], \"a\": []}", NULL, NULL, NULL, "duplicate"},
      {GM_METHOD_CLIP, NULL, NULL, NULL, NULL, NULL, "0 classes"},
      {GM_METHOD_CLIP_E, "dog", NULL, NULL, NULL, NULL, "templates"},
      {GM_METHOD_CLIP_E, "dog", NULL, "[]", NULL, NULL, "empty"},
      {GM_METHOD_CLIP_E, "dog", NULL, "[\"a photo\"]", NULL, NULL, "{}"},
      {GM_METHOD_CLIP_D, "dog", NULL, NULL, NULL, NULL, "descriptors"},
      {GM_METHOD_WAFFLE, "dog", NULL, NULL, NULL, "one\n\n", "1 words"},
      {(gm_method)(GM_METHOD_CUPL + 1), "dog", NULL, NULL, NULL, NULL, "method"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gm_classes *classes = (gm_classes *)1;
    gm_error err = {0};
    gm_status status =
        try_classes(cases[i].method, cases[i].names, cases[i].descriptions, cases[i].templates,
                    cases[i].descriptors, cases[i].words, &classes, &err);
    if (status != GM_ERR_ARGUMENT || !strstr(err.message, cases[i].says))
      print_error("case %zu: %d %s\n", i, status, err.message);
    assert_int_equal(status, GM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, cases[i].says));
    assert_null(classes);
  }
}

static void assert_texts(const gm_classes *classes, size_t n, const char *const *want) {
  const gm_class_texts *t = &classes->texts;
  assert_int_equal(t->n_entries, n);
  for (size_t i = 0; i < n; i++) assert_string_equal(t->texts[t->entries[i]], want[i]);
}

static void test_texts_of_the_methods(void **state) {
  (void)state;
  gm_classes *c;
  gm_error err;
  assert_ok(try_classes(GM_METHOD_CLIP, "owl", NULL, NULL, NULL, NULL, &c, &err), &err);
  assert_texts(c, 1, (const char *[]){"a photo of a owl."}); /* always "a" */
  gm_classes_free(c);
  assert_ok(try_classes(GM_METHOD_CLIP_E, "owl", NULL, "[\"{}\", \"the {} of {}s\"]", NULL,
                        NULL, &c, &err),
            &err);
  assert_texts(c, 2, (const char *[]){"owl", "the owl of owls"});
  gm_classes_free(c);
  assert_ok(try_classes(GM_METHOD_CLIP_D, "owl", NULL, NULL,
                        "{\"owl\": [\"big eyes\"], \"cat\": []}", NULL, &c, &err),
            &err);
  assert_texts(c, 1, (const char *[]){"owl, which has big eyes."});
  gm_classes_free(c);
  /* Repeats stay, each with its weight; an empty list is the label prompt; order is the file's.
   */
  assert_ok(try_classes(GM_METHOD_WCA, NULL, "{\"owl\": [\"x\", \"x\", \"y\"], \"cat\": []}",
                        NULL, NULL, NULL, &c, &err),
            &err);
  assert_texts(c, 4, (const char *[]){"x", "x", "y", "a photo of a cat."});
  assert_int_equal(c->texts.n_texts, 4); /* x, y and two label prompts */
  assert_string_equal(gm_classes_name(c, 0), "owl");
  assert_true(c->weights[0] == c->weights[1] && c->weights[3] == 1);
  gm_classes_free(c);
}

static void test_waffle_is_seeded_and_the_same_for_every_class(void **state) {
  (void)state;
  gm_error err;
  gm_text a = {0}, b = {0}, other = {0}, own = {0};
  assert_ok(gm_waffle_phrases(&a, NULL, 1, &err), &err);
  assert_ok(gm_waffle_phrases(&b, NULL, 1, &err), &err);
  assert_ok(gm_waffle_phrases(&other, NULL, 2, &err), &err);
  assert_int_equal(a.length, b.length);
  assert_memory_equal(a.bytes, b.bytes, a.length);
  assert_true(a.length != other.length || memcmp(a.bytes, other.bytes, a.length) != 0);
  size_t n = 0;
  for (size_t i = 0; i < a.length; i++) n += a.bytes[i] == 0;
  assert_int_equal(n, 30);
  assert_ok(gm_waffle_phrases(&own, "red\r\n\nblue", 1, &err), &err);
  assert_true(strcmp(own.bytes, "red blue") == 0 || strcmp(own.bytes, "blue red") == 0);
  gm_classes *c;
  const char *names = "owl";
  assert_ok(try_classes(GM_METHOD_WAFFLE, names, NULL, NULL, NULL, NULL, &c, &err), &err);
  assert_int_equal(c->texts.n_entries, 30);
  assert_memory_equal(c->texts.texts[c->texts.entries[0]], "a photo of a owl, which has ", 28);
  gm_classes_free(c);
  gm_text_free(&a);
  gm_text_free(&b);
  gm_text_free(&other);
  gm_text_free(&own);
}

static void test_description_dedup(void **state) {
  (void)state;
  gm_error err;
  gm_classes_params p = gm_classes_params_default();
  p.descriptions = "{\"cat\": [\"a cat\", \"a cat\", \"a red bus on a blue background\"]}";
  p.dedup = 0.999f;
  gm_classes *c;
  assert_ok(gm_classes_create(&c, mini, &p, NULL, &err), &err);
  assert_int_equal(c->texts.n_entries, 2);
  gm_classes_free(c);
}

/* ---- arguments */

static void test_arguments_that_are_wrong(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = test_image("world/classify/bus/0.png");
  gm_classes *classes = make_classes(mini, GM_METHOD_WCA, "descriptions/world.json");
  gm_view *view;
  gm_view_params p = gm_view_params_default(GM_METHOD_WCA);
  p.alpha = 0.95f; /* above beta */
  assert_int_equal(gm_view_create(&view, mini, image, &p, &err), GM_ERR_ARGUMENT);
  p.alpha = -0.1f;
  assert_int_equal(gm_view_create(&view, mini, image, &p, &err), GM_ERR_ARGUMENT);
  p = gm_view_params_default(GM_METHOD_WCA);
  gm_box outside = {500, 500, 600, 600};
  p.part = &outside;
  assert_int_equal(gm_view_create(&view, mini, image, &p, &err), GM_ERR_ARGUMENT);
  p = gm_view_params_default(GM_METHOD_CLIP);
  view = make_view(mini, image, p);
  gm_classification *r;
  assert_int_equal(gm_classify(view, classes, NULL, NULL, &r, &err), GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "crops"));
  gm_view_free(view);
  gm_classes_free(classes);
  gm_image_free(image);
  gm_clip *clip;
  assert_int_equal(gm_clip_open(&clip, "groma-mini", NULL, &err), GM_ERR_MODEL);
  assert_non_null(strstr(err.message, "clip"));
  gm_model *model;
  assert_int_equal(gm_model_open(&model, "clip-mini", NULL, &err), GM_ERR_MODEL);
}

static void refused(gm_clip *looking, gm_clip *other, const gm_image *image) {
  gm_error err;
  const gm_box box = {0, 0, 20, 20};
  gm_classes *classes = make_classes(other, GM_METHOD_CLIP, "descriptions/world.json");
  gm_view *view = make_view(looking, image, gm_view_params_default(GM_METHOD_CLIP));
  gm_classification *r = NULL;
  gm_explanation *e = NULL;
  assert_int_equal(gm_classify(view, classes, NULL, NULL, &r, &err), GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, clip_info(looking).path));
  assert_non_null(strstr(err.message, clip_info(other).path));
  assert_int_equal(gm_explain(view, classes, 0, NULL, NULL, &e, &err), GM_ERR_ARGUMENT);
  for (size_t n = 0; n < 2; n++)
    assert_int_equal(
        gm_label_regions(looking, image, &box, n, classes, NULL, NULL, NULL, &r, &err),
        GM_ERR_ARGUMENT);
  assert_null(r);
  assert_null(e);
  gm_view_free(view);
  gm_classes_free(classes);
}

/* With features of the same length or not. A second handle of the same file counts as the same
 * model. */
static void test_classes_of_another_model_are_refused(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = test_image("world/classify/bus/0.png");
  gm_clip *like = convert_and_open(test_data("models/clip-tiny-openclip")), *again;
  assert_int_equal(clip_info(like).features, clip_info(tiny).features);
  assert_int_not_equal(clip_info(mini).features, clip_info(tiny).features);
  refused(tiny, like, image);
  refused(tiny, mini, image);
  refused(mini, tiny, image);
  assert_ok(gm_clip_open(&again, NULL, NULL, &err), &err);
  gm_classes *classes = make_classes(again, GM_METHOD_CLIP, "descriptions/world.json");
  gm_classes *own = make_classes(mini, GM_METHOD_CLIP, "descriptions/world.json");
  gm_view *view = make_view(mini, image, gm_view_params_default(GM_METHOD_CLIP));
  gm_classification *a, *b;
  assert_ok(gm_classify(view, classes, NULL, NULL, &a, &err), &err);
  assert_ok(gm_classify(view, own, NULL, NULL, &b, &err), &err);
  assert_string_equal(label_at(a, 0).name, label_at(b, 0).name);
  assert_float_equal(label_at(a, 0).raw_score, label_at(b, 0).raw_score, 0);
  gm_classification_free(a);
  gm_classification_free(b);
  gm_view_free(view);
  gm_classes_free(own);
  gm_classes_free(classes);
  gm_clip_free(again);
  gm_clip_free(like);
  gm_image_free(image);
}

static bool always(void *user) {
  (void)user;
  return true;
}

static void test_cancelled(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = test_image("world/classify/bus/0.png");
  gm_classes *classes = make_classes(mini, GM_METHOD_WCA, "descriptions/world.json");
  gm_view *view = make_view(mini, image, gm_view_params_default(GM_METHOD_WCA));
  gm_callbacks stop = {.struct_size = sizeof stop, .cancelled = always};
  gm_classification *r;
  assert_int_equal(gm_classify(view, classes, NULL, &stop, &r, &err), GM_ERR_CANCELLED);
  assert_null(r);
  assert_ok(gm_classify(view, classes, NULL, NULL, &r, &err),
            &err); /* as if nothing had happened */
  gm_classification_free(r);
  gm_view_free(view);
  gm_classes_free(classes);
  gm_image_free(image);
}

/* ---- stopping */

static void test_student_tail(void **state) {
  (void)state;
  /* Tables of Student's t: the 95 % and 99.5 % points; one degree is Cauchy's, two algebraic.
   */
  assert_true(fabs(gm_student_tail(6.313752, 1) - 0.05) < 1e-7);
  assert_true(fabs(gm_student_tail(2.919986, 2) - 0.05) < 1e-7);
  assert_true(fabs(gm_student_tail(2.262157, 9) - 0.025) < 1e-7);
  assert_true(fabs(gm_student_tail(2.860935, 19) - 0.005) < 1e-7);
  assert_true(fabs(gm_student_tail(2.756386, 29) - 0.005) < 1e-7);
  assert_true(gm_student_tail(0, 9) == 0.5);
}

/* Three classes that are far apart. */
static void test_stopping_looks_at_fewer_crops(void **state) {
  (void)state;
  gm_error err;
  gm_image *image = test_image("world/classify/koala/0.png");
  gm_classes_params cp = gm_classes_params_default();
  cp.descriptions = "{\"koala\": [\"a photo of a koala.\", \"koala\"], "
                    "\"bus\": [\"a photo of a bus.\", \"bus\"], \"key\": []}";
  gm_classes *classes;
  assert_ok(gm_classes_create(&classes, mini, &cp, NULL, &err), &err);
  gm_classify_params p = gm_classify_params_default();
  gm_classification *all, *some;
  gm_view *view = make_view(mini, image, gm_view_params_default(GM_METHOD_WCA));
  assert_ok(gm_classify(view, classes, &p, NULL, &all, &err), &err);
  assert_int_equal(all->n_crops, 100);
  gm_view_free(view);
  view = make_view(mini, image, gm_view_params_default(GM_METHOD_WCA));
  p.stop = 0.05;
  assert_ok(gm_classify(view, classes, &p, NULL, &some, &err), &err);
  assert_true(some->n_crops < 100 && some->n_crops % 10 == 0);
  assert_int_equal(label_at(some, 0).class_index, label_at(all, 0).class_index);
  gm_classification_free(all);
  gm_classification_free(some);
  gm_view_free(view);
  gm_classes_free(classes);
  gm_image_free(image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_goldens_over_given_boxes),
      cmocka_unit_test(test_shares_add_up_to_the_score),
      cmocka_unit_test(test_parts_add_up_to_the_lead),
      cmocka_unit_test(test_classes_do_not_touch_each_other),
      cmocka_unit_test(test_crops_stay_inside_and_within_alpha_and_beta),
      cmocka_unit_test(test_a_part_is_what_its_cutout_is),
      cmocka_unit_test(test_seeds),
      cmocka_unit_test(test_dedup_drops_only_what_overlaps),
      cmocka_unit_test(test_class_files_that_are_wrong),
      cmocka_unit_test(test_texts_of_the_methods),
      cmocka_unit_test(test_waffle_is_seeded_and_the_same_for_every_class),
      cmocka_unit_test(test_description_dedup),
      cmocka_unit_test(test_arguments_that_are_wrong),
      cmocka_unit_test(test_classes_of_another_model_are_refused),
      cmocka_unit_test(test_cancelled),
      cmocka_unit_test(test_student_tail),
      cmocka_unit_test(test_stopping_looks_at_fewer_crops),
  };
  return cmocka_run_group_tests(tests, open_fixtures, close_fixtures);
}
