/* test_draw_text.c - text of drawings in all scripts: letters, directions, line breaks, that
 * fonts with the characters are found, and that no text does harm. Nothing depends on the shape
 * of a letter; checks whose font is not installed are skipped by name. */
#include "draw_support.h"

#include "draw_caption.h"
#include "draw_shapes.h"
#include "draw_tags.h"
#include "image.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fontconfig/fontconfig.h>

static gm_letters read_letters(const char *text, size_t max) {
  gm_letters letters;
  gm_error err;
  assert_ok(gm_letters_read(&letters, text, max, NULL, 0, &err), &err);
  return letters;
}

static gm_line shaped(const gm_letters *letters) {
  gm_line line;
  gm_error err;
  assert_ok(gm_line_shape(&line, letters, 0, letters->n, 20, &err), &err);
  return line;
}

static uint32_t first_char(const gm_letters *letters, size_t i) {
  return letters->chars[letters->at[i].begin];
}

/* ---- letters ---- */

static void text_is_made_harmless(void **state) {
  (void)state;
  /* escape, invalid byte, overlong slash, surrogate, override, isolate, tab, two and four bytes
   */
  gm_letters l = read_letters("\x1B\xFF\xC0\xAF\xED\xA0\x80\xE2\x80\xAE\xE2\x81\xA7\t\xC3\xA9"
                              "\xF0\x9F\x90\xB6",
                              100);
  size_t n = l.n;
  assert_true(n >= 9);
  assert_int_equal(first_char(&l, n - 1), 0x1F436);
  assert_int_equal(first_char(&l, n - 2), 0xE9);
  assert_int_equal(first_char(&l, n - 3), ' ');
  assert_true(l.at[n - 3].space);
  for (size_t i = 0; i < n - 3; i++) assert_int_equal(first_char(&l, i), 0xFFFD);
  gm_letters_free(&l);

  l = read_letters("abcdef", 3);
  assert_int_equal(l.n, 4);
  assert_int_equal(first_char(&l, 3), 0x2026);
  gm_letters_free(&l);
  l = read_letters("abc", 3);
  assert_int_equal(l.n, 3);
  gm_letters_free(&l);
}

static void clusters_are_one_letter(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t letters;
  } cases[] = {
      {"e\xCC\x81", 1},                                                        /* e, acute */
      {"\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA\xF0\x9F\x87\xAF\xF0\x9F\x87\xB5", 2}, /* DE JP */
      {"\xF0\x9F\x91\xA9\xF0\x9F\x8F\xBD\xE2\x80\x8D\xF0\x9F\x9A\x80", 1},     /* astronaut */
      {"\xE2\x9D\xA4\xEF\xB8\x8F", 1},                                         /* red heart */
      {"1\xEF\xB8\x8F\xE2\x83\xA3", 1},                                        /* keycap */
      {"\xE0\xA4\x95\xE0\xA5\x81", 1},                                         /* ku */
      {"\xE0\xB8\x99\xE0\xB9\x89\xE0\xB8\xB3", 1},                             /* Thai nam */
      {"\xE4\xB8\xAD\xE5\x9B\xBD", 2},                                         /* Chinese */
      {"a b", 3},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gm_letters l = read_letters(cases[i].text, 100);
    if (l.n != cases[i].letters) fail_msg("%s: %zu letters", cases[i].text, l.n);
    assert_int_equal(l.at[0].begin, 0);
    for (size_t k = 1; k < l.n; k++) assert_int_equal(l.at[k].begin, l.at[k - 1].end);
    assert_int_equal(l.at[l.n - 1].end, l.n_chars);
    gm_letters_free(&l);
  }
  /* stacked accents are limited */
  char tower[4001] = "a";
  for (size_t i = 1; i + 2 < sizeof tower; i += 2) memcpy(tower + i, "\xCC\x81", 2);
  gm_letters l = read_letters(tower, 100);
  assert_int_equal(l.n, 1);
  assert_true(l.n_chars <= 16);
  gm_letters_free(&l);
}

