"""Runs the classifier alone, with a connection of its own to the log."""

from dataclasses import replace

from libs.common.connect import open_bus
from libs.common.process import Service, run_service
from services.classifier.app import build
from services.classifier.settings import ClassifierSettings


async def alone(settings: ClassifierSettings) -> Service:
    """The service, which closes its log when it ends."""
    bus = open_bus(settings)
    return replace(build(settings, bus), close=bus.close)


if __name__ == "__main__":
    run_service("classifier", ClassifierSettings, alone)
