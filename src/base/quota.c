#include "base/quota.h"

bool
ol_quota_take(struct ol_quota *quota, const struct ol_log *log, int64_t now)
{
	if (now - quota->since >= OL_QUOTA_TIME) {
		if (quota->withheld > 0)
			ol_log_warn(log,
			    "%u lines such as the next were left out",
			    quota->withheld);
		*quota = (struct ol_quota){ .since = now };
	}
	if (quota->lines == OL_QUOTA_LINES) {
		quota->withheld++;
		return false;
	}
	quota->lines++;
	return true;
}
