"""CMCBEP-CL: a lead modality supplements the others, and five predictions are mixed."""
