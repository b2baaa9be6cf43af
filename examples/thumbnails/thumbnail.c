/*
 * A task program in C: a JPEG on standard input, alone or in the form that
 * brought it; the same picture on standard output, no side longer than --size.
 *
 * Exit 65 says that the picture is no good, so that it is not tried again. An
 * example of what a task program may do that a page must not: it ends where it
 * stands, and whoever runs it sees to the rest.
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include <jpeglib.h>

#define QUALITY	   85
#define PIXELS_MAX 100000000 /* a few bytes can claim to be any number */
#define SCANS_MAX  100	     /* so can a few scans take any time */

static void
fail(int status, const char *why)
{
	fprintf(stderr, "thumbnail: %s\n", why);
	exit(status);
}

/* --- progress: one datagram to the socket that the environment names --------
 */

static void
report(int percent, const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char message[80];
	int fd, len;

	if (path == NULL || strlen(path) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, strlen(path));
	len = snprintf(message, sizeof(message), "X_OUTLAST_PROGRESS=%d %s",
	    percent, text);
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		return;
	/* Nobody has to listen: the picture does not wait for that. */
	sendto(fd, message, (size_t)len, MSG_DONTWAIT, (struct sockaddr *)&to,
	    sizeof(to));
	close(fd);
}

/* --- what libjpeg calls -----------------------------------------------------
 */

static void
on_error(j_common_ptr jpeg)
{
	char why[JMSG_LENGTH_MAX];

	jpeg->err->format_message(jpeg, why);
	fail(jpeg->is_decompressor ? EX_DATAERR : EX_IOERR, why);
}

/* A warning, below 0, is a damaged picture: grey where the rest should be. */
static void
on_message(j_common_ptr jpeg, int level)
{
	if (level < 0)
		on_error(jpeg);
}

/* Each tenth of the work, and each scan. */
static void
on_progress(j_common_ptr jpeg)
{
	const struct jpeg_progress_mgr *done = jpeg->progress;
	int *last = jpeg->client_data, percent;

	if (((j_decompress_ptr)jpeg)->input_scan_number > SCANS_MAX)
		fail(EX_DATAERR, "more scans than a picture needs");
	percent =
	    (int)(100 *
		  (done->completed_passes +
		      (double)done->pass_counter / (double)done->pass_limit) /
		  done->total_passes);
	if (percent < *last + 10 || percent >= 100)
		return;
	*last = percent;
	report(percent, "shrinking");
}

/* --- shrinking: each pixel of the result is the mean of what it covers -------
 */

/*
 * Stretch `from` source cells and `to` <= `from` target cells over the same
 * line. Returns the first target cell that source cell i touches; weight is how
 * much of i lies there and how much in the next one: there is no third.
 */
static unsigned
share(unsigned i, unsigned from, unsigned to, unsigned weight[2])
{
	uint64_t end = ((uint64_t)i + 1) * to;
	unsigned first = (unsigned)((end - to) / from);
	uint64_t border = ((uint64_t)first + 1) * from;

	weight[1] = end > border ? (unsigned)(end - border) : 0;
	weight[0] = to - weight[1];
	return first;
}

/* One line of `from` pixels with n components, as sums that lack a division. */
static void
shrink_line(
    const JSAMPLE *line, unsigned from, uint32_t *sums, unsigned to, int n)
{
	unsigned weight[2];

	memset(sums, 0, (size_t)to * n * sizeof(*sums));
	for (unsigned x = 0; x < from; x++, line += n) {
		uint32_t *sum = sums + (size_t)share(x, from, to, weight) * n;

		for (int c = 0; c < n; c++) {
			sum[c] += line[c] * weight[0];
			if (weight[1] > 0)
				sum[n + c] += line[c] * weight[1];
		}
	}
}

static void *
zeroes(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL)
		fail(EX_TEMPFAIL, "out of memory");
	return memory;
}

