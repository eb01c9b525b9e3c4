/* asked_phrases.c - see asked_phrases.h. */
#include "asked_phrases.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const gm_phrase_kind_names[GM_PHRASE_KINDS] = {"there", "noun", "near", "place",
                                                           "attribute"};

enum { PLACES = 4, MOST_PLACES = 2, MOST_NEAR = 2, MOST_NAMES = 6 };

/* Where a thing is, in words; opposite places are neighbours. */
static const struct {
  const char *pattern; /* %s: the noun */
  const char *words;   /* that an expression has which says so */
} places[PLACES] = {{"the %s on the left", " left"},
                    {"the %s on the right", " right"},
                    {"the upper %s", "upper "},
                    {"the lower %s", "lower "}};

static const char *const colours[] = {"red",  "green", "blue",  "yellow", "orange", "purple",
                                      "pink", "brown", "black", "white",  "gray",   "grey"};
enum { COLOURS = sizeof colours / sizeof colours[0] };

void gm_asked_phrases_free(gm_asked_phrases *phrases) {
  for (size_t i = 0; i < phrases->n; i++) free(phrases->all[i].text);
  free(phrases->all);
  *phrases = (gm_asked_phrases){0};
}

/* ---- adding ---- */

static bool has_text(const gm_asked_phrases *out, const char *text) {
  for (size_t i = 0; i < out->n; i++)
    if (strcmp(out->all[i].text, text) == 0) return true;
  return false;
}

/* Takes over text, which may be NULL. What is there already is not added again. */
static gm_status add(gm_asked_phrases *out, char *text, gm_phrase_kind kind,
                     const gm_tune_object *object, const gm_box *box, gm_error *err) {
  if (!text) return gm_fail_memory(err, "the phrases", 1);
  if (has_text(out, text)) {
    free(text);
    return GM_OK;
  }
  if (out->n == out->capacity) {
    size_t capacity = out->capacity ? 2 * out->capacity : 32;
    gm_asked_phrase *grown = realloc(out->all, capacity * sizeof *grown);
    if (!grown) {
      free(text);
      return gm_fail_memory(err, "the phrases", capacity * sizeof *grown);
    }
    out->all = grown;
    out->capacity = capacity;
  }
  out->all[out->n++] =
      (gm_asked_phrase){.text = text, .kind = kind, .name = object ? object->name : NULL};
  if (box) out->all[out->n - 1].box = *box;
  return GM_OK;
}

static char *joined(const char *pattern, const char *noun) {
  char *text = NULL;
  size_t before = (size_t)(strstr(pattern, "%s") - pattern);
  const char *after = pattern + before + 2;
  return asprintf(&text, "%.*s%s%s", (int)before, pattern, noun, after) < 0 ? NULL : text;
}

static bool has_name(const gm_tune_picture *p, const char *name) {
  for (size_t i = 0; i < p->n_objects; i++)
    if (strcmp(p->objects[i].name, name) == 0) return true;
  return false;
}

/* Whether an expression of the picture has the noun: it may name what is not annotated. */
static bool is_said(const gm_tune_picture *p, const char *noun) {
  for (size_t i = 0; i < p->n_phrases; i++)
    if (strstr(p->phrases[i].text, noun)) return true;
  return false;
}

static size_t count_of(const gm_tune_picture *p, const char *name) {
  size_t n = 0;
  for (size_t i = 0; i < p->n_objects; i++) n += strcmp(p->objects[i].name, name) == 0;
  return n;
}

static size_t draw(gm_rng *rng, size_t n) {
  size_t i = (size_t)(gm_rng_unit(rng) * (double)n);
  return i < n ? i : n - 1;
}

/* "a dog" or "the dog". */
static char *named(const char *name, const char *noun, gm_rng *rng) {
  return gm_rng_unit(rng) < 0.5 ? strdup(name) : joined("the %s", noun);
}

/* ---- what is there ---- */

