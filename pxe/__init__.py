# SPDX-License-Identifier: BSD-2-Clause
"""Booting machines over the network: what they are told, and what they fetch.

    boot.py      the folder that machines boot from, and the HTTP server for it
    dnsmasq.py   DHCP and TFTP: dnsmasq's configuration
"""
