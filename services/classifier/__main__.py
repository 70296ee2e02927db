"""`python -m services.classifier`: reads the environment, starts the process."""

from libs.common.connect import alone
from libs.common.process import run_service
from services.classifier.app import build
from services.classifier.settings import ClassifierSettings

if __name__ == "__main__":
    run_service("classifier", ClassifierSettings, alone(build))
