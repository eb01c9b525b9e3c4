/* saving.c - see saving.h. */
#include "saving.h"

#include "export.h"
#include "export_part.h"
#include "file_names.h"
#include "gromatic_tools.h"
#include "picture_paths.h"
#include "terminal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static bool is_there(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && !(S_ISREG(st.st_mode) && st.st_size == 0);
}

bool cli_save_drawing(const char *path, const gm_image *image, const cli_report *last,
                      bool force) {
  gm_error err = {0};
  bool drawn = true;
  if (!force && is_there(path) && gm_drawn_by_gromatic(path, &drawn, &err) == GM_OK && !drawn) {
    cli_error("/save %s: found a file that is not known as a drawing of gromatic; give another "
              "name, or replace it with /save! %s",
              path, path);
    return false;
  }
  const gm_draw_params params = cli_report_drawing(last);
  if (err.status == GM_OK) gm_draw(image, &params, path, &err);
  if (err.status != GM_OK) cli_error("/save %s: %s", path, err.message);
  return err.status == GM_OK;
}

bool cli_save_turns(const char *path, const json_t *turns, bool force) {
  size_t i;
  json_t *turn;
  export_file file;
  if (cli_is_picture_name(path)) {
    cli_error("/save %s: found a picture's name that cannot be drawn; wanted FILE.png or "
              "FILE.jpg for the annotated picture, another name for the conversation",
              path);
    return false;
  }
  if (!force && is_there(path) && !cli_format_is_earlier(FORMAT_JSON, path)) {
    cli_error("/save %s: found a file that holds no lines of gromatic; give another name, or "
              "replace it with /save! %s",
              path, path);
    return false;
  }
  bool ok = export_file_open(&file, path);
  if (ok) {
    json_array_foreach(turns, i, turn) ok =
        ok && json_dumpf(turn, file.out, JSON_COMPACT | JSON_REAL_PRECISION(10)) == 0 &&
        fputc('\n', file.out) != EOF;
    ok = export_file_close(&file, ok);
  }
  if (!ok) cli_error("/save %s: cannot write: %s", path, strerror(errno));
  return ok;
}
