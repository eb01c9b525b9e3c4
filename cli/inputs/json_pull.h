/* json_pull.h - reads a JSON text value by value, for files of hundreds of megabytes of which
 * little is wanted, and for what other programs send: nothing is built of what is passed over,
 * but all of it is checked. As Python's reader it takes NaN and Infinity for numbers, and
 * halves of pairs in strings, which its writer writes. */
#ifndef CLI_JSON_PULL_H
#define CLI_JSON_PULL_H

#include <stdbool.h>
#include <stddef.h>

typedef enum pull_kind {
  PULL_NONE, /* no value was there */
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
  const char *text; /* as it stands there; of a string what is between the quotes */
  size_t length;
} pull_value;

typedef struct pull_reader {
  const char *begin, *at;
  const char *wanted; /* what was missed at `at`; NULL while all is well */
  bool first;         /* just after an opening bracket */
} pull_reader;

/* text: UTF-8 with a zero byte after it. */
pull_reader pull_begin(const char *text);

/* The kind of the value that stands next, which is not read. */
pull_kind pull_peek(pull_reader *p);
/* Reads one value with all that is in it. False where it is no JSON. */
bool pull_read(pull_reader *p, pull_value *out);

/* Goes into the object or array that stands next. */
bool pull_enter(pull_reader *p);
/* Goes to the next element of the array, or to the value of the object's next member; false
 * past the last, which leaves it, or where it is no JSON. */
bool pull_element(pull_reader *p);
bool pull_member(pull_reader *p, pull_value *key);
/* Nothing but white space is left. */
bool pull_end(pull_reader *p);

size_t pull_line(const pull_reader *p); /* of the place it is at; the first is 1 */

/* A string without its escapes; a half of a pair, and U+0000, become U+FFFD. free() it; NULL
 * where it is no string, or memory is short. */
char *pull_string(const pull_value *value);
bool pull_is(const pull_value *value, const char *text);
/* The last member of that name of an object, the first element of an array; of the kind
 * PULL_NONE where there is none. */
pull_value pull_member_of(const pull_value *object, const char *name);
pull_value pull_first_of(const pull_value *array);
/* NaN where it is no number. */
double pull_number(const pull_value *value);

#endif
