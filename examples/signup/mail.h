/* The welcome mail: a work item that sends it through libcurl. */
#ifndef SIGNUP_MAIL_H
#define SIGNUP_MAIL_H

#include <outlast/outlast.h>

#include "form.h"

struct mail_settings {
	const char *smtp;    /* smtp://host:port or smtps://host:port */
	const char *from;    /* an address that form_address_ok() likes */
	const char *picture; /* the attachment: the name of a JPEG file */
};

/* The item's data, all that it needs: the request is gone when it runs. */
struct mail {
	const struct mail_settings *settings; /* borrowed */
	char to[FORM_ADDRESS_SIZE];
};

/* An ol_blocking_fn; data is a struct mail. Blocks as long as the server does,
 * for a minute at most. */
enum ol_outcome mail_send(struct ol_work *work, void *data);

#endif
