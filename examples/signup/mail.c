#include <sys/random.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "mail.h"

/* libcurl asks this every second and more often; non-zero gives up. */
static int
on_curl_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow,
    curl_off_t ultotal, curl_off_t ulnow)
{
	const struct ol_work *work = arg;
	struct timespec now;

	(void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
	if (!ol_work_stopping(work))
		return 0;
	/* The mail has nearly all of the budget. The last two seconds are for
	 * saying that it was not sent: a process that is killed cannot. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	return ol_work_deadline(work) / 1000000000 - now.tv_sec <= 2;
}

/* The mail's header, or NULL without memory. The caller frees it. */
static struct curl_slist *
header_new(const struct mail *mail)
{
	const char *from = mail->settings->from;
	char lines[5][FORM_ADDRESS_SIZE + 80] = { "Subject: Welcome" };
	struct curl_slist *list = NULL, *longer;
	uint64_t id[2];
	struct tm tm;
	time_t now = time(NULL);

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return NULL;
	strftime(lines[1], sizeof(lines[1]), "Date: %a, %d %b %Y %T +0000",
	    gmtime_r(&now, &tm));
	snprintf(lines[2], sizeof(lines[2]), "From: <%s>", from);
	snprintf(lines[3], sizeof(lines[3]), "To: <%s>", mail->to);
	snprintf(lines[4], sizeof(lines[4]), "Message-ID: <%016jx%016jx%s>",
	    (uintmax_t)id[0], (uintmax_t)id[1], strchr(from, '@'));
	for (size_t i = 0; i < 5; i++) {
		if ((longer = curl_slist_append(list, lines[i])) == NULL) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = longer;
	}
	return list;
}

/* The two parts: a text and the picture. */
static CURLcode
fill(curl_mime *mime, const char *picture)
{
	curl_mimepart *text = curl_mime_addpart(mime);
	curl_mimepart *jpeg = curl_mime_addpart(mime);
	CURLcode rc;

	if (text == NULL || jpeg == NULL)
		return CURLE_OUT_OF_MEMORY;
	if ((rc = curl_mime_data(text, "Welcome! A picture is attached.\r\n",
		 CURL_ZERO_TERMINATED)) != CURLE_OK ||
	    (rc = curl_mime_filedata(jpeg, picture)) != CURLE_OK ||
	    (rc = curl_mime_type(jpeg, "image/jpeg")) != CURLE_OK)
		return rc;
	return curl_mime_encoder(jpeg, "base64");
}

static CURLcode
perform(CURL *curl, struct ol_work *work, const struct mail *mail,
    struct curl_slist *to, struct curl_slist *header, curl_mime *mime)
{
	curl_easy_setopt(curl, CURLOPT_URL, mail->settings->smtp);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
	curl_easy_setopt(curl, CURLOPT_MAIL_FROM, mail->settings->from);
	curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, header);
	curl_easy_setopt(curl, CURLOPT_MIMEPOST, mime);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_curl_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, work);
	return curl_easy_perform(curl);
}

enum ol_outcome
mail_send(struct ol_work *work, void *data)
{
	const struct mail *mail = data;
	struct curl_slist *header = header_new(mail);
	struct curl_slist *to = curl_slist_append(NULL, mail->to);
	CURL *curl = curl_easy_init();
	curl_mime *mime = curl != NULL ? curl_mime_init(curl) : NULL;
	CURLcode rc = CURLE_OUT_OF_MEMORY;
	long status = 0;

	if (header != NULL && to != NULL && mime != NULL) {
		rc = fill(mime, mail->settings->picture);
		if (rc == CURLE_OK)
			rc = perform(curl, work, mail, to, header, mime);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	}
	/* Never the address: more people read the log than the list. */
	if (rc == CURLE_ABORTED_BY_CALLBACK)
		ol_work_error(work, "not sent: the process has to end now");
	else if (rc != CURLE_OK && status != 0)
		ol_work_error(work, "not sent: %s (the mail server said %ld)",
		    curl_easy_strerror(rc), status);
	else if (rc != CURLE_OK)
		ol_work_error(work, "not sent: %s", curl_easy_strerror(rc));
	curl_mime_free(mime);
	curl_easy_cleanup(curl);
	curl_slist_free_all(to);
	curl_slist_free_all(header);
	return rc == CURLE_OK ? OL_OK : OL_FAIL;
}
