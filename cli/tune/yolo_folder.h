/* yolo_folder.h - a YOLO data set, as detectors are trained on: pictures in images/, for each a
 * text file in labels/ with lines "class cx cy w h" relative to the picture, and the names in
 * data.yaml or classes.txt. */
#ifndef CLI_YOLO_FOLDER_H
#define CLI_YOLO_FOLDER_H

#include "dataset.h"

/* images/ and labels/ may have folders inside (train, val), which are read too. A picture
 * without a file has no objects. Lines that cannot be used are left out and counted; polygons
 * count as their box. False after a message. Free with dataset_free. */
bool yolo_folder_load(dataset *set, const char *folder);

#endif
