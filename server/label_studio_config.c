/* label_studio_config.c - see label_studio_config.h. The XML is expat's; here are the handlers
 * of its tags. */
#include "label_studio_config.h"

#include "class_choice.h"
#include "limits.h"

#include <expat.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct picture {
  char *name, *member;
} picture;

typedef struct reader {
  XML_Parser parser;
  gm_error *err; /* status is GM_OK as long as all is well */
  srv_ls_control controls[SRV_LS_MAX_TAGS];
  picture pictures[SRV_LS_MAX_TAGS];
  size_t n_controls, n_pictures, n_classes, depth;
  srv_ls_control *open; /* the control whose tag is open */
  size_t open_depth;
  json_t *path; /* strings: the Choices of a Taxonomy that are open */
  bool leaf[SRV_LS_MAX_DEPTH + 1];
  char *asked[SRV_LS_MAX_DEPTH + 1],
      *values[SRV_LS_MAX_DEPTH + 1]; /* of these; asked: or NULL */
} reader;

static const char *const tags[] = {"RectangleLabels", "Choices", "Taxonomy", "TextArea"};

/* ---- errors ---- */

__attribute__((format(printf, 2, 3))) static void fail(reader *r, const char *format, ...) {
  if (r->err->status != GM_OK) return;
  int n =
      snprintf(r->err->message, sizeof r->err->message,
               "label_config: line %lu: ", (unsigned long)XML_GetCurrentLineNumber(r->parser));
  va_list list;
  va_start(list, format);
  vsnprintf(r->err->message + n, sizeof r->err->message - (size_t)n, format, list);
  va_end(list);
  r->err->status = GM_ERR_ARGUMENT;
  XML_StopParser(r->parser, XML_FALSE);
}

static void no_memory(reader *r) {
  fail(r, "no memory for the configuration");
  r->err->status = GM_ERR_MEMORY;
}

static char *copy(reader *r, const char *text) {
  char *own = strdup(text);
  if (!own) no_memory(r);
  return own;
}

/* ---- tags ---- */

static const char *attribute(const char **list, const char *name) {
  for (; *list; list += 2)
    if (strcmp(list[0], name) == 0) return list[1];
  return NULL;
}

static bool is_true(const char *value) {
  return value && strcmp(value, "true") == 0;
}

/* A picture whose value is no single member of the task is none that can be answered. */
static void begin_picture(reader *r, const char **list) {
  const char *name = attribute(list, "name"), *value = attribute(list, "value");
  if (!name || !value || value[0] != '$' || !value[1]) return;
  if (r->n_pictures == SRV_LS_MAX_TAGS) {
    fail(r, "found more than %d <Image>", SRV_LS_MAX_TAGS);
    return;
  }
  picture *p = &r->pictures[r->n_pictures++];
  p->name = copy(r, name);
  p->member = copy(r, value + 1);
}

/* "0.25", also ".25". */
static bool read_share(const char *text, double *out) {
  char *end;
  if (!text[0] || text[strspn(text, "0123456789.")]) return false;
  *out = strtod(text, &end);
  return !*end && *out >= 0 && *out <= 1;
}

static void begin_control(reader *r, srv_ls_kind kind, const char **list) {
  const char *name = attribute(list, "name"), *to_name = attribute(list, "toName");
  const char *threshold = attribute(list, "model_score_threshold");
  const char *choice = attribute(list, "choice");
  if (r->open)
    fail(r, "found <%s> within <%s>", tags[kind], tags[r->open->kind]);
  else if (r->n_controls == SRV_LS_MAX_TAGS)
    fail(r, "found more than %d tags that want answers", SRV_LS_MAX_TAGS);
  else if (!name || !*name || !to_name || !*to_name)
    fail(r, "found <%s> without a name or a toName", tags[kind]);
  if (r->err->status != GM_OK) return;
  srv_ls_control *c = &r->controls[r->n_controls++];
  *c = (srv_ls_control){.kind = kind, .threshold = -1};
  c->name = copy(r, name);
  c->to_name = copy(r, to_name);
  c->labels = json_array();
  c->several = choice && strcmp(choice, "multiple") == 0;
  c->per_region = is_true(attribute(list, "perRegion"));
  if (threshold && !read_share(threshold, &c->threshold))
    fail(r,
         "model_score_threshold of <%s name=\"%.100s\">: found '%.100s', wanted a number from "
         "0 to 1",
         tags[kind], name, threshold);
  r->open = c;
  r->open_depth = r->depth;
}

