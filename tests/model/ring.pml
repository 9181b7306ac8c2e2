/* SPDX-License-Identifier: MIT */
/*
 * The ring's promise: whoever sleeps is woken. One front, one back, requests
 * and responses through ring.h's indices, and between each of them and memory
 * a store buffer that empties when it likes: stores reach the other side late,
 * which is all that xpv_mb() is there for.
 *
 *	front	fills room, pushes, notifies if asked; takes responses; before
 *		it sleeps the final check
 *	back	takes at most BUDGET requests a turn, answers some, pushes,
 *		notifies if asked; before it sleeps the final check
 *
 * Every request is answered and both come to their end; a lost wake-up is a
 * state in which both sleep, which spin reports as an invalid end state.
 * Mutants, each of which must be caught: -DNO_FINAL_CHECK, -DNO_PUSH_BARRIER,
 * -DNO_CHECK_BARRIER, -DNARROW_NOTIFY.
 */
#define SIZE	2	/* slots */
#define TOTAL	5	/* requests: past the end of the indices */
#define MOD	4	/* indices are modulo this, here; 2^32 there */
#define BUDGET	1	/* a turn of the back */

#define SUB(a, b) (((a) + MOD - (b)) % MOD)

/* Shared memory, and the last store of each index on its way there. */
byte memory[4];
byte buffer[4];
bool late[4];
#define REQ_PROD  0
#define REQ_EVENT 1
#define RSP_PROD  2
#define RSP_EVENT 3

/* The fronts and the backs event channel: one bit, as in Xen. */
bool to_back, to_front;

proctype flusher(byte i)
{
end:
	do
	:: atomic { late[i] -> memory[i] = buffer[i]; late[i] = false }
	od
}

/* A second store waits for the first: a buffer is first in, first out. */
inline store(i, v) { atomic { !late[i] -> buffer[i] = v; late[i] = true } }
/* Own stores in order: an index that is written before another arrives before it. */
inline barrier(i, j) { atomic { !late[i] && !late[j] } }
inline wants(event, old, new, yes)
{
#ifdef NARROW_NOTIFY
	/* asks whether the event index is exactly the new one */
	yes = (event == new)
#else
	yes = (SUB(new, event) < SUB(new, old))
#endif
}

proctype front()
{
	byte prod, pushed, cons, asked, sent, seen;
	bool yes;

	do
	:: sent < TOTAL && SUB(prod, cons) < SIZE ->
		/* one or two at a time */
		prod = (prod + 1) % MOD; sent++;
		if
		:: sent < TOTAL && SUB(prod, cons) < SIZE ->
			prod = (prod + 1) % MOD; sent++
		:: skip
		fi;
		store(REQ_PROD, prod);
#ifndef NO_PUSH_BARRIER
		barrier(REQ_PROD, RSP_EVENT);
#endif
		asked = memory[REQ_EVENT];
		wants(asked, pushed, prod, yes);
		pushed = prod;
		if
		:: yes -> to_back = true
		:: else
		fi
	:: seen < TOTAL && (sent == TOTAL || SUB(prod, cons) == SIZE) ->
		/* nothing to send: take responses, sleep for the next */
		do
		:: memory[RSP_PROD] != cons -> cons = (cons + 1) % MOD; seen++
		:: else -> break
		od;
		if
		:: seen == TOTAL || SUB(prod, cons) < SIZE
		:: else ->
			store(RSP_EVENT, (cons + 1) % MOD);
#ifndef NO_CHECK_BARRIER
			barrier(RSP_EVENT, REQ_PROD);
#endif
#ifndef NO_FINAL_CHECK
			if
			:: memory[RSP_PROD] != cons
			:: else -> atomic { to_front -> to_front = false }
			fi
#else
			atomic { to_front -> to_front = false }
#endif
		fi
	:: seen == TOTAL -> break
	od
}

proctype back()
{
	byte cons, prod, pushed, asked, taken, answered, turn;
	bool yes;

	do
	:: answered < TOTAL ->
		turn = 0;
		do
		:: turn < BUDGET && memory[REQ_PROD] != cons ->
			assert(SUB(memory[REQ_PROD], prod) <= SIZE);
			cons = (cons + 1) % MOD; taken++; turn++
		:: else -> break
		od;
		/* answers any number of what it has taken */
		do
		:: prod != cons -> prod = (prod + 1) % MOD; answered++
		:: prod == cons -> break
		:: prod != cons && turn > 0 -> break
		od;
		if
		:: prod != pushed ->
			store(RSP_PROD, prod);
#ifndef NO_PUSH_BARRIER
			barrier(RSP_PROD, REQ_EVENT);
#endif
			asked = memory[RSP_EVENT];
			wants(asked, pushed, prod, yes);
			pushed = prod;
			if
			:: yes -> to_front = true
			:: else
			fi
		:: else
		fi;
		if
		:: turn > 0 || prod != cons || answered == TOTAL
		:: else ->
			store(REQ_EVENT, (cons + 1) % MOD);
#ifndef NO_CHECK_BARRIER
			barrier(REQ_EVENT, RSP_PROD);
#endif
#ifndef NO_FINAL_CHECK
			if
			:: memory[REQ_PROD] != cons
			:: else -> atomic { to_back -> to_back = false }
			fi
#else
			atomic { to_back -> to_back = false }
#endif
		fi
	:: answered == TOTAL -> break
	od
}

init {
	/* xpv_front_init() */
	memory[REQ_EVENT] = 1;
	memory[RSP_EVENT] = 1;
	atomic {
		run flusher(REQ_PROD); run flusher(REQ_EVENT);
		run flusher(RSP_PROD); run flusher(RSP_EVENT);
		run front(); run back()
	}
}
