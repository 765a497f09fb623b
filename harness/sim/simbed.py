# SPDX-License-Identifier: BSD-2-Clause
"""What the simulator's tests share: both of its builds, and ways to run them."""
from simulator import Simulator

SIMULATOR = Simulator("sim")
SIM, CHECKED = SIMULATOR.program, SIMULATOR.checked
run, passes, hashes = SIMULATOR.run, SIMULATOR.passes, SIMULATOR.hashes
