// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Registers, commands and words of AHCI controllers and their disks, as far as ahci.c
// uses them, after Serial ATA AHCI 1.3.1 and ACS-3. Offsets of a
// port's registers count from the port's own.

// Of the controller.
#define REG_CAP 0x00u
#define REG_CONTROL 0x04u
#define REG_IS 0x08u
#define REG_PORTS 0x0cu
#define REG_CAP2 0x24u
#define REG_HANDOFF 0x28u
#define CAP_QUEUING (1u << 30)
#define CONTROL_RESET (1u << 0)
#define CONTROL_INTERRUPTS (1u << 1)
#define CONTROL_AHCI (1u << 31)
#define CAP2_HANDOFF (1u << 0)
#define HANDOFF_BIOS (1u << 0)
#define HANDOFF_OS (1u << 1)

// Of a port.
#define PORT_LIST 0x00u
#define PORT_FIS 0x08u
#define PORT_IS 0x10u
#define PORT_IE 0x14u
#define PORT_COMMAND 0x18u
#define PORT_TASK 0x20u
#define PORT_SIGNATURE 0x24u
#define PORT_STATUS 0x28u
#define PORT_CONTROL 0x2cu
#define PORT_ERROR 0x30u
#define PORT_ACTIVE 0x34u
#define PORT_ISSUE 0x38u

#define COMMAND_START (1u << 0)
#define COMMAND_SPIN_UP (1u << 1)
#define COMMAND_POWER (1u << 2)
#define COMMAND_RECEIVE (1u << 4)
#define COMMAND_RECEIVING (1u << 14)
#define COMMAND_RUNNING (1u << 15)
#define COMMAND_LINK_ACTIVE (1u << 28)
#define TASK_BUSY 0x88u			// busy, or waiting for data
#define SIGNATURE_DISK 0x00000101u
#define STATUS_LINK 0x0fu
#define STATUS_LINK_UP 0x03u
#define CONTROL_COMRESET 0x301u		// and no low-power states of the link
#define CONTROL_NORMAL 0x300u
#define IS_DONE 0x0000002fu		// frames by which a disk ends a command
#define IS_ERRORS 0x7dc00010u		// of link, interface, bus and disk
#define ALL 0xffffffffu

// Frames and commands.
#define FIS_TO_DISK 0x27u
#define FIS_COMMAND 0x80u
#define FIS_DWORDS 5u
#define HEADER_WRITE (1u << 6)
#define HEADER_REGIONS_SHIFT 16u
#define DEVICE_LBA 0x40u
#define ATA_IDENTIFY 0xecu
#define ATA_READ 0x25u
#define ATA_WRITE 0x35u
#define ATA_READ_QUEUED 0x60u
#define ATA_WRITE_QUEUED 0x61u
#define ATA_FLUSH 0xeau
#define ATA_DATA_SET 0x06u
#define DATA_SET_TRIM 1u
#define DATA_SET_LEN 512u		// 64 ranges: 48 bits of sector, 16 of count

// Words of what a disk says of itself.
#define IDENTIFY_LEN 512u
#define ID_QUEUE_DEPTH 75u
#define ID_SATA 76u
#define ID_SATA_QUEUING (1u << 8)
#define ID_COMMANDS 83u
#define ID_COMMANDS_LBA48 (1u << 10)
#define ID_CACHE 85u
#define ID_CACHE_ON (1u << 5)
#define ID_SECTORS 100u
#define ID_SECTOR 106u
#define ID_SECTOR_MASK 0xc000u
#define ID_SECTOR_VALID 0x4000u
#define ID_SECTOR_LONG (1u << 12)
#define ID_SECTOR_WORDS 117u
#define ID_DATA_SET 169u
#define ID_DATA_SET_TRIM (1u << 0)
