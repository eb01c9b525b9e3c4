/* text_file.h - the one reader of text inputs: a file, "-" for standard input, or what can be
 * read only once (a pipe, /dev/fd/N). Text is cleaned as gm_text_import says. */
#ifndef CLI_TEXT_FILE_H
#define CLI_TEXT_FILE_H

#include <jansson.h>

#include <stddef.h>
#include <stdio.h>

/* The most that a file of names, sentences or descriptions may have. */
enum { CLI_MAX_TEXT = 256 << 20 };

/* The whole text with a NUL after it, of at most limit bytes; NULL after a message, in which
 * option ("--regions", or "") stands in front of the path. *size (may be NULL) is its length.
 * free() it. */
char *cli_read_text(const char *option, const char *path, size_t limit, size_t *size);

/* The same, kept until the program ends: whoever asks again for this option gets the same text,
 * though a pipe can be read only once and a file may have changed. */
const char *cli_kept_text(const char *option, const char *path, size_t limit, size_t *size);

/* The JSON in a file; NULL after a message. json_decref it. */
json_t *cli_read_json(const char *option, const char *path, size_t limit, size_t flags);

/* An object's member by a name as gm_name_compare sees it; NULL if there is none. */
json_t *cli_member_named(json_t *object, const char *name);

#endif
