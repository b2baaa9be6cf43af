/*
 * The notify sockets of attempts that a backend works at. A backend runs as a
 * user whom we do not know, so that any local user may write to one: who knows
 * its random name, which nobody can list and which is told to the backend
 * alone.
 */
#ifndef OL_RUN_DOOR_H
#define OL_RUN_DOOR_H

/*
 * A receiving socket in folder; *path is where it is found, for free(). -1 with
 * errno set.
 */
int ol_door_open(const char *folder, char **path);

/* Remove what an earlier life left in folder. */
void ol_door_sweep(const char *folder);

#endif
