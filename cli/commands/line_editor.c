/* line_editor.c - see line_editor.h. Uses libedit's own interface: its readline interface cuts
 * words at spaces, which names of files may have. */
#include "line_editor.h"

#include "terminal_text.h"

#include <dirent.h>
#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct cli_line_editor {
  EditLine *line;
  History *history;
  const cli_line_command *commands;
  char *text; /* of the last line */
};

/* ---- what Tab offers ---- */

typedef struct offers {
  char **items;
  size_t n;
} offers;

static void offers_free(offers *o) {
  for (size_t i = 0; i < o->n; i++) free(o->items[i]);
  free(o->items);
}

/* suffix: added to the name. Names that a line cannot hold are left out. */
static void offer(offers *o, const char *name, const char *suffix) {
  char *item = NULL;
  for (const char *at = name; *at; at++)
    if ((unsigned char)*at < 0x20 || *at == 0x7F) return;
  char **grown = realloc(o->items, (o->n + 1) * sizeof *grown);
  if (!grown) return;
  o->items = grown;
  if (asprintf(&item, "%s%s", name, suffix) >= 0) grown[o->n++] = item;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Offers files whose path begins with `path`, by their names without the folder. Hidden ones
 * only if the dot is typed. */
static void offer_files(offers *o, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *begun = slash ? slash + 1 : path;
  char *folder = slash ? strndup(path, (size_t)(begun - path)) : strdup("./");
  DIR *dir = folder ? opendir(folder) : NULL;
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    const char *name = entry->d_name;
    if (strncmp(name, begun, strlen(begun)) != 0) continue;
    if (name[0] == '.' && begun[0] != '.') continue;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    struct stat st;
    char *whole = NULL;
    if (asprintf(&whole, "%s%s", folder, name) < 0) continue;
    offer(o, name, stat(whole, &st) == 0 && S_ISDIR(st.st_mode) ? "/" : "");
    free(whole);
  }
  if (dir) closedir(dir);
  free(folder);
  if (o->n) qsort(o->items, o->n, sizeof *o->items, by_text);
}

/* The number of bytes that all offers begin with, whole characters. */
static size_t common_length(const offers *o) {
  const char *first = o->items[0];
  size_t length = strlen(first);
  for (size_t i = 1; i < o->n; i++)
    for (size_t k = 0; k < length; k++)
      if (o->items[i][k] != first[k]) length = k;
  while (length > 0 && ((unsigned char)first[length] & 0xC0) == 0x80) length--;
  return length;
}

static void list_offers(const offers *o) {
  putchar('\n');
  for (size_t i = 0; i < o->n; i++) {
    cli_put_name(stdout, o->items[i]);
    putchar('\n');
  }
  fflush(stdout);
}

/* Finds what may complete `text`, the line up to the cursor. *begun: the part that is typed
 * already. */
static offers find_offers(const cli_line_command *commands, const char *text,
                          const char **begun) {
  offers found = {0};
  text += strspn(text, " \t");
  size_t word = strcspn(text, " \t");
  if (!text[word]) {
    *begun = text;
    for (const cli_line_command *c = commands; word > 0 && c->name; c++)
      if (strncmp(c->name, text, word) == 0) offer(&found, c->name, c->takes_file ? " " : "");
    return found;
  }
  const char *argument = text + word + strspn(text + word, " \t");
  const char *slash = strrchr(argument, '/');
  *begun = slash ? slash + 1 : argument;
  for (const cli_line_command *c = commands; c->name; c++)
    if (c->takes_file && strlen(c->name) == word && strncmp(c->name, text, word) == 0)
      offer_files(&found, argument);
  return found;
}

/* Bound to Tab. */
static unsigned char complete(EditLine *line, int key) {
  (void)key;
  void *user = NULL;
  el_get(line, EL_CLIENTDATA, &user);
  const cli_line_editor *editor = user;
  const LineInfo *info = el_line(line);
  char *text = strndup(info->buffer, (size_t)(info->cursor - info->buffer));
  unsigned char result = CC_ERROR;
  if (!text) return result;
  const char *begun;
  offers found = find_offers(editor->commands, text, &begun);
  if (found.n > 0) {
    size_t typed = strlen(begun), common = common_length(&found);
    if (common > typed) {
      char *more = strndup(found.items[0] + typed, common - typed);
      if (more && el_insertstr(line, more) == 0) result = CC_REFRESH;
      free(more);
    } else if (found.n > 1) {
      list_offers(&found);
      result = CC_REDISPLAY;
    }
  }
  offers_free(&found);
  free(text);
  return result;
}

/* ---- lines ---- */

static char *prompt(EditLine *line) {
  static char text[] = "> ";
  (void)line;
  return text;
}

/* Sets LC_CTYPE alone, so that numbers and messages stay as they are. With another encoding,
 * letters in names of pictures and in answers would be lost. */
static void read_utf8(void) {
  bool set = setlocale(LC_CTYPE, "") != NULL;
  if (!set || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

static void bind_keys(EditLine *line) {
  el_set(line, EL_ADDFN, "gromatic-complete", "completes the name of a file", complete);
  el_set(line, EL_BIND, "^I", "gromatic-complete", NULL);
  el_set(line, EL_BIND, "^R", "em-inc-search-prev", NULL);
  el_set(line, EL_BIND, "\\e[1~", "ed-move-to-beg", NULL);
  el_set(line, EL_BIND, "\\e[4~", "ed-move-to-end", NULL);
  el_set(line, EL_BIND, "\\e[3~", "ed-delete-next-char", NULL);
  el_set(line, EL_BIND, "\\e[H", "ed-move-to-beg", NULL);
  el_set(line, EL_BIND, "\\e[F", "ed-move-to-end", NULL);
}

cli_line_editor *cli_line_editor_open(const cli_line_command *commands) {
  enum { REMEMBERED = 1000 };
  cli_line_editor *editor = calloc(1, sizeof *editor);
  if (!editor) return NULL;
  read_utf8();
  editor->commands = commands;
  editor->line = el_init("gromatic", stdin, stdout, stderr);
  editor->history = history_init();
  if (!editor->line || !editor->history) {
    cli_line_editor_close(editor);
    return NULL;
  }
  HistEvent event;
  history(editor->history, &event, H_SETSIZE, REMEMBERED);
  el_set(editor->line, EL_CLIENTDATA, editor);
  el_set(editor->line, EL_PROMPT, prompt);
  el_set(editor->line, EL_EDITOR, "emacs");
  el_set(editor->line, EL_SIGNAL, 1);
  el_set(editor->line, EL_HIST, history, editor->history);
  bind_keys(editor->line);
  el_source(editor->line, NULL); /* the user's own keys */
  return editor;
}

void cli_line_editor_close(cli_line_editor *editor) {
  if (!editor) return;
  if (editor->line) el_end(editor->line);
  if (editor->history) history_end(editor->history);
  free(editor->text);
  free(editor);
}

cli_line_end cli_line_editor_read(cli_line_editor *editor, char **line) {
  int n = 0;
  *line = NULL;
  errno = 0;
  const char *text = el_gets(editor->line, &n);
  if (!text || n <= 0) {
    if (n < 0 && errno == EINTR) return LINE_INTERRUPTED;
    if (n < 0 && errno == EILSEQ) return LINE_NOT_UTF8;
    return LINE_END;
  }
  free(editor->text);
  editor->text = strndup(text, strcspn(text, "\r\n"));
  if (!editor->text) return LINE_END;
  HistEvent event;
  if (editor->text[0]) history(editor->history, &event, H_ENTER, editor->text);
  *line = editor->text;
  return LINE_READ;
}
