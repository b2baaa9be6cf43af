#include "task/outcome.h"

bool
ol_outcome_spent(const struct ol_task *task, const struct ol_rules *rules)
{
	return ol_task_charged(task) > rules->retries;
}

static struct ol_decision
again(const struct ol_task *task, const struct ol_rules *rules)
{
	return (struct ol_decision){
		.verdict = ol_outcome_spent(task, rules) ? OL_EVENT_GAVE_UP
							 : OL_EVENT_RETRYING,
	};
}

static struct ol_decision
interrupted(bool unreachable)
{
	return (struct ol_decision){
		.verdict = OL_EVENT_REQUEUED,
		.refund = true,
		.first = !unreachable,
	};
}

struct ol_decision
ol_outcome_decide(const struct ol_task *task, const struct ol_rules *rules,
    const struct ol_ending *ending)
{
	struct ol_decision lost;

	if (ending->outcome == OL_OUTCOME_OK)
		return (struct ol_decision){ .verdict = OL_EVENT_SUCCEEDED };
	if (task->state == OL_TASK_CANCELLING)
		return (struct ol_decision){ .verdict = OL_EVENT_CANCELLED };
	switch (ending->outcome) {
	case OL_OUTCOME_FAIL:
		return (struct ol_decision){ .verdict = OL_EVENT_FAILED };
	case OL_OUTCOME_INTERRUPTED:
		return interrupted(ending->unreachable);
	case OL_OUTCOME_LOST:
		if (task->told)
			return interrupted(false);
		lost = again(task, rules);
		lost.crash = ending->crashed;
		/* With us: what ran is missed, and no fault of the task's. */
		if (!ending->crashed && lost.verdict == OL_EVENT_RETRYING)
			lost.verdict = OL_EVENT_REQUEUED;
		if (ending->crashed && rules->poison_after > 0 &&
		    task->crashes + 1 >= rules->poison_after)
			lost.verdict = OL_EVENT_POISONED;
		return lost;
	case OL_OUTCOME_RETRY:
		return task->told ? interrupted(false) : again(task, rules);
	case OL_OUTCOME_OK:
	case OL_OUTCOMES:
		break;
	}
	return (struct ol_decision){ .verdict = OL_EVENT_FAILED };
}
