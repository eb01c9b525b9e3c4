/* caption_tokens.c - see caption_tokens.h. A scanner: at each place the first rule that applies
 * takes its characters. */
#include "caption_tokens.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { NO_BREAK_SPACE = 0xA0 }; /* stands for a space within a token, as in "2 1/2" */

typedef struct scanner {
  const uint32_t *text; /* code points; spaces are ' ', apostrophes ' */
  size_t n, at;
  gm_ids *out;
  gm_name_table *words;
  gm_error *err;
  gm_status status;
} scanner;

/* ---- characters ---- */

static bool is_digit(uint32_t c) {
  return c >= '0' && c <= '9';
}

static bool is_upper(uint32_t c) {
  return c >= 'A' && c <= 'Z';
}

static bool is_letter(uint32_t c) {
  if (c < 128) return (c | 32) >= 'a' && (c | 32) <= 'z';
  utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
  return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_MC) ||
         kind == UTF8PROC_CATEGORY_ND;
}

static bool is_alnum(uint32_t c) {
  return is_letter(c) || is_digit(c);
}

static bool is_space(uint32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 ||
         (c >= 0x2000 && c <= 0x200B) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000 || c == 0xFE0F || c > 0xFFFF || c < 32;
}

static bool is_quote(uint32_t c) {
  return c == '"' || c == '\'' || c == '`' || c == 0xAB || c == 0xBB ||
         (c >= 0x2018 && c <= 0x201D && c != 0x201A && c != 0x201B) || c == 0x2039 ||
         c == 0x203A;
}

static uint32_t peek(const scanner *s, size_t ahead) {
  return s->at + ahead < s->n ? s->text[s->at + ahead] : 0;
}

static bool one_of(uint32_t c, const char *list) {
  return c && c < 128 && strchr(list, (int)c);
}

static uint32_t lower(uint32_t c) {
  return c < 128 ? (is_upper(c) ? c | 32 : c) : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

/* The length of this ASCII word at `ahead`, without case; 0 if it is not there. */
static size_t ahead_is(const scanner *s, size_t ahead, const char *word) {
  size_t n = strlen(word);
  for (size_t i = 0; i < n; i++)
    if (lower(peek(s, ahead + i)) != (unsigned char)word[i]) return 0;
  return n;
}

static bool in_list(const scanner *s, size_t n, const char *const *list, bool with_case) {
  for (; *list; list++) {
    size_t i = 0;
    if (strlen(*list) != n) continue;
    while (i < n && (with_case ? peek(s, i) : lower(peek(s, i))) == (unsigned char)(*list)[i])
      i++;
    if (i == n) return true;
  }
  return false;
}

/* ---- tokens ---- */

static bool is_dropped(const char *token) {
  static const char *const dropped[] = {"''", "'", "``", "`",  ".",   "?", "!",
                                        ",",  ":", "-",  "--", "...", ";"};
  for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++)
    if (strcmp(token, dropped[i]) == 0) return true;
  return false;
}

static void emit_bytes(scanner *s, const char *token, size_t length) {
  if (s->status != GM_OK || !length || is_dropped(token)) return;
  size_t number = gm_name_table_add(s->words, token, length);
  if (number == GM_NAME_NONE || number > INT32_MAX)
    s->status = gm_fail_memory(s->err, "words", length);
  else
    s->status = gm_ids_append(s->out, (int32_t)number, s->err);
}

static void emit_word(scanner *s, const char *token) {
  emit_bytes(s, token, strlen(token));
}

/* The name of a bracket; NULL if it is none. */
static const char *bracket(uint32_t c) {
  static const char *const names[] = {"-lrb-", "-rrb-", "-lsb-", "-rsb-", "-lcb-", "-rcb-"};
  const char *brackets = "()[]{}",
             *found = one_of(c, brackets) ? strchr(brackets, (int)c) : NULL;
  return found ? names[found - brackets] : NULL;
}

/* The next n characters are a token. */
static void take(scanner *s, size_t n) {
  gm_text token = {0};
  for (size_t i = 0; s->status == GM_OK && i < n; i++) {
    uint8_t bytes[4];
    uint32_t c = peek(s, i) == ' ' ? NO_BREAK_SPACE : lower(peek(s, i));
    const char *name = bracket(c);
    if (name)
      s->status = gm_text_append_string(&token, name, s->err);
    else if (c != 0xAD) /* a soft hyphen */
      s->status = gm_text_append(
          &token, bytes, (size_t)utf8proc_encode_char((utf8proc_int32_t)c, bytes), s->err);
  }
  if (token.bytes) emit_bytes(s, token.bytes, token.length);
  gm_text_free(&token);
  s->at += n;
}

