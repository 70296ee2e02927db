"""`python -m services.ingest`: reads the environment, starts the process."""

from libs.common.connect import alone
from libs.common.process import run_service
from services.ingest.app import build
from services.ingest.settings import IngestSettings

if __name__ == "__main__":
    run_service("ingest", IngestSettings, alone(build))
