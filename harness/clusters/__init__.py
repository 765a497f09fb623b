# SPDX-License-Identifier: BSD-2-Clause
"""Clusters of QEMU nodes: what harness/cluster is made of.

    commands    the verbs a person types      -> client   asks the supervisor
    supervisor  one process that owns a run   -> machine, switch, uplink, site
    machine     one QEMU with serial and QMP, also for tests that need no cluster

Import as `clusters.NAME` with harness/ on the path.
"""
