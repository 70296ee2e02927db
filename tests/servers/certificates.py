"""An authority of our own, and certificates by it, made by openssl for one test."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers.processes import NotFound

_AUTHORITY = """
[ca]
default_ca = it
[it]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = names
unique_subject = no
[names]
commonName = supplied
"""


@dataclass(frozen=True)
class Authority:
    """Who issues certificates; `file` is what clients trust."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "ca.crt"

    @classmethod
    def made(cls, folder: Path, days: int = 2) -> Authority:
        """A new one.

        Raises:
            NotFound: openssl is missing.
        """
        if shutil.which("openssl") is None:
            raise NotFound("openssl, for certificates: apt-get install openssl")
        folder.mkdir(parents=True)
        for name, text in {"index": "", "serial": "01", "ca.cnf": _AUTHORITY}.items():
            (folder / name).write_text(text)
        made = cls(folder)
        made._openssl(f"req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=authority -days {days}")
        return made

    def issue(self, name: str, host: str, *, expired: bool = False, authority: bool = False) -> Path:
        """Key (PKCS #8) and certificate of a server that is called by this host name, in one PEM file.

        Args:
            authority: it may issue certificates itself.
        """
        may = "\nbasicConstraints=critical,CA:TRUE" if authority else ""
        (self.folder / f"{name}.names").write_text(f"subjectAltName=DNS:{host}{may}")
        self._openssl(f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={host}")
        since, until = ("2020", "2021") if expired else ("2020", "2099")
        self._openssl(
            f"ca -batch -config ca.cnf -cert ca.crt -keyfile ca.key -in {name}.csr -out {name}.crt -notext"
            f" -extfile {name}.names -startdate {since}0101000000Z -enddate {until}0101000000Z"
        )
        both = self.folder / f"{name}.pem"
        both.write_text((self.folder / f"{name}.key").read_text() + (self.folder / f"{name}.crt").read_text())
        return both

    def _openssl(self, line: str) -> None:
        subprocess.run(["openssl", *line.split()], cwd=self.folder, check=True, capture_output=True)
