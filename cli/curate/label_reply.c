/* label_reply.c - see label_reply.h. */
#include "label_reply.h"

#include "curate_words.h"
#include "text_buffer.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_WORDS = 8 }; /* of a name; with an article fewer than a phrase may have */

/* Boxes of one name. */
typedef struct label_group {
  const char *name;
  bool is_class; /* else a description, which has its own article */
  size_t boxes[64], n;
} label_group;

typedef struct label_writer {
  const curate_picture *picture;
  label_group *groups;
  size_t n_groups;
  uint64_t seed; /* of the file's name; chooses among equal wordings */
  json_t *turns;
} label_writer;

/* ---- words ---- */

static const char *const plurals[][2] = {
    {"person", "people"},     {"man", "men"},           {"woman", "women"},
    {"child", "children"},    {"mouse", "mice"},        {"knife", "knives"},
    {"sheep", "sheep"},       {"skis", "skis"},         {"fish", "fish"},
    {"scissors", "scissors"}, {"broccoli", "broccoli"}, {"leaf", "leaves"}};

static const char *irregular(const char *word) {
  for (size_t i = 0; i < sizeof plurals / sizeof *plurals; i++)
    if (strcasecmp(plurals[i][0], word) == 0) return plurals[i][1];
  return NULL;
}

static bool ends_in(const char *word, const char *end) {
  size_t n = strlen(word), m = strlen(end);
  return n >= m && strcasecmp(word + n - m, end) == 0;
}

/* "sports ball" -> "sports balls". For free(). */
static char *plural_of(const char *name) {
  const char *space = strrchr(name, ' '), *last = space ? space + 1 : name;
  const char *own = irregular(last);
  size_t n = strlen(name), before = (size_t)(last - name);
  const char *vowel = n > before + 1 ? strchr("aeiou", name[n - 2]) : name;
  char *text = NULL;
  int length;
  if (own)
    length = asprintf(&text, "%.*s%s", (int)before, name, own);
  else if (ends_in(last, "y") && !vowel)
    length = asprintf(&text, "%.*sies", (int)n - 1, name);
  else if (ends_in(last, "s") || ends_in(last, "x") || ends_in(last, "ch") ||
           ends_in(last, "sh"))
    length = asprintf(&text, "%ses", name);
  else
    length = asprintf(&text, "%ss", name);
  return length < 0 ? NULL : text;
}

static bool is_plural(const char *name) {
  const char *space = strrchr(name, ' '), *last = space ? space + 1 : name;
  return strcasecmp(last, "skis") == 0 || strcasecmp(last, "scissors") == 0;
}

static bool has_article(const char *name) {
  return strncasecmp(name, "a ", 2) == 0 || strncasecmp(name, "an ", 3) == 0 ||
         strncasecmp(name, "the ", 4) == 0;
}

/* "a dog", "an apple", "two dogs", "skis". For free(). */
static char *counted(const label_group *g) {
  static const char *const words[] = {"no",   "one",    "two",   "three", "four",
                                      "five", "six",    "seven", "eight", "nine",
                                      "ten",  "eleven", "twelve"};
  char *text = NULL;
  int length = 0;
  if (g->n == 1 && (is_plural(g->name) || has_article(g->name) || !g->is_class)) {
    length = asprintf(&text, "%s", g->name);
  } else if (g->n == 1) {
    length = asprintf(&text, "%s %s", strchr("aeiouAEIOU", g->name[0]) ? "an" : "a", g->name);
  } else {
    char *many = plural_of(g->name);
    if (!many) return NULL;
    length = g->n <= 12 ? asprintf(&text, "%s %s", words[g->n], many)
                        : asprintf(&text, "%zu %s", g->n, many);
    free(many);
  }
  return length < 0 ? NULL : text;
}

/* ---- turns ---- */

static bool add(gm_text *text, const char *part) {
  return part && gm_text_append(text, part, strlen(part), NULL) == GM_OK;
}

static bool add_marks(gm_text *text, const label_group *g) {
  char mark[32];
  for (size_t i = 0; i < g->n; i++) {
    snprintf(mark, sizeof mark, "[%zu]", g->boxes[i] + 1);
    if (!add(text, mark)) return false;
  }
  return true;
}