static gm_status add_there(gm_asked_phrases *out, const gm_tune_picture *p, gm_rng *rng,
                           gm_error *err) {
  for (size_t i = 0; i < p->n_phrases; i++)
    GM_TRY(
        add(out, strdup(p->phrases[i].text), GM_PHRASE_THERE, NULL, &p->phrases[i].box, err));
  for (size_t i = 0; i < p->n_objects; i++) {
    const gm_tune_object *o = &p->objects[i];
    GM_TRY(add(out, named(o->name, o->noun, rng), GM_PHRASE_THERE, o, NULL, err));
  }
  return GM_OK;
}

/* ---- what is not ---- */

static gm_status add_nouns(gm_asked_phrases *out, const gm_tune_picture *p,
                           const gm_phrase_names *names, gm_rng *rng, gm_error *err) {
  size_t wanted = out->n < MOST_NAMES ? out->n : MOST_NAMES, added = 0;
  for (size_t tries = 0; added < wanted && tries < 4 * (size_t)MOST_NAMES && names->n > 0;
       tries++) {
    size_t i = draw(rng, names->n);
    if (has_name(p, names->names[i]) || is_said(p, names->nouns[i])) continue;
    GM_TRY(add(out, named(names->names[i], names->nouns[i], rng), GM_PHRASE_NOUN, NULL, NULL,
               err));
    added++;
  }
  return GM_OK;
}

static size_t number_of(const gm_phrase_names *names, const char *name) {
  size_t i = 0;
  while (i < names->n && strcmp(names->names[i], name) != 0) i++;
  return i;
}

static gm_status add_near(gm_asked_phrases *out, const gm_tune_picture *p,
                          const gm_phrase_names *names, gm_rng *rng, gm_error *err) {
  size_t added = 0;
  for (size_t i = 0; i < p->n_objects && added < MOST_NEAR; i++) {
    size_t at = number_of(names, p->objects[i].name);
    size_t near = at < names->n ? names->near[at] : SIZE_MAX;
    if (near == SIZE_MAX || has_name(p, names->names[near]) || is_said(p, names->nouns[near]))
      continue;
    GM_TRY(add(out, named(names->names[near], names->nouns[near], rng), GM_PHRASE_NEAR, NULL,
               NULL, err));
    added++;
  }
  return GM_OK;
}

/* The place of a box that is clearly in one half of the picture, or PLACES. axis 0: left or
 * right, 1: upper or lower. */
static size_t place_of(gm_box b, uint32_t width, uint32_t height, size_t axis) {
  float at = axis == 0 ? (b.x1 + b.x2) / 2 / (float)width : (b.y1 + b.y2) / 2 / (float)height;
  if (at < 0.35F) return 2 * axis;
  return at > 0.65F ? 2 * axis + 1 : PLACES;
}

/* A name that occurs once, at its place and at the opposite one. */
static gm_status add_places(gm_asked_phrases *out, const gm_tune_picture *p, uint32_t width,
                            uint32_t height, gm_rng *rng, gm_error *err) {
  size_t added = 0, first = p->n_objects ? draw(rng, p->n_objects) : 0;
  for (size_t k = 0; k < p->n_objects && added < MOST_PLACES; k++) {
    const gm_tune_object *o = &p->objects[(first + k) % p->n_objects];
    size_t place = place_of(o->box, width, height, gm_rng_unit(rng) < 0.5);
    if (place == PLACES || count_of(p, o->name) != 1) continue;
    GM_TRY(add(out, joined(places[place].pattern, o->noun), GM_PHRASE_THERE, o, NULL, err));
    GM_TRY(
        add(out, joined(places[place ^ 1].pattern, o->noun), GM_PHRASE_PLACE, NULL, NULL, err));
    added++;
  }
  return GM_OK;
}

