/* file_names.h - what a file's name tells of it. */
#ifndef CLI_FILE_NAMES_H
#define CLI_FILE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* True for .jpg, .jpeg, .png and .webp that do not begin with a dot. */
bool cli_is_picture_name(const char *name);
/* Whether it is that of a picture in a format that is not read, as HEIC or GIF. */
bool cli_is_other_picture_name(const char *name);

/* True where a word reads as the name of a file: it has a slash, or an ending that begins with
 * a letter (names.txt), and no comma. */
bool cli_reads_as_file(const char *word);

/* True where the name ends as those of pictures do that can be drawn: .png, .jpg, .jpeg. */
bool cli_is_drawn_name(const char *name);

/* Bytes of the name without the slashes at its end; of "/" 1. */
size_t cli_length_without_slashes(const char *name);

/* The name without what says nothing: "./" at its beginning and within, and slashes that are
 * repeated; "./a//b/./c.png" is "a/b/c.png". ".." stays: what it means depends on links. free()
 * it; NULL if memory is short. */
char *cli_plain_name(const char *path);

/* The file that a symbolic link means, though it is not there yet; the path itself where it is
 * no link. What is written there leaves the link one. free() it; NULL if memory is short. */
char *cli_real_name(const char *path);

#endif
