/* api_classes.c - gm_classes: the texts of a method, encoded and mixed. */
#include "classes.h"
#include "clip_handles.h"
#include "feature_keys.h"

#include <string.h>

static const char *const method_names[GM_METHODS] = {
    [GM_METHOD_WCA] = "wca",       [GM_METHOD_WCA_RELEASED] = "wca-released",
    [GM_METHOD_CLIP] = "clip",     [GM_METHOD_CLIP_E] = "clip-e",
    [GM_METHOD_CLIP_D] = "clip-d", [GM_METHOD_WAFFLE] = "waffle",
    [GM_METHOD_CUPL] = "cupl",
};

const char *gm_method_name(gm_method method) {
  return (unsigned)method < GM_METHODS ? method_names[method] : NULL;
}

bool gm_method_named(const char *name, gm_method *out) {
  for (int i = 0; i < GM_METHODS; i++)
    if (strcmp(name, method_names[i]) == 0) {
      *out = (gm_method)i;
      return true;
    }
  return false;
}

/* From the cache, else computed and kept. */
static gm_status encode(gm_classes *classes, gm_clip *clip, gm_compute *c,
                        const gm_callbacks *callbacks) {
  const char *const *texts = (const char *const *)classes->texts.texts;
  size_t n = classes->texts.n_texts;
  char key[65];
  if (clip->base.dir) {
    const char *maker;
    GM_TRY(gm_clip_maker(clip, &maker, callbacks, c->err));
    gm_feature_key_texts(key, maker, texts, n);
    if (gm_feature_cache_load(clip->base.dir, key, n, classes->dim, classes->features))
      return GM_OK;
  }
  GM_TRY(gm_clip_encode_strings(c, clip->model, texts, n, classes->features, callbacks));
  if (clip->base.dir)
    gm_feature_cache_store(clip->base.dir, key, n, classes->dim, classes->features);
  return GM_OK;
}

static gm_status create(gm_classes **out, gm_clip *clip, const gm_classes_params *params,
                        const gm_callbacks *callbacks, gm_error *err) {
  gm_class_texts texts;
  gm_classes *classes = NULL;
  gm_status status = gm_class_texts_read(&texts, params, err);
  if (status == GM_OK)
    status = gm_classes_begin(&classes, params, &texts, clip->model->features, err);
  gm_class_texts_free(&texts);
  if (status == GM_OK) {
    classes->clip = clip;
    gm_entry entry;
    status = gm_clip_enter(clip, &entry, callbacks, err);
    if (status == GM_OK)
      status = gm_engine_leave(&entry, encode(classes, clip, entry.c, entry.callbacks));
  }
  if (status == GM_OK) status = gm_classes_finish(classes, params, err);
  if (status == GM_OK)
    *out = classes;
  else
    gm_classes_free(classes);
  return status;
}

gm_status gm_classes_create(gm_classes **out, gm_clip *clip, const gm_classes_params *params,
                            const gm_callbacks *callbacks, gm_error *err) {
  *out = NULL;
  gm_classes_params own;
  gm_callbacks calls;
  GM_TRY(GM_STRUCT_READ(gm_classes_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  if ((unsigned)own.method >= GM_METHODS)
    return gm_fail(err, GM_ERR_ARGUMENT, "found method number %d, wanted one of gm_method",
                   (int)own.method);
  if (own.text_scale == 0) own.text_scale = 2;
  if (own.dedup < 0) own.dedup = 0;
  return create(out, clip, &own, &calls, err);
}
