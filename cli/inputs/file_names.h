/* file_names.h - what the name of a file says about it. */
#ifndef CLI_FILE_NAMES_H
#define CLI_FILE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Whether it ends in .jpg, .jpeg, .png or .webp and does not begin with a dot. */
bool cli_is_picture_name(const char *name);
/* Whether it is the name of a picture in a format that cannot be read, as HEIC or GIF. */
bool cli_is_other_picture_name(const char *name);

/* Whether a word looks like the name of a file: it has a slash, or an ending that begins with a
 * letter (names.txt), and no comma. */
bool cli_reads_as_file(const char *word);

/* Whether it ends in .png, .jpg or .jpeg, as drawings do. */
bool cli_is_drawn_name(const char *name);

/* The length of the name without the slashes at its end; 1 for "/". */
size_t cli_length_without_slashes(const char *name);

/* The name without needless parts: "./" at its beginning and within, and repeated slashes.
 * "./a//b/./c.png" becomes "a/b/c.png". ".." stays, because its meaning depends on links. For
 * free(); NULL if memory is short. */
char *cli_plain_name(const char *path);

/* The file that a symbolic link leads to, even if it does not exist yet; the path itself if it
 * is not a link. Writing to that file keeps the link. For free(); NULL if memory is short. */
char *cli_real_name(const char *path);

#endif
