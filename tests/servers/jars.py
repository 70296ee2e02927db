"""Kafka's jars, fetched once by Maven, and the Java that runs them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.servers.processes import ROOT, NotFound, locked

POM = ROOT / "tests" / "kafka" / "pom.xml"
LOGGING = POM.with_name("log4j2.xml")
CACHE = ROOT / ".cache" / "kafka"

_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"  # offline, the short name says less
_NEEDS = "a JDK 17+ and Maven, for Apache Kafka: apt-get install default-jdk-headless maven"


@dataclass(frozen=True)
class Java:
    """A Java that can run Kafka's jars."""

    program: Path
    version: str  # "17.0.15"
    folder: Path  # the jars, and what we keep beside them

    @property
    def class_path(self) -> str:
        """Every jar by name, in one order."""
        return os.pathsep.join(sorted(str(jar) for jar in self.folder.glob("*.jar")))


def kafka() -> Java:
    """Find Java, and Kafka's jars in the cache or through Maven.

    Raises:
        NotFound: no Java 17 or newer, no Maven, or Maven could not fetch the jars.
    """
    program, version = _java()
    return Java(program, version, _jars())


def _java() -> tuple[Path, str]:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if found is None:
        raise NotFound(_NEEDS + (f" (JAVA_HOME is {home}, which has no bin/java)" if home else ""))
    said = subprocess.run([found, "-version"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    match = re.search(r'version "((\d+)[^"]*)"', said.stderr)
    if match is None:
        raise NotFound(f"{_NEEDS} ({found} does not tell its version)")
    if int(match[2]) < 17:  # "1.8.0" gives 1
        raise NotFound(f"{_NEEDS} ({found} is version {match[1]})")
    return Path(found), match[1]


def _jars() -> Path:
    """The folder with the jars that the pom names; a folder of that name is always complete."""
    folder = CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise NotFound(_NEEDS + " (mvn is missing)")
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / "lock"):
        if folder.is_dir():  # another process was quicker
            return folder
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="fetching-") as partial:
            jars = Path(partial) / "jars"
            said = subprocess.run(
                [maven, "-B", "-q", "-f", POM, _GOAL, f"-DoutputDirectory={jars}"],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
            if said.returncode != 0:
                raise NotFound(f"Apache Kafka's jars, which mvn could not fetch: {_reason(said.stdout + said.stderr)}")
            jars.rename(folder)
    return folder


def _reason(output: str) -> str:
    """The line in which Maven says what is wrong."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[\d;]*m", "", output).splitlines()]
    errors = [line.removeprefix("[ERROR]").strip() for line in lines if line.startswith("[ERROR]")]
    return next(filter(None, errors + lines), "it said nothing")
