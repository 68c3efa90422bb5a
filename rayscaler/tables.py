"""The table catalogue: every table that rayscaler writes, with its columns, key and version.

`docs/tables.md` is generated from this file (`rayscaler docs tables`), and a test fails when it is stale. Columns whose
type is JSON hold JSON text; the same value always has the same bytes.
"""

from __future__ import annotations

import pyarrow as pa

from rayscaler.table import Field, Table

_STR, _INT, _F32, _BOOL = pa.string(), pa.int64(), pa.float32(), pa.bool_()
_STRS = pa.list_(pa.string())

DIMENSION = 384
"""Length of an embedding. all-MiniLM-L6-v2 gives 384; another model with another length is another table version."""

TOOLS = Table("tools", 2, ("tool_id",), "One API operation: its explicit inputs and outputs (paper section 2.1).", (
    Field("tool_id", _STR, "Unique and readable: vendor/api/version/operation."),
    Field("name", _STR, "Function name, unique inside its API."),
    Field("vendor", _STR, "Who offers the API."),
    Field("api", _STR, "The API."),
    Field("api_title", _STR, "The API's own title."),
    Field("version", _STR, "Version of the API."),
    Field("description", _STR, "What the operation does, markup removed."),
    Field("method", _STR, "HTTP method in upper case, or empty."),
    Field("path", _STR, "Route template, or empty."),
    Field("resources", _STRS, "Resource nouns, outermost first."),
    Field("read_only", _BOOL, "What the specification says of it, if it does.", nullable=True),
    Field("parameters", _STR, "JSON Schema object of the arguments."),
    Field("locations", _STR, "JSON object: argument -> path, query, header or body."),
    Field("response", _STR, "JSON Schema of a successful answer.", nullable=True),
    Field("response_inferred", _BOOL, "Whether it was inferred by rule because the specification is silent."),
    Field("deprecated", _BOOL, "Whether the specification calls it deprecated."),
    Field("format", _STR, "Adapter that read it."),
    Field("source", _STR, "Configured source that it came from."),
    Field("file", _STR, "File inside the source."),
    Field("pointer", _STR, "JSON pointer inside the file."),
    Field("license", _STR, "Licence of the specification."),
))

REJECTS = Table("rejects", 1, ("stage", "key", "reason", "detail"), "What was left out, by which stage, and why.", (
    Field("stage", _STR, "The stage that left it out."),
    Field("key", _STR, "The file, tool, domain, walk or trajectory."),
    Field("reason", _STR, "A value of reasons.Reason."),
    Field("detail", _STR, "What was expected and what was found."),
))

REFINEMENTS = Table("refinements", 1, ("subject", "step"), "What a model was asked to better and what became of it. "
                    "Seconds, requests and what was known are measured, so no two runs agree.", (
    Field("subject", _STR, "The tool, link, environment or task that was asked about."),
    Field("step", _STR, "What was asked: the name of the prompt."),
    Field("status", _STR, "accepted; refused (no answer passed the checks); failed (the server gave none)."),
    Field("reason", _STR, "A value of refinement.problems.Kind for what is not accepted: of the last answer."),
    Field("problems", _STRS, "What was wrong with each answer, in order: `1 loses: …`."),
    Field("attempts", _INT, "Answers that were read."),
    Field("cached", _INT, "How many of them were known from an earlier run or subject, and asked for no more."),
    Field("requests", _INT, "Requests that were sent to the server, those that failed and were sent again included."),
    Field("prompt_tokens", _INT, "Tokens read for all these answers, as the server counts them."),
    Field("completion_tokens", _INT, "Tokens written, reasoning included."),
    Field("cached_tokens", _INT, "How many of both belong to answers that were known."),
    Field("cost", pa.float64(), "What all these answers cost when they were made, by the endpoint's prices."),
    Field("cached_cost", pa.float64(), "How much of it was spent before: this run spent the difference."),
    Field("seconds", _F32, "Seconds of waiting for the server, repeats and failures included."),
    Field("model", _STR, "The model's name."),
    Field("before", _STR, "What the rules made."),
    Field("after", _STR, "What stands: the same if nothing was accepted."),
    Field("answer", _STR, "The model's last words, up to 20,000 characters."),
))

