/* questions.c - see questions.h. */
#include "questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cli_place_without_box(const char *question, size_t n_boxes, char place[CLI_PLACE]) {
  for (const char *at = question; (at = strchr(at, '{')); at++) {
    char digits[10];
    int end = 0;
    if (sscanf(at, "{%9[0-9]}%n", digits, &end) != 1 || !end) continue;
    unsigned long k = strtoul(digits, NULL, 10);
    if (k >= 1 && k <= n_boxes) continue;
    snprintf(place, CLI_PLACE, "{%s}", digits);
    return true;
  }
  return false;
}
