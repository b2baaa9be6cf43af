#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "master/document.h"

static void
test_every_kind(void **state)
{
	struct ol_document d, other;

	(void)state;
	ol_document_open(&other);
	ol_document_flag(&other, "y", false);
	ol_document_number(&other, "z", INT64_MIN);
	ol_document_close(&other);
	ol_document_open(&d);
	ol_document_array(&d, "empty");
	ol_document_array_end(&d);
	ol_document_object(&d, "a");
	ol_document_null(&d, "b");
	ol_document_object_end(&d);
	ol_document_array(&d, "c");
	ol_document_number(&d, NULL, 1);
	ol_document_object(&d, NULL);
	ol_document_time(&d, "t", 0);
	ol_document_object_end(&d);
	ol_document_array_end(&d);
	ol_document_merge(&d, &other);
	ol_document_close(&d);
	assert_string_equal(d.text,
	    "{\"empty\":[],\"a\":{\"b\":null},\"c\":[1,{\"t\":"
	    "\"1970-01-01T00:00:00Z\"}],\"y\":false,\"z\":"
	    "-9223372036854775808}");
	ol_document_fini(&d);
	ol_document_fini(&other);
	ol_document_open(&d);
	ol_document_close(&d);
	ol_document_open(&other);
	ol_document_merge(&other, &d);
	ol_document_close(&other);
	assert_string_equal(other.text, "{}");
	ol_document_fini(&d);
	ol_document_fini(&other);
}

/* What a process says of itself stays text, whatever it is. */
static void
test_hostile_text(void **state)
{
	char text[257];
	struct ol_document d;
	json_t *read;
	int i;

	(void)state;
	for (i = 1; i < 256; i++)
		text[i - 1] = (char)i;
	strcpy(text + 255, "\"");
	ol_document_open(&d);
	ol_document_text(&d, text, text);
	ol_document_close(&d);
	read = json_loadb(d.text, d.len, 0, NULL);
	assert_non_null(read);
	assert_int_equal(json_object_size(read), 1);
	json_decref(read);
	ol_document_fini(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind),
		cmocka_unit_test(test_hostile_text),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