DUPLICATES = Table("duplicates", 1, ("tool_id", "other", "kind"), "Tools that say again what another says.", (
    Field("tool_id", _STR, "A tool of `tools`: the older version, or the later one in the order of the files."),
    Field("other", _STR, "The tool whose operation it repeats: the newer version, or the earlier one."),
    Field("kind", _STR, "`version`, `route` (a vendor's method and route) or `text` (name, description, parameters)."),
    Field("similarity", _F32, "Parameter names in common, as a share of all that either has."),
    Field("why", _STR, "What they share, in words."),
))

PHRASES = Table("phrases", 2, ("phrase",), "Each distinct text of the pool with its embedding: embedded once.", (
    Field("phrase", _STR, "A parameter's or a resource's words."),
    Field("weight", pa.float64(), "Its rarity: log(1 + APIs / APIs that have it)."),
    Field("vector", pa.list_(_F32, DIMENSION), "Unit-length embedding."),
))

EMBEDDINGS = Table("embeddings", 1, ("tool_id",), "One unit-length vector per tool (paper section 2.1, eq. 1).", (
    Field("tool_id", _STR, "The tool."),
    Field("vector", pa.list_(_F32, DIMENSION), "Weighted mean of its phrases' embeddings, unit length."),
))

CANDIDATES = Table("candidates", 2, ("src", "dst"), "Nearest tools inside each tile, before merging.", (
    Field("src", pa.int32(), "Row of a tool in `embeddings`."),
    Field("dst", pa.int32(), "Row of a tool near it."),
    Field("similarity", _F32, "Cosine similarity."),
))

EDGES = Table("edges", 1, ("src", "dst"), "The nearest tools of each tool: cosine above tau, at most k (eq. 1).", (
    Field("src", _STR, "A tool."),
    Field("dst", _STR, "One of its nearest."),
    Field("similarity", _F32, "Cosine similarity."),
    Field("rank", pa.int32(), "1 for the nearest. Equal similarities keep the order of `embeddings`."),
))

DOMAINS = Table("domains", 1, ("domain_id",), "Communities of the tool graph (paper section 2.1).", (
    Field("domain_id", _STR, "Stable: derived from its tools."),
    Field("title", _STR, "A few words that no other domain has."),
    Field("description", _STR, "One line."),
    Field("tool_ids", _STRS, "Its tools, sorted."),
    Field("n_tools", _INT, "How many."),
    Field("vendors", _STRS, "Vendors among them, sorted."),
    Field("apis", _STRS, "APIs among them as vendor/api, sorted."),
    Field("cohesion", _F32, "Mean cosine similarity of its tools' vectors to their mean."),
))

COHERENCE = Table("coherence", 1, ("domain_id",), "How well each domain holds together; first the row of all.", (
    Field("domain_id", _STR, "The domain, or `all`: means over all tools and counts over all domains."),
    Field("title", _STR, "Its title; in the row of all, how many domains there are."),
    Field("n_tools", _INT, "Tools in it."),
    Field("inside", _F32, "Mean cosine similarity between its tools."),
    Field("outside", _F32, "Mean cosine similarity between its tools and those of the nearest other domain."),
    Field("nearest", _STR, "That domain, or empty."),
    Field("api_purity", _F32, "Share of its tools that are of its most frequent API."),
    Field("noun_purity", _F32, "Share of its tools that are about its most frequent resource noun."),
    Field("n_nouns", _INT, "Resource nouns that its tools are about."),
    Field("n_apis", _INT, "APIs among them."),
    Field("n_vendors", _INT, "Vendors among them."),
    Field("modularity", _F32, "Newman's modularity of the domains; only in the row of all.", nullable=True),
))

