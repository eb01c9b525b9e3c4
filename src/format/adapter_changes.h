/* adapter_changes.h - adapters beside their base: which tensor is changed by which of their
 * parts, and the tensor's numbers with all changes. */
#ifndef GM_ADAPTER_CHANGES_H
#define GM_ADAPTER_CHANGES_H

#include "adapter.h"

/* An adapter's part applied to a tensor of the base. */
typedef struct gm_change {
  size_t tensor; /* number in the base */
  const gm_adapter_part *part;
  float scale; /* of b a, or of the difference: alpha and rank are in it */
} gm_change;

/* One adapter of those that are applied together. */
typedef struct gm_applied {
  gm_adapter *adapter; /* owned */
  float scale;
  bool other_base; /* it was made for another file of the same architecture and vocabulary */
} gm_applied;

typedef struct gm_adapter_changes {
  gm_applied *adapters; /* [n_adapters], in the order given */
  size_t n_adapters;
  gm_change *all; /* [n], in the order of the base's tensors, then as given */
  size_t n;
} gm_adapter_changes;

/* Adds an adapter with this scale, and takes ownership of it, also on failure. GM_ERR_MODEL
 * says what does not fit: architecture, vocabulary, a tensor that the base does not have, or
 * shapes. With the scale 0 it is checked, and changes nothing. */
gm_status gm_changes_add(gm_adapter_changes *changes, const gm_model_file *base,
                         gm_adapter *adapter, float scale, gm_error *err);
void gm_changes_free(gm_adapter_changes *changes);

/* The changes of a tensor of the base: changes->all[*first] and the next; returns their number.
 */
size_t gm_changes_of(const gm_adapter_changes *changes, size_t tensor, size_t *first);
/* values[0, n) are the elements from `at` on, row after row, of a tensor with rows of `columns`
 * elements: adds the changes. */
void gm_change_add(const gm_change *change, size_t columns, size_t at, size_t n, float *values);

/* The heads that hold with the changes: the base's own (may be NULL) where no adapter is in
 * use, else those of the last one, which changed the model after the others. NULL: none. */
const gm_present_head *gm_changes_present(const gm_adapter_changes *changes,
                                          const gm_present_head *base);
const gm_label_head *gm_changes_label(const gm_adapter_changes *changes,
                                      const gm_label_head *base);

/* What results depend on, for keys of caches: hashes and scales of the adapters that change
 * something; "" if none does. */
void gm_changes_key(const gm_adapter_changes *changes, char key[65]);

#endif
