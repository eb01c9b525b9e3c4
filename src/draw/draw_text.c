/* draw_text.c - see draw_text.h. Clusters are utf8proc's, directions FriBidi's; line breaks are
 * a small part of Unicode's rules: at spaces, and between characters of Chinese and Japanese.
 */
#include "draw_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <fribidi.h>
#include <utf8proc.h>

/* Characters of one letter; further marks are dropped. The longest emoji have 10, and many
 * stacked accents would cover the lines above. */
enum { MOST_CHARS = 16 };
enum { REPLACEMENT = 0xFFFD, ELLIPSIS = 0x2026, ZERO_WIDTH_SPACE = 0x200B };

/* ---- characters ---- */

/* Whether a code point is drawn. Unicode's embeddings, overrides and isolates are not: they
 * could make a label read as another. Its direction marks act like letters. */
static bool is_drawable(utf8proc_int32_t c) {
  if ((c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069)) return false;
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

/* A no-break space. */
static bool is_tie(utf8proc_int32_t c) {
  return c == 0xA0 || c == 0x2007 || c == 0x202F;
}

/* Scripts without spaces whose every character may begin a line. */
static bool is_ideographic(uint32_t c) {
  return (c >= 0x2E80 && c <= 0x312F) || (c >= 0x31A0 && c <= 0x4DBF) ||
         (c >= 0x4E00 && c <= 0xA4CF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0xFE30 && c <= 0xFE4F) || (c >= 0xFF01 && c <= 0xFF9F) ||
         (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

/* Closing punctuation, small kana and length marks, which may not begin a line. */
static bool begins_no_line(uint32_t c) {
  static const uint16_t small[] = {0x3005, 0x3041, 0x3043, 0x3045, 0x3047, 0x3049, 0x3063,
                                   0x3083, 0x3085, 0x3087, 0x308E, 0x309D, 0x309E, 0x30A1,
                                   0x30A3, 0x30A5, 0x30A7, 0x30A9, 0x30C3, 0x30E3, 0x30E5,
                                   0x30E7, 0x30EE, 0x30FB, 0x30FC, 0x30FD, 0x30FE};
  for (size_t i = 0; i < sizeof small / sizeof *small; i++)
    if (c == small[i]) return true;
  switch (utf8proc_category((utf8proc_int32_t)c)) {
  case UTF8PROC_CATEGORY_PE:
  case UTF8PROC_CATEGORY_PF:
  case UTF8PROC_CATEGORY_PO:
  case UTF8PROC_CATEGORY_PD:
    return true;
  default:
    return false;
  }
}

static bool ends_no_line(uint32_t c) {
  utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
  return category == UTF8PROC_CATEGORY_PS || category == UTF8PROC_CATEGORY_PI;
}

/* ---- letters ---- */

typedef struct reader {
  gm_letters *out;
  const gm_span_colour *spans;
  size_t n_spans;
  utf8proc_int32_t last, state; /* utf8proc's state of cluster search */
} reader;

static void open_letter(reader *r, utf8proc_int32_t c, size_t byte) {
  gm_letters *out = r->out;
  gm_letter *letter = &out->at[out->n++];
  *letter = (gm_letter){
      .begin = out->n_chars, .end = out->n_chars, .colour = GM_COLOUR_NONE, .span = -1};
  letter->space = is_space(c) && !is_tie(c);
  letter->breaks = letter->space || c == ZERO_WIDTH_SPACE;
  for (size_t i = 0; i < r->n_spans && letter->span < 0; i++) {
    if (byte < r->spans[i].begin || byte >= r->spans[i].end) continue;
    letter->colour = r->spans[i].colour < 0 ? 0 : r->spans[i].colour;
    letter->span = (int32_t)i;
  }
}

static void put_char(gm_letters *out, uint32_t c) {
  assert(out->n > 0);
  gm_letter *letter = &out->at[out->n - 1];
  if (letter->end - letter->begin == MOST_CHARS) return;
  out->chars[out->n_chars++] = c;
  letter->end++;
}

/* Whether c begins a letter; remembers c for the next call. */
static bool begins_letter(reader *r, utf8proc_int32_t c) {
  bool begins = r->out->n == 0 || is_space(c) || is_space(r->last) ||
                utf8proc_grapheme_break_stateful(r->last, c, &r->state);
  r->last = c;
  return begins;
}

static void set_breaks(gm_letters *letters) {
  for (size_t i = 0; i + 1 < letters->n; i++) {
    uint32_t a = letters->chars[letters->at[i].begin];
    uint32_t b = letters->chars[letters->at[i + 1].begin];
    if ((is_ideographic(a) || is_ideographic(b)) && !ends_no_line(a) && !begins_no_line(b) &&
        !is_tie((utf8proc_int32_t)a) && !is_tie((utf8proc_int32_t)b))
      letters->at[i].breaks = true;
  }
}

/* ---- directions ---- */

/* The level of each letter is that of its first character. */
static gm_status set_levels(gm_letters *letters, gm_error *err) {
  size_t n = letters->n_chars;
  bool simple = true; /* no right-to-left text, as in nearly all texts */
  for (size_t i = 0; i < n && simple; i++)
    simple = !FRIBIDI_IS_RTL(fribidi_get_bidi_type(letters->chars[i]));
  letters->from_right = false;
  for (size_t i = 0; i < letters->n; i++) letters->at[i].level = 0;
  if (simple) return GM_OK;
  FriBidiCharType *types = malloc(n * sizeof *types);
  FriBidiBracketType *brackets = malloc(n * sizeof *brackets);
  FriBidiLevel *levels = malloc(n * sizeof *levels);
  FriBidiParType base = FRIBIDI_PAR_ON;
  bool ok = types && brackets && levels;
  if (ok) {
    fribidi_get_bidi_types(letters->chars, (FriBidiStrIndex)n, types);
    fribidi_get_bracket_types(letters->chars, (FriBidiStrIndex)n, types, brackets);
    ok = fribidi_get_par_embedding_levels_ex(types, brackets, (FriBidiStrIndex)n, &base,
                                             levels) > 0;
  }
  for (size_t i = 0; ok && i < letters->n; i++)
    letters->at[i].level = levels[letters->at[i].begin];
  letters->from_right = ok && FRIBIDI_IS_RTL(base);
  free(types);
  free(brackets);
  free(levels);
  return ok ? GM_OK : gm_fail_memory(err, "the directions of a text", n * 9);
}

/* ---- the calls ---- */

/* Room for one more than max, the ellipsis. */
static gm_status make_room(gm_letters *out, size_t size, size_t max, gm_error *err) {
  size_t letters = (size < max ? size : max) + 1;
  size_t chars = (size < max * MOST_CHARS ? size : max * MOST_CHARS) + 1;
  *out = (gm_letters){.at = malloc(letters * sizeof *out->at),
                      .chars = malloc(chars * sizeof *out->chars)};
  if (out->at && out->chars) return GM_OK;
  return gm_fail_memory(err, "a label", letters * sizeof *out->at);
}

gm_status gm_letters_read(gm_letters *out, const char *text, size_t max,
                          const gm_span_colour *spans, size_t n_spans, gm_error *err) {
  size_t size = strlen(text), at = 0;
  reader r = {.out = out, .spans = spans, .n_spans = n_spans};
  GM_TRY(make_room(out, size, max, err));
  while (at < size) {
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                          (utf8proc_ssize_t)(size - at), &c);
    if (n <= 0 || (!is_space(c) && !is_drawable(c))) c = REPLACEMENT;
    if (begins_letter(&r, c)) {
      bool full = out->n == max;
      open_letter(&r, full ? ELLIPSIS : c, at);
      if (full) {
        put_char(out, ELLIPSIS);
        break;
      }
    }
    put_char(out, is_space(c) ? ' ' : (uint32_t)c);
    at += n > 0 ? (size_t)n : 1;
  }
  set_breaks(out);
  return set_levels(out, err);
}

void gm_letters_free(gm_letters *letters) {
  free(letters->at);
  free(letters->chars);
  *letters = (gm_letters){0};
}

gm_status gm_letters_cut(gm_letters *letters, size_t n, gm_error *err) {
  gm_letter *at = letters->at;
  assert(n < letters->n);
  while (n > 0 && at[n - 1].space) n--;
  gm_letter last = at[n];
  last.space = last.breaks = false;
  last.end = last.begin + 1;
  letters->chars[last.begin] = ELLIPSIS;
  at[n] = last;
  letters->n = n + 1;
  letters->n_chars = last.end;
  return set_levels(letters, err);
}
