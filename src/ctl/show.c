#include <stdio.h>

#include "ctl/client.h"
#include "ctl/show.h"
#include "ctl/table.h"

const char *
ol_show_span(char *buf, int64_t ms)
{
	long long s = ms / 1000;

	if (s >= 86400)
		snprintf(buf, OL_SHOW_SPAN, "%lld d %lld h", s / 86400,
		    s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(buf, OL_SHOW_SPAN, "%lld h %lld min", s / 3600,
		    s % 3600 / 60);
	else if (s >= 60)
		snprintf(buf, OL_SHOW_SPAN, "%lld min %lld s", s / 60, s % 60);
	else
		snprintf(buf, OL_SHOW_SPAN, "%lld s", s);
	return buf;
}

static void
print(const struct ol_table *table)
{
	ol_table_print(table, stdout, ol_table_is_terminal(stdout),
	    ol_table_has_colour(stdout));
}

static void
cell_number(struct ol_table *table, const json_t *object, const char *key)
{
	if (json_is_integer(json_object_get(object, key)))
		ol_table_cell(
		    table, "%lld", (long long)ol_client_number(object, key));
	else
		ol_table_cell(table, "-");
}

void
ol_show_pools(const json_t *pools)
{
	static const char *const heads[] = { "POOL", "STATE", "READY",
		"STARTING", "LEAVING", "REQUESTS", "ITEMS", "CRASHES",
		"LAST RECYCLE", NULL };
	struct ol_table *table = ol_table_new(heads);
	const json_t *pool, *recycle;
	size_t i;

	json_array_foreach(pools, i, pool)
	{
		ol_table_cell(table, "%s", ol_client_text(pool, "name"));
		ol_table_cell(table, "%s", ol_client_text(pool, "state"));
		ol_table_cell(table, "%lld/%lld",
		    (long long)ol_client_number(pool, "ready"),
		    (long long)ol_client_number(pool, "wanted"));
		cell_number(table, pool, "starting");
		cell_number(table, pool, "leaving");
		cell_number(table, pool, "requests");
		cell_number(table, pool, "items");
		cell_number(table, pool, "crashes");
		recycle = json_object_get(pool, "last_recycle");
		if (json_is_object(recycle))
			ol_table_cell(table, "%s %s",
			    ol_client_text(recycle, "at"),
			    ol_client_text(recycle, "reason"));
		else
			ol_table_cell(table, "-");
	}
	print(table);
	ol_table_free(table);
}

void
ol_show_pool(const json_t *pool)
{
	static const char *const heads[] = { "SLOT", "PID", "GENERATION",
		"STATE", "AGE", "REQUESTS", "ITEMS", "MEMORY", "STATUS", NULL };
	const json_t *processes = json_object_get(pool, "processes"), *process;
	struct ol_table *table;
	char span[OL_SHOW_SPAN];
	size_t i;

	if (json_array_size(processes) == 0)
		return;
	table = ol_table_new(heads);
	json_array_foreach(processes, i, process)
	{
		cell_number(table, process, "slot");
		cell_number(table, process, "pid");
		cell_number(table, process, "generation");
		ol_table_cell(table, "%s", ol_client_text(process, "state"));
		if (json_is_integer(json_object_get(process, "age_ms")))
			ol_table_cell(table, "%s",
			    ol_show_span(
				span, ol_client_number(process, "age_ms")));
		else
			ol_table_cell(table, "-");
		cell_number(table, process, "requests");
		cell_number(table, process, "items");
		if (json_is_integer(json_object_get(process, "memory")))
			ol_table_cell(table, "%.1f MiB",
			    (double)ol_client_number(process, "memory") /
				(1 << 20));
		else
			ol_table_cell(table, "-");
		ol_table_cell(table, "%s", ol_client_text(process, "status"));
	}
	print(table);
	ol_table_free(table);
}
