/* draw_fonts.c - see draw_fonts.h. Fontconfig chooses files by the characters they have, cairo
 * draws from them (through FreeType, colours and bitmaps too), HarfBuzz reads the same file for
 * glyphs and advances. */
#include "draw_fonts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cairo-ft.h>
#include <fontconfig/fontconfig.h>
#include <hb-ot.h>
#include <utf8proc.h>

enum {
  MAX_FONTS = 64
}; /* fonts that are opened; characters of further fonts are drawn as
      missing */

/* DejaVu Sans comes with cairo on Debian; elsewhere fontconfig finds the nearest. */
static const char first_family[] = "DejaVu Sans";

/* The fonts of one weight. */
typedef struct family {
  bool begun;
  FcPattern *request;
  gm_font first;
  bool sorted;       /* others has been looked up */
  FcFontSet *others; /* nearest first; NULL: none */
} family;

typedef struct opened {
  const family *of;
  FcPattern *pattern; /* which the sets of both weights share */
  gm_font font;       /* without a face: unusable */
} opened;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static family families[2]; /* regular, bold */
static opened fonts[MAX_FONTS];
static size_t n_fonts;
static bool emoji_begun;
static gm_font emoji;

/* ---- characters ---- */

/* Whether a character without a selector is shown in colours: in the Basic Multilingual Plane
 * those of Unicode's Emoji_Presentation; beyond it all pictographs, nearly all of which have
 * that property. */
static bool shows_as_emoji(uint32_t c) {
  static const uint16_t ranges[][2] = {
      {0x231A, 0x231B}, {0x23E9, 0x23EC}, {0x23F0, 0x23F0}, {0x23F3, 0x23F3}, {0x25FD, 0x25FE},
      {0x2614, 0x2615}, {0x2648, 0x2653}, {0x267F, 0x267F}, {0x2693, 0x2693}, {0x26A1, 0x26A1},
      {0x26AA, 0x26AB}, {0x26BD, 0x26BE}, {0x26C4, 0x26C5}, {0x26CE, 0x26CE}, {0x26D4, 0x26D4},
      {0x26EA, 0x26EA}, {0x26F2, 0x26F3}, {0x26F5, 0x26F5}, {0x26FA, 0x26FA}, {0x26FD, 0x26FD},
      {0x2705, 0x2705}, {0x270A, 0x270B}, {0x2728, 0x2728}, {0x274C, 0x274C}, {0x274E, 0x274E},
      {0x2753, 0x2755}, {0x2757, 0x2757}, {0x2795, 0x2797}, {0x27B0, 0x27B0}, {0x27BF, 0x27BF},
      {0x2B1B, 0x2B1C}, {0x2B50, 0x2B50}, {0x2B55, 0x2B55}};
  if (c >= 0x1F1E6 && c <= 0x1F1FF) return true; /* letters of flags */
  if (c >= 0x1F000)
    return utf8proc_get_property((utf8proc_int32_t)c)->boundclass ==
               UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC ||
           (c >= 0x1F3FB && c <= 0x1F3FF); /* skin */
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
  return false;
}

/* Whether the cluster is an emoji that is shown in colours. */
static bool is_emoji(const uint32_t *cluster, size_t n) {
  for (size_t i = 1; i < n; i++) { /* the selectors of text and of emoji */
    if (cluster[i] == 0xFE0E) return false;
    if (cluster[i] == 0xFE0F) return true;
  }
  return n > 0 && shows_as_emoji(cluster[0]);
}

/* Joiners, selectors and tags change other characters and need no glyph. */
static bool needs_glyph(uint32_t c) {
  return utf8proc_category((utf8proc_int32_t)c) != UTF8PROC_CATEGORY_CF &&
         !(c >= 0xFE00 && c <= 0xFE0F) && !(c >= 0xE0100 && c <= 0xE01EF);
}

static bool charset_has(const FcCharSet *set, const uint32_t *cluster, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (needs_glyph(cluster[i]) && !FcCharSetHasChar(set, cluster[i])) return false;
  return true;
}

static bool font_has(const gm_font *font, const uint32_t *cluster, size_t n) {
  hb_codepoint_t glyph;
  if (!font->hb) return false;
  for (size_t i = 0; i < n; i++)
    if (needs_glyph(cluster[i]) && !hb_font_get_nominal_glyph(font->hb, cluster[i], &glyph))
      return false;
  return true;
}

/* ---- opening ---- */

/* Sets the axes of a variable font: those of the named instance, then those of the pattern. */
static void set_axes(hb_font_t *hb, FcPattern *pattern, int index) {
  enum { MOST = 16 };
  hb_variation_t axes[MOST];
  unsigned n = 0;
  FcChar8 *text;
  if (index >> 16 > 0) hb_font_set_var_named_instance(hb, (unsigned)(index >> 16) - 1);
  if (FcPatternGetString(pattern, FC_FONT_VARIATIONS, 0, &text) != FcResultMatch) return;
  for (const char *at = (const char *)text; *at && n < MOST;) {
    size_t length = strcspn(at, ",");
    n += hb_variation_from_string(at, (int)length, &axes[n]) != 0;
    at += length;
    at += *at == ',';
  }
  if (n > 0) hb_font_set_variations(hb, axes, n);
}

