"""`python -m services.classifier.warm`: compile what is compiled, once, where an image or an environment is made."""

from services.classifier.app import understanding
from services.classifier.domain.understand import Asked
from services.classifier.gateways.model_file import SHIPPED, load


def warm() -> None:
    """Read one text, so that all compiled functions are kept on disk."""
    understanding(load(SHIPPED)).labels([Asked("Bonjour, is anybody there?")])


if __name__ == "__main__":
    warm()
