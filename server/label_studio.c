/* label_studio.c - Label Studio's protocol of an ML backend: it is told of a project (setup),
 * asked for predictions (predict), and tells of events (webhook). Label Studio shows of a
 * refused request no more than its status, and sends its user to this server's log: so each
 * reason goes there too. A task that cannot be answered has an "error" instead of a "result",
 * which Label Studio logs, and the others are answered. */
#include "api.h"
#include "label_studio_answers.h"
#include "label_studio_pictures.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is said at once ---- */

static srv_quick quick(int status, json_t *object) {
  char *text = json_dumps(object, JSON_COMPACT);
  json_decref(object);
  return (srv_quick){status, "application/json", text};
}

srv_quick srv_ls_health(srv *s) {
  if (atomic_load(&s->phase) != SRV_READY) return srv_health(s);
  return quick(200, json_pack("{s:s, s:s}", "status", "UP", "model_class", "gromatic"));
}

/* By which Label Studio tells old predictions from new ones: both models have a part in them.
 */
static json_t *version(const srv *s) {
  return json_sprintf("%s+%s", s->models.names[0], s->models.clip_name);
}

srv_quick srv_ls_versions(srv *s) {
  if (atomic_load(&s->phase) != SRV_READY) return srv_health(s);
  return quick(200, json_pack("{s:[o]}", "versions", version(s)));
}

srv_quick srv_ls_metrics(srv *s) {
  (void)s;
  return quick(200, json_object());
}

/* ---- errors ---- */

/* Answers the request with what was caught. */
static void answer_caught(srv_job *job, const srv_caught *caught) {
  job->caught = NULL;
  srv_log(job->server->settings, "%s: %s: %s", job->id, job->work->name, caught->message);
  srv_reply_error(job, caught->status, caught->code, "%s", caught->message);
}

__attribute__((format(printf, 2, 3))) static bool refuse(srv_job *job, const char *format,
                                                         ...) {
  char message[1000];
  va_list list;
  va_start(list, format);
  vsnprintf(message, sizeof message, format, list);
  va_end(list);
  srv_reply_error(job, 400, "bad_argument", "%s", message);
  return false;
}

static bool fail(srv_job *job, const gm_error *err) {
  srv_reply_failure(job, err);
  return false;
}

/* Runs a step; what it refuses is logged and answered. */
static bool caught(srv_job *job, bool (*step)(srv_job *job)) {
  srv_caught error = {0};
  job->caught = &error;
  bool ok = step(job);
  job->caught = NULL;
  if (error.status) answer_caught(job, &error);
  return ok && !error.status;
}

/* ---- bodies ---- */

typedef struct task {
  char name[40]; /* for messages */
} task;

/* The picture of a task by one member of its data. */
typedef struct source {
  char *address;     /* to be fetched; or */
  srv_picture *held; /* that was in the request; or */
  char *problem;     /* why there is none */
} source;

typedef struct plan {
  srv_plan base; /* first: it is the job's plan */
  srv_ls_config config;
  const char **members; /* [n_members] of the configuration, each once */
  task *tasks;          /* [n_tasks] */
  source *sources;      /* [n_tasks][n_members] */
  size_t n_tasks, n_members;
  json_t *drawn; /* boxes that the user has drawn; NULL: no interactive request */
  srv_ls_host host;
} plan;

static plan *plan_of(const srv_job *job) {
  return job->plan;
}

static void free_plan(void *user) {
  plan *p = user;
  for (size_t i = 0; p->sources && i < p->n_tasks * p->n_members; i++) {
    free(p->sources[i].address);
    free(p->sources[i].problem);
    srv_picture_give_back(&p->base.server->pictures, p->sources[i].held);
  }
  free(p->sources);
  free(p->tasks);
  free(p->members);
  json_decref(p->drawn);
  srv_ls_config_free(&p->config);
  srv_plan_free(&p->base);
}

static bool read_body(srv_job *job) {
  gm_error err = {0};
  srv_body body;
  plan *p = calloc(1, sizeof *p);
  if (!p) {
    srv_reply_error(job, 503, "out_of_memory", "no memory for the request");
    return false;
  }
  job->plan = p;
  job->model = job->server->models.names[0];
  p->base.server = job->server;
  p->base.scene = gm_scene_params_default();
  p->base.ask = gm_ask_params_default();
  if (srv_body_read(&body, job->body, job->body_size, job->content_type, &err) != GM_OK)
    return fail(job, &err);
  p->base.json = body.json;
  return body.n_uploads == 0 || refuse(job, "found a file in the body, wanted JSON");
}

