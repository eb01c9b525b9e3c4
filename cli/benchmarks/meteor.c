/* meteor.c - see meteor.h. The program reads a line and answers with one: the statistics of an
 * entry, and at the end the scores of all. */
#include "meteor.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct meteor {
  pid_t pid;
  FILE *to, *from;
  char *line; /* the last answer */
  size_t room;
  const char *jar;
  gm_error *err;
} meteor;

static void run_java(const char *jar, const int in[2], const int out[2]) {
  dup2(in[0], STDIN_FILENO);
  dup2(out[1], STDOUT_FILENO);
  close(in[0]);
  close(in[1]);
  close(out[0]);
  close(out[1]);
  execlp("java", "java", "-Xmx2G", "-jar", jar, "-", "-", "-stdio", "-l", "en", "-norm",
         (char *)NULL);
  _exit(127);
}

static gm_status begin(meteor *m) {
  int in[2], out[2];
  if (pipe(in) != 0)
    return gm_fail(m->err, GM_ERR_IO, "java cannot be run: %s", strerror(errno));
  if (pipe(out) != 0) {
    close(in[0]);
    close(in[1]);
    return gm_fail(m->err, GM_ERR_IO, "java cannot be run: %s", strerror(errno));
  }
  fflush(stdout);
  m->pid = fork();
  if (m->pid == 0) run_java(m->jar, in, out);
  close(in[0]);
  close(out[1]);
  m->to = fdopen(in[1], "w");
  m->from = fdopen(out[0], "r");
  if (!m->to) close(in[1]);
  if (!m->from) close(out[0]);
  if (m->pid > 0 && m->to && m->from) return GM_OK;
  return gm_fail(m->err, GM_ERR_IO, "java cannot be run: %s", strerror(errno));
}

static gm_status failed(meteor *m) {
  return gm_fail(
      m->err, GM_ERR_ARGUMENT,
      "--meteor-jar %s: found no answer to a line, wanted METEOR 1.5 and java on the "
      "PATH",
      m->jar);
}

/* Reads the answer without its line end. */
static gm_status read_line(meteor *m) {
  ssize_t length = fflush(m->to) == 0 ? getline(&m->line, &m->room, m->from) : -1;
  if (length < 0) return failed(m);
  while (length > 0 && (m->line[length - 1] == '\n' || m->line[length - 1] == '\r'))
    m->line[--length] = 0;
  return GM_OK;
}

/* Without "|||", which parts the fields. */
static void write_words(meteor *m, caption_words text, const gm_name_table *words) {
  bool first = true;
  for (size_t i = 0; i < text.n; i++) {
    const char *word = words->names[text.words[i]];
    if (strcmp(word, "|||") == 0) continue;
    fprintf(m->to, "%s%s", first ? "" : " ", word);
    first = false;
  }
}

static gm_status ask_entry(meteor *m, const caption_entry *e, const gm_name_table *words) {
  fputs("SCORE", m->to);
  for (size_t r = 0; r < e->n_references; r++) {
    fputs(" ||| ", m->to);
    write_words(m, e->references[r], words);
  }
  fputs(" ||| ", m->to);
  write_words(m, e->candidate, words);
  fputc('\n', m->to);
  return read_line(m);
}

static gm_status ask_all(meteor *m, const caption_entry *entries, size_t n,
                         const gm_name_table *words, double *out) {
  gm_text eval = {0};
  gm_status status = gm_text_append_string(&eval, "EVAL", m->err);
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    status = ask_entry(m, &entries[i], words);
    if (status == GM_OK) status = gm_text_append_string(&eval, " ||| ", m->err);
    if (status == GM_OK) status = gm_text_append_string(&eval, m->line, m->err);
  }
  if (status == GM_OK) fprintf(m->to, "%s\n", eval.bytes);
  gm_text_free(&eval);
  /* A score of each entry, then that of all */
  for (size_t i = 0; status == GM_OK && i <= n; i++) status = read_line(m);
  if (status != GM_OK) return status;
  char *end;
  *out = strtod(m->line, &end);
  return end > m->line && isfinite(*out) ? GM_OK : failed(m);
}

gm_status meteor_score(double *out, const char *jar, const caption_entry *entries, size_t n,
                       const gm_name_table *words, gm_error *err) {
  meteor m = {.jar = jar, .err = err};
  struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
  sigaction(SIGPIPE, &ignore, &before); /* the program may end at any time */
  gm_status status = begin(&m);
  if (status == GM_OK) status = ask_all(&m, entries, n, words, out);
  if (m.to) fclose(m.to);
  if (m.from) fclose(m.from);
  if (m.pid > 0) waitpid(m.pid, NULL, 0);
  sigaction(SIGPIPE, &before, NULL);
  free(m.line);
  return status;
}
