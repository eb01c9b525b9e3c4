/* json_pull.c - see json_pull.h. */
#include "json_pull.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { DEEPEST = 512 };

gm_pull_reader gm_pull_begin(const char *text) {
  return (gm_pull_reader){.begin = text, .at = text};
}

static bool miss(gm_pull_reader *p, const char *wanted) {
  if (!p->wanted) p->wanted = wanted;
  return false;
}

static char next_byte(gm_pull_reader *p) {
  while (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t') p->at++;
  return *p->at;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* ---- simple values ---- */

/* At the opening quote. */
static bool read_string(gm_pull_reader *p) {
  const char *c = p->at + 1;
  for (; *c != '"'; c++) {
    if ((unsigned char)*c < 0x20) { /* also at the end of the text */
      p->at = c;
      return miss(p, *c ? "no control character in a string" : "the end of a string");
    }
    if (*c != '\\') continue;
    c++;
    bool known = *c && strchr("\"\\/bfnrt", *c);
    if (*c == 'u' && is_hex(c[1]) && is_hex(c[2]) && is_hex(c[3]) && is_hex(c[4])) {
      c += 4;
      known = true;
    }
    if (known) continue;
    p->at = c;
    return miss(p, "an escape of JSON after \\");
  }
  p->at = c + 1;
  return true;
}

static const char *read_digits(const char *c) {
  while (is_digit(*c)) c++;
  return c;
}

static bool read_word(gm_pull_reader *p, const char *word) {
  size_t length = strlen(word);
  if (strncmp(p->at, word, length) != 0) return miss(p, "a value");
  p->at += length;
  return true;
}

static bool read_number(gm_pull_reader *p) {
  if (*p->at == 'N') return read_word(p, "NaN");
  if (*p->at == '-') p->at++;
  if (*p->at == 'I') return read_word(p, "Infinity");
  const char *c = read_digits(p->at);
  bool ok = c > p->at && (*p->at != '0' || c == p->at + 1);
  if (ok && *c == '.') {
    const char *fraction = c + 1;
    c = read_digits(fraction);
    ok = c > fraction;
  }
  if (ok && (*c == 'e' || *c == 'E')) {
    c += c[1] == '+' || c[1] == '-' ? 2 : 1;
    const char *exponent = c;
    c = read_digits(exponent);
    ok = c > exponent;
  }
  p->at = c;
  return ok || miss(p, "a number of JSON");
}

gm_pull_kind gm_pull_peek(gm_pull_reader *p) {
  char c = next_byte(p);
  switch (c) {
  case '"':
    return GM_PULL_STRING;
  case '{':
    return GM_PULL_OBJECT;
  case '[':
    return GM_PULL_ARRAY;
  case 't':
    return GM_PULL_TRUE;
  case 'f':
    return GM_PULL_FALSE;
  case 'n':
    return GM_PULL_NULL;
  default:
    return is_digit(c) || c == '-' || c == 'N' || c == 'I' ? GM_PULL_NUMBER : GM_PULL_NONE;
  }
}

/* ---- objects and arrays ---- */

static bool pass_over(gm_pull_reader *p, unsigned depth) {
  switch (gm_pull_peek(p)) {
  case GM_PULL_STRING:
    return read_string(p);
  case GM_PULL_NUMBER:
    return read_number(p);
  case GM_PULL_TRUE:
    return read_word(p, "true");
  case GM_PULL_FALSE:
    return read_word(p, "false");
  case GM_PULL_NULL:
    return read_word(p, "null");
  case GM_PULL_NONE:
    return miss(p, "a value");
  case GM_PULL_ARRAY:
    if (depth == DEEPEST) return miss(p, "lists less deep");
    for (gm_pull_enter(p); gm_pull_element(p);)
      if (!pass_over(p, depth + 1)) return false;
    break;
  case GM_PULL_OBJECT: {
    gm_pull_value key;
    if (depth == DEEPEST) return miss(p, "objects less deep");
    for (gm_pull_enter(p); gm_pull_member(p, &key);)
      if (!pass_over(p, depth + 1)) return false;
    break;
  }
  }
  return !p->wanted;
}

bool gm_pull_read(gm_pull_reader *p, gm_pull_value *out) {
  *out = (gm_pull_value){gm_pull_peek(p), p->at, 0};
  if (p->wanted || !pass_over(p, 0)) return false;
  bool string = out->kind == GM_PULL_STRING;
  out->text += string;
  out->length = (size_t)(p->at - out->text) - string;
  return true;
}

bool gm_pull_enter(gm_pull_reader *p) {
  gm_pull_kind kind = gm_pull_peek(p);
  if (p->wanted || (kind != GM_PULL_ARRAY && kind != GM_PULL_OBJECT)) return miss(p, "{ or [");
  p->at++;
  p->first = true;
  return true;
}

/* After an element or an opening bracket: true if another element follows. */
static bool another(gm_pull_reader *p, char closing, const char *wanted) {
  if (p->wanted) return false;
  char c = next_byte(p);
  bool first = p->first;
  p->first = false;
  if (c == closing) {
    p->at++;
    return false;
  }
  if (first) return true;
  if (c != ',') return miss(p, wanted);
  p->at++;
  return true;
}

bool gm_pull_element(gm_pull_reader *p) {
  return another(p, ']', ", or ]");
}

bool gm_pull_member(gm_pull_reader *p, gm_pull_value *key) {
  if (!another(p, '}', ", or }")) return false;
  if (gm_pull_peek(p) != GM_PULL_STRING) return miss(p, "a member's name in quotes");
  *key = (gm_pull_value){GM_PULL_STRING, p->at + 1, 0};
  if (!read_string(p)) return false;
  key->length = (size_t)(p->at - key->text) - 1;
  if (next_byte(p) != ':') return miss(p, "a colon");
  p->at++;
  return true;
}

bool gm_pull_end(gm_pull_reader *p) {
  return !p->wanted && (!next_byte(p) || miss(p, "nothing more"));
}

size_t gm_pull_line(const gm_pull_reader *p) {
  size_t line = 1;
  for (const char *c = p->begin; c < p->at; c++) line += *c == '\n';
  return line;
}

/* ---- contents of a value ---- */

static uint32_t hex4(const char *c) {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++)
    value = value << 4 | (uint32_t)(is_digit(c[i]) ? c[i] - '0' : (c[i] | 0x20) - 'a' + 10);
  return value;
}

/* *at is the first digit of \uXXXX, and afterwards the byte after the last one, of a surrogate
 * pair too. */
static uint32_t code_point(const char **at, const char *end) {
  const char *c = *at;
  uint32_t high = hex4(c), low;
  *at += 4;
  if (high == 0 || (high >= 0xDC00 && high < 0xE000)) return 0xFFFD;
  if (high < 0xD800 || high >= 0xE000) return high;
  if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') return 0xFFFD;
  low = hex4(*at + 2);
  if (low < 0xDC00 || low >= 0xE000) return 0xFFFD;
  *at += 6;
  return 0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00));
}

