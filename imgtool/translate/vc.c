// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual consoles: what is on the screen, the cursor, and the modes of screen and keyboard.
 * Source: include/linux/console_struct.h, include/linux/kbd_kern.h, drivers/tty/vt/keyboard.c.
 */
#include <linux/kd.h>
#include <linux/vt.h>
#include <stdlib.h>

#include "translate/xlate.h"

#define LINES_MAX 32767		/* VC_MAXCOL, VC_MAXROW */
#define SCREEN_MAX (1u << 20)	/* cells */
#define CONSOLES_MAX 63		/* MAX_NR_CONSOLES */
#define VC_META 16		/* in kbd_struct.modeflags */

static void keyboard(struct xlate *x, struct m_tty *t)
{
	/* VC_XLATE, VC_MEDIUMRAW, VC_RAW, VC_UNICODE, VC_OFF in vt_do_kdgkbmode() */
	static const u8 modes[] = { K_XLATE, K_MEDIUMRAW, K_RAW, K_UNICODE, K_OFF };
	u64 kbd = x_sym(x, "kbd_table") + (u64)t->index * x->f->size[T_KBD], mode;

	if (t->index >= CONSOLES_MAX || x_failed(x))
		return;
	mode = x_u64(x, kbd, F_KBD_MODE);
	if (mode >= ARRAY_SIZE(modes)) {
		x_refuse(x, "console %s has keyboard mode %llu, which is not known", t->name,
			 (unsigned long long)mode);
		return;
	}
	t->kbd_mode = modes[mode];
	t->kbd_meta = x_u64(x, kbd, F_KBD_MODEFLAGS) & VC_META ? K_ESCPREFIX : K_METABIT;
	/* KDGKBLED: what is on, and above it the defaults */
	t->kbd_leds = (x_u64(x, kbd, F_KBD_LEDS) & 7) |
		      (x_u64(x, kbd, F_KBD_LEDS_DEFAULT) & 7) << 4;
}

/*
 * The cells shown. Where the console in front is a VGA text screen they are in the card's memory, not in
 * the kernel's: then they are not known.
 */
static void screen(struct xlate *x, u64 vc, struct m_tty *t)
{
	u64 rows = x_u64(x, vc, F_VC_ROWS), cols = x_u64(x, vc, F_VC_COLS);
	u64 row_size = x_u64(x, vc, F_VC_SIZE_ROW), row, at = x_u64(x, vc, F_VC_ORIGIN);
	u16 *cells;

	if (!rows || !cols || rows > LINES_MAX || cols > LINES_MAX || rows * cols > SCREEN_MAX ||
	    row_size < cols * 2)
		return;
	cells = x_alloc(x, rows * cols * 2);
	for (row = 0; cells && row < rows; row++)
		if (view_read(x->v, at + row * row_size, cells + row * cols, cols * 2))
			return;
	t->screen = cells;
	t->screen_rows = rows;
	t->screen_cols = cols;
}

void xlate_vc(struct xlate *x, u64 tty, struct m_tty *t)
{
	u64 vc = x_u64(x, tty, F_TTY_DRIVER_DATA), fg = x_sym(x, "fg_console");
	s32 shown = -1;

	if (fg)
		x_read(x, fg, &shown, sizeof(shown), "fg_console");
	if (!vc || x_failed(x))
		return;
	t->active = shown >= 0 && (u32)shown == t->index;
	keyboard(x, t);
	t->vt_mode = x_u64(x, vc, F_VC_MODE);
	if (t->vt_mode != KD_TEXT)
		x_refuse(x, "console %s shows graphics: end the program that draws there", t->name);
	if (x_u64(x, vc, F_VC_VT_MODE) != VT_AUTO)
		x_refuse(x, "a program controls console %s (VT_SETMODE)", t->name);
	t->cursor_x = x_u64(x, vc, F_VC_X);
	t->cursor_y = x_u64(x, vc, F_VC_Y);
	screen(x, vc, t);
}