/* ---- order ---- */

/* Checks the code points from left to right, by the letters of the glyphs. */
static void check_order(const char *text, const uint32_t *want, size_t n) {
  gm_letters l = read_letters(text, 100);
  gm_line line = shaped(&l);
  size_t at = 0;
  for (size_t r = 0; r < line.n_runs; r++)
    for (size_t i = 0; i < line.runs[r].n_glyphs; i++, at++) {
      assert_true(at < n);
      uint32_t c = first_char(&l, line.glyphs[line.runs[r].glyphs + i].letter);
      if (c != want[at]) fail_msg("%s: %04X at %zu, wanted %04X", text, c, at, want[at]);
    }
  assert_int_equal(at, n);
  gm_line_free(&line);
  gm_letters_free(&l);
}

static void hebrew_runs_from_right_to_left(void **state) {
  (void)state;
  /* alef bet gimel; then within English; then numbers, which still run left to right; then a
   * bracket */
  check_order("\xD7\x90\xD7\x91\xD7\x92", (uint32_t[]){0x5D2, 0x5D1, 0x5D0}, 3);
  check_order("a \xD7\x90\xD7\x91 b", (uint32_t[]){'a', ' ', 0x5D1, 0x5D0, ' ', 'b'}, 6);
  check_order("\xD7\x90 12 \xD7\x91", (uint32_t[]){0x5D1, ' ', '1', '2', ' ', 0x5D0}, 6);
  check_order("\xD7\x90 ab", (uint32_t[]){'a', 'b', ' ', 0x5D0}, 4);
  check_order("(\xD7\x90)", (uint32_t[]){')', 0x5D0, '('}, 3);
  gm_letters l = read_letters("\xD7\x90 ab", 10);
  assert_true(l.from_right);
  gm_letters_free(&l);
  l = read_letters("ab \xD7\x90", 10);
  assert_false(l.from_right);
  gm_letters_free(&l);
}

/* ---- fonts ---- */

/* Whether a font has all characters of the text. */
static bool is_font_installed(const gm_letters *l) {
  FcCharSet *wanted = FcCharSetCreate();
  for (size_t i = 0; i < l->n_chars; i++)
    if (l->chars[i] != ' ' && l->chars[i] != 0x200D && l->chars[i] != 0xFE0F)
      FcCharSetAddChar(wanted, l->chars[i]);
  FcPattern *pattern = FcPatternCreate();
  FcPatternAddCharSet(pattern, FC_CHARSET, wanted);
  FcObjectSet *nothing = FcObjectSetBuild(FC_FILE, NULL);
  FcFontSet *found = FcFontList(NULL, pattern, nothing);
  bool any = found && found->nfont > 0;
  FcFontSetDestroy(found);
  FcObjectSetDestroy(nothing);
  FcPatternDestroy(pattern);
  FcCharSetDestroy(wanted);
  return any;
}