LINKS = Table("links", 1, ("domain_id", "src", "field", "dst", "parameter"), "Directed: an output feeds a parameter.", (
    Field("domain_id", _STR, "The domain."),
    Field("src", _STR, "Tool whose answer holds the value."),
    Field("field", _STR, "Where in the answer: `items[].id`."),
    Field("dst", _STR, "Tool that takes it."),
    Field("parameter", _STR, "The parameter that takes it."),
    Field("score", _F32, "How sure, 0 to 1."),
    Field("rule", _STR, "The rule that found it."),
))

ENVIRONMENTS = Table("environments", 1, ("environment_id",), "Executable, certified environments (section 2.1).", (
    Field("environment_id", _STR, "The domain's id."),
    Field("title", _STR, "The domain's title."),
    Field("description", _STR, "One line."),
    Field("n_tools", _INT, "Tools that passed."),
    Field("n_entities", _INT, "Tables of its database."),
    Field("n_reads", _INT, "Tools that only read."),
    Field("n_writes", _INT, "Tools that write."),
    Field("schema_sql", _STR, "The database schema."),
    Field("tools_py", _STR, "All tools as source."),
    Field("policy", _STR, "The rules in words."),
    Field("spec", _STR, "JSON: environment.EnvironmentSpec."),
    Field("certificate", _STR, "JSON: what was proved of each tool."),
))

TASKS = Table("tasks", 2, ("task_id",), "Certified tasks with their gold runs (paper section 2.2).", (
    Field("task_id", _STR, "Derived from environment, seed and gold calls."),
    Field("environment_id", _STR, "Where it is played."),
    Field("split", _STR, "train, heldout_task or heldout_domain."),
    Field("kind", _STR, "read, write or mixed."),
    Field("n_calls", _INT, "Gold calls."),
    Field("n_writes", _INT, "Gold calls that write."),
    Field("n_hops", _INT, "Arguments looked up in an earlier output."),
    Field("n_distractors", _INT, "Rows of the state that all but one of the facts told of a row fit."),
    Field("opening", _STR, "The user's first words."),
    Field("task", _STR, "JSON: task.Task."),
))

TRAJECTORIES = Table("trajectories", 2, ("trajectory_id",), "Recorded conversations (paper section 3.1).", (
    Field("trajectory_id", _STR, "Derived from task and trial."),
    Field("task_id", _STR, "The task."),
    Field("environment_id", _STR, "The environment."),
    Field("trial", _INT, "0-based repeat of the task."),
    Field("n_messages", _INT, "Messages, system included."),
    Field("n_calls", _INT, "Tool calls of the agent."),
    Field("n_errors", _INT, "Calls that the environment answered with an error."),
    Field("stop_reason", _STR, "trajectory.StopReason."),
    Field("error_type", _STR, "trajectory.ErrorType."),
    Field("agent", _STR, "`scripted`, or the name of the model that played the agent."),
    Field("user", _STR, "`scripted`, or the name of the model that played the user."),
    Field("seed", _INT, "The conversation's own seed, from which all its draws come."),
    Field("planted", _STR, "Mistake that the scripted agent made on purpose, or empty."),
    Field("trajectory", _STR, "JSON: trajectory.Trajectory."),
))

