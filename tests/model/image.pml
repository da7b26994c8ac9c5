/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine that hibernates, boots and resumes, with its power cut at any step: who owns the file systems?
 *
 * On the medium are the image's header (both copies as one: which of them holds is tested by image_state_test),
 * GRUB's block, and the file systems. A step is one write that is flushed; the power may go between any two,
 * and a write may fail, done or not done. States and moves are those of the product (states.def), the counts of
 * attempts those of its boot menu; the check fails when a row of the table is not used here.
 *
 * What is #ifdef ..._TRUSTS leaves a precaution out; tests/model/check sees that this is found.
 *
 *	who				here
 *	05_overlayctl			menu
 *	local-premount, boot-functions	attempt, passed_by, absent, ordinary
 *	reloader/attempt.c, switch.c, exact.c	attempt, switched, jumped
 *	capture/hibernate.c		hibernate, woken
 */
#define STATE(name, value, text) mtype = { name };
#include "../../imgtool/image/states.def"
mtype = { PLAIN, DISCARD, EXACT, SWITCH, KEEP };

/*
 * What may go wrong how often in one history. Power cuts, and kernels that are to resume and die, have no limit:
 * every attempt is counted before it is made. Only a merge that goes on is not, as it gets further each time.
 */
#define IO_ERRORS 2	/* writes to the image's device that fail */
#define UNCOUNTED 1	/* attempts that the menu could not count */
#define CHOICES 1	/* times that somebody chooses in the menu */
#define STRANGE 1	/* boots of a system that knows nothing of images, or where the menu does not see the device, or the kernel not in time */
byte io_errors = IO_ERRORS, uncounted = UNCOUNTED, choices = CHOICES, strange = STRANGE;
bool steady;		/* no power cut here: it would leave the medium as it was */

/* The medium. */
mtype head = NONE, block = NONE;
byte head_tries, block_tries;
bool same_image;	/* the block has the header's UUID */
bool next;		/* the image is to go on under another kernel */
bool on_trial;		/* and there on a layer over the disks */
bool half;		/* the layer is merged in part */
bool changed;		/* somebody wrote to the file systems after the image's moment */
bool used;		/* the image's machine has run since */

/* The machine. */
bool writable, running;
bool excused;		/* a state could not be written, the image was not there, or a foreign system took no notice of it */
byte starts;		/* of kernels that were to resume, without anybody asking, since something ran */

/* state_load(): what the header says, and what GRUB adds to it. */
#define DISCARDED (same_image && block == STALE)
#define ON_TRIAL(s) ((s) == TRIAL || (s) == REVERTING)
#define HOLDS(s) ((s) == ARMED || (s) == RESUMING || ON_TRIAL(s))
#define WAITS (HOLDS(head) && !DISCARDED)
#define STATE_NOW (HOLDS(head) && DISCARDED -> STALE : head)
#define TRIES_MAX (ALL_TRIES + 2)

c_decl {
	\#include <stdio.h>
	\#include <stdlib.h>
	static struct { const char *from, *to; int made; } rows[] = {
#define MOVE(from, to) { #from, #to, 0 },
#include "../../imgtool/image/states.def"
	};
	static void rows_print(void)
	{
		for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			printf("row %s -> %s: %s\n", rows[i].from, rows[i].to, rows[i].made ? "made" : "never made");
	}
	static void row_made(int i)
	{
		static int registered;

		if (!registered++)
			atexit(rows_print);
		rows[i].made = 1;
	}
};

/* The power may go here. */
#define CUT if :: !steady -> goto gone :: skip fi

hidden mtype from;
hidden byte row;
byte tries;
bool allowed, ok;
bool begun;		/* a header was, so that it may be on the medium though the move failed */

/* Is the move from STATE_NOW to @to in the table? */
inline look_up(to)
{
	from = STATE_NOW;
	row = 0;
	allowed = false;
#define MOVE(a, b)	\
	if	\
	:: !allowed && from == a && to == b -> allowed = true	\
	:: !allowed && !(from == a && to == b) -> row++	\
	:: else	\
	fi;
#include "../../imgtool/image/states.def"
}

/* A new image has a UUID of its own, which the block does not have yet. */
inline head_is(to)
{
	head = to;
	head_tries = tries;
	same_image = same_image && to != WRITING
}

inline write_head(to)
{
	begun = true;
	if
	:: atomic { head_is(to) }
	:: io_errors > 0 ->
		atomic { io_errors--; ok = false; if :: head_is(to) :: skip fi }
	fi
}

inline write_block(to)
{
	if
	:: atomic { block = to; block_tries = tries; same_image = true }
	:: io_errors > 0 ->
		atomic {
			io_errors--;
			ok = false;
			if :: block = to; block_tries = tries; same_image = true :: skip fi
		}
	fi
}