static void every_script_has_glyphs(void **state) {
  (void)state;
  static const char *const texts[] = {
      "dog, \xC3\x9C"
      "bung, \xD1\x81\xD0\xBE\xD0\xB1\xD0\xB0\xD0\xBA\xD0\xB0",
      "\xD9\x83\xD9\x84\xD8\xA8 \xD9\x83\xD8\xA8\xD9\x8A\xD8\xB1",
      "\xD7\x9B\xD7\x9C\xD7\x91 \xD7\x92\xD7\x93\xD7\x95\xD7\x9C",
      "\xE0\xA4\x95\xE0\xA5\x81\xE0\xA4\xA4\xE0\xA5\x8D\xE0\xA4\xA4\xE0\xA4\xBE",
      "\xE0\xB8\xAA\xE0\xB8\xB8\xE0\xB8\x99\xE0\xB8\xB1\xE0\xB8\x82\xE0\xB8\x99\xE0\xB9\x89\xE0"
      "\xB8\xB3",
      "\xE4\xB8\x80\xE5\x8F\xAA\xE6\xA3\x95\xE8\x89\xB2\xE7\x9A\x84\xE5\xA4\xA7\xE7\x8B\x97",
      "\xE3\x81\x84\xE3\x81\xAC\xE3\x82\xA4\xE3\x83\x8C",
      "\xEA\xB0\x9C\xEC\x99\x80 \xEA\xB3\xA0\xEC\x96\x91\xEC\x9D\xB4",
      "\xF0\x9F\x91\xA9\xF0\x9F\x8F\xBD\xE2\x80\x8D\xF0\x9F\x9A\x80",
      "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    gm_letters l = read_letters(texts[i], 100);
    gm_line line = shaped(&l);
    if (!is_font_installed(&l)) {
      print_message("no font has %s: left out\n", texts[i]);
    } else {
      assert_true(line.n_glyphs > 0 && line.width > 20);
      for (size_t k = 0; k < line.n_glyphs; k++)
        if (line.glyphs[k].id == 0)
          fail_msg("%s: no glyph for U+%04X", texts[i], line.glyphs[k].missing);
    }
    gm_line_free(&line);
    gm_letters_free(&l);
  }
}

/* Arabic letters change shape where they join; an astronaut, a flag and an accented letter are
 * one glyph each. */
static void letters_are_shaped_together(void **state) {
  (void)state;
  gm_letters alone = read_letters("\xD8\xA8", 10);
  gm_letters joined = read_letters("\xD8\xA8\xD8\xA8\xD8\xA8", 10);
  gm_line one = shaped(&alone), three = shaped(&joined);
  if (is_font_installed(&alone)) {
    assert_int_equal(three.n_glyphs, 3);
    for (size_t i = 0; i < 3; i++) assert_true(three.glyphs[i].id != one.glyphs[0].id);
  }
  gm_line_free(&one);
  gm_line_free(&three);
  gm_letters_free(&alone);
  gm_letters_free(&joined);

  static const char *const single[] = {
      "\xF0\x9F\x91\xA9\xF0\x9F\x8F\xBD\xE2\x80\x8D\xF0\x9F\x9A\x80",
      "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA"};
  for (size_t i = 0; i < 2; i++) {
    gm_letters l = read_letters(single[i], 10);
    gm_line line = shaped(&l);
    size_t seen = 0;
    for (size_t k = 0; k < line.n_glyphs; k++) seen += line.glyphs[k].advance > 0;
    if (is_font_installed(&l)) assert_int_equal(seen, 1);
    gm_line_free(&line);
    gm_letters_free(&l);
  }
}

/* ---- pixels ---- */

enum { SIDE = 60 };

/* The text in black on white; pixels of SIDE x SIDE, to be freed. */
static uint32_t *rendered(const char *text) {
  uint32_t *pixels = malloc(SIDE * SIDE * sizeof *pixels);
  assert_non_null(pixels);
  memset(pixels, 0xFF, SIDE * SIDE * sizeof *pixels);
  cairo_surface_t *surface = cairo_image_surface_create_for_data(
      (unsigned char *)pixels, CAIRO_FORMAT_RGB24, SIDE, SIDE, SIDE * 4);
  cairo_t *cr = cairo_create(surface);
  gm_letters l = read_letters(text, 10);
  gm_line line;
  gm_error err;
  assert_ok(gm_line_shape(&line, &l, 0, l.n, 30, &err), &err);
  cairo_set_source_rgb(cr, 0, 0, 0);
  double end = gm_line_show(&line, 0, line.n_runs, cr, 10, 40);
  assert_true(fabs(end - 10 - line.width) < 1e-6);
  gm_line_free(&line);
  gm_letters_free(&l);
  cairo_destroy(cr);
  cairo_surface_flush(surface);
  cairo_surface_destroy(surface);
  return pixels;
}

