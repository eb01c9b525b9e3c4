/* server.h - gromatic serve: HTTP in, JSON out (docs/SERVER.md). */
#ifndef SRV_SERVER_H
#define SRV_SERVER_H

#include "gromatic.h"

typedef struct srv_settings {
  const char *const
      *models; /* [n_models] as gm_model_open takes them; none: the embedded one */
  size_t n_models;
  const char *clip_model;          /* NULL: the embedded one */
  gm_model_params model_params;    /* engine is set here */
  gm_clip_params clip_params;      /* engine is set here */
  unsigned threads;                /* of the engine; 0: as in gm_engine_params */
  const char *host;                /* NULL: 127.0.0.1 */
  unsigned port;                   /* 0: any free one */
  const char *unix_path;           /* a socket instead of host and port, or NULL */
  const char *key_file;            /* one key a line, or NULL: no key is wanted */
  const char *const *cors_origins; /* [n_cors_origins] "https://example.org", or "*" */
  size_t n_cors_origins;
  const char *media_path;      /* pictures below it may be named, or NULL */
  const char *allow_url_hosts; /* "HOST[:PORT],...": pictures are fetched from there; or NULL */
  unsigned slots;              /* requests that compute at once; 0: 16 */
  uint64_t memory;             /* as in gm_engine_params */
  double timeout;              /* seconds that a request may take, waiting included; 0: 600 */
  uint64_t max_pixels;         /* as in gm_image_params */
  bool log_json;               /* a JSON object for each request on standard error */
  bool log_prompts;            /* with the question in it */
  bool quiet;                  /* no line for each request */
} srv_settings;

typedef enum srv_end {
  SRV_STOPPED = 0, /* by a signal, and what ran was finished */
  SRV_USAGE = 2,   /* the settings cannot be used; err says why */
  SRV_MODEL = 3,   /* a model cannot be opened; err says why */
  SRV_FAILED = 1   /* anything else; err says why */
} srv_end;

/* Serves until SIGTERM or SIGINT, whose second one ends at once. SIGHUP reads the keys again.
 * Lines go to standard error. The signals are blocked meanwhile and given back at the end. */
srv_end srv_run(const srv_settings *settings, gm_error *err);

#endif