/* A string, or "" where it is not there. False after an answer. */
static bool read_string(srv_job *job, const char *name, const char **out) {
  json_t *value = json_object_get(plan_of(job)->base.json, name);
  *out = "";
  if (!value || json_is_null(value)) return true;
  *out = json_string_value(value);
  return (*out && strlen(*out) == json_string_length(value)) ||
         refuse(job, "%s: wanted a string", name);
}

static bool read_config(srv_job *job, const char *member) {
  gm_error err = {0};
  const char *xml;
  if (!read_string(job, member, &xml)) return false;
  if (!*xml) return refuse(job, "found no labelling configuration, wanted \"%s\"", member);
  return srv_ls_config_read(&plan_of(job)->config, xml, strlen(xml), &err) == GM_OK ||
         fail(job, &err);
}

static bool is_empty(const json_t *value) {
  return !value || json_is_null(value) ||
         (json_is_object(value) && json_object_size(value) == 0) ||
         (json_is_array(value) && json_array_size(value) == 0) ||
         (json_is_string(value) && json_string_length(value) == 0);
}

/* ---- setup ---- */

static bool do_setup(srv_job *job) {
  gm_error err = {0};
  const char *project, *url, *token;
  if (!read_body(job) || !read_config(job, "schema") ||
      !read_string(job, "project", &project) || !read_string(job, "hostname", &url) ||
      !read_string(job, "access_token", &token))
    return false;
  if (!is_empty(json_object_get(plan_of(job)->base.json, "extra_params")))
    return refuse(job, "found extra_params, which nothing here takes; leave them empty");
  if (srv_ls_host_keep(job->server, job->client, project, url, token, &err) != GM_OK)
    return fail(job, &err);
  srv_reply_json(job, 200, json_pack("{s:o}", "model_version", version(job->server)));
  return true;
}

/* Answered by the reader: Label Studio waits three seconds for it, whatever else is running. */
static bool setup(srv_job *job) {
  caught(job, do_setup);
  return false;
}

/* ---- webhook ---- */

static bool do_webhook(srv_job *job) {
  const char *action;
  if (!read_body(job) || !read_string(job, "action", &action)) return false;
  if (!*action) return refuse(job, "found no action, wanted the name of an event");
  if (strcmp(action, "START_TRAINING") == 0)
    return refuse(job,
                  "found START_TRAINING, but this server does not train; see gromatic tune");
  if (strncmp(action, "ANNOTATION_", 11) == 0)
    srv_reply_json(job, 201, json_pack("{s:n, s:s}", "result", "status", "ok"));
  else
    srv_reply_json(job, 200, json_pack("{s:s}", "status", "Unknown event"));
  return true;
}

static bool webhook(srv_job *job) {
  caught(job, do_webhook);
  return false;
}

/* ---- predict: the request ---- */

static bool list_members(plan *p) {
  p->members = calloc(p->config.n, sizeof *p->members);
  for (size_t i = 0; p->members && i < p->config.n; i++) {
    size_t k = 0;
    while (k < p->n_members && strcmp(p->members[k], p->config.controls[i].image) != 0) k++;
    if (k == p->n_members) p->members[p->n_members++] = p->config.controls[i].image;
  }
  return p->members != NULL;
}

/* data["image"], or of "a.b" data["a"]["b"]. */
static json_t *find_member(json_t *data, const char *name) {
  json_t *value = json_object_get(data, name);
  const char *dot = strchr(name, '.');
  if (value || !dot) return value;
  char first[256];
  if ((size_t)(dot - name) >= sizeof first) return NULL;
  memcpy(first, name, (size_t)(dot - name));
  first[dot - name] = 0;
  return find_member(json_object_get(data, first), dot + 1);
}

/* Pictures in the request are kept as such at once, so that its base64 need not wait for a
 * slot. */
static bool read_source(srv_job *job, json_t *data, const char *member, source *out) {
  plan *p = plan_of(job);
  srv_caught *outer = job->caught, error = {0};
  json_t *value = find_member(data, member);
  const char *address = json_string_value(value);
  job->caught = &error;
  if (!address || !*address)
    refuse(job, value ? "data.%.100s: wanted the address of a picture" : "found no data.%.100s",
           member);
  else if (!srv_ls_is_here(address))
    out->address = strdup(address);
  else if (srv_plan_picture(job, &p->base, address)) {
    out->held = p->base.picture;
    p->base.picture = NULL;
  }
  job->caught = outer;
  if (error.status) out->problem = strdup(error.message);
  if (out->address || out->held || out->problem) return true;
  srv_reply_error(job, 503, "out_of_memory", "no memory for the tasks");
  return false;
}