/* ---- addresses, tags, signs ---- */

static bool in_address(uint32_t c) {
  return c && !is_space(c) && !one_of(c, "\"<>|(){}");
}

/* The length of an address of the web at this place. */
static size_t url_length(const scanner *s) {
  size_t n = ahead_is(s, 0, "http://");
  if (!n) n = ahead_is(s, 0, "https://");
  bool full = n > 0;
  if (!full) n = ahead_is(s, 0, "www.");
  size_t begin = n;
  if (!n) return 0;
  while (in_address(peek(s, n))) n++;
  while (n > begin && one_of(peek(s, n - 1), ".!?,-")) n--;
  return n > begin ? n : 0;
}

static size_t mail_length(const scanner *s) {
  size_t n = 0;
  while (in_address(peek(s, n)) && peek(s, n) != '@') n++;
  if (n == 0 || peek(s, n) != '@' || !is_alnum(peek(s, 0))) return 0;
  size_t end = 0;
  for (n++; in_address(peek(s, n)) && !one_of(peek(s, n), "[],;:"); n++)
    if (peek(s, n) != '.') end = n + 1;
  return end;
}

static bool in_tag_name(uint32_t c) {
  return is_alnum(c) || one_of(c, "_:.-");
}

/* <word>, </word>, <word and more> or <!...>. */
static size_t tag_length(const scanner *s) {
  size_t n = 1;
  if (peek(s, 0) != '<') return 0;
  if (peek(s, 1) == '!' || peek(s, 1) == '?') {
    if (!is_letter(peek(s, 2)) && peek(s, 2) != '-') return 0;
    while (peek(s, n) && peek(s, n) != '>') n++;
    return peek(s, n) ? n + 1 : 0;
  }
  n += peek(s, 1) == '/';
  if (!is_letter(peek(s, n))) return 0;
  while (in_tag_name(peek(s, n)) || (peek(s, n) == ' ' && is_letter(peek(s, n + 1)))) n++;
  while (peek(s, n) == ' ') n++;
  n += peek(s, n) == '/';
  return peek(s, n) == '>' ? n + 1 : 0;
}

static size_t smiley_length(const scanner *s) {
  size_t n = one_of(peek(s, 0), "<>");
  if (!one_of(peek(s, n), ":;=")) return 0;
  n++;
  for (size_t nose = 0; nose < 2; nose++) {
    if (nose && !one_of(peek(s, n), "-o*'")) break;
    size_t mouth = n + nose;
    if (one_of(peek(s, mouth), "()DPdpO\\:{@|[]") && !is_letter(peek(s, mouth + 1)))
      return mouth + 1;
  }
  return 0;
}

/* Reads what stands for another character; true if something was there. */
static bool scan_entity(scanner *s) {
  static const struct {
    const char *text, *token;
  } entities[] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "'"}};
  for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
    size_t n = ahead_is(s, 0, entities[i].text);
    if (!n) continue;
    emit_word(s, entities[i].token);
    s->at += n;
    return true;
  }
  static const struct {
    uint32_t c;
    const char *token;
  } signs[] = {{0xA3, "#"},   {0x20AC, "$"},  {0xA2, "cents"}, {0xBD, "1/2"},  {0xBC, "1/4"},
               {0xBE, "3/4"}, {0x2013, "--"}, {0x2014, "--"},  {0x2026, "..."}};
  for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
    if (peek(s, 0) == signs[i].c) {
      emit_word(s, signs[i].token);
      s->at++;
      return true;
    }
  return false;
}

static void scan_sign(scanner *s) {
  uint32_t c = peek(s, 0);
  size_t n = 1;
  if (c == '#' && is_letter(peek(s, 1))) {
    while (is_letter(peek(s, n))) n++;
  } else if (one_of(c, "*_-#<>")) {
    while (peek(s, n) == c) n++;
  } else if (c == '?' || c == '!') {
    while (peek(s, n) == '?' || peek(s, n) == '!') n++;
  } else if (c == '@' && (is_letter(peek(s, 1)) || peek(s, 1) == '_')) {
    while (is_alnum(peek(s, n)) || peek(s, n) == '_') n++;
  }
  if (is_quote(c) || (c == '-' && n < 4)) /* a longer line is a token */
    s->at += n;
  else
    take(s, n);
}