MODEL_CALLS = Table("model_calls", 1, ("trajectory_id", "number"), "What each reply of a model took; measured, so no "
                    "two runs agree. Empty where the sides are scripted.", (
    Field("trajectory_id", _STR, "The conversation."),
    Field("number", _INT, "0-based, over both sides, in the order of the replies."),
    Field("side", _STR, "agent or user."),
    Field("model", _STR, "The model's name."),
    Field("seed", _INT, "The seed that the reply was asked with."),
    Field("prompt_tokens", _INT, "Tokens read, as the server counts them."),
    Field("completion_tokens", _INT, "Tokens written, reasoning included."),
    Field("reasoning_tokens", _INT, "Tokens of reasoning, where the server tells them apart."),
    Field("latency_s", _F32, "Seconds from the first attempt to the whole answer, waits included."),
    Field("retries", _INT, "How often the call was made again."),
    Field("cost", pa.float64(), "By the endpoint's prices, in their currency."),
    Field("finish_reason", _STR, "Why the model stopped, in the server's words."),
    Field("malformed", _STR, "Why the reply could not be read, or empty."),
))

VERDICTS = Table("verdicts", 2, ("trajectory_id",), "One verdict per trajectory (paper section 3.1).", (
    Field("trajectory_id", _STR, "The trajectory."),
    Field("task_id", _STR, "Its task."),
    Field("environment_id", _STR, "Its environment."),
    Field("n_calls", _INT, "Its tool calls."),
    Field("kept", _BOOL, "Whether it passed all filters."),
    Field("stage", _STR, "The filter that dropped it, or empty."),
    Field("reason", _STR, "trajectory.VerdictReason."),
    Field("detail", _STR, "The rows or calls that decided."),
    Field("planted", _STR, "The trajectory's planted mistake, for the confusion table."),
))

FUNNEL = Table("funnel", 1, ("by", "value", "stage"), "What each filter let pass: in all, per domain, per length.", (
    Field("by", _STR, "all, domain, length or planted."),
    Field("value", _STR, "The domain's title, the number of tool calls, or the planted mistake; empty for all."),
    Field("stage", _STR, "trajectory.FilterStage, in its order."),
    Field("n_in", _INT, "Trajectories that reached the filter."),
    Field("n_out", _INT, "Trajectories that passed it."),
    Field("reasons", _STR, "JSON object: why the others did not, with counts."),
))

TOKENIZERS = Table("tokenizers", 1, ("name",), "The tokenizer that examples were made with, whole.", (
    Field("name", _STR, "`bpe-4096`, or the name of a pretrained one."),
    Field("tokenizer_json", _STR, "The `tokenizer.json` of Hugging Face tokenizers."),
    Field("chat_template", _STR, "The Jinja chat template."),
))

EXAMPLES = Table("examples", 1, ("trajectory_id",), "Training rows with the loss mask of eq. 2 (section 3.2).", (
    Field("trajectory_id", _STR, "The trajectory."),
    Field("task_id", _STR, "Its task."),
    Field("environment_id", _STR, "Its environment."),
    Field("phase", pa.int32(), "1 general; 2 if the environment is among the chosen verticals."),
    Field("messages", _STR, "JSON list: messages in OpenAI form."),
    Field("tools", _STR, "JSON list: tools in OpenAI form."),
    Field("input_ids", pa.list_(pa.int32()), "Token ids of the rendered conversation."),
    Field("loss_mask", pa.list_(pa.int8()), "1 where the token is supervised: assistant replies and tool calls."),
    Field("n_tokens", _INT, "Length of input_ids."),
    Field("n_supervised", _INT, "Sum of loss_mask."),
))

SIGNATURES = Table("signatures", 1, ("trajectory_id",), "MinHash signatures of what may become an example.", (
    Field("trajectory_id", _STR, "A kept trajectory of the training split."),
    Field("signature", pa.list_(pa.uint32(), 128), "Of its word shingles: what user and agent say, and the calls."),
))

NEAR_DUPLICATES = Table("near_duplicates", 1, ("trajectory_id",), "Conversations that say again what another says.", (
    Field("trajectory_id", _STR, "The one that is left out."),
    Field("other", _STR, "The earlier one that stays."),
    Field("similarity", _F32, "Shared word shingles over all (Jaccard), exactly."),
))

