/* body.c - see body.h. */
#include "body.h"

#include "limits.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static gm_status fail(gm_error *err, const char *what) {
  snprintf(err->message, sizeof err->message, "%s", what);
  return err->status = GM_ERR_ARGUMENT;
}

/* ---- JSON ---- */

/* Counts what a parser would make of the text, before it makes anything: a megabyte of brackets
 * would become a hundred of them. */
static bool is_modest(const char *text, size_t size, size_t *all, gm_error *err) {
  size_t depth = 0, values = *all;
  bool quoted = false;
  for (size_t i = 0; i < size; i++) {
    char c = text[i];
    if (quoted) {
      if (c == '\\') i++;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      values++;
      depth++;
    } else if (c == ']' || c == '}') {
      depth -= depth > 0;
    } else if (c == ',') {
      values++;
    }
    if (depth <= SRV_MAX_DEPTH && values <= SRV_MAX_VALUES) continue;
    snprintf(err->message, sizeof err->message,
             depth > SRV_MAX_DEPTH ? "found JSON that is nested deeper than %d"
                                   : "found JSON of more than %d values",
             depth > SRV_MAX_DEPTH ? SRV_MAX_DEPTH : SRV_MAX_VALUES);
    err->status = GM_ERR_ARGUMENT;
    return false;
  }
  *all = values;
  return true;
}

/* *values counts those of the whole body. */
static json_t *read_json(const char *text, size_t size, size_t *values, gm_error *err) {
  json_error_t why;
  if (!is_modest(text, size, values, err)) return NULL;
  json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
  if (json) return json;
  snprintf(err->message, sizeof err->message, "the body is not JSON: line %d: %s", why.line,
           why.text);
  err->status = GM_ERR_ARGUMENT;
  return NULL;
}

/* ---- multipart ---- */

/* The value of a parameter, as boundary="x"; false: there is none, or it is too long. */
static bool parameter(const char *header, size_t n, const char *name, char *out, size_t room) {
  size_t length = strlen(name);
  for (size_t i = 0; i + length + 1 < n; i++) {
    if (strncasecmp(header + i, name, length) != 0 || header[i + length] != '=' ||
        (i > 0 && !strchr("; \t", header[i - 1])))
      continue;
    const char *at = header + i + length + 1, *stop = header + n;
    bool quoted = at < stop && *at == '"';
    at += quoted;
    size_t k = 0;
    while (at < stop && !(quoted ? *at == '"' : strchr("; \t\r\n", *at) != NULL)) {
      if (k + 1 >= room || !*at) return false;
      out[k++] = *at++;
    }
    out[k] = 0;
    return true;
  }
  return false;
}

static gm_status no_memory(gm_error *err) {
  snprintf(err->message, sizeof err->message, "no memory for the body");
  return err->status = GM_ERR_MEMORY;
}

/* The part named json. */
static gm_status add_members(srv_body *out, const char *text, size_t size, size_t *values,
                             gm_error *err) {
  json_t *all = read_json(text, size, values, err), *value;
  const char *name;
  if (!all) return err->status;
  gm_status status =
      json_is_object(all) ? GM_OK : fail(err, "the part named json is not a JSON object");
  json_object_foreach(all, name, value) {
    if (status == GM_OK && json_object_get(out->json, name))
      status = fail(err, "found a member in the part named json and in another part too");
    if (status == GM_OK && json_object_set(out->json, name, value) != 0)
      status = no_memory(err);
  }
  json_decref(all);
  return status;
}

static gm_status add_member(srv_body *out, const char *name, const char *text, size_t size,
                            size_t *values, gm_error *err) {
  if (strcmp(name, "json") == 0 || strcmp(name, "request") == 0)
    return add_members(out, text, size, values, err);
  if (memchr(text, 0, size))
    return fail(err, "found a zero byte in a text part of the form: send pictures as files");
  size_t before = *values;
  if (!is_modest(text, size, values, err)) return err->status;
  gm_error ignored = {0};
  json_t *value = read_json(text, size, &before, &ignored);
  if (!value || json_is_string(value)) {
    json_decref(value);
    value = json_stringn(text, size);
  }
  json_t *key = json_string(name);
  json_decref(key);
  if (!value || !key) {
    json_decref(value);
    return fail(err, "a part of the form, or its name, is not UTF-8");
  }
  json_t *old = json_object_get(out->json, name);
  if (!old) return json_object_set_new(out->json, name, value) == 0 ? GM_OK : no_memory(err);
  if (!json_is_array(old)) { /* a name that comes again makes a list */
    json_object_set_new(out->json, name, json_pack("[O]", old));
    old = json_object_get(out->json, name);
  }
  return json_array_append_new(old, value) == 0 ? GM_OK : no_memory(err);
}

