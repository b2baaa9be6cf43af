/*
 * The store's folder: one owner, nobody else's eyes, and bodies/ with a file
 * for each large payload or result. A body's file is named by its task's id
 * and a random number that the row remembers, so that no writing ever touches
 * another one's file. Not for two threads at once.
 */
#ifndef OL_STORE_FOLDER_H
#define OL_STORE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ol_body;

struct ol_folder {
	char *path; /* without symbolic links */
	int fd, bodies, lock;
};

/*
 * Make it (0700) when missing and take it. -1, logged: it cannot be made, is
 * somebody else's, is on a network filesystem, or has an owner already.
 */
int ol_folder_open(struct ol_folder *, const char *path);
void ol_folder_close(struct ol_folder *);

/* Make the file when missing, 0600. -1, logged: it is not a file of ours. */
int ol_folder_touch(struct ol_folder *, const char *name);

/*
 * Write the file anew: the same bytes in a new file that is flushed, with its
 * name, before it takes the old one's place. After a failed flush the kernel
 * may say of an old file that it is on disk when it is not. Not while anybody
 * has it open. No file, or an empty one, is left as it is. -1, logged.
 */
int ol_folder_renew(struct ol_folder *, const char *name);

/* The name of a network filesystem with that statfs type, or NULL. */
const char *ol_folder_network(unsigned long type);

/*
 * Write body to a new file and flush it; its name lasts only after
 * ol_folder_flush(). *file is its number, never 0. -1 with errno set: there is
 * no such file.
 */
int ol_folder_put(
    struct ol_folder *, const uint8_t *id, struct ol_body *body, int64_t *file);

/* Flush the names of all files put before. -1 with errno set. */
int ol_folder_flush(struct ol_folder *);

/* The file, opened for reading; NULL with errno set. */
struct ol_body *ol_folder_get(
    struct ol_folder *, const uint8_t *id, int64_t file);

/* Remove it; logged when that fails: the next sweep tries again. */
void ol_folder_remove(struct ol_folder *, const uint8_t *id, int64_t file);

/*
 * Remove the files for which keep() says false. keep() < 0 is an error and
 * ends the sweep. Returns how many were removed, or -1, logged.
 */
long ol_folder_sweep(struct ol_folder *,
    int (*keep)(void *arg, const uint8_t *id, int64_t file), void *arg);

#endif
