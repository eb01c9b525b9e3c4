/* draw_text.c - see draw_text.h. Cairo's own text calls place each glyph by its advance, so a
 * string is exactly as wide as its letters together. */
#include "draw_text.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

static const char replacement[] = "\xEF\xBF\xBD", ellipsis[] = "\xE2\x80\xA6";

/* What is drawn for a code point. The direction marks, embeddings, overrides and isolates of
 * Unicode could make a label read as another. */
static bool is_drawable(utf8proc_int32_t c) {
  if ((c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200E ||
      c == 0x200F)
    return false;
  switch (utf8proc_category(c)) {
  case UTF8PROC_CATEGORY_CC:
  case UTF8PROC_CATEGORY_CS:
  case UTF8PROC_CATEGORY_CO:
  case UTF8PROC_CATEGORY_CN:
    return false;
  default:
    return true;
  }
}

static bool is_space(utf8proc_int32_t c) {
  utf8proc_category_t category = utf8proc_category(c);
  return c == '\t' || c == '\n' || c == '\r' || category == UTF8PROC_CATEGORY_ZS ||
         category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

/* One letter from text, of which `left` bytes are left (> 0); returns the bytes it took. */
static size_t read_letter(gm_letter *out, const char *text, size_t left) {
  utf8proc_int32_t c;
  utf8proc_ssize_t n =
      utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)left, &c);
  *out = (gm_letter){.colour = GM_COLOUR_NONE, .span = -1};
  if (n <= 0) {
    memcpy(out->utf8, replacement, sizeof replacement);
    return 1;
  }
  out->space = is_space(c);
  if (out->space)
    memcpy(out->utf8, " ", 2);
  else if (is_drawable(c))
    memcpy(out->utf8, text, (size_t)n);
  else
    memcpy(out->utf8, replacement, sizeof replacement);
  return (size_t)n;
}

gm_status gm_letters_read(gm_letters *out, const char *text, size_t max,
                          const gm_span_colour *spans, size_t n_spans, gm_error *err) {
  size_t size = strlen(text), at = 0;
  size_t room = (size < max ? size : max) + 1;
  *out = (gm_letters){.at = malloc(room * sizeof *out->at)};
  if (!out->at) return gm_fail_memory(err, "a label", room * sizeof *out->at);
  while (at < size) {
    gm_letter *letter = &out->at[out->n];
    size_t begin = at;
    at += read_letter(letter, text + at, size - at);
    for (size_t i = 0; i < n_spans && letter->span < 0; i++) {
      if (begin < spans[i].begin || begin >= spans[i].end) continue;
      letter->colour = spans[i].colour < 0 ? 0 : spans[i].colour;
      letter->span = (int32_t)i;
    }
    if (out->n++ < max) continue;
    memcpy(letter->utf8, ellipsis, sizeof ellipsis);
    break;
  }
  return GM_OK;
}

void gm_letters_free(gm_letters *letters) {
  free(letters->at);
  *letters = (gm_letters){0};
}

/* DejaVu Sans comes with cairo on Debian; elsewhere fontconfig finds the nearest. */
static void set_font(cairo_t *cr, const gm_letter *letter, double size) {
  bool bold = letter->colour != GM_COLOUR_NONE;
  cairo_select_font_face(cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                         bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(cr, size);
}

static double advance_of(const gm_letter *letter, cairo_t *cr, double font_size) {
  cairo_text_extents_t extents;
  set_font(cr, letter, font_size);
  cairo_text_extents(cr, letter->utf8, &extents);
  return extents.x_advance;
}

void gm_letters_measure(gm_letters *letters, cairo_t *cr, double font_size) {
  for (size_t i = 0; i < letters->n; i++)
    letters->at[i].advance = advance_of(&letters->at[i], cr, font_size);
}

double gm_letters_width(const gm_letters *letters, size_t begin, size_t end) {
  double width = 0;
  for (size_t i = begin; i < end; i++) width += letters->at[i].advance;
  return width;
}

void gm_letters_elide(gm_letters *letters, cairo_t *cr, double font_size, double width) {
  gm_letters_measure(letters, cr, font_size);
  if (letters->n == 0 || gm_letters_width(letters, 0, letters->n) <= width) return;
  gm_letter last = letters->at[letters->n - 1];
  memcpy(last.utf8, ellipsis, sizeof ellipsis);
  last.space = false;
  last.advance = advance_of(&last, cr, font_size);
  size_t n = 0;
  for (double used = last.advance; n + 1 < letters->n; n++) {
    used += letters->at[n].advance;
    if (used > width) break;
  }
  while (n > 0 && letters->at[n - 1].space) n--;
  letters->at[n] = last;
  letters->n = n + 1;
}

void gm_letters_show(const gm_letters *letters, size_t begin, size_t end, cairo_t *cr,
                     double font_size, double x, double baseline) {
  char text[256];
  while (begin < end) {
    size_t used = 0, from = begin;
    for (; begin < end && used + 5 < sizeof text; begin++) {
      size_t n = strlen(letters->at[begin].utf8);
      memcpy(text + used, letters->at[begin].utf8, n);
      used += n;
    }
    text[used] = 0;
    set_font(cr, &letters->at[from], font_size);
    cairo_move_to(cr, x, baseline);
    cairo_show_text(cr, text);
    x += gm_letters_width(letters, from, begin);
  }
}
