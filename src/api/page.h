/*
 * What a visitor sees of a task: a page that shows how far it is and then
 * becomes the result, and what went wrong. All the HTML there is.
 */
#ifndef OL_API_PAGE_H
#define OL_API_PAGE_H

struct ol_exchange;
struct ol_object;
struct ol_refusal;

/* The value of Content-Security-Policy for these pages. */
#define OL_PAGE_POLICY_SIZE 320

/* Names the script and the style by their hashes. -1: logged. */
int ol_page_policy(char policy[OL_PAGE_POLICY_SIZE]);

/* 303 to the page of a task that was submitted. Ends the exchange. */
void ol_page_redirect(struct ol_exchange *, const struct ol_object *);

/* As ol_answer_refusal(), for people. */
void ol_page_refuse(
    struct ol_exchange *, const struct ol_refusal *, const struct ol_object *);

#endif
