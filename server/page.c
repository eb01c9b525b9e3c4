/* page.c - see page.h. page_files.inc and page_files.S are made by CMakeLists.txt: a line for
 * each file of page/, and its bytes. */
#include "page.h"

#include "gromatic.h"

#include <stdio.h>
#include <string.h>

#define FILE_OF(symbol, name) extern const unsigned char symbol[], symbol##_end[];
#include "page_files.inc"
#undef FILE_OF

#define FILE_OF(symbol, name) {name, symbol, symbol##_end},
static const srv_page_file files[] = {
#include "page_files.inc"
};
#undef FILE_OF

const char srv_page_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'";

const srv_page_file *srv_page_find(const char *path) {
  const char *name = "";
  if (strcmp(path, "/") == 0) name = "index.html";
  if (strncmp(path, "/page/", 6) == 0) name = path + 6;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    if (strcmp(files[i].name, name) == 0) return &files[i];
  return NULL;
}

const char *srv_page_media_type(const srv_page_file *file) {
  static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                         {".css", "text/css; charset=utf-8"},
                                         {".js", "text/javascript; charset=utf-8"},
                                         {".svg", "image/svg+xml"},
                                         {".jpg", "image/jpeg"}};
  const char *ending = strrchr(file->name, '.');
  for (size_t i = 0; ending && i < sizeof types / sizeof types[0]; i++)
    if (strcmp(types[i][0], ending) == 0) return types[i][1];
  return "application/octet-stream";
}

void srv_page_tag(const srv_page_file *file, char tag[68]) {
  char sum[65];
  gm_sha256(file->bytes, (size_t)(file->end - file->bytes), sum);
  snprintf(tag, 68, "\"%s\"", sum);
}
