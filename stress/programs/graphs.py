"""PageRank, betweenness, communities and shortest paths on a random graph, in plain Python with dicts, sets and heaps."""

import heapq
import random
from collections import Counter, OrderedDict, defaultdict, deque


class Graph:
    __slots__ = ("edges", "weights")

    def __init__(self):
        self.edges = defaultdict(set)
        self.weights = {}

    def add(self, a, b, weight):
        self.edges[a].add(b)
        self.edges[b].add(a)
        self.weights[min(a, b), max(a, b)] = weight

    def __iter__(self):
        return iter(sorted(self.edges))

    def __len__(self):
        return len(self.edges)

    def weight(self, a, b):
        return self.weights[min(a, b), max(a, b)]


def preferential(n, m, seed):
    rng = random.Random(seed)
    graph, ends = Graph(), list(range(m))
    for node in range(m, n):
        for other in set(rng.choices(ends, k=m)):
            graph.add(node, other, rng.uniform(0.5, 2.0))
            ends += [other, node]
    return graph


def pagerank(graph, damping=0.85, tolerance=1e-12):
    rank = dict.fromkeys(graph, 1 / len(graph))
    while True:
        shares = {node: rank[node] / len(graph.edges[node]) for node in graph}
        new = {
            node: (1 - damping) / len(graph) + damping * sum(shares[o] for o in sorted(graph.edges[node]))
            for node in graph
        }
        change = sum(abs(new[node] - rank[node]) for node in graph)
        rank = new
        yield change, rank
        if change < tolerance:
            return


def dijkstra(graph, source):
    distance, queue = {source: 0.0}, [(0.0, source)]
    while queue:
        so_far, node = heapq.heappop(queue)
        if so_far > distance[node]:
            continue
        for other in sorted(graph.edges[node]):
            length = so_far + graph.weight(node, other)
            if length < distance.get(other, float("inf")):
                distance[other] = length
                heapq.heappush(queue, (length, other))
    return distance


def betweenness(graph, sources):
    score = Counter()
    for s in sources:
        stack, before, paths = [], defaultdict(list), Counter({s: 1})
        depth, queue = {s: 0}, deque([s])
        while queue:
            v = queue.popleft()
            stack.append(v)
            for w in sorted(graph.edges[v]):
                if w not in depth:
                    depth[w] = depth[v] + 1
                    queue.append(w)
                if depth[w] == depth[v] + 1:
                    paths[w] += paths[v]
                    before[w].append(v)
        share = defaultdict(float)
        while stack:
            w = stack.pop()
            for v in before[w]:
                share[v] += paths[v] / paths[w] * (1 + share[w])
            if w != s:
                score[w] += share[w]
    return score


def communities(graph, rounds, rng):
    label = OrderedDict((node, node) for node in graph)
    for _ in range(rounds):
        for node in rng.sample(list(graph), len(graph)):
            counts = Counter(label[other] for other in graph.edges[node])
            most = max(counts.values())
            label[node] = min(k for k, v in counts.items() if v == most)
    return Counter(label.values())


graph = preferential(1200, 4, seed=8)
for n, (change, rank) in enumerate(pagerank(graph)):
    if n % 10 == 0:
        print("pagerank", n, repr(change), flush=True)
print([(node, repr(rank[node])) for node in sorted(rank, key=rank.get, reverse=True)[:5]])
total = 0.0
for number, source in enumerate(list(graph)[:120]):
    reached = dijkstra(graph, source)
    total += max(reached.values())
    if number % 40 == 0:
        print("dijkstra", number, repr(total), flush=True)
print([(node, repr(value)) for node, value in betweenness(graph, range(0, 1200, 8)).most_common(4)])
print(communities(graph, 6, random.Random(2)).most_common(5))
