#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause
# PID 1 of each of the two Linux nodes: loads every module of /modules.list,
# brings up eth0 with what the kernel's command line says (addr=, mtu=, peer=,
# peermac=) and runs the lines that come on the serial port, each as a command.
/bin/busybox mkdir -p /tmp /run /sys /root /var/run
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

# One made for instructions that this processor lacks refuses, and another serves.
while read -r path parameters; do
	insmod "$path" $parameters 2> /dev/null
done < /modules.list
mount -t configfs config /sys/kernel/config

for word in $(cat /proc/cmdline); do
	case $word in
	addr=* | mtu=* | peer=* | peermac=*) eval "${word%%=*}=${word#*=}" ;;
	esac
done
ip link set lo up
ip link set eth0 mtu "$mtu"
ip addr add "$addr/24" dev eth0
ip link set eth0 up
arp -s "$peer" "$peermac" -i eth0

cd /root || exit 1
ulimit -l unlimited
stty -F /dev/ttyS0 -echo -onlcr
echo 'pair: ready' > /dev/ttyS0
# The pipe keeps the shell from taking itself for an interactive one.
sh < /dev/ttyS0 2>&1 | cat > /dev/ttyS0
poweroff -f
