/* torch_rebuild.h - the meaning of the few globals that a PyTorch pickle may name: name ->
 * global, persistent id -> storage, _rebuild_tensor_v2's arguments -> checked view. */
#ifndef GM_TORCH_REBUILD_H
#define GM_TORCH_REBUILD_H

#include "torch_pickle.h"

/* Fills *out (kind GLOBAL) from module and name, which are not NUL-terminated. GM_ERR_MODEL if
 * the name is not allowed. */
gm_status gm_torch_global(gm_pickle_value *out, const char *module, size_t module_length,
                          const char *name, size_t name_length, bool script, gm_error *err);

/* id: ("storage", torch.XStorage, key, location, number of elements) -> kind STORAGE. */
gm_status gm_torch_persistent(gm_pickle_value *out, const gm_pickle_value *id, gm_error *err);

/* args of _rebuild_tensor_v2: (storage, offset, shape, stride, requires_grad, hooks) -> *view.
 */
gm_status gm_torch_rebuild_tensor(gm_torch_view *view, const gm_pickle_value *args,
                                  gm_error *err);

#endif
