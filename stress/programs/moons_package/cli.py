import argparse
import dataclasses

from . import __version__
from .data import batches, moons
from .model import Config, Network


def main(argv=None):
    parser = argparse.ArgumentParser(prog="moons_package")
    for field in dataclasses.fields(Config):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    config = Config(**vars(parser.parse_args(argv)))
    print("version", __version__, config)
    X, y = moons(config.samples, config.seed)
    network = Network(config)
    for epoch, step in network.fit(batches(X, y, config.batch, config.seed), config.epochs):
        if step == 0:
            print(epoch, repr(network.loss(X, y)), repr(network.accuracy(X, y)))
    print("done", network)
    return 0