static bool add_phrase(gm_text *text, const char *phrase, const label_group *g) {
  return add(text, "{") && add(text, phrase) && add(text, "}") && add_marks(text, g);
}

/* Takes over the answer. */
static bool add_turn(label_writer *w, bool ok, const char *question, gm_text *answer) {
  ok = ok && question &&
       json_array_append_new(w->turns,
                             json_pack("{s:s, s:s}", "q", question, "a", answer->bytes)) == 0;
  gm_text_free(answer);
  return ok;
}

static bool all_turn(label_writer *w) {
  static const char *const questions[] = {"What can be seen in the picture?",
                                          "Which things are in the picture?",
                                          "What does the picture show?"};
  gm_text text = {0};
  bool one = w->groups[0].n == 1 && !is_plural(w->groups[0].name);
  bool ok = add(&text, one ? "There is " : "There are ");
  for (size_t i = 0; ok && i < w->n_groups; i++) {
    char *phrase = counted(&w->groups[i]);
    if (i) ok = add(&text, i + 1 < w->n_groups ? ", " : " and ");
    ok = ok && add_phrase(&text, phrase, &w->groups[i]);
    free(phrase);
  }
  ok = ok && add(&text, ".");
  return add_turn(w, ok, questions[w->seed % 3], &text);
}

/* Whether the word names the group: its class for one box, the plural for several. */
static bool names_group(const char *text, text_word word, const label_group *g) {
  char *many = g->n > 1 ? plural_of(g->name) : NULL;
  const char *name = many ? many : g->name, *space = strrchr(name, ' ');
  const char *const wanted[] = {space ? space + 1 : name, NULL};
  bool found = g->is_class && word_in(text, word, wanted);
  free(many);
  return found;
}

/* Where the phrase that ends with word j begins: at its article or number, if one stands a few
 * words before it with nothing but words between. */
static size_t phrase_begin(const char *text, const text_word *words, size_t j) {
  static const char *const openings[] = {"a",    "an",   "the", "two",   "three",
                                         "four", "five", "six", "seven", "eight",
                                         "some", "many", NULL};
  enum { MOST_BEFORE = 4 };
  for (size_t i = j, n = 0; i > 0 && n < MOST_BEFORE; n++) {
    text_word w = words[--i];
    bool apart = words[i + 1].begin != w.end + 1 || text[w.end] != ' ';
    if (apart || word_in(text, w, prepositions) || word_in(text, w, stop_words)) break;
    if (word_in(text, w, openings)) return w.begin;
  }
  return words[j].begin;
}

/* Appends the caption from `from` up to the phrase that ends with word j, and the phrase with
 * its marks. */
static bool add_named(gm_text *out, const char *caption, size_t from, const text_word *words,
                      size_t j, const label_group *g) {
  size_t begin = phrase_begin(caption, words, j);
  if (begin < from) begin = words[j].begin;
  return gm_text_append(out, caption + from, begin - from, NULL) == GM_OK && add(out, "{") &&
         gm_text_append(out, caption + begin, words[j].end - begin, NULL) == GM_OK &&
         add(out, "}") && add_marks(out, g);
}

/* The caption with marks after the words that name a class, each class once. */
static bool caption_turn(label_writer *w, const char *caption) {
  static const char *const questions[] = {"How would you describe the picture in one sentence?",
                                          "What is going on in the picture?",
                                          "Please describe the picture."};
  gm_text text = {0};
  bool used[64] = {false};
  size_t from = 0, n;
  if (strpbrk(caption, "[]{}<>")) return true; /* they would be read as marks */
  text_word *words = all_words(caption, &n);
  bool ok = words != NULL;
  for (size_t j = 0; ok && j < n; j++)
    for (size_t i = 0; ok && i < w->n_groups; i++) {
      if (used[i] || !names_group(caption, words[j], &w->groups[i])) continue;
      used[i] = true;
      ok = add_named(&text, caption, from, words, j, &w->groups[i]);
      from = words[j].end;
      break;
    }
  free(words);
  ok = ok && add(&text, caption + from);
  if (ok && from) return add_turn(w, ok, questions[w->seed / 3 % 3], &text);
  gm_text_free(&text);
  return ok;
}