typedef struct ink {
  size_t dark, coloured, left, right, top, bottom; /* the last four: the extent of all */
} ink;

static ink ink_of(const uint32_t *pixels) {
  ink found = {0, 0, SIDE, 0, SIDE, 0};
  for (size_t i = 0; i < SIDE * SIDE; i++) {
    int r = pixels[i] >> 16 & 255, g = pixels[i] >> 8 & 255, b = pixels[i] & 255;
    size_t x = i % SIDE, y = i / SIDE;
    if (r > 240 && g > 240 && b > 240) continue;
    found.dark += r + g + b < 384;
    found.coloured += abs(r - g) > 30 || abs(g - b) > 30;
    if (x < found.left) found.left = x;
    if (x > found.right) found.right = x;
    if (y < found.top) found.top = y;
    if (y > found.bottom) found.bottom = y;
  }
  return found;
}

static void what_is_known_is_no_box(void **state) {
  (void)state;
  /* cuneiform, which few fonts have, and a dog in Chinese */
  static const char missing[] = "\xF0\x92\x80\x80", dog[] = "\xE7\x8A\xAC";
  gm_letters l = read_letters(dog, 10), m = read_letters(missing, 10);
  bool known = is_font_installed(&l), unknown = !is_font_installed(&m);
  uint32_t *a = rendered(dog), *b = rendered(missing);
  assert_true(ink_of(a).dark > 50);
  assert_true(ink_of(b).dark > 50);
  /* bold and regular are different fonts, though both come from one file */
  assert_ptr_not_equal(gm_font_for(l.chars, 1, true), gm_font_for(l.chars, 1, false));
  if (known && unknown) assert_memory_not_equal(a, b, SIDE * SIDE * sizeof *a);
  if (unknown) { /* a frame: dark at the middle of all four sides */
    ink box = ink_of(b);
    size_t x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    const size_t at[] = {(box.top + 1) * SIDE + x, (box.bottom - 1) * SIDE + x,
                         y * SIDE + box.left + 1, y * SIDE + box.right - 1};
    for (size_t i = 0; i < 4; i++) assert_true((b[at[i]] & 255) < 128);
  }
  free(a);
  free(b);
  gm_letters_free(&l);
  gm_letters_free(&m);
}

/* An emoji has colours, and its bitmap is scaled to the size of letters: of 30 pixels an em it
 * is 20 to 45 wide and high, and stands where its advance begins. */
static void emoji_have_colours(void **state) {
  (void)state;
  static const char *const texts[] = {"\xF0\x9F\x90\xB6", "\xE2\x9D\xA4\xEF\xB8\x8F",
                                      "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA"};
  FcPattern *colours = FcPatternBuild(NULL, FC_COLOR, FcTypeBool, FcTrue, NULL);
  FcObjectSet *nothing = FcObjectSetBuild(FC_FILE, NULL);
  FcFontSet *found = FcFontList(NULL, colours, nothing);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    gm_letters l = read_letters(texts[i], 10);
    uint32_t *pixels = rendered(texts[i]);
    ink got = ink_of(pixels);
    if (!found || found->nfont == 0 || !is_font_installed(&l)) {
      print_message("no font has %s in colours: left out\n", texts[i]);
    } else {
      assert_true(got.coloured > 100);
      assert_in_range(got.right - got.left, 20, 45);
      assert_in_range(got.bottom - got.top, 15, 45);
      assert_in_range(got.left, 10, 16);
    }
    free(pixels);
    gm_letters_free(&l);
  }
  FcFontSetDestroy(found);
  FcObjectSetDestroy(nothing);
  FcPatternDestroy(colours);
}

/* In its own process, since fonts are looked up once: letters in cairo's own strokes, boxes for
 * everything else. */
