/* answer_lines.c - see answer_lines.h. */
#include "answer_lines.h"

#include "gromatic.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- text that is not a description ---- */

static bool is_blank(const char *from, const char *to) {
  while (from < to && isspace((unsigned char)*from)) from++;
  return from == to;
}

/* Between a pair of marks. Also if only the end mark exists (the prompt had the beginning), or
 * only the beginning (the answer was cut). */
static void drop_between(char *text, const char *begin, const char *end, size_t *dropped) {
  char *at = text, *to = text; /* read and written so far */
  char *open = strcasestr(text, begin), *close = strcasestr(text, end);
  while (open || close) {
    bool both = open && (!close || open < close);
    const char *inside = both ? open + strlen(begin) : text;
    *dropped += !is_blank(inside, close ? close : strchr(at, 0));
    if (both) memmove(to, at, (size_t)(open - at));
    to = both ? to + (open - at) : text;
    at = close ? close + strlen(end) : strchr(at, 0);
    if (open && open < at) open = strcasestr(at, begin);
    if (close) close = strcasestr(at, end);
  }
  memmove(to, at, strlen(at) + 1);
}

static void drop_reasoning(char *text, answer_drops *drops) {
  static const char *const marks[][2] = {
      {"<think>", "</think>"},
      {"<thinking>", "</thinking>"},
      {"<thought>", "</thought>"},
      {"<reasoning>", "</reasoning>"},
      {"<reflection>", "</reflection>"},
      {"[THINK]", "[/THINK]"},
      {"<|channel|>analysis<|message|>", "<|channel|>final<|message|>"},
  };
  for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
    drop_between(text, marks[i][0], marks[i][1], &drops->reasoning);
}

/* U+FFFD, which replaces invalid characters, and bytes that are not UTF-8. */
static void drop_damage(char *text, answer_drops *drops) {
  enum { REPLACEMENT = 0xFFFD };
  char *to = text;
  const char *at = text, *end = strchr(text, 0);
  while (at < end) {
    uint32_t code;
    bool safe;
    size_t n = gm_text_next(at, (size_t)(end - at), &code, &safe);
    bool damaged = code == REPLACEMENT;
    drops->characters += damaged;
    if (!damaged) memmove(to, at, n);
    if (!damaged) to += n;
    at += n;
  }
  *to = 0;
}

/* ---- one line ---- */

static size_t bullet_length(const char *line) {
  static const char *const bullets[] = {"-",      "*",      "+",      ">",      "\u2022",
                                        "\u2013", "\u2014", "\u2023", "\u25E6", "\u00B7",
                                        "\u25AA", "\u25CF", "\u25CB"};
  for (size_t i = 0; i < sizeof bullets / sizeof bullets[0]; i++) {
    size_t length = strlen(bullets[i]);
    if (strncmp(line, bullets[i], length) == 0 && isspace((unsigned char)line[length]))
      return length;
  }
  return 0;
}

/* "1. ", "12) ", "(3) ", "1.A", "a) "; not "1950s", "3D", "2 wheels", "4.5 metres". */
static size_t number_length(const char *line) {
  const char *c = line + (line[0] == '(');
  size_t digits = strspn(c, "0123456789");
  bool letter = !digits && isalpha((unsigned char)c[0]) && c[1] == ')';
  if ((digits < 1 || digits > 3) && !letter) return 0;
  c += letter ? 1 : digits;
  if (*c != ')' && (*c != '.' || line[0] == '(')) return 0;
  c++;
  bool ends = !*c || isspace((unsigned char)*c) ||
              (!letter && (isalpha((unsigned char)*c) || *c == '*'));
  return ends ? (size_t)(c - line) : 0;
}

static char *without_list_marks(char *line) {
  for (bool bullet = true, number = true;;) {
    while (isspace((unsigned char)*line)) line++;
    size_t length = bullet ? bullet_length(line) : 0;
    if (length) {
      bullet = *line == '>'; /* a quotation may begin with a list mark */
    } else {
      length = number ? number_length(line) : 0;
      number = false;
    }
    if (!length) return line;
    line += length;
  }
}

/* A line that is in quotes from beginning to end, as models write sentences, and as JSON has
 * them that is cut or faulty. */
static char *without_quotes(char *line) {
  char *from = line + (line[0] == '[');
  size_t length = strlen(from);
  if (*from != '"') return line;
  while (length > 1 && strchr(",]", from[length - 1])) length--;
  if (length < 3 || from[length - 1] != '"' || memchr(from + 1, '"', length - 2)) return line;
  from[length - 1] = 0;
  return from + 1;
}

static void drop_emphasis(char *line) {
  char *to = line;
  for (const char *c = line; *c; c++) {
    if (*c == '*' || *c == '`' || (c[0] == '_' && c[1] == '_') ||
        (c > line && c[0] == '_' && c[-1] == '_'))
      continue;
    *to++ = *c;
  }
  *to = 0;
}

static bool ends_in(const char *line, const char *any) {
  size_t length = strlen(line);
  while (length && strchr("*_`\"' ", line[length - 1])) length--;
  return length && strchr(any, line[length - 1]);
}

