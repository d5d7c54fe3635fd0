"""A small network in plain Python: an ordinary training script that has never heard of checkpoints."""

import hashlib
import math
import random
import struct

EPOCHS = 24

random.seed(7)
inputs = [[random.gauss(0, 1) for _ in range(8)] for _ in range(500)]
targets = [math.sin(sum(row)) for row in inputs]


class Neuron:
    def __init__(self, size):
        self.weights = [random.gauss(0, size**-0.5) for _ in range(size)]

    def __call__(self, values):
        return sum(weight * value for weight, value in zip(self.weights, values))

    def step(self, values, gradient, rate):
        self.weights = [weight - rate * gradient * value for weight, value in zip(self.weights, values)]


hidden = [Neuron(8) for _ in range(24)]
output = Neuron(24)


def examples():
    order = list(range(len(inputs)))
    random.shuffle(order)
    for index in order:
        yield inputs[index], targets[index]


for epoch in range(EPOCHS):
    total = 0.0
    for values, target in examples():
        layer = [math.tanh(neuron(values)) for neuron in hidden]
        error = output(layer) - target
        total += error * error
        for neuron, activity, weight in zip(hidden, layer, output.weights):
            neuron.step(values, error * weight * (1 - activity * activity), 0.02)
        output.step(layer, error, 0.02)
    print(f"epoch {epoch:2d}  loss {total / len(inputs)!r}", flush=True)

weights = b"".join(struct.pack(f"{len(neuron.weights)}d", *neuron.weights) for neuron in [*hidden, output])
with open("weights.bin", "wb") as file:
    file.write(weights)
print("weights", hashlib.sha256(weights).hexdigest())