/* image_state_move(): the block first when an image is armed, else the header. */
inline make(to)
{
	d_step {
		look_up(to);
		assert(allowed);
		c_code { row_made(row); };
		ok = true;
		begun = false;
		tries = (same_image && block_tries > head_tries -> block_tries : head_tries);
		if
		:: (to == RESUMING || to == REVERTING) && tries == head_tries && tries < TRIES_MAX -> tries++
		:: from == RESUMING && to == TRIAL -> tries = 0
		:: to == WRITING -> tries = 0
		:: else
		fi
	};
	if
	:: to == ARMED -> write_block(to); CUT
	:: else
	fi;
	if
	:: ok -> write_head(to); CUT
	:: else
	fi;
	if
	:: ok && to != ARMED -> write_block(to); CUT
	:: else
	fi;
	tries = 0
}

/* For callers that do not know what is on the medium: a move that is not in the table is refused, and told. */
inline try_make(to)
{
	d_step { look_up(to) };
	if
	:: allowed -> make(to)
	:: else -> ok = false
	fi
}

mtype mode;
bool asked;

/* The menu's default, or what somebody chose; counts before it starts anything. */
inline menu()
{
	asked = false;
	if
	:: strange > 0 -> strange--; mode = PLAIN
	:: block == KEEPING ->
		mode = KEEP;
		if
		:: skip
		:: choices > 0 -> choices--; asked = true; mode = PLAIN
		fi
	:: HOLDS(block) ->
		if
		:: ON_TRIAL(block) && block_tries < ALL_TRIES -> mode = EXACT
		:: !ON_TRIAL(block) && block_tries < NEXT_TRIES -> mode = (next -> SWITCH : EXACT)
		:: !ON_TRIAL(block) && block_tries >= NEXT_TRIES && block_tries < ALL_TRIES && next -> mode = EXACT
		:: else -> mode = DISCARD
		fi;
		if
		:: skip
		:: choices > 0 ->
			choices--;
			asked = true;
			if
			:: next && !ON_TRIAL(block) -> mode = SWITCH
			:: mode = EXACT
			:: mode = DISCARD
			:: mode = PLAIN
			fi
		fi
	:: !HOLDS(block) && block != KEEPING -> mode = PLAIN
	fi;
	if
	:: mode == SWITCH || mode == EXACT ->
		if
#ifdef MENU_TRUSTS
		:: true
#else
		:: block_tries < ALL_TRIES -> block_tries++
#endif
		:: block_tries >= ALL_TRIES
		:: uncounted > 0 -> uncounted--
		fi;
		if
		:: !asked -> starts++; assert(starts <= ALL_TRIES + UNCOUNTED)
		:: else
		fi
	:: mode == DISCARD ->
		if
		:: block = STALE; CUT
		:: io_errors > 0 -> io_errors--
		fi
	:: else
	fi
}

/* From here on the image's machine runs: once, and on what it left. */
inline own()
{
	assert(!used && !changed);
	used = true;
	writable = true;
	running = true;
	starts = 0
}

