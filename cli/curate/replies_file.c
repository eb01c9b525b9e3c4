/* replies_file.c - see replies_file.h. */
#include "replies_file.h"

#include "curate_prompt.h"
#include "set_reader.h"
#include "terminal.h"
#include "text_file.h"

#include <stdlib.h>

static const size_t LARGEST_FILE = (size_t)4 << 30;

/* *ok: memory suffices. */
static bool is_about(const curate_picture *p, const gm_pull_value *asked, bool *ok) {
  char key[LEDGER_KEY + 1];
  if (asked->kind != GM_PULL_STRING) return true;
  *ok = curate_key(p, key);
  return *ok && gm_pull_is(asked, key);
}

static bool add(curate_replies *out, curate_set *set, const gm_pull_value *v) {
  size_t place;
  if (v[1].kind != GM_PULL_STRING ||
      (v[0].kind != GM_PULL_STRING && v[0].kind != GM_PULL_NUMBER)) {
    out->faults++;
    return true;
  }
  if (!curate_picture_of(set, &v[0], &place)) return false;
  if (place == GM_NAME_NONE) {
    out->strangers++;
    return true;
  }
  bool ok = true;
  if (!is_about(&set->pictures[place], &v[2], &ok)) {
    out->other++;
    return ok;
  }
  char *text = gm_pull_string(&v[1]);
  if (!text) return false;
  free(out->texts[place]);
  out->texts[place] = text;
  return true;
}

bool curate_replies_read(curate_replies *out, const char *path, curate_set *set) {
  static const char *const names[] = {"id", "reply", "asked"};
  *out = (curate_replies){.texts = calloc(set->n + 1, sizeof *out->texts)};
  char *text = out->texts ? cli_read_text("--replies", path, LARGEST_FILE, NULL) : NULL;
  bool ok = text != NULL, entered = false, lines;
  gm_pull_reader list = gm_pull_begin(text ? text : "");
  gm_pull_value v[3];
  const char *entry;
  while (ok && gm_pull_listed(&list, &entered, &lines))
    if (gm_pull_members(&list, &entry, names, v, 3)) ok = add(out, set, v);
  if (text && !ok) cli_error("no memory for %s", path);
  if (ok && list.wanted) {
    cli_error("--replies %s: line %zu: wanted %s", path, gm_pull_line(&list), list.wanted);
    ok = false;
  }
  if (ok && out->faults)
    cli_error("--replies %s: %zu entries have no id or no reply", path, out->faults);
  if (ok && out->strangers)
    cli_error(
        "--replies %s: %zu are about pictures that are not among those with boxes to mark",
        path, out->strangers);
  if (ok && out->other)
    cli_error("--replies %s: %zu are about other boxes than the pictures have now", path,
              out->other);
  free(text);
  return ok;
}

void curate_replies_free(curate_replies *replies, const curate_set *set) {
  for (size_t i = 0; replies->texts && i < set->n; i++) free(replies->texts[i]);
  free(replies->texts);
}
