"""Open Inference Protocol v2; knows no BentoML."""