active proctype machine()
{
off:	menu();
	if
	:: mode == PLAIN && strange > 0 ->
		atomic { strange--; excused = true; writable = true; changed = true; running = true; starts = 0 };
		goto gone
	:: mode == SWITCH || mode == EXACT -> goto gone	/* dies before user space */
	:: strange > 0 -> strange--; goto absent
	:: mode == SWITCH || mode == EXACT -> goto attempt
	:: mode == PLAIN || mode == DISCARD || mode == KEEP -> goto passed_by
	fi;

absent:	/* waited for, and nothing can be marked; nobody mounts what is half merged, but who chose another entry */
	if
#ifndef KEEP_TRUSTS
	:: mode == KEEP -> goto gone
#endif
	:: mode == PLAIN && asked && half -> running = true; goto end_risk
	:: else
	fi;
	excused = true;
	goto ordinary;

end_risk:	/* no history to be followed: it was told in the documentation */
	false;

attempt:
	if
	:: head == KEEPING -> goto finish_keep
	:: head != KEEPING && !WAITS -> goto ordinary
	:: ON_TRIAL(head) && WAITS -> mode = EXACT; make(REVERTING)
	:: !ON_TRIAL(head) && WAITS -> make(RESUMING)
	fi;
	if
	:: ok -> goto gone		/* the reloader's kernel dies */
	:: ok -> goto unfit
	:: ok && mode == SWITCH && !changed -> goto switched
#ifdef EXACT_TRUSTS
	:: ok && mode == EXACT -> goto jumped
#else
	:: ok && mode == EXACT && !changed -> goto jumped
#endif
	:: true				/* refused, or it failed */
	fi;
undone:	if
	:: ON_TRIAL(head) -> try_make(TRIAL)
	:: !ON_TRIAL(head) -> try_make(ARMED)
	fi;
	if
	:: mode == SWITCH -> mode = EXACT; goto attempt
	:: else -> mode = DISCARD; goto passed_by
	fi;

unfit:	/* failed, and this kernel is not fit to go on: anew, when somebody counts */
	if
	:: block_tries > 0 -> goto gone
	:: else -> mode = DISCARD; goto passed_by
	fi;

switched:
	if
	:: on_trial ->
		starts = 0;			/* attempts are counted anew */
		make(TRIAL);
		if
		:: !ok -> goto undone
		:: else
		fi;
		assert(!used && !changed);
		if
		:: running = true; goto layered
		:: goto gone
		fi
	:: else
	fi;
#ifdef COMMIT_TRUSTS
	own();
	make(SPENT);
#else
	make(SPENT);
	if
	:: !ok -> goto undone
	:: else
	fi;
	own();
#endif
	if
	:: goto works
	:: goto gone		/* could not be brought up: an ordinary boot follows */
	fi;

jumped:	/* woken: its file systems are frozen still */
	make(SPENT);
#ifndef WAKE_TRUSTS
	if
	:: !ok -> goto gone
	:: else
	fi;
#endif
	own();
	goto works;

passed_by:
	if
	:: head == KEEPING -> goto finish_keep
	:: ON_TRIAL(head) && WAITS && mode != DISCARD && head_tries < TRIES_MAX ->
		goto attempt			/* whichever entry was chosen: it is over */
	:: else
	fi;
	if
#ifdef BOOT_TRUSTS
	:: WAITS && mode == PLAIN
#endif
	:: WAITS ->
		make(STALE);
		if
		:: !ok -> excused = true
		:: else
		fi
	:: else
	fi;

ordinary:
	assert(!half);
	atomic { writable = true; changed = true; running = true; starts = 0 };
	goto works;

finish_keep:	/* a merge that was cut short; without its end nothing may be mounted */
	steady = true;
#ifndef MERGE_TRUSTS
	make(KEEPING);
	if
	:: !ok -> goto gone
	:: else
	fi;
#endif
	if
	:: io_errors > 0 -> io_errors--; goto gone
	:: !half -> steady = false; make(TRIAL); if :: ok -> mode = EXACT; goto attempt :: else -> goto gone fi
	:: steady = half; half = true; CUT; half = false; steady = false; make(SPENT); if :: ok -> goto ordinary :: else -> goto gone fi
	fi;

layered:	/* it runs on the layer: its disks are not written to */
	do
	:: goto gone
	:: STATE_NOW == TRIAL -> make(TRIAL); goto gone	/* overlayctl revert, or the watcher */
	:: STATE_NOW == TRIAL || STATE_NOW == KEEPING ->
		if
#ifdef MERGE_TRUSTS
		:: STATE_NOW == KEEPING
#endif
		:: true -> make(KEEPING); if :: !ok -> goto layered :: else fi
		fi;
		if
		:: !half -> make(TRIAL)		/* it had run full: nothing is merged */
		:: atomic { writable = true; changed = true; half = true };
			if
			:: goto gone
			:: half = false; make(SPENT); goto works
			fi
		fi
	od;

works:	/* it runs, as long as it likes */
	do
	:: goto gone
	:: STATE_NOW == ARMED || STATE_NOW == RESUMING || STATE_NOW == WRITING ->
		make(STALE)		/* overlayctl cancel */
	:: !HOLDS(STATE_NOW) && STATE_NOW != KEEPING -> break
	od;

	/* A hibernate. */
	if
	:: next = true; on_trial = true
	:: next = true; on_trial = false
	:: next = false; on_trial = false
	fi;
	make(WRITING);
	if
	:: !ok -> goto works
	:: else
	fi;
	atomic { writable = false; running = false; used = false; changed = false; excused = false };
	if
	:: make(NONE); goto thaw		/* failed before all was written */
	:: true
	fi;
	make(ARMED);
	if
	:: ok -> goto gone
	:: !ok && !begun -> make(NONE)	/* no header was written: whatever comes of this */
	:: begun ->			/* arming failed, or the machine does not go down */
		make(STALE);
#ifndef ABANDON_TRUSTS
		if
		:: !ok -> goto gone
		:: else
		fi;
#endif
	fi;
thaw:	atomic { writable = true; running = true; changed = true };
	goto works;

gone:	atomic {
		writable = false;
		running = false;
		ok = false;
		allowed = false;
		begun = false;
		asked = false;
		tries = 0;
		steady = false;
		mode = PLAIN
	};
	goto off
}

/* Nobody writes to file systems that a waiting image counts on. */
ltl one_owner { [] !(writable && WAITS && !excused) }
/* However often a resume fails, something runs in the end. */
ltl comes_up { [] <> running }
