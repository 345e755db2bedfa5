"""MLCL: multi-level contrastive learning."""
