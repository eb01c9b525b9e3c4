/* reply_check.c - see reply_check.h. */
#include "reply_check.h"

#include "answer_text.h"
#include "reply_array.h"
#include "room.h"
#include "tags.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
  MOST_PHRASE_WORDS = 10,
  MOST_QUESTION_WORDS = 60,
  MOST_ANSWER_WORDS = 150,
  MOST_TURNS = 5,
  JUDGED_WORDS = 8, /* a shorter text may have no common English word */
};

const char *const reply_reason_names[N_REPLY_REASONS] = {
    "kept",     "empty",     "token-inside",    "mark-in-question", "mark-unknown",
    "dup-mark", "no-phrase", "phrase-too-long", "mark-talk",        "mismatch",
    "language", "length",    "duplicate"};

typedef struct checker {
  const marked_boxes *boxes;
  checked_reply *out;
  json_t *kept;      /* {words of a kept question: true} */
  char **class_ends; /* [n] last words of the classes in lower case; NULL: unknown */
  size_t n_boxes_named;
  reply_reason last; /* of the turn before */
  bool ok;           /* memory suffices */
} checker;

/* One turn. Questions are read as answers are, since both may hold brackets and braces. */
typedef struct turn {
  answer_text q, a;
  bool missing;
} turn;

static bool has_words(const char *text) {
  size_t at = 0;
  text_word word;
  return next_word(text, &at, &word);
}

static bool has_tag(const answer_text *t) {
  size_t n;
  return gm_find_tag(t->text, &n) || gm_find_tag(t->plain, &n);
}

static reply_reason check_marks(const checker *c, const answer_text *a) {
  bool twice = false;
  bool *seen = malloc(c->boxes->n + 1);
  for (size_t i = 0; seen && i < a->n_groups; i++) {
    memset(seen, 0, c->boxes->n + 1);
    for (size_t k = 0; k < a->groups[i].n; k++) {
      size_t mark = a->marks[a->groups[i].first + k];
      if (mark < 1 || mark > c->boxes->n) {
        free(seen);
        return REPLY_MARK_UNKNOWN;
      }
      twice |= seen[mark];
      seen[mark] = true;
    }
  }
  free(seen);
  return twice || !seen ? REPLY_DUP_MARK : REPLY_KEPT;
}

/* no-phrase, then phrase-too-long, in any of the groups. */
static reply_reason check_phrases(checker *c, const answer_text *a) {
  reply_reason found = REPLY_KEPT;
  for (size_t i = 0; c->ok && i < a->n_groups && found != REPLY_NO_PHRASE; i++) {
    char *phrase = answer_phrase(a, &a->groups[i]);
    c->ok = phrase != NULL;
    size_t n = phrase ? count_words(phrase) : 1;
    free(phrase);
    if (!n) found = REPLY_NO_PHRASE;
    if (n > MOST_PHRASE_WORDS) found = REPLY_PHRASE_TOO_LONG;
  }
  return found;
}

/* ---- talk of marks ---- */

static bool same_word(const char *text, text_word a, const char *other, text_word b) {
  size_t n = a.end - a.begin;
  return n == b.end - b.begin && strncasecmp(text + a.begin, other + b.begin, n) == 0;
}

static bool is_described(const checker *c, const char *text, text_word word) {
  for (size_t i = 0; i < c->boxes->n; i++) {
    text_word other;
    for (size_t at = 0; next_word(c->boxes->descriptions[i], &at, &other);)
      if (same_word(text, word, c->boxes->descriptions[i], other)) return true;
  }
  return false;
}

static bool talks_of_marks(const checker *c, const char *text) {
  text_word word;
  for (size_t at = 0; next_word(text, &at, &word);)
    if (word_in(text, word, mark_words) && !is_described(c, text, word)) return true;
  for (const char *p = text; (p = strpbrk(p, "#(")); p++) {
    const char *inside = p + 1 + strspn(p + 1, " ");
    size_t digits = strspn(inside, "0123456789");
    if (digits && (*p == '#' || inside[digits + strspn(inside + digits, " ")] == ')'))
      return true;
  }
  return false;
}

/* ---- classes ---- */

