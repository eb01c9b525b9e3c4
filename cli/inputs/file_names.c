/* file_names.c - see file_names.h. */
#include "file_names.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool ends_with_one_of(const char *name, const char *const *endings) {
  const char *dot = strrchr(name, '.');
  for (; dot && *endings; endings++)
    if (strcasecmp(dot + 1, *endings) == 0) return name[0] != '.';
  return false;
}

bool cli_is_picture_name(const char *name) {
  static const char *const endings[] = {"jpg", "jpeg", "png", "webp", NULL};
  return ends_with_one_of(name, endings);
}

bool cli_is_other_picture_name(const char *name) {
  static const char *const endings[] = {"heic", "heif", "avif", "gif", "bmp", "tif", "tiff",
                                        "jxl",  "jp2",  "dng",  "cr2", "nef", "arw", NULL};
  return ends_with_one_of(name, endings);
}

bool cli_reads_as_file(const char *word) {
  enum { LONGEST_ENDING = 8 };
  const char *dot = strrchr(word, '.');
  size_t ending = dot && isalpha((unsigned char)dot[1]) ? strlen(dot + 1) : 0;
  if (strchr(word, ',')) return false;
  return strchr(word, '/') || (ending > 0 && ending <= LONGEST_ENDING && !strchr(dot, ' '));
}

bool cli_is_drawn_name(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 ||
                 strcasecmp(dot, ".jpeg") == 0);
}

size_t cli_length_without_slashes(const char *name) {
  size_t length = strlen(name);
  while (length > 1 && name[length - 1] == '/') length--;
  return length;
}

char *cli_plain_name(const char *path) {
  char *name = malloc(strlen(path) + 1), *to = name;
  if (!name) return NULL;
  for (const char *at = path; *at;) {
    bool begins = to == name || to[-1] == '/'; /* at the beginning of a part of the path */
    if (begins && at[0] == '.' && at[1] == '/')
      at += 1 + strspn(at + 1, "/");
    else if (begins && to > name && *at == '/')
      at++;
    else
      *to++ = *at++;
  }
  *to = 0;
  return name;
}

char *cli_real_name(const char *path) {
  enum { MOST_LINKS = 40 };
  char target[4096], *name = strdup(path);
  for (int i = 0; name && i < MOST_LINKS; i++) {
    ssize_t n = readlink(name, target, sizeof target - 1);
    if (n <= 0) break;
    target[n] = 0;
    const char *slash = target[0] == '/' ? NULL : strrchr(name, '/');
    char *next = NULL;
    if (asprintf(&next, "%.*s%s", slash ? (int)(slash - name) + 1 : 0, name, target) < 0)
      next = NULL;
    free(name);
    name = next;
  }
  return name;
}
