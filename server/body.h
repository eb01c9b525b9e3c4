/* body.h - a request's body, JSON or multipart/form-data, as one JSON object and the files in
 * it. Everything here comes from strangers. */
#ifndef SRV_BODY_H
#define SRV_BODY_H

#include "gromatic.h"

#include <jansson.h>

typedef struct srv_upload {
  const char *bytes; /* in the body */
  size_t size;
} srv_upload;

typedef struct srv_body {
  json_t *json; /* an object */
  srv_upload uploads[8];
  size_t n_uploads; /* parts that are files */
} srv_body;

/* Reads the body, which must outlive *out. Of multipart, a part with a file's name is an
 * upload; others are members: JSON where they parse as JSON, else text; "json", or "request",
 * is an object whose members are all taken. The limits of depth and values (limits.h) hold for
 * the whole body. GM_ERR_ARGUMENT says what was found. Free json. */
gm_status srv_body_read(srv_body *out, const char *body, size_t size, const char *content_type,
                        gm_error *err);

/* Decodes base64 (RFC 4648; line ends allowed; the padding may be missing). *out for free().
 * False: it is not base64, or no memory. */
bool srv_base64_read(const char *text, size_t length, char **out, size_t *size);

#endif
