"""Tabular Q-learning, SARSA and value iteration in a windy grid world with a home-made environment interface."""

import json
import random
from abc import ABC, abstractmethod
from collections import defaultdict
from pathlib import Path

MOVES = {"up": (0, 1), "down": (0, -1), "left": (-1, 0), "right": (1, 0)}
WIND = [0, 0, 0, 1, 1, 1, 2, 2, 1, 0]


class Env(ABC):
    @abstractmethod
    def reset(self, *, seed=None): ...

    @abstractmethod
    def step(self, action): ...


class Windy(Env):
    width, height, goal = 10, 7, (7, 3)

    def reset(self, *, seed=None):
        if seed is not None:
            self.random = random.Random(seed)
        self.place, self.steps = (0, 3), 0
        return self.place, {}

    def step(self, action):
        dx, dy = MOVES[action]
        gust = WIND[self.place[0]] + (self.random.choice((-1, 0, 1)) if WIND[self.place[0]] else 0)
        x = min(max(self.place[0] + dx, 0), self.width - 1)
        y = min(max(self.place[1] + dy + gust, 0), self.height - 1)
        self.place, self.steps = (x, y), self.steps + 1
        return self.place, -1.0, self.place == self.goal, self.steps >= 400, {}


class Agent:
    def __init__(self, seed, alpha=0.3, epsilon=0.1):
        self.q = defaultdict(lambda: dict.fromkeys(MOVES, 0.0))
        self.random, self.alpha, self.epsilon = random.Random(seed), alpha, epsilon

    def act(self, state):
        if self.random.random() < self.epsilon:
            return self.random.choice(list(MOVES))
        return max(self.q[state], key=self.q[state].get)

    def learn(self, state, action, reward, following, done):
        raise NotImplementedError


class QLearning(Agent):
    def learn(self, state, action, reward, following, done):
        best = 0.0 if done else max(self.q[following].values())
        self.q[state][action] += self.alpha * (reward + best - self.q[state][action])


class Sarsa(Agent):
    def learn(self, state, action, reward, following, done):
        chosen = self.act(following)
        after = 0.0 if done else self.q[following][chosen]
        self.q[state][action] += self.alpha * (reward + after - self.q[state][action])


def episodes(env, agent, count):
    env.reset(seed=5)
    for number in range(count):
        (state, _), total = env.reset(), 0.0
        while True:
            action = agent.act(state)
            following, reward, done, cut, _ = env.step(action)
            agent.learn(state, action, reward, following, done)
            state, total = following, total + reward
            if done or cut:
                break
        agent.epsilon *= 0.9997
        yield number, total


for kind in (QLearning, Sarsa):
    agent, returns = kind(seed=1), []
    for number, total in episodes(Windy(), agent, 9000):
        returns.append(total)
        if number % 1500 == 0:
            print(kind.__name__, number, sum(returns[-100:]) / len(returns[-100:]), repr(agent.epsilon), flush=True)
            Path(f"{kind.__name__}.json").write_text(
                json.dumps({str(k): v for k, v in sorted(agent.q.items())}, indent=1)
            )
    print(kind.__name__, repr(sum(max(v.values()) for _, v in sorted(agent.q.items()))))
