/* clip_clean.c - see clip_clean.h: HTML on bytes, the rest on code points. */
#include "clip_clean.h"

#include "html_entities.h"
#include "utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- HTML */

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, or -1. */
static int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  int lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_alphanumeric(char c) {
  return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* text[0..n) begins with "&#". Appends the character and sets how many bytes of text the
 * reference has; 0: it is not a reference. */
static gm_status numeric_reference(gm_text *out, const char *text, size_t n, size_t *used,
                                   gm_error *err) {
  assert(n >= 2 && text[0] == '&' && text[1] == '#');
  bool hex = n > 2 && (text[2] | 0x20) == 'x';
  size_t begin = hex ? 3 : 2, i = begin;
  uint32_t number = 0;
  for (; i < n; i++) {
    int digit = hex ? hex_digit(text[i]) : is_digit(text[i]) ? text[i] - '0' : -1;
    if (digit < 0) break;
    if (number <= 0x10FFFF) number = number * (hex ? 16 : 10) + (uint32_t)digit;
  }
  *used = 0;
  if (i == begin) return GM_OK;
  *used = i + (i < n && text[i] == ';');
  uint32_t code = gm_html_code_point(number);
  char bytes[4];
  return code == GM_HTML_NOTHING ? GM_OK
                                 : gm_text_append(out, bytes, gm_utf8_write(bytes, code), err);
}

/* text[0..n) begins with '&'. Accepts a name with its semicolon, else the longest beginning
 * that is valid without one. */
static gm_status named_reference(gm_text *out, const char *text, size_t n, size_t *used,
                                 gm_error *err) {
  enum { LONGEST = 32 };
  assert(n >= 1 && text[0] == '&');
  size_t length = 0;
  while (length < LONGEST && 1 + length < n && is_alphanumeric(text[1 + length])) length++;
  bool legacy;
  const char *found = NULL;
  *used = 0;
  if (1 + length < n && text[1 + length] == ';')
    found = gm_html_entity(text + 1, length, &legacy);
  if (found) {
    *used = length + 2;
    return gm_text_append_string(out, found, err);
  }
  for (; length > 1; length--) {
    found = gm_html_entity(text + 1, length, &legacy);
    if (!found || !legacy) continue;
    *used = length + 1;
    return gm_text_append_string(out, found, err);
  }
  return GM_OK;
}

static gm_status html_unescape(gm_text *out, const char *text, size_t n, gm_error *err) {
  for (size_t i = 0; i < n;) {
    const char *ampersand = memchr(text + i, '&', n - i);
    size_t at = ampersand ? (size_t)(ampersand - text) : n, used = 0;
    GM_TRY(gm_text_append(out, text + i, at - i, err));
    if (at == n) return GM_OK;
    bool numeric = at + 1 < n && text[at + 1] == '#';
    GM_TRY((numeric ? numeric_reference : named_reference)(out, text + at, n - at, &used, err));
    if (used == 0) GM_TRY(gm_text_append(out, "&", 1, err));
    assert(used <= n - at);
    i = at + (used ? used : 1);
  }
  return GM_OK;
}

/* ---- code points */

typedef struct code_points {
  utf8proc_int32_t *codes;
  size_t n;
} code_points;

/* Valid UTF-8 -> NFC. */
static gm_status compose(code_points *out, const gm_text *text, gm_error *err) {
  const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
  const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text->bytes;
  utf8proc_ssize_t length = (utf8proc_ssize_t)text->length;
  utf8proc_ssize_t n = utf8proc_decompose(bytes, length, NULL, 0, options);
  if (n >= 0) {
    out->codes = malloc(((size_t)n + 1) * sizeof *out->codes);
    if (!out->codes) return gm_fail_memory(err, "text", (size_t)n * sizeof *out->codes);
    n = utf8proc_decompose(bytes, length, out->codes, n, options);
  }
  if (n >= 0) n = utf8proc_normalize_utf32(out->codes, n, options);
  if (n < 0) return gm_fail(err, GM_ERR_ARGUMENT, "text: %s", utf8proc_errmsg(n));
  out->n = (size_t)n;
  return GM_OK;
}

static utf8proc_int32_t straight_quote(utf8proc_int32_t code) {
  if (code == 0x02BC || (code >= 0x2018 && code <= 0x201B)) return '\'';
  return code >= 0x201C && code <= 0x201F ? '"' : code;
}

/* \s of the regex module: the property White_Space. */
static bool is_regex_space(utf8proc_int32_t code) {
  return gm_is_space((uint32_t)code) && !(code >= 0x1C && code <= 0x1F);
}

/* Normalises quotes, then white space, in place. At the ends str.strip removes more than \s. */
static void tidy(code_points *text) {
  size_t n = 0;
  for (size_t i = 0; i < text->n; i++) {
    utf8proc_int32_t code = straight_quote(text->codes[i]);
    bool space = is_regex_space(code);
    if (space && n && text->codes[n - 1] == ' ') continue;
    if (n == 0 && gm_is_space((uint32_t)code)) continue;
    text->codes[n++] = space ? ' ' : code;
  }
  while (n && gm_is_space((uint32_t)text->codes[n - 1])) n--;
  text->n = n;
}

/* ---- lower case */

/* Unicode's Case_Ignorable: marks, format characters, modifiers, and MidLetter, MidNumLet and
 * Single_Quote of Word_Break. */
static bool is_case_ignorable(utf8proc_int32_t code) {
  static const utf8proc_int32_t inside_words[] = {
      0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
      0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
  for (size_t i = 0; i < sizeof inside_words / sizeof *inside_words; i++)
    if (code == inside_words[i]) return true;
  switch (utf8proc_category(code)) {
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_SK:
    return true;
  default:
    return false;
  }
}

/* Unicode's Cased: letters with case, and those of Other_Lowercase and Other_Uppercase
 * (ordinals, Roman numerals, letters in circles and squares). */
static bool is_cased(utf8proc_int32_t code) {
  utf8proc_category_t category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT || code == 0xAA || code == 0xBA ||
         (code >= 0x2160 && code <= 0x217F) || (code >= 0x24B6 && code <= 0x24E9) ||
         (code >= 0x1F130 && code <= 0x1F149) || (code >= 0x1F150 && code <= 0x1F169) ||
         (code >= 0x1F170 && code <= 0x1F189);
}

/* Marks the sigmas that are final: a cased letter precedes, none follows, and case-ignorable
 * characters do not count. One walk in each direction decides them all. */
static void mark_final_sigmas(const code_points *text, bool *final) {
  bool cased = false;
  for (size_t i = 0; i < text->n; i++) {
    final[i] = cased;
    if (!is_case_ignorable(text->codes[i])) cased = is_cased(text->codes[i]);
  }
  cased = false;
  for (size_t i = text->n; i-- > 0;) {
    final[i] = final[i] && !cased;
    if (!is_case_ignorable(text->codes[i])) cased = is_cased(text->codes[i]);
  }
}

static gm_status append_lower(gm_text *out, const code_points *text, const bool *final,
                              gm_error *err) {
  for (size_t i = 0; i < text->n; i++) {
    utf8proc_int32_t code = text->codes[i];
    utf8proc_int32_t lower = utf8proc_tolower(code);
    if (code == 0x0130) lower = 'i'; /* the dot above follows as a character of its own */
    if (code == 0x03A3 && final[i]) lower = 0x03C2;
    char bytes[4];
    GM_TRY(gm_text_append(out, bytes, gm_utf8_write(bytes, (uint32_t)lower), err));
    if (code == 0x0130) GM_TRY(gm_text_append_string(out, "\xCC\x87", err));
  }
  return GM_OK;
}

gm_status gm_clip_clean(gm_text *out, const char *text, size_t length, gm_error *err) {
  if (length > GM_CLIP_MAX_TEXT)
    return gm_fail(err, GM_ERR_ARGUMENT, "the text has %zu bytes; want at most %d", length,
                   GM_CLIP_MAX_TEXT);
  gm_text valid = {0}, once = {0}, twice = {0};
  code_points codes = {0};
  bool *final = NULL;
  gm_status status = gm_text_append_valid(&valid, text, length, err);
  if (status == GM_OK) status = html_unescape(&once, valid.bytes, valid.length, err);
  if (status == GM_OK) status = html_unescape(&twice, once.bytes, once.length, err);
  if (status == GM_OK) status = compose(&codes, &twice, err);
  if (status == GM_OK) {
    tidy(&codes);
    final = malloc(codes.n + 1);
    status = final ? GM_OK : gm_fail_memory(err, "text", codes.n + 1);
  }
  if (status == GM_OK) {
    mark_final_sigmas(&codes, final);
    status = append_lower(out, &codes, final, err);
  }
  free(final);
  free(codes.codes);
  gm_text_free(&twice);
  gm_text_free(&once);
  gm_text_free(&valid);
  return status;
}