static void add_class(reader *r, const char *text, size_t n) {
  srv_ls_control *c = r->open;
  if (r->err->status != GM_OK) return;
  if (++r->n_classes > SRV_MAX_ITEMS) {
    fail(r, "found more than %d labels and predicted_values", SRV_MAX_ITEMS);
    return;
  }
  if (c->n_classes == c->room) {
    size_t room = 2 * c->room + 8;
    char **classes = realloc(c->classes, room * sizeof *classes);
    if (classes) c->classes = classes;
    size_t *label_of = classes ? realloc(c->label_of, room * sizeof *label_of) : NULL;
    if (label_of) c->label_of = label_of;
    if (!label_of) {
      no_memory(r);
      return;
    }
    c->room = room;
  }
  c->classes[c->n_classes] = strndup(text, n);
  if (!c->classes[c->n_classes]) {
    no_memory(r);
    return;
  }
  c->label_of[c->n_classes++] = json_array_size(c->labels) - 1;
}

/* Adds a label, and its classes: the words of `asked` between commas, else `value`. */
static void add_label(reader *r, json_t *label, const char *asked, const char *value) {
  size_t before = r->open->n_classes;
  if (!label || json_array_append_new(r->open->labels, label) != 0) {
    no_memory(r);
    return;
  }
  while (asked && *asked) {
    asked += strspn(asked, ", \t\r\n");
    size_t n = strcspn(asked, ","), shown = n;
    while (shown > 0 && strchr(" \t\r\n", asked[shown - 1])) shown--;
    if (shown > 0) add_class(r, asked, shown);
    asked += n;
  }
  if (r->open->n_classes == before) add_class(r, value, strlen(value));
}

/* What Label Studio calls a label in results: its alias, if it has one. */
static const char *own_name(reader *r, const char *tag, const char **list) {
  const char *value = attribute(list, "value"), *alias = attribute(list, "alias");
  if (!value || !value[strspn(value, " \t\r\n")])
    fail(r, "found <%s> without a value in <%s name=\"%.100s\">", tag, tags[r->open->kind],
         r->open->name);
  return alias && *alias ? alias : value;
}

static void begin_label(reader *r, const char *tag, const char **list) {
  const char *name = own_name(r, tag, list);
  if (r->err->status != GM_OK) return;
  add_label(r, json_string(name), attribute(list, "predicted_values"),
            attribute(list, "value"));
}

/* A Choice of a Taxonomy is a label if no Choice is within it, which its end shows. */
static void begin_leaf(reader *r, const char **list) {
  const char *name = own_name(r, "Choice", list);
  size_t n = json_array_size(r->path);
  if (r->err->status != GM_OK) return;
  if (n > 0) r->leaf[n - 1] = false;
  const char *asked = attribute(list, "predicted_values");
  if (asked) r->asked[n] = copy(r, asked);
  r->values[n] = copy(r, attribute(list, "value"));
  r->leaf[n] = true;
  if (!r->path || json_array_append_new(r->path, json_string(name)) != 0) no_memory(r);
}

static void end_leaf(reader *r) {
  size_t n = json_array_size(r->path);
  if (n == 0) return;
  n--;
  if (r->leaf[n]) add_label(r, json_copy(r->path), r->asked[n], r->values[n]);
  free(r->asked[n]);
  free(r->values[n]);
  r->asked[n] = r->values[n] = NULL;
  json_array_remove(r->path, n);
}

static void XMLCALL on_start(void *user, const char *tag, const char **list) {
  reader *r = user;
  if (r->err->status != GM_OK) return;
  if (++r->depth > SRV_LS_MAX_DEPTH) {
    fail(r, "found tags nested deeper than %d", SRV_LS_MAX_DEPTH);
    return;
  }
  if (strcmp(tag, "Image") == 0) begin_picture(r, list);
  for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
    if (strcmp(tag, tags[i]) == 0) {
      begin_control(r, (srv_ls_kind)i, list);
      return;
    }
  if (!r->open) return;
  bool label = strcmp(tag, "Label") == 0, choice = strcmp(tag, "Choice") == 0;
  if (label && r->open->kind == SRV_LS_BOXES) begin_label(r, tag, list);
  if (choice && r->open->kind == SRV_LS_TAXONOMY) begin_leaf(r, list);
  if (choice && r->open->kind == SRV_LS_CHOICES) {
    if (json_array_size(r->path) > 0)
      fail(r,
           "found <Choice> within <Choice> of <Choices name=\"%.100s\">; wanted a <Taxonomy>",
           r->open->name);
    else if (json_array_append_new(r->path, json_null()) != 0)
      no_memory(r);
    else
      begin_label(r, tag, list);
  }
}

static void check_open(reader *r) {
  const srv_ls_control *c = r->open;
  const char *twice = NULL;
  if (c->kind == SRV_LS_TEXT) return;
  if (c->n_classes == 0)
    fail(r,
         "found no <%s> in <%s name=\"%.100s\">; labels that come with the task are not read",
         c->kind == SRV_LS_BOXES ? "Label" : "Choice", tags[c->kind], c->name);
  else if (!out_name_twice((const char *const *)c->classes, c->n_classes, &twice))
    no_memory(r);
  else if (twice)
    fail(r,
         "found '%.100s' twice in <%s name=\"%.100s\">, wanted each name once; give one of "
         "the labels predicted_values of its own",
         twice, tags[c->kind], c->name);
}