char *gm_pull_string(const gm_pull_value *value) {
  if (value->kind != GM_PULL_STRING) return NULL;
  char *text = malloc(value->length + 1), *to = text; /* \uXXXX is longer than its UTF-8 */
  const char *c = value->text, *end = c + value->length;
  if (!text) return NULL;
  while (c < end) {
    if (*c != '\\') {
      *to++ = *c++;
      continue;
    }
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    c++;
    if (*c == 'u') {
      c++;
      to += utf8proc_encode_char((utf8proc_int32_t)code_point(&c, end), (utf8proc_uint8_t *)to);
    } else {
      *to++ = meanings[strchr(letters, *c++) - letters];
    }
  }
  *to = 0;
  return text;
}

bool gm_pull_is(const gm_pull_value *value, const char *text) {
  return strlen(text) == value->length && memcmp(text, value->text, value->length) == 0;
}

gm_pull_value gm_pull_member_of(const gm_pull_value *object, const char *name) {
  gm_pull_value found = {0}, key, value;
  if (object->kind != GM_PULL_OBJECT) return found;
  gm_pull_reader p = gm_pull_begin(object->text);
  for (gm_pull_enter(&p); gm_pull_member(&p, &key) && gm_pull_read(&p, &value);)
    if (gm_pull_is(&key, name)) found = value;
  return found;
}

gm_pull_value gm_pull_first_of(const gm_pull_value *array) {
  gm_pull_value found = {0};
  if (array->kind != GM_PULL_ARRAY) return found;
  gm_pull_reader p = gm_pull_begin(array->text);
  gm_pull_enter(&p);
  if (!gm_pull_element(&p) || !gm_pull_read(&p, &found)) found = (gm_pull_value){0};
  return found;
}

double gm_pull_number(const gm_pull_value *value) {
  return value->kind == GM_PULL_NUMBER ? strtod(value->text, NULL) : NAN;
}
