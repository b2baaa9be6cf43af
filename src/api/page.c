#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/answer.h"
#include "api/etag.h"
#include "api/fingerprint.h"
#include "api/handlers.h"
#include "api/page.h"
#include "api/result.h"
#include "api/wait.h"
#include "base/text.h"

enum {
	PAGE_SIZE = 16 * 1024,
	/* Of the application's words so much is shown, in bytes. */
	WORDS_MAX = 600,
	/* Without scripts the page is read again after so many seconds. */
	AGAIN_LEAST = 2,
	AGAIN_MOST = 30,
};

/* --- what never changes: the policy names both by their hashes --- */

static const char style[] =
    ":root{color-scheme:light dark;--b:#f4f6f8;--c:#fff;--t:#1b2430;"
    "--m:#566273;--l:#dfe4ea;--a:#1f5fd6}"
    "@media(prefers-color-scheme:dark){:root{--b:#11151a;--c:#1a2028;"
    "--t:#e9edf2;--m:#9ba7b6;--l:#2d3642;--a:#6ba4ff}}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;"
    "padding:1rem;background:var(--b);color:var(--t);"
    "font:1rem/1.5 system-ui,sans-serif}"
    "main{width:100%;max-width:30rem;padding:2rem;background:var(--c);"
    "border:1px solid var(--l);border-radius:.75rem;overflow-wrap:anywhere}"
    "header{display:flex;justify-content:space-between;"
    "align-items:baseline;gap:1rem;margin-bottom:.75rem}"
    "h1{font-size:1.375rem;line-height:1.3;margin:0}"
    "#n{font-size:1.375rem;font-variant-numeric:tabular-nums;"
    "white-space:nowrap;color:var(--m)}"
    "p{margin:.75rem 0 0}"
    "progress{appearance:none;display:block;width:100%;height:.5rem;"
    "border:0;border-radius:1rem;overflow:hidden;background:var(--l);"
    "color:var(--a)}"
    "progress::-webkit-progress-bar{background:var(--l)}"
    "progress::-webkit-progress-value{background:var(--a);"
    "border-radius:1rem;transition:width .5s}"
    "progress::-moz-progress-bar{background:var(--a);border-radius:1rem}"
    "progress:indeterminate{background:linear-gradient(90deg,"
    "var(--l) 35%,var(--a),var(--l) 65%) 0/300% 100%;"
    "animation:m 2s linear infinite}"
    "progress:indeterminate::-webkit-progress-bar{background:none}"
    "progress:indeterminate::-moz-progress-bar{background:none}"
    "@keyframes m{from{background-position:100%}to{background-position:0}}"
    "@media(prefers-reduced-motion){*{animation:none!important;"
    "transition:none!important}}"
    "#t:empty,#w:empty,[hidden]{display:none}"
    "a{color:var(--a)}"
    "footer{margin-top:1.5rem;padding-top:1rem;"
    "border-top:1px solid var(--l);color:var(--m);font-size:.875rem}"
    "footer p:first-child{margin:0}"
    "@media(max-width:30rem){main{padding:1.25rem}}";

/*
 * A long poll of the object; what changed is taken from the page itself, which
 * is the only one that knows the words. At the end the page is loaded again,
 * and is the result then; a result that is saved as a file leaves this one on
 * the screen, so that it says so first. Who is told not to ask so often (429)
 * waits, too.
 */
static const char script[] =
    "(function(){var d=document,m=d.querySelector('main'),"
    "u=location.pathname.replace(/\\/page$/,''),bad=0;"
    "function put(i,t){d.getElementById(i).textContent=t}"
    "function no(r){return r.status>=500||r.status==429}"
    "function local(){d.querySelectorAll('time').forEach(function(e){"
    "var t=new Date(e.dateTime),n=new Date();if(!isNaN(t))"
    "e.textContent=t.toLocaleString([],"
    "t.toDateString()==n.toDateString()?{timeStyle:'short'}:"
    "{dateStyle:'medium',timeStyle:'short'})})}"
    "function end(){put('h',d.title='Finished');put('n','');put('t','');"
    "put('w','');d.querySelector('progress').value=100;"
    "put('s','Here is what came of it. When it is saved as a file, this page "
    "may be closed; loading it again saves it once more.');"
    "d.querySelector('footer p').hidden=true;location.reload();return 1}"
    "function show(n){var k=n.querySelector('main[data-etag]');"
    "if(!k)return end();"
    "m.dataset.etag=k.dataset.etag;d.title=n.title;"
    "['h','n','t','s'].forEach(function(i){"
    "var o=d.getElementById(i),e=n.getElementById(i);"
    "o.replaceChildren(...e.childNodes)});"
    "var o=d.querySelector('progress'),e=n.querySelector('progress');"
    "e.hasAttribute('value')?o.value=e.value:o.removeAttribute('value');"
    "local()}"
    "async function watch(){for(;;){var at=Date.now();try{"
    "var r=await fetch(u,{headers:{'If-None-Match':m.dataset.etag,"
    "Prefer:'wait=30'}});"
    "if(no(r))throw r;"
    "if(r.status==200){if((await r.json()).ended)return end();"
    "r=await fetch(location.href);if(no(r))throw r;"
    "if(show(new DOMParser().parseFromString(await r.text(),'text/html')))"
    "return}"
    "else if(r.status!=304)return location.reload();"
    "bad=0}catch(e){bad++}"
    "put('w',bad<2?'':"
    "'The connection is interrupted. This page keeps trying.');"
    "await new Promise(function(f){setTimeout(f,"
    "bad?Math.min(bad*2,30)*1000:Math.max(0,1000+at-Date.now()))})}}"
    "local();watch()})()";

