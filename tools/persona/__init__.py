"""What the scripts in tools/ share: corpora, features, networks, training, model files, golden
values and benchmarks."""
