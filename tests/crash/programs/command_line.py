"""An argparse program: subcommands, options, exit status from main(), commit points on the way."""

import argparse
import sys

from points import point


def train(options):
    weight = options.start
    for epoch in range(options.epochs):
        gradient = (weight - 3) * options.rate
        weight -= gradient
        point()
        print(f"epoch {epoch} weight {weight!r}")
    return 3 if options.strict else 0


def evaluate(options):
    print("evaluate", options.files)
    return 0


def main(argv=None):
    parser = argparse.ArgumentParser(prog="command_line", description=__doc__)
    parser.add_argument("--rate", type=float, default=0.5, choices=[0.25, 0.5])
    parser.add_argument("-v", "--verbose", action="count", default=0)
    commands = parser.add_subparsers(dest="command", required=True)
    trainer = commands.add_parser("train")
    trainer.add_argument("--epochs", type=int, default=2)
    trainer.add_argument("--start", type=float, default=0.0)
    trainer.add_argument("--strict", action="store_true")
    trainer.set_defaults(run=train)
    evaluator = commands.add_parser("evaluate")
    evaluator.add_argument("files", nargs="*")
    evaluator.set_defaults(run=evaluate)
    options = parser.parse_args(argv)
    print(sorted((k, v) for k, v in vars(options).items() if k != "run"), sys.argv[1:])
    status = options.run(options)
    point()
    print(parser.format_usage().strip(), options.run.__name__)
    return status


if __name__ == "__main__":
    sys.exit(main())
