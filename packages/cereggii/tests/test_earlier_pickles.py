# SPDX-License-Identifier: Apache-2.0
"""Pickles that were made by earlier versions, of every type, can be loaded by this one."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import cereggii
import pytest

# Pickles of protocols 0 and 5, as version 2.0 made them when its types were nanobind's.
PICKLES: dict[str, tuple[bytes, ...]] = {
    "AtomicInt": (
        b"ccereggii_atomicint._copying\n_restore\np0\n(ccereggii_atomicint\nAtomi"
        b"cInt\np1\ng1\n(I5\ntp2\ntp3\nRp4\n.",
        b"\x80\x05\x95Y\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicint._co"
        b"pying\x94\x8c\x08_restore\x94\x93\x94\x8c\x12cereggii_atomicint\x94\x8c"
        b"\tAtomicInt\x94\x93\x94h\x05K\x05\x85\x94\x87\x94R\x94.",
    ),
    "AtomicIntHandle": (
        b"ccereggii_atomicint._copying\n_restore\np0\n(ccereggii_atomicint\nAtomi"
        b"cIntHandle\np1\ng1\n(g0\n(ccereggii_atomicint\nAtomicInt\np2\ng2\n(I-5"
        b"\ntp3\ntp4\nRp5\ntp6\ntp7\nRp8\n.",
        b"\x80\x05\x95\x8f\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicint."
        b"_copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x12cereggii_atomicint\x94"
        b"\x8c\x0fAtomicIntHandle\x94\x93\x94h\x05h\x02\x8c\x12cereggii_atomicint"
        b"\x94\x8c\tAtomicInt\x94\x93\x94h\x08J\xfb\xff\xff\xff\x85\x94\x87\x94R"
        b"\x94\x85\x94\x87\x94R\x94.",
    ),
    "AtomicCounter": (
        b"ccereggii_atomicint._copying\n_restore\np0\n(ccereggii_atomicint\nAtomi"
        b"cCounter\np1\ng1\n(I7\ntp2\ntp3\nRp4\n.",
        b"\x80\x05\x95]\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicint._co"
        b"pying\x94\x8c\x08_restore\x94\x93\x94\x8c\x12cereggii_atomicint\x94\x8c"
        b"\rAtomicCounter\x94\x93\x94h\x05K\x07\x85\x94\x87\x94R\x94.",
    ),
    "AtomicCounterHandle": (
        b"ccereggii_atomicint._copying\n_restore\np0\n(ccereggii_atomicint\nAtomi"
        b"cCounterHandle\np1\ng1\n(g0\n(ccereggii_atomicint\nAtomicCounter\np2\ng"
        b"2\n(I7\ntp3\ntp4\nRp5\ntp6\ntp7\nRp8\n.",
        b"\x80\x05\x95\x94\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicint."
        b"_copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x12cereggii_atomicint\x94"
        b"\x8c\x13AtomicCounterHandle\x94\x93\x94h\x05h\x02\x8c\x12cereggii_atomi"
        b"cint\x94\x8c\rAtomicCounter\x94\x93\x94h\x08K\x07\x85\x94\x87\x94R\x94"
        b"\x85\x94\x87\x94R\x94.",
    ),
    "AtomicEvent": (
        b"ccereggii_atomicint._copying\n_restore\np0\n(ccereggii_atomicint\nAtomi"
        b"cEvent\np1\ng1\n(I01\ntp2\ntp3\nRp4\n.",
        b"\x80\x05\x95Z\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicint._co"
        b"pying\x94\x8c\x08_restore\x94\x93\x94\x8c\x12cereggii_atomicint\x94\x8c"
        b"\x0bAtomicEvent\x94\x93\x94h\x05\x88\x85\x94\x87\x94R\x94.",
    ),
    "AtomicRef": (
        b"ccereggii_atomicref._copying\n_restore\np0\n(ccereggii_atomicref\nAtomi"
        b"cRef\np1\ng1\n(ttp2\nRp3\n(Vsnapshot\np4\n((lp5\nI1\natp6\nNtp7\nb.",
        b"\x80\x05\x95l\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicref._co"
        b"pying\x94\x8c\x08_restore\x94\x93\x94\x8c\x12cereggii_atomicref\x94\x8c"
        b"\tAtomicRef\x94\x93\x94h\x05)\x87\x94R\x94\x8c\x08snapshot\x94]\x94K"
        b"\x01a\x85\x94N\x87\x94b.",
    ),
    "AtomicRef_cycle": (
        b"ccereggii_atomicref._copying\n_restore\np0\n(ccereggii_atomicref\nAtomi"
        b"cRef\np1\ng1\n(ttp2\nRp3\n(Vsnapshot\np4\n((lp5\ng3\natp6\nNtp7\nb.",
        b"\x80\x05\x95l\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicref._co"
        b"pying\x94\x8c\x08_restore\x94\x93\x94\x8c\x12cereggii_atomicref\x94\x8c"
        b"\tAtomicRef\x94\x93\x94h\x05)\x87\x94R\x94\x8c\x08snapshot\x94]\x94h"
        b"\x07a\x85\x94N\x87\x94b.",
    ),
    "AtomicRefHandle": (
        b"ccereggii_atomicref._copying\n_restore\np0\n(ccereggii_atomicref\nAtomi"
        b"cRefHandle\np1\ng1\n(g0\n(ccereggii_atomicref\nAtomicRef\np2\ng2\n(ttp3"
        b"\nRp4\n(Vsnapshot\np5\n(Vx\np6\ntp7\nNtp8\nbtp9\ntp10\nRp11\n.",
        b"\x80\x05\x95\x9e\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicref."
        b"_copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x12cereggii_atomicref\x94"
        b"\x8c\x0fAtomicRefHandle\x94\x93\x94h\x05h\x02\x8c\x12cereggii_atomicref"
        b"\x94\x8c\tAtomicRef\x94\x93\x94h\x08)\x87\x94R\x94\x8c\x08snapshot\x94"
        b"\x8c\x01x\x94\x85\x94N\x87\x94b\x85\x94\x87\x94R\x94.",
    ),
    "AtomicStampedRef": (
        b"ccereggii_atomicref._copying\n_restore\np0\n(ccereggii_atomicref\nAtomi"
        b"cStampedRef\np1\ng1\n(ttp2\nRp3\n(Vsnapshot\np4\n(Vv\np5\nI3\ntp6\nNtp7"
        b"\nb.",
        b"\x80\x05\x95t\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicref._co"
        b"pying\x94\x8c\x08_restore\x94\x93\x94\x8c\x12cereggii_atomicref\x94\x8c"
        b"\x10AtomicStampedRef\x94\x93\x94h\x05)\x87\x94R\x94\x8c\x08snapshot\x94"
        b"\x8c\x01v\x94K\x03\x86\x94N\x87\x94b.",
    ),
    "AtomicBool": (
        b"ccereggii_atomicref._copying\n_restore\np0\n(ccereggii\nAtomicBool\np1"
        b"\ng1\n(I01\ntp2\ntp3\nRp4\n.",
        b"\x80\x05\x95O\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicref._co"
        b"pying\x94\x8c\x08_restore\x94\x93\x94\x8c\x08cereggii\x94\x8c\nAtomicBo"
        b"ol\x94\x93\x94h\x05\x88\x85\x94\x87\x94R\x94.",
    ),
    "AtomicBoolHandle": (
        b"ccereggii_atomicref._copying\n_restore\np0\n(ccereggii\nAtomicBoolHandl"
        b"e\np1\ng1\n(g0\n(ccereggii\nAtomicBool\np2\ng2\n(I01\ntp3\ntp4\nRp5\ntp"
        b"6\ntp7\nRp8\n.",
        b"\x80\x05\x95p\x00\x00\x00\x00\x00\x00\x00\x8c\x1bcereggii_atomicref._co"
        b"pying\x94\x8c\x08_restore\x94\x93\x94\x8c\x08cereggii\x94\x8c\x10Atomic"
        b"BoolHandle\x94\x93\x94h\x05h\x02h\x03\x8c\nAtomicBool\x94\x93\x94h\x07"
        b"\x88\x85\x94\x87\x94R\x94\x85\x94\x87\x94R\x94.",
    ),
    "ThreadHandle": (
        b"ccereggii_atomicref\nThreadHandle\np0\n((lp1\nI1\naI2\natp2\nRp3\n.",
        b"\x80\x05\x953\x00\x00\x00\x00\x00\x00\x00\x8c\x12cereggii_atomicref\x94"
        b"\x8c\x0cThreadHandle\x94\x93\x94]\x94(K\x01K\x02e\x85\x94R\x94.",
    ),
    "AtomicDict": (
        b"ccereggii_atomicdict._copying\n_restore\np0\n(ccereggii_atomicdict\nAto"
        b"micDict\np1\ng1\n(ttp2\nRp3\nVa\np4\nI1\nsVb\np5\n(lp6\nI2\nas.",
        b"\x80\x05\x95j\x00\x00\x00\x00\x00\x00\x00\x8c\x1ccereggii_atomicdict._c"
        b"opying\x94\x8c\x08_restore\x94\x93\x94\x8c\x13cereggii_atomicdict\x94"
        b"\x8c\nAtomicDict\x94\x93\x94h\x05)\x87\x94R\x94(\x8c\x01a\x94K\x01\x8c"
        b"\x01b\x94]\x94K\x02au.",
    ),
    "AtomicDict_cycle": (
        b"ccereggii_atomicdict._copying\n_restore\np0\n(ccereggii_atomicdict\nAto"
        b"micDict\np1\ng1\n(ttp2\nRp3\nVme\np4\ng3\ns.",
        b"\x80\x05\x95a\x00\x00\x00\x00\x00\x00\x00\x8c\x1ccereggii_atomicdict._c"
        b"opying\x94\x8c\x08_restore\x94\x93\x94\x8c\x13cereggii_atomicdict\x94"
        b"\x8c\nAtomicDict\x94\x93\x94h\x05)\x87\x94R\x94\x8c\x02me\x94h\x07s.",
    ),
    "AtomicDictHandle": (
        b"ccereggii_atomicdict._copying\n_restore\np0\n(ccereggii_atomicdict\nAto"
        b"micDictHandle\np1\ng1\n(g0\n(ccereggii_atomicdict\nAtomicDict\np2\ng2\n"
        b"(ttp3\nRp4\nVa\np5\nI1\nsVb\np6\n(lp7\nI2\nastp8\ntp9\nRp10\n.",
        b"\x80\x05\x95\x9f\x00\x00\x00\x00\x00\x00\x00\x8c\x1ccereggii_atomicdict"
        b"._copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x13cereggii_atomicdict"
        b"\x94\x8c\x10AtomicDictHandle\x94\x93\x94h\x05h\x02\x8c\x13cereggii_atom"
        b"icdict\x94\x8c\nAtomicDict\x94\x93\x94h\x08)\x87\x94R\x94(\x8c\x01a\x94"
        b"K\x01\x8c\x01b\x94]\x94K\x02au\x85\x94\x87\x94R\x94.",
    ),
    "NOT_FOUND": (
        b"ccereggii_atomicdict\nNOT_FOUND\np0\n.",
        b"\x80\x05\x95%\x00\x00\x00\x00\x00\x00\x00\x8c\x13cereggii_atomicdict"
        b"\x94\x8c\tNOT_FOUND\x94\x93\x94.",
    ),
    "ANY": (
        b"ccereggii_atomicdict\nANY\np0\n.",
        b"\x80\x05\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x13cereggii_atomicdict"
        b"\x94\x8c\x03ANY\x94\x93\x94.",
    ),
    "EXPECTATION_FAILED": (
        b"ccereggii_atomicdict\nEXPECTATION_FAILED\np0\n.",
        b"\x80\x05\x95.\x00\x00\x00\x00\x00\x00\x00\x8c\x13cereggii_atomicdict"
        b"\x94\x8c\x12EXPECTATION_FAILED\x94\x93\x94.",
    ),
    "ExpectationFailed": (
        b"ccereggii_atomicdict\nExpectationFailed\np0\n(Vm\np1\ntp2\nRp3\n.",
        b"\x80\x05\x955\x00\x00\x00\x00\x00\x00\x00\x8c\x13cereggii_atomicdict"
        b"\x94\x8c\x11ExpectationFailed\x94\x93\x94\x8c\x01m\x94\x85\x94R\x94.",
    ),
    "AtomicKeyedCounter": (
        b"ccereggii_atomicdict._copying\n_restore\np0\n(ccereggii_atomicdict\nAto"
        b"micDict\np1\nccereggii.atomic_dict.atomic_keyed_counter\nAtomicKeyedCou"
        b"nter\np2\n(ttp3\nRp4\nVb\np5\nI1\nsVa\np6\nI2\ns.",
        b"\x80\x05\x95\xa8\x00\x00\x00\x00\x00\x00\x00\x8c\x1ccereggii_atomicdict"
        b"._copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x13cereggii_atomicdict"
        b"\x94\x8c\nAtomicDict\x94\x93\x94\x8c)cereggii.atomic_dict.atomic_keyed_"
        b"counter\x94\x8c\x12AtomicKeyedCounter\x94\x93\x94)\x87\x94R\x94(\x8c"
        b"\x01b\x94K\x01\x8c\x01a\x94K\x02u.",
    ),
    # As version 2.0 made them when these types were new.
    "AtomicFloat": (
        b"ccereggii_atomicfloat._copying\n_restore\np0\n(ccereggii_atomicfloat\nA"
        b"tomicFloat\np1\ng1\n(F0.1\ntp2\ntp3\nRp4\n.",
        b"\x80\x05\x95f\x00\x00\x00\x00\x00\x00\x00\x8c\x1dcereggii_atomicfloat._"
        b"copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x14cereggii_atomicfloat\x94"
        b"\x8c\x0bAtomicFloat\x94\x93\x94h\x05G?\xb9\x99\x99\x99\x99\x99\x9a\x85"
        b"\x94\x87\x94R\x94.",
    ),
    "AtomicFloatHandle": (
        b"ccereggii_atomicfloat._copying\n_restore\np0\n(ccereggii_atomicfloat\nA"
        b"tomicFloatHandle\np1\ng1\n(g0\n(ccereggii_atomicfloat\nAtomicFloat\np2"
        b"\ng2\n(F-inf\ntp3\ntp4\nRp5\ntp6\ntp7\nRp8\n.",
        b"\x80\x05\x95\x9d\x00\x00\x00\x00\x00\x00\x00\x8c\x1dcereggii_atomicfloa"
        b"t._copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x14cereggii_atomicfloat"
        b"\x94\x8c\x11AtomicFloatHandle\x94\x93\x94h\x05h\x02\x8c\x14cereggii_ato"
        b"micfloat\x94\x8c\x0bAtomicFloat\x94\x93\x94h\x08G\xff\xf0\x00\x00\x00"
        b"\x00\x00\x00\x85\x94\x87\x94R\x94\x85\x94\x87\x94R\x94.",
    ),
    "AtomicFloatSum": (
        b"ccereggii_atomicfloat._copying\n_restore\np0\n(ccereggii_atomicfloat\nA"
        b"tomicFloatSum\np1\ng1\n(F1.0\ntp2\ntp3\nRp4\n.",
        b"\x80\x05\x95i\x00\x00\x00\x00\x00\x00\x00\x8c\x1dcereggii_atomicfloat._"
        b"copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x14cereggii_atomicfloat\x94"
        b"\x8c\x0eAtomicFloatSum\x94\x93\x94h\x05G?\xf0\x00\x00\x00\x00\x00\x00"
        b"\x85\x94\x87\x94R\x94.",
    ),
    "AtomicFloatSumHandle": (
        b"ccereggii_atomicfloat._copying\n_restore\np0\n(ccereggii_atomicfloat\nA"
        b"tomicFloatSumHandle\np1\ng1\n(g0\n(ccereggii_atomicfloat\nAtomicFloatSu"
        b"m\np2\ng2\n(F1.0\ntp3\ntp4\nRp5\ntp6\ntp7\nRp8\n.",
        b"\x80\x05\x95\xa3\x00\x00\x00\x00\x00\x00\x00\x8c\x1dcereggii_atomicfloa"
        b"t._copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x14cereggii_atomicfloat"
        b"\x94\x8c\x14AtomicFloatSumHandle\x94\x93\x94h\x05h\x02\x8c\x14cereggii_"
        b"atomicfloat\x94\x8c\x0eAtomicFloatSum\x94\x93\x94h\x08G?\xf0\x00\x00"
        b"\x00\x00\x00\x00\x85\x94\x87\x94R\x94\x85\x94\x87\x94R\x94.",
    ),
    "AtomicSet": (
        b"ccereggii_atomicdict._copying\n_restore\np0\n(ccereggii_atomicdict\nAto"
        b"micSet\np1\ng1\n(ttp2\nRp3\n(Vsnapshot\np4\n(c__builtin__\nlist\np5\n(t"
        b"Rp6\nVa\np7\natp8\nNtp9\nb.",
        b"\x80\x05\x95\x85\x00\x00\x00\x00\x00\x00\x00\x8c\x1ccereggii_atomicdict"
        b"._copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x13cereggii_atomicdict"
        b"\x94\x8c\tAtomicSet\x94\x93\x94h\x05)\x87\x94R\x94\x8c\x08snapshot\x94"
        b"\x8c\x08builtins\x94\x8c\x04list\x94\x93\x94)R\x94\x8c\x01a\x94a\x85"
        b"\x94N\x87\x94b.",
    ),
    "AtomicSetHandle": (
        b"ccereggii_atomicdict._copying\n_restore\np0\n(ccereggii_atomicdict\nAto"
        b"micSetHandle\np1\ng1\n(g0\n(ccereggii_atomicdict\nAtomicSet\np2\ng2\n(t"
        b"tp3\nRp4\n(Vsnapshot\np5\n(c__builtin__\nlist\np6\n(tRp7\n(I1\nVb\np8\n"
        b"tp9\natp10\nNtp11\nbtp12\ntp13\nRp14\n.",
        b"\x80\x05\x95\xbd\x00\x00\x00\x00\x00\x00\x00\x8c\x1ccereggii_atomicdict"
        b"._copying\x94\x8c\x08_restore\x94\x93\x94\x8c\x13cereggii_atomicdict"
        b"\x94\x8c\x0fAtomicSetHandle\x94\x93\x94h\x05h\x02\x8c\x13cereggii_atomi"
        b"cdict\x94\x8c\tAtomicSet\x94\x93\x94h\x08)\x87\x94R\x94\x8c\x08snapshot"
        b"\x94\x8c\x08builtins\x94\x8c\x04list\x94\x93\x94)R\x94K\x01\x8c\x01b"
        b"\x94\x86\x94a\x85\x94N\x87\x94b\x85\x94\x87\x94R\x94.",
    ),
}


def _is_its_own_value(dict_or_ref: Any, key: Any = None) -> bool:
    value = dict_or_ref[key] if key else dict_or_ref.get()[0]
    return value is dict_or_ref


# A condition that is true for the object of each pickle.
EXPECTED: dict[str, Callable[[Any], bool]] = {
    "AtomicInt": lambda a: type(a) is cereggii.AtomicInt and a.get() == 5,
    "AtomicIntHandle": lambda h: type(h) is cereggii.AtomicIntHandle and h.get() == -5,
    "AtomicCounter": lambda c: type(c) is cereggii.AtomicCounter and c.sum() == 7,
    "AtomicCounterHandle": lambda h: type(h) is cereggii.AtomicCounterHandle and h.sum() == 7,
    "AtomicEvent": lambda e: type(e) is cereggii.AtomicEvent and e.is_set(),
    "AtomicRef": lambda r: type(r) is cereggii.AtomicRef and r.get() == [1],
    "AtomicRef_cycle": _is_its_own_value,
    "AtomicRefHandle": lambda h: type(h) is cereggii.AtomicRefHandle and h.get() == "x",
    "AtomicStampedRef": lambda r: type(r) is cereggii.AtomicStampedRef and r.get() == ("v", 3),
    "AtomicBool": lambda b: type(b) is cereggii.AtomicBool and b.get() is True,
    "AtomicBoolHandle": lambda h: type(h) is cereggii.AtomicBoolHandle and h.get() is True,
    "ThreadHandle": lambda h: isinstance(h, cereggii.ThreadHandle) and h == [1, 2],
    "AtomicDict": lambda d: type(d) is cereggii.AtomicDict and d == {"a": 1, "b": [2]},
    "AtomicDict_cycle": lambda d: _is_its_own_value(d, "me"),
    "AtomicDictHandle": lambda h: type(h) is cereggii.AtomicDictHandle and h["b"] == [2],
    "NOT_FOUND": lambda s: s is cereggii.NOT_FOUND,
    "ANY": lambda s: s is cereggii.ANY,
    "EXPECTATION_FAILED": lambda s: s is cereggii.EXPECTATION_FAILED,
    "ExpectationFailed": lambda e: type(e) is cereggii.ExpectationFailed and e.args == ("m",),
    "AtomicKeyedCounter": lambda c: c == cereggii.AtomicKeyedCounter("aab"),
    "AtomicFloat": lambda a: type(a) is cereggii.AtomicFloat and a.get() == 0.1,
    "AtomicFloatHandle": lambda h: type(h) is cereggii.AtomicFloatHandle and h.get() == -math.inf,
    "AtomicFloatSum": lambda s: type(s) is cereggii.AtomicFloatSum and s.sum() == 1.0,
    "AtomicFloatSumHandle": lambda h: type(h) is cereggii.AtomicFloatSumHandle and h.sum() == 1.0,
    "AtomicSet": lambda s: type(s) is cereggii.AtomicSet and s == {"a"},
    "AtomicSetHandle": lambda h: type(h) is cereggii.AtomicSetHandle and h == {(1, "b")},
}


@pytest.mark.parametrize("name", PICKLES)
def test_an_earlier_pickle_can_be_loaded(name: str) -> None:
    for pickled in PICKLES[name]:
        assert EXPECTED[name](pickle.loads(pickled))


def test_new_pickles_name_no_private_type() -> None:
    for name, pickles in PICKLES.items():
        again = pickle.dumps(pickle.loads(pickles[0]), protocol=0)
        assert b"._atomic" not in again, name
