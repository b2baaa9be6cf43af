#include <sys/types.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "master/orphan.h"

int
ol_orphan_kill(void)
{
	char path[64];
	int pid, n = 0;
	FILE *f;

	snprintf(
	    path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if ((f = fopen(path, "re")) == NULL)
		return 0;
	while (fscanf(f, "%d", &pid) == 1) {
		n++;
		kill(pid, SIGKILL);
	}
	fclose(f);
	return n;
}