/* ---- numbers ---- */

static size_t digits_at(const scanner *s, size_t ahead) {
  size_t n = 0;
  while (is_digit(peek(s, ahead + n))) n++;
  return n;
}

/* A number with inner punctuation, a leading dot or a sign; 0 if there is none. */
static size_t number_length(const scanner *s) {
  size_t sign = one_of(peek(s, 0), "+-"), n = sign + digits_at(s, sign);
  bool marked = sign > 0;
  while (one_of(peek(s, n), ".,:") && is_digit(peek(s, n + 1))) {
    n += 1 + digits_at(s, n + 1);
    marked = true;
  }
  return marked && n > sign ? n : 0;
}

/* "2 1/2". */
static size_t mixed_number_length(const scanner *s) {
  size_t whole = digits_at(s, 0), over = digits_at(s, whole + 1),
         under = digits_at(s, whole + over + 2), n = whole + over + under + 2;
  if (whole < 1 || whole > 4 || peek(s, whole) != ' ' || over < 1 || over > 4 ||
      peek(s, whole + 1 + over) != '/' || under < 1 || under > 4 || is_alnum(peek(s, n)))
    return 0;
  return n;
}

/* ---- words ---- */

static const char *const kept_whole[] = {"o'clock", "n'est", "c'est", "qu'il",
                                         "ma'am",   "ol'",   NULL};
static const char *const after_quote[] = {"'em", "'til", "'cause", "'n'", "'n", NULL};
static const char *const abbreviations[] = {
    "mr",   "mrs",  "ms",   "mme",  "mlle",  "messrs", "dr",   "drs",  "prof",  "sr",   "jr",
    "esq",  "lt",   "gen",  "capt", "col",   "maj",    "cpl",  "sgt",  "pvt",   "adm",  "brig",
    "cmdr", "supt", "insp", "det",  "gov",   "atty",   "rev",  "msgr", "sen",   "rep",  "pres",
    "hon",  "st",   "ave",  "rd",   "blvd",  "bldg",   "mt",   "ft",   "inc",   "corp", "co",
    "ltd",  "bros", "assn", "univ", "dept",  "est",    "ext",  "vs",   "etc",   "al",   "jan",
    "feb",  "mar",  "apr",  "jun",  "jul",   "aug",    "sept", "oct",  "nov",   "dec",  "mon",
    "tue",  "tues", "wed",  "thu",  "thurs", "fri",    "ala",  "ariz", "calif", "colo", "conn",
    "fla",  "ga",   "ind",  "kans", "ky",    "md",     "mich", "minn", "mo",    "mont", "neb",
    "nev",  "okla", "penn", "tenn", "va",    "vt",     "wis",  "wyo",  NULL};
static const char *const capital_abbreviations[] = {"Del", "Ill", "La",  "Mass", "Miss",
                                                    "Ore", "Pa",  "Tex", "Wash", NULL};
/* Where a sentence begins, a single letter before it ended one. */
static const char *const openers[] = {
    "A",    "About",   "According", "Additionally", "After", "An",      "As",   "At",
    "But",  "Earlier", "He",        "Her",          "Here",  "However", "If",   "In",
    "It",   "Last",    "Many",      "More",         "Mr.",   "Ms.",     "Now",  "Once",
    "One",  "Other",   "Our",       "She",          "Since", "So",      "Some", "Such",
    "That", "The",     "Their",     "Then",         "There", "These",   "They", "This",
    "We",   "What",    "When",      "While",        "Yet",   "You",     NULL};

static size_t letters_at(const scanner *s, size_t ahead) {
  size_t n = 0;
  while (is_letter(peek(s, ahead + n)) || (n && peek(s, ahead + n) == 0xAD)) n++;
  return n;
}

/* The length of a clitic with its apostrophe: 's 'm 'd 're 've 'll at a word's end. */
static size_t clitic_length(const scanner *s, size_t ahead) {
  static const char *const clitics[] = {"'s", "'m", "'d", "'re", "'ve", "'ll"};
  for (size_t i = 0; i < sizeof clitics / sizeof clitics[0]; i++) {
    size_t n = ahead_is(s, ahead, clitics[i]);
    if (n && !is_alnum(peek(s, ahead + n))) return n;
  }
  return 0;
}