static void
shrink(j_decompress_ptr in, j_compress_ptr out)
{
	size_t width = (size_t)out->image_width * out->input_components;
	JSAMPLE *line = zeroes(in->output_width, in->output_components);
	JSAMPLE *pixels = zeroes(width, sizeof(*pixels));
	uint32_t *sums = zeroes(width, sizeof(*sums));
	uint64_t *total = zeroes(width, sizeof(*total));
	uint64_t area = (uint64_t)in->output_width * in->output_height;
	unsigned weight[2], row;

	for (unsigned y = 0; y < in->output_height; y++) {
		jpeg_read_scanlines(in, &line, 1);
		shrink_line(line, in->output_width, sums, out->image_width,
		    in->output_components);
		row = share(y, in->output_height, out->image_height, weight);
		for (size_t i = 0; i < width; i++)
			total[i] += (uint64_t)sums[i] * weight[0];
		if ((uint64_t)(y + 1) * out->image_height <
		    (uint64_t)(row + 1) * in->output_height)
			continue;
		for (size_t i = 0; i < width; i++) {
			pixels[i] = (JSAMPLE)((total[i] + area / 2) / area);
			total[i] = (uint64_t)sums[i] * weight[1];
		}
		jpeg_write_scanlines(out, &pixels, 1);
	}
	free(line), free(pixels), free(sums), free(total);
}

/* --- in, through, out -------------------------------------------------------
 */

/* A form is a header for each field, an empty line, and the picture. A decoder
 * stops at the picture's end, so what follows it does no harm. */
static void
skip_form_header(FILE *in)
{
	static const char empty[] = "\r\n\r\n";
	const char *type = getenv("OUTLAST_CONTENT_TYPE");
	size_t found = 0;
	int c;

	if (type == NULL || strncasecmp(type, "multipart/form-data", 19) != 0)
		return;
	while (empty[found] != '\0' && (c = getc(in)) != EOF)
		found = c == empty[found] ? found + 1 : c == '\r';
}

/* Decode no finer than needed: libjpeg shrinks to eighths almost for free. */
static void
begin_input(j_decompress_ptr in, unsigned size)
{
	jpeg_read_header(in, TRUE);
	if ((uint64_t)in->image_width * in->image_height > PIXELS_MAX)
		fail(EX_DATAERR, "more than 100 million pixels");
	if (in->out_color_space != JCS_GRAYSCALE)
		in->out_color_space = JCS_RGB;
	in->scale_denom = 8;
	for (in->scale_num = 1; in->scale_num < 8; in->scale_num++) {
		jpeg_calc_output_dimensions(in);
		if (in->output_width >= size || in->output_height >= size)
			break;
	}
	jpeg_start_decompress(in);
}

static unsigned
side(unsigned length, unsigned longest, unsigned size)
{
	uint64_t fitting = ((uint64_t)length * size + longest / 2) / longest;

	return longest <= size ? length : fitting > 0 ? (unsigned)fitting : 1;
}

static void
begin_output(
    j_compress_ptr out, const struct jpeg_decompress_struct *in, unsigned size)
{
	unsigned width = in->output_width, height = in->output_height;
	unsigned longest = width > height ? width : height;

	out->image_width = side(width, longest, size);
	out->image_height = side(height, longest, size);
	out->input_components = in->output_components;
	out->in_color_space = in->out_color_space;
	jpeg_set_defaults(out);
	jpeg_set_quality(out, QUALITY, TRUE);
	jpeg_start_compress(out, TRUE);
}

int
main(int argc, char **argv)
{
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress = { .progress_monitor = on_progress };
	struct jpeg_decompress_struct in = { .err = jpeg_std_error(&errors) };
	struct jpeg_compress_struct out = { .err = &errors };
	int size = 0, last = 0;

	if (argc == 3 && strcmp(argv[1], "--size") == 0)
		size = atoi(argv[2]);
	if (size <= 0 || size > JPEG_MAX_DIMENSION)
		fail(EX_USAGE, "usage: thumbnail --size PIXELS");
	errors.error_exit = on_error;
	errors.emit_message = on_message;
	jpeg_create_decompress(&in);
	jpeg_create_compress(&out);
	in.progress = &progress;
	in.client_data = &last;

	skip_form_header(stdin);
	jpeg_stdio_src(&in, stdin);
	jpeg_stdio_dest(&out, stdout);
	begin_input(&in, (unsigned)size);
	begin_output(&out, &in, (unsigned)size);
	shrink(&in, &out);
	jpeg_finish_decompress(&in);
	jpeg_finish_compress(&out);

	jpeg_destroy_compress(&out);
	jpeg_destroy_decompress(&in);
	return 0;
}
