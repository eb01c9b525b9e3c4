/* new_file.h - a file that appears whole or not at all: written beside its name, brought to
 * disk, then renamed. */
#ifndef GM_NEW_FILE_H
#define GM_NEW_FILE_H

#include "status.h"

typedef struct gm_new_file {
  int fd;
  char *path;
  char *temporary; /* NULL: path is a pipe or a device, which is written directly */
} gm_new_file;

/* Removes the parts of this file, FILE.PID-N.part (a long FILE is cut), that killed processes
 * left: those without the lock that gm_new_file_begin holds. Reads the directory. Never fails.
 */
void gm_new_file_remove_dead(const char *path);
/* The same for all files of a directory whose names have one of the endings (in lower case,
 * compared without regard to case, NULL after the last). Cut names are left alone. */
void gm_new_file_remove_dead_in(const char *directory, const char *const *endings);

/* Errors of all three: GM_ERR_IO, GM_ERR_MEMORY; the message names path. */
gm_status gm_new_file_begin(gm_new_file *file, const char *path, gm_error *err);
gm_status gm_new_file_write(gm_new_file *file, const void *bytes, size_t n, gm_error *err);
/* Brings the file to disk, renames it to its final name and brings that to disk too. Call
 * gm_new_file_end afterwards, and after any failure. */
gm_status gm_new_file_commit(gm_new_file *file, gm_error *err);
/* Removes the file if it was not committed; frees. */
void gm_new_file_end(gm_new_file *file);

#endif