/* A place where something is, and a noun that is nowhere. */
static gm_status add_wrong_noun(gm_asked_phrases *out, const gm_tune_picture *p, uint32_t width,
                                uint32_t height, const gm_phrase_names *names, gm_rng *rng,
                                gm_error *err) {
  if (p->n_objects == 0 || names->n == 0) return GM_OK;
  const gm_tune_object *o = &p->objects[draw(rng, p->n_objects)];
  size_t place = place_of(o->box, width, height, gm_rng_unit(rng) < 0.5);
  size_t other = draw(rng, names->n);
  if (place == PLACES || has_name(p, names->names[other]) || is_said(p, names->nouns[other]))
    return GM_OK;
  return add(out, joined(places[place].pattern, names->nouns[other]), GM_PHRASE_PLACE, NULL,
             NULL, err);
}

/* Where the word stands in the text by itself; NULL: nowhere. */
static const char *find_word(const char *text, const char *word) {
  size_t n = strlen(word);
  for (const char *at = text; (at = strstr(at, word)); at += n)
    if ((at == text || !isalpha((unsigned char)at[-1])) && !isalpha((unsigned char)at[n]))
      return at;
  return NULL;
}

/* The text with another colour; NULL, with *none true, where it has none. */
static char *other_colour(const char *text, gm_rng *rng, bool *none) {
  char *changed = NULL;
  *none = true;
  for (size_t i = 0; i < COLOURS; i++) {
    const char *at = find_word(text, colours[i]);
    if (!at) continue;
    *none = false;
    const char *other = colours[(i + 1 + draw(rng, COLOURS - 2)) % COLOURS];
    if (asprintf(&changed, "%.*s%s%s", (int)(at - text), text, other, at + strlen(colours[i])) <
        0)
      return NULL;
    return changed;
  }
  return NULL;
}

static gm_status add_attribute(gm_asked_phrases *out, const gm_tune_picture *p, gm_rng *rng,
                               gm_error *err) {
  size_t before = out->n, added = 0;
  for (size_t i = 0; i < before && added < MOST_PLACES; i++) {
    if (out->all[i].kind != GM_PHRASE_THERE) continue;
    bool none;
    char *text = other_colour(out->all[i].text, rng, &none);
    if (none) continue;
    /* With its article off, it must not be the name of a thing that is there. */
    const char *noun = text ? strchr(text, ' ') : NULL;
    if (text && noun && (is_said(p, noun + 1) || has_text(out, text))) {
      free(text);
      continue;
    }
    GM_TRY(add(out, text, GM_PHRASE_ATTRIBUTE, NULL, NULL, err));
    added++;
  }
  return GM_OK;
}

gm_status gm_asked_phrases_add(gm_asked_phrases *out, const gm_tune_picture *picture,
                               uint32_t width, uint32_t height, const gm_phrase_names *names,
                               gm_rng *rng, gm_error *err) {
  GM_TRY(add_there(out, picture, rng, err));
  GM_TRY(add_nouns(out, picture, names, rng, err));
  GM_TRY(add_near(out, picture, names, rng, err));
  GM_TRY(add_places(out, picture, width, height, rng, err));
  GM_TRY(add_wrong_noun(out, picture, width, height, names, rng, err));
  return add_attribute(out, picture, rng, err);
}

/* ---- what is right ---- */

static float iou(gm_box a, gm_box b) {
  float w = fminf(a.x2, b.x2) - fmaxf(a.x1, b.x1), h = fminf(a.y2, b.y2) - fmaxf(a.y1, b.y1);
  if (w <= 0 || h <= 0) return 0;
  float both = w * h;
  return both / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both);
}

bool gm_asked_phrase_is(const gm_asked_phrase *phrase, const gm_tune_picture *picture,
                        gm_box box) {
  if (phrase->kind != GM_PHRASE_THERE) return false;
  if (!phrase->name) return iou(phrase->box, box) >= 0.5F;
  for (size_t i = 0; i < picture->n_objects; i++)
    if (strcmp(picture->objects[i].name, phrase->name) == 0 &&
        iou(picture->objects[i].box, box) >= 0.5F)
      return true;
  return false;
}
