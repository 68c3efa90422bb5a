"""What a run of any size costs, on paper: bytes, operations, files, memory, model calls, money. Prints docs/scale.md's
tables.

    python -m benchmarks.scale_model           (in jobs/)

Every constant is measured or an assumption, and says which. CPU times were taken on a busy two-core machine unless said
otherwise: they are upper bounds. A «tool» is one API operation, as the paper counts APIs.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from benchmarks.measure import markdown
from rayscaler.runtime.shards import MOST_SHARDS
from rayscaler.tables import DIMENSION

# --- measured: one run of configs/cloud30k.yaml (33,299 tools, 1,713 environments, 19,462 trajectories) ---
LINKS_PER_TOOL = 133_070 / 33_299
EDGES_PER_TOOL = 484_633 / 33_299
KEPT = 10_285 / 19_462
"""Share of trajectories that become examples (agent with planted mistakes; held-out tasks, duplicates left out)."""
BYTES = {
    "tools": 514, "phrases": 2_277, "embeddings": 1_896, "candidates": 6.0, "edges": 10.2, "links": 13.9,
    "environments": 21_277, "tasks": 1_697, "trajectories": 1_906, "model_calls": 60, "verdicts": 295,
    "signatures": 704, "examples": 4_323,
}  # fmt: skip
"""Parquet bytes per row; `model_calls` is estimated from its columns, its footers are all that run had."""
CPU_S = {
    "ingest": 0.0050,        # per tool: 172 s x 2 workers, 68,699 tools of the mixed pool
    "embed": 1 / 602,        # per phrase: bench.py embed, one thread
    "partition": 0.00039,    # per tool: bench.py scale, 38.8 s, 99,897 tools
    "link": 0.0019,          # per tool: 31 s x 2 workers
    "materialize": 0.0133,   # per tool: bench.py compiler, 233 ms for a domain of 17.5 tools
    "compose": 0.050,        # per task: docs/tasks.md
    "rollout": 0.0025,       # per model call: docs/conversations.md
    "filter": 0.000197,      # per trajectory: bench.py filters, median shard of 5,072 a second
    "curate": 0.0275,        # per trajectory: 267.7 s x 2 workers, with the comparison with benchmarks
}  # fmt: skip
PHRASES_PER_TOOL = 56_653 / 68_699      # the mixed pool, the more various one
GFLOPS_PER_CORE = 72.5                  # bench.py graph: connect, two idle cores, 145 GFLOP/s
PARTITION_BYTES = 550                   # per tool: bench.py scale, (264 - 229) MiB from 33,299 to 99,897 tools
LOOKUP_BYTES = 12                       # per row of a side input and worker: runtime/lookup.py
SURVEY_BYTES = 24 * 2**20               # in the driver, whatever the table: runtime/repeats.py
BANDS_BYTES = 208                       # per kept trajectory: 128 of band hashes, 80 of its key
EMBED_BYTES = 20                        # per phrase and worker: mark, row, weight; vectors are in a mapped file
PHRASE_BYTES = 350                      # per phrase, in the driver: its text, its weight, its place in a shard
ALIKE_BYTES, ALIKE_TOOLS = 42, 32_768   # per tool, and tools of which all is held: the search for repeated ones
SIGNED_BYTES = 700                      # of each of these
REPEATED_BYTES = 45                     # per tool, in the driver: ids that may occur twice
SHARD_BYTES = 1_000                     # per shard in the object store: its pickled description and tally
AGENT_REPLIES, USER_REPLIES = 6.71, 2.86     # 278 conversations of configs/starter.yaml
EXAMPLE_TOKENS = 4_589                  # the same, tools included, by the run's own BPE

# --- assumed ---
NEAREST, BLOCK = 15, 65_536             # connect.k, and the block for a million tools (docs/graph-speed.md)
TRIALS = 4                              # conversations per task
AGENT_PROMPT, USER_PROMPT = 3_500, 1_000     # tokens of a prompt, half-way through a conversation
REPLY_TOKENS = 250                      # a reply with its reasoning; without any it is 44
DECODE_PER_S = 10_000                   # tokens/s that one GPU generates, hundreds of conversations at once
ACTIVE, DENSE = 3.3e9, 8e9              # weights that a token meets: of a model that plays, of the one that is trained
GPU_FLOPS = 4e14                        # 40% of a GPU of 990 TFLOP/s in bf16
EPOCHS = 2
CPU_NODE_USD_H, GPU_USD_H = 0.70, 2.50  # 16 cores; one GPU. Assumed, rounded, no quotation
PUT_USD, GET_USD, GB_MONTH_USD = 5e-6, 4e-7, 0.023   # S3 Standard's list prices, us-east-1, 2025


class Scale(NamedTuple):
    """What is wanted, and on how many nodes of how many cores."""

    tools: int = 1_000_000
    environments: int = 100_000
    trajectories: int = 10_000_000
    nodes: int = 64
    cores: int = 16

    @property
    def tasks(self) -> int:
        """Tasks for that many trajectories."""
        return self.trajectories // TRIALS

    @property
    def workers(self) -> int:
        """One per core."""
        return self.nodes * self.cores


class Cost(NamedTuple):
    """One stage: its table's rows, bytes and files (all tables of the stage), CPU seconds, and how many can share them;
    bytes that one worker, and that the driver, must hold because of the size of the input."""

    stage: str
    rows: float
    bytes: float
    files: float
    cpu_s: float
    workers: int
    worker_bytes: float
    driver_bytes: float

    @property
    def hours(self) -> float:
        """Wall time if all workers are always busy."""
        return self.cpu_s / self.workers / 3600


def shards(rows: float, per_shard: int) -> int:
    """Files of one table that a pass over `rows` writes."""
    return min(MOST_SHARDS, ceil(rows / per_shard))


def pair_flops(tools: float) -> float:
    """All pairs once, a multiplication and an addition per dimension."""
    return tools * tools / 2 * 2 * DIMENSION


def candidates(tools: float) -> float:
    """Rows of `candidates` at most: k per tool for each tile that sees it, by either side."""
    return NEAREST * tools * (ceil(tools / BLOCK) + 1) / 2


def stages(at: Scale) -> list[Cost]:
    """Every stage, in order."""
    n, tasks, talks, w = at.tools, at.tasks, at.trajectories, at.workers
    phrases, blocks, kept = n * PHRASES_PER_TOOL, ceil(n / BLOCK), talks * KEPT
    calls = talks * (AGENT_REPLIES + USER_REPLIES)
    tiles = blocks * (blocks + 1) // 2
    size = BYTES
    edges = candidates(n) * size["candidates"] + n * EDGES_PER_TOOL * size["edges"]
    played = talks * size["trajectories"] + calls * size["model_calls"]
    judged = shards(talks, 512)
    return [
        Cost("ingest", n, n * size["tools"], 3 * shards(n, 300), n * CPU_S["ingest"], w,
             n * ALIKE_BYTES + ALIKE_TOOLS * SIGNED_BYTES, n * REPEATED_BYTES + SURVEY_BYTES),
        Cost("embed", n, n * size["embeddings"] + phrases * size["phrases"],
             shards(phrases, 512) + 2 * shards(n, 512), phrases * CPU_S["embed"], w, phrases * EMBED_BYTES,
             phrases * PHRASE_BYTES + SURVEY_BYTES),
        Cost("connect", n * EDGES_PER_TOOL, edges, tiles + blocks, pair_flops(n) / GFLOPS_PER_CORE / 1e9,
             min(w, tiles), 2 * BLOCK * DIMENSION * 4, SURVEY_BYTES),
        Cost("partition", at.environments, at.environments * 289, 3, n * CPU_S["partition"], 1, n * PARTITION_BYTES,
             SURVEY_BYTES),
        Cost("link", n * LINKS_PER_TOOL, n * LINKS_PER_TOOL * size["links"], 2 * shards(at.environments, 8),
             n * CPU_S["link"], w, n * LOOKUP_BYTES, SURVEY_BYTES),
        Cost("materialize", at.environments, at.environments * size["environments"], 2 * shards(at.environments, 2),
             n * CPU_S["materialize"], w, n * LOOKUP_BYTES, SURVEY_BYTES),
        Cost("compose", tasks, tasks * size["tasks"], 2 * shards(at.environments, 1), tasks * CPU_S["compose"], w,
             n * LINKS_PER_TOOL * LOOKUP_BYTES, SURVEY_BYTES),
        Cost("rollout", talks, played, 2 * shards(tasks, 32), calls * CPU_S["rollout"], w,
             at.environments * LOOKUP_BYTES, SURVEY_BYTES),
        Cost("filter", talks, talks * size["verdicts"], 2 * judged + 1, talks * CPU_S["filter"], w,
             tasks * LOOKUP_BYTES, SURVEY_BYTES),
        Cost("curate", kept, kept * (size["examples"] + size["signatures"]), judged + 2 * shards(talks, 128) + 2,
             talks * CPU_S["curate"], w, kept * BANDS_BYTES + (talks + tasks) * LOOKUP_BYTES, SURVEY_BYTES),
    ]  # fmt: skip


class Models(NamedTuple):
    """What the conversations and the training ask of GPUs."""

    calls: float
    prompt_tokens: float
    new_prompt_tokens: float
    """Those that no earlier call of the same conversation had: with prefix caching the others cost next to nothing."""
    reply_tokens: float
    play_gpu_h: float
    train_tokens: float
    train_flops: float
    train_gpu_h: float


def models(at: Scale) -> Models:
    """Calls, tokens, floating-point operations and GPU hours."""
    talks = at.trajectories
    prompts = talks * (AGENT_REPLIES * AGENT_PROMPT + USER_REPLIES * USER_PROMPT)
    new, replies = talks * (EXAMPLE_TOKENS + USER_PROMPT), talks * (AGENT_REPLIES + USER_REPLIES) * REPLY_TOKENS
    play_s = 2 * ACTIVE * new / GPU_FLOPS + replies / DECODE_PER_S
    trained = talks * KEPT * EXAMPLE_TOKENS * EPOCHS
    flops = 6 * DENSE * trained
    return Models(talks * (AGENT_REPLIES + USER_REPLIES), prompts, new, replies, play_s / 3600, trained, flops,
                  flops / GPU_FLOPS / 3600)


def money(at: Scale) -> dict[str, float]:
    """US dollars by what they buy. A file is put once and opened by every reader of its table: three stages at most,
    and every worker once where it is a side input."""
    found, gpu = stages(at), models(at)
    files = sum(cost.files for cost in found)
    alone_h = sum(cost.hours for cost in found if cost.workers < at.workers)
    node_h = sum(cost.cpu_s for cost in found) / 3600 / at.cores + alone_h * at.nodes
    side = [MOST_SHARDS] * 5   # tools, links, environments, tasks, verdicts: their key columns, by every worker
    return {
        "CPU nodes": node_h * CPU_NODE_USD_H,
        "GPUs that play": gpu.play_gpu_h * GPU_USD_H,
        "GPUs that train": gpu.train_gpu_h * GPU_USD_H,
        "files written": (files + at.trajectories) * PUT_USD,   # with the journal: a file per conversation
        "files read": (3 * files + sum(side) * at.workers) * GET_USD,
        "a month of storage": sum(cost.bytes for cost in found) / 1e9 * GB_MONTH_USD,
    }


def object_store() -> float:
    """Bytes of a stage in Ray's object store at most: its shards' descriptions. Rows never pass through it."""
    return MOST_SHARDS * SHARD_BYTES


def stage_table(at: Scale) -> str:
    """The stages as Markdown."""
    head = ["stage", "rows", "GB written", "files", "CPU hours", "workers", "hours", "GB per worker", "GB in driver"]
    rows = [
        [c.stage, _count(c.rows), _gb(c.bytes), f"{c.files:,.0f}", f"{c.cpu_s / 3600:,.2f}", f"{c.workers:,}",
         f"{c.hours:,.3f}", _gb(c.worker_bytes), _gb(c.driver_bytes)]
        for c in stages(at)
    ]  # fmt: skip
    return markdown(head, rows)


def model_table(at: Scale) -> str:
    """Calls, tokens and GPU hours as Markdown."""
    gpu = models(at)
    rows = [
        ["model calls", _count(gpu.calls)],
        ["prompt tokens", _count(gpu.prompt_tokens)],
        ["of them new to their conversation", _count(gpu.new_prompt_tokens)],
        ["tokens of replies", _count(gpu.reply_tokens)],
        ["GPU hours that play", f"{gpu.play_gpu_h:,.0f}"],
        ["tokens trained on", _count(gpu.train_tokens)],
        ["operations of the training", f"{gpu.train_flops:.1e}"],
        ["GPU hours that train", f"{gpu.train_gpu_h:,.0f}"],
    ]
    return markdown(["what", "how much"], rows)


def money_table(at: Scale) -> str:
    """Dollars as Markdown, with their sum."""
    found = money(at)
    rows = [[what, f"{usd:,.0f}"] for what, usd in found.items()]
    return markdown(["for", "US$"], [*rows, ["in all", f"{sum(found.values()):,.0f}"]])


def _count(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{value:,.0f}"


def _gb(value: float) -> str:
    return f"{value / 1e9:,.2f}"


def tables(at: Scale) -> list[str]:
    """What docs/scale.md shows."""
    return [stage_table(at), model_table(at), money_table(at)]


if __name__ == "__main__":
    print("\n\n".join(tables(Scale())))
