/* tune_look.c - see tune_look.h. */
#include "tune_look.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* Of parts: the share of pictures that are cut, the smallest share of a side, and tries. */
static const double cut_share = 0.6, smallest_side = 0.7;
enum { CUT_TRIES = 8 };
/* An object is in a part with so much of its area, and out of it with so little. */
static const float whole_share = 0.9f, none_share = 0.05f;

/* ---- text ---- */

/* The length of `word` at text if it is a word of its own there, in any case of letters. */
static size_t word_at(const char *begin, const char *text, const char *word) {
  size_t n = strlen(word);
  if (text > begin && isalnum((unsigned char)text[-1])) return 0;
  for (size_t i = 0; i < n; i++)
    if (tolower((unsigned char)text[i]) != word[i]) return 0;
  return isalnum((unsigned char)text[n]) ? 0 : n;
}

static char *put_word(char *to, const char *word, bool upper) {
  size_t n = strlen(word);
  memcpy(to, word, n);
  if (upper) *to = (char)toupper((unsigned char)*to);
  return to + n;
}

const char *gm_mirrored_text(const char *text, gm_arena *arena) {
  char *out = gm_arena_alloc(arena, 2 * strlen(text) + 1), *to = out;
  if (!out) return NULL;
  for (const char *at = text; *at;) {
    bool upper = isupper((unsigned char)*at);
    size_t left = word_at(text, at, "left"), right = word_at(text, at, "right");
    if (left)
      to = put_word(to, "right", upper);
    else if (right)
      to = put_word(to, "left", upper);
    else
      *to++ = *at;
    at += left + right ? left + right : 1;
  }
  *to = 0;
  return out;
}

/* ---- the part ---- */

typedef struct part {
  float width, height; /* of the picture */
  gm_crop crop;
  bool mirrored;
} part;

/* Of the box as far as it is in the picture. */
static float share_inside(const part *p, gm_box b) {
  const gm_crop *c = &p->crop;
  float x = (float)c->x, y = (float)c->y;
  b = (gm_box){fmaxf(b.x1, 0), fmaxf(b.y1, 0), fminf(b.x2, p->width), fminf(b.y2, p->height)};
  if (!(b.x2 > b.x1 && b.y2 > b.y1)) return 0;
  float w = fminf(b.x2, x + (float)c->width) - fmaxf(b.x1, x);
  float h = fminf(b.y2, y + (float)c->height) - fmaxf(b.y1, y);
  return w > 0 && h > 0 ? w * h / ((b.x2 - b.x1) * (b.y2 - b.y1)) : 0;
}

static bool cuts_none(const part *p, const gm_tune_picture *picture) {
  size_t seen = 0;
  for (size_t i = 0; i < picture->n_objects; i++) {
    float share = share_inside(p, picture->objects[i].box);
    if (share > none_share && share < whole_share) return false;
    seen += share >= whole_share;
  }
  return seen > 0 || picture->n_objects == 0;
}

static uint32_t between(gm_rng *rng, uint32_t low, uint32_t high) {
  return low + (uint32_t)(gm_rng_unit(rng) * (double)(high - low + 1));
}

static part draw_part(const gm_tune_picture *picture, uint32_t width, uint32_t height,
                      gm_rng *rng) {
  const part whole = {
      (float)width, (float)height, {0, 0, width, height}, gm_rng_unit(rng) < 0.5};
  if (gm_rng_unit(rng) >= cut_share) return whole;
  for (int i = 0; i < CUT_TRIES; i++) {
    part out = whole;
    gm_crop c = {.width = between(rng, (uint32_t)ceil(smallest_side * width), width),
                 .height = between(rng, (uint32_t)ceil(smallest_side * height), height)};
    c.x = between(rng, 0, width - c.width);
    c.y = between(rng, 0, height - c.height);
    out.crop = c;
    if (cuts_none(&out, picture)) return out;
  }
  return whole;
}

/* ---- boxes ---- */

static float clamped(float x) {
  return fminf(fmaxf(x, 0), 1);
}

