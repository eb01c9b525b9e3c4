/* thresholds.c - see thresholds.h. */
#include "thresholds.h"

#include "gromatic.h"
#include "terminal.h"
#include "text_file.h"

#include <jansson.h>
#include <stdlib.h>

static bool set_limit(const char *path, const char *name, const json_t *value,
                      const char *const *names, size_t n, float *limits) {
  size_t i = 0;
  double limit = json_number_value(value);
  while (i < n && gm_name_compare(names[i], name) != 0) i++;
  if (i == n) {
    cli_error("--thresholds %s: found '%s', which is none of the %zu classes", path, name, n);
    return false;
  }
  if (!json_is_number(value) || !(limit >= -1 && limit <= 1)) {
    cli_error("--thresholds %s: of '%s', wanted a raw score from -1 to 1", path, name);
    return false;
  }
  limits[i] = (float)limit;
  return true;
}

bool cli_thresholds_read(const char *path, const char *const *names, size_t n, float *limits) {
  enum { MOST = 64 << 20 };
  char *text = cli_read_text("--thresholds", path, MOST, NULL);
  if (!text) return false;
  json_error_t why;
  json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &why);
  free(text);
  bool ok = json_is_object(object);
  if (!object)
    cli_error("--thresholds %s: line %d: %s", path, why.line, why.text);
  else if (!ok)
    cli_error("--thresholds %s: wanted an object, {\"class\": 0.7}", path);
  const char *name;
  json_t *value;
  if (ok)
    json_object_foreach(object, name,
                        value) if (!set_limit(path, name, value, names, n, limits)) {
      ok = false;
      break;
    }
  json_decref(object);
  return ok;
}
