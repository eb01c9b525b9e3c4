/* api_engine.c - gm_engine for programs. */
#include "handles.h"

#include "memory_limit.h"

gm_status gm_engine_create(gm_engine **out, const gm_engine_params *params, gm_error *err) {
  *out = NULL;
  gm_engine_params own;
  GM_TRY(GM_STRUCT_READ(gm_engine_params, &own, params, err));
  uint64_t memory = own.memory == 0         ? gm_usable_memory() / 2
                    : own.memory == GM_NONE ? UINT64_MAX
                                            : own.memory;
  const gm_engine_settings settings = {
      .threads = own.threads,
      .queue = own.queue == GM_NONE ? SIZE_MAX : own.queue,
      .memory = memory,
      .kept_scenes = own.kept_scenes == 0         ? UINT32_MAX
                     : own.kept_scenes == GM_NONE ? 0
                                                  : own.kept_scenes,
  };
  GM_TRY(gm_engine_new(out, &settings, err));
  if (memory != UINT64_MAX) (*out)->make_room = gm_scenes_make_room;
  return GM_OK;
}

void gm_engine_free(gm_engine *engine) {
  gm_engine_release(engine);
}

gm_status gm_engine_get_info(gm_engine *engine, gm_engine_info *out, gm_error *err) {
  size_t waiting, running, scenes;
  gm_engine_count(engine, &waiting, &running);
  gm_engine_info info = {.threads = gm_pool_threads(engine->pool),
                         .queue = engine->queue_limit < GM_NONE ? (uint32_t)engine->queue_limit
                                                                : GM_NONE,
                         .waiting = (uint32_t)waiting,
                         .running = (uint32_t)running,
                         .memory = engine->memory};
  info.memory_used = gm_scenes_bytes(engine, &scenes);
  info.scenes = (uint32_t)scenes;
  return GM_STRUCT_WRITE(gm_engine_info, out, &info, err);
}
