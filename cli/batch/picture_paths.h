/* picture_paths.h - where --draw and --explain put their pictures: in one file, or in DIR/ a
 * file for each input, named after the input. */
#ifndef CLI_PICTURE_PATHS_H
#define CLI_PICTURE_PATHS_H

#include "gromatic.h"
#include "inputs.h"

/* How much of an input's name its picture's name has in a folder: as little as keeps all inputs
 * of a run apart. For a/x.jpg: */
typedef enum cli_drawn_name {
  DRAWN_STEM,         /* x.png */
  DRAWN_FILE,         /* x.jpg.png */
  DRAWN_FOLDERS_STEM, /* a-x.png */
  DRAWN_FOLDERS_FILE, /* a-x.jpg.png */
} cli_drawn_name;

/* Checks --draw or --explain before anything is computed (option: its name; given: its value,
 * or NULL). Makes its folder, chooses how its files are named, and removes what killed runs
 * left there. Refuses names that are equal, names of inputs, and, without force, files that
 * gromatic did not draw. Returns an exit code, after a message if it is not CLI_DONE. */
int cli_picture_paths_prepare(const char *option, const char *given, const cli_inputs *inputs,
                              bool force, cli_drawn_name *how);

/* The path of the picture that is made of `name`. */
void cli_picture_path(const char *given, cli_drawn_name how, const char *name, char *path,
                      size_t size);

/* GM_OK if a drawing may be written to path: nothing would be lost, or gromatic drew what is
 * there, or force. Else an error that says what to do. */
gm_status cli_drawing_may_replace(const char *path, bool force, gm_error *err);

/* Whether both name the same existing file. */
bool cli_same_file(const char *a, const char *b);

#endif
