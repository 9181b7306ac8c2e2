/* SPDX-License-Identifier: MIT */
/*
 * The handshake of a device: the tables of ring/xenbus.c (tables.c prints
 * them), walked by both ends as backend/supervisor/state.c and the frontends
 * walk them, while a guest unbinds, binds and reboots without a word, a worker
 * dies and a toolstack detaches, whenever they like.
 *
 * Each end is driven by level: a watch only wakes it, it reads both states
 * anew, and does one step. The backend writes its state only if it is what it
 * has read (-ESTALE), because the toolstack writes it too.
 *
 * When nothing moves any more, the device works or is gone: no end waits for
 * the other for ever. Rings that a frontend takes back by the rules are not in
 * use any more. -DNET: a frontend that goes from 1 to 4. Mutants: -DEDGE (the
 * backend acts on the state that woke it, and misses what came meanwhile),
 * -DBLIND_WRITE (no -ESTALE), -DLATE_UNMAP (5 is written before the rings are
 * let go), -DSTICKY (a backend that never leaves 6).
 */
#include "tables.pml"

byte back = STATE_INITIALISING, front = STATE_INITIALISING;
bool online = true, gone = false;
bool published = false, mapped = false;
bool wake_back = true, wake_front = true;
/* The toolstack's 5 and a kernel that is no more take no leave. */
bool rude = false;
/* What may still happen. */
byte unbinds = 1, reboots = 1, deaths = 1;
bool bound = true;

#define LOOK(table, own, peer) table[(own) * STATES + (peer)]
#define set_front(s) front = s; wake_back = true; wake_front = true
#define set_back(s) back = s; wake_back = true; wake_front = true

/* device_switch() */
inline switch_back(from, to)
{
	atomic {
#ifndef BLIND_WRITE
		if
		:: back == from -> set_back(to)
		:: else -> wake_back = true
		fi
#else
		set_back(to)
#endif
	}
}

inline disconnect() { mapped = false }

proctype backend()
{
	byte own, peer, action;

end:	do
	:: atomic { wake_back && !gone -> wake_back = false; own = back; peer = front }
#ifdef EDGE
		wake_back = false; /* whatever came since the look */
#endif
		action = LOOK(back_table, own, peer);
		if
		:: action == DO_INIT && own == STATE_CLOSED && !online
#ifdef STICKY
		:: action == DO_INIT && own == STATE_CLOSED && online
#else
		:: action == DO_INIT && own == STATE_CLOSED && online ->
			disconnect();
			switch_back(own, STATE_INIT_WAIT)
#endif
		:: action == DO_INIT && own != STATE_CLOSED ->
			disconnect();
			switch_back(own, STATE_INIT_WAIT)
		:: action == DO_CONNECT ->
			if
			:: atomic { published -> mapped = true }
				switch_back(own, STATE_CONNECTED)
			:: else -> /* rings that are not there: fail() */
				switch_back(own, STATE_CLOSING)
			fi
		:: action == DO_CLOSE ->
#ifndef LATE_UNMAP
			disconnect();
#endif
			switch_back(own, STATE_CLOSING)
#ifdef LATE_UNMAP
			disconnect()
#endif
		:: action == DO_CLOSED ->
			disconnect();
			switch_back(own, STATE_CLOSED)
		:: action == DO_REFUSE ->
			disconnect();
			if
			:: own != STATE_CLOSING && own != STATE_CLOSED ->
				switch_back(own, STATE_CLOSING)
			:: else
			fi
		:: action == DO_NOTHING && own == STATE_CONNECTED && !mapped &&
		   (peer == STATE_CONNECTED || peer == STATE_INITIALISED) ->
			/* the worker died */
			if
			:: atomic { published -> mapped = true }
			:: else
			fi
		:: else
		fi
	od
}

/* Taking the rings back: nobody may be at them, unless somebody was rude. */
inline take_back()
{
	atomic {
		assert(!mapped || rude);
		published = false
	}
}

proctype frontend()
{
	byte peer, action;

end:	do
	:: atomic { wake_front && !gone -> wake_front = false; peer = back }
		action = LOOK(front_table, front, peer);
		if
		:: action == DO_PUBLISH && bound ->
			atomic {
				published = true;
#ifdef NET
				set_front(STATE_CONNECTED)
#else
				set_front(STATE_INITIALISED)
#endif
			}
		:: action == DO_CONNECT -> atomic { set_front(STATE_CONNECTED) }
		:: action == DO_CLOSE || action == DO_CLOSED ->
			take_back();
			atomic { set_front(STATE_CLOSED) }
		:: else
		fi
	/* unbind: ask for the end; bind: a new life */
	:: atomic {
		unbinds > 0 && front == STATE_CONNECTED && !gone ->
		unbinds--;
		bound = false;
		set_front(STATE_CLOSING)
	   }
	:: atomic {
		!bound && front == STATE_CLOSED && back == STATE_CLOSED && !gone ->
		bound = true;
		set_front(STATE_INITIALISING)
	   }
	/* a reboot or kexec: another kernel, which knows of nothing. In the
	 * middle of a handshake it may end closed on both sides (the model
	 * finds how); that takes a kernel that boots within microseconds. */
	:: atomic {
		reboots > 0 && !gone && front == STATE_CONNECTED && back == STATE_CONNECTED ->
		reboots--;
		rude = true;
		published = false;
		bound = true;
		set_front(STATE_INITIALISING)
	   }
	od
}

proctype worker()
{
end:	do
	:: atomic { deaths > 0 && mapped -> deaths--; mapped = false; wake_back = true }
	od
}

proctype toolstack()
{
	if
	:: skip -> goto end	/* the device stays */
	:: atomic { online = false; rude = true; set_back(STATE_CLOSING) }
	fi;
	atomic { back == STATE_CLOSED -> assert(!mapped); gone = true }
end:	skip
}

#define WORKS	(online && back == STATE_CONNECTED && front == STATE_CONNECTED && mapped && published)

/* Nothing moves any more. */
proctype verdict()
{
	timeout -> assert(gone || WORKS)
}

init {
	atomic {
		fill_back_table();
		fill_front_table();
		run backend(); run frontend(); run worker(); run toolstack(); run verdict()
	}
}
