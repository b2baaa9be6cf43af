#include <stddef.h>
#include <string.h>

#include "base/secret.h"

bool
ol_secret_param(const char *name)
{
	static const char *const secrets[] = { "HTTP_COOKIE", "HTTP_COOKIE2",
		"HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION",
		"HTTP_X_API_KEY", "HTTP_X_AUTH_TOKEN", "AUTHORIZATION",
		"REDIRECT_HTTP_AUTHORIZATION", "PHP_AUTH_PW",
		"PHP_AUTH_DIGEST" };
	size_t i;

	for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (strcmp(name, secrets[i]) == 0)
			return true;
	return false;
}
