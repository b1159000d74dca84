# SPDX-License-Identifier: MIT
"""The parts of bench/run: what is measured (workloads, programs), with what (allocators),
how (measure, pairs), and what becomes of it (report, charts)."""
