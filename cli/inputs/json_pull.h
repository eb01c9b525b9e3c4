/* json_pull.h - reads a JSON text value by value, for files of hundreds of megabytes of which
 * little is needed, and for text from other programs. What is skipped is checked too, but takes
 * no memory. Like Python's reader it accepts NaN, Infinity and single surrogates in strings,
 * because Python's writer writes them. */
#ifndef CLI_JSON_PULL_H
#define CLI_JSON_PULL_H

#include <stdbool.h>
#include <stddef.h>

typedef enum pull_kind {
  PULL_NONE, /* there was no value */
  PULL_STRING,
  PULL_NUMBER,
  PULL_TRUE,
  PULL_FALSE,
  PULL_NULL,
  PULL_ARRAY,
  PULL_OBJECT
} pull_kind;

typedef struct pull_value {
  pull_kind kind;
  const char *text; /* as in the text; of a string the part between the quotes */
  size_t length;
} pull_value;

typedef struct pull_reader {
  const char *begin, *at;
  const char *wanted; /* what was expected at `at`; NULL: no error */
  bool first;         /* just after an opening bracket */
} pull_reader;

/* text: UTF-8, ends with a zero byte. */
pull_reader pull_begin(const char *text);

/* The kind of the next value, which is not read. */
pull_kind pull_peek(pull_reader *p);
/* Reads one value with all its contents. False if it is not JSON. */
bool pull_read(pull_reader *p, pull_value *out);

/* Enters the next value, an object or array. */
bool pull_enter(pull_reader *p);
/* Moves to the next element of the array, or to the value of the object's next member. False
 * after the last one, which leaves the array or object, or if it is not JSON. */
bool pull_element(pull_reader *p);
bool pull_member(pull_reader *p, pull_value *key);
/* Whether only white space is left. */
bool pull_end(pull_reader *p);

size_t pull_line(const pull_reader *p); /* The line of the current place; the first is 1. */

/* A string without its escapes, for free(). A single surrogate and U+0000 become U+FFFD. NULL
 * if the value is not a string, or memory is short. */
char *pull_string(const pull_value *value);
bool pull_is(const pull_value *value, const char *text);
/* The last member of that name of an object; the first element of an array. Kind PULL_NONE if
 * there is none. */
pull_value pull_member_of(const pull_value *object, const char *name);
pull_value pull_first_of(const pull_value *array);
/* NaN if it is not a number. */
double pull_number(const pull_value *value);

#endif
