/* plan_picture.c - the picture of a request: from its body, a file or another server; decoded.
 */
#include "fetch.h"
#include "media.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- bytes ---- */

/* What the first bytes of a file that can be read here look like. */
static bool is_picture(const char *bytes, size_t n) {
  return (n > 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0) ||
         (n > 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) ||
         (n > 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0);
}

bool srv_plan_keep(srv_job *job, srv_plan *plan, char *bytes, size_t size) {
  if (!is_picture(bytes, size)) {
    free(bytes);
    srv_reply_error(job, 400, "image_unsupported",
                    "found a picture that is none of JPEG, PNG and WebP");
    return false;
  }
  srv_picture_give_back(&job->server->pictures, plan->picture);
  plan->picture = srv_picture_add(&job->server->pictures, job->client, bytes, size);
  job->retry_after = plan->picture ? 0 : 5;
  if (!plan->picture)
    srv_reply_error(job, 503, "out_of_memory",
                    "no memory for the picture: those of waiting requests fill it; try again "
                    "later");
  return plan->picture != NULL;
}

static bool find(srv_job *job, srv_plan *plan, const char *id) {
  srv_picture_give_back(&job->server->pictures, plan->picture);
  plan->picture = srv_picture_find(&job->server->pictures, job->client, id);
  if (plan->picture) return true;
  srv_reply_error(job, 404, "image_unknown",
                  "no picture of this id was sent with this key lately; send the picture "
                  "itself");
  return false;
}

static bool is_over(void *job) {
  return srv_job_over(job);
}

static bool refuse_fetched(srv_job *job, const gm_error *err) {
  if (err->status == GM_ERR_IO || err->status == GM_ERR_ARGUMENT)
    srv_reply_error(job, 400, err->status == GM_ERR_IO ? "image_not_fetched" : "bad_argument",
                    "%s", err->message);
  else
    srv_reply_failure(job, err);
  return false;
}

bool srv_plan_fetch(srv_job *job, srv_plan *plan, const char *url, const char *authorization) {
  gm_error err = {0};
  char *bytes;
  size_t size;
  if (srv_fetch(&job->server->hosts, url, authorization, NULL, is_over, job, &bytes, &size,
                &err) != GM_OK)
    return refuse_fetched(job, &err);
  return srv_plan_keep(job, plan, bytes, size);
}

/* A slow host must not keep all readers. */
static bool fetch(srv_job *job, srv_plan *plan, const char *url) {
  srv *s = job->server;
  bool ok = false;
  if (s->hosts.n == 0) {
    srv_reply_error(job, 400, "bad_argument",
                    "found the address of a picture, %.200s; this server fetches none: send "
                    "the picture itself, as a data: address or base64 (--allow-url-hosts names "
                    "hosts)",
                    url);
    return false;
  }
  if (atomic_fetch_add(&s->n_fetching, 1) < SRV_MAX_FETCHES) {
    ok = srv_plan_fetch(job, plan, url, NULL);
  } else {
    job->retry_after = 1;
    srv_reply_error(job, 429, "busy", "%d pictures are being fetched; try again later",
                    SRV_MAX_FETCHES);
  }
  atomic_fetch_sub(&s->n_fetching, 1);
  return ok;
}

static bool read_media(srv_job *job, srv_plan *plan, const char *name) {
  gm_error err = {0};
  char *bytes;
  size_t size;
  if (job->server->media < 0) {
    srv_reply_error(job, 400, "bad_argument",
                    "found the name of a file; this server reads none: send the picture itself "
                    "(--media-path names a folder)");
    return false;
  }
  if (srv_media_read(job->server->media, name, &bytes, &size, &err) == GM_OK)
    return srv_plan_keep(job, plan, bytes, size);
  srv_reply_error(job, 404, "image_unknown", "%s", err.message);
  return false;
}

bool srv_plan_picture(srv_job *job, srv_plan *plan, const char *address) {
  char *bytes;
  size_t size;
  if (strncmp(address, "sha256:", 7) == 0) return find(job, plan, address + 7);
  if (strncasecmp(address, "http://", 7) == 0 || strncasecmp(address, "https://", 8) == 0)
    return fetch(job, plan, address);
  if (strncasecmp(address, "file:", 5) == 0)
    return read_media(job, plan, address + (strncmp(address + 5, "//", 2) == 0 ? 7 : 5));
  if (strncasecmp(address, "data:", 5) == 0) {
    const char *comma = strchr(address, ',');
    if (!comma || comma - address < 7 || strncasecmp(comma - 7, ";base64", 7) != 0) {
      srv_reply_error(job, 400, "image_unsupported",
                      "found a data: address that is not data:TYPE;base64,...");
      return false;
    }
    address = comma + 1;
  } else if (job->server->media >= 0 && strchr(address, '.')) {
    return read_media(job, plan, address); /* base64 has no dot */
  }
  if (!srv_base64_read(address, strlen(address), &bytes, &size)) {
    srv_reply_error(job, 400, "image_unsupported",
                    "found a picture that is neither a data: address, nor base64, nor "
                    "sha256:HEX");
    return false;
  }
  return srv_plan_keep(job, plan, bytes, size);
}

/* ---- decoding ---- */

static gm_status decode(gm_image **out, const srv_plan *plan, uint64_t max_pixels,
                        gm_error *err) {
  gm_image_params params = gm_image_params_default();
  params.max_pixels = max_pixels;
  return gm_image_from_memory(out, plan->picture->bytes, plan->picture->size, &params, err);
}

/* Waits until one more picture may be large. False: the job is over. */
static bool wait_for_large(srv_job *job) {
  srv *s = job->server;
  pthread_mutex_lock(&s->lock);
  while (s->n_large >= SRV_MAX_LARGE && !srv_job_over(job)) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (until.tv_nsec += 100000000) / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&s->fewer_large, &s->lock, &until);
  }
  bool mine = s->n_large < SRV_MAX_LARGE;
  s->n_large += mine;
  pthread_mutex_unlock(&s->lock);
  return mine;
}

gm_image *srv_plan_decode(srv_job *job) {
  srv_plan *plan = job->plan;
  gm_error err = {0};
  gm_image *image = NULL;
  uint64_t most = job->server->settings->max_pixels; /* 0: the library's */
  bool small = most && most <= SRV_LARGE_PIXELS;
  gm_status status = decode(&image, plan, small ? most : SRV_LARGE_PIXELS, &err);
  if (status == GM_ERR_IMAGE_TOO_LARGE && !small) {
    plan->large = wait_for_large(job);
    if (plan->large)
      status = decode(&image, plan, most, &err);
    else
      err.status = GM_ERR_CANCELLED;
  }
  if (status != GM_OK) srv_reply_failure(job, &err);
  if (!image) srv_plan_give_back(job, NULL);
  return image;
}

void srv_plan_give_back(srv_job *job, gm_image *image) {
  srv *s = job->server;
  srv_plan *plan = job->plan;
  gm_image_free(image);
  if (!plan->large) return;
  plan->large = false;
  pthread_mutex_lock(&s->lock);
  s->n_large--;
  pthread_cond_signal(&s->fewer_large);
  pthread_mutex_unlock(&s->lock);
}
