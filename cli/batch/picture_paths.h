/* picture_paths.h - where the pictures go that --draw and --explain make: one file, or in DIR/
 * a file for each input, named after it. */
#ifndef CLI_PICTURE_PATHS_H
#define CLI_PICTURE_PATHS_H

#include "gromatic.h"
#include "inputs.h"

/* How much of an input's name its picture's name has in a folder: as little as tells all inputs
 * of a run apart. Of a/x.jpg: */
typedef enum cli_drawn_name {
  DRAWN_STEM,         /* x.png */
  DRAWN_FILE,         /* x.jpg.png */
  DRAWN_FOLDERS_STEM, /* a-x.png */
  DRAWN_FOLDERS_FILE, /* a-x.jpg.png */
} cli_drawn_name;

/* Checks --draw or --explain (option: its name; given: its value, or NULL) before anything is
 * computed, makes its folder and finds out how its files are named: no two alike, none of the
 * inputs among them, and but for force nothing that gromatic has not drawn. Removes what killed
 * runs left there. Returns an exit code, after a message if it is not CLI_DONE. */
int cli_picture_paths_prepare(const char *option, const char *given, const cli_inputs *inputs,
                              bool force, cli_drawn_name *how);

/* Where the picture made of `name` goes. */
void cli_picture_path(const char *given, cli_drawn_name how, const char *name, char *path,
                      size_t size);

/* GM_OK where a drawing may be put at path: nothing is there that could be lost, gromatic drew
 * what is there, or force. Else an error that says what to do. */
gm_status cli_drawing_may_replace(const char *path, bool force, gm_error *err);

/* Whether both are names of one file that is there. */
bool cli_same_file(const char *a, const char *b);

#endif