BENCHMARK_TEXTS = Table("benchmark_texts", 1, ("kind", "text", "benchmark"), "What examples are compared with.", (
    Field("kind", _STR, "tool or intent."),
    Field("benchmark", _STR, "The configured benchmark."),
    Field("key", _STR, "File, and name or id in it."),
    Field("text", _STR, "Name and description of the tool, or the user's words."),
    Field("vector", pa.list_(_F32, DIMENSION), "Unit-length embedding."),
))

OVERLAPS = Table("overlaps", 1, ("kind", "key", "measure"), "The benchmark text nearest to each tool and opening.", (
    Field("kind", _STR, "tool or intent."),
    Field("key", _STR, "environment/tool, or the task."),
    Field("measure", _STR, "ngram or cosine."),
    Field("score", _F32, "Share of its n-grams that the other has, or the cosine of their embeddings."),
    Field("benchmark", _STR, "Where the nearest text is from."),
    Field("other", _STR, "File, and name or id in it."),
    Field("text", _STR, "Ours."),
    Field("other_text", _STR, "Theirs."),
    Field("contaminated", _BOOL, "Whether the score is above the recipe's bound."),
))

PACKS = Table("packs", 1, ("phase", "step", "slot"), "Packed rows of tokens in the order of training, per step.", (
    Field("phase", _STR, "The phase of training."),
    Field("step", _INT, "Optimiser step, 0-based over all epochs of the phase."),
    Field("slot", pa.int32(), "Place in the step's batch; worker r of W trains on slots r, r + W and so on."),
    Field("epoch", pa.int32(), "0-based."),
    Field("input_ids", pa.list_(pa.int32()), "Token ids of whole examples, one after another."),
    Field("labels", pa.list_(pa.int32()), "The same where the loss looks, else -100."),
    Field("position_ids", pa.list_(pa.int32()), "From 0 again with each example."),
    Field("step_supervised", _INT, "Supervised tokens of the whole step: what its loss is a mean over."),
))

LOSSES = Table("losses", 1, ("phase", "step"), "The loss of each optimiser step (eq. 2).", (
    Field("phase", _STR, "The phase of training."),
    Field("step", _INT, "Optimiser step, 0-based."),
    Field("epoch", pa.int32(), "0-based."),
    Field("loss", pa.float64(), "Mean cross entropy per supervised token of the step, in nats."),
    Field("gradient_norm", pa.float64(), "Before it was clipped."),
    Field("learning_rate", pa.float64(), "Of this step."),
    Field("n_tokens", _INT, "Tokens that went through the model."),
    Field("n_supervised", _INT, "Tokens that the loss looked at."),
))

CHECKPOINTS = Table("checkpoints", 1, ("phase",), "Trained models, in Hugging Face layout (paper section 3.2).", (
    Field("phase", _STR, "The phase that ended with it."),
    Field("folder", _STR, "Where it lies below the run's root."),
    Field("start", _STR, "The phase, folder or hub name that its weights started from, or `scratch`."),
    Field("n_examples", _INT, "Examples in one epoch."),
    Field("n_steps", _INT, "Optimiser steps."),
    Field("n_tokens", _INT, "Tokens that went through the model."),
    Field("n_supervised", _INT, "Tokens that the loss looked at."),
    Field("first_loss", pa.float64(), "Loss of the first step; null where there is none.", nullable=True),
    Field("last_loss", pa.float64(), "Loss of the last step.", nullable=True),
    Field("n_parameters", _INT, "Of the whole model."),
    Field("content", _STR, "SHA-256 of its weights' files."),
))

OF_STAGES = frozenset({REJECTS.name, REFINEMENTS.name})
"""Tables that several stages write, each its own: a run's is all of them, one after the other."""

