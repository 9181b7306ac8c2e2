/* SPDX-License-Identifier: MIT */
#define virt_load_acquire(p)	 READ_ONCE(*(p))
#define virt_store_release(p, v) WRITE_ONCE(*(p), v)
#define virt_mb()
