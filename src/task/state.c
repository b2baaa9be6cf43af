#include <stddef.h>
#include <stdint.h>

#include "task/state.h"

/* clang-format off */
#define TO(event, state) [OL_EVENT_##event] = OL_TASK_##state + 1

/* What is not named here is 0, and refused. */
static const uint8_t next[OL_TASK_STATES][OL_EVENT_COUNT] = {
	[OL_TASK_NONE] = {
		TO(SUBMIT, SUBMITTED),
		TO(SUBMIT_RUNNING, ENTERING),
		TO(LOAD_SCHEDULED, SCHEDULED),
		TO(LOAD_READY, READY),
		TO(LOAD_RETRYING, RETRYING),
	},
	[OL_TASK_SUBMITTED] = {
		TO(ADMITTED, READY),
		TO(ADMITTED_LATER, SCHEDULED),
		TO(COMMIT_FAILED, NONE),
		TO(WITHDRAWN, NONE),
	},
	[OL_TASK_ENTERING] = {
		TO(STARTED, RUNNING),
		TO(COMMIT_FAILED, NONE),
		TO(WITHDRAWN, NONE),
	},
	[OL_TASK_SCHEDULED] = {
		TO(DUE, READY),
		TO(CANCEL, ENDING),
		TO(PARK, PARKED),
	},
	[OL_TASK_READY] = {
		TO(START, STARTING),
		TO(LAPSE, ENDING),
		TO(CANCEL, ENDING),
		TO(PARK, PARKED),
	},
	[OL_TASK_STARTING] = {
		TO(STARTED, RUNNING),
		TO(CANCEL, REVOKED),
		TO(COMMIT_FAILED, READY),
	},
	[OL_TASK_RUNNING] = {
		TO(END, FINISHING),
		TO(RETURN, RETURNING),
		TO(CANCEL, CANCELLING),
	},
	[OL_TASK_CANCELLING] = {
		TO(END, FINISHING),
		TO(CANCEL, CANCELLING),
	},
	[OL_TASK_REVOKED] = {
		TO(STARTED, ENDING),
		TO(RETRYING, ENDING),
		TO(REQUEUED, ENDING),
		TO(CANCEL, REVOKED),
		TO(COMMIT_FAILED, ENDING),
	},
	[OL_TASK_FINISHING] = {
		TO(SUCCEEDED, SUCCEEDED),
		TO(FAILED, FAILED),
		TO(GAVE_UP, FAILED),
		TO(POISONED, POISONED),
		TO(CANCELLED, CANCELLED),
		TO(CANCEL, FINISHING),
		TO(COMMIT_FAILED, FINISHING),
	},
	[OL_TASK_RETURNING] = {
		TO(RETRYING, RETRYING),
		TO(REQUEUED, READY),
		TO(CANCEL, REVOKED),
		TO(COMMIT_FAILED, RETURNING),
	},
	[OL_TASK_RETRYING] = {
		TO(DUE, READY),
		TO(CANCEL, ENDING),
		TO(PARK, PARKED),
	},
	[OL_TASK_PARKED] = {
		TO(LOAD_SCHEDULED, SCHEDULED),
		TO(LOAD_READY, READY),
		TO(LOAD_RETRYING, RETRYING),
		TO(CANCEL, ENDING),
	},
	[OL_TASK_ENDING] = {
		TO(GAVE_UP, FAILED),
		TO(EXPIRED, FAILED),
		TO(CANCELLED, CANCELLED),
		TO(CANCEL, ENDING),
		TO(COMMIT_FAILED, ENDING),
	},
};
#undef TO
/* clang-format on */

enum ol_task_state
ol_state_next(enum ol_task_state state, enum ol_task_event event)
{
	uint8_t to = next[state][event];

	return to == 0 ? OL_STATE_REFUSED : (enum ol_task_state)(to - 1);
}

enum ol_task_state
ol_state_written(enum ol_task_event verdict)
{
	switch (verdict) {
	case OL_EVENT_ADMITTED:
	case OL_EVENT_REQUEUED:
		return OL_TASK_READY;
	case OL_EVENT_ADMITTED_LATER:
		return OL_TASK_SCHEDULED;
	case OL_EVENT_STARTED:
		return OL_TASK_RUNNING;
	case OL_EVENT_RETRYING:
		return OL_TASK_RETRYING;
	case OL_EVENT_SUCCEEDED:
		return OL_TASK_SUCCEEDED;
	case OL_EVENT_FAILED:
	case OL_EVENT_GAVE_UP:
	case OL_EVENT_EXPIRED:
		return OL_TASK_FAILED;
	case OL_EVENT_POISONED:
		return OL_TASK_POISONED;
	case OL_EVENT_CANCELLED:
		return OL_TASK_CANCELLED;
	default:
		return OL_STATE_REFUSED;
	}
}

bool
ol_state_has_slot(enum ol_task_state state)
{
	return state == OL_TASK_FINISHING || ol_state_is_busy(state);
}

bool
ol_state_is_busy(enum ol_task_state state)
{
	switch (state) {
	case OL_TASK_ENTERING:
	case OL_TASK_STARTING:
	case OL_TASK_RUNNING:
	case OL_TASK_CANCELLING:
	case OL_TASK_REVOKED:
	case OL_TASK_RETURNING:
		return true;
	default:
		return false;
	}
}

const char *
ol_state_name(enum ol_task_state state)
{
	switch (state) {
	case OL_TASK_SCHEDULED:
		return "scheduled";
	case OL_TASK_READY:
	case OL_TASK_ENDING:
		return "ready";
	case OL_TASK_STARTING:
	case OL_TASK_RUNNING:
	case OL_TASK_CANCELLING:
	case OL_TASK_REVOKED:
	case OL_TASK_FINISHING:
	case OL_TASK_RETURNING:
		return "running";
	case OL_TASK_RETRYING:
		return "retrying";
	case OL_TASK_PARKED:
		return "parked";
	case OL_TASK_SUCCEEDED:
		return "succeeded";
	case OL_TASK_FAILED:
		return "failed";
	case OL_TASK_POISONED:
		return "poisoned";
	case OL_TASK_CANCELLED:
		return "cancelled";
	case OL_TASK_NONE:
	case OL_TASK_SUBMITTED:
	case OL_TASK_ENTERING:
	case OL_TASK_STATES:
		break;
	}
	return NULL;
}

const char *
ol_state_event_name(enum ol_task_event event)
{
	static const char *const names[OL_EVENT_COUNT] = { "SUBMIT",
		"SUBMIT_RUNNING", "LOAD_SCHEDULED", "LOAD_READY",
		"LOAD_RETRYING", "DUE", "START", "LAPSE", "END", "RETURN",
		"CANCEL", "PARK", "ADMITTED", "ADMITTED_LATER", "STARTED",
		"SUCCEEDED", "FAILED", "GAVE_UP", "POISONED", "EXPIRED",
		"CANCELLED", "RETRYING", "REQUEUED", "COMMIT_FAILED",
		"WITHDRAWN" };

	return names[event];
}