/* The last word, in lower case, for free(); NULL if there is none. */
static char *last_word(const char *text, bool *ok) {
  char *words = text ? lower_words(text) : NULL;
  if (text && !words) *ok = false;
  char *space = words ? strrchr(words, ' ') : NULL;
  if (space) memmove(words, space + 1, strlen(space));
  if (words && !*words) {
    free(words);
    words = NULL;
  }
  return words;
}

/* The word before a preposition or "of" that is not the first word; else the last one. In lower
 * case, for free(). */
static char *head_word(const char *phrase) {
  static const char *const of[] = {"of", NULL};
  text_word word, head = {0, 0};
  for (size_t at = 0, n = 0; next_word(phrase, &at, &word); n++) {
    if (n && (word_in(phrase, word, of) || word_in(phrase, word, prepositions))) break;
    head = word;
  }
  char *text = strndup(phrase + head.begin, head.end - head.begin);
  char *lower = text ? lower_words(text) : NULL;
  free(text);
  return lower;
}

/* As it is, or less -s or -es. */
static bool names_class(const char *head, const char *name) {
  size_t n = strlen(head), m = strlen(name);
  if (n < m || strncmp(head, name, m) != 0) return false;
  return !head[m] || strcmp(head + m, "s") == 0 || strcmp(head + m, "es") == 0;
}

/* Whether the phrase names the class of some box, but not that of all boxes of its group. */
static bool is_mismatch(checker *c, const answer_text *a, const mark_group *g) {
  char *phrase = answer_phrase(a, g), *head = phrase ? head_word(phrase) : NULL;
  bool any = false, all = true;
  c->ok = c->ok && head;
  for (size_t i = 0; head && *head && i < c->boxes->n; i++)
    any |= c->class_ends[i] && names_class(head, c->class_ends[i]);
  for (size_t k = 0; any && k < g->n; k++) {
    const char *name = c->class_ends[a->marks[g->first + k] - 1];
    all = all && (!name || names_class(head, name));
  }
  free(phrase);
  free(head);
  return any && !all;
}

static bool has_mismatch(checker *c, const answer_text *a) {
  for (size_t i = 0; i < a->n_groups; i++)
    if (is_mismatch(c, a, &a->groups[i])) return true;
  return false;
}

/* ---- language, duplicates ---- */

typedef struct letters {
  size_t n, ascii, words;
  bool english; /* one of the words is among the common ones */
} letters;

static void count_letters(letters *l, const char *text) {
  text_word word;
  for (size_t at = 0; next_word(text, &at, &word); l->words++) {
    l->english |= word_in(text, word, english_words);
    for (size_t i = word.begin; i < word.end;) {
      unsigned char first = (unsigned char)text[i];
      bool letter = (first | 0x20) >= 'a' && (first | 0x20) <= 'z' && first < 0x80;
      l->ascii += letter;
      l->n += letter || first >= 0x80;
      for (i++; i < word.end && ((unsigned char)text[i] & 0xC0) == 0x80;) i++;
    }
  }
}

static bool is_foreign(const turn *t) {
  letters l = {0};
  count_letters(&l, t->q.plain);
  count_letters(&l, t->a.plain);
  return 5 * l.ascii < 4 * l.n || (l.words >= JUDGED_WORDS && !l.english);
}

/* Whether an earlier kept question has the same words; they are kept in *words for free(). */
static bool was_asked(checker *c, const turn *t, char **words) {
  *words = lower_words(t->q.plain);
  c->ok = c->ok && *words;
  return *words && json_object_get(c->kept, *words);
}

/* ---- a turn ---- */

