/* curate_words.h - the words of a text: letters and digits of any script, with ' ’ - inside.
 * The lists of words that the rules for replies know. */
#ifndef CLI_CURATE_WORDS_H
#define CLI_CURATE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct text_word {
  size_t begin, end; /* bytes */
} text_word;

/* The next word at or after *at, which moves to its end. False: there is none. text: valid
 * UTF-8. */
bool next_word(const char *text, size_t *at, text_word *out);
size_t count_words(const char *text);
/* All words, for free(); NULL if memory is short. */
text_word *all_words(const char *text, size_t *n);

/* Valid UTF-8 with one space for each run of white space and control characters, none at the
 * ends, and without characters that are not seen. For free(); NULL if memory is short. */
char *tidy_text(const char *text);
/* The words in lower case with one space between, for free(); NULL if memory is short. */
char *lower_words(const char *text);

/* Whether the word is one of a list of words in lower case that ends with NULL. ASCII's letters
 * are compared without regard to case. */
bool word_in(const char *text, text_word word, const char *const *list);

extern const char *const prepositions[];  /* without "of" */
extern const char *const stop_words[];    /* others, which end a phrase too */
extern const char *const mark_words[];    /* an answer must not speak of marks */
extern const char *const leaning_words[]; /* a question with one first needs the one before */
extern const char *const english_words[]; /* a longer English text has one of them */

#endif