static gm_status add_part(srv_body *out, const char *head, size_t n_head, const char *content,
                          size_t size, size_t *values, gm_error *err) {
  char name[128], file[512];
  if (!parameter(head, n_head, "name", name, sizeof name))
    return fail(err, "a part of the form has no name");
  if (!parameter(head, n_head, "filename", file, sizeof file))
    return add_member(out, name, content, size, values, err);
  if (out->n_uploads == sizeof out->uploads / sizeof out->uploads[0])
    return fail(err, "found more than 8 files in one request");
  out->uploads[out->n_uploads++] = (srv_upload){content, size};
  return GM_OK;
}

static gm_status read_multipart(srv_body *out, const char *body, size_t size,
                                const char *boundary, gm_error *err) {
  char mark[256];
  size_t n = (size_t)snprintf(mark, sizeof mark, "\r\n--%s", boundary), parts = 0;
  size_t values = 0;
  const char *at = body, *stop = body + size;
  if (size < n - 2 || memcmp(body, mark + 2, n - 2) != 0)
    return fail(err, "the form does not begin with its boundary");
  at += n - 2;
  while (stop - at >= 2 && memcmp(at, "\r\n", 2) == 0) {
    const char *head = at + 2;
    const char *content = memmem(at, (size_t)(stop - at), "\r\n\r\n", 4);
    if (!content) return fail(err, "a part of the form ends within its head");
    size_t n_head = content < head ? 0 : (size_t)(content - head);
    content += 4;
    const char *end =
        content <= stop ? memmem(content, (size_t)(stop - content), mark, n) : NULL;
    if (!end) return fail(err, "the form ends without its boundary");
    if (++parts > SRV_MAX_ITEMS) return fail(err, "found more than 1024 parts in the form");
    gm_status status =
        add_part(out, head, n_head, content, (size_t)(end - content), &values, err);
    if (status != GM_OK) return status;
    at = end + n;
  }
  if (stop - at < 2 || memcmp(at, "--", 2) != 0)
    return fail(err, "the form ends without its last boundary");
  return GM_OK;
}

gm_status srv_body_read(srv_body *out, const char *body, size_t size, const char *content_type,
                        gm_error *err) {
  char boundary[128];
  gm_status status = GM_OK;
  *out = (srv_body){0};
  if (content_type && strncasecmp(content_type, "multipart/form-data", 19) == 0) {
    out->json = json_object();
    status =
        parameter(content_type, strlen(content_type), "boundary", boundary, sizeof boundary) &&
                boundary[0]
            ? read_multipart(out, body, size, boundary, err)
            : fail(err, "multipart/form-data without a boundary of at most 127 letters");
  } else {
    size_t values = 0;
    out->json = read_json(body, size, &values, err);
    if (!out->json) return err->status;
    if (!json_is_object(out->json)) status = fail(err, "the body is no JSON object");
  }
  if (status == GM_OK && out->json) return GM_OK;
  json_decref(out->json);
  out->json = NULL;
  return status == GM_OK ? no_memory(err) : status;
}

/* ---- base64 ---- */

static int digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62; /* the second of each is of the alphabet for URLs */
  if (c == '/' || c == '_') return 63;
  return -1;
}

bool srv_base64_read(const char *text, size_t length, char **out, size_t *size) {
  char *bytes = malloc(length / 4 * 3 + 4);
  size_t n = 0, i = 0, digits = 0;
  uint32_t bits = 0;
  for (; bytes && i < length && text[i] != '='; i++) {
    int value = digit(text[i]);
    if (value < 0 && isspace((unsigned char)text[i])) continue;
    if (value < 0) break;
    bits = bits << 6 | (uint32_t)value;
    if (++digits % 4 == 0)
      for (int k = 16; k >= 0; k -= 8) bytes[n++] = (char)(bits >> k & 255);
  }
  size_t rest = digits % 4, padding = 0;
  for (; bytes && i < length; i++) {
    if (text[i] == '=')
      padding++;
    else if (!isspace((unsigned char)text[i]))
      break;
  }
  if (!bytes || i < length || rest == 1 || digits == 0 || padding > 2) {
    free(bytes);
    return false;
  }
  if (rest == 2) bytes[n++] = (char)(bits >> 4 & 255);
  if (rest == 3) {
    bytes[n++] = (char)(bits >> 10 & 255);
    bytes[n++] = (char)(bits >> 2 & 255);
  }
  *out = bytes;
  *size = n;
  return true;
}