static reply_reason check_turn(checker *c, const turn *t, size_t number, char **words) {
  reply_reason marks, phrases;
  if (t->missing || !has_words(t->q.text) || !has_words(t->a.plain)) return REPLY_EMPTY;
  if (has_tag(&t->q) || has_tag(&t->a)) return REPLY_TOKEN_INSIDE;
  if (t->q.n_groups || t->q.wrong_brackets) return REPLY_MARK_IN_QUESTION;
  if (t->a.wrong_brackets) return REPLY_MARK_UNKNOWN;
  if ((marks = check_marks(c, &t->a)) != REPLY_KEPT) return marks;
  if ((phrases = check_phrases(c, &t->a)) != REPLY_KEPT) return phrases;
  if (talks_of_marks(c, t->a.plain)) return REPLY_MARK_TALK;
  if (has_mismatch(c, &t->a)) return REPLY_MISMATCH;
  if (is_foreign(t)) return REPLY_LANGUAGE;
  if (number > MOST_TURNS || count_words(t->q.plain) > MOST_QUESTION_WORDS ||
      count_words(t->a.plain) > MOST_ANSWER_WORDS)
    return REPLY_LENGTH;
  return was_asked(c, t, words) ? REPLY_DUPLICATE : REPLY_KEPT;
}

/* Whether the question needs the one before. */
static bool leans(const turn *t) {
  size_t at = 0;
  text_word word;
  return !t->missing && next_word(t->q.text, &at, &word) &&
         word_in(t->q.text, word, leaning_words);
}

static void keep_turn(checker *c, const turn *t, const char *words) {
  json_t *asked = answer_turn(&t->q), *answered = answer_turn(&t->a);
  c->ok = c->ok && asked && answered && json_object_set_new(c->kept, words, json_true()) == 0;
  if (c->ok) {
    c->n_boxes_named += t->a.n_marks;
    c->out->repaired |= t->q.lone_brace || t->a.lone_brace;
    c->ok = json_array_append(c->out->conversation, asked) == 0 &&
            json_array_append(c->out->conversation, answered) == 0;
  }
  json_decref(asked);
  json_decref(answered);
}

static void reject(checker *c, size_t number, reply_reason reason) {
  checked_reply *out = c->out;
  reply_reject *grown = gm_room_for_one(out->rejects, out->n_rejects, sizeof *grown);
  c->ok = c->ok && grown;
  if (!grown) return;
  out->rejects = grown;
  grown[out->n_rejects++] = (reply_reject){number, reason};
}

static void take_turn(checker *c, const reply_turn *given, size_t number) {
  turn t = {.missing = !given->q || !given->a};
  char *words = NULL;
  c->ok = answer_text_read(&t.q, given->q ? given->q : "") && c->ok;
  c->ok = answer_text_read(&t.a, given->a ? given->a : "") && c->ok;
  if (c->ok) {
    bool goes_with = c->last != REPLY_KEPT && leans(&t);
    if (!goes_with) c->last = check_turn(c, &t, number, &words);
    if (c->last != REPLY_KEPT)
      reject(c, number, c->last);
    else if (c->ok)
      keep_turn(c, &t, words);
  }
  free(words);
  answer_text_free(&t.q);
  answer_text_free(&t.a);
}

static bool find_class_ends(checker *c) {
  c->class_ends = calloc(c->boxes->n + 1, sizeof *c->class_ends);
  bool ok = c->class_ends != NULL;
  for (size_t i = 0; ok && c->boxes->classes && i < c->boxes->n; i++)
    c->class_ends[i] = last_word(c->boxes->classes[i], &ok);
  return ok;
}

bool check_reply(checked_reply *out, const char *reply, const marked_boxes *boxes) {
  *out = (checked_reply){.conversation = json_array()};
  checker c = {.boxes = boxes, .out = out, .kept = json_object()};
  reply_array array = {0};
  c.ok = out->conversation && c.kept && find_class_ends(&c) && reply_array_read(&array, reply);
  out->repaired = array.mended;
  for (size_t i = 0; c.ok && i < array.n; i++) take_turn(&c, &array.turns[i], i + 1);
  if (c.ok && !c.n_boxes_named && !out->n_rejects) reject(&c, 0, REPLY_EMPTY);
  if (!c.n_boxes_named) {
    json_decref(out->conversation);
    out->conversation = NULL;
  }
  for (size_t i = 0; c.class_ends && i < boxes->n; i++) free(c.class_ends[i]);
  free(c.class_ends);
  json_decref(c.kept);
  reply_array_free(&array);
  return c.ok;
}

void checked_reply_free(checked_reply *checked) {
  json_decref(checked->conversation);
  free(checked->rejects);
}