static void
base64(char *dst, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i, k;

	for (i = 0; i < len; i += 3) {
		uint32_t three = (uint32_t)bytes[i] << 16;

		if (i + 1 < len)
			three |= (uint32_t)bytes[i + 1] << 8;
		if (i + 2 < len)
			three |= bytes[i + 2];
		for (k = 0; k < 4; k++, three <<= 6)
			*dst++ = i + k > len ? '=' : digits[three >> 18 & 63];
	}
	*dst = '\0';
}

/* The hash of text as a policy names it; -1: logged. */
static int
hash_source(char *dst, const char *text)
{
	struct ol_fingerprint *hash = ol_fingerprint_new(text, strlen(text));
	uint8_t sum[OL_FINGERPRINT_SIZE];
	int ended;

	if (hash == NULL)
		return -1;
	ended = ol_fingerprint_end(hash, sum);
	ol_fingerprint_free(hash);
	if (ended == 0)
		base64(dst, sum, sizeof(sum));
	return ended;
}

int
ol_page_policy(char policy[OL_PAGE_POLICY_SIZE])
{
	char styles[64], scripts[64];

	if (hash_source(styles, style) == -1 ||
	    hash_source(scripts, script) == -1)
		return -1;
	snprintf(policy, OL_PAGE_POLICY_SIZE,
	    "default-src 'none'; style-src 'sha256-%s'; "
	    "script-src 'sha256-%s'; connect-src 'self'; base-uri 'none'; "
	    "form-action 'none'; frame-ancestors 'self'",
	    styles, scripts);
	return 0;
}

/* --- a page in the making: bounded, as all that it is made of is --- */

struct page {
	char text[PAGE_SIZE];
	size_t len;
};

static void
put(struct page *p, const char *html)
{
	size_t len = strlen(html);

	if (len > sizeof(p->text) - p->len)
		len = sizeof(p->text) - p->len;
	memcpy(p->text + p->len, html, len);
	p->len += len;
}

/* Somebody else's words: as text, whatever they are. */
static void
put_text(struct page *p, const char *text)
{
	char clean[WORDS_MAX + 1], one[2] = "";
	const char *at;

	ol_text_utf8(clean, sizeof(clean), text, strlen(text));
	for (at = clean; *at != '\0'; at++)
		switch (*at) {
		case '&':
			put(p, "&amp;");
			break;
		case '<':
			put(p, "&lt;");
			break;
		case '>':
			put(p, "&gt;");
			break;
		case '"':
			put(p, "&quot;");
			break;
		case '\'':
			put(p, "&#39;");
			break;
		default:
			one[0] = *at;
			put(p, one);
			break;
		}
}

static void
put_number(struct page *p, int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	put(p, text);
}

/* In UTC: a script makes the visitor's own of it. */
static void
put_time(struct page *p, int64_t msec)
{
	char now[OL_JSON_TIME_SIZE], text[OL_JSON_TIME_SIZE];

	ol_json_time(text, msec);
	ol_json_time(now, (int64_t)time(NULL) * 1000);
	put(p, "<time datetime=\"");
	put(p, text);
	put(p, "\">");
	text[16] = '\0';
	text[10] = ' ';
	/* Of today the day is known. */
	put(p, strncmp(text, now, 10) == 0 ? text + 11 : text);
	put(p, " UTC</time>");
}

static void
put_head(struct page *p)
{
	put(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	       "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
	       "content=\"width=device-width,initial-scale=1\">\n"
	       "<meta name=\"robots\" content=\"noindex\">\n<style>");
	put(p, style);
	put(p, "</style>\n");
}

