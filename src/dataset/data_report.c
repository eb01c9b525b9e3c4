/* data_report.c - see data_report.h. */
#include "data_report.h"

#include <stdarg.h>
#include <stdio.h>

const char *gm_fault_name(gm_data_fault kind) {
  static const char *const names[GM_DATA_FAULTS] = {
      [GM_FAULT_ENTRY] = "entries without a member that they need",
      [GM_FAULT_ID_TWICE] = "ids that occur twice",
      [GM_FAULT_NAME_TWICE] = "categories with a name that occurs twice",
      [GM_FAULT_NO_PICTURE] = "annotations of pictures that are not listed",
      [GM_FAULT_NO_CATEGORY] = "annotations of categories that are not listed",
      [GM_FAULT_BOX_NUMBERS] = "boxes that are not four finite numbers",
      [GM_FAULT_BOX_AREA] = "boxes without area",
      [GM_FAULT_BOX_OUTSIDE] = "boxes outside the picture",
      [GM_FAULT_TEXT] = "texts that are empty, or spans outside their text",
      [GM_FAULT_TAGS] = "texts with the model's own tags in them",
      [GM_FAULT_OVERLAP] = "phrases that overlap an earlier one",
      [GM_FAULT_FILE] = "pictures that cannot be read",
      [GM_FAULT_SIZE] = "pictures of another size than their entry says",
      [GM_RULE_CROWD] = "boxes marked iscrowd or ignore",
      [GM_RULE_SMALL] = "pictures with a side under 32 pixels",
      [GM_RULE_EMPTY] = "entries of which nothing is left",
      [GM_RULE_SCORE] = "boxes under the wanted score",
  };
  return names[kind];
}

static bool is_rule(gm_data_fault kind) {
  return kind >= GM_RULE_CROWD;
}

bool gm_report_wants(const gm_data_report *report, gm_data_fault kind) {
  if (is_rule(kind)) return false;
  return report->strict || (report->tell && report->counts[kind] < GM_FAULTS_TOLD);
}

gm_status gm_report_fault(gm_data_report *report, gm_data_fault kind, gm_error *err,
                          const char *format, ...) {
  bool wanted = gm_report_wants(report, kind);
  report->counts[kind]++;
  if (!wanted) return GM_OK;
  char message[sizeof err->message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  if (report->strict) return gm_fail(err, GM_ERR_ARGUMENT, "%s", message);
  /* gm_fail makes bytes safe that come from a file. */
  gm_error clean;
  (void)gm_fail(&clean, GM_ERR_ARGUMENT, "%s", message);
  report->tell(report->user, kind, clean.message);
  return GM_OK;
}
