// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Registers of Intel's 82574L as far as e1000e.c uses them, and what it writes to them,
// after the 82574 datasheet, revision 3.4.

#define VENDOR_INTEL 0x8086u
#define DEVICE_82574L 0x10d3u
#define DEVICE_82574LA 0x10f6u
#define REGISTERS_LEN (128u * 1024u)

#define REG_CTRL 0x0000u
#define REG_STATUS 0x0008u
#define REG_EECD 0x0010u
#define REG_CTRL_EXT 0x0018u
#define REG_ICR 0x00c0u
#define REG_IMS 0x00d0u
#define REG_IMC 0x00d8u
#define REG_EIAC 0x00dcu
#define REG_IAM 0x00e0u
#define REG_IVAR 0x00e4u
#define REG_EITR 0x00e8u		// one a vector
#define REG_RCTL 0x0100u
#define REG_FCTTV 0x0170u
#define REG_TCTL 0x0400u
#define REG_RDBAL 0x2800u
#define REG_RDLEN 0x2808u
#define REG_RDH 0x2810u
#define REG_RDT 0x2818u
#define REG_RDTR 0x2820u
#define REG_RXDCTL 0x2828u
#define REG_RADV 0x282cu
#define REG_RDLEN1 0x2908u
#define REG_TDBAL 0x3800u
#define REG_TDLEN 0x3808u
#define REG_TDH 0x3810u
#define REG_TDT 0x3818u
#define REG_TIDV 0x3820u
#define REG_TXDCTL 0x3828u
#define REG_TADV 0x382cu
#define REG_TARC 0x3840u
#define REG_TDLEN1 0x3908u
#define REG_RXCSUM 0x5000u
#define REG_RFCTL 0x5008u
#define REG_RAL 0x5400u
#define REG_RAH 0x5404u
#define REG_MRQC 0x5818u

#define CTRL_FULL_DUPLEX (1u << 0)
#define CTRL_MASTER_DISABLE (1u << 2)
#define CTRL_LINK_UP (1u << 6)
#define CTRL_RESET (1u << 26)
#define STATUS_LINK_UP (1u << 1)
#define STATUS_MASTER (1u << 19)
#define EECD_READ_DONE (1u << 9)
#define CTRL_EXT_EIAME (1u << 24)
#define CTRL_EXT_IAME (1u << 27)
#define CTRL_EXT_DRIVER (1u << 28)	// tells the management firmware of us
#define CTRL_EXT_PBA_CLEAR (1u << 31)	// pending bits follow the causes

#define CAUSE_LINK (1u << 2)
#define CAUSE_RECEIVED (1u << 20)
#define CAUSE_SENT (1u << 22)
#define CAUSE_OTHER (1u << 24)
#define CAUSES_OTHER 0x00070244u	// what OTHER stands for: link, overrun, ...
#define CAUSES_VECTORS (CAUSE_RECEIVED | CAUSE_SENT | CAUSE_OTHER)
#define ALL 0xffffffffu

// Which of the two vectors each cause has; bit 3 of a field makes it valid.
#define IVAR_RECEIVED (8u << 0)
#define IVAR_SENT (8u << 8)
#define IVAR_OTHER (9u << 16)
#define VECTORS 2u
#define THROTTLE_QUEUES 40u		// units of 256 ns: 10 us between interrupts
#define THROTTLE_OTHER 0xffffu		// 17 ms

#define RCTL_ENABLE (1u << 1)
#define RCTL_ALL_UNICAST (1u << 3)
#define RCTL_ALL_MULTICAST (1u << 4)
#define RCTL_LONG (1u << 5)
#define RCTL_BROADCAST (1u << 15)
#define RCTL_DROP_PAUSE (1u << 22)
#define RCTL_STRIP_CRC (1u << 26)
#define RCTL_BUFFER_KIB_SHIFT 27u
#define TCTL_ENABLE (1u << 1)
#define TCTL_PAD (1u << 3)
#define TCTL_COLLISIONS (0x0fu << 4 | 0x3fu << 12)
#define DCTL_DESCRIPTORS (1u << 24)	// thresholds count descriptors,
#define DCTL_WRITE_BACK (1u << 16)	// and each is written back at once
#define TXDCTL_RESERVED (1u << 22)	// to be set
#define TARC_ENABLE (1u << 10)
#define RFCTL_NO_ACK_CAUSE (1u << 12)
#define RAH_VALID (1u << 31)