static void
send_page(struct ol_exchange *x, const struct page *p)
{
	ol_request_header(
	    x->request, "Content-Security-Policy", x->api->page_policy);
	ol_answer_content(x, "text/html; charset=utf-8", p->text, p->len);
}

/* --- while it goes on --- */

enum phase { WAITING, AGAIN, LATER, RUNNING, RETRYING, PARKED };

static enum phase
phase_of(const struct ol_object *object)
{
	if (strcmp(object->state, "running") == 0)
		return RUNNING;
	if (strcmp(object->state, "retrying") == 0)
		return RETRYING;
	if (strcmp(object->state, "parked") == 0)
		return PARKED;
	if (strcmp(object->state, "scheduled") == 0)
		return LATER;
	return object->attempt > 0 ? AGAIN : WAITING;
}

static const char *
headline(enum phase phase)
{
	switch (phase) {
	case WAITING:
	case AGAIN:
		return "Waiting for its turn";
	case LATER:
		return "Not begun yet";
	case RUNNING:
		return "In progress";
	case RETRYING:
		return "Trying again soon";
	case PARKED:
		break;
	}
	return "On hold";
}

static void
put_attempt(struct page *p, const struct ol_object *object)
{
	put_number(p, object->attempt);
	put(p, " of ");
	put_number(p, object->attempts_max);
}

/* One sentence on how it stands; none says how we are built. */
static void
put_state(struct page *p, const struct ol_object *object)
{
	switch (phase_of(object)) {
	case WAITING:
		put(p, "It begins by itself as soon as those before it are "
		       "done.");
		break;
	case AGAIN:
		put(p, "It was interrupted, and begins again by itself.");
		break;
	case LATER:
		put(p, "It begins at ");
		put_time(p, object->due);
		put(p, ".");
		break;
	case RUNNING:
		if (object->attempt > 1) {
			put(p, "This is attempt ");
			put_attempt(p, object);
			put(p, ".");
		} else
			put(p, "This takes a moment.");
		break;
	case RETRYING:
		put(p, "Attempt ");
		put_attempt(p, object);
		put(p, " did not work out. The next one begins at ");
		put_time(p, object->due);
		put(p, ".");
		break;
	case PARKED:
		put(p, "This kind of work is paused on this site at the "
		       "moment. It goes on by itself later.");
		break;
	}
}

static void
put_title(struct page *p, const struct ol_object *object, bool has_percent)
{
	put(p, "<title>");
	if (has_percent) {
		put_number(p, object->progress);
		put(p, " % – ");
	}
	put(p, headline(phase_of(object)));
	put(p, "</title>\n<noscript><meta http-equiv=\"refresh\" content=\"");
}

static void
put_progress(struct page *p, const struct ol_object *object, bool has_percent)
{
	put(p, "<header><h1 id=\"h\">");
	put(p, headline(phase_of(object)));
	put(p, "</h1><span id=\"n\">");
	if (has_percent) {
		put_number(p, object->progress);
		put(p, " %");
	}
	put(p, "</span></header>\n<progress role=\"progressbar\" "
	       "aria-labelledby=\"h\" max=\"100\"");
	/* Without a value it moves: something is done, nobody knows how far. */
	if (has_percent || phase_of(object) != RUNNING) {
		put(p, " value=\"");
		put_number(p, has_percent ? object->progress : 0);
		put(p, "\"");
	}
	put(p, "></progress>\n<p id=\"t\" dir=\"auto\">");
	if (phase_of(object) == RUNNING)
		put_text(p, object->progress_text);
	put(p, "</p>\n<p id=\"s\" aria-live=\"polite\">");
	put_state(p, object);
	put(p, "</p>\n");
}

/* How soon a browser without scripts looks again. */
static int
again(const struct ol_object *object)
{
	int wait = ol_answer_wait(object);

	return wait < AGAIN_LEAST  ? AGAIN_LEAST
	       : wait > AGAIN_MOST ? AGAIN_MOST
				   : wait;
}