static gm_rel_box seen_box(const part *p, gm_box b) {
  const gm_crop *c = &p->crop;
  float x1 = clamped((b.x1 - (float)c->x) / (float)c->width),
        x2 = clamped((b.x2 - (float)c->x) / (float)c->width),
        y1 = clamped((b.y1 - (float)c->y) / (float)c->height),
        y2 = clamped((b.y2 - (float)c->y) / (float)c->height);
  float cx = (x1 + x2) / 2;
  return (gm_rel_box){p->mirrored ? 1 - cx : cx, (y1 + y2) / 2, x2 - x1, y2 - y1};
}

static void mirror(float *pixels, size_t side) {
  for (size_t row = 0; row < 3 * side; row++) {
    float *x = pixels + row * side;
    for (size_t i = 0; i < side / 2; i++) {
      float swap = x[i];
      x[i] = x[side - 1 - i];
      x[side - 1 - i] = swap;
    }
  }
}

static gm_status see(gm_look *out, const part *p, gm_arena *arena) {
  const gm_tune_picture *picture = out->picture;
  for (size_t i = 0; i < picture->n_objects; i++) {
    if (share_inside(p, picture->objects[i].box) < whole_share) continue;
    out->boxes[out->n] = seen_box(p, picture->objects[i].box);
    out->objects[out->n++] = (uint32_t)i;
  }
  for (size_t i = 0; i < picture->n_phrases; i++) {
    const gm_tune_phrase *phrase = &picture->phrases[i];
    if (share_inside(p, phrase->box) < whole_share) continue;
    const char *text = p->mirrored ? gm_mirrored_text(phrase->text, arena) : phrase->text;
    if (!text) return GM_ERR_MEMORY;
    out->phrases[out->n_phrases++] = (gm_look_phrase){seen_box(p, phrase->box), text};
  }
  return GM_OK;
}

static gm_status list_boxes(gm_look *out, const part *p, gm_arena *arena, gm_error *err) {
  const gm_tune_picture *picture = out->picture;
  out->mirrored = p->mirrored;
  out->width = (float)p->crop.width;
  out->height = (float)p->crop.height;
  out->boxes = gm_arena_alloc(arena, (picture->n_objects + 1) * sizeof *out->boxes);
  out->objects = gm_arena_alloc(arena, (picture->n_objects + 1) * sizeof *out->objects);
  out->phrases = gm_arena_alloc(arena, (picture->n_phrases + 1) * sizeof *out->phrases);
  if (!out->boxes || !out->objects || !out->phrases || see(out, p, arena) != GM_OK)
    return gm_fail_memory(err, "the boxes of a picture", picture->n_objects * 16);
  return GM_OK;
}

static part whole(float width, float height, bool mirrored) {
  return (part){width, height, {0, 0, (uint32_t)width, (uint32_t)height}, mirrored};
}

static gm_status look(gm_look *out, const gm_image *image, gm_look_how how, gm_rng *rng,
                      size_t side, const gm_pixel_norm *norm, gm_arena *arena, gm_error *err) {
  uint32_t width = gm_image_width(image), height = gm_image_height(image);
  part p = whole((float)width, (float)height, how == GM_LOOK_MIRRORED);
  if (how == GM_LOOK_DRAWN) p = draw_part(out->picture, width, height, rng);
  const gm_pixel_resize resize = {(uint32_t)side, true};
  GM_TRY(gm_pixels_centre(out->pixels, image, &p.crop, &resize, side, norm, NULL, err));
  if (p.mirrored) mirror(out->pixels, side);
  return list_boxes(out, &p, arena, err);
}

gm_status gm_look_make(gm_look *out, const gm_tune_picture *picture, gm_look_how how,
                       gm_rng *rng, size_t side, const gm_pixel_norm *norm, float *pixels,
                       gm_arena *arena, gm_error *err) {
  gm_image *image;
  *out = (gm_look){.picture = picture, .pixels = pixels};
  GM_TRY(gm_image_open(&image, picture->path, NULL, err));
  gm_status status = look(out, image, how, rng, side, norm, arena, err);
  gm_image_free(image);
  return status;
}

gm_status gm_look_boxes(gm_look *out, const gm_tune_picture *picture, float width, float height,
                        bool mirrored, gm_arena *arena, gm_error *err) {
  const part p = whole(width, height, mirrored);
  *out = (gm_look){.picture = picture};
  return list_boxes(out, &p, arena, err);
}