static int draw_without_fonts(void) {
  FILE *file = fopen("/tmp/gromatic-no-fonts.conf", "w");
  if (!file) return 1;
  fputs("<?xml version=\"1.0\"?><fontconfig></fontconfig>", file);
  fclose(file);
  setenv("FONTCONFIG_FILE", "/tmp/gromatic-no-fonts.conf", 1);
  static const char *const texts[] = {"A", "\xD7\x90", "\xF0\x9F\x90\xB6", "\xFF"};
  for (size_t i = 0; i < 4; i++) {
    uint32_t *pixels = rendered(texts[i]);
    ink got = ink_of(pixels);
    free(pixels);
    if (got.right < got.left + 8 || got.bottom < got.top + 8) return 2;
  }
  gm_letters l = read_letters("ab\xD7\x90\xD7\x91", 10);
  gm_line line = shaped(&l);
  bool ok =
      line.n_glyphs == 4 && line.glyphs[0].id != 0 && line.glyphs[2].id == 0 && line.width > 20;
  gm_line_free(&line);
  gm_letters_free(&l);
  unlink("/tmp/gromatic-no-fonts.conf");
  return ok ? 0 : 3;
}

static void no_font_is_no_crash(void **state) {
  (void)state;
  int result = 0;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) _exit(draw_without_fonts());
  assert_int_equal(waitpid(child, &result, 0), child);
  assert_true(WIFEXITED(result));
  assert_int_equal(WEXITSTATUS(result), 0);
}

/* ---- lines ---- */

static gm_caption_layout laid_out(const char *text, const gm_span_colour *spans, size_t n,
                                  double width, size_t max_lines) {
  gm_caption_layout c;
  gm_error err;
  assert_ok(gm_caption_lay_out(&c, text, spans, n, 16, width, max_lines, &err), &err);
  return c;
}

/* First and last letter of a line. */
static void ends_of(const gm_line *line, size_t *first, size_t *last) {
  *first = SIZE_MAX;
  *last = 0;
  for (size_t r = 0; r < line->n_runs; r++) {
    if (line->runs[r].begin < *first) *first = line->runs[r].begin;
    if (line->runs[r].end - 1 > *last) *last = line->runs[r].end - 1;
  }
}

static const char mixed[] =
    "  A rather long caption about a verylongwordthatfitsnoline, \xD9\x83\xD9\x84\xD8\xA8 "
    "\xD9\x83\xD8\xA8\xD9\x8A\xD8\xB1 \xD9\x81\xD9\x8A \xD8\xA7\xD9\x84\xD8\xAD\xD8\xAF\xD9\x8A"
    "\xD9\x82\xD8\xA9 and \xE4\xB8\x80\xE5\x8F\xAA\xE6\xA3\x95\xE8\x89\xB2\xE7\x9A\x84\xE5\xA4"
    "\xA7\xE7\x8B\x97\xEF\xBC\x8C\xE5\x9C\xA8\xE8\x8D\x89\xE5\x9C\xB0\xE3\x80\x82 more \xF0\x9F"
    "\x87\xA9\xF0\x9F\x87\xAA\xF0\x9F\x87\xAF\xF0\x9F\x87\xB5 "
    "\xE0\xA4\x95\xE0\xA5\x81\xE0\xA4\xA4\xE0\xA5\x8D\xE0\xA4\xA4\xE0\xA4\xBE side by side.";

