#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../../examples/signup/form.h"

static void
field_is_decoded(void **state)
{
	char value[64];

	(void)state;
	assert_int_equal(
	    form_field("address=a%2bb%40c.de", "address", value, sizeof(value)),
	    0);
	assert_string_equal(value, "a+b@c.de");
	assert_int_equal(
	    form_field("x=1&address=a+b&y=2", "address", value, sizeof(value)),
	    0);
	assert_string_equal(value, "a b");
	assert_int_equal(
	    form_field("address=", "address", value, sizeof(value)), 0);
	assert_string_equal(value, "");
}

static void
field_is_refused(void **state)
{
	static const char *const forms[] = { "", "address", "xaddress=1",
		"x=address=1", "address=a%", "address=a%4", "address=%zz",
		"address=a%00b", "address=12345678" };
	char value[8];

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		memset(value, 'x', sizeof(value));
		assert_int_equal(
		    form_field(forms[i], "address", value, sizeof(value)), -1);
		assert_string_equal(value, "");
	}
	/* One byte less fits. */
	assert_int_equal(
	    form_field("address=1234567", "address", value, sizeof(value)), 0);
	assert_string_equal(value, "1234567");
}

static void
address_is_accepted(void **state)
{
	(void)state;
	assert_true(form_address_ok("a@b"));
	assert_true(form_address_ok("visitor+news@mail.example.org"));
	assert_true(form_address_ok("o'brien@example.org"));
}

static void
address_cannot_leave_its_line(void **state)
{
	static const char *const bad[] = { "", "@", "a", "a@", "@b", "a@@b",
		"a@b@c", "a b@c", "a@b c", "a@b\r\nBcc: x@y", "a\n@b", "a@b\n",
		"<a@b>", "a@b>", "\"a\"@b", "a@-b", "a,b@c", "a@b,c", "a;b@c",
		"a@b\t", "\xc3\xa4@b", "a@\xc3\xa4", "a@[127.0.0.1]" };
	char long_one[400];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(form_address_ok(bad[i]));
	memset(long_one, 'a', sizeof(long_one));
	long_one[64] = '@';
	long_one[254] = '\0';
	assert_true(form_address_ok(long_one));
	long_one[254] = 'a';
	long_one[255] = '\0';
	assert_false(form_address_ok(long_one));
	memset(long_one, 'a', 65);
	strcpy(long_one + 65, "@b");
	assert_false(form_address_ok(long_one));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(field_is_decoded),
		cmocka_unit_test(field_is_refused),
		cmocka_unit_test(address_is_accepted),
		cmocka_unit_test(address_cannot_leave_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