static void name_task(const json_t *one, size_t i, task *out) {
  json_t *id = json_object_get(one, "id");
  if (json_is_integer(id))
    snprintf(out->name, sizeof out->name, "task %lld", (long long)json_integer_value(id));
  else
    snprintf(out->name, sizeof out->name, "task number %zu", i + 1);
}

static bool read_tasks(srv_job *job) {
  plan *p = plan_of(job);
  json_t *list = json_object_get(p->base.json, "tasks"), *one;
  size_t n = json_array_size(list), i;
  if (!json_is_array(list) || n == 0 || n > SRV_MAX_ITEMS)
    return refuse(job, "tasks: wanted a list of 1 to %d tasks", SRV_MAX_ITEMS);
  p->tasks = calloc(n, sizeof *p->tasks);
  if (p->tasks && list_members(p)) p->sources = calloc(n * p->n_members, sizeof *p->sources);
  if (!p->sources) {
    srv_reply_error(job, 503, "out_of_memory", "no memory for the tasks");
    return false;
  }
  p->n_tasks = n;
  json_array_foreach(list, i, one) {
    json_t *data = json_object_get(one, "data");
    if (!json_is_object(data))
      return refuse(job, "tasks: task number %zu: wanted an object with data", i + 1);
    name_task(one, i, &p->tasks[i]);
    for (size_t k = 0; k < p->n_members; k++)
      if (!read_source(job, data, p->members[k], &p->sources[i * p->n_members + k]))
        return false;
  }
  return true;
}

static bool read_params(srv_job *job) {
  plan *p = plan_of(job);
  json_t *params = json_object_get(p->base.json, "params");
  if (is_empty(params)) return true;
  if (!json_is_object(params)) return refuse(job, "params: wanted an object");
  if (!is_empty(json_object_get(params, "login")) ||
      !is_empty(json_object_get(params, "password")))
    return refuse(job,
                  "found params.login: the project has a login for its pictures' host, which "
                  "is not used here; remove it, or serve the pictures without one");
  json_t *context = json_object_get(params, "context");
  json_t *drawn = json_object_get(context, "result");
  if (is_empty(context) || is_empty(drawn)) return true;
  if (!json_is_array(drawn) || json_array_size(drawn) > SRV_MAX_ITEMS)
    return refuse(job, "params.context.result: wanted a list of at most %d boxes",
                  SRV_MAX_ITEMS);
  if (p->n_tasks != 1)
    return refuse(job, "found params.context with %zu tasks, wanted one", p->n_tasks);
  p->drawn = json_incref(drawn);
  return true;
}

static bool do_prepare(srv_job *job) {
  gm_error err = {0};
  const char *project;
  plan *p;
  if (!read_body(job) || !read_config(job, "label_config") ||
      !read_string(job, "project", &project) || !read_tasks(job) || !read_params(job))
    return false;
  p = plan_of(job);
  if (srv_ls_host_find(job->server, job->client, project, &p->host, &err) != GM_OK)
    return fail(job, &err);
  json_decref(p->base.json);
  p->base.json = NULL;
  return true;
}

static bool prepare(srv_job *job) {
  return caught(job, do_prepare);
}

/* ---- predict: the answers ---- */

static bool answer_drawn(srv_job *job, srv_ls_picture *picture, const char *member,
                         const srv_ls_asked *asked) {
  plan *p = plan_of(job);
  json_t *one;
  size_t i;
  json_array_foreach(p->drawn, i, one) {
    srv_ls_drawn drawn;
    bool wanted, mine = false;
    if (!srv_ls_read_drawn(picture, one, &drawn, &wanted)) return false;
    for (size_t k = 0; k < p->config.n; k++)
      mine |= strcmp(p->config.controls[k].image, member) == 0 &&
              (!drawn.from_name || strcmp(p->config.controls[k].name, drawn.from_name) == 0);
    if (!mine && p->n_members > 1) continue; /* on another picture of the task */
    if (wanted && !srv_ls_answer_drawn(picture, &drawn, asked, p->config.n)) return false;
  }
  return true;
}

