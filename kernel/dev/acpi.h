// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What firmware tells: processors and power management from ACPI tables, the
// machine's UUID from SMBIOS. All of it is input: lengths and checksums are
// checked, and what does not hold is treated as absent.

#include "kernel/abi/layout.h"
#include "kernel/base/types.h"

struct acpi_info {
	u32 processor_count;
	u8 processor_apic_id[CPUS_MAX];
	bool can_power_off;
	u16 power_port;		// PM1a control
	u16 power_port_b;	// PM1b control, or 0
	u16 command_port;	// SMI command, or 0
	u8 command_enable;	// written there: ACPI mode on
	u16 sleep_type;		// SLP_TYP values of \_S5
	u16 sleep_type_b;
	bool can_reset;
	u16 reset_port;
	u8 reset_value;
};
extern struct acpi_info acpi_info;

// Reads the tables. Once, at boot, when device registers can be mapped.
void
acpi_init(void);

// Switches the machine off. Returns only where firmware gave no way to.
void
acpi_power_off(void);

// Resets the machine: by ACPI, else by the keyboard controller, else by a
// triple fault.
noreturn_ void
acpi_reset(void);

// Do these bytes add up to 0, as those of firmware's tables do?
must_check bool
firmware_sum_ok(const u8 *bytes, u32 len);

// The SMBIOS system UUID, or zeros.
void
smbios_uuid(u8 uuid[16]);
