// SPDX-License-Identifier: BSD-2-Clause
//
// PID 1 of the Linux peer. A static C program, because every shell command
// spared is boot time that Linux does not lose under emulation: it loads the
// network card's modules in the order of /modules.list, sets the address given on the
// kernel's command line and becomes what the benchmark asked for.
//
//	mode=web	starts nginx and reaps children for ever
//	mode=prims	reads a line from the serial port, runs /prims, repeats
//	addr=A.B.C.D	address of eth0, /24; the gateway is host 1 of that net
//	gwmac=M		the gateway's MAC, entered as a static ARP entry
//
// Nothing here is DEOS code: it exists only inside the peer's initramfs.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char command_line[4096];

// Says what failed on the console and powers off, so that the benchmark sees
// QEMU end instead of waiting for a timeout.
static void
die(const char *what)
{
	perror(what);
	sync();
	reboot(RB_POWER_OFF);
	_exit(1);
}

// Reads a whole small file into text[size], always terminated.
static void
read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (n < 0)
		die(path);
	text[n] = '\0';
	close(fd);
}

// The value of word= on the kernel's command line, or NULL; in one static
// buffer that the next call overwrites.
static const char *
argument(const char *word)
{
	static char value[64];
	const char *at = strstr(command_line, word);
	size_t n;

	if (at == NULL)
		return NULL;
	at += strlen(word);
	n = strcspn(at, " \n");
	if (n >= sizeof value)
		return NULL;
	memcpy(value, at, n);
	value[n] = '\0';
	return value;
}

static void
mount_all(void)
{
	if (mount("dev", "/dev", "devtmpfs", 0, NULL) < 0)
		die("mount /dev");
	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		die("mount /proc");
}

static void
load_modules(void)
{
	static char list[4096];
	char *path = list, *end;

	read_text("/modules.list", list, sizeof list);
	for (; (end = strchr(path, '\n')) != NULL; path = end + 1) {
		int fd;

		*end = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			die(path);
		close(fd);
	}
}

static void
interface_up(int fd, const char *name)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		die(name);
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		die(name);
}

static struct sockaddr_in
ipv4(in_addr_t address)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = address,
	};
}

// Enters the gateway, host 1 of address's /24, with its MAC.
static void
set_gateway_mac(int fd, in_addr_t address, const char *mac)
{
	in_addr_t gateway = htonl((ntohl(address) & 0xffffff00) | 1);
	struct arpreq entry = { .arp_flags = ATF_PERM | ATF_COM };
	struct sockaddr_in sin = ipv4(gateway);
	unsigned char m[6];

	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3,
	           m + 4, m + 5) != 6)
		die("gwmac");
	memcpy(&entry.arp_pa, &sin, sizeof sin);
	memcpy(entry.arp_ha.sa_data, m, sizeof m);
	entry.arp_ha.sa_family = ARPHRD_ETHER;
	snprintf(entry.arp_dev, sizeof entry.arp_dev, "eth0");
	if (ioctl(fd, SIOCSARP, &entry) < 0)
		die("static ARP entry");
}

static void
set_address(const char *text)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	in_addr_t address = inet_addr(text);
	struct ifreq request = { .ifr_name = "eth0" };
	struct sockaddr_in sin = ipv4(address);
	const char *mac;

	if (fd < 0)
		die("socket");
	interface_up(fd, "lo");
	memcpy(&request.ifr_addr, &sin, sizeof sin);
	if (ioctl(fd, SIOCSIFADDR, &request) < 0)
		die("address");
	sin = ipv4(htonl(0xffffff00));
	memcpy(&request.ifr_netmask, &sin, sizeof sin);
	if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
		die("netmask");
	interface_up(fd, "eth0");
	mac = argument("gwmac=");
	if (mac != NULL)
		set_gateway_mac(fd, address, mac);
	close(fd);
}

static pid_t
start(char *const argv[])
{
	pid_t child = vfork();

	if (child == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	if (child < 0)
		die("vfork");
	return child;
}

static void
serve_web(void)
{
	char *nginx[] = { "/nginx", "-c", "/nginx.conf", NULL };
	struct rlimit files = { 65536, 65536 };
	int status;

	setrlimit(RLIMIT_NOFILE, &files);
	if (waitpid(start(nginx), &status, 0) < 0 || status != 0)
		die("nginx did not start");
	for (;;)
		if (wait(NULL) < 0)
			pause();
}

static void
serve_prims(void)
{
	char *prims[] = { "/prims", NULL };
	char line[64];

	for (;;) {
		printf("peer: ready\n");
		fflush(stdout);
		if (fgets(line, sizeof line, stdin) == NULL)
			die("serial line closed");
		waitpid(start(prims), NULL, 0);
	}
}

static void
open_console(void)
{
	int fd = open("/dev/console", O_RDWR);

	if (fd < 0)
		return;
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (fd > 2)
		close(fd);
}

int
main(void)
{
	const char *address, *mode;

	mount_all();
	open_console();
	read_text("/proc/cmdline", command_line, sizeof command_line);
	mode = argument("mode=");
	if (mode != NULL && strcmp(mode, "prims") == 0)
		serve_prims();
	load_modules();
	address = argument("addr=");
	if (address == NULL)
		die("addr= is missing on the command line");
	set_address(address);
	serve_web();
}
