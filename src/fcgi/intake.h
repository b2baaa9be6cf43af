/*
 * A request that comes in pieces, collected: its head (BEGIN_REQUEST and
 * PARAMS, as they came) and its body (the content of STDIN alone). Takes what
 * the frame check takes and refuses what it refuses, however it is cut.
 */
#ifndef OL_FCGI_INTAKE_H
#define OL_FCGI_INTAKE_H

#include "fcgi/frame.h"
#include "fcgi/reader.h"

struct ol_intake {
	unsigned char *head; /* owned */
	size_t head_len, head_size;
	unsigned char *body; /* owned; NULL: empty so far */
	size_t body_len, body_size;
	size_t max_body;
	bool too_large; /* more came than max_body; it was thrown away */
	bool head_whole;
	bool ended; /* the empty STDIN record has come, padding included */
	struct ol_reader reader; /* of what is behind the head */
};

void ol_intake_init(struct ol_intake *, size_t max_body);
void ol_intake_fini(struct ol_intake *);

/*
 * Take the next len bytes. Sets *frame as ol_frame_look() does, with body the
 * number of bytes of the body so far (thrown away ones included). Without
 * memory the verdict is OL_FRAME_BAD.
 */
void ol_intake_take(struct ol_intake *, struct ol_frame *frame,
    const unsigned char *data, size_t len);

#endif
