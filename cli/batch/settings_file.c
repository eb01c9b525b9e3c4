/* settings_file.c - see settings_file.h. */
#include "settings_file.h"

#include "arguments.h"
#include "ledger_list.h"
#include "lock_file.h"
#include "run_settings.h"
#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* path with the ending, for free(); NULL if memory is short. */
static char *beside(const char *path, const char *ending) {
  char *name = NULL;
  return asprintf(&name, "%s%s", path, ending) < 0 ? NULL : name;
}

/* False after a message. */
static bool may_use(const char *path, const char *list_name, const ledger_list *list,
                    json_t *run, ledger_wish wish) {
  if (!list->run) {
    cli_error("%s: it has no ledger that says how it was made (%s); give another name, or "
              "start again with --force",
              path, list_name);
    return false;
  }
  if (!wish.resume) {
    cli_error("%s: an earlier run wrote it, and it would be lost; go on with --resume, give "
              "another name, or start again with --force",
              path);
    return false;
  }
  if (json_equal(list->run, run)) return true;
  bool limits;
  char *changed = cli_settings_difference(list->run, run, &limits);
  cli_error("%s: --resume: it was begun with %s; give the same, or write to another file, or "
            "start again with --force",
            path, changed ? changed : "other settings");
  free(changed);
  return false;
}

static int look(const char *path, const char *list_name, json_t *run, ledger_wish wish,
                bool *anew) {
  struct stat st;
  ledger_list list;
  bool there = stat(path, &st) == 0 && st.st_size > 0;
  if (!ledger_list_read(&list, list_name)) {
    cli_error("%s: cannot read: %s", list_name, strerror(errno));
    return CLI_SOME_FAILED;
  }
  bool may = !there || wish.force || may_use(path, list_name, &list, run, wish);
  *anew = !wish.resume || !there || !list.run || !json_equal(list.run, run);
  ledger_list_free(&list);
  return may ? CLI_DONE : CLI_USAGE;
}

int cli_settings_take(const char *path, json_t *run, ledger_wish wish, int *lock, bool *anew) {
  char *lock_name = beside(path, ".lock"), *list_name = beside(path, ".ledger");
  int code = CLI_SOME_FAILED;
  bool named = lock_name && list_name;
  *lock = named ? cli_lock_take(lock_name) : -1;
  if (*lock >= 0)
    code = look(path, list_name, run, wish, anew);
  else if (named && errno == EWOULDBLOCK)
    cli_error("%s: another process is writing it; wait for it, or write to another file", path);
  else
    cli_error("%s: cannot open the output: %s", path, strerror(errno));
  free(lock_name);
  free(list_name);
  return code;
}

static bool told(const char *path, bool ok) {
  if (!ok) cli_error("%s.ledger: cannot write: %s", path, strerror(errno));
  return ok;
}

bool cli_settings_forget(const char *path) {
  char *name = beside(path, ".ledger");
  bool ok = name && (unlink(name) == 0 || errno == ENOENT);
  free(name);
  return told(path, ok);
}

bool cli_settings_write(const char *path, const json_t *run) {
  char *name = beside(path, ".ledger"), *part = beside(path, ".ledger.new");
  bool ok = name && part && ledger_list_write(part, run, NULL, 0) && rename(part, name) == 0;
  free(name);
  free(part);
  return told(path, ok);
}

void cli_settings_release(const char *path, int lock) {
  char *name = beside(path, ".lock");
  if (name) cli_lock_release(lock, name);
  free(name);
}
