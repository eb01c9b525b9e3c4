/* prompts_file.c - see prompts_file.h. */
#include "prompts_file.h"

#include "curate_prompt.h"
#include "export_part.h"
#include "marked_picture.h"
#include "terminal.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* "out/prompts.jsonl" -> "out/prompts-marked", for free(). */
static char *marked_folder(const char *path) {
  size_t n = strlen(path);
  char *folder = NULL;
  if (n > 6 && strcmp(path + n - 6, ".jsonl") == 0) n -= 6;
  if (asprintf(&folder, "%.*s-marked", (int)n, path) < 0) return NULL;
  if (mkdir(folder, 0777) == 0 || errno == EEXIST) return folder;
  cli_error("%s: cannot make the folder: %s", folder, strerror(errno));
  free(folder);
  return NULL;
}

static bool write_line(FILE *out, const curate_picture *p, const char *image,
                       const char *text) {
  json_t *line = json_pack("{s:o, s:s, s:s}", "id", json_loads(p->id, JSON_DECODE_ANY, NULL),
                           "image", image, "text", text);
  bool ok = line && json_dumpf(line, out, JSON_COMPACT) == 0 && fputc('\n', out) != EOF;
  json_decref(line);
  return ok;
}

/* *failed grows where the picture cannot be read. */
static bool write_one(FILE *out, const curate_picture *p, size_t number, const char *marked,
                      const char *folder, const char *instructions, size_t *failed) {
  size_t size;
  char *png = marked_picture(p, folder, &size), *image = NULL, *text = NULL;
  *failed += !png;
  if (!png || cli_interrupted()) {
    free(png);
    return !cli_interrupted();
  }
  bool ok = asprintf(&image, "%s/%06zu.png", marked, number) >= 0;
  if (!ok) image = NULL;
  text = curate_prompt(instructions, p);
  ok = ok && text && write_bytes(image, png, size) && write_line(out, p, image, text);
  free(png);
  free(image);
  free(text);
  return ok;
}

bool prompts_write(const char *path, const curate_set *set, const char *folder,
                   const char *instructions, size_t *failed) {
  char *marked = marked_folder(path);
  export_file file;
  bool ok = marked != NULL;
  if (ok && !export_file_open(&file, path)) {
    cli_error("%s: cannot write: %s", path, strerror(errno));
    free(marked);
    return false;
  }
  for (size_t i = 0; ok && i < set->n; i++)
    ok = write_one(file.out, &set->pictures[i], i, marked, folder, instructions, failed);
  if (marked) ok = export_file_close(&file, ok) && ok;
  if (!ok && !cli_interrupted()) cli_error("%s: cannot write all of it", path);
  free(marked);
  return ok;
}
