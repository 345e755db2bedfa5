"""R3DG: retrieve, rank and reconstruct with different granularities."""
