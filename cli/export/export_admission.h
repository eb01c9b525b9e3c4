/* export_admission.h - checks before the run whether a folder may receive the export. */
#ifndef CLI_EXPORT_ADMISSION_H
#define CLI_EXPORT_ADMISSION_H

#include "export_params.h"

/* Whether an export of this format (its name; inside: the folder of its files) may be written
 * to the folder. False after a message. */
bool export_folder_admits(const cli_export *export, const char *format, const char *inside);
/* Whether the folder has the export's classes. False after a message. */
bool export_folder_has_classes(const cli_export *export);

#endif