static void captions_wrap_and_keep_every_letter(void **state) {
  (void)state;
  const gm_span_colour spans[] = {span_of(2, 24, 0), span_of(64, 81, 2), span_of(100, 120, 1)};
  for (double width = 1; width < 1500; width *= 1.3) {
    gm_caption_layout c = laid_out(mixed, spans, 3, width, 1000);
    size_t at = 0, first, last;
    for (size_t l = 0; l < c.n_lines; l++) {
      ends_of(&c.lines[l], &first, &last);
      for (; at < first; at++) assert_true(c.letters.at[at].space);
      assert_int_equal(at, first);
      assert_true(gm_caption_width(&c, l) <= width || first == last);
      at = last + 1;
    }
    assert_int_equal(at, c.letters.n);
    gm_caption_free(&c);
  }
  size_t first, last;
  for (size_t lines = 1; lines < 4; lines++) { /* no room for a letter beside the ellipsis */
    gm_caption_layout narrow = laid_out("W   W W W", NULL, 0, 1, lines);
    assert_int_equal(narrow.n_lines, lines);
    ends_of(&narrow.lines[lines - 1], &first, &last);
    assert_int_equal(first, last);
    assert_int_equal(first_char(&narrow.letters, last), 0x2026);
    gm_caption_free(&narrow);
  }
  gm_caption_layout c = laid_out(mixed, NULL, 0, 100, 2);
  assert_int_equal(c.n_lines, 2);
  ends_of(&c.lines[1], &first, &last);
  assert_int_equal(first_char(&c.letters, last), 0x2026);
  assert_true(gm_caption_width(&c, 1) <= 100);
  gm_caption_free(&c);
}

/* No line begins with a full stop, a comma or a closing bracket, or ends with an opening one. A
 * word is divided only if it is longer than a line. */
static void lines_break_where_they_may(void **state) {
  (void)state;
  static const char chinese[] =
      "\xE4\xB8\x80\xE5\x8F\xAA\xE5\xA4\xA7\xE7\x8B\x97\xEF\xBC\x8C\xE3\x80\x8A\xE4\xB9\xA6\xE3"
      "\x80\x8B\xE3\x80\x81\xE8\x8D\x89\xE5\x9C\xB0\xE3\x80\x82\xE4\xB8\x80\xE5\x8F\xAA\xE3\x80"
      "\x8C\xE5\xA4\xA7\xE3\x80\x8D\xE7\x8B\x97\xE3\x80\x82";
  size_t first, last;
  gm_caption_layout whole = laid_out(chinese, NULL, 0, 1e6, 1);
  double all = gm_caption_width(&whole, 0);
  gm_caption_free(&whole);
  for (double width = 70; width < 300; width += 7) {
    gm_caption_layout c = laid_out(chinese, NULL, 0, width, 100);
    for (size_t l = 0; l < c.n_lines; l++) {
      ends_of(&c.lines[l], &first, &last);
      uint32_t a = first_char(&c.letters, first), b = first_char(&c.letters, last);
      assert_true(a != 0xFF0C && a != 0x3001 && a != 0x3002 && a != 0x300B && a != 0x300D);
      assert_true(b != 0x300A && b != 0x300C);
    }
    assert_true(c.n_lines > 1 || all <= width); /* broken without a space */
    gm_caption_free(&c);
  }
  for (double width = 80; width < 400; width += 11) {
    gm_caption_layout c =
        laid_out("some words\xC2\xA0tied here and there", NULL, 0, width, 100);
    for (size_t l = 1; l < c.n_lines; l++) {
      ends_of(&c.lines[l], &first, &last);
      assert_true(width < 110 || c.letters.at[first - 1].space);
    }
    gm_caption_free(&c);
  }
}

static void names_are_shortened_between_letters(void **state) {
  (void)state;
  gm_error err;
  for (double width = 1; width < 2000; width *= 1.4) {
    gm_letters l = read_letters(mixed + 2, 200);
    size_t all = l.n;
    gm_line line;
    assert_ok(gm_line_fit(&line, &l, 16, width, &err), &err);
    assert_true(line.width <= width || l.n == 1);
    if (l.n < all) {
      assert_int_equal(first_char(&l, l.n - 1), 0x2026);
      assert_true(l.n < 2 || !l.at[l.n - 2].space);
      assert_int_equal(l.at[l.n - 1].end, l.n_chars);
    }
    gm_line_free(&line);
    gm_letters_free(&l);
  }
}

/* ---- harm ---- */