/* Words that begin with an apostrophe. */
static bool scan_after_quote(scanner *s) {
  if (peek(s, 0) != '\'') return false;
  for (size_t i = 0; after_quote[i]; i++) {
    size_t n = ahead_is(s, 0, after_quote[i]);
    if (!n || is_alnum(peek(s, n))) continue;
    take(s, n);
    return true;
  }
  for (size_t i = 0; i < 2; i++) {
    size_t n = ahead_is(s, 0, i ? "'twas" : "'tis");
    if (!n || is_alnum(peek(s, n))) continue;
    take(s, 2);
    take(s, n - 2);
    return true;
  }
  size_t clitic = clitic_length(s, 0);
  if (peek(s, 1) >= '2' && peek(s, 1) <= '9' && peek(s, 2) == '0')
    clitic = 3 + (peek(s, 3) == 's');
  if (clitic && is_digit(peek(s, 1)) && !is_alnum(peek(s, clitic))) {
    take(s, clitic);
    return true;
  }
  return false;
}

/* Words with an apostrophe in them: o'clock, d'or, y'all. */
static bool scan_with_quote(scanner *s) {
  for (size_t i = 0; kept_whole[i]; i++) {
    size_t n = ahead_is(s, 0, kept_whole[i]);
    if (!n || is_alnum(peek(s, n))) continue;
    take(s, n);
    return true;
  }
  if (one_of(peek(s, 0), "dDoOlL") && peek(s, 1) == '\'' && is_letter(peek(s, 2))) {
    take(s, 2 + letters_at(s, 2));
    return true;
  }
  if (lower(peek(s, 0)) == 'y' && peek(s, 1) == '\'' && ahead_is(s, 2, "all") &&
      !is_alnum(peek(s, 5))) {
    take(s, 2);
    take(s, 3);
    return true;
  }
  return false;
}

/* AT&T, US$, C++. */
static size_t capitals_length(const scanner *s) {
  size_t n = 0;
  while (is_upper(peek(s, n))) n++;
  if (n && peek(s, n) == '$') return n + 1;
  size_t whole = n;
  while (whole && peek(s, whole) == '&' && is_upper(peek(s, whole + 1)))
    for (whole++; is_upper(peek(s, whole));) whole++;
  if (whole > n && !is_alnum(peek(s, whole))) return whole;
  if (ahead_is(s, 0, "c++")) return 3;
  return ahead_is(s, 0, "c#") && !is_alnum(peek(s, 2)) ? 2 : 0;
}

/* Single letters with dots between them: u.s. */
static size_t initials_length(const scanner *s) {
  size_t n = 1;
  if (!is_letter(peek(s, 0))) return 0;
  while (peek(s, n) == '.' && is_letter(peek(s, n + 1)) && !is_alnum(peek(s, n + 2))) n += 2;
  return n > 1 ? n + (peek(s, n) == '.') : 0;
}

/* Whether a single letter's dot, before `ahead`, is the end of a sentence. */
static bool before_opener(const scanner *s, size_t ahead) {
  if (peek(s, ahead) != ' ') return false;
  scanner next = *s;
  for (next.at += ahead; peek(&next, 0) == ' ';) next.at++;
  size_t n = 0;
  while (peek(&next, n) && peek(&next, n) != ' ') n++;
  return in_list(&next, n, openers, true);
}

/* Whether the n letters here keep the dot after them. */
static bool keeps_dot(const scanner *s, size_t n) {
  size_t next = n + 1;
  if (n == 1) return !before_opener(s, next);
  while (peek(s, next) == ' ') next++;
  if (ahead_is(s, 0, "no") && n == 2) return is_digit(peek(s, next));
  return in_list(s, n, abbreviations, false) || in_list(s, n, capital_abbreviations, true);
}

/* Takes n characters, cut in two where English runs words together: can not, does n't. */
static void take_cut(scanner *s, size_t n, bool only_letters) {
  static const char *const words[] = {"cannot", "gonna", "gotta", "wanna",
                                      "gimme",  "lemme", NULL};
  if (only_letters && in_list(s, n, words, false)) {
    take(s, 3);
    take(s, n - 3);
    return;
  }
  bool negated =
      only_letters && n > 1 && ahead_is(s, n - 1, "n't") && !is_alnum(peek(s, n + 2));
  take(s, negated ? n - 1 : n);
  size_t clitic = negated ? 3 : clitic_length(s, 0);
  if (clitic)
    take(s, clitic);
  else if (peek(s, 0) == '\'')
    s->at++;
}

