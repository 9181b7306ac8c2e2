# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# fio writes and verifies: small random and large sequential requests, in depth, on two disks at once.
# timeout: 150

one=$(mkdisk one 64)
two=$(mkdisk two 64)
guest_create a --vcpus 2 --disk "$one,xvda" --disk "$two,xvdb"

check="fio --output-format=terse --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --do_verify=1"
guest_must a "$check --name=small --filename=/dev/xvda --rw=randwrite --bs=4k --iodepth=32 --size=6m" 100 >/dev/null
guest_must a "$check --name=large --filename=/dev/xvdb --rw=write --bs=256k --iodepth=8 --size=24m" 100 >/dev/null
guest_must a "$check --name=mixed --filename=/dev/xvda:/dev/xvdb --rw=randrw --bsrange=512-64k --iodepth=16 --size=4m" 100 >/dev/null
guest_shutdown a
