/* text_file.h - reads all text inputs: a file, "-" for standard input, or what can be read only
 * once (a pipe, /dev/fd/N). Text is cleaned as gm_text_import does. */
#ifndef CLI_TEXT_FILE_H
#define CLI_TEXT_FILE_H

#include <jansson.h>

#include <stddef.h>
#include <stdio.h>

/* The largest file of names, sentences or descriptions, in bytes. */
enum { CLI_MAX_TEXT = 256 << 20 };

/* The whole text of at most limit bytes with a NUL after it, for free(); NULL after a message.
 * In messages, option ("--regions", or "") is before the path. *size (may be NULL) is its
 * length. */
char *cli_read_text(const char *option, const char *path, size_t limit, size_t *size);

/* The same, kept until the program ends. The next call for this option and path gets the same
 * text, though a pipe can be read only once and a file may have changed. */
const char *cli_kept_text(const char *option, const char *path, size_t limit, size_t *size);

/* The JSON in a file; NULL after a message. json_decref it. */
json_t *cli_read_json(const char *option, const char *path, size_t limit, size_t flags);

/* An object's member whose name is equal by gm_name_compare; NULL if there is none. */
json_t *cli_member_named(json_t *object, const char *name);

#endif
