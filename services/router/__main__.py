"""`python -m services.router`: reads the environment, starts the process."""

from libs.common.connect import alone
from libs.common.process import run_service
from services.router.app import build
from services.router.settings import RouterSettings

if __name__ == "__main__":
    run_service("router", RouterSettings, alone(build))
