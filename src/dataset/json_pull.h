/* json_pull.h - reads a JSON text value by value, for files of hundreds of megabytes of which
 * little is needed, and for text from other programs. What is skipped is checked too, but takes
 * no memory. Like Python's reader it accepts NaN, Infinity and single surrogates in strings,
 * because Python's writer writes them. */
#ifndef GM_JSON_PULL_H
#define GM_JSON_PULL_H

#include <stdbool.h>
#include <stddef.h>

typedef enum gm_pull_kind {
  GM_PULL_NONE, /* there was no value */
  GM_PULL_STRING,
  GM_PULL_NUMBER,
  GM_PULL_TRUE,
  GM_PULL_FALSE,
  GM_PULL_NULL,
  GM_PULL_ARRAY,
  GM_PULL_OBJECT
} gm_pull_kind;

typedef struct gm_pull_value {
  gm_pull_kind kind;
  const char *text; /* as in the text; of a string the part between the quotes */
  size_t length;
} gm_pull_value;

typedef struct gm_pull_reader {
  const char *begin, *at;
  const char *wanted; /* what was expected at `at`; NULL: no error */
  bool first;         /* just after an opening bracket */
} gm_pull_reader;

/* text: UTF-8, ends with a zero byte. */
gm_pull_reader gm_pull_begin(const char *text);

/* The kind of the next value, which is not read. */
gm_pull_kind gm_pull_peek(gm_pull_reader *p);
/* Reads one value with all its contents. False if it is not JSON. */
bool gm_pull_read(gm_pull_reader *p, gm_pull_value *out);

/* Enters the next value, an object or array. */
bool gm_pull_enter(gm_pull_reader *p);
/* Moves to the next element of the array, or to the value of the object's next member. False
 * after the last one, which leaves the array or object, or if it is not JSON. */
bool gm_pull_element(gm_pull_reader *p);
bool gm_pull_member(gm_pull_reader *p, gm_pull_value *key);
/* Whether only white space is left. */
bool gm_pull_end(gm_pull_reader *p);

size_t
gm_pull_line(const gm_pull_reader *p); /* The line of the current place; the first is 1. */

/* A string without its escapes, for free(). A single surrogate and U+0000 become U+FFFD. NULL
 * if the value is not a string, or memory is short. */
char *gm_pull_string(const gm_pull_value *value);
bool gm_pull_is(const gm_pull_value *value, const char *text);
/* The last member of that name of an object; the first element of an array. Kind GM_PULL_NONE
 * if there is none. */
gm_pull_value gm_pull_member_of(const gm_pull_value *object, const char *name);
gm_pull_value gm_pull_first_of(const gm_pull_value *array);
/* NaN if it is not a number. */
double gm_pull_number(const gm_pull_value *value);

#endif