static void
show(struct ol_exchange *x, const struct ol_object *object)
{
	bool has_percent = object->progress >= 0 && phase_of(object) == RUNNING;
	struct page p = { .len = 0 };
	char etag[OL_ETAG_SIZE];

	ol_etag_write(etag, object);
	put_head(&p);
	put_title(&p, object, has_percent);
	put_number(&p, again(object));
	put(&p, "\"></noscript>\n</head>\n<body>\n<main data-etag=\"");
	put_text(&p, etag);
	put(&p, "\">\n");
	put_progress(&p, object, has_percent);
	/* Browsers for terminals show what is hidden, and do not refresh. */
	put(&p, "<p id=\"w\"></p>\n<noscript><p><a href=\"page\">Look again"
		"</a></p></noscript>\n<footer><p>You may leave this page open: "
		"the result appears here. You may also come back to this "
		"address later; loading it again starts nothing anew.</p>"
		"<p>Submitted ");
	put_time(&p, object->created);
	put(&p, "</p></footer>\n</main>\n<script>");
	put(&p, script);
	put(&p, "</script>\n</body>\n</html>\n");
	ol_answer_begin(x, 200, object);
	ol_answer_retry_after(x, object);
	send_page(x, &p);
}

/* --- when it cannot be shown, or did not end well --- */

struct words {
	const char *title, *text;
};

static struct words
words_for(enum ol_problem problem)
{
	switch (problem) {
	case OL_PROBLEM_TASK_FAILED:
		return (struct words){ "This did not work",
			"It was tried, and could not be done. Nothing more "
			"happens by itself." };
	case OL_PROBLEM_CANCELLED:
		return (struct words){ "This was cancelled",
			"It was stopped before it was done. There is no "
			"result." };
	case OL_PROBLEM_RESULT_GONE:
		return (struct words){ "The result is gone",
			"It was done, but its result is not kept any "
			"longer." };
	case OL_PROBLEM_NOT_FOUND:
		return (struct words){ "There is nothing here",
			"This address is wrong, or what was here is not kept "
			"any longer. Perhaps you have to log in again." };
	case OL_PROBLEM_TOO_LARGE:
		return (struct words){ "That is too large",
			"What you sent is larger than this site takes. "
			"Nothing was done with it." };
	case OL_PROBLEM_QUEUE_FULL:
	case OL_PROBLEM_UNAVAILABLE:
		return (struct words){ "Not possible at the moment",
			"Please try again in a moment." };
	case OL_PROBLEM_UNSURE:
		return (struct words){ "Something went wrong",
			"It is not certain whether this was taken. Please "
			"check before you send it again." };
	default:
		return (struct words){ "This is not possible",
			"This site could not do what was asked for." };
	}
}

void
ol_page_refuse(struct ol_exchange *x, const struct ol_refusal *refusal,
    const struct ol_object *object)
{
	struct words words = words_for(refusal->problem);
	struct page p = { .len = 0 };
	char id[OL_ID_TEXT_SIZE];

	put_head(&p);
	put(&p, "<title>");
	put(&p, words.title);
	put(&p, "</title>\n</head>\n<body>\n<main>\n<h1>");
	put(&p, words.title);
	put(&p, "</h1>\n<p>");
	put(&p, words.text);
	put(&p, "</p>\n");
	if (object != NULL) {
		ol_id_format(&object->id, id);
		put(&p, "<footer><p>Submitted ");
		put_time(&p, object->created);
		put(&p, "</p><p>Should you ask somebody about it, this is its "
			"number:<br>");
		put(&p, id);
		put(&p, "</p></footer>\n");
	}
	put(&p, "</main>\n</body>\n</html>\n");
	ol_answer_refused(x, refusal, object);
	send_page(x, &p);
}

/* --- the ways here --- */

void
ol_page_redirect(struct ol_exchange *x, const struct ol_object *object)
{
	char address[OL_ANSWER_ADDRESS_SIZE], note[OL_ANSWER_ADDRESS_SIZE + 16];

	ol_answer_address(x, &object->id, "/page", address);
	ol_answer_begin(x, 303, object);
	ol_request_header(x->request, "Location", address);
	snprintf(note, sizeof(note), "See %s\n", address);
	ol_answer_content(x, "text/plain; charset=utf-8", note, strlen(note));
}

static void
on_result(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;

	x->call = NULL;
	if (result->object != NULL && (result->answer == OL_ENGINE_OK ||
					  result->answer == OL_ENGINE_GONE))
		ol_result_send(x, result);
	else
		ol_answer_engine(x, result);
}

static void
on_object(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;
	const struct ol_object *object = result->object;

	x->call = NULL;
	if (result->answer != OL_ENGINE_OK || object == NULL)
		ol_answer_engine(x, result);
	else if (!ol_exchange_sees(x, object))
		ol_answer_unknown(x);
	else if (!object->ended)
		show(x, object);
	else
		x->call =
		    ol_engine_get_result(x->api->engine, &x->id, on_result, x);
}

void
ol_page_show(struct ol_exchange *x)
{
	x->as_page = x->navigates;
	ol_exchange_forget(x);
	x->call = ol_engine_get(x->api->engine, &x->id, on_object, x);
}