static hb_font_t *open_hb(FcPattern *pattern) {
  FcChar8 *file;
  int index = 0;
  if (FcPatternGetString(pattern, FC_FILE, 0, &file) != FcResultMatch) return NULL;
  FcPatternGetInteger(pattern, FC_INDEX, 0, &index);
  hb_blob_t *blob = hb_blob_create_from_file_or_fail((const char *)file);
  if (!blob) return NULL;
  hb_face_t *face = hb_face_create(blob, (unsigned)index & 0xFFFF);
  hb_blob_destroy(blob);
  hb_font_t *font = NULL;
  if (hb_face_get_glyph_count(face) > 0) { /* 0: not an OpenType file */
    font = hb_font_create(face);
    int units = (int)hb_face_get_upem(face);
    hb_font_set_scale(font, units, units);
    set_axes(font, pattern, index);
    hb_font_make_immutable(font);
  }
  hb_face_destroy(face);
  return font;
}

/* All zero if the file is unusable. */
static gm_font open_font(FcPattern *request, FcPattern *found) {
  gm_font font = {0};
  FcPattern *pattern = FcFontRenderPrepare(NULL, request, found);
  if (!pattern) return font;
  font.hb = open_hb(pattern);
  if (font.hb) {
    font.face = cairo_ft_font_face_create_for_pattern(pattern);
    font.units = hb_face_get_upem(hb_font_get_face(font.hb));
    if (cairo_font_face_status(font.face) != CAIRO_STATUS_SUCCESS) {
      cairo_font_face_destroy(font.face);
      hb_font_destroy(font.hb);
      font = (gm_font){0};
    }
  }
  FcPatternDestroy(pattern);
  return font;
}

/* The font of a pattern that lives as long as the process; NULL if it is unusable. */
static const gm_font *font_of(const family *f, FcPattern *pattern) {
  for (size_t i = 0; i < n_fonts; i++)
    if (fonts[i].of == f && fonts[i].pattern == pattern)
      return fonts[i].font.face ? &fonts[i].font : NULL;
  if (n_fonts == MAX_FONTS) return NULL;
  opened *o = &fonts[n_fonts++];
  *o = (opened){f, pattern, open_font(f->request, pattern)};
  return o->font.face ? &o->font : NULL;
}

/* ---- finding ---- */

static FcPattern *make_request(const char *name, bool bold) {
  FcPattern *request = FcPatternCreate();
  if (!request) return NULL;
  FcPatternAddString(request, FC_FAMILY, (const FcChar8 *)name);
  FcPatternAddInteger(request, FC_WEIGHT, bold ? FC_WEIGHT_BOLD : FC_WEIGHT_REGULAR);
  FcConfigSubstitute(NULL, request, FcMatchPattern);
  FcDefaultSubstitute(request);
  return request;
}

static void begin_family(family *f, bool bold) {
  FcResult result;
  f->begun = true;
  f->request = make_request(first_family, bold);
  FcPattern *match = f->request ? FcFontMatch(NULL, f->request, &result) : NULL;
  if (match) {
    f->first = open_font(f->request, match);
    FcPatternDestroy(match);
  }
  if (!f->first.face) /* no font is installed: use cairo's own strokes */
    f->first.face =
        cairo_toy_font_face_create("@cairo:", CAIRO_FONT_SLANT_NORMAL,
                                   bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
}

static bool has_colours(FcPattern *pattern) {
  FcBool colours = FcFalse;
  FcPatternGetBool(pattern, FC_COLOR, 0, &colours);
  return colours;
}

static void begin_emoji(void) {
  FcResult result;
  emoji_begun = true;
  FcPattern *request = make_request("emoji", false);
  if (request) FcPatternAddBool(request, FC_COLOR, FcTrue);
  FcPattern *match = request ? FcFontMatch(NULL, request, &result) : NULL;
  if (match && has_colours(match)) emoji = open_font(request, match);
  if (match) FcPatternDestroy(match);
  if (request) FcPatternDestroy(request);
}

/* One of the other fonts that has the whole cluster: plain ones before those with colours. */
static const gm_font *find_other(family *f, const uint32_t *cluster, size_t n) {
  FcResult result;
  if (!f->sorted && f->request) f->others = FcFontSort(NULL, f->request, FcTrue, NULL, &result);
  f->sorted = true;
  for (int colours = 0; f->others && colours < 2; colours++)
    for (int i = 0; i < f->others->nfont; i++) {
      FcPattern *pattern = f->others->fonts[i];
      FcCharSet *has;
      if (has_colours(pattern) != (colours == 1) ||
          FcPatternGetCharSet(pattern, FC_CHARSET, 0, &has) != FcResultMatch ||
          !charset_has(has, cluster, n))
        continue;
      const gm_font *font = font_of(f, pattern);
      if (font && font_has(font, cluster, n)) return font;
    }
  return NULL;
}

static const gm_font *find(const uint32_t *cluster, size_t n, bool bold) {
  family *f = &families[bold];
  if (!f->begun) begin_family(f, bold);
  if (is_emoji(cluster, n)) {
    if (!emoji_begun) begin_emoji();
    if (font_has(&emoji, cluster, n)) return &emoji;
  }
  if (font_has(&f->first, cluster, n)) return &f->first;
  const gm_font *other = find_other(f, cluster, n);
  return other ? other : &f->first;
}

const gm_font *gm_font_for(const uint32_t *cluster, size_t n, bool bold) {
  gm_fonts_lock();
  const gm_font *font = find(cluster, n, bold);
  gm_fonts_unlock();
  return font;
}

void gm_fonts_lock(void) {
  pthread_mutex_lock(&lock);
}

void gm_fonts_unlock(void) {
  pthread_mutex_unlock(&lock);
}
