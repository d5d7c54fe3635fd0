"""Tabular Q-learning and a random rollout in gymnasium's toy-text environments."""

import gymnasium as gym
import numpy as np

env = gym.make("Taxi-v4")
rng = np.random.default_rng(1)
q = np.zeros((env.observation_space.n, env.action_space.n))
state, info = env.reset(seed=42)
env.action_space.seed(42)
rewards = []
for episode in range(1200):
    state, info = env.reset()
    done = truncated = False
    total = 0
    while not (done or truncated):
        if rng.random() < max(0.05, 1 - episode / 400):
            action = env.action_space.sample(info["action_mask"])
        else:
            action = int(np.argmax(q[state]))
        new, reward, done, truncated, info = env.step(action)
        q[state, action] += 0.3 * (reward + 0.98 * q[new].max() * (not done) - q[state, action])
        state = new
        total += reward
    rewards.append(total)
    if episode % 100 == 99:
        print(episode + 1, np.mean(rewards[-100:]), repr(q.sum()))
env.close()
