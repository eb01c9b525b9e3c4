/* log.h - a line on standard error for each request: who, what, how long. Nothing of pictures,
 * and of questions only where the user wants it. */
#ifndef SRV_LOG_H
#define SRV_LOG_H

#include "job.h"
#include "server.h"

typedef struct srv_log_line {
  const char *method, *path, *code;
  int status;
  double seconds;
  size_t key, bytes_in;
  const srv_job *job; /* or NULL */
  bool ended;         /* the job: only then are its figures there */
} srv_log_line;

void srv_log_request(const srv_settings *settings, const srv_log_line *line);
/* A message about the server itself. */
void srv_log(const srv_settings *settings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
