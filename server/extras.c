/* extras.c - see extras.h. */
#include "extras.h"

#include <string.h>

/* 1 and 1.0 are one number. */
static bool same(const json_t *a, const json_t *b) {
  if (json_is_number(a) && json_is_number(b))
    return !(json_number_value(a) < json_number_value(b)) &&
           !(json_number_value(a) > json_number_value(b));
  return json_equal(a, b);
}

static bool is_harmless(const char *entry, const char *name, const json_t *value) {
  size_t n = strcspn(entry, "=");
  if (strlen(name) != n || memcmp(entry, name, n) != 0) return false;
  if (!entry[n]) return true;
  json_t *only = json_loads(entry + n + 1, JSON_DECODE_ANY, NULL);
  bool harmless = only && same(only, value);
  json_decref(only);
  return harmless;
}

bool srv_extras_check(json_t *object, const char *const *known, const char *const *harmless,
                      const char **name) {
  json_t *value;
  json_object_foreach(object, *name, value) {
    bool found = json_is_null(value);
    for (size_t i = 0; !found && known[i]; i++) found = strcmp(known[i], *name) == 0;
    for (size_t i = 0; !found && harmless[i]; i++)
      found = is_harmless(harmless[i], *name, value);
    if (!found) return false;
  }
  return true;
}
