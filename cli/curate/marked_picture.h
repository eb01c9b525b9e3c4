/* marked_picture.h - the picture that a model sees: with the boxes' numbers on it. */
#ifndef CLI_MARKED_PICTURE_H
#define CLI_MARKED_PICTURE_H

#include "curate_set.h"

/* The PNG for free(); NULL after a message that names the file. folder: of the pictures. */
char *marked_picture(const curate_picture *picture, const char *folder, size_t *size);
/* The picture's path, for free(). */
char *picture_path(const curate_picture *picture, const char *folder);

/* Writes the bytes as a whole to the path. False after a message. */
bool write_bytes(const char *path, const char *bytes, size_t size);

#endif
