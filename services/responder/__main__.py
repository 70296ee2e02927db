"""`python -m services.responder`: reads the environment, starts the process."""

from libs.common.connect import alone
from libs.common.process import run_service
from services.responder.app import build
from services.responder.settings import ResponderSettings

if __name__ == "__main__":
    run_service("responder", ResponderSettings, alone(build))
