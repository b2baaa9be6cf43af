/*
 * A SQLite VFS over the real one, for tests: it fails the calls that it is
 * told to, and remembers what a power failure would leave. As on ext4, a
 * flush that fails forgets its pages: the next one succeeds without them,
 * although they can still be read.
 */
#ifndef TESTS_LIB_FAULTFS_H
#define TESTS_LIB_FAULTFS_H

#include <stdbool.h>

enum faultfs_call {
	FAULTFS_WRITE,
	FAULTFS_SYNC,
	FAULTFS_TRUNCATE,
	FAULTFS_READ,
	FAULTFS_CALLS,
};

/* Become SQLite's default VFS, with everything set to work. */
void faultfs_install(void);

/* Forget the files and start counting anew. */
void faultfs_reset(void);

/* The call number when (from 1) of that kind, and the next times - 1 ones,
 * fail with a result of SQLite's. */
void faultfs_fail(enum faultfs_call, int when, int times, int rc);

/* The next call of that kind takes so long. */
void faultfs_hang(enum faultfs_call, int ms);

/* Calls of that kind so far. */
int faultfs_count(enum faultfs_call);

/* The power fails at that write, counted from 1 now. */
void faultfs_power_off_after(int writes);
bool faultfs_is_off(void);

/* From now on nothing reaches the disk. */
void faultfs_power_off(void);

/* Bring the files to what the disk had; close them first. Works again. */
void faultfs_power_on(void);

#endif
