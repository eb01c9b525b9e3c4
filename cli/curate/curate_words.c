/* curate_words.c - see curate_words.h. */
#include "curate_words.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

const char *const prepositions[] = {
    "about",   "above",      "across", "after",  "against", "along",   "among",    "around",
    "as",      "at",         "before", "behind", "below",   "beneath", "beside",   "between",
    "beyond",  "by",         "down",   "during", "for",     "from",    "in",       "inside",
    "into",    "like",       "near",   "off",    "on",      "onto",    "opposite", "out",
    "outside", "over",       "past",   "than",   "through", "to",      "toward",   "towards",
    "under",   "underneath", "until",  "up",     "upon",    "via",     "with",     "within",
    "without", NULL};

const char *const stop_words[] = {
    "and",     "or",        "but",       "nor",    "so",       "then",     "while",
    "when",    "where",     "which",     "who",    "whose",    "that",     "if",
    "because", "there",     "here",      "not",    "also",     "am",       "is",
    "are",     "was",       "were",      "be",     "been",     "being",    "has",
    "have",    "having",    "do",        "does",   "did",      "can",      "could",
    "will",    "would",     "may",       "might",  "must",     "should",   "see",
    "sees",    "seeing",    "seen",      "look",   "looks",    "looking",  "appear",
    "appears", "appearing", "stand",     "stands", "standing", "sit",      "sits",
    "sitting", "lie",       "lies",      "lying",  "hold",     "holds",    "holding",
    "wear",    "wears",     "wearing",   "carry",  "carries",  "carrying", "ride",
    "rides",   "riding",    "walk",      "walks",  "walking",  "run",      "runs",
    "running", "eat",       "eats",      "eating", "play",     "plays",    "playing",
    "show",    "shows",     "showing",   "shown",  "contain",  "contains", "containing",
    "include", "includes",  "including", NULL};

const char *const mark_words[] = {"mark",     "number",   "label",   "box",      "region",
                                  "bracket",  "marks",    "numbers", "labels",   "boxes",
                                  "regions",  "brackets", "marked",  "numbered", "labeled",
                                  "labelled", NULL};

const char *const leaning_words[] = {"it",   "its",  "they",  "them",  "their",
                                     "he",   "him",  "his",   "she",   "her",
                                     "this", "that", "these", "those", NULL};

const char *const english_words[] = {"the",   "of",  "is",    "are",   "and",
                                     "with",  "to",  "it",    "there", "what",
                                     "where", "who", "which", "how",   NULL};

static bool in_word(uint32_t code) {
  switch (utf8proc_category((utf8proc_int32_t)code)) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
    return true;
  default:
    return false;
  }
}

static bool joins_words(uint32_t code) {
  return code == '\'' || code == 0x2019 || code == '-';
}

/* The character's length; 0 at the end. Bytes that are no UTF-8 are characters of their own. */
static size_t read_one(const char *text, uint32_t *code) {
  *code = 0;
  if (!*text) return 0;
  size_t n = gm_utf8_read(text, strnlen(text, 4), code);
  return n ? n : 1;
}

bool next_word(const char *text, size_t *at, text_word *out) {
  uint32_t code, after;
  size_t n, i = *at;
  while ((n = read_one(text + i, &code)) && !in_word(code)) i += n;
  out->begin = i;
  while ((n = read_one(text + i, &code))) {
    bool inside = in_word(code);
    if (!inside && joins_words(code)) inside = read_one(text + i + n, &after) && in_word(after);
    if (!inside) break;
    i += n;
  }
  out->end = *at = i;
  return out->end > out->begin;
}

size_t count_words(const char *text) {
  size_t n = 0;
  text_word word;
  for (size_t at = 0; next_word(text, &at, &word);) n++;
  return n;
}

text_word *all_words(const char *text, size_t *n) {
  text_word *words = malloc((count_words(text) + 1) * sizeof *words);
  *n = 0;
  for (size_t at = 0; words && next_word(text, &at, &words[*n]);) ++*n;
  return words;
}

/* Format characters but the joiners, which belong to words and emoji. */
static bool is_hidden(uint32_t code) {
  bool joiner = code == 0x200C || code == 0x200D;
  return gm_is_control(code) ||
         (!joiner && utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_CF);
}

char *tidy_text(const char *text) {
  char *out = malloc(3 * strlen(text) + 1); /* U+FFFD takes 3 bytes */
  size_t length = 0, n;
  uint32_t code;
  bool gap = false;
  if (!out) return NULL;
  for (const char *c = text; (n = read_one(c, &code)); c += n) {
    if (gm_is_space(code) || code < 0x20 || code == 0x7F) {
      gap = length > 0;
    } else if (!is_hidden(code)) {
      if (gap) out[length++] = ' ';
      gap = false;
      length += gm_utf8_write(out + length, code);
    }
  }
  out[length] = 0;
  return out;
}

char *lower_words(const char *text) {
  char *out = malloc(4 * strlen(text) + 1);
  size_t length = 0;
  text_word word;
  if (!out) return NULL;
  for (size_t at = 0; next_word(text, &at, &word);) {
    if (length) out[length++] = ' ';
    uint32_t code;
    for (size_t i = word.begin; i < word.end;) {
      i += read_one(text + i, &code);
      length += gm_utf8_write(out + length, (uint32_t)utf8proc_tolower((utf8proc_int32_t)code));
    }
  }
  out[length] = 0;
  return out;
}

bool word_in(const char *text, text_word word, const char *const *list) {
  size_t n = word.end - word.begin;
  for (; *list; list++)
    if (strlen(*list) == n && strncasecmp(text + word.begin, *list, n) == 0) return true;
  return false;
}
