"""Writes pydicom.json: structures, doses and plans of the shared data as pydicom reads them.

Usage: python make_pydicom_json.py <shared>/data   (pydicom 3.0.2, numpy; RLE needs no plug-in)
"""

import json
import os
import sys

import numpy as np
import pydicom

ROOT = sys.argv[1]


def structures(d):
    items = {int(i.ReferencedROINumber): i for i in d.get("ROIContourSequence", [])}
    out = []
    for r in d.StructureSetROISequence:
        item = items.get(int(r.ROINumber))
        contours = [c for c in (item.get("ContourSequence") or []) if c.get("ContourData")] if item is not None else []
        points = [np.asarray(c.ContourData, dtype=float).reshape(-1, 3) for c in contours]
        planes = {round(float(p[0, 2]), 3) for p in points}
        total = float(sum(p.sum() for p in points))
        name = str(r.ROIName).strip()
        out.append([int(r.ROINumber), name, len(points), sum(len(p) for p in points), round(total, 3), len(planes)])
    return out


def dose(d):
    a = d.pixel_array.astype(float) * float(d.DoseGridScaling)
    a = a[None] if a.ndim == 2 else a
    k, j, i = np.unravel_index(a.argmax(), a.shape)
    origin = np.array([float(v) for v in d.ImagePositionPatient])
    row, col = np.array([float(v) for v in d.ImageOrientationPatient]).reshape(2, 3)
    spacing = [float(v) for v in d.PixelSpacing]
    offsets = d.get("GridFrameOffsetVector", [0.0])
    offsets = [float(offsets)] if isinstance(offsets, (float, int)) else [float(v) for v in offsets]
    at = origin + row * spacing[1] * i + col * spacing[0] * j + np.cross(row, col) * offsets[k]
    return dict(shape=list(a.shape), max=float(a.max()), mean=float(a.mean()), at=[round(float(v), 6) for v in at])


def plan(d):
    beams = list(d.get("BeamSequence", [])) + list(d.get("IonBeamSequence", []))
    groups = []
    for g in d.get("FractionGroupSequence", []):
        total = sum(float(b.get("BeamDose", 0) or 0) for b in g.get("ReferencedBeamSequence", []))
        groups.append([int(g.NumberOfFractionsPlanned or 0), int(g.NumberOfBeams or 0), round(total, 4)])
    references = d.get("DoseReferenceSequence", [])
    return dict(
        label=str(d.get("RTPlanLabel", "")),
        groups=groups,
        beams=len(beams),
        rx=[float(r.get("TargetPrescriptionDose", 0) or 0) for r in references],
        drt=[str(r.get("DoseReferenceType", "")) for r in references],
    )


READERS = {"481.3": ("structures", structures), "481.2": ("doses", dose), "481.5": ("plans", plan), "481.8": ("plans", plan)}
result = {"structures": {}, "doses": {}, "plans": {}}
for folder, _, names in os.walk(ROOT):
    for name in sorted(names):
        path = os.path.join(folder, name)
        relative = os.path.relpath(path, ROOT)
        if relative.startswith("broken_files"):
            continue
        try:
            d = pydicom.dcmread(path)
        except Exception:  # not DICOM by pydicom's rules
            continue
        reader = READERS.get(str(d.get("SOPClassUID", "")).removeprefix("1.2.840.10008.5.1.4.1.1."))
        if reader:
            result[reader[0]][relative] = reader[1](d)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pydicom.json"), "w") as f:
    json.dump(result, f, indent=1, sort_keys=True)