/* Pieces that matter to the layout, and bytes at random between them. */
static void random_text(char *out, size_t size, uint64_t *seed) {
  static const char *const pieces[] = {"a",
                                       " ",
                                       "\xCC\x81",
                                       "\xE2\x80\x8D",
                                       "\xEF\xB8\x8F",
                                       "\xEF\xB8\x8E",
                                       "\xF0\x9F\x87\xA9",
                                       "\xF0\x9F\x91\xA9",
                                       "\xF0\x9F\x8F\xBD",
                                       "\xD7\x90",
                                       "\xD8\xA8",
                                       "\xE2\x80\x8F",
                                       "(",
                                       "]",
                                       "\xE0\xA5\x8D",
                                       "\xE0\xA4\x95",
                                       "\xE0\xB8\xB3",
                                       "\xE4\xB8\xAD",
                                       "\xE3\x80\x82",
                                       "\xF3\xA0\x81\xA2",
                                       "\xF4\x8F\xBF\xBF",
                                       "\xEF\xBF\xBD",
                                       "\xE1\x84\x80",
                                       "\xE1\x85\xA1",
                                       "\xE2\x80\xAE",
                                       "\xE2\x80\x8B",
                                       "\xC2\xAD",
                                       "\xF0\x92\x80\x80",
                                       "9",
                                       "\n"};
  size_t n = 0;
  while (n + 8 < size) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    uint32_t r = (uint32_t)(*seed >> 33);
    if (r % 8 == 0) {
      out[n++] = (char)(1 + r / 8 % 255);
    } else {
      const char *piece = pieces[r / 8 % (sizeof pieces / sizeof *pieces)];
      memcpy(out + n, piece, strlen(piece));
      n += strlen(piece);
    }
    if (r >> 25 == 0) break;
  }
  out[n] = 0;
}

static void random_text_does_no_harm(void **state) {
  (void)state;
  enum { ROUNDS = 400 };
  uint64_t seed = 1;
  char text[600];
  gm_error err;
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 200, 60);
  cairo_t *cr = cairo_create(surface);
  for (int i = 0; i < ROUNDS; i++) {
    random_text(text, sizeof text, &seed);
    size_t n = strlen(text);
    const gm_span_colour spans[] = {span_of(n / 5, n / 3, 1), span_of(n / 4, n / 2, 0),
                                    span_of(n / 2, n, 2)};
    gm_caption_layout c = laid_out(text, spans, 3, 20 + i % 300, 1 + (size_t)i % 20);
    assert_true(c.n_lines <= 1 + (size_t)i % 20);
    gm_caption_draw(&c, cr, 0, 0);
    gm_caption_free(&c);
    gm_letters l = read_letters(text, 50);
    gm_line line;
    assert_ok(gm_line_fit(&line, &l, 12, i, &err), &err);
    assert_true(line.width <= i || l.n <= 1);
    gm_line_show(&line, 0, line.n_runs, cr, 0, 20);
    gm_line_free(&line);
    gm_letters_free(&l);
  }
  assert_int_equal(cairo_status(cr), CAIRO_STATUS_SUCCESS);
  cairo_destroy(cr);
  cairo_surface_destroy(surface);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_font_is_no_crash), /* first: before fonts are looked up */
      cmocka_unit_test(text_is_made_harmless),
      cmocka_unit_test(clusters_are_one_letter),
      cmocka_unit_test(hebrew_runs_from_right_to_left),
      cmocka_unit_test(every_script_has_glyphs),
      cmocka_unit_test(letters_are_shaped_together),
      cmocka_unit_test(what_is_known_is_no_box),
      cmocka_unit_test(emoji_have_colours),
      cmocka_unit_test(captions_wrap_and_keep_every_letter),
      cmocka_unit_test(lines_break_where_they_may),
      cmocka_unit_test(names_are_shortened_between_letters),
      cmocka_unit_test(random_text_does_no_harm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
