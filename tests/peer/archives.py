"""Orthanc as a clinic's archive: over DICOM and over DICOMweb, killed and started again over the same folder."""

from __future__ import annotations

import hashlib
import json
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pydicom
from pydicom.dataset import Dataset

from tests.product.running import free_port, wait_for

DICOMWEB = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"


class OrthancArchive:
    """One Orthanc. delay_secs: how long it takes for each object it is sent over DICOM."""

    def __init__(self, program: str, folder: Path, title: str = "PACS", *, dicomweb: bool = False) -> None:
        self.port, self.http_port = free_port(), free_port()
        self._program, self._folder = program, folder
        settings: dict[str, Any] = {
            "Name": title,
            "StorageDirectory": str(folder / title),
            "IndexDirectory": str(folder / title),
            "DicomAet": title,
            "DicomPort": self.port,
            "HttpPort": self.http_port,
            "AuthenticationEnabled": False,
            "RemoteAccessAllowed": False,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomModalities": {"bridge": ["BRIDGE", "127.0.0.1", 1]},
            "OverwriteInstances": True,
        }
        if dicomweb:
            settings |= {"Plugins": [DICOMWEB], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
        self._file = folder / f"{title}.json"
        self._file.write_text(json.dumps(settings), "utf-8")
        self._http = httpx2.Client(base_url=f"http://127.0.0.1:{self.http_port}", trust_env=False, timeout=10)
        self.start()

    def start(self) -> None:
        with self._file.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen([self._program, str(self._file)], stdout=log, stderr=log)
        wait_for(self._is_up, "Orthanc")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(20)

    def stop(self) -> None:
        self._http.close()
        self._process.terminate()
        self._process.wait(20)

    def count(self) -> int:
        """Return how many instances it has."""
        return int(self._http.get("/statistics").json()["CountInstances"])

    def instances(self, study: str) -> list[Dataset]:
        """Return what it holds of a study, as files."""
        found = self._http.post("/tools/lookup", content=study).json()
        ids = [one["ID"] for one in found if one["Type"] == "Study"]
        rows: list[dict[str, Any]] = self._http.get(f"/studies/{ids[0]}/instances").json() if ids else []
        return [pydicom.dcmread(BytesIO(self._http.get(f"/instances/{row['ID']}/file").content)) for row in rows]

    def _is_up(self) -> bool:
        try:
            return self._http.get("/system").status_code == 200
        except httpx2.HTTPError:
            return False


def pixel_digests(datasets: list[Dataset]) -> dict[str, str]:
    """Return a digest of each object's pixels by SOP Instance UID."""
    return {str(one.SOPInstanceUID): hashlib.sha256(one.PixelData).hexdigest() for one in datasets}