static void XMLCALL on_end(void *user, const char *tag) {
  reader *r = user;
  if (r->err->status != GM_OK) return;
  if (r->open && strcmp(tag, "Choice") == 0) {
    if (r->open->kind == SRV_LS_TAXONOMY) end_leaf(r);
    if (r->open->kind == SRV_LS_CHOICES) json_array_clear(r->path);
  }
  if (r->open && r->depth == r->open_depth) {
    check_open(r);
    r->open = NULL;
  }
  r->depth--;
}

/* Entities are declared in a document type, which no configuration needs. */
static void XMLCALL on_doctype(void *user, const char *name, const char *system, const char *id,
                               int internal) {
  (void)name;
  (void)system;
  (void)id;
  (void)internal;
  fail(user, "found a document type (<!DOCTYPE>), wanted tags only");
}

static void XMLCALL on_entity(void *user, const char *name, int parameter, const char *value,
                              int n, const char *base, const char *system, const char *id,
                              const char *notation) {
  (void)parameter;
  (void)value;
  (void)n;
  (void)base;
  (void)system;
  (void)id;
  (void)notation;
  fail(user, "found the declaration of the entity '%.100s', wanted tags only", name);
}

/* ---- the whole ---- */

static void free_control(srv_ls_control *c) {
  free(c->name);
  free(c->to_name);
  free(c->image);
  json_decref(c->labels);
  for (size_t i = 0; i < c->n_classes; i++) free(c->classes[i]);
  free(c->classes);
  free(c->label_of);
}

void srv_ls_config_free(srv_ls_config *config) {
  for (size_t i = 0; i < config->n; i++) free_control(&config->controls[i]);
  free(config->controls);
  *config = (srv_ls_config){0};
}

/* Gives each control its picture; those of texts or sounds stay without. */
static void join(reader *r) {
  for (size_t i = 0; i < r->n_controls; i++)
    for (size_t k = 0; k < r->n_pictures && !r->controls[i].image; k++)
      if (strcmp(r->controls[i].to_name, r->pictures[k].name) == 0)
        r->controls[i].image = copy(r, r->pictures[k].member);
}

static void keep(reader *r, srv_ls_config *out) {
  size_t n = 0;
  for (size_t i = 0; i < r->n_controls; i++) n += r->controls[i].image != NULL;
  if (n == 0) {
    fail(r, "found nothing to answer; wanted <RectangleLabels>, <Choices>, <Taxonomy> or "
            "<TextArea> whose toName is an <Image> with a value such as \"$image\"");
    return;
  }
  out->controls = calloc(n, sizeof *out->controls);
  if (!out->controls) {
    no_memory(r);
    return;
  }
  for (size_t i = 0; i < r->n_controls; i++)
    if (r->controls[i].image) {
      out->controls[out->n++] = r->controls[i];
      r->controls[i] = (srv_ls_control){0};
    }
}

gm_status srv_ls_config_read(srv_ls_config *out, const char *xml, size_t n, gm_error *err) {
  *out = (srv_ls_config){0};
  err->status = GM_OK;
  if (n > SRV_LS_MAX_XML) {
    snprintf(err->message, sizeof err->message,
             "label_config: found %zu bytes, wanted at most %d", n, SRV_LS_MAX_XML);
    return err->status = GM_ERR_ARGUMENT;
  }
  reader *r = calloc(1, sizeof *r);
  if (r) {
    r->err = err;
    r->path = json_array();
    r->parser = XML_ParserCreate("UTF-8"); /* whatever the declaration says: it was JSON */
  }
  if (!r || !r->path || !r->parser) {
    snprintf(err->message, sizeof err->message, "no memory for the configuration");
    err->status = GM_ERR_MEMORY;
  } else {
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    XML_SetEntityDeclHandler(r->parser, on_entity);
    if (XML_Parse(r->parser, xml, (int)n, XML_TRUE) != XML_STATUS_OK)
      fail(r, "%s", XML_ErrorString(XML_GetErrorCode(r->parser)));
    if (err->status == GM_OK) join(r);
    if (err->status == GM_OK) keep(r, out);
  }
  for (size_t i = 0; r && i < r->n_controls; i++) free_control(&r->controls[i]);
  for (size_t i = 0; r && i < r->n_pictures; i++) {
    free(r->pictures[i].name);
    free(r->pictures[i].member);
  }
  for (size_t i = 0; r && i <= SRV_LS_MAX_DEPTH; i++) {
    free(r->asked[i]);
    free(r->values[i]);
  }
  if (r) json_decref(r->path);
  if (r && r->parser) XML_ParserFree(r->parser);
  free(r);
  return err->status;
}
