"""Execute one manifest: all that loads torch for a run.

To read one training from top to bottom: `run.fit` is the whole; `prepare` reads rows and images and builds the parts
with `builder`; `loop` is the training itself, `fit` driving a Lightning module; `outputs` writes what it leaves. Around
it: `execute` looks a manifest up and publishes its result, `other_nodes` are the kinds that do not train, `trial_run`
tries two batches and keeps nothing.

What a training can do, and where:

- order, augmentation and dropout as functions of the batch's number: `data.batches`, `seeds`;
- a parent's encoder and heads, files of weights, teachers: `network.starting_weights`;
- freezing and thawing, rates by depth, layers of scenarios and auxiliaries: `network`;
- several heads and their weighting, accumulation, clipping, precision, divergence: `loop`;
- validation, early stopping, the best epoch: `loop`, `evaluation.validation`;
- resume points, also of callbacks: `resume`, `checkpoints`; deadlines and signals: `run`, `job`;
- Lightning's callbacks, observers and loggers: `observers`, `journal`; where its inner parts are touched: `lightning`;
- several devices: `distributed`, `rank_process`.

Limits: one Lightning loop with manual optimization, so callbacks that reach into automatic optimization (accumulation
schedules, searches of rates or batch sizes, pruning) are not for it. What trains nothing imports no Lightning.
"""
