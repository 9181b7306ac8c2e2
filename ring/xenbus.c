// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "xenbus.h"

const char *xpv_state_name(enum xpv_state state)
{
	static const char *const name[XPV_STATES] = {
		[XPV_STATE_UNKNOWN] = "Unknown",
		[XPV_STATE_INITIALISING] = "Initialising",
		[XPV_STATE_INIT_WAIT] = "InitWait",
		[XPV_STATE_INITIALISED] = "Initialised",
		[XPV_STATE_CONNECTED] = "Connected",
		[XPV_STATE_CLOSING] = "Closing",
		[XPV_STATE_CLOSED] = "Closed",
		[XPV_STATE_RECONFIGURING] = "Reconfiguring",
		[XPV_STATE_RECONFIGURED] = "Reconfigured",
	};

	return (unsigned int)state < XPV_STATES ? name[state] : "invalid";
}

#define XPV_U64_MAX (~(uint64_t)0)

/* Column order: Unknown, 1 .. 8. */
#define UNK XPV_STATE_UNKNOWN
#define INI XPV_STATE_INITIALISING
#define IWT XPV_STATE_INIT_WAIT
#define ISD XPV_STATE_INITIALISED
#define CON XPV_STATE_CONNECTED
#define CLG XPV_STATE_CLOSING
#define CLD XPV_STATE_CLOSED
#define RCG XPV_STATE_RECONFIGURING
#define RCD XPV_STATE_RECONFIGURED

/*
 * The backend. A frontend that never was in a state of this table for our own
 * state can only be broken or hostile: REFUSE.
 *
 * [INI] is the toolstack's fresh device; INIT publishes whatever the front
 *	 does meanwhile.
 * [IWT] the front may publish at any time (block 3, net 4); Windows fronts
 *	 first close an old life: 5, 6, and expect us to follow and come back.
 * [CON] a front back in 1 or 2 has rebooted, resumed or kexec'ed without
 *	 closing: its rings are gone, so ours go too, and a close follows,
 *	 after which [CLD] starts the next life. A front whose directory is
 *	 gone, or whose domain is, has nothing left that could close. A net
 *	 front asks for another headroom by going to 7, and back to 4 when it
 *	 sees our 8.
 * [CLD] only 1 (and 2 for fronts that were never closed) opens a new life.
 */
static const uint8_t back_table[XPV_STATES][XPV_STATES] = {
	[UNK] = {[INI] = XPV_DO_INIT,
		 [IWT] = XPV_DO_INIT,
		 [ISD] = XPV_DO_INIT,
		 [CON] = XPV_DO_INIT},
	[INI] = {[UNK] = XPV_DO_INIT,
		 [INI] = XPV_DO_INIT,
		 [IWT] = XPV_DO_INIT,
		 [ISD] = XPV_DO_INIT,
		 [CON] = XPV_DO_INIT,
		 [CLG] = XPV_DO_INIT,
		 [CLD] = XPV_DO_INIT},
	[IWT] = {[ISD] = XPV_DO_CONNECT,
		 [CON] = XPV_DO_CONNECT,
		 [CLG] = XPV_DO_CLOSE,
		 [CLD] = XPV_DO_CLOSED,
		 [RCG] = XPV_DO_REFUSE,
		 [RCD] = XPV_DO_REFUSE},
	[ISD] = {[INI] = XPV_DO_CLOSED,
		 [CON] = XPV_DO_CONNECT,
		 [ISD] = XPV_DO_CONNECT,
		 [CLG] = XPV_DO_CLOSE,
		 [CLD] = XPV_DO_CLOSED,
		 [RCG] = XPV_DO_REFUSE,
		 [RCD] = XPV_DO_REFUSE},
	[CON] = {[UNK] = XPV_DO_CLOSED,
		 [INI] = XPV_DO_CLOSED,
		 [IWT] = XPV_DO_CLOSED,
		 [CLG] = XPV_DO_CLOSE,
		 [CLD] = XPV_DO_CLOSED,
		 [RCG] = XPV_DO_RECONFIGURE},
	[RCD] = {[UNK] = XPV_DO_CLOSED,
		 [INI] = XPV_DO_CLOSED,
		 [IWT] = XPV_DO_CLOSED,
		 [CON] = XPV_DO_CONNECT,
		 [CLG] = XPV_DO_CLOSE,
		 [CLD] = XPV_DO_CLOSED,
		 [RCG] = XPV_DO_RECONFIGURE},
	[CLG] = {[INI] = XPV_DO_CLOSED,
		 [CLD] = XPV_DO_CLOSED,
		 [UNK] = XPV_DO_CLOSED},
	[CLD] = {[INI] = XPV_DO_INIT, [IWT] = XPV_DO_INIT},
};

