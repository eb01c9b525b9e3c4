/* name_list.c - see name_list.h. */
#include "name_list.h"

#include "terminal.h"
#include "text_file.h"
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST = 1 << 16 }; /* of a name; the system's limit is lower */

struct name_list {
  char *path;
  int fd;
  bool slow, over;
  bool known, zeros;          /* known: the end of names is known, a line end or a zero byte */
  size_t line, n, begin, end; /* n: names returned; the next ones are in bytes[begin..end) */
  char bytes[LONGEST + 1];
};

name_list *name_list_open(const char *path) {
  name_list *l = calloc(1, sizeof *l);
  if (l) l->path = strdup(strcmp(path, "-") == 0 ? "standard input" : path);
  if (!l || !l->path) {
    cli_error("%s: no memory for this list", path);
    free(l);
    return NULL;
  }
  if (strcmp(path, "-") == 0) {
    FILE *input = cli_take_stdin();
    l->fd = input ? dup(fileno(input)) : -1;
  } else {
    l->fd = open(path, O_RDONLY | O_CLOEXEC);
  }
  struct stat st;
  if (l->fd >= 0 && fstat(l->fd, &st) == 0) {
    l->slow = !S_ISREG(st.st_mode);
    return l;
  }
  cli_error("%s: cannot read the list: %s", l->path,
            errno == EBUSY ? "it is read for something else already" : strerror(errno));
  name_list_close(l);
  return NULL;
}

void name_list_close(name_list *l) {
  if (!l) return;
  if (l->fd >= 0) close(l->fd);
  free(l->path);
  free(l);
}

bool name_list_comes_slowly(const name_list *l) {
  return l->slow;
}

/* ---- bytes ---- */

static bool begins(const name_list *l, const char *with, size_t n) {
  return l->end >= n && memcmp(l->bytes, with, n) == 0;
}

/* Finds out how names end when the first one is complete. It must wait for that, because a
 * writer may write names and their ends separately. False after a message. */
static bool know(name_list *l) {
  bool zero = memchr(l->bytes, 0, l->end) != NULL;
  if (!zero && !memchr(l->bytes, '\n', l->end) && !l->over) return true;
  if (begins(l, "\xFF\xFE", 2) || begins(l, "\xFE\xFF", 2) ||
      begins(l, "\0\0\xFE\xFF", 4)) { /* byte order marks of UTF-16 and UTF-32 */
    char mark[5] = {0};
    size_t length = l->end < 4 ? l->end : 4;
    gm_error err = {0};
    memcpy(mark, l->bytes, length);
    if (gm_text_import(mark, &length, l->path, &err) != GM_OK) {
      cli_report_error(&err);
      return false;
    }
  }
  l->zeros = zero;
  l->known = true;
  return true;
}

/* Reads more bytes after the present ones. */
static input_state fill(name_list *l, bool wait) {
  memmove(l->bytes, l->bytes + l->begin, l->end - l->begin);
  l->end -= l->begin;
  l->begin = 0;
  if (l->end == LONGEST) {
    cli_error("%s: name %zu: found more than %d bytes, wanted a name of a file", l->path,
              l->n + 1, LONGEST);
    return INPUT_WRONG;
  }
  struct pollfd poller = {l->fd, POLLIN, 0};
  int ready = l->slow ? poll(&poller, 1, wait ? -1 : 0) : 1;
  if (ready == 0 || (ready < 0 && errno == EINTR)) return INPUT_LATER;
  ssize_t n = ready < 0 ? -1 : read(l->fd, l->bytes + l->end, LONGEST - l->end);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return INPUT_LATER;
  if (n < 0) {
    cli_error("%s: cannot read the list: %s", l->path, strerror(errno));
    return INPUT_WRONG;
  }
  l->end += (size_t)n;
  l->over = n == 0;
  return l->known || know(l) ? INPUT_THERE : INPUT_WRONG;
}

/* ---- names ---- */

/* Removes a line's byte order mark and CR. False, after a message, if it cannot be a name. */
static bool clean(const name_list *l, char **line) {
  size_t length = strlen(*line);
  if (strncmp(*line, "\xEF\xBB\xBF", 3) == 0) *line += 3, length -= 3;
  if (length > 0 && (*line)[length - 1] == '\r') (*line)[--length] = 0;
  char *copy = strdup(*line);
  gm_error err = {0};
  bool ok = copy && (gm_text_import(copy, &length, "a name", &err) == GM_OK ||
                     access(*line, F_OK) == 0);
  if (!ok)
    cli_error("%s: line %zu: found '%s', which is not UTF-8, and no file of that name", l->path,
              l->line, *line);
  free(copy);
  return ok;
}

/* Takes the next name; false if its end has not been read yet. */
static bool cut(name_list *l, char **name) {
  size_t left = l->end - l->begin;
  char *from = l->bytes + l->begin, *to = memchr(from, l->zeros ? 0 : '\n', left);
  if (!to && (!l->over || left == 0)) return false;
  if (!to) to = from + left; /* the last name may have no end */
  *to = 0;
  l->begin += (size_t)(to - from) + (to < l->bytes + l->end);
  l->line++;
  *name = from;
  return true;
}

input_state name_list_next(name_list *l, bool wait, const char **name) {
  for (;;) {
    char *found;
    if (!l->known || !cut(l, &found)) {
      if (l->over) return INPUT_NONE;
      input_state state = fill(l, wait);
      if (state != INPUT_THERE) return state;
      continue;
    }
    if (!l->zeros && strlen(found) < (size_t)(l->bytes + l->begin - found) - 1) {
      cli_error("%s: line %zu: found a zero byte, wanted names that all end with a line, or "
                "all with a zero byte",
                l->path, l->line);
      return INPUT_WRONG;
    }
    if (!l->zeros && !clean(l, &found)) return INPUT_WRONG;
    if (!*found) continue;
    l->n++;
    *name = found;
    return INPUT_THERE;
  }
}

bool name_list_is_empty(const name_list *l) {
  if (l->n == 0) cli_error("%s: no names in this list", l->path);
  return l->n == 0;
}