/* Words with a dot, ! or ? between them and no space: one.the. */
static size_t joined_length(const scanner *s) {
  size_t n = 0, joints = 0;
  while (is_letter(peek(s, n))) {
    while (is_alnum(peek(s, n))) n++;
    if (!one_of(peek(s, n), ".?!") || !is_letter(peek(s, n + 1))) break;
    n++;
    joints++;
  }
  return joints ? n : 0;
}

static void scan_word(scanner *s) {
  size_t n = mail_length(s), letters = letters_at(s, 0);
  if (!n) n = capitals_length(s);
  if (!n && ahead_is(s, 0, "ph.d.") && !is_alnum(peek(s, 5))) n = 5;
  if (!n) n = initials_length(s);
  if (n) {
    take(s, n);
    return;
  }
  if (letters && scan_with_quote(s)) return;
  if ((n = joined_length(s))) {
    take_cut(s, n, true);
    return;
  }
  if (letters && peek(s, letters) == '.' && keeps_dot(s, letters)) {
    take(s, letters + 1);
    return;
  }
  for (size_t slashes = 0;; n++) {
    while (is_alnum(peek(s, n)) || (n && peek(s, n) == 0xAD)) n++;
    slashes += peek(s, n) == '/';
    const char *joints = slashes == 0 ? "-_" : slashes <= 2 ? "-/" : "";
    if (!one_of(peek(s, n), joints) || !is_alnum(peek(s, n + 1))) break;
  }
  take_cut(s, n, n == letters);
}

static void scan(scanner *s) {
  while (s->status == GM_OK && s->at < s->n) {
    size_t n;
    uint32_t c = peek(s, 0);
    if (c == ' ')
      s->at++;
    else if (scan_entity(s) || scan_after_quote(s))
      continue;
    else if ((n = tag_length(s)) || (n = url_length(s)) || (n = smiley_length(s)) ||
             (n = mixed_number_length(s)) || (n = number_length(s)))
      take(s, n);
    else if (is_alnum(c))
      scan_word(s);
    else
      scan_sign(s);
  }
}

gm_status caption_tokens(gm_ids *out, gm_name_table *words, const char *text, gm_error *err) {
  size_t length = strlen(text), n = 0;
  uint32_t *points = calloc(length + 1, sizeof *points);
  if (!points) return gm_fail_memory(err, "a caption", length);
  for (size_t i = 0; i < length;) {
    utf8proc_int32_t c;
    utf8proc_ssize_t read = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                             (utf8proc_ssize_t)(length - i), &c);
    i += read > 0 ? (size_t)read : 1;
    if (read <= 0) continue;
    points[n++] = is_space((uint32_t)c) ? ' ' : c == 0x2019 || c == 0x92 ? '\'' : (uint32_t)c;
  }
  scanner s = {points, n, 0, out, words, err, GM_OK};
  scan(&s);
  free(points);
  return s.status;
}

/* ---- answers ---- */

static void collapse_spaces(char *text) {
  char *to = text;
  for (const char *c = text; *c; c++) {
    bool space = *c == ' ' || (*c >= 9 && *c <= 13);
    if (space && (to == text || to[-1] == ' ')) continue;
    *to++ = space ? ' ' : *c;
  }
  if (to > text && to[-1] == ' ') to--;
  *to = 0;
}

void caption_clean(char *text) {
  char *to = text;
  for (char *c = text; *c; c++)
    if (*c != '\n' && *c != '\r') *to++ = *c;
  *to = 0;
  to = text;
  for (char *c = text; *c; c++) {
    char *end = *c == '<' ? strchr(c, '>') : NULL;
    if (end)
      c = end;
    else
      *to++ = *c;
  }
  *to = 0;
  collapse_spaces(text);
  size_t begin = strspn(text, "'"), end = strlen(text);
  while (end > begin && text[end - 1] == '\'') end--;
  memmove(text, text + begin, end - begin);
  text[end - begin] = 0;
  collapse_spaces(text);
}
