"""Files of medicine, as their libraries write them."""
import struct
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom

CT = "1.2.840.10008.5.1.4.1.1.2"


def write_dicom(path: Path, values: np.ndarray, **elements: Any) -> Path:
    """An uncompressed DICOM file. values: (H, W), (H, W, 3) or, with NumberOfFrames, (N, H, W); elements: by keyword,
    such as RescaleIntercept=-1024."""
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CT
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
    colour = values.ndim == 3 and "NumberOfFrames" not in elements
    data.SamplesPerPixel, data.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        data.PlanarConfiguration = 0
    data.Rows, data.Columns = values.shape[:2] if colour else values.shape[-2:]
    bits = values.dtype.itemsize * 8
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in elements.items():
        setattr(data, name, value)
    data.PixelData = values.tobytes()
    data["PixelData"].VR = "OW" if bits > 8 else "OB"
    data.save_as(path, enforce_file_format=True)
    return path


def write_nifti(path: Path, volume: np.ndarray, slope: float = 1, intercept: float = 0) -> Path:
    """A volume (X, Y), (X, Y, Z) or (X, Y, Z, T) of voxels of 2 x 1 x 4 mm; what is read is values * slope + intercept.
    """
    image = nibabel.Nifti1Image(volume, np.diag([2.0, 1, 4, 1]), dtype=volume.dtype)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    if (slope, intercept) != (1, 0):  # nibabel would choose its own
        content = bytearray(path.read_bytes())
        content[112:120] = struct.pack("<2f", slope, intercept)
        path.write_bytes(content)
    return path