static const char *place_of(const curate_picture *p, const curate_box *b) {
  static const char *const places[3][3] = {
      {"at the upper left", "at the top", "at the upper right"},
      {"on the left", "in the middle", "on the right"},
      {"at the lower left", "at the bottom", "at the lower right"}};
  double x = 3 * (b->x + b->w / 2) / p->width, y = 3 * (b->y + b->h / 2) / p->height;
  return places[y < 1 ? 0 : y < 2 ? 1 : 2][x < 1 ? 0 : x < 2 ? 1 : 2];
}

static bool where_turn(label_writer *w, const label_group *g) {
  char *question = NULL, *phrase = NULL;
  gm_text text = {0};
  if (asprintf(&question, "Where %s the %s?", is_plural(g->name) ? "are" : "is", g->name) < 0)
    question = NULL;
  if (asprintf(&phrase, "The %s", g->name) < 0) phrase = NULL;
  bool ok = add_phrase(&text, phrase, g) && add(&text, is_plural(g->name) ? " are " : " is ") &&
            add(&text, place_of(w->picture, &w->picture->boxes[g->boxes[0]])) &&
            add(&text, " of the picture.");
  ok = add_turn(w, ok, question, &text);
  free(question);
  free(phrase);
  return ok;
}

static bool count_turn(label_writer *w, const label_group *g) {
  char *question = NULL, *many = plural_of(g->name), *phrase = counted(g);
  gm_text text = {0};
  if (!many || asprintf(&question, "How many %s are there?", many) < 0) question = NULL;
  bool ok = add(&text, "There are ") && add_phrase(&text, phrase, g) && add(&text, ".");
  ok = add_turn(w, ok, question, &text);
  free(question);
  free(many);
  free(phrase);
  return ok;
}

/* ---- the whole ---- */

static bool group_boxes(label_writer *w) {
  const curate_picture *p = w->picture;
  w->groups = calloc(p->n_boxes + 1, sizeof *w->groups);
  for (size_t i = 0; w->groups && i < p->n_boxes; i++) {
    const char *kind = p->boxes[i].kind, *name = p->boxes[i].text;
    bool is_class = kind && strcmp(kind, name) == 0;
    size_t k = 0, words = count_words(name);
    /* What cannot be a phrase is not named. */
    if (!words || words > MOST_WORDS || strpbrk(name, "[]{}<>")) continue;
    while (k < w->n_groups && !(is_class && strcmp(w->groups[k].name, name) == 0)) k++;
    if (k == w->n_groups)
      w->groups[w->n_groups++] = (label_group){.name = name, .is_class = is_class};
    w->groups[k].boxes[w->groups[k].n++] = i;
  }
  return w->groups != NULL;
}

char *label_reply(const curate_picture *picture) {
  label_writer w = {.picture = picture, .seed = 14695981039346656037u, .turns = json_array()};
  for (const char *c = picture->file; *c; c++) /* FNV-1a */
    w.seed = (w.seed ^ (unsigned char)*c) * 1099511628211u;
  bool ok = w.turns && group_boxes(&w);
  if (ok && w.n_groups) ok = all_turn(&w);
  if (ok && picture->n_captions)
    ok = caption_turn(&w, picture->captions[w.seed % picture->n_captions]);
  bool counted_one = false, placed_one = false;
  for (size_t i = 0; ok && i < w.n_groups; i++) {
    const label_group *g = &w.groups[(i + w.seed % w.n_groups) % w.n_groups];
    if (g->n > 1 && !counted_one) counted_one = true, ok = count_turn(&w, g);
    if (g->n == 1 && g->is_class && !placed_one) placed_one = true, ok = where_turn(&w, g);
  }
  char *text = ok ? json_dumps(w.turns, JSON_COMPACT) : NULL;
  json_decref(w.turns);
  free(w.groups);
  return text;
}
