/* answer_text.c - see answer_text.h. */
#include "answer_text.h"

#include "room.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS_BACK = 6 };

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static size_t skip_spaces(const char *text, size_t at) {
  return at + strspn(text + at, " ");
}

/* ---- brackets ---- */

typedef enum bracket_kind { BRACKET_TEXT, BRACKET_MARKS, BRACKET_WRONG } bracket_kind;

/* What begins with the [ at `at`; *end: after its ]. */
static bracket_kind look_at_bracket(const char *text, size_t at, size_t *end) {
  size_t inside = strcspn(text + at + 1, "[]"), digits = 0, others = 0;
  const char *c = text + at + 1;
  for (size_t i = 0; i < inside; i++) {
    digits += is_digit(c[i]);
    others += !is_digit(c[i]) && c[i] != ',' && c[i] != ' ';
  }
  *end = at + 2 + inside;
  if (c[inside] != ']') return is_digit(c[strspn(c, " ")]) ? BRACKET_WRONG : BRACKET_TEXT;
  return !digits ? BRACKET_TEXT : others ? BRACKET_WRONG : BRACKET_MARKS;
}

static bool add_marks(answer_text *a, size_t begin, size_t end) {
  for (size_t i = begin; i < end; i++) {
    if (!is_digit(a->text[i])) continue;
    size_t *grown = gm_room_for_one(a->marks, a->n_marks, sizeof *a->marks), k = 0;
    if (!grown) return false;
    for (; is_digit(a->text[i]); i++)
      k = k > SIZE_MAX / 10 - 1 ? SIZE_MAX : 10 * k + (size_t)(a->text[i] - '0');
    a->marks = grown;
    a->marks[a->n_marks++] = k;
  }
  return true;
}

static bool add_group(answer_text *a, size_t begin, size_t end) {
  mark_group *grown = gm_room_for_one(a->groups, a->n_groups, sizeof *a->groups);
  if (!grown) return false;
  a->groups = grown;
  mark_group *g = &grown[a->n_groups++];
  *g = (mark_group){.begin = begin, .first = a->n_marks};
  for (size_t at = begin; a->text[at] == '['; at = skip_spaces(a->text, end)) {
    size_t closed;
    if (look_at_bracket(a->text, at, &closed) != BRACKET_MARKS) break;
    if (!add_marks(a, at, closed)) return false;
    end = closed;
  }
  g->end = end;
  g->n = a->n_marks - g->first;
  return true;
}

static bool find_groups(answer_text *a) {
  size_t end;
  for (size_t at = 0; a->text[at]; at++) {
    if (a->text[at] != '[') continue;
    bracket_kind kind = look_at_bracket(a->text, at, &end);
    a->wrong_brackets |= kind == BRACKET_WRONG;
    if (kind != BRACKET_MARKS) continue;
    if (!add_group(a, at, end)) return false;
    at = a->groups[a->n_groups - 1].end - 1;
  }
  return true;
}

/* ---- braces ---- */

static bool pair_braces(answer_text *a) {
  size_t length = strlen(a->text), open = 0;
  size_t *stack = malloc((length + 1) * sizeof *stack);
  a->brace = calloc(length + 1, sizeof *a->brace);
  bool ok = stack && a->brace;
  for (size_t i = 0; ok && i < length; i++) {
    if (a->text[i] == '{') stack[open++] = i;
    if (a->text[i] != '}') continue;
    if (open) {
      a->brace[i] = 1 + stack[--open];
      a->brace[stack[open]] = 1 + i;
    } else {
      a->lone_brace = true;
    }
  }
  a->lone_brace |= open > 0;
  free(stack);
  return ok;
}

/* ---- phrases ---- */

/* The words straight before `end`, back to a stop word or what is not a word. */
static size_t phrase_begin(const answer_text *a, const text_word *words, size_t n, size_t end) {
  size_t begin = end;
  for (size_t taken = 0; taken < MOST_WORDS_BACK && n > 0; taken++) {
    text_word w = words[--n];
    size_t after = taken ? begin - (a->text[begin - 1] == ' ') : end;
    if (w.end != after || word_in(a->text, w, prepositions) || word_in(a->text, w, stop_words))
      break;
    begin = w.begin;
  }
  return begin;
}

