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


class Orthanc:
    """One Orthanc under an AE title. settings: of its own, beside what lets us ask it over REST. timeout_secs: of that."""

    def __init__(
        self, program: str, folder: Path, title: str, settings: dict[str, Any], timeout_secs: float = 10
    ) -> None:
        self.port, self.http_port = free_port(), free_port()
        self._program = program
        own = {
            "Name": title,
            "StorageDirectory": str(folder / title),
            "IndexDirectory": str(folder / title),
            "DicomAet": title,
            "DicomPort": self.port,
            "HttpPort": self.http_port,
            "AuthenticationEnabled": False,
            "RemoteAccessAllowed": False,
        }
        self._file = folder / f"{title}.json"
        self._file.write_text(json.dumps(own | settings), "utf-8")
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.http_port}", trust_env=False, timeout=timeout_secs)
        self.start()

    def start(self) -> None:
        with self._file.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen([self._program, str(self._file)], stdout=log, stderr=log)
        wait_for(self._is_up, "Orthanc")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(20)

    def stop(self) -> None:
        self.http.close()
        self._process.terminate()
        self._process.wait(20)

    def _is_up(self) -> bool:
        try:
            return self.http.get("/system").status_code == 200
        except httpx2.HTTPError:
            return False


class OrthancArchive(Orthanc):
    """Orthanc as an archive, which takes whatever it is sent."""

    def __init__(self, program: str, folder: Path, title: str = "PACS", **more: Any) -> None:
        takes = {"DicomCheckCalledAet": True, "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True}
        super().__init__(program, folder, title, takes | more)

    def count(self) -> int:
        """Return how many instances it has."""
        return int(self.http.get("/statistics").json()["CountInstances"])

    def instances(self, study: str) -> list[Dataset]:
        """Return what it holds of a study, as files."""
        found = self.http.post("/tools/lookup", content=study).json()
        ids = [one["ID"] for one in found if one["Type"] == "Study"]
        rows: list[dict[str, Any]] = self.http.get(f"/studies/{ids[0]}/instances").json() if ids else []
        return [pydicom.dcmread(BytesIO(self.http.get(f"/instances/{row['ID']}/file").content)) for row in rows]


def pixel_digests(datasets: list[Dataset]) -> dict[str, str]:
    """Return a digest of each object's pixels by SOP Instance UID."""
    return {str(one.SOPInstanceUID): hashlib.sha256(one.PixelData).hexdigest() for one in datasets}