static bool answer_image(srv_job *job, const gm_image *image, const char *member,
                         const srv_ls_asked *asked, json_t *results) {
  plan *p = plan_of(job);
  srv_ls_picture picture = {.job = job, .image = image, .results = results};
  bool ok = true;
  if (p->drawn) ok = answer_drawn(job, &picture, member, asked);
  for (size_t i = 0; ok && !p->drawn && i < p->config.n; i++)
    if (strcmp(p->config.controls[i].image, member) == 0)
      ok = srv_ls_answer(&picture, &asked[i]);
  srv_ls_picture_end(&picture);
  return ok;
}

/* One picture of a task at a time is in memory. */
static bool answer_source(srv_job *job, source *from, const char *member,
                          const srv_ls_asked *asked, json_t *results) {
  plan *p = plan_of(job);
  if (from->problem) return refuse(job, "%s", from->problem);
  srv_picture_give_back(&job->server->pictures, p->base.picture);
  p->base.picture = from->held;
  from->held = NULL;
  if (from->address && !srv_ls_open(job, &p->host, from->address)) return false;
  gm_image *image = srv_plan_decode(job);
  bool ok = image && answer_image(job, image, member, asked, results);
  if (image) srv_plan_give_back(job, image);
  return ok;
}

/* The mean of the scores, by which Label Studio sorts; null where nothing has one. */
static json_t *mean_score(const json_t *results) {
  double sum = 0;
  size_t n = 0, i;
  json_t *one;
  json_array_foreach(results, i, one) {
    json_t *score = json_object_get(one, "score");
    sum += json_number_value(score);
    n += score != NULL;
  }
  return n ? out_json_number(sum / (double)n) : json_null();
}

/* {"result", "score", "model_version"}, or {"error"}. */
static json_t *answer_task(srv_job *job, size_t i, const srv_ls_asked *asked) {
  plan *p = plan_of(job);
  srv_caught *outer = job->caught, error = {0};
  json_t *results = json_array();
  job->caught = p->drawn ? outer : &error; /* who draws sees the status of HTTP only */
  bool ok = results != NULL;
  for (size_t k = 0; ok && k < p->n_members; k++)
    ok = answer_source(job, &p->sources[i * p->n_members + k], p->members[k], asked, results);
  job->caught = outer;
  if (ok)
    return json_pack("{s:o, s:o, s:o}", "result", results, "score", mean_score(results),
                     "model_version", version(job->server));
  json_decref(results);
  if (!error.status) return NULL;
  srv_log(job->server->settings, "%s: %s: %s: %s", job->id, job->work->name, p->tasks[i].name,
          error.message);
  return json_pack("{s:o}", "error", json_sprintf("%s: %s", p->tasks[i].name, error.message));
}

static bool do_run(srv_job *job) {
  plan *p = plan_of(job);
  srv_ls_asked *asked = calloc(p->config.n, sizeof *asked);
  json_t *list = json_array();
  bool ok = asked && list;
  if (!ok) srv_reply_error(job, 503, "out_of_memory", "no memory for the answers");
  for (size_t i = 0; ok && i < p->config.n; i++) {
    asked[i].control = &p->config.controls[i];
    if (p->drawn || !p->config.controls[i].per_region)
      ok = srv_ls_ask(job, &p->config.controls[i], &asked[i]);
  }
  for (size_t i = 0; ok && i < p->n_tasks && !srv_job_over(job); i++)
    ok = json_array_append_new(list, answer_task(job, i, asked)) == 0;
  for (size_t i = 0; asked && i < p->config.n; i++) srv_ls_asked_free(&asked[i]);
  free(asked);
  if (srv_job_over(job)) {
    srv_reply_failure(job, &(gm_error){.status = GM_ERR_CANCELLED});
    ok = false;
  }
  if (ok)
    srv_reply_json(
        job, 200,
        json_pack("{s:O, s:o}", "results", list, "model_version", version(job->server)));
  json_decref(list);
  return ok;
}

static void run(srv_job *job) {
  caught(job, do_run);
}

const srv_work srv_ls_setup = {"ls setup", setup, NULL, free_plan, NULL, false};
const srv_work srv_ls_predict = {"ls predict", prepare, run, free_plan, NULL, false};
const srv_work srv_ls_webhook = {"ls webhook", webhook, NULL, free_plan, NULL, false};
