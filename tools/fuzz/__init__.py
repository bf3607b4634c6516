# SPDX-License-Identifier: Apache-2.0
"""A fuzzer for all packages: `nox -s fuzz`.

It generates random *programs*, which are data: for each of up to three threads, a list of steps. A
*game* plays a program and says what went wrong. A child process plays, so the fuzzer also sees
crashes and hangs. A program that fails is shrunk: steps are removed as long as it still fails.

| module | contents |
|---|---|
| `programs` | what a program is |
| `games` | the list of games; which program a seed and a number give |
| `hostile` | the game *hostile*: any public member, with arguments that fight back |
| `api`, `adversaries` | the public members, as the packages show them; the arguments |
| `drawing`, `steps` | how random steps of that game are made; how they are done |
| `against` | the game *against*: one thread, compared with the builtin types |
| `tables` | the steps that are compared; `tools/testing/models.py` says what they have to do |
| `histories` | the game *histories*: three threads, whose results an order has to explain |
| `counting` | the game *counting*: three threads, which must lose and repeat nothing |
| `waiting` | the game *waiting*: a thread that waits has to be woken |
| `worker`, `supervise` | the child process that plays, and the parent that watches it |
| `shrink` | removing steps while a program still fails |
| `planted` | the bugs of `atomics/cmake/Planted.cmake`, each of which has to be found |
"""
