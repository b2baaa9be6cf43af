/* Where a relative reference in a reply leads to. Pure. */
#ifndef OL_RUN_REFERENCE_H
#define OL_RUN_REFERENCE_H

/*
 * The reference resolved (RFC 3986 §5.2) against base, the path and query that
 * the client asked for: a path from the root on, for free(). NULL: it means the
 * same wherever it is read, or base is no path.
 */
char *ol_reference_resolve(const char *base, const char *reference);

#endif
