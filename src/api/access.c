#include <string.h>

#include "api/access.h"

enum {
	CLIENT = OL_MAY_READ | OL_MAY_SUBMIT | OL_MAY_CANCEL,
	APP = CLIENT | OL_MAY_READ_ALL | OL_MAY_SUBMIT_ANY | OL_MAY_CANCEL_ANY,
	VIEWER = OL_MAY_READ | OL_MAY_READ_ALL | OL_MAY_LIST,
	OPERATOR = APP | VIEWER | OL_MAY_OPERATE,
};

static const unsigned sets[OL_ACCESS_LEVELS] = {
	[OL_ACCESS_CLIENT] = CLIENT,
	[OL_ACCESS_APP] = APP,
	[OL_ACCESS_VIEWER] = VIEWER,
	[OL_ACCESS_OPERATOR] = OPERATOR,
};

unsigned
ol_access_set(enum ol_access access)
{
	return sets[access];
}

int
ol_access_find(const char *name, enum ol_access *access)
{
	int i;

	for (i = 0; i < OL_ACCESS_LEVELS; i++)
		if (strcmp(name, ol_access_name((enum ol_access)i)) == 0) {
			*access = (enum ol_access)i;
			return 0;
		}
	return -1;
}

const char *
ol_access_missing(unsigned needed)
{
	int i = 0;

	while (i < OL_ACCESS_OPERATOR && (sets[i] & needed) != needed)
		i++;
	return ol_access_name((enum ol_access)i);
}

unsigned
ol_access_to_submit(enum ol_access submit_by)
{
	switch (submit_by) {
	case OL_ACCESS_CLIENT:
		return OL_MAY_SUBMIT;
	case OL_ACCESS_APP:
		return OL_MAY_SUBMIT | OL_MAY_SUBMIT_ANY;
	default:
		return OL_MAY_SUBMIT | OL_MAY_OPERATE;
	}
}
