/* file_names.c - see file_names.h. */
#include "file_names.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

bool cli_is_picture_name(const char *name) {
  const char *dot = strrchr(name, '.');
  static const char *const endings[] = {"jpg", "jpeg", "png", "webp"};
  for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
    if (strcasecmp(dot + 1, endings[i]) == 0) return name[0] != '.';
  return false;
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