EPISODES = Table("episodes", 1, ("episode_id",), "Conversations of models with held-out tasks and benchmarks, as they "
                 "were recorded: enough to grade them again (paper section 4).", (
    Field("episode_id", _STR, "Derived from model, benchmark, item and trial."),
    Field("model", _STR, "Who was evaluated, as the configuration calls it."),
    Field("benchmark", _STR, "heldout, calls (gold history, one reply), or a benchmark's name."),
    Field("version", _STR, "Version and commit of the benchmark's data."),
    Field("subset", _STR, "Split of a held-out task, or the benchmark's own part."),
    Field("item_id", _STR, "The task, or the benchmark's item."),
    Field("group", _STR, "Items that rise and fall together: the task that a call is of."),
    Field("labels", pa.list_(_STR), "What it is scored apart by too: `vertical`."),
    Field("n_gold", _INT, "Calls of the gold run; for a single call, its place in it."),
    Field("trial", _INT, "0-based."),
    Field("seed", _INT, "The episode's own seed, from which all its draws come."),
    Field("n_messages", _INT, "Messages, system included."),
    Field("n_calls", _INT, "Tool calls that were answered, of agent and user."),
    Field("n_errors", _INT, "Calls that were answered with an error."),
    Field("stop_reason", _STR, "trajectory.StopReason."),
    Field("error_type", _STR, "trajectory.ErrorType."),
    Field("agent", _STR, "`scripted`, or the name of the model at its server."),
    Field("user", _STR, "The same of the user's side."),
    Field("trajectory", _STR, "JSON: trajectory.Trajectory."),
))

EVALUATION_CALLS = Table("evaluation_calls", 1, MODEL_CALLS.key, "What each reply of a model took in an episode, as in "
                         "model_calls; `trajectory_id` is the episode.", MODEL_CALLS.fields)

GRADES = Table("grades", 1, ("episode_id",), "What each episode is worth.", (
    Field("episode_id", _STR, "The episode."),
    Field("reward", pa.float64(), "0 to 1 over what is covered; null where the machinery broke it.", nullable=True),
    Field("parts", _STR, "JSON: the checks that went into it, each 0 to 1."),
    Field("uncovered", pa.list_(_STR), "Checks that the benchmark asks for and that were not made."),
    Field("detail", _STR, "Why the reward is below 1."),
))

SCORES = Table("scores", 1, ("model", "benchmark", "by", "of", "without", "metric"), "Scores with 95% intervals.", (
    Field("model", _STR, "Who was evaluated."),
    Field("benchmark", _STR, "On what."),
    Field("version", _STR, "Version and commit of the benchmark's data."),
    Field("by", _STR, "What is taken together: all, subset, label or n_calls; `item` for one without a trial."),
    Field("of", _STR, "Which subset, label, length of the gold run, or item."),
    Field("without", _STR, "Checks that were not made: such a score is an upper bound, apart from whole ones."),
    Field("metric", _STR, "pass^k, reward, part:NAME, infrastructure or user_error (shares of all episodes), unscored "
          "(share of all items)."),
    Field("value", pa.float64(), "The score, 0 to 1."),
    Field("low", pa.float64(), "Lower end of the interval."),
    Field("high", pa.float64(), "Upper end."),
    Field("n_items", _INT, "Items it is a mean of."),
    Field("n_episodes", _INT, "Their episodes; those that the machinery broke are in the shares only."),
))

CATALOGUE: dict[str, Table] = {
    table.name: table
    for table in (TOOLS, DUPLICATES, REJECTS, REFINEMENTS, PHRASES, EMBEDDINGS, CANDIDATES, EDGES, DOMAINS, COHERENCE,
                  LINKS, ENVIRONMENTS, TASKS, TRAJECTORIES, MODEL_CALLS, VERDICTS, FUNNEL, TOKENIZERS, EXAMPLES,
                  SIGNATURES, NEAR_DUPLICATES, BENCHMARK_TEXTS, OVERLAPS, PACKS, LOSSES,
                  CHECKPOINTS, EPISODES, EVALUATION_CALLS, GRADES, SCORES)
}
