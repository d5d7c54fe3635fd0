"""A command line made with click: groups, a context that commands share, callbacks, an exit status of its own."""

import click
from points import point


class Trainer:
    def __init__(self, rate):
        self.rate, self.steps = rate, 0


@click.group(chain=True)
@click.option("--rate", default=0.5)
@click.pass_context
def main(context, rate):
    context.obj = Trainer(rate)
    context.call_on_close(lambda: click.echo(f"closed after {context.obj.steps}"))


@main.command()
@click.argument("epochs", type=int)
@click.pass_obj
def train(trainer, epochs):
    for epoch in range(epochs):
        point()
        trainer.steps += 1
        click.echo(f"epoch {epoch} {click.get_current_context().info_name} {click.get_current_context().obj is trainer}")


@main.command()
@click.pass_context
def report(context):
    with click.Context(report, parent=context) as inner:
        point()
        click.echo(f"{click.get_current_context() is inner} {inner.command_path} {inner.find_root().params}")
    click.echo(f"{click.get_current_context() is context}")
    context.exit(3)


main(["--rate", "0.25", "train", "3", "report"])
