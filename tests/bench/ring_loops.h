/* SPDX-License-Identifier: MIT */
/*
 * The two loops over a ring, the same source for every engine. The includer
 * defines FRONT, FRONT_ATTACH(page), ROOM, REQUEST(id), PUSH_REQUESTS,
 * RESPONSES, TAKE_RESPONSE (its id), and BACK, BACK_ATTACH(page), REQUESTS,
 * TAKE_REQUEST (its id), RESPOND(id), PUSH_RESPONSES.
 */
static void front(const struct ring_load *load)
{
	uint32_t sent = 0, got = 0, n;
	FRONT f;

	FRONT_ATTACH(&f, load->page);
	while (got < load->total) {
		for (n = 0; n < load->batch && sent < load->total &&
			    sent - got < load->depth && ROOM(&f);
		     n++)
			REQUEST(&f, sent++);
		if (n)
			PUSH_REQUESTS(&f);
		n = RESPONSES(&f);
		if (!n)
			relax();
		for (; n; n--, got++)
			if (TAKE_RESPONSE(&f) != got)
				die("response %u is another's", got);
	}
}

static void back(const struct ring_load *load)
{
	uint32_t done = 0, n, i;
	BACK b;

	BACK_ATTACH(&b, load->page);
	while (done < load->total) {
		n = REQUESTS(&b);
		if (!n) {
			relax();
			continue;
		}
		if (n > load->batch)
			n = load->batch;
		for (i = 0; i < n; i++) {
			uint64_t id;

			TAKE_REQUEST(&b, id);
			RESPOND(&b, id);
		}
		PUSH_RESPONSES(&b);
		done += n;
	}
}
