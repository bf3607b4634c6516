# SPDX-License-Identifier: Apache-2.0
"""The machinery of the benchmarks; it knows workloads, and none of the types they use."""
