"""SETGF: self-supervised text-guided fusion (reconstruction)."""
