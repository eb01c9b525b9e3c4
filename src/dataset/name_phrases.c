/* name_phrases.c - see name_phrases.h. */
#include "name_phrases.h"

#include "utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static const float apart = 0.12f;

static const char *article_for(const char *name) {
  return name[0] && strchr("aeiouAEIOU", name[0]) ? "an" : "a";
}

const char *gm_category_article(const gm_data_set *set, size_t category) {
  size_t given = set->articles[category];
  if (given != GM_NO_TEXT) return gm_data_text(set, given);
  return article_for(gm_data_text(set, set->categories[category]));
}

/* The parts one after another, in the arena. upper: the first letter in upper case. */
static gm_status join(const char **out, const char *const *parts, size_t n, bool upper,
                      gm_arena *arena, gm_error *err) {
  size_t bytes = 4;
  for (size_t i = 0; i < n; i++) bytes += strlen(parts[i]);
  char *text = gm_arena_alloc(arena, bytes + 1), *to = text;
  if (!text) return gm_fail_memory(err, "a sentence", bytes);
  for (size_t i = 0; i < n; i++) {
    const char *part = parts[i];
    size_t length = strlen(part);
    if (upper && length) {
      uint32_t code;
      size_t first = gm_utf8_read(part, length, &code);
      to += gm_utf8_write(to, (uint32_t)utf8proc_totitle((utf8proc_int32_t)code));
      part += first;
      length -= first;
      upper = false;
    }
    memcpy(to, part, length);
    to += length;
  }
  *to = 0;
  *out = text;
  return GM_OK;
}

static gm_status named(const char **out, const gm_data_set *set, size_t category, bool upper,
                       gm_arena *arena, gm_error *err) {
  const char *article = gm_category_article(set, category);
  const char *parts[] = {article, article[0] ? " " : "",
                         gm_data_text(set, set->categories[category])};
  return join(out, parts, 3, upper, arena, err);
}

gm_status gm_name_caption(const char **out, const gm_data_set *set, const uint32_t *categories,
                          size_t n, const char *background, gm_arena *arena, gm_error *err) {
  gm_text text = {0};
  gm_status status = GM_OK;
  for (size_t i = 0; i < n && status == GM_OK; i++) {
    const char *name;
    status = named(&name, set, categories[i], i == 0, arena, err);
    const char *before = i == 0 ? "<p>" : i + 1 < n ? ", <p>" : " and <p>";
    if (status == GM_OK) status = gm_text_append_string(&text, before, err);
    if (status == GM_OK) status = gm_text_append_string(&text, name, err);
    if (status == GM_OK)
      status = gm_text_append_string(&text, "</p><roi><ground_box></roi>", err);
  }
  const char *parts[] = {text.bytes ? text.bytes : "",
                         background ? " on " : "",
                         background ? article_for(background) : "",
                         background ? " " : "",
                         background ? background : "",
                         background ? " background." : "."};
  if (status == GM_OK) status = join(out, parts, 6, false, arena, err);
  gm_text_free(&text);
  return status;
}

gm_status gm_name_phrases(const char *out[GM_NAME_PHRASES], size_t *n, const gm_data_set *set,
                          size_t picture, size_t object, gm_arena *arena, gm_error *err) {
  const gm_data_picture *p = &set->pictures[picture];
  const gm_data_box *boxes = set->boxes + p->first_box, *box = &boxes[object], *other = NULL;
  size_t same = 0;
  *n = 0;
  for (size_t i = 0; i < p->n_boxes; i++) {
    if (boxes[i].category != box->category) continue;
    same++;
    if (i != object) other = &boxes[i];
  }
  const char *name = gm_data_text(set, set->categories[box->category]);
  if (same == 1) {
    const char *article = gm_category_article(set, box->category);
    GM_TRY(named(&out[(*n)++], set, box->category, false, arena, err));
    const char *parts[] = {"the ", name};
    if (strcmp(article, "the") != 0) GM_TRY(join(&out[(*n)++], parts, 2, false, arena, err));
  } else if (same == 2) {
    float dx = box->box.cx - other->box.cx, dy = box->box.cy - other->box.cy;
    const char *side[] = {"the ", name, dx < 0 ? " on the left" : " on the right"},
               *height[] = {dy < 0 ? "the upper " : "the lower ", name};
    if (fabsf(dx) >= apart) GM_TRY(join(&out[(*n)++], side, 3, false, arena, err));
    if (fabsf(dy) >= apart) GM_TRY(join(&out[(*n)++], height, 2, false, arena, err));
  }
  return GM_OK;
}
