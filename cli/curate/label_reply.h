/* label_reply.h - a conversation about a picture from its labels and captions alone, by
 * templates, in the form in which a model replies: so it is checked in the same way. */
#ifndef CLI_LABEL_REPLY_H
#define CLI_LABEL_REPLY_H

#include "curate_set.h"

/* JSON text for free(); NULL if memory is short. */
char *label_reply(const curate_picture *picture);

#endif
