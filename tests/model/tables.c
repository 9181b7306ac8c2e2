// SPDX-License-Identifier: MIT
/* Prints the tables of ring/xenbus.c as Promela: the model walks those very tables. */
#include <stdio.h>

#include "xenbus.h"

static void print(const char *name,
		  enum xpv_action (*action)(enum xpv_state, enum xpv_state))
{
	printf("inline fill_%s() {\n", name);
	for (int own = 0; own < XPV_STATES; own++)
		for (int peer = 0; peer < XPV_STATES; peer++)
			printf("\t%s[%d] = %d;\n", name,
			       own * XPV_STATES + peer,
			       action((enum xpv_state)own,
				      (enum xpv_state)peer));
	printf("}\n");
}

int main(void)
{
	printf("#define STATES %d\n", XPV_STATES);
#define NAME(x) printf("#define " #x " %d\n", XPV_##x)
	NAME(DO_NOTHING);
	NAME(DO_INIT);
	NAME(DO_PUBLISH);
	NAME(DO_CONNECT);
	NAME(DO_CLOSE);
	NAME(DO_CLOSED);
	NAME(DO_REFRESH);
	NAME(DO_REFUSE);
	NAME(STATE_INITIALISING);
	NAME(STATE_INIT_WAIT);
	NAME(STATE_INITIALISED);
	NAME(STATE_CONNECTED);
	NAME(STATE_CLOSING);
	NAME(STATE_CLOSED);
	printf("byte back_table[%d], front_table[%d];\n",
	       XPV_STATES * XPV_STATES, XPV_STATES * XPV_STATES);
	print("back_table", xpv_back_action);
	print("front_table", xpv_front_action);
	return 0;
}