static void find_phrase(answer_text *a, mark_group *g, size_t earlier, const text_word *words,
                        size_t n_words) {
  size_t end = g->begin;
  while (end > earlier && a->text[end - 1] == ' ') end--;
  size_t open = end > earlier && a->text[end - 1] == '}' ? a->brace[end - 1] : 0;
  g->braces = open > earlier; /* else a group is between the braces */
  if (g->braces) {
    g->before = open - 1;
    g->phrase_begin = open;
    g->phrase_end = end - 1;
    return;
  }
  while (end > earlier && strchr(" {}", a->text[end - 1])) end--;
  size_t n = 0;
  for (size_t high = n_words; n < high;) { /* the words that end there or before */
    size_t middle = n + (high - n) / 2;
    if (words[middle].end <= end)
      n = middle + 1;
    else
      high = middle;
  }
  g->before = g->phrase_begin = phrase_begin(a, words, n, end);
  g->phrase_end = end;
}

static bool find_phrases(answer_text *a) {
  size_t n, earlier = 0;
  text_word *words = all_words(a->text, &n);
  for (size_t i = 0; words && i < a->n_groups; i++) {
    find_phrase(a, &a->groups[i], earlier, words, n);
    earlier = a->groups[i].end;
  }
  bool ok = words != NULL;
  free(words);
  return ok;
}

/* ---- writing ---- */

/* Appends text without braces and without a second space in a row. */
static size_t put_plain(char *out, size_t length, const char *text, size_t begin, size_t end) {
  for (size_t i = begin; i < end; i++) {
    if (text[i] == '{' || text[i] == '}') continue;
    if (text[i] == ' ' && (!length || out[length - 1] == ' ')) continue;
    out[length++] = text[i];
  }
  return length;
}

static size_t put_phrase(char *out, const answer_text *a, const mark_group *g) {
  size_t n = put_plain(out, 0, a->text, g->phrase_begin, g->phrase_end);
  while (n && out[n - 1] == ' ') n--;
  out[n] = 0;
  return n;
}

char *answer_phrase(const answer_text *a, const mark_group *g) {
  char *out = malloc(g->phrase_end - g->phrase_begin + 1);
  if (out) put_phrase(out, a, g);
  return out;
}

static bool make_plain(answer_text *a) {
  a->plain = malloc(strlen(a->text) + a->n_groups + 1);
  if (!a->plain) return false;
  size_t n = 0, at = 0;
  for (size_t i = 0; i < a->n_groups; at = a->groups[i++].end) {
    n = put_plain(a->plain, n, a->text, at, a->groups[i].begin);
    n = put_plain(a->plain, n, " ", 0, 1);
  }
  n = put_plain(a->plain, n, a->text, at, strlen(a->text));
  a->plain[n] = 0;
  return true;
}

json_t *answer_turn(const answer_text *a) {
  static const char open[] = "<p>", middle[] = "</p><roi>", box[] = "<ground_box>",
                    close[] = "</roi>";
  size_t room = strlen(a->text) + 1 + a->n_marks * (sizeof box - 1) +
                a->n_groups * (sizeof open + sizeof middle + sizeof close - 3);
  char *out = malloc(room);
  json_t *inds = json_array();
  bool ok = out && inds;
  size_t n = 0, at = 0;
  for (size_t i = 0; ok && i < a->n_groups; i++) {
    const mark_group *g = &a->groups[i];
    n = put_plain(out, n, a->text, at, g->before);
    n += (size_t)(stpcpy(out + n, open) - (out + n));
    n += put_phrase(out + n, a, g);
    n += (size_t)(stpcpy(out + n, middle) - (out + n));
    for (size_t k = 0; ok && k < g->n; k++) {
      n += (size_t)(stpcpy(out + n, box) - (out + n));
      ok = json_array_append_new(inds, json_integer((json_int_t)a->marks[g->first + k] - 1)) ==
           0;
    }
    n += (size_t)(stpcpy(out + n, close) - (out + n));
    at = g->end;
  }
  if (ok) n = put_plain(out, n, a->text, at, strlen(a->text));
  while (ok && n && out[n - 1] == ' ') n--;
  json_t *turn = ok ? json_pack("{s:s%, s:O}", "value", out, n, "box_inds", inds) : NULL;
  json_decref(inds);
  free(out);
  return turn;
}

bool answer_text_read(answer_text *out, const char *text) {
  *out = (answer_text){.text = tidy_text(text)};
  return out->text && find_groups(out) && pair_braces(out) && find_phrases(out) &&
         make_plain(out);
}

void answer_text_free(answer_text *a) {
  free(a->text);
  free(a->plain);
  free(a->brace);
  free(a->groups);
  free(a->marks);
}