/* A line that is bold as a whole and not a sentence. */
static bool is_bold_heading(const char *line) {
  size_t length = strlen(line);
  bool marked = strncmp(line, "**", 2) == 0 || strncmp(line, "__", 2) == 0;
  if (!marked || length < 5) return false;
  const char *end = strstr(line + 2, strncmp(line, "**", 2) == 0 ? "**" : "__");
  return end && (!end[2] || strcmp(end + 2, ":") == 0) && !ends_in(line, ".!?");
}

static bool is_heading(const char *line) {
  size_t marks = strspn(line, "#");
  return (marks && isspace((unsigned char)line[marks])) || is_bold_heading(line);
}

static bool has_letters(const char *line) {
  for (; *line; line++)
    if (isalnum((unsigned char)*line) || (unsigned char)*line >= 0x80) return true;
  return false;
}

static bool add_line(json_t *list, char *line, answer_drops *drops) {
  size_t length = strlen(line);
  while (length && isspace((unsigned char)line[length - 1])) line[--length] = 0;
  line = without_quotes(without_list_marks(line));
  if (!has_letters(line) && !strchr(line, '|')) return true; /* a rule, a bracket, or empty */
  size_t *dropped = strchr(line, '|')    ? &drops->rows
                    : is_heading(line)   ? &drops->headings
                    : ends_in(line, ":") ? &drops->openings
                                         : NULL;
  if (dropped) {
    ++*dropped;
    return true;
  }
  drop_emphasis(line);
  line += strspn(line, " \t");
  return !*line || json_array_append_new(list, json_string(line)) == 0;
}

/* ---- the whole ---- */

static bool add_text(json_t *list, char *text, answer_drops *drops) {
  bool ok = true;
  for (char *line; ok && (line = strsep(&text, "\n"));) ok = add_line(list, line, drops);
  return ok;
}

/* Adds the strings, not the names of members. jansson limits the depth. */
static bool add_strings(json_t *list, json_t *value, answer_drops *drops) {
  bool ok = true;
  size_t i;
  json_t *item;
  const char *name;
  json_array_foreach(value, i, item) ok = ok && add_strings(list, item, drops);
  json_object_foreach(value, name, item) ok = ok && add_strings(list, item, drops);
  if (!json_is_string(value)) return ok;
  char *text = strdup(json_string_value(value));
  ok = text && add_text(list, text, drops);
  free(text);
  return ok;
}

/* The length of JSON that begins and ends with a line; 0 if there is none. *looked_to: where
 * the attempt ended. No further attempt begins before that, so that a text full of brackets
 * takes no longer than another. */
static size_t add_json(json_t *list, const char *text, const char **looked_to,
                       answer_drops *drops, bool *ok) {
  json_error_t end;
  if ((*text != '[' && *text != '{') || text < *looked_to) return 0;
  json_t *value = json_loads(text, JSON_DISABLE_EOF_CHECK, &end);
  const char *rest = value ? text + end.position : text;
  *looked_to = text + end.position;
  bool whole = value && is_blank(rest, rest + strcspn(rest, "\n"));
  if (whole) *ok = add_strings(list, value, drops);
  json_decref(value);
  return whole ? (size_t)end.position : 0;
}

static bool is_fence(const char *line) {
  bool marked = strncmp(line, "```", 3) == 0 || strncmp(line, "~~~", 3) == 0;
  const char *again = marked ? strstr(line + 3, "```") : NULL;
  return marked && !(again && again < line + strcspn(line, "\n"));
}

/* After ```: a language whose text may be a description. */
static bool is_text(const char *language) {
  static const char *const texts[] = {"",          "text",     "txt", "plain",
                                      "plaintext", "markdown", "md",  "json"};
  size_t length = strcspn(language, " \t\r\n");
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (strlen(texts[i]) == length && strncasecmp(texts[i], language, length) == 0) return true;
  return false;
}

bool answer_lines(json_t *list, char *text, answer_drops *drops) {
  bool ok = true, fenced = false, code = false;
  const char *looked_to = text;
  drop_reasoning(text, drops);
  drop_damage(text, drops);
  while (ok && *text) {
    char *line = text + strspn(text, " \t");
    size_t length = strcspn(line, "\n");
    text = line + length + (line[length] != 0);
    if (is_fence(line)) {
      drops->fences += !fenced;
      code = !fenced && !is_text(line + 3);
      fenced = !fenced;
    } else if (!code) {
      size_t json = add_json(list, line, &looked_to, drops, &ok);
      if (json) text = line + json;
      if (!json) {
        line[length] = 0;
        ok = add_line(list, line, drops);
      }
    }
  }
  return ok;
}

bool answer_drops_text(const answer_drops *drops, char *out, size_t size) {
  const struct {
    size_t n;
    const char *one, *many;
  } all[] = {{drops->reasoning, "stretch of reasoning", "stretches of reasoning"},
             {drops->fences, "code fence", "code fences"},
             {drops->rows, "row of a table", "rows of tables"},
             {drops->headings, "heading", "headings"},
             {drops->openings, "line that only announces", "lines that only announce"},
             {drops->characters, "damaged character", "damaged characters"}};
  size_t length = 0;
  out[0] = 0;
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    if (!all[i].n || length >= size) continue;
    int more = snprintf(out + length, size - length, "%s%zu %s", length ? ", " : "", all[i].n,
                        all[i].n == 1 ? all[i].one : all[i].many);
    length += more > 0 ? (size_t)more : 0;
  }
  return length > 0;
}