/*
 * The frontend. Linux fronts answer 5 with 6 directly; a back in 6 that we
 * have not closed with died or was removed.
 *
 * [RCG] net: the front has changed a key that the back reads meanwhile.
 * [CON] xen-netback stays in 8 from then on.
 */
static const uint8_t front_table[XPV_STATES][XPV_STATES] = {
	[INI] = {[IWT] = XPV_DO_PUBLISH,
		 [CLG] = XPV_DO_CLOSE,
		 [CLD] = XPV_DO_NOTHING},
	[ISD] = {[CON] = XPV_DO_CONNECT,
		 [CLG] = XPV_DO_CLOSE,
		 [CLD] = XPV_DO_CLOSE},
	[CON] = {[CON] = XPV_DO_REFRESH,
		 [RCD] = XPV_DO_REFRESH,
		 [CLG] = XPV_DO_CLOSE,
		 [CLD] = XPV_DO_CLOSE},
	[RCG] = {[RCD] = XPV_DO_CONNECT,
		 [CLG] = XPV_DO_CLOSE,
		 [CLD] = XPV_DO_CLOSE},
	[CLG] = {[CLG] = XPV_DO_CLOSED,
		 [CLD] = XPV_DO_CLOSED,
		 [UNK] = XPV_DO_CLOSED},
	[CLD] = {[IWT] = XPV_DO_PUBLISH},
};

static enum xpv_action look_up(const uint8_t table[XPV_STATES][XPV_STATES],
			       enum xpv_state own, enum xpv_state peer)
{
	if ((unsigned int)own >= XPV_STATES || (unsigned int)peer >= XPV_STATES)
		return XPV_DO_REFUSE;
	return (enum xpv_action)table[own][peer];
}

enum xpv_action xpv_back_action(enum xpv_state own, enum xpv_state front)
{
	return look_up(back_table, own, front);
}

enum xpv_action xpv_front_action(enum xpv_state own, enum xpv_state back)
{
	return look_up(front_table, own, back);
}

const struct xpv_key_desc xpv_keys[XPV_KEY_COUNT] = {
#define XPV_KEY_DESC(id, nm, ty, lo, hi, df)                                   \
	[XPV_KEY_##id] = {                                                     \
		.name = nm,                                                    \
		.type = XPV_TYPE_##ty,                                         \
		.min = lo,                                                     \
		.max = hi,                                                     \
		.def = df,                                                     \
	},
	XPV_KEYS(XPV_KEY_DESC)
#undef XPV_KEY_DESC
};

static enum xpv_key_verdict parse_digits(const char *text, uint64_t *value)
{
	uint64_t sum = 0;

	if (!*text)
		return XPV_KEY_NOT_A_NUMBER;
	for (; *text; text++) {
		unsigned int digit = (unsigned int)(*text - '0');

		if (*text < '0' || *text > '9')
			return XPV_KEY_NOT_A_NUMBER;
		if (sum > (XPV_U64_MAX - digit) / 10)
			return XPV_KEY_OUT_OF_RANGE;
		sum = sum * 10 + digit;
	}
	*value = sum;
	return XPV_KEY_OK;
}

enum xpv_key_verdict xpv_key_parse(enum xpv_key key, const char *text,
				   uint64_t *value)
{
	const struct xpv_key_desc *desc = &xpv_keys[key];
	enum xpv_key_verdict verdict;

	*value = 0;
	if (!text) {
		if (desc->def == XPV_REQUIRED)
			return XPV_KEY_MISSING;
		*value = desc->def < 0 ? 0 : (uint64_t)desc->def;
		return XPV_KEY_OK;
	}
	verdict = parse_digits(text, value);
	if (verdict)
		return verdict;
	if (*value < desc->min || *value > desc->max)
		return XPV_KEY_OUT_OF_RANGE;
	return XPV_KEY_OK;
}
